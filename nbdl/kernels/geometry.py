"""How a window goes over an image: the sizes that a convolution or a pooling is made of, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[int, int]
Segment = tuple[int, int, int, int]

NO_PADDING = ((0, 0), (0, 0))


@dataclass(frozen=True, repr=False)
class Geometry:
    """Images (height, width, channels) under a kernel (height, width) that gives `outputs` numbers at each place.

    `padding` is what lies around the image: ((top, bottom), (left, right)). Every `dilation`-th pixel is a *tap* of the
    kernel; outputs of one of the `groups` see the channels of that group only. In a pooling the kernel is the window,
    and there are as many outputs as channels.

    >>> Geometry((28, 28, 1), (3, 3), 32, stride=(2, 2)).result
    (13, 13)
    """

    image: tuple[int, int, int]
    kernel: Pair
    outputs: int
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = NO_PADDING
    dilation: Pair = (1, 1)
    groups: int = 1

    def __repr__(self) -> str:
        plain = Geometry(self.image, self.kernel, self.outputs)
        options = [
            f"{name}={getattr(self, name)}"
            for name in ("stride", "padding", "dilation", "groups")
            if getattr(self, name) != getattr(plain, name)
        ]
        return f"Geometry({', '.join([str(self.image), str(self.kernel), str(self.outputs), *options])})"

    @property
    def reach(self) -> Pair:
        """Height and width of the part of an image that the kernel sees from one place."""
        height, width = ((taps - 1) * step + 1 for taps, step in zip(self.kernel, self.dilation, strict=True))
        return height, width

    @property
    def padded(self) -> Pair:
        """Height and width of the image with its padding."""
        return self.image[0] + sum(self.padding[0]), self.image[1] + sum(self.padding[1])

    @property
    def result(self) -> Pair:
        """Height and width of the result."""
        height, width = (
            (size - reach) // stride + 1
            for size, reach, stride in zip(self.padded, self.reach, self.stride, strict=True)
        )
        return height, width

    @property
    def weights(self) -> tuple[int, int, int, int]:
        """Shape of a convolution's weights: (kernel height, kernel width, channels / groups, outputs)."""
        return (*self.kernel, self.channels_in, self.outputs)

    @property
    def channels_in(self) -> int:
        """Channels of a group."""
        return self.image[2] // self.groups

    @property
    def channels_out(self) -> int:
        """Outputs of a group."""
        return self.outputs // self.groups

    def places(self, axis: int, tap: int) -> Pair:
        """The places of the result, first and behind the last, for which a tap lies inside the image.

        >>> Geometry((28, 28, 1), (3, 3), 32, padding=((1, 1), (1, 1))).places(0, 0)
        (1, 28)
        """
        start, stride = tap * self.dilation[axis] - self.padding[axis][0], self.stride[axis]
        first = max(0, -(start // stride))
        return first, max(first, min(self.result[axis], -((start - self.image[axis]) // stride)))

    def segments(self, axis: int) -> list[Segment]:
        """Stretches of places with the same taps inside the image: (first place, end, first tap, end).

        >>> Geometry((28, 28, 1), (3, 3), 32, padding=((1, 1), (1, 1))).segments(0)
        [(0, 1, 1, 3), (1, 27, 0, 3), (27, 28, 0, 2)]
        """
        found: list[Segment] = []
        dilation, size = self.dilation[axis], self.image[axis]
        for place in range(self.result[axis]):
            start = place * self.stride[axis] - self.padding[axis][0]
            first = max(0, -(start // dilation))
            end = max(first, min(self.kernel[axis], -((start - size) // dilation)))
            if found and found[-1][2:] == (first, end):
                found[-1] = (found[-1][0], place + 1, first, end)
            else:
                found.append((place, place + 1, first, end))
        return found
