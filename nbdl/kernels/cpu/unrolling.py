"""Loops that LLVM leaves as loops until it has vectorised them.

LLVM writes a loop of few steps out before it looks for vectors, and then often finds none: for it, `tanh` of sixteen
columns is sixteen polynomials instead of one of a vector. Numba has no option for that, so its lowering is told
here to mark the loops (https://llvm.org/docs/LangRef.html#llvm-loop-unroll-disable-metadata).
"""

from __future__ import annotations

from llvmlite import ir as llvm
from numba.core import ir
from numba.core.compiler_machinery import register_pass
from numba.core.ir_utils import find_const, get_definition, guard
from numba.core.lowering import Lower

from nbdl.kernels.cpu.own_code import KernelCompiler, OwnLowering

WRITTEN_OUT = frozenset({1, 2, 3, 5, 6, 7})
"""Steps of loops that are quicker one after another: a vector with idle lanes that is added to in memory waits until
what it stored before has got there.
"""


class _Lower(Lower):  # type: ignore[misc, unused-ignore]
    """Numba's lowering, with loops marked."""

    def lower_inst(self, inst: ir.Stmt) -> None:
        """Translate a statement; the jump back to a loop's beginning is where LLVM looks for what holds for it."""
        super().lower_inst(inst)
        if isinstance(inst, ir.Jump) and self.blkmap[inst.target].instructions and not self._is_short(inst.target):
            self.builder.block.terminator.set_metadata("llvm.loop", _never_unrolled(self.module))

    def _is_short(self, header: int) -> bool:
        steps = guard(_constant_steps, self.func_ir, self.blocks[header])
        return steps in WRITTEN_OUT


def _constant_steps(function: ir.FunctionIR, header: ir.Block) -> int | None:
    """The steps of a loop over `range(constant)`."""
    for step in header.find_exprs("iternext"):
        iterable = get_definition(function, get_definition(function, step.value).value)
        if isinstance(iterable, ir.Expr) and iterable.op == "call" and len(iterable.args) == 1:
            return int(find_const(function, iterable.args[0]))
    return None


def _never_unrolled(module: llvm.Module) -> llvm.MDValue:
    """What LLVM must know of a loop: a node that names itself, so that no two loops share it."""
    hint = module.add_metadata([llvm.MetaDataString(module, "llvm.loop.unroll.disable")])
    node = llvm.MDValue(module, [hint], name=str(len(module.metadata)))
    node.operands = (node, hint)
    return node


@register_pass(mutates_CFG=True, analysis_only=False)
class _LoweringOfLoops(OwnLowering):  # type: ignore[misc, unused-ignore]
    _name = "nbdl_lowering_of_loops"

    @property
    def lowering_class(self) -> type[Lower]:
        return _Lower


class LoopCompiler(KernelCompiler):
    """The compiler of functions whose loops are vectorised before they are written out."""

    lowering = _LoweringOfLoops
