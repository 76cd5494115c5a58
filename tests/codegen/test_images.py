"""Programs with convolutions and pooling: as plain Python with watched memory, and as machine code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import nbdl
from nbdl.autodiff import differentiate
from nbdl.codegen.program import Program
from nbdl.codegen.work import Call, adds_batch
from nbdl.ir import ops
from nbdl.ir.cost import operations
from nbdl.ir.graph import Node, topological
from nbdl.ir.shapes import Batch
from nbdl.kernels.cpu.matmul import SCRATCH
from nbdl.tensor import Tensor
from tests.codegen.maker import EXAMPLES, RUNS, Maker
from tests.codegen.oracle import compare, run_oracle

CASES: dict[str, Callable[[Maker], None]] = {}
TOLERANCE = {"float64": 1e-9, "float32": 1e-3}
"""float32: sums of up to 33 rows of products of numbers around 1, in another order than NumPy's."""


def case(function: Callable[[Maker], None]) -> Callable[[Maker], None]:
    CASES[function.__name__] = function
    return function


def tensors(*nodes: Node) -> list[Tensor]:
    return [Tensor.wrap(node) for node in nodes]


def train(make: Maker, loss: Tensor, *states: Node) -> None:
    """Update states by their gradients, all packed into one vector as an optimizer does."""
    gradients = differentiate(loss.node, states)
    sizes = [int(np.prod([int(size) for size in state.shape])) for state in states]  # type: ignore[arg-type]
    offsets = [sum(sizes[:place]) for place in range(len(sizes))]
    vector = ops.pack(
        [ops.reshape(each, (size,)) for each, size in zip(gradients, sizes, strict=True)], offsets, sum(sizes)
    )
    for state, offset, size in zip(states, offsets, sizes, strict=True):
        piece = ops.reshape(ops.slice_axis(vector, 0, offset, size), state.shape)
        make.update(state, state - 0.1 * piece)


@case
def a_convolutional_network(make: Maker) -> None:
    x, bias, w1, w2 = (
        make.rows("x", 9, 8, 1),
        make.state("bias", 6),
        make.state("w1", 3, 3, 1, 6),
        make.state("w2", 2, 2, 6, 5),
    )
    image, b, first, second = tensors(x, bias, w1, w2)
    h = nbdl.max_pool2d(nbdl.maximum(nbdl.conv2d(image, first) + b, 0.0), 2)
    y = nbdl.global_average_pool(nbdl.conv2d(h, second, padding="same"))
    make.result(y.node)
    train(make, nbdl.mean(nbdl.square(y)), bias, w1, w2)


@case
def many_channels(make: Maker) -> None:
    x, w1, w2 = make.rows("x", 6, 5, 2), make.state("w1", 3, 3, 2, 33), make.state("w2", 3, 3, 33, 34)
    image, first, second = tensors(x, w1, w2)
    h = nbdl.tanh(nbdl.conv2d(image, first, padding="same"))
    y = nbdl.tanh(nbdl.conv2d(h, second, padding=((1, 2), (1, 0))))
    make.result(nbdl.global_average_pool(y).node)
    train(make, nbdl.mean(nbdl.square(y)), w1, w2)
    make.batch = 33


@case
def channels_whose_points_need_room_of_their_own(make: Maker) -> None:
    x, w = make.rows("x", 10, 9, 4), make.state("w", 3, 3, 100, 80)
    image, weights = tensors(x, w)
    more = nbdl.concat([image * float(i) for i in range(25)], axis=-1)
    y = nbdl.conv2d(nbdl.tanh(more), weights)
    make.result(nbdl.global_average_pool(y).node)
    train(make, nbdl.mean(nbdl.square(y)), w)
    make.batch = 33


@case
def strides_groups_and_dilations(make: Maker) -> None:
    x, w1, w2, w3 = (
        make.rows("x", 7, 9, 4),
        make.state("w1", 3, 2, 2, 6),
        make.state("w2", 2, 3, 6, 4),
        make.state("w3", 3, 2, 4, 4),
    )
    image, first, second, third = tensors(x, w1, w2, w3)
    h = nbdl.conv2d(image, first, stride=(1, 2), padding=((2, 0), (1, 1)), groups=2)
    h = nbdl.tanh(nbdl.conv2d(h, second, padding="same", dilation=(2, 1)))
    y = nbdl.conv2d_transpose(h, third, stride=2, padding=1, output_padding=1)
    make.result(y.node)
    train(make, nbdl.mean(nbdl.square(y)), w1, w2, w3)


@case
def pooling_of_all_kinds(make: Maker) -> None:
    x, w = make.rows("x", 6, 7, 3), make.state("w", 1, 1, 3, 3)
    image, weights = tensors(x, w)
    h = nbdl.conv2d(image, weights)
    y = nbdl.max_pool2d(h, 3, stride=2, padding=1)
    z = nbdl.average_pool2d(h, (2, 3), stride=(2, 2), padding="same")
    up = nbdl.upsample2d(nbdl.average_pool2d(h, 2, stride=1, padding=1, count_padding=True), (1, 2))
    make.result(y.node, z.node, up.node)
    loss = nbdl.mean(nbdl.square(y)) + nbdl.mean(nbdl.square(z)) + nbdl.mean(nbdl.square(up))
    train(make, loss + nbdl.mean(nbdl.global_max_pool(h)), w)


@case
def sequences_and_shared_weights(make: Maker) -> None:
    x, w = make.rows("x", 10, 3), make.state("w", 3, 3, 3)
    sequence, weights = tensors(x, w)
    h = nbdl.conv1d(sequence, weights, padding=(2, 0))
    y = nbdl.max_pool1d(nbdl.conv1d(h, weights, padding="same", dilation=2), 2)
    up = nbdl.conv1d_transpose(y, weights, stride=2)
    make.result(y.node, up.node)
    train(make, nbdl.mean(nbdl.square(up)) + nbdl.sum(nbdl.square(nbdl.conv1d(h, weights))), w)


@case
def lines_of_few_channels(make: Maker) -> None:
    """Elementwise work on them goes along lines; statistics are added up, and read, in two steps."""
    x, w, scale, bias = (
        make.rows("x", 12, 11, 2),
        make.state("w", 1, 1, 2, 6),
        make.state("scale", 6),
        make.state("bias", 11, 1),
    )
    image, weights, s, b = tensors(x, w, scale, bias)
    h = nbdl.conv2d(image, weights)
    centred = h - nbdl.mean(h, (0, 1, 2))
    y = nbdl.tanh(centred * s / nbdl.sqrt(nbdl.mean(nbdl.square(centred), (0, 1, 2)) + 0.1) + b)
    make.result(y.node, nbdl.mean(y, (1, 2)).node)
    train(make, nbdl.mean(nbdl.square(y)), w, scale, bias)


@case
def each_channel_by_itself(make: Maker) -> None:
    x, w1, w2 = make.rows("x", 7, 6, 3), make.state("w1", 3, 2, 1, 3), make.state("w2", 3, 3, 1, 3)
    image, first, second = tensors(x, w1, w2)
    h = nbdl.conv2d(image, first, stride=(1, 2), padding=1, dilation=(2, 1), groups=3)
    y = nbdl.conv2d_transpose(nbdl.tanh(h), second, stride=2, groups=3)
    make.result(y.node)
    train(make, nbdl.mean(nbdl.square(y)), w1, w2)


@case
def images_without_a_batch(make: Maker) -> None:
    x, w, single = make.state("x", 3, 6, 5, 2), make.state("w", 3, 3, 2, 4), make.state("single", 6, 5, 2)
    images, weights, one = tensors(x, w, single)
    y, z = nbdl.max_pool2d(nbdl.conv2d(images, weights, padding=1), 2), nbdl.conv2d(one, weights)
    make.result(y.node, z.node)
    train(make, nbdl.mean(nbdl.square(y)) + nbdl.mean(nbdl.square(z)), x, w)


@case
def several_images_a_row(make: Maker) -> None:
    x, w = make.rows("x", 2, 5, 5, 3), make.state("w", 2, 2, 3, 4)
    images = Tensor.wrap(ops.reshape(x, (Batch(2), 5, 5, 3)))
    y = nbdl.conv2d(images, Tensor.wrap(w))
    rows = ops.reshape(y.node, (Batch(), 2 * 4 * 4 * 4))
    make.result(rows)
    train(make, nbdl.mean(nbdl.square(Tensor.wrap(rows))), w)


@case
def derivatives_of_derivatives(make: Maker) -> None:
    x, w = make.rows("x", 6, 6, 2), make.state("w", 3, 3, 2, 3)
    image, weights = tensors(x, w)
    y = nbdl.max_pool2d(nbdl.square(nbdl.conv2d(image, weights, padding=1)), 2)
    (slope,) = differentiate(nbdl.sum(nbdl.square(y)).node, [w])
    size = nbdl.mean(nbdl.square(Tensor.wrap(slope)))
    make.result(size.node)
    (again,) = differentiate(size.node, [w])
    make.update(w, w - 1e-6 * again)


@pytest.mark.parametrize("name", CASES)
def test_as_plain_python(name: str) -> None:
    make = Maker()
    CASES[name](make)
    make.check()


COMPILED = [
    ("a_convolutional_network", "float32"),
    ("strides_groups_and_dilations", "float64"),
    ("channels_whose_points_need_room_of_their_own", "float32"),
]
OTHERS = [(name, dtype) for name in CASES for dtype in TOLERANCE if (name, dtype) not in COMPILED]


@pytest.mark.parametrize(
    ("name", "dtype"), [*COMPILED, *[pytest.param(*other, marks=pytest.mark.slow) for other in OTHERS]]
)
def test_as_machine_code(name: str, dtype: str) -> None:
    make = Maker(dtype=np.dtype(dtype))
    CASES[name](make)
    program = Program(make.variables, name, make.batch)
    order = np.random.default_rng(0).permutation(EXAMPLES)
    for batch, workers in RUNS:
        rows = order[: 2 * batch - (batch > 2)]
        arrays = {name: array.copy() for name, array in make.arrays.items()}
        program.bind(arrays, batch=batch, workers=workers, seed=5).run(rows, 0, 2)
        wanted = run_oracle(make.variables, make.arrays, rows, batch=batch, steps=2, seed=5)
        compare(arrays, wanted, TOLERANCE[dtype], f"{dtype} with batches of {batch} and {workers} workers")


def test_each_layer_s_table_is_made_once() -> None:
    make = Maker()
    CASES["sequences_and_shared_weights"](make)
    source = Program(make.variables, "tables").source
    tables = [line.split(" = ", 1) for line in source.splitlines() if "_boxes(" in line]
    assert len({text for _, text in tables}) == len(tables)
    assert all(source.count(name) >= 2 for name, _ in tables)


def test_a_convolution_of_single_pixels_is_a_matrix_product() -> None:
    make = Maker()
    CASES["pooling_of_all_kinds"](make)
    assert "convolve" not in Program(make.variables, "pixels").source


def test_a_convolution_in_as_many_groups_as_channels_has_its_own_kernel() -> None:
    make = Maker()
    CASES["each_channel_by_itself"](make)
    source = Program(make.variables, "channels").source
    assert "convolve" not in source
    assert all(f"    {name}(" in source for name in ("depthwise", "depthwise_weights", "depthwise_back"))


def test_a_convolution_of_many_channels_is_done_by_points_that_are_made_once() -> None:
    """Not again for each block of rows."""
    make = Maker()
    CASES["many_channels"](make)
    program = Program(make.variables, "points", make.batch)
    kernels = [each.node.name for each in program.plan.kernels if isinstance(each, Call)]
    assert kernels[:2] == ["winograd_points"] * 2
    assert {"winograd", "winograd_back", "winograd_weights", "conv2d", "conv2d_weights"} <= set(kernels)
    assert 0 not in program.plan.block_kernels
    assert 1 not in program.plan.block_kernels


def test_scratch_memory_is_as_large_as_points_need() -> None:
    make = Maker()
    CASES["channels_whose_points_need_room_of_their_own"](make)
    program = Program(make.variables, "room", make.batch)
    assert program.plan.scratch > SCRATCH
    assert f"(max(SCRATCH, {program.plan.scratch}),)" in program.source
    arrays = {name: array.copy() for name, array in make.arrays.items()}
    bound = program.bind(arrays, batch=33)
    assert bound.arenas[0].nbytes >= program.plan.scratch * 8


def test_only_gradients_of_weights_add_up_over_the_batch() -> None:
    make = Maker()
    CASES["strides_groups_and_dilations"](make)
    nodes = topological([each.result for each in make.variables if each.result is not None])
    found = {node.name: adds_batch(node) for node in nodes if node.name.startswith("conv2d")}
    assert found == {"conv2d": False, "conv2d_back": False, "conv2d_weights": True}


def test_operations_are_counted() -> None:
    x, w = ops.leaf((Batch(), 5, 6, 4), np.float32), ops.leaf((3, 3, 2, 8), np.float32, differentiable=True)
    y = nbdl.conv2d(*tensors(x, w), groups=2).node
    (gradient,) = differentiate(nbdl.sum(Tensor.wrap(y)).node, [w])
    gradient = next(node for node in topological([gradient]) if node.name == "conv2d_weights")
    assert operations(y, rows=7) == operations(gradient, rows=7) == 2 * 7 * (3 * 4 * 8) * (3 * 3 * 2)
    assert operations(nbdl.max_pool2d(Tensor.wrap(y), 2).node, rows=7) == 7 * (1 * 2 * 8) * 4
