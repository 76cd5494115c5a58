"""Machine code that is the same wherever it runs: a function calls the copies that were compiled with it.

Numba links what a function calls into it and optimises both together, so the copies of one kernel in two programs may
add up in different orders. They have one name ("linkonce_odr": any will do), and LLVM takes the first that a process
has met, also for the others. What a program computes would then depend on what was compiled or read from disk before
it: its last digits would change in the process after the one that compiled it. Here copies are a program's own.
"""

from __future__ import annotations

from typing import Any

from llvmlite.binding import Linkage
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering


class _OwnCode(JITCodeLibrary):  # type: ignore[misc, unused-ignore]
    """The machine code of a function, with copies of what it calls that nobody else sees."""

    def _finalize_specific(self) -> None:
        """Make the copies internal: after they were optimised, so that nothing but their visibility changes."""
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
                function.linkage = Linkage.internal
        super()._finalize_specific()


@register_pass(mutates_CFG=True, analysis_only=False)
class OwnLowering(NativeLowering):  # type: ignore[misc, unused-ignore]
    """Numba's lowering, into such a library."""

    _name = "nbdl_own_lowering"

    def run_pass(self, state: Any) -> bool:
        """Begin the library that Numba would begin, and go on as it does."""
        if state.library is None:
            state.library = _OwnCode(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
        return bool(super().run_pass(state))


class KernelCompiler(Compiler):  # type: ignore[misc, unused-ignore]
    """Numba's compiler for programs and kernels."""

    lowering: type[NativeLowering] = OwnLowering

    def define_pipelines(self) -> list[Any]:
        """Numba's own passes but for the lowering."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [(self.lowering if each is NativeLowering else each, why) for each, why in passes.passes]
        passes.finalize()
        return [passes]
