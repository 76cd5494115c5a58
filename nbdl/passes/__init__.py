"""What happens to a graph between recording and scheduling, in order. Every pass is checked by `verify`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nbdl.autodiff import expand_gradients
from nbdl.ir.graph import Node
from nbdl.ir.verify import verify
from nbdl.passes.common import share_common
from nbdl.passes.composites import expand_composites
from nbdl.passes.narrow import widen_narrow
from nbdl.passes.pooling import pool_first
from nbdl.passes.scan_constants import hoist, inline_numbers
from nbdl.passes.scan_steps import write_out_scans
from nbdl.passes.scan_tools import scans_of
from nbdl.passes.scans import improve_bodies, look_up_finals, merge_scans, share_results, trim_scans
from nbdl.passes.short_axes import join_short_axes
from nbdl.passes.simplify import simplify
from nbdl.passes.transposes import fold_transposes
from nbdl.passes.winograd import products_saver

Pass = Callable[[Sequence[Node]], list[Node]]


def improve_scans(outputs: Sequence[Node]) -> list[Node]:
    """Make the most of scans, those in bodies too: one for each loop, without what nobody needs, their bodies improved.
    """
    if not scans_of(outputs):
        return list(outputs)
    outputs = inline_numbers(trim_scans(merge_scans(outputs)))
    return trim_scans(hoist(share_results(improve_bodies(outputs, IN_BODIES))))


IN_BODIES: tuple[Pass, ...] = (
    expand_composites,
    improve_scans,
    simplify,
    share_common,
    simplify,
    fold_transposes,
    share_common,
    look_up_finals,
    share_common,
)

PASSES: tuple[Pass, ...] = (
    pool_first,
    widen_narrow,
    expand_gradients,
    expand_composites,
    simplify,
    share_common,
    improve_scans,
    write_out_scans,
    join_short_axes,
    simplify,
    fold_transposes,
    share_common,
    look_up_finals,
    share_common,
)


def cpu_passes(batch: int | None = None) -> tuple[Pass, ...]:
    """What follows for programs that run on a CPU, not on a card; `batch` is the rows of a batch, if that is known."""
    return products_saver(batch), share_common


def run_passes(outputs: Sequence[Node], passes: Sequence[Pass] | None = None) -> list[Node]:
    """Apply passes (by default those for all devices); raises `VerifyError`, naming the pass, if one breaks the graph.
    """
    outputs = list(outputs)
    for each in PASSES if passes is None else passes:
        better = each(outputs)
        verify(better, like=outputs, after=each.__name__)
        outputs = better
    return outputs
