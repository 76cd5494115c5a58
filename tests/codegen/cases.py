"""Programs that are easy to get wrong, each a function that adds its leaves and results to a `Maker`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nbdl.ir import ops
from nbdl.ir.graph import Node, scope
from nbdl.ir.primitives import apply
from nbdl.ir.shapes import Batch
from tests.codegen.maker import EXAMPLES, Maker

CASES: dict[str, Callable[[Maker], None]] = {}


def case(function: Callable[[Maker], None]) -> Callable[[Maker], None]:
    """Add a case to the table."""
    CASES[function.__name__] = function
    return function


def total(x: Node, *axes: int) -> Node:
    return ops.reduce_sum(x, axes or range(len(x.shape)))


def mean(x: Node) -> Node:
    return ops.reshape(total(x) / ops.count(x.shape, range(len(x.shape)), x.dtype), ())


# --- single numbers ---


@case
def single_numbers_of_any_rank(make: Maker) -> None:
    x, one, deep, column = make.rows("x", 3), make.state("one", 1), make.state("deep", 1, 1), make.rows("column", 1)
    scalar = make.state("scalar")
    make.result(
        x + scalar,
        x * one,
        x - deep,
        column * deep,
        ops.reshape(column, (Batch(),)),
        one + scalar,
        deep * one,
        total(column),
    )
    make.update(scalar, ops.reshape(deep + one, ()))
    make.update(one, ops.reshape(scalar * 2, (1,)))


@case
def numbers_from_kernels_of_their_own_level(make: Maker) -> None:
    vector, matrix = make.state("vector", 20), make.state("matrix", 3, 4)
    norm = ops.sqrt(ops.reshape(total(vector * vector), ()))
    largest = ops.reduce_max(matrix, (0, 1))
    product = ops.matmul(ops.reshape(vector, (1, 20)), ops.reshape(vector, (20, 1)))
    make.update(vector, vector / ops.maximum(norm, 1.0))
    make.result(matrix / norm, matrix - largest, ops.sqrt(product) + norm, vector * ops.exp(-norm))


@case
def elements_taken_out_of_vectors(make: Maker) -> None:
    vector, matrix = make.state("vector", 6), make.state("matrix", 3, 4)
    third = ops.slice_axis(vector, 0, 2, 1)
    backwards = ops.slice_axis(vector, 0, 5, 1, -1)
    corner = ops.slice_axis(ops.slice_axis(matrix, 1, 3, 1), 0, 1, 1)
    make.result(
        third * vector,
        ops.reshape(backwards, ()) + third,
        corner * third,
        ops.reshape(ops.slice_axis(matrix, 0, 1, 2), (8,)),
    )


@case
def numbers_swapped_and_counted(make: Maker) -> None:
    a, b, step = make.state("a"), make.state("b"), make.state("step", array=np.asarray(3.0))
    vector = make.state("vector", 30)
    make.update(a, b)
    make.update(b, a)
    make.update(step, step + 1)
    make.update(vector, vector / step + a)  # no meeting before the numbers change


# --- results ---


@case
def leaves_and_views_as_results(make: Maker) -> None:
    x, matrix, vector = make.rows("x", 4), make.state("matrix", 3, 4), make.state("vector", 12)
    doubled = matrix * 2
    make.result(
        x,
        matrix,
        ops.reshape(matrix, (12,)),
        ops.slice_axis(vector, 0, 2, 5),
        doubled,
        doubled,
        ops.reshape(doubled, (2, 6)),
    )
    make.result(
        ops.broadcast_to(ops.constant(2.5, make.dtype), (3, 2)),
        ops.constant(4.0, make.dtype),
        ops.batch_size(make.dtype),
    )
    make.update(matrix, ops.reshape(vector, (3, 4)))
    make.update(vector, ops.reshape(matrix, (12,)))


@case
def one_result_for_two_states(make: Maker) -> None:
    a, b, c = make.state("a", 40), make.state("b", 40), make.state("c", 40)
    new = a * 0.5 + b
    make.update(a, new)
    make.update(b, new)
    make.update(c, c)


@case
def states_that_need_each_other(make: Maker) -> None:
    a, b, c = make.state("a", 40), make.state("b", 40), make.state("c", 40)
    make.update(a, b * 2)
    make.update(b, a * 3)
    make.update(c, ops.slice_axis(c, 0, 39, 40, -1))
    d, e = make.state("d", 3, 4), make.state("e", 3, 4)
    common = ops.exp(ops.slice_axis(ops.reshape(a, (10, 4)), 0, 0, 3))
    make.update(d, e * common)
    make.update(e, d + common)
    wide, column = make.state("wide", 3, 4), make.state("column", 3, 1)
    make.update(column, column * 0.5)
    make.update(wide, wide * column)
    square = make.state("square", 4, 4)
    make.update(square, ops.transpose(square) + ops.matmul(square, square))
    make.result(a - b)


@case
def state_read_after_its_update_is_known(make: Maker) -> None:
    x, weights = make.rows("x", 4), make.state("weights", 4, 4)
    new = weights - 0.1 * ops.product_of(x, x, True, False) / ops.batch_size(make.dtype)
    late = ops.matmul(x, new)
    make.update(weights, new)
    make.result(late, ops.matmul(late, weights), total(late, 0) / ops.batch_size(make.dtype))


@case
def whole_sums_into_states(make: Maker) -> None:
    matrix, sums, products = make.state("matrix", 5, 4), make.state("sums", 1, 4), make.state("products", 4, 4)
    make.update(sums, total(matrix, 0))
    make.update(products, ops.product_of(matrix, matrix, True, False))
    make.result(sums + products, ops.concatenate([matrix, sums], 0))


@case
def two_optimizers(make: Maker) -> None:
    """The second network's gradient is taken through the first one's new parameters."""
    x, critic, maker = make.rows("x", 3), make.state("critic", 6), make.state("maker", 9)
    made = ops.matmul(x, ops.reshape(maker, (3, 3)))
    loss = mean(apply("tanh", ops.matmul(made, ops.reshape(critic, (3, 2)))))
    new_critic = critic - 0.1 * ops.gradient(loss, critic)
    second = mean(apply("tanh", ops.matmul(made, ops.reshape(new_critic, (3, 2)))))
    make.update(critic, new_critic)
    make.update(maker, maker - 0.1 * ops.gradient(second, maker))
    make.result(loss, second)


# --- reductions ---


@case
def reductions_over_any_axes(make: Maker) -> None:
    x, whole, column = make.rows("x", 3, 4), make.state("whole", 2, 3, 4), make.rows("column", 1, 1)
    for axes in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        make.result(
            total(ops.exp(x), *axes), ops.reduce_max(x * 2, axes), total(whole, *axes), ops.reduce_max(-whole, axes)
        )
    make.result(
        total(column, 1, 2), ops.reduce_max(column, (1,)), total(total(x, 2), 1), total(ops.reduce_max(x, (1,)), 2)
    )


@case
def reductions_used_in_their_rows(make: Maker) -> None:
    x = make.rows("x", 3, 4)
    softmax = ops.exp(x - ops.reduce_max(x, (2,)))
    softmax = softmax / total(softmax, 2)
    middle = x / total(ops.exp(x), 1)
    nested = total(x * total(x, 2), 1)
    make.result(
        softmax,
        middle,
        nested,
        total(softmax * middle, 0, 1),
        x - nested,
        ops.reduce_max(total(softmax, 2) * x, (1, 2)),
    )


@case
def statistics_of_a_batch(make: Maker) -> None:
    x, scale, running = make.rows("x", 5), make.state("scale", 5), make.state("running", 5)
    average = ops.reshape(total(x, 0) / ops.batch_size(make.dtype), (5,))
    centred = x - average
    variance = ops.reshape(total(centred * centred, 0) / ops.batch_size(make.dtype), (5,))
    normed = centred / ops.sqrt(variance + 1e-3) * scale
    loss = mean(apply("sin", normed))
    make.update(running, running * 0.9 + average * 0.1)
    make.update(scale, scale - ops.gradient(loss, scale))
    make.result(normed, loss, ops.reduce_max(x, (0,)), x - ops.reduce_max(normed, (0,)), ops.reduce_max(x, (0, 1)))


@case
def gradients_of_maxima(make: Maker) -> None:
    x, weights, bias = make.rows("x", 4), make.state("weights", 4, 6), make.state("bias", 6)
    hidden = ops.matmul(x, weights) * bias + bias
    over_row, over_batch = ops.reduce_max(hidden, (1,)), ops.reduce_max(hidden, (0,))
    joined = ops.matmul(ops.maximum(hidden, bias * bias), ops.transpose(weights)) * ops.minimum(x, 0.3)
    loss = mean(over_row * over_row) + mean(over_batch) + mean(joined)
    make.result(ops.gradient(loss, weights), ops.gradient(loss, bias), loss)


# --- packed vectors ---


@case
def costly_values_used_again(make: Maker) -> None:
    """What is stored so that it isn't computed twice is computed whole, by every worker, before it is read."""
    tall, square, other, summed = (make.state(name, *shape) for name, shape in SHAPES)
    y = ops.exp(apply("tanh", tall))
    joined = ops.matmul(ops.slice_axis(y, 0, 0, 6) + ops.slice_axis(tall, 0, 2, 6), ops.transpose(tall))
    make.result(joined, ops.matmul(ops.slice_axis(y, 0, 6, 2) * 2, ops.slice_axis(tall, 0, 1, 6)))
    for leaf in (square, other):
        z = ops.exp(apply("tanh", leaf))
        turned = ops.transpose(z)
        symmetric = ops.reduce_max(z + turned if leaf is square else turned + z, (1,))
        make.result(ops.matmul(z * ops.matmul(leaf, symmetric), leaf))
    gate, size = apply("sigmoid", summed), ops.reshape(total(square * square), ())
    make.result(gate * size, ops.matmul(make.rows("x", 4), gate))  # every worker needs the whole gate


SHAPES = [("tall", (8, 6)), ("square", (4, 4)), ("other", (4, 4)), ("summed", (4, 4))]


@case
def loops_that_take_each_other_over(make: Maker) -> None:
    x, y = make.rows("x", 6), make.rows("y", 6)
    first, second = total(x * x, 1), total(y, 1)
    third = ops.reduce_max(y * first - second, (1,))
    make.result(third, total(y * third - second, 1), first + second)


@case
def views_that_begin_at_one_place(make: Maker) -> None:
    vector = make.state("vector", 6)
    make.result(ops.reshape(vector, (2, 3)) + ops.slice_axis(vector, 0, 0, 3))


@case
def numbers_that_change_at_the_end_of_a_step(make: Maker) -> None:
    """The last level reads the old rate on every worker, while the first worker may be done already."""
    x, weights, rate = make.rows("x", 40), make.state("weights", 40), make.state("rate")
    slope = ops.reshape(total(x, 0), (40,)) / ops.batch_size(make.dtype)
    make.update(weights, weights - rate * slope)
    make.update(rate, rate * 0.5)


@case
def numbers_that_calls_of_the_last_level_read(make: Maker) -> None:
    """A call reads the number where it lies, so the first worker may not change it before all are done."""
    x, factor = make.rows("x", 1), make.state("factor", 1, 1)
    make.result(ops.matmul(x - total(x), factor))
    make.update(factor, factor * 0.5)


@case
def packed_parts_of_all_kinds(make: Maker) -> None:
    x, weights = make.rows("x", 3), make.state("weights", 3)
    count = ops.batch_size(make.dtype)
    summed, largest = total(x * weights, 0) / count, ops.reduce_max(x, (0,))
    product = ops.product_of(x, x, True, False)
    shared = total(x, 0)
    parts = [total(x, 0, 1), summed, weights * 2, ops.constant(3.0, make.dtype), product, shared, largest, shared]
    parts = [ops.cast(part, make.dtype) for part in parts]
    make.result(ops.pack(parts, (1, 3, 6, 10, 12, 25, 30, 34), 40), shared + 1, product)
    make.result(ops.pack([weights, weights * 2], (2, 8), 16), ops.pack([largest, ops.reshape(count, (1,))], (0, 5), 7))


# --- shapes ---


@case
def parts_joined_padded_and_turned(make: Maker) -> None:
    x, whole = make.rows("x", 4, 3), make.state("whole", 4, 3)
    y = ops.exp(x)
    joined = ops.concatenate([y, x, y * 2], 1)
    turned = ops.transpose(y, (0, 2, 1))
    make.result(
        joined * 2,
        ops.pad_axis(y, 2, 1, 2, 2) + 1,
        turned * turned,
        ops.reshape(turned, (Batch(), 12)),
        ops.reshape(y, (Batch(), 2, 6)),
    )
    make.result(
        ops.slice_axis(joined, 1, 11, 6, -2),
        ops.slice_axis(turned, 2, 1, 2) * 3,
        ops.transpose(whole) * 2,
        total(ops.slice_axis(y, 1, 1, 2), 0),
    )
    make.result(
        ops.product_of(y, turned, False, False),
        ops.product_of(y, turned, True, True),
        total(ops.transpose(x, (2, 0, 1)), 1),
    )
    make.result(
        ops.reshape(ops.reshape(y, (Batch(4), 3)) * 2, (Batch(), 12)),
        ops.transpose(ops.transpose(x, (2, 0, 1)) + 1, (1, 0, 2)),
    )


@case
def matrix_products_of_all_kinds(make: Maker) -> None:
    x, y = make.rows("x", 3, 4), make.rows("y", 4, 3)
    a, b = make.state("a", 2, 5, 6), make.state("b", 2, 6, 5)
    for swap in (False, True):
        for flag in (False, True):
            make.result(ops.product_of(x if not swap else y, y if not flag else x, swap, flag))
            make.result(ops.product_of(a if not swap else b, b if not flag else a, swap, flag))
    make.result(ops.matmul(ops.constant(2.0, make.dtype) + ops.slice_axis(a, 0, 1, 1), ops.slice_axis(b, 0, 0, 1) * 2))
    make.result(
        ops.matmul(
            ops.broadcast_to(ops.constant(2.0, make.dtype), (1, 1)), ops.reshape(ops.constant(3.0, make.dtype), (1, 1))
        )
    )


@case
def tensors_without_elements(make: Maker) -> None:
    empty, nothing = make.rows("empty", 0), make.state("nothing", 0, 3)
    make.result(
        empty * 2,
        total(empty, 1),
        total(empty),
        total(nothing, 0),
        nothing + 1,
        ops.concatenate([empty, make.rows("x", 2)], 1),
    )
    make.result(ops.product_of(nothing, nothing, True, False), ops.pad_axis(nothing, 0, 1, 1))


@case
def rows_mixed(make: Maker) -> None:
    x, label = make.rows("x", 3), make.rows("label", array=np.zeros((EXAMPLES,), np.int64))
    turned = ops.transpose(x)
    scrambled = ops.reshape(ops.reshape(turned * 2, (Batch(3),)), (Batch(), 3))
    make.result(ops.gather(x, label), scrambled, ops.argmax(x, 0), ops.transpose(turned))


# --- dtypes ---


@case
def whole_numbers_and_truth_values(make: Maker) -> None:
    image = make.rows("image", array=make.random.integers(0, 255, (EXAMPLES, 3)).astype(np.uint8))
    label = make.rows("label", array=make.random.integers(0, 3, EXAMPLES))
    small = make.state("small", array=np.array([5, -7, 2**31 - 1], np.int32))
    flags = make.state("flags", array=np.array([True, False, True]))
    counts = make.state("counts", array=np.zeros(3, np.int64))
    scaled = ops.cast(image, make.dtype) / 255
    hit = apply("equal", ops.argmax(scaled, 1), ops.reshape(label, (Batch(), 1)))
    one_hot = apply("equal", ops.reshape(label, (Batch(), 1)), ops.iota(3))
    make.update(counts, counts + ops.reshape(ops.reduce_sum(one_hot, (0,)), (3,)))
    make.update(small, small * small + 3)
    make.update(flags, apply("logical_not", flags))
    make.result(
        scaled,
        hit,
        ops.reduce_sum(hit, (0, 1)),
        image + image,
        apply("negative", image),
        ops.cast(image, np.int32),
        image,
    )
    make.result(
        ops.reduce_max(ops.cast(image, np.int32), (0,)),
        ops.reduce_max(label, (0,)),
        ops.where(flags, small, 4),
        ops.cast(flags, np.uint8),
    )
    make.result(
        apply("remainder", small, ops.constant(3, small.dtype)),
        apply("abs", small),
        ops.cast(hit, make.dtype),
        apply("less", flags, hit),
    )


@case
def positions(make: Maker) -> None:
    x = make.rows("x", 4)
    columns, rows = ops.iota(4, make.dtype), ops.reshape(ops.iota(Batch(), make.dtype), (Batch(), 1))
    back = ops.slice_axis(ops.iota(4), 0, 3, 4, -1)
    make.result(
        x * columns,
        x + rows,
        ops.iota(Batch()) * 2,
        back * back,
        ops.cast(back * 3, make.dtype) - columns,
        ops.iota(1) + back,
    )
    vector = make.state("vector", 40)
    make.update(vector, vector + ops.iota(40, make.dtype))


@case
def random_numbers(make: Maker) -> None:
    x, vector = make.rows("x", 3), make.state("vector", 40)
    for number, name in enumerate(("random_uniform", "random_normal")):
        noise = ops.random(name, make.key, (Batch(), 3), make.dtype, number)
        make.result(x + noise, noise, ops.random(name, make.key, (2, 3), make.dtype, 2 + number), total(noise, 0))
        make.result(
            ops.random(name, make.key, (1,), make.dtype, 4 + number) * x,
            ops.random(name, make.key, (), make.dtype, 6 + number),
        )
        make.result(ops.transpose(ops.random(name, make.key, (2, Batch()), make.dtype, 8 + number)))
    make.update(vector, vector * ops.random("random_uniform", make.key, (40,), make.dtype, 10))


@case
def not_a_number(make: Maker) -> None:
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, 1.0, -2.0])
    x = make.rows("x", array=np.stack([np.roll(odd, shift) for shift in range(EXAMPLES)]))
    whole = make.state("whole", array=odd)
    zero = ops.constant(0.0, make.dtype)
    finite = apply("is_finite", x)
    make.result(
        ops.maximum(x, zero),
        ops.minimum(zero, x),
        ops.reduce_max(x, (1,)),
        ops.reduce_max(x, (0,)),
        finite,
        ops.where(finite, x, zero),
    )
    make.result(
        apply("sign", x),
        apply("floor", x),
        ops.sqrt(x),
        ops.exp(x),
        apply("equal", x, x),
        ops.cast(x, np.bool_),
        apply("less", x, zero),
    )
    make.result(
        x / zero,
        ops.maximum(whole, x),
        ops.reduce_max(whole, (0,)),
        ops.where(apply("less_equal", x, zero), zero, x),
        apply("abs", x),
    )


# --- text ---


@case
def order_of_operators(make: Maker) -> None:
    x, y, z = make.rows("x", 3), make.state("y", 3), make.state("z", 3)
    a, b = apply("less", x, y), apply("less", y, z)
    make.result(
        x * apply("remainder", y, z * z + 1),
        x - (y - z),
        x - (y + z),
        x / (y / (z * z + 2)),
        -(-x),
        (x - y) * (y - z),
        -(x * y),
        x - (-y),
    )
    chosen = apply("where", a, b, apply("logical_not", b))
    make.result(
        apply("where", chosen, x, apply("where", a, y, z)),
        apply("where", apply("where", a, b, a), x, y),
        apply("equal", a, apply("logical_not", b)),
    )
    make.result(
        apply("logical_not", apply("logical_and", a, b)),
        apply("logical_and", apply("logical_or", a, b), apply("equal", a, b)),
    )
    make.result(
        apply("equal", apply("less", x, y), apply("less", y, x)),
        ops.cast(a, make.dtype) * x,
        (x + y) * ops.constant(-2.0, make.dtype),
    )


@case
def rows_that_end_within_a_vector(make: Maker) -> None:
    """Loops over whole vectors, of which the last overlaps the one before; some write over what they read."""
    for width in (16, 17, 31, 61):
        x, wide = make.rows(f"x_{width}", width), make.rows(f"wide_{width}", 3 * width)
        vector, matrix = make.state(f"vector_{width}", width), make.state(f"matrix_{width}", 2, width)
        parts = [ops.slice_axis(wide, 1, place * width, width) for place in range(3)]
        gate, candidate = apply("sigmoid", parts[2] + vector), apply("tanh", parts[0] * parts[1])
        noise = ops.random("random_normal", make.key, (Batch(), width), make.dtype, width)
        make.result(gate, candidate, gate * candidate + x, apply("tanh", x + noise))
        make.result(ops.iota(width, make.dtype) * ops.exp(x))
        make.update(vector, apply("tanh", vector * 2) + vector)
        make.update(matrix, apply("sigmoid", matrix) - matrix)


@case
def sums_of_rows_that_end_within_a_vector(make: Maker) -> None:
    x = make.rows("x", 31)
    exponentials = ops.exp(x)
    make.result(exponentials / total(exponentials, 1), total(apply("tanh", x), 0), mean(ops.exp(-x * x)))
    matrix = make.state("matrix", 2, 31)
    make.update(matrix, apply("sigmoid", matrix) - ops.reshape(total(matrix, 1), (2, 1)))


@case
def awkward_names(make: Maker) -> None:
    names = [
        "lambda",
        "exp",
        "rows",
        "range",
        "sqrt",
        "f32",
        "my abs",
        "ﬁ",
        "fi",
        "None",
        "1st",
        "x-y",
        "step",
        "kernel",
        "min",
        "i",
        "part",
        "worker",
    ]
    for name in names:
        leaf = make.state(name, 2, 3)
        with scope(f'{name}.layer "of"\nwonders \\ {name}'):
            make.result(apply("floor", ops.sqrt(apply("abs", leaf)) * ops.exp(leaf)), ops.reduce_max(leaf, (1,)))
