"""What happens to a graph between recording and scheduling, in order. Every pass is checked by `verify`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nbdl.autodiff import expand_gradients
from nbdl.ir.graph import Node
from nbdl.ir.verify import verify
from nbdl.passes.common import share_common
from nbdl.passes.simplify import simplify
from nbdl.passes.transposes import fold_transposes

Pass = Callable[[Sequence[Node]], list[Node]]

PASSES: tuple[Pass, ...] = (expand_gradients, simplify, share_common, simplify, fold_transposes, share_common)


def run_passes(outputs: Sequence[Node]) -> list[Node]:
    """Apply all passes; raises `VerifyError`, naming the pass, if one breaks the graph."""
    outputs = list(outputs)
    for each in PASSES:
        better = each(outputs)
        verify(better, like=outputs, after=each.__name__)
        outputs = better
    return outputs
