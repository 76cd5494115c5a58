"""What happens to a graph between recording and scheduling, in order. Every pass is checked by `verify`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nbdl.autodiff import expand_gradients
from nbdl.ir.graph import Node
from nbdl.ir.verify import verify
from nbdl.passes.common import share_common
from nbdl.passes.narrow import widen_narrow
from nbdl.passes.pooling import pool_first
from nbdl.passes.scans import improve_bodies, look_up_finals, merge_scans, trim_scans, write_out_scans
from nbdl.passes.simplify import simplify
from nbdl.passes.transposes import fold_transposes

Pass = Callable[[Sequence[Node]], list[Node]]

IN_BODIES: tuple[Pass, ...] = (simplify, share_common, simplify, fold_transposes, share_common)


def improve_scans(outputs: Sequence[Node]) -> list[Node]:
    """Make the most of scans: one for each loop, without what nobody needs, their bodies improved, scans in them too."""
    return improve_bodies(trim_scans(merge_scans(look_up_finals(outputs))), (improve_scans, *IN_BODIES))


PASSES: tuple[Pass, ...] = (
    pool_first,
    widen_narrow,
    expand_gradients,
    simplify,
    share_common,
    improve_scans,
    write_out_scans,
    simplify,
    fold_transposes,
    share_common,
)


def run_passes(outputs: Sequence[Node]) -> list[Node]:
    """Apply all passes; raises `VerifyError`, naming the pass, if one breaks the graph."""
    outputs = list(outputs)
    for each in PASSES:
        better = each(outputs)
        verify(better, like=outputs, after=each.__name__)
        outputs = better
    return outputs
