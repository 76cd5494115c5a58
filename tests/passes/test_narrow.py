"""Convolutions with few outputs compute several places at once, and the same as before."""

from __future__ import annotations

import numpy as np
import pytest

from nbdl.autodiff import differentiate
from nbdl.ir import ops
from nbdl.ir.convolution import convolution
from nbdl.ir.graph import Node, topological
from nbdl.ir.interpret import interpret
from nbdl.kernels.geometry import NO_PADDING, Geometry
from nbdl.passes.narrow import widen_narrow
from tests.ir.cases import geometry

SAME = ((2, 2), (2, 2))


def convolved(g: Geometry, dtype: type = np.float64) -> tuple[Node, list[Node]]:
    rng = np.random.default_rng(0)
    leaves = [
        ops.value(rng.normal(size=shape).astype(dtype), differentiable=True) for shape in ((2, *g.image), g.weights)
    ]
    return convolution(*leaves, g), leaves


def geometry_of(node: Node) -> Geometry:
    (found,) = [each for each in topological([node]) if each.name == "conv2d"]
    wider: Geometry = found.param("geometry")
    return wider


@pytest.mark.parametrize(
    ("g", "together"),
    [
        (Geometry((28, 28, 1), (5, 5), 6, padding=SAME), 2),  # LeNet-5's first
        (Geometry((28, 28, 16), (3, 3), 1, padding=((1, 1), (1, 1))), 14),  # a decoder's last
        (Geometry((9, 9, 3), (3, 3), 3), 1),  # seven places a line can only be done one by one or all at once
        (Geometry((9, 9, 3), (3, 3), 2), 7),
        (Geometry((9, 9, 3), (3, 3), 16), 1),
        (Geometry((9, 8, 3), (2, 2), 4, stride=(2, 2)), 1),  # no place sees what another one does
        (Geometry((9, 10, 4), (3, 3), 4, groups=2), 1),
        (Geometry((9, 12, 4), (3, 3), 4, dilation=(1, 2)), 1),
        (Geometry((9, 12, 4), (3, 3), 4, dilation=(2, 1)), 2),
    ],
    ids=str,
)
def test_as_many_places_as_pay(g: Geometry, together: int):
    node, _ = convolved(g, np.float32)
    wider = geometry_of(widen_narrow([node])[0])
    assert wider.outputs == together * g.outputs
    assert wider.result == (g.result[0], g.result[1] // together)


def test_float64_does_half_as_many():
    g = Geometry((5, 18, 2), (3, 3), 2)
    assert geometry_of(widen_narrow([convolved(g, np.float32)[0]])[0]).outputs == 16
    assert geometry_of(widen_narrow([convolved(g)[0]])[0]).outputs == 8


@pytest.mark.parametrize("seed", range(40))
def test_results_and_gradients_stay(seed: int):
    rng = np.random.default_rng(seed)
    g = geometry(rng)
    if seed % 2:
        image = (g.image[0] + g.kernel[0], 2 + int(rng.integers(8, 12)), g.image[2])
        g = Geometry(image, (g.kernel[0], 3), 2, (1, 1 + seed % 3 // 2), NO_PADDING if seed % 4 == 1 else SAME)
    before, leaves = convolved(g)
    (after,) = widen_narrow([before])
    results = []
    for node in (before, after):
        loss = ops.reshape(ops.reduce_sum(ops.multiply(node, node), range(4)), ())
        results.append(interpret([node, *differentiate(loss, leaves)]))
    for one, other in zip(*results, strict=True):
        # sums of some tens of products, the same ones and zeros, in another order
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-11, err_msg=str(g))
