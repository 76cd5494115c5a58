"""Convolutions that become Winograd's, and that they compute the same as before."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl.autodiff import differentiate
from nbdl.errors import DtypeError, ShapeError
from nbdl.ir import ops
from nbdl.ir.convolution import convolution
from nbdl.ir.cost import operations
from nbdl.ir.graph import Node, topological
from nbdl.ir.interpret import interpret
from nbdl.ir.primitives import apply
from nbdl.ir.shapes import Batch
from nbdl.kernels.geometry import Geometry
from nbdl.kernels.winograd import best_tile
from nbdl.passes import cpu_passes, run_passes
from nbdl.passes.winograd import products_saver
from nbdl.tensor import Tensor

SAME = ((1, 1), (1, 1))
G = Geometry((8, 8, 40), (3, 3), 48, padding=SAME)


def leaf(*shape: int) -> Node:
    return ops.value(np.random.default_rng(sum(shape)).normal(size=shape), differentiable=True)


def names(*outputs: Node) -> list[str]:
    return sorted(node.name for node in topological(outputs) if "conv" in node.name or "wino" in node.name)


@pytest.mark.parametrize(
    ("g", "wanted"),
    [
        (Geometry((13, 13, 32), (3, 3), 64), 4),
        (Geometry((14, 14, 64), (3, 3), 64, padding=SAME), 4),
        (Geometry((4, 4, 64), (3, 3), 64), 2),  # three quarters of a larger tile lie outside
        (Geometry((56, 56, 128), (3, 3), 128, padding=SAME), 4),
        (Geometry((14, 14, 256), (3, 3), 256, padding=SAME), 4),
        (Geometry((11, 11, 31), (5, 5), 62), 2),
        (Geometry((28, 28, 1), (3, 3), 32), None),  # nothing to sum over
        (Geometry((28, 28, 64), (3, 3), 4), None),  # more work to map the image than to convolve it
        (Geometry((3, 3, 64), (3, 3), 64), None),  # three quarters of the only tile lie outside
        (Geometry((14, 14, 64), (7, 7), 64), None),
        (Geometry((14, 14, 64), (3, 1), 64), None),
        (Geometry((14, 14, 64), (3, 3), 64, stride=(2, 2)), None),
        (Geometry((14, 14, 64), (3, 3), 64, dilation=(2, 2)), None),
        (Geometry((14, 14, 64), (3, 3), 64, groups=2), None),
        (Geometry((14, 14, 1024), (3, 3), 1024, padding=SAME), None),  # no room
    ],
    ids=repr,
)
def test_which_convolutions_pay(g: Geometry, wanted: int | None) -> None:
    assert best_tile(g, 32) == wanted


def test_weights_are_mapped_for_images_enough() -> None:
    small, large = Geometry((13, 13, 32), (3, 3), 64), Geometry((7, 7, 512), (3, 3), 512, padding=SAME)
    assert [best_tile(small, images) for images in (1, 2)] == [4, 4]
    assert [best_tile(large, images) for images in (1, 2, 8, 32)] == [None, None, 4, 4]


def test_a_batch_of_unknown_size_may_have_one_row() -> None:
    g = Geometry((8, 8, 64), (3, 3), 64, padding=SAME)
    y, eight = (convolution(ops.leaf((n, *g.image), "float64"), leaf(*g.weights), g) for n in (Batch(), 8))
    assert names(*products_saver()([y])) == ["conv2d"]
    assert names(*products_saver(32)([y])) == names(*products_saver()([eight])) == ["winograd", "winograd_points"]


def test_a_convolution_and_its_gradients_compute_the_same() -> None:
    x, w = leaf(2, *G.image), leaf(*G.weights)
    y = convolution(x, w, G)
    results = [y, *differentiate(nbdl.sum(nbdl.square(Tensor.wrap(y))).node, [x, w])]
    before = run_passes(results)
    after = run_passes(before, cpu_passes())
    assert names(*before) == ["conv2d", "conv2d_back", "conv2d_weights"]
    assert names(*after) == ["winograd", "winograd_back", "winograd_points", "winograd_points", "winograd_weights"]
    for wanted, got in zip(interpret(before), interpret(after), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-10)


def test_it_counts_as_much_work_as_before() -> None:
    """By that it is decided how many workers share it."""
    x, w = leaf(2, *G.image), leaf(*G.weights)
    y = convolution(x, w, G)
    results = [y, *differentiate(nbdl.sum(nbdl.square(Tensor.wrap(y))).node, [x, w])]
    work = [
        sum(operations(node, rows=1) for node in topological(each)) for each in (results, products_saver()(results))
    ]
    assert work[1] == work[0] > 3 * 2 * (2 * 8 * 8 * 48) * (3 * 3 * 40)


def test_a_kernel_that_is_used_twice_has_its_points_once() -> None:
    w = leaf(3, 3, 40, 40)
    g = Geometry((8, 8, 40), (3, 3), 40, padding=SAME)
    y = convolution(convolution(leaf(2, *g.image), w, g), w, g)
    assert names(*run_passes([y], cpu_passes())) == ["winograd", "winograd", "winograd_points"]


def test_what_does_not_pay_stays() -> None:
    g = Geometry((8, 8, 3), (3, 3), 8)
    y = convolution(leaf(2, *g.image), leaf(*g.weights), g)
    assert products_saver()([y]) == [y]


@pytest.mark.parametrize(
    ("name", "shapes", "params", "message"),
    [
        ("winograd_points", [(7, 7, 2, 3)], {"tile": 2, "transposed": False}, "takes weights .3, 3, channels"),
        ("winograd_points", [(5, 5, 2, 3)], {"tile": 4, "transposed": False}, "in tiles of 4x4"),
        ("winograd", [(2, 8, 8, 40), (6, 6, 48, 40)], {"geometry": G, "tile": 4}, "points .6, 6, 40, 48., not"),
        ("winograd", [(2, 8, 8, 41), (4, 4, 40, 48)], {"geometry": G, "tile": 2}, "takes .n, 8, 8, 40., not"),
        (
            "winograd_back",
            [(2, 8, 8, 48), (4, 4, 40, 48)],
            {"geometry": G, "tile": 2},
            "points .4, 4, 48, 40., not",
        ),
        (
            "winograd_weights",
            [(2, 8, 8, 40), (3, 8, 8, 48)],
            {"geometry": G, "tile": 2},
            "2 images and 3 gradients",
        ),
    ],
)
def test_operands_that_do_not_fit(name: str, shapes: list[tuple[int, ...]], params: dict, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        apply(name, *[leaf(*shape) for shape in shapes], **params)


def test_operands_of_two_dtypes() -> None:
    points = ops.value(np.zeros((4, 4, 40, 48), np.float32))
    with pytest.raises(DtypeError, match="of one dtype"):
        apply("winograd", leaf(2, 8, 8, 40), points, geometry=G, tile=2)
