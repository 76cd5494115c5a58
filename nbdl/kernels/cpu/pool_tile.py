"""Windows of a line, in vectors along the channels: the loops that `pool.py` runs over an image.

A window has `rows` rows, `row_step` scalars apart, of `taps` pixels, `tap_step` apart; windows follow one another at
`x_pixel` scalars in the image and `y_pixel` in the result. A kernel, where there is one, has a number for each tap and
channel, and `kernel_row` scalars from row to row. For each vector of channels, what a window gathers stays in a
register.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils

from nbdl.kernels.cpu.vector import BIT, INDEX, POINTER, Vectors, intrinsic, outlined

LAYOUTS: Final = {
    "max": ("image", "result", "result"),
    "max_back": ("image", "result", "image"),
    "max_take": ("image", "image", "result"),
    "sum": ("image", "result", "result"),
    "sum_back": ("image", "result", "image"),
    "depth": ("image", "kernel", "result"),
    "depth_weights": ("image", "result", "kernel"),
    "depth_back": ("result", "kernel", "image"),
}
"""How x, g and out lie in each mode. What is computed:

- `max`, `sum`: out = the largest element, or the sum, of a window of x
- `max_back`: out = g where x is the first of the largest elements of its window, 0 elsewhere
- `max_take`: out = g where x is the first of the largest elements
- `sum_back`: out = g everywhere in its window
- `depth`: out = the sum over a window of x, times the kernel g
- `depth_weights`: out += x, times g, for each tap
- `depth_back`: out = x everywhere in its window, times the kernel g

Where windows overlap, which `add` says, what they give to an image is added up.
"""

MODES: Final = tuple(LAYOUTS)
ARGUMENTS = (POINTER, POINTER, POINTER, *[INDEX] * 9, BIT)


class Window:
    """One window at one vector of channels: where its operands lie, and registers that last from tap to tap."""

    def __init__(self, v: Vectors, mask: ir.Value, add: ir.Value) -> None:
        self.v, self.builder, self.mask, self.add = v, v.builder, mask, add
        self.value = cgutils.alloca_once(v.builder, v.type)
        self.found = cgutils.alloca_once(v.builder, v.mask_type)
        self.x: ir.Value = None
        self.g: ir.Value = None
        self.out: ir.Value = None

    def move(self, places: Sequence[ir.Value]) -> None:
        """Go to other elements of x, g and out."""
        self.x, self.g, self.out = places

    def load(self, place: ir.Value) -> ir.Value:
        """Read a vector of an operand."""
        return self.v.load(place, self.mask)

    def keep(self, value: ir.Value) -> None:
        """Put a vector into the register."""
        self.builder.store(value, self.value)

    @property
    def kept(self) -> ir.Value:
        """The vector in the register."""
        return self.builder.load(self.value, typ=self.v.type)

    def forget(self) -> None:
        """Note nothing of any lane."""
        self.builder.store(ir.Constant(self.v.mask_type, [0] * self.v.lanes), self.found)

    def note(self, lanes: ir.Value) -> None:
        """Note lanes beside those that have been."""
        self.builder.store(self.builder.or_(self.noted, lanes), self.found)

    @property
    def noted(self) -> ir.Value:
        """The mask of the lanes that were noted."""
        return self.builder.load(self.found, typ=self.v.mask_type)


@intrinsic
def pool_line(
    typingctx: Any,
    mode: Any,
    x: Any,
    g: Any,
    out: Any,
    pixels: Any,
    x_pixel: Any,
    y_pixel: Any,
    rows: Any,
    row_step: Any,
    taps: Any,
    tap_step: Any,
    channels: Any,
    kernel_row: Any,
    add: Any,
) -> Any:
    """Do `pixels` windows, `mode` being a place in MODES; the pointers begin at the first window."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mode, *rest = arguments
        for position in range(3):
            rest[position] = builder.bitcast(rest[position], POINTER)
        done = builder.append_basic_block("pool.done")
        switch = builder.switch(mode, done)
        for number, name in enumerate(MODES):
            case = builder.append_basic_block(name)
            switch.add_case(number, case)
            with builder.goto_block(case):
                builder.call(_line_function(builder.module, signature.args[1].dtype, name), rest)
                builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    n = types.intp
    return types.void(n, x, g, out, n, n, n, n, n, n, n, n, n, types.boolean), emit


def _line_function(module: ir.Module, scalar: types.Float, mode: str) -> ir.Function:
    """Return the loops of one mode: over windows, channels, and the taps of a window, once or twice."""

    def emit(builder: ir.IRBuilder, arguments: Sequence[ir.Value]) -> None:
        x, g, out, pixels, x_pixel, y_pixel, rows, row_step, taps, tap_step, channels, kernel_row, add = arguments
        v = Vectors(builder, scalar)

        def line(square: bool) -> None:
            with _loop(builder, pixels) as pixel, _loop(builder, channels, v.lanes) as channel:
                window = Window(v, v.prefix_mask(builder.sub(channels, channel)), add)
                corner = {
                    "image": builder.add(builder.mul(pixel, x_pixel), channel),
                    "result": builder.add(builder.mul(pixel, y_pixel), channel),
                    "kernel": channel,
                }

                def move(image: ir.Value, kernel: ir.Value) -> None:
                    offsets = corner | {
                        "image": builder.add(corner["image"], image),
                        "kernel": builder.add(corner["kernel"], kernel),
                    }
                    layout = zip((x, g, out), LAYOUTS[mode], strict=True)
                    window.move([v.address(start, offsets[kind]) for start, kind in layout])

                for begin, tap, end in _PHASES[mode]:
                    move(zero, zero)
                    begin(window)
                    for image, kernel in squares if square else _steps(builder, rows, taps, steps):
                        move(image, kernel)
                        tap(window)
                    move(zero, zero)
                    end(window)

        zero, steps = ir.Constant(INDEX, 0), (row_step, tap_step, kernel_row, channels)
        squares = [
            (zero, zero),
            (tap_step, channels),
            (row_step, kernel_row),
            (builder.add(row_step, tap_step), builder.add(kernel_row, channels)),
        ]
        two = ir.Constant(INDEX, 2)
        is_square = builder.and_(builder.icmp_signed("==", rows, two), builder.icmp_signed("==", taps, two))
        with builder.if_else(is_square) as (square, other):  # by far the most common window, written out
            with square:
                line(True)
            with other:
                line(False)

    return outlined(module, f"nbdl.pool.{mode}.{scalar}", ARGUMENTS, emit, apart=True)


def _steps(
    builder: ir.IRBuilder, rows: ir.Value, taps: ir.Value, steps: Sequence[ir.Value]
) -> Iterator[tuple[ir.Value, ir.Value]]:
    """Emit the loops over the taps of a window; what the caller emits in between is their body.

    `steps` are those of the rows and taps of the image, and of the kernel; yields the way from the first tap in both.
    """
    row_step, tap_step, kernel_row, kernel_tap = steps
    with _loop(builder, rows) as row, _loop(builder, taps) as tap:
        yield (
            builder.add(builder.mul(row, row_step), builder.mul(tap, tap_step)),
            builder.add(builder.mul(row, kernel_row), builder.mul(tap, kernel_tap)),
        )


@contextmanager
def _loop(builder: ir.IRBuilder, end: ir.Value, step: int = 1) -> Iterator[ir.Value]:
    with cgutils.for_range_slice(builder, ir.Constant(INDEX, 0), end, ir.Constant(INDEX, step), INDEX) as (number, _):
        yield number


def _nothing(window: Window) -> None:
    """Nothing is done before, or after, the taps."""


def _begin_max(window: Window) -> None:
    window.keep(ir.Constant(window.v.type, [-float("inf")] * window.v.lanes))
    window.forget()


def _tap_max(window: Window) -> None:
    builder, value, largest = window.builder, window.load(window.x), window.kept
    # In this order it is one instruction, which gives x if one of them is NaN; so it is noted where x is.
    window.keep(builder.select(builder.fcmp_ordered(">", largest, value), largest, value))
    window.note(builder.fcmp_unordered("uno", value, value))


def _end_max(window: Window) -> None:
    nan = ir.Constant(window.v.type, [float("nan")] * window.v.lanes)
    window.keep(window.builder.select(window.noted, nan, window.kept))


def _end_and_store_max(window: Window) -> None:
    _end_max(window)
    _store(window)


def _begin_search(window: Window) -> None:
    window.forget()


def _first_largest(window: Window) -> ir.Value:
    """Whether this tap is the first of the largest ones; where the largest is NaN, the first tap is."""
    before = window.noted
    same = window.builder.fcmp_unordered("ueq", window.load(window.x), window.kept)
    window.note(same)
    return window.builder.and_(same, window.builder.not_(before))


def _tap_max_back(window: Window) -> None:
    part = window.builder.select(_first_largest(window), window.load(window.g), window.v.zero)
    _hand_out(window, part)


def _tap_max_take(window: Window) -> None:
    first = window.builder.and_(_first_largest(window), window.mask)
    window.v.store(window.load(window.g), window.out, first)


def _begin_sum(window: Window) -> None:
    window.keep(window.v.zero)


def _tap_sum(window: Window) -> None:
    window.keep(window.builder.fadd(window.kept, window.load(window.x)))


def _begin_sum_back(window: Window) -> None:
    window.keep(window.load(window.g))


def _tap_sum_back(window: Window) -> None:
    _hand_out(window, window.kept)


def _tap_depth(window: Window) -> None:
    window.keep(window.v.multiply_add(window.load(window.x), window.load(window.g), window.kept))


def _begin_depth_weights(window: Window) -> None:
    window.keep(window.load(window.g))


def _tap_depth_weights(window: Window) -> None:
    v = window.v
    total = v.multiply_add(window.load(window.x), window.kept, window.load(window.out))
    v.store(total, window.out, window.mask)


def _begin_depth_back(window: Window) -> None:
    window.keep(window.load(window.x))


def _tap_depth_back(window: Window) -> None:
    _hand_out(window, window.builder.fmul(window.kept, window.load(window.g)))


def _store(window: Window) -> None:
    window.v.store(window.kept, window.out, window.mask)


def _hand_out(window: Window, part: ir.Value) -> None:
    """Write, or add, to the image."""
    v, builder = window.v, window.builder
    with builder.if_else(window.add) as (adding, replacing):
        with adding:
            v.store(builder.fadd(window.load(window.out), part), window.out, window.mask)
        with replacing:
            v.store(part, window.out, window.mask)


Phase = tuple[Callable[[Window], None], Callable[[Window], None], Callable[[Window], None]]

_LARGEST: Phase = (_begin_max, _tap_max, _end_max)
_PHASES: dict[str, tuple[Phase, ...]] = {
    "max": ((_begin_max, _tap_max, _end_and_store_max),),
    "max_back": (_LARGEST, (_begin_search, _tap_max_back, _nothing)),
    "max_take": (_LARGEST, (_begin_search, _tap_max_take, _nothing)),
    "sum": ((_begin_sum, _tap_sum, _store),),
    "sum_back": ((_begin_sum_back, _tap_sum_back, _nothing),),
    "depth": ((_begin_sum, _tap_depth, _store),),
    "depth_weights": ((_begin_depth_weights, _tap_depth_weights, _nothing),),
    "depth_back": ((_begin_depth_back, _tap_depth_back, _nothing),),
}
