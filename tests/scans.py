"""Loops over time that are easy to get wrong, each a function of a `scan` and of tensors.

Every case runs with `nbdl.scan` and with `written_out`, which calls the step in a Python loop: what they compute must
be the same, and so must its gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import nbdl
from nbdl import Tensor
from nbdl.trees import flatten, unflatten

Scan = Callable[..., tuple[Any, Any]]
Function = Callable[..., Any]
N = "n"
"""Stands for the rows of a batch in the shapes of a case."""


@dataclass(frozen=True)
class Case:
    """A function of a scan and of tensors, with the shapes of the tensors: `n` is the batch axis, and comes first.

    An input whose name begins with `token` holds whole numbers below 3, one that begins with `mask` booleans.
    """

    function: Function
    shapes: dict[str, tuple[Any, ...]]
    sums_rows: bool = False

    def arrays(self, rows: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Arrays of these shapes, in float64."""
        random = np.random.default_rng(seed)
        arrays: dict[str, np.ndarray] = {}
        for name, shape in self.shapes.items():
            sizes = tuple(rows if size == N else size for size in shape)
            if name.startswith("token"):
                arrays[name] = random.integers(0, 3, sizes)
            elif name.startswith("mask"):
                arrays[name] = random.random(sizes) < 0.6
            else:
                arrays[name] = random.normal(size=sizes) * 0.7
        return arrays

    def outputs(self, scan: Scan, *tensors: Tensor) -> list[Tensor]:
        """What the function returns, as a list."""
        outputs: list[Any] = []
        flatten(self.function(scan, *tensors), outputs)
        return outputs


CASES: dict[str, Case] = {}


def case(*, sums_rows: bool = False, **shapes: tuple[Any, ...]) -> Callable[[Function], Function]:
    """Add a case to the table."""

    def add(function: Function) -> Function:
        CASES[function.__name__] = Case(function, shapes, sums_rows)
        return function

    return add


def written_out(
    step: Callable[[Any, Any], tuple[Any, Any]],
    initial: Any,
    elements: Any = None,
    *,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """The loop of `scan` in plain Python."""
    leaves: list[Any] = []
    structure = flatten(elements, leaves)
    tensors = [nbdl.asarray(each) for each in leaves]
    steps = length if length is not None else int(tensors[0].shape[0])
    made: dict[int, list[Any]] = {}
    state, kind = initial, None
    for time in reversed(range(steps)) if reverse else range(steps):
        state, output = step(state, unflatten(structure, [each[time] for each in tensors]))
        made[time] = []
        kind = flatten(output, made[time])
    together = [nbdl.stack([made[time][place] for time in range(steps)]) for place in range(len(made[0]))]
    assert kind is not None
    return state, unflatten(kind, together)


def by_time(x: Tensor) -> Tensor:
    """(n, time, ...) as (time, n, ...)."""
    return nbdl.permute_dims(x, (1, 0, *range(2, x.ndim)))


# --- states and elements ----------------------------------------------------------------------------------------------


@case(x=(5,))
def a_number(scan: Scan, x: Tensor) -> Any:
    return scan(lambda total, x: (total + x * total, total * 2), nbdl.sum(x), x)


@case(x=(5,))
def a_known_number(scan: Scan, x: Tensor) -> Any:
    return scan(lambda total, x: (total * 0.5 + nbdl.sin(x), total), nbdl.zeros((), x.dtype), x)


@case(x=(N, 4), h=(N,))
def a_number_for_each_row(scan: Scan, x: Tensor, h: Tensor) -> Any:
    return scan(lambda h, x: (nbdl.tanh(h + x), h * x), h, by_time(x))


@case(x=(N, 4, 2), h=(N, 2), c=(N, 2))
def trees(scan: Scan, x: Tensor, h: Tensor, c: Tensor) -> Any:
    def step(state: Any, element: Any) -> Any:
        h, (c,) = state["h"], state["more"]
        new = nbdl.tanh(element[0] + h * element[1]["twice"])
        return {"h": new + c, "more": (c * new,)}, {"product": h * c, "all": [new, c + 1]}

    x = by_time(x)
    return scan(step, {"h": h, "more": (c,)}, (x, {"twice": x * 2}))


@case(x=(N, 4, 2), h=(N, 2))
def backwards(scan: Scan, x: Tensor, h: Tensor) -> Any:
    return scan(lambda h, x: (nbdl.tanh(h * 0.5 + x), h - x), h, by_time(x), reverse=True)


@case(x=(N, 1, 2), h=(N, 2))
def one_step(scan: Scan, x: Tensor, h: Tensor) -> Any:
    forwards = scan(lambda h, x: (nbdl.tanh(h + x), h), h, by_time(x))
    return forwards, scan(lambda h, x: (nbdl.tanh(h - x), x), forwards[0], by_time(x), reverse=True)[0]


@case(x=(N, 4, 2), h=(N, 2))
def only_the_last_state(scan: Scan, x: Tensor, h: Tensor) -> Any:
    even = scan(lambda h, x: (nbdl.tanh(h + x), None), h, by_time(x))[0]
    odd = scan(lambda h, x: (nbdl.tanh(h - x), None), even, by_time(x)[:3])[0]
    return even, odd, scan(lambda h, x: (nbdl.sin(h + x), None), odd, by_time(x)[:3], reverse=True)[0]


@case(h=(N, 3))
def without_elements(scan: Scan, h: Tensor) -> Any:
    return scan(lambda h, _: (nbdl.sin(h) * 1.5, h), h, length=4)


@case(x=(N, 4, 2), mask=(N, 4))
def counting_and_masks(scan: Scan, x: Tensor, mask: Tensor) -> Any:
    def step(state: Any, element: Any) -> Any:
        h, count, seen = state
        x, there = element["x"], element["there"]
        new = nbdl.where(nbdl.expand_dims(there, 1), nbdl.tanh(h + x), h)
        count = count + there.astype(np.int64)
        seen = nbdl.where(there, nbdl.sum(x, axis=1) > 0, seen)
        return (new, count, seen), (new * nbdl.expand_dims(count.astype(x.dtype), 1), count, seen)

    x = by_time(x)
    begin = (nbdl.zeros_like(x[0]), nbdl.zeros_like(mask[:, 0]).astype(np.int64), mask[:, 0])
    return scan(step, begin, {"x": x, "there": by_time(mask)})


@case(tokens=(N, 4), table=(3, 2), h=(N, 2))
def looking_up(scan: Scan, tokens: Tensor, table: Tensor, h: Tensor) -> Any:
    return scan(lambda h, token: (nbdl.tanh(h + nbdl.take(table, token)), h), h, by_time(tokens))


@case(h=(N, 3), table=(3, 3))
def looking_up_what_was_chosen(scan: Scan, h: Tensor, table: Tensor) -> Any:
    def step(state: Any, _: Any) -> Any:
        h, token = state
        h = nbdl.tanh(h + nbdl.take(table, token))
        return (h, nbdl.argmax(h, -1)), token

    return scan(step, (h, nbdl.argmax(h, -1)), length=4)


@case(x=(N, 3, 2), a=(N, 2), b=(N, 2))
def states_that_change_places(scan: Scan, x: Tensor, a: Tensor, b: Tensor) -> Any:
    return scan(lambda state, x: ((state[1], state[0], state[2], x), state[0]), (a, b, a + b, b), by_time(x))


@case(x=(N, 3, 2), h=(N, 2), w=(2,), fixed=(2, 2))
def constant_states(scan: Scan, x: Tensor, h: Tensor, w: Tensor, fixed: Tensor) -> Any:
    start = {"h": h, "w": w, "fixed": fixed}

    def step(state: Any, x: Any) -> Any:
        h = nbdl.tanh(nbdl.matmul(state["h"], state["fixed"]) + x)
        return {"h": h, "w": state["w"] * 2, "fixed": fixed}, state["w"]

    return scan(step, start, by_time(x))


@case(x=(N, 3, 2), h=(N, 2), w=(2,))
def outputs_that_are_known_already(scan: Scan, x: Tensor, h: Tensor, w: Tensor) -> Any:
    def step(h: Any, x: Any) -> Any:
        new = nbdl.tanh(h + x)
        return new, {
            "before": h,
            "after": new,
            "again": nbdl.tanh(h + x),
            "x": x,
            "w": w,
            "wide": w + nbdl.zeros_like(h),
        }

    return scan(step, h, by_time(x))


@case(x=(N, 3, 2), h=(N, 2))
def what_nobody_reads(scan: Scan, x: Tensor, h: Tensor) -> Any:
    unread = scan(lambda h, x: (nbdl.exp(h), x * 2), h, by_time(x))[1]

    def step(state: Any, element: Any) -> Any:
        h, c, idle = state
        return (nbdl.tanh(h + element[0]), c + nbdl.sum(element[1]), idle * 2), (c * 3, h)

    (last, _, _), (_, outputs) = scan(step, (h, nbdl.sum(h), h), (by_time(x), unread))
    return last, outputs


# --- what a step takes from outside -----------------------------------------------------------------------------------


@case(x=(N, 4, 3), w=(3, 3), u=(3, 3), b=(3,))
def weights(scan: Scan, x: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Any:
    def step(h: Any, x: Any) -> Any:
        return nbdl.tanh(nbdl.matmul(x, w) + nbdl.matmul(h, u) + b), h

    return scan(step, nbdl.zeros_like(x[:, 0]), by_time(x))


@case(x=(N, 4, 3), w=(3, 3), given=(N, 3), factor=())
def of_each_row_and_single(scan: Scan, x: Tensor, w: Tensor, given: Tensor, factor: Tensor) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = nbdl.tanh(nbdl.matmul(h * given, w) * factor + x) - given / (nbdl.exp(factor) + 1)
        return h, given * factor

    return scan(step, given, by_time(x))


@case(x=(4, 3), w=(3, 3))
def without_rows(scan: Scan, x: Tensor, w: Tensor) -> Any:
    def step(h: Any, x: Any) -> Any:
        return nbdl.tanh(h + nbdl.matmul(nbdl.expand_dims(x, 0), w)), nbdl.sum(h * h) + w

    return scan(step, nbdl.zeros((1, 3), x.dtype), x)


@case(x=(N, 4, 3), w=(3, 4), v=(4,))
def expressions_of_weights(scan: Scan, x: Tensor, w: Tensor, v: Tensor) -> Any:
    half, numbers = w * 0.5, nbdl.full((4, 3), 0.25, x.dtype)

    def step(h: Any, x: Any) -> Any:
        mixed = nbdl.matmul(h, half + nbdl.expand_dims(v, 0)) * nbdl.sigmoid(v) + nbdl.sum(w)
        return nbdl.tanh(nbdl.matmul(mixed, numbers) + x), mixed

    return scan(step, nbdl.ones_like(x[:, 0]), by_time(x) + nbdl.zeros_like(by_time(x)))


@case(x=(N, 4, 6), w=(3, 6))
def gates(scan: Scan, x: Tensor, w: Tensor) -> Any:
    def step(state: Any, x: Any) -> Any:
        h, c = state
        both = x + nbdl.matmul(h, w)
        c = nbdl.sigmoid(both[:, :3]) * c + nbdl.sin(both[:, 3:])
        return (nbdl.tanh(c), c), nbdl.concat([h, c], 1)

    zeros = nbdl.zeros_like(x[:, 0, :3])
    return scan(step, (zeros, zeros), by_time(x))


@case(x=(N, 4, 6), w=(2, 6))
def gates_that_meet_twice(scan: Scan, x: Tensor, w: Tensor) -> Any:
    def step(h: Any, x: Any) -> Any:
        recurrent = nbdl.matmul(h, w)
        reset = nbdl.sigmoid(x[:, :2] + recurrent[:, :2])
        update = nbdl.sigmoid(x[:, 2:4] + recurrent[:, 2:4])
        candidate = nbdl.tanh(x[:, 4:] + reset * recurrent[:, 4:])
        return candidate + update * (h - candidate), nbdl.concat([reset, update], 1)

    return scan(step, nbdl.zeros_like(x[:, 0, :2]), by_time(x))


@case(x=(N, 4, 3), w=(3,))
def without_a_gradient(scan: Scan, x: Tensor, w: Tensor) -> Any:
    return scan(lambda h, x: (nbdl.tanh(h.detach() * w + x), nbdl.floor(h) + w.detach()), x[:, 0], by_time(x))


# --- inside of a step -------------------------------------------------------------------------------------------------


@case(x=(N, 4, 3), w=(3, 3))
def attention(scan: Scan, x: Tensor, w: Tensor) -> Any:
    def step(h: Any, element: Any) -> Any:
        scores = nbdl.sum(x * nbdl.expand_dims(nbdl.matmul(h, w), 1), axis=2)
        chances = nbdl.softmax(scores, axis=1)
        seen = nbdl.sum(nbdl.expand_dims(chances, 2) * x, axis=1)
        return nbdl.tanh(seen + element), chances

    return scan(step, x[:, 0], by_time(x))


@case(x=(N, 4, 3))
def largest_of_a_row(scan: Scan, x: Tensor) -> Any:
    def step(h: Any, x: Any) -> Any:
        both = h * 1.25 + x * x
        return both - nbdl.max(both, axis=1, keepdims=True), nbdl.max(both, axis=1)

    return scan(step, x[:, 0], by_time(x))


@case(x=(N, 4, 5), scale=(5,))
def normalisation(scan: Scan, x: Tensor, scale: Tensor) -> Any:
    def step(h: Any, x: Any) -> Any:
        both = h + x
        centred = both - nbdl.mean(both, axis=1, keepdims=True)
        return centred / nbdl.sqrt(nbdl.mean(centred**2, axis=1, keepdims=True) + 0.1) * scale, nbdl.sum(both, axis=1)

    return scan(step, x[:, 0], by_time(x))


@case(x=(N, 3, 2), w=(2,))
def a_gradient(scan: Scan, x: Tensor, w: Tensor) -> Any:
    def step(h: Any, x: Any) -> Any:
        slope = nbdl.grad(lambda h: nbdl.sum(nbdl.sin(h * w + x)))(h)
        return h - 0.3 * slope, slope

    return scan(step, x[:, 0], by_time(x))


# --- several loops ----------------------------------------------------------------------------------------------------


@case(x=(N, 4, 2), w=(2, 2))
def one_loop_after_another(scan: Scan, x: Tensor, w: Tensor) -> Any:
    step = lambda h, x: (nbdl.tanh(nbdl.matmul(h, w) + x), h + x)  # noqa: E731 - twice the same step
    last, first = scan(step, nbdl.zeros_like(x[:, 0]), by_time(x))
    return scan(step, last, first, reverse=True), scan(step, last, first)[1]


@case(x=(N, 4, 2), w=(2, 2))
def the_same_loop_twice(scan: Scan, x: Tensor, w: Tensor) -> Any:
    def step(h: Any, x: Any) -> Any:
        return nbdl.tanh(nbdl.matmul(h, w) + x), h * x

    return scan(step, x[:, 0], by_time(x))[0], scan(step, x[:, 0], by_time(x))[1]


@case(x=(N, 3, 2, 2), w=(2, 2), h=(N, 2))
def a_loop_in_a_loop(scan: Scan, x: Tensor, w: Tensor, h: Tensor) -> Any:
    def outer(h: Any, x: Any) -> Any:
        last, seen = scan(lambda c, x: (nbdl.tanh(nbdl.matmul(c, w) + x * h), c * h), h, by_time(x))
        return last + h, (seen, nbdl.sum(seen, axis=0))

    return scan(outer, h, by_time(x), reverse=True)


@case(h=(N, 2), w=(2, 2))
def a_loop_in_a_loop_without_elements(scan: Scan, h: Tensor, w: Tensor) -> Any:
    def outer(h: Any, _: Any) -> Any:
        h = scan(lambda c, _: (nbdl.sin(nbdl.matmul(c, w)), None), h, length=2)[0]
        return h, scan(lambda c, _: (nbdl.cos(nbdl.matmul(c, w)), c), w * 1, length=2)[1]

    return scan(outer, h, length=3)


# --- rows that meet ---------------------------------------------------------------------------------------------------


@case(sums_rows=True, x=(N, 3, 2), w=(2, 2))
def a_mean_over_the_rows(scan: Scan, x: Tensor, w: Tensor) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = nbdl.matmul(h, w) + x
        return h - nbdl.mean(h, axis=0), nbdl.sum(h * x, axis=0)

    return scan(step, nbdl.zeros_like(x[:, 0]), by_time(x))


@case(sums_rows=True, x=(N, 3, 2), h=(N, 2))
def a_mean_over_the_rows_in_a_loop_in_a_loop(scan: Scan, x: Tensor, h: Tensor) -> Any:
    def outer(h: Any, x: Any) -> Any:
        h, means = scan(lambda c, _: (nbdl.tanh(c - nbdl.mean(c, axis=0) + x), nbdl.mean(c, axis=0)), h, length=2)
        return h, means

    return scan(outer, h, by_time(x), reverse=True)


# --- rows that lie in blocks ------------------------------------------------------------------------------------------


@case(x=(N, 3, 2, 4), w=(4, 4))
def several_sequences_in_a_row(scan: Scan, x: Tensor, w: Tensor) -> Any:
    """Each of the 2 sequences of a row goes through the loop as a row of its own, of which there are 2n."""
    together = nbdl.reshape(nbdl.permute_dims(x, (1, 2, 0, 3)), (3, -1, 4))
    last, seen = scan(lambda h, x: (nbdl.tanh(nbdl.matmul(h, w) + x), h), nbdl.zeros_like(together[0]), together)
    return nbdl.reshape(last, (2, -1, 4)), nbdl.reshape(seen, (3, 2, -1, 4))


@case(x=(N, 3, 2, 4), h=(N, 4))
def sequences_beside_rows(scan: Scan, x: Tensor, h: Tensor) -> Any:
    """Inside of the loop, sequences and rows are combined."""

    def step(h: Any, x: Any) -> Any:
        both = nbdl.reshape(nbdl.permute_dims(x, (1, 0, 2)), (-1, 4)) * 2
        return nbdl.tanh(h + nbdl.sum(nbdl.reshape(both, (2, -1, 4)), axis=0)), both

    last, seen = scan(step, h, by_time(x))
    return last, nbdl.reshape(seen, (3, 2, -1, 4)) * nbdl.sum(h, axis=1, keepdims=True)


@case(x=(N, 3, 2, 4), h=(N, 2, 4))
def rows_in_another_order(scan: Scan, x: Tensor, h: Tensor) -> Any:
    """The state has the 2 sequences of a row one after the other, the elements all first sequences before the second
    ones: a worker can't tell which rows are its own.
    """
    elements = nbdl.reshape(nbdl.permute_dims(x, (1, 2, 0, 3)), (3, -1, 4))
    last, _ = scan(lambda h, x: (nbdl.tanh(h + x), None), nbdl.reshape(h, (-1, 4)), elements)
    return nbdl.reshape(last, (-1, 2, 4))


@case(x=(N, 3), w=(4, 3))
def begun_with_a_sum_over_the_rows(scan: Scan, x: Tensor, w: Tensor) -> Any:
    """The loop has no rows, but needs what all of them add up to: workers meet before it."""
    mean = nbdl.mean(x, axis=0)
    return scan(lambda h, w: (nbdl.tanh(h * w), h + mean * w), mean, w)
