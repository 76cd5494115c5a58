"""The one way in which nbdl asks Numba to compile a CPU function.

`error_model="numpy"` keeps zero-division branches out of the loops (they stop vectorisation). The fast-math flags
are the ones that do not assume finite values: with `nnan` or `ninf`, `isnan` would be folded to false.

What a kernel doesn't need isn't made: an entry for Python and one for C, counting of references (nothing is allocated),
another version for each number that a caller spells out. That is a third of the time of a first training step.
"""

import gc
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import njit, types
from numba.core.caching import FunctionCache
from numba.core.registry import CPUDispatcher, cpu_target
from numba.extending import is_jitted

from nbdl.file_lock import locked
from nbdl.kernels.cpu.own_code import KernelCompiler
from nbdl.kernels.cpu.unrolling import LoopCompiler
from nbdl.kernels.version import kernel_folder

config: Any = numba.config  # its fields are made at run time, where type checkers don't see them

FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": FASTMATH, "nogil": True, "no_cfunc_wrapper": True}

_compiled = njit(**OPTIONS)


@cache
def _get_ready_to_compile() -> None:
    """Let Numba register all that it can compile, and make the runtime of functions that allocate.

    It does so by itself, but would search for BLAS meanwhile, which imports `scipy.linalg`. Nothing here calls BLAS. A
    function of a user's that does (`np.dot`) still finds it: Numba looks again when it compiles one.
    """
    linalg: Any = importlib.import_module("numba.np.linalg")
    search, linalg.ensure_blas = linalg.ensure_blas, lambda: None
    try:
        cpu_target.target_context.refresh()
    finally:
        linalg.ensure_blas = search


def plugin_kernel(module: str, name: str) -> Any:
    """The function of a plugin's operation, for a generated program: compiled as it is decorated, or as nbdl's own
    are. Its machine code may need whatever Numba has, also when it comes from disk.
    """
    _get_ready_to_compile()
    function = getattr(importlib.import_module(module), name)
    function = getattr(function, "kernel", function)  # what `nbdl.op` returned may have the name of what it was given
    return function if is_jitted(function) else _compiled(function)


class KernelCache(FunctionCache):  # type: ignore[misc, unused-ignore]
    """Machine code in nbdl's cache folder, in one that belongs to these kernels.

    The folder beside the source, Numba's first choice, may hold code that was compiled from older versions of what a
    function calls. Only one process at a time adds to the folder: two that gave a file's next free name to different
    versions of a function would find each other's code. Code that can't be saved is compiled again by the next one.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        before = config.CACHE_DIR
        config.CACHE_DIR = before or str(kernel_folder())
        try:
            super().__init__(function)
        finally:
            config.CACHE_DIR = before

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Read the machine code for one signature, if it was saved.

        Numba would get ready to compile first, though what was saved runs without: that is most of the time of a warm
        start, and many megabytes, as LLVM's optimiser comes into memory.
        """
        read = getattr(self, "_load_overload", super().load_overload)  # another version of Numba may get ready first
        with suppress(OSError):
            found = read(sig, target_context)
            if found is not None:
                return found
        _get_ready_to_compile()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save the machine code for one signature."""
        with suppress(OSError):
            self._impl.locator.ensure_cache_path()
            with locked(Path(self.cache_path) / ".lock"):
                super().save_overload(sig, data)


class ProgramFunction(CPUDispatcher):  # type: ignore[misc, unused-ignore]
    """A compiled function that Python calls. It allocates nothing, and keeps its machine code on disk."""

    def enable_caching(self) -> None:
        """Keep machine code in nbdl's cache folder."""
        self._cache = KernelCache(self.py_func)


class KernelFunction(ProgramFunction):
    """A compiled function that compiled functions call, with numbers of which only the types count."""

    from_python: Any = None

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Numba's way to compile what a caller calls: `f(x, 3)` and `f(x, 4)` call the same code here."""
        return super().get_call_template(tuple(types.unliteral(each) for each in args), kws)

    def __call__(self, *arguments: Any) -> Any:
        """Call the function from Python, as tests do: by way of a compiled one that does nothing else."""
        if self.from_python is None:
            self.from_python = _compiled(lambda *given: self(*given))
        return self.from_python(*arguments)


def compiled(
    kind: type[ProgramFunction], pipeline: type[KernelCompiler] = KernelCompiler, **options: Any
) -> Callable[[Callable[..., Any]], Any]:
    """A decorator that compiles a function that lives in a file."""
    options = {"nopython": True, "boundscheck": None, "_nrt": False, "no_cfunc_wrapper": True} | options

    def decorator(function: Callable[..., Any]) -> Any:
        if config.DISABLE_JIT:
            return function
        dispatcher = kind(function, targetoptions=options, pipeline_class=pipeline)
        dispatcher.enable_caching()
        return dispatcher

    return decorator


program = compiled(ProgramFunction, **OPTIONS)
"""Compile the function of a program that Python calls."""

kernel = compiled(KernelFunction, **OPTIONS, no_cpython_wrapper=True)
"""Compile a function that programs and other kernels call. It can't allocate."""


class _Apart(LoopCompiler):
    """The compiler of loops, told that no array which a function is given overlaps one that it writes."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state.flags.noalias = True


loop = compiled(KernelFunction, _Apart, **OPTIONS, no_cpython_wrapper=True)
"""Compile a generated loop. Its arrays lie apart: LLVM gives up on vectorising a loop that writes several arrays if it
must first compare where each begins and ends.
"""

inlined = njit(inline="always")
"""For a function with a single caller: it becomes part of the caller, and is not compiled a second time by itself."""


@contextmanager
def collector_paused() -> Iterator[None]:
    """Compile without Python's garbage collector, which takes a tenth of the time and finds next to nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
