"""Convolutions with few outputs: neighbouring places of the result are computed together, as outputs of one place.

The outputs of a place fill a vector of the machine, or leave it half empty. With P places at a time there are P times
as many, under a kernel that is (P - 1) * stride wider and has the weights once for each place, beside zeros:

    conv(x, w)[..., P * z + j, o] = conv'(x, w')[..., z, (j, o)],    w'[:, a, :, (j, o)] = w[:, a - j * stride, :, o]

with P * stride as the stride of conv'. The zeros are multiplied too, so P is what pays most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as changed

from nbdl.ir import ops
from nbdl.ir.convolution import convolution
from nbdl.ir.graph import Node, substitute
from nbdl.kernels.geometry import Geometry

VECTOR = 64  # bytes: the widest vectors that there are; outputs that fill half of one or less are few
WORTHWHILE = 1.25


def widen_narrow(outputs: Sequence[Node]) -> list[Node]:
    """Return outputs whose convolutions with few outputs compute several places at once."""

    def replace(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node.name != "conv2d":
            return None
        geometry = node.param("geometry")
        together = _places_together(geometry, node.dtype.itemsize)
        if together == 1:
            return None
        x, w = inputs
        return ops.reshape(convolution(x, _spread(w, geometry, together), _widened(geometry, together)), node.shape)

    new = substitute(outputs, replace)
    return [new[output] for output in outputs]


def _places_together(g: Geometry, itemsize: int) -> int:
    """How many places pay most: a vector does that many at once, over a kernel that is wider."""
    if g.groups != 1 or g.dilation[1] != 1:
        return 1
    most = VECTOR // (itemsize * g.outputs)
    gain = {
        count: count * g.kernel[1] / (g.kernel[1] + (count - 1) * g.stride[1])
        for count in range(1, most + 1)
        if g.result[1] % count == 0
    }
    best = max(gain, key=lambda count: gain[count], default=1)
    return best if gain.get(best, 1) >= WORTHWHILE else 1


def _widened(g: Geometry, together: int) -> Geometry:
    width = g.kernel[1] + (together - 1) * g.stride[1]
    stride = (g.stride[0], together * g.stride[1])
    return changed(g, kernel=(g.kernel[0], width), outputs=together * g.outputs, stride=stride)


def _spread(w: Node, g: Geometry, together: int) -> Node:
    """The weights of the wider kernel."""
    step = g.stride[1]
    return ops.concatenate(
        [ops.pad_axis(w, 1, place * step, (together - 1 - place) * step) for place in range(together)], 3
    )
