"""Layers that pool images (n, height, width, channels) and sequences (n, time, channels), or change their size."""

from __future__ import annotations

from nbdl import functions, images, pooling
from nbdl.errors import ShapeError
from nbdl.ir.shapes import show_shape
from nbdl.nn.inputs import only
from nbdl.nn.module import Module
from nbdl.tensor import Tensor
from nbdl.windows import FlatPadding, Padding, Sizes, explicit_padding, flat_padding, pair, resolve_padding


class _Pooling2D(Module):
    """What the layers that pool images have in common."""

    def __init__(self, size: Sizes = 2, *, stride: Sizes | None = None, padding: Padding = "valid"):
        self.size = pair("size", size)
        self.stride = self.size if stride is None else pair("stride", stride)
        resolve_padding(padding, self.size, self.size, self.stride, (1, 1))  # refuses what isn't one
        self.padding = padding


class _Pooling1D(Module):
    """What the layers that pool sequences have in common."""

    def __init__(self, size: int = 2, *, stride: int | None = None, padding: FlatPadding = "valid"):
        _, self.size = images.flat_pair("size", size)
        _, self.stride = images.flat_pair("stride", size if stride is None else stride)
        resolve_padding(flat_padding(padding), (1, self.size), (1, self.size), (1, 1), (1, 1))  # refuses what isn't one
        self.padding = padding


class MaxPool2D(_Pooling2D):
    """The largest element of each window of an image and channel; of equal ones the first gets the gradient.

    With x `(n, height, width, channels)` the result is `(n, (height + padding - size) // stride + 1, ..., channels)`.

    Args:
        size: height and width of the window, one number for both or a pair.
        stride: pixels from one window to the next; None for its size.
        padding: "valid" for none, "same" for ceil(size / stride) windows, a number for all sides, (height, width), or
            ((top, bottom), (left, right)). What is padded is never the largest.

    Raises:
        OptionError: an option has a value that there can't be.
        ShapeError: the input isn't an image, or is smaller than the window.

    >>> import numpy as np
    >>> MaxPool2D()(np.arange(16.0).reshape(1, 4, 4, 1)).numpy().ravel()
    array([ 5.,  7., 13., 15.])

    Source: Riesenhuber, Poggio, Hierarchical Models of Object Recognition in Cortex, Nature Neuroscience 2 (1999).
    """

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the maxima."""
        return pooling.max_pool2d(inputs[0], self.size, stride=self.stride, padding=self.padding)


class AveragePool2D(_Pooling2D):
    """The mean of each window of an image and channel; what is padded doesn't count.

    With x `(n, height, width, channels)` the result is `(n, (height + padding - size) // stride + 1, ..., channels)`.

    Args:
        size: height and width of the window, one number for both or a pair.
        stride: pixels from one window to the next; None for its size.
        padding: as for `MaxPool2D`.

    Raises:
        OptionError: an option has a value that there can't be.
        ShapeError: the input isn't an image, or is smaller than the window.

    >>> import numpy as np
    >>> AveragePool2D()(np.arange(16.0).reshape(1, 4, 4, 1)).numpy().ravel()
    array([ 2.5,  4.5, 10.5, 12.5])

    Source: LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 86 (1998).
    """

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the means."""
        return pooling.average_pool2d(inputs[0], self.size, stride=self.stride, padding=self.padding)


class MaxPool1D(_Pooling1D):
    """The largest element of each window of a sequence and channel; of equal ones the first gets the gradient.

    With x `(n, time, channels)` the result is `(n, (time + padding - size) // stride + 1, channels)`.

    Args:
        size: length of the window.
        stride: steps from one window to the next; None for its size.
        padding: "valid" for none, "same" for ceil(time / stride) windows, a number for both ends, or (before, behind).

    Raises:
        OptionError: an option has a value that there can't be.
        ShapeError: the input isn't a sequence, or is shorter than the window.

    >>> import numpy as np
    >>> MaxPool1D(3)(np.arange(6.0).reshape(1, 6, 1)).numpy().ravel()
    array([2., 5.])

    Source: Riesenhuber, Poggio, Hierarchical Models of Object Recognition in Cortex, Nature Neuroscience 2 (1999).
    """

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the maxima."""
        return pooling.max_pool1d(inputs[0], self.size, stride=self.stride, padding=self.padding)


class AveragePool1D(_Pooling1D):
    """The mean of each window of a sequence and channel; what is padded doesn't count.

    With x `(n, time, channels)` the result is `(n, (time + padding - size) // stride + 1, channels)`.

    Args:
        size: length of the window.
        stride: steps from one window to the next; None for its size.
        padding: as for `MaxPool1D`.

    Raises:
        OptionError: an option has a value that there can't be.
        ShapeError: the input isn't a sequence, or is shorter than the window.

    >>> import numpy as np
    >>> AveragePool1D(3)(np.arange(6.0).reshape(1, 6, 1)).numpy().ravel()
    array([1., 4.])

    Source: LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 86 (1998).
    """

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the means."""
        return pooling.average_pool1d(inputs[0], self.size, stride=self.stride, padding=self.padding)


class GlobalMaxPool(Module):
    """The largest element of each channel of an image or a sequence: `(n, ..., channels)` to `(n, channels)`.

    Raises:
        ShapeError: the input is neither.

    >>> import numpy as np
    >>> GlobalMaxPool()(np.arange(8.0).reshape(1, 2, 2, 2)).numpy()
    array([[6., 7.]])

    Source: Oquab et al., Is Object Localization for Free? Weakly-Supervised Learning with Convolutional Neural
    Networks, CVPR 2015.
    """

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the maxima."""
        return pooling.global_max_pool(inputs[0])


class GlobalAveragePool(Module):
    """The mean of each channel of an image or a sequence: `(n, ..., channels)` to `(n, channels)`.

    Raises:
        ShapeError: the input is neither.

    >>> import numpy as np
    >>> GlobalAveragePool()(np.arange(8.0).reshape(1, 2, 2, 2)).numpy()
    array([[3., 4.]])

    Source: Lin, Chen, Yan, Network In Network, ICLR 2014.
    """

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the means."""
        return pooling.global_average_pool(inputs[0])


class UpSampling2D(Module):
    """Each pixel becomes a block of equal ones: `(n, height, width, channels)` to `(n, height * size, ..., channels)`.

    Args:
        size: height and width of the blocks, one number for both or a pair.

    Raises:
        OptionError: a size below 1.
        ShapeError: the input isn't an image.

    >>> import numpy as np
    >>> UpSampling2D(2)(np.ones((1, 3, 4, 8), np.float32)).shape
    (1, 6, 8, 8)

    Source: Odena, Dumoulin, Olah, Deconvolution and Checkerboard Artifacts, Distill (2016).
    """

    def __init__(self, size: Sizes = 2):
        self.size = pair("size", size)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the larger image."""
        return pooling.upsample2d(inputs[0], self.size)


class UpSampling1D(Module):
    """Each step becomes several equal ones: `(n, time, channels)` to `(n, time * size, channels)`.

    Args:
        size: how many.

    Raises:
        OptionError: a size below 1.
        ShapeError: the input isn't a sequence.

    >>> import numpy as np
    >>> UpSampling1D(3)(np.ones((1, 4, 8), np.float32)).shape
    (1, 12, 8)

    Source: Odena, Dumoulin, Olah, Deconvolution and Checkerboard Artifacts, Distill (2016).
    """

    def __init__(self, size: int = 2):
        _, self.size = images.flat_pair("size", size)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the longer sequence."""
        return pooling.upsample1d(inputs[0], self.size)


class ZeroPadding2D(Module):
    """Zeros around images: `(n, height, width, channels)` to `(n, height + padding, ..., channels)`.

    Args:
        padding: a number for all sides, (height, width), or ((top, bottom), (left, right)).

    Raises:
        OptionError: the padding is none of these.
        ShapeError: the input isn't an image.

    >>> import numpy as np
    >>> ZeroPadding2D(1)(np.ones((1, 2, 2, 1), np.float32)).shape
    (1, 4, 4, 1)

    Source: Dumoulin, Visin, A guide to convolution arithmetic for deep learning, arXiv 1603.07285 (2016).
    """

    def __init__(self, padding: Padding = 1):
        explicit_padding(padding)  # refuses what isn't one
        self.padding = padding

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the padded images."""
        return pooling.zero_pad2d(inputs[0], self.padding)


class ImageInput(Module):
    """Images with or without channels, at the beginning of a network: `(n, height, width)` gets one channel.

    Raises:
        ShapeError: the input is neither `(n, height, width)` nor `(n, height, width, channels)`.

    >>> import numpy as np
    >>> ImageInput()(np.ones((2, 28, 28), np.float32)).shape
    (2, 28, 28, 1)

    Source: LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 86 (1998).
    """

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return x with four axes."""
        x = only(inputs)
        if x.ndim not in (3, 4):
            raise ShapeError(f"it takes images (n, height, width) or {images.IMAGE}, not {show_shape(x.shape)}")
        return functions.expand_dims(x, 3) if x.ndim == 3 else x
