"""What the kernels for images mean, in NumPy. Images are (n, height, width, channels)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from nbdl.kernels.geometry import Geometry
from nbdl.kernels.winograd import matrices


def convolve(x: np.ndarray, w: np.ndarray, g: Geometry) -> np.ndarray:
    """out[i, y, z, o] = sum over ky, kx, c of x[i, y * stride + ky * dilation - padding, ..., c] * w[ky, kx, c, o]"""
    windows = _windows(x, g)
    parts = [np.tensordot(windows[:, :, :, ins], w[..., outs], ((4, 5, 3), (0, 1, 2))) for ins, outs in _groups(g)]
    return np.concatenate(parts, axis=-1)


def convolve_weights(x: np.ndarray, gradient: np.ndarray, g: Geometry) -> np.ndarray:
    """The gradient of `convolve` with respect to w, given that with respect to its result."""
    windows = _windows(x, g)
    parts = [
        np.tensordot(windows[:, :, :, ins], gradient[..., outs], ((0, 1, 2), (0, 1, 2))) for ins, outs in _groups(g)
    ]
    return np.ascontiguousarray(np.concatenate(parts, axis=-1).transpose(1, 2, 0, 3))


def convolve_back(gradient: np.ndarray, w: np.ndarray, g: Geometry) -> np.ndarray:
    """The gradient of `convolve` with respect to x: a transposed convolution."""
    padded = _zeros(gradient, g)
    for ky, kx, under_tap in _taps(padded, g):
        for ins, outs in _groups(g):
            under_tap[..., ins] += gradient[..., outs] @ w[ky, kx, :, outs].T
    return _cropped(padded, g)


def winograd_points(w: np.ndarray, tile: int) -> np.ndarray:
    """What Winograd's convolution in such tiles maps a kernel to: (side, side, ...)."""
    return _mapped(np.array(matrices(tile, len(w)).weights), w)


def weights_of_points(points: np.ndarray, tile: int) -> np.ndarray:
    """The kernel that has been mapped to these points."""
    return _mapped(np.linalg.pinv(matrices(tile, len(points) - tile + 1).weights), points)


def _mapped(matrix: np.ndarray, squares: np.ndarray) -> np.ndarray:
    return np.einsum("iy,jx,yx...->ij...", matrix, matrix, squares).astype(squares.dtype)


def max_pool(x: np.ndarray, g: Geometry) -> np.ndarray:
    """The largest element of each window; NaN if there is one."""
    return _windows(x, g, -np.inf).max((4, 5))


def max_pool_back(x: np.ndarray, gradient: np.ndarray, g: Geometry) -> np.ndarray:
    """The gradient of `max_pool`: it goes to the first of the largest elements of a window, to the first of all if one
    is NaN.
    """
    padded, largest = _zeros(gradient, g), _first_largest(x, g)
    for number, (_, _, under_tap) in enumerate(_taps(padded, g)):
        under_tap += np.where(largest == number, gradient, 0)
    return _cropped(padded, g)


def max_pool_take(x: np.ndarray, other: np.ndarray, g: Geometry) -> np.ndarray:
    """The elements of `other`, of the shape of x, at the places from which `max_pool` takes its result."""
    flat = _flat_windows(other, g)
    return np.take_along_axis(flat, _first_largest(x, g)[..., None], -1)[..., 0]


def sum_pool(x: np.ndarray, g: Geometry) -> np.ndarray:
    """The sum of each window."""
    return _windows(x, g).sum((4, 5), dtype=x.dtype)


def sum_pool_back(gradient: np.ndarray, g: Geometry) -> np.ndarray:
    """The gradient of `sum_pool`: each element gets the sum over the windows that it is in."""
    padded = _zeros(gradient, g)
    for _, _, under_tap in _taps(padded, g):
        under_tap += gradient
    return _cropped(padded, g)


def _windows(x: np.ndarray, g: Geometry, fill: float = 0.0) -> np.ndarray:
    """What the kernel sees, as a view: (n, height and width of the result, channels, kernel height, kernel width)."""
    padded = np.pad(x, ((0, 0), *g.padding, (0, 0)), constant_values=fill)
    windows = sliding_window_view(padded, g.reach, (1, 2))
    return windows[:, :: g.stride[0], :: g.stride[1], :, :: g.dilation[0], :: g.dilation[1]]


def _flat_windows(x: np.ndarray, g: Geometry, fill: float = 0.0) -> np.ndarray:
    windows = _windows(x, g, fill)
    return windows.reshape(*windows.shape[:4], g.kernel[0] * g.kernel[1])


def _first_largest(x: np.ndarray, g: Geometry) -> np.ndarray:
    """Which tap of each window is the first of the largest ones; the first inside the image, where one is NaN."""
    windows = _flat_windows(x, g, -np.inf)
    inside = np.argmax(_flat_windows(np.ones_like(x), g), axis=-1)
    return np.where(np.isnan(windows.max(-1)), inside, np.argmax(windows, axis=-1))


def _groups(g: Geometry) -> Iterator[tuple[slice, slice]]:
    """The channels and the outputs of each group."""
    for group in range(g.groups):
        yield (
            slice(group * g.channels_in, (group + 1) * g.channels_in),
            slice(group * g.channels_out, (group + 1) * g.channels_out),
        )


def _zeros(gradient: np.ndarray, g: Geometry) -> np.ndarray:
    return np.zeros((len(gradient), *g.padded, g.image[2]), gradient.dtype)


def _taps(padded: np.ndarray, g: Geometry) -> Iterator[tuple[int, int, np.ndarray]]:
    """For each tap of the kernel the pixels that it sees, as a view into a padded image."""
    (height, width), (sh, sw) = g.result, g.stride
    for ky in range(g.kernel[0]):
        for kx in range(g.kernel[1]):
            y, x = ky * g.dilation[0], kx * g.dilation[1]
            yield ky, kx, padded[:, y : y + (height - 1) * sh + 1 : sh, x : x + (width - 1) * sw + 1 : sw]


def _cropped(padded: np.ndarray, g: Geometry) -> np.ndarray:
    (top, _), (left, _) = g.padding
    return np.ascontiguousarray(padded[:, top : top + g.image[0], left : left + g.image[1]])
