"""Run a generated program as plain Python, with every access to memory watched.

The generated module is executed without Numba: the kernels that are LLVM code have twins in NumPy here, the others run
as they are written. No compilation, so hundreds of programs a minute can be tried; and what machine code would get away
with is an error:

- views outside of the memory that the program asked for;
- reading what nothing has written: working memory starts as garbage (NaN for floating-point numbers) and is made
  garbage again before every step;
- races: between two meetings the workers run one after the other. `isolated`, each sees the shared memory as it was
  at the last meeting, plus its own writes, and two workers that write different values to the same bytes are reported;
  else each sees all that the ones before it have written. Only a program without races gives the same both ways.
"""

from __future__ import annotations

import math
import threading
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nbdl.codegen.names import KERNELS
from nbdl.codegen.program import Program, _flat
from nbdl.codegen.shards import mixes_rows
from nbdl.kernels import reference_images, reference_random
from nbdl.kernels.cpu import copies, scalars
from nbdl.kernels.geometry import Geometry

GARBAGE = 0xFF  # bytes that make NaN of floating-point numbers, and numbers out of range of integers
SCRATCH = 16


class RaceError(AssertionError):
    """Two workers wrote to the same bytes between two meetings."""


@dataclass
class Meetings:
    """Lets the workers run one at a time from meeting to meeting."""

    workers: int
    memory: list[np.ndarray]
    isolated: bool
    turn: int = 0
    failure: BaseException | None = None
    before: list[np.ndarray] = field(default_factory=list)
    changes: list[list[tuple[np.ndarray, np.ndarray]]] = field(default_factory=list)
    condition: threading.Condition = field(default_factory=threading.Condition)

    def start(self, worker: int) -> None:
        """Wait for this worker's turn."""
        with self.condition:
            self.condition.wait_for(lambda: self.turn == worker or self.failure is not None)
            if self.failure is not None:
                raise self.failure
            if worker == 0 and self.isolated:
                self.before = [each.copy() for each in self.memory]
                self.changes = []

    def meet(self, sync: object, worker: int, workers: int) -> bool:
        """What the generated code calls as `barrier`."""
        if self.workers > 1:
            self.finish(worker)
            self.start(worker)
        return True

    def finish(self, worker: int, failure: BaseException | None = None) -> None:
        """Note what this worker has written, and pass the turn on; after the last worker, all writes become visible."""
        with self.condition:
            if self.isolated and failure is None and self.failure is None:
                try:
                    self._note()
                    if worker == self.workers - 1:
                        self._apply()
                except RaceError as error:
                    failure = error
            self.failure = self.failure or failure
            self.turn = (worker + 1) % self.workers
            self.condition.notify_all()

    def _note(self) -> None:
        changed = []
        for now, before in zip(self.memory, self.before, strict=True):
            places = np.flatnonzero(now != before)
            changed.append((places, now[places].copy()))
            now[...] = before
        self.changes.append(changed)

    def _apply(self) -> None:
        for number, memory in enumerate(self.memory):
            written = np.full(len(memory), -1)
            for worker, changed in enumerate(self.changes):
                places, values = changed[number]
                clash = places[(written[places] >= 0)]
                if len(clash):
                    raise RaceError(
                        f"workers {written[clash[0]]} and {worker} both write byte {clash[0]} of memory {number}"
                    )
                written[places] = worker
                memory[places] = values


def _view(memory: np.ndarray, start: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """The twin of the kernel `view`: outside of the memory is an error."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    assert start >= 0, f"a view begins {-start} bytes before its memory"
    assert start + size <= len(memory), f"a view ends {start + size - len(memory)} bytes behind its memory"
    assert size == 0 or (memory.ctypes.data + start) % dtype.itemsize == 0, f"a view of {dtype} isn't aligned"
    return memory[start : start + size].view(dtype).reshape(shape)


def _part(array: np.ndarray, start: int, shape: tuple[int, ...]) -> np.ndarray:
    flat = array.reshape(-1)
    size = math.prod(shape)
    assert array.flags.c_contiguous, "a part of an array that isn't contiguous"
    assert 0 <= start, "a part that begins before its array"
    assert start + size <= flat.size, f"{size} elements from {start} on lie outside an array of {flat.size}"
    return flat[start : start + size].reshape(shape)


def _prefetch(array: np.ndarray, position: int) -> None:
    assert position >= 0, "asks for what lies before an array"


def _move(source: np.ndarray, source_start: int, target: np.ndarray, target_start: int, count: int) -> None:
    assert source.dtype == target.dtype, f"{source.dtype} is copied as {target.dtype}"
    assert not np.shares_memory(source, target), "a copy over itself"
    _part(target, target_start, (count,))[:] = _part(source, source_start, (count,))


def _matmul(swap_x: bool, swap_y: bool, add: bool) -> Callable[..., None]:
    def multiply(x: np.ndarray, y: np.ndarray, out: np.ndarray, scratch: np.ndarray) -> None:
        assert len(scratch) >= SCRATCH
        assert not np.shares_memory(x, out), "a matrix product over its own operand"
        assert not np.shares_memory(y, out), "a matrix product over its own operand"
        scratch[:] = 0
        product = (x.T if swap_x else x) @ (y.T if swap_y else y)
        out[...] = out + product if add else product

    return multiply


def _over_images(name: str) -> Callable[..., None]:
    """The twin of a kernel for images, whose table is the geometry here, and whether it adds."""
    meaning = getattr(reference_images, name.replace("depthwise", "convolve"))

    def run(*arguments: Any) -> None:
        *operands, (geometry, add) = arguments
        if name.startswith("convolve"):
            scratch = operands.pop()
            assert len(scratch) >= SCRATCH
            scratch[:] = 0
        *inputs, out = operands
        assert not any(np.shares_memory(each, out) for each in inputs), f"{name} over its own operand"
        found = meaning(*inputs, geometry)
        out[...] = out + found if add else found

    return run


def _winograd(name: str, add: bool) -> Callable[..., None]:
    """The twin of a kernel of Winograd's: the plain formula, the geometry taken from the shapes."""

    def run(
        first: np.ndarray, second: np.ndarray, out: np.ndarray, tile: int, top: int, left: int, scratch: np.ndarray
    ) -> None:
        assert len(scratch) >= SCRATCH
        scratch[:] = 0
        assert not any(np.shares_memory(each, out) for each in (first, second)), f"{name} over its own operand"
        x, y = {"winograd": (first, out), "winograd_back": (out, first), "winograd_weights": (first, second)}[name]
        sizes = zip(x.shape[1:3], y.shape[1:3], (top, left), strict=True)
        side = len(out) if name == "winograd_weights" else len(second) - tile + 1
        padding = [(before, places + side - 1 - size - before) for size, places, before in sizes]
        geometry = Geometry(x.shape[1:], (side, side), y.shape[3], padding=(padding[0], padding[1]))
        if name == "winograd_weights":
            found = reference_images.convolve_weights(x, y, geometry)
        else:
            points, meaning = second, reference_images.convolve
            if name == "winograd_back":
                points, meaning = second.swapaxes(2, 3), reference_images.convolve_back
            found = meaning(first, reference_images.weights_of_points(points, tile), geometry)
        out[...] = out + found if add else found

    return run


def _winograd_points(w: np.ndarray, points: np.ndarray, tile: int, scratch: np.ndarray) -> None:
    assert len(scratch) >= SCRATCH
    scratch[:] = 0
    points[...] = reference_images.winograd_points(w, tile)


def _winograd_points_transposed(w: np.ndarray, points: np.ndarray, tile: int, scratch: np.ndarray) -> None:
    _winograd_points(w, points.swapaxes(2, 3), tile, scratch)


def _draw(name: str) -> Callable[..., Any]:
    function = getattr(reference_random, name)

    def draw(seed: int, step: int, stream: int, index: int) -> Any:
        return function(int(seed), int(step), stream, np.array([index]))[0]

    return draw


def _apart(function: Callable[..., None]) -> Callable[..., None]:
    """The twin of `loop`: what a loop writes to must not overlap any other array that it is given."""

    def checked(*arguments: Any) -> None:
        arrays = [each for each in arguments if isinstance(each, np.ndarray)]
        before = [each.tobytes() for each in arrays]
        function(*arguments)
        for place, (array, old) in enumerate(zip(arrays, before, strict=True)):
            if array.tobytes() != old:
                others = arrays[:place] + arrays[place + 1 :]
                assert not any(np.may_share_memory(array, each) for each in others), f"{function.__name__}: overlap"

    return checked


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


_OF_NUMPY = "cos exp expm1 log log1p sin tanh sqrt floor maximum minimum power inf nan".split()


def _matmul_tn_part(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, worker: int, workers: int, scratch: np.ndarray
) -> None:
    """The twin of the kernel: the parts of all workers together are the whole."""
    assert not np.shares_memory(a, c), "a matrix product over its own operand"
    assert not np.shares_memory(b, c), "a matrix product over its own operand"
    low, size = copies.span.py_func(max(c.shape), worker, workers)
    mine = slice(low, low + size)
    if c.shape[0] < c.shape[1]:
        c[:, mine] = a.T @ b[:, mine]
    else:
        c[mine] = a[:, mine].T @ b


def _matmul_blocks(a: Any, a_steps: Any, b: Any, b_steps: Any, c: Any, c_steps: Any, sizes: Any, scratch: Any) -> None:
    """The twin of the kernel: an index outside of an array is an error."""
    i, j, m, n, k = (np.arange(size) for size in sizes)
    outer, inner = i[:, None, None, None], j[:, None, None]
    x = a[outer * a_steps[0] + inner * a_steps[1] + m[:, None] * a_steps[2] + k * a_steps[3]]
    y = b[outer * b_steps[0] + inner * b_steps[1] + k[:, None] * b_steps[2] + n * b_steps[3]]
    assert 1 in b_steps[2:]
    c[outer * c_steps[0] + inner * c_steps[1] + m[:, None] * c_steps[2] + n] = x @ y


def namespace() -> dict[str, Any]:
    """What generated modules import, in plain Python."""
    names: dict[str, Any] = {
        "kernel": lambda function: function,
        "program": lambda function: function,
        "loop": _apart,
        "inlined": lambda function: function,
        **{"f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64, "u8": np.uint8, "b1": np.bool_},
        **{name: getattr(np, name) for name in _OF_NUMPY},
        "atan": np.arctan,
        "erf": lambda x: type(x)(math.erf(x)),
        "sigmoid": _sigmoid,
        "fast_divide": np.divide,
        "like": lambda value, x: type(x)(value),
        "view": _view,
        "part": _part,
        "move": _move,
        "prefetch": _prefetch,
        "LONG": copies.LONG,
        "claim": lambda array, workers: None,
        "SCRATCH": SCRATCH,
        "matmul_blocks": _matmul_blocks,
        "matmul_tn_part": _matmul_tn_part,
        **{
            f"matmul_{'nt'[x]}{'nt'[y]}{'_add' * add}": _matmul(bool(x), bool(y), bool(add))
            for x in (0, 1)
            for y in (0, 1)
            for add in (0, 1)
        },
        "Geometry": Geometry,
        **{name: lambda geometry, add=False: (geometry, add) for name in KERNELS["boxes"] if name.endswith("boxes")},
        **{name: _over_images(name) for name in (*KERNELS["conv"], *KERNELS["pool"])},
        **{name: _winograd(name, False) for name in ("winograd", "winograd_back", "winograd_weights")},
        "winograd_weights_add": _winograd("winograd_weights", True),
        "winograd_points": _winograd_points,
        "winograd_points_transposed": _winograd_points_transposed,
        **{name: lambda sync, worker, workers: None for name in KERNELS["handover"]},  # a turn comes when it comes
        **{f"random_{name}": _draw(name) for name in ("uniform", "normal", "uniform_float64", "normal_float64")},
    }
    for module in (copies, scalars):
        for name, kernel in vars(module).items():
            if hasattr(kernel, "py_func") and name not in names:
                names[name] = types.FunctionType(kernel.py_func.__code__, names, name)
    return names


def load(source: str, meetings: Meetings) -> dict[str, Any]:
    """Execute a generated module."""
    names = namespace() | {"barrier": meetings.meet}
    for name, value in list(names.items()):
        if isinstance(value, types.FunctionType) and value.__globals__.get("view") is _view:
            names[name] = types.FunctionType(value.__code__, names, name)
    text = "\n".join(
        line for line in source.splitlines() if not line.startswith(("from nbdl", "from numba", "from math"))
    )
    exec(compile(text, "generated program", "exec"), names)
    return names


class PlainRun:
    """The twin of `Bound`, in plain Python."""

    def __init__(
        self,
        program: Program,
        arrays: dict[str, np.ndarray],
        *,
        batch: int,
        workers: int = 1,
        seed: int = 0,
        isolated: bool = True,
    ):
        plan = program.plan
        workers = 1 if mixes_rows(plan.fusion.order) else workers
        self.workers = workers
        self.flat = [_flat(each, arrays[each.name]) for each in program.variables if each.role != "key"]
        capacity = plan.capacity(batch, workers)
        scratch = max(SCRATCH, program.plan.scratch) * 8 if program.needs_scratch else 0
        self.control = np.array([0, 0, batch, 0, capacity, workers, seed, 0, 0], np.int64)
        self.arenas = [_aligned(plan.row_bytes * capacity + plan.local_bytes + scratch) for _ in range(workers)]
        self.shared = _aligned(plan.shared_size(batch, workers))
        self.shared[: (1 + workers) * plan.partial_bytes] = 0  # gaps in what is added up stay zero
        self.changing = (1 + workers) * plan.partial_bytes
        memory = [self.shared, *[each.reshape(-1).view(np.uint8) for each in self.flat if each.size]]
        self.meetings = Meetings(workers, memory, isolated)
        self.names = load(program.source, self.meetings)

    def run(self, order: Sequence[int], steps: int = 1, offset: int = 0) -> None:
        """Run steps from the first on, the working memory made garbage before each."""
        for step in range(steps):
            self.control[:4] = step, 1, self.control[2], len(order)
            self.control[7] = offset
            for arena in self.arenas:
                arena[:] = GARBAGE
            self.shared[self.changing :] = GARBAGE
            threads = [
                threading.Thread(target=self._work, args=(worker, np.asarray(order)))
                for worker in range(1, self.workers)
            ]
            for thread in threads:
                thread.start()
            self._work(0, np.asarray(order))
            for thread in threads:
                thread.join()
            if self.meetings.failure is not None:
                raise self.meetings.failure

    def _work(self, worker: int, order: np.ndarray) -> None:
        failure: BaseException | None = None
        try:
            self.meetings.start(worker)
            with np.errstate(all="ignore"):
                self.names["run"](worker, self.control, None, self.arenas[worker], self.shared, order, *self.flat)
        except BaseException as error:  # reported by `run`, in the thread that asked
            failure = error
        self.meetings.finish(worker, failure)


def _aligned(size: int) -> np.ndarray:
    memory = np.full(size + 64, GARBAGE, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size]
