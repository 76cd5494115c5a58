"""Machine code that is compiled once and called by every program, instead of being linked into each.

Numba links a callee's code into its caller and optimises both again. For a register-tiled kernel that costs a second
a program and lets a caller's constants reach code that gains nothing from them. A shared function is compiled once
per machine (and found again on disk); programs hold a call through a slot of a table.

The table's symbol is registered when this module is imported. A program compiled earlier and read from disk may run
before the function it calls was loaded, so each slot starts with a Python callback that loads the function, puts
its address into the slot and forwards this first call. A program that is being compiled doesn't need the function
either: another process may compile it meanwhile (`nbdl.kernels.helper`), and it is waited for at the end.

A cache of programs must be keyed by this package's version: the signature behind a symbol may change with it.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.ccallback import CFunc
from numba.core.compiler_lock import global_compiler_lock

from nbdl.kernels import helper
from nbdl.kernels.cpu.jit import FASTMATH, KernelCache
from nbdl.kernels.cpu.own_code import KernelCompiler
from nbdl.kernels.cpu.vector import intrinsic

OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": FASTMATH, "_nrt": False}

_waiting: ContextVar[list[Slot] | None] = ContextVar("waiting", default=None)
"""The slots that are loaded at the end of `load_last`; None outside of it."""


class SharedFunction(CFunc):  # type: ignore[misc, unused-ignore]
    """A C function made by Numba, with its machine code in nbdl's cache folder."""

    def __init__(self, function: Callable[..., Any], signature: Any) -> None:
        super().__init__(function, (signature.args, signature.return_type), {}, OPTIONS, KernelCompiler)
        self._cache = KernelCache(function)


class Slot:
    """One shared function for one signature: a symbol whose memory holds the function's address."""

    def __init__(self, function: Callable[..., Any], signature: Any, symbol: str) -> None:
        self.function, self.signature, self.symbol = function, signature, symbol
        self.compiled: Any = None
        scalars = [ctypes.c_void_p if isinstance(t, types.CPointer) else ctypes.c_ssize_t for t in signature.args]
        self.type = ctypes.CFUNCTYPE(None, *scalars)
        self.first_call = self.type(self._first_call)
        self.address = ctypes.cast(self.first_call, ctypes.c_void_p)
        llvm.add_symbol(symbol, ctypes.addressof(self.address))

    def load(self, *, wait: bool = True) -> None:
        """Compile the function, or read it from disk, and point the slot at it.

        Without `wait` nothing happens while another process compiles it.
        """
        with global_compiler_lock:  # first: who compiles a program holds it when it comes here
            if self.compiled is None:
                with helper.turn(self.symbol, wait=wait) as mine:
                    if mine:
                        function = SharedFunction(self.function, self.signature)
                        function.compile()
                        self.compiled = function
                        self.address.value = function.address

    def load_in_time(self) -> None:
        """Load the function now, when a failure can still be reported, or at the end of a `load_last`."""
        waiting = _waiting.get()
        if waiting is None:
            self.load()
        else:
            waiting.append(self)

    def _first_call(self, *arguments: int) -> None:
        """Load the function and run it. Native callers can't be told of an exception, so none may escape."""
        interrupted = False
        while self.compiled is None:
            try:
                self.load()
            except KeyboardInterrupt:
                interrupted = True
            except BaseException:
                traceback.print_exc()
                os.abort()  # to return would mean to go on with a result that was never computed
        self.type(self.compiled.address)(*arguments)
        if interrupted:  # deliver it when this callback, which would swallow it, has returned
            threading.Timer(0.1, _thread.interrupt_main).start()


@contextmanager
def load_last(*, wait: bool = True) -> Iterator[None]:
    """Load the shared functions that are met inside at the end, and those last that other processes compile meanwhile.

    Without `wait` those are left to them. Who waits begins with the last one, and who doesn't with the first.
    """
    slots: list[Slot] = []
    token = _waiting.set(slots)
    try:
        yield
    finally:
        _waiting.reset(token)
    for slot in reversed(slots) if wait else slots:
        slot.load(wait=False)
    for slot in slots if wait else ():
        slot.load()


def shared(signature: Callable[[Any], Any], scalars: tuple[Any, ...] = (types.float32, types.float64)) -> Any:
    """Turn a function into one that other compiled functions call through a slot, one slot for each scalar type.

    `signature(scalar)` gives the Numba signature: void, of typed pointers and intp; the first argument is a pointer to
    `scalar`. The function is then called with all its arguments in one tuple: `product((pointer(a), m, ...))`. What
    calls it by its address has that from an intrinsic, the attribute `address`, which takes such a pointer.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        name = f"{function.__module__}.{function.__name__}"
        slots = {scalar: Slot(function, signature(scalar), f"{name}.{scalar}") for scalar in scalars}

        @intrinsic
        def call(typingctx: Any, arguments: Any) -> Any:
            slot = slots[arguments[0].dtype]
            slot.load_in_time()

            def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
                _emit_call(context, builder, slot, arguments, cgutils.unpack_tuple(builder, values[0]))
                return context.get_dummy_value()

            return types.void(arguments), emit

        @intrinsic
        def address(typingctx: Any, start: Any) -> Any:
            slot = slots[start.dtype]
            slot.load_in_time()
            return types.int64(start), lambda context, builder, signature, values: _load_address(builder, slot)

        call.slots, call.address = slots, address
        return call

    return decorate


def _emit_call(context: Any, builder: ir.IRBuilder, slot: Slot, given: Any, values: list[ir.Value]) -> None:
    """Emit the call of the address that the slot holds when the program runs."""
    pointer = ir.PointerType()
    native: list[ir.Value] = []
    for value, source, target in zip(values, given, slot.signature.args, strict=True):
        converted = context.cast(builder, value, source, target)
        native.append(builder.bitcast(converted, pointer) if isinstance(target, types.CPointer) else converted)
    function_type = ir.FunctionType(ir.VoidType(), [value.type for value in native])
    builder.call(builder.inttoptr(_load_address(builder, slot), function_type.as_pointer()), native)


def _load_address(builder: ir.IRBuilder, slot: Slot) -> ir.Value:
    """Emit the load of the function's address."""
    table = builder.module.globals.get(slot.symbol) or ir.GlobalVariable(builder.module, ir.IntType(64), slot.symbol)
    return builder.load(table)
