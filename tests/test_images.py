"""Functions of images: against PyTorch on random options, gradients in float64, and mistakes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import nbdl
from nbdl import testing
from nbdl.errors import DtypeError, OptionError, ShapeError
from nbdl.ir import ops
from nbdl.ir.shapes import Batch
from nbdl.kernels.cpu import boxes, conv
from nbdl.kernels.geometry import Geometry
from nbdl.tensor import Tensor
from nbdl.windows import explicit_padding, pair, resolve_padding
from tests.ir.cases import geometry

TOLERANCE = 1e-4
"""Relative to the largest element, in float32: sums of up to some thousand products, in another order."""


def near(found: np.ndarray, expected: object, words: object = "") -> None:
    array = np.asarray(expected)
    assert found.shape == array.shape, words
    limit = TOLERANCE * max(1e-3, float(np.abs(array).max(initial=0)))
    assert np.abs(found - array).max(initial=0) <= limit, words


def channels_first(array: np.ndarray, torch, *, grad: bool = True):
    return torch.tensor(np.ascontiguousarray(np.moveaxis(array, -1, 1)), requires_grad=grad)


def channels_last(tensor) -> np.ndarray:
    return np.moveaxis(tensor.detach().numpy(), 1, -1)


def torch_convolution(torch, x, w, g: Geometry):
    """PyTorch's convolution and its operands; it pads both sides alike, so the padding is added before."""
    image = channels_first(x, torch)
    weights = torch.tensor(np.ascontiguousarray(w.transpose(3, 2, 0, 1)), requires_grad=True)
    (top, bottom), (left, right) = g.padding
    padded = torch.nn.functional.pad(image, (left, right, top, bottom))
    y = torch.nn.functional.conv2d(padded, weights, stride=g.stride, dilation=g.dilation, groups=g.groups)
    return image, weights, y


@pytest.mark.parametrize("seed", range(60))
def test_convolutions_and_their_gradients_are_pytorch_s(seed: int):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    g = geometry(rng)
    if seed % 3 == 0:  # sizes of real layers
        channels = g.groups * int(rng.integers(4, 40))
        outputs = g.groups * int(rng.integers(4, 40))
        image = (g.image[0] + int(rng.integers(0, 12)), g.image[1] + int(rng.integers(0, 12)), channels)
        g = Geometry(image, g.kernel, outputs, g.stride, g.padding, g.dilation, g.groups)
    n = int(rng.integers(1, 9))
    x = rng.normal(size=(n, *g.image)).astype(np.float32)
    w = rng.normal(size=g.weights).astype(np.float32)
    image, weights, y = torch_convolution(torch, x, w, g)
    slope = rng.normal(size=tuple(y.permute(0, 2, 3, 1).shape)).astype(np.float32)
    y.backward(channels_first(slope, torch, grad=False))
    ours = [Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)]
    result = nbdl.conv2d(*ours, stride=g.stride, padding=g.padding, dilation=g.dilation, groups=g.groups)
    nbdl.sum(result * slope).backward()
    near(result.numpy(), channels_last(y), g)
    near(ours[0].grad.numpy(), channels_last(image.grad), g)
    near(ours[1].grad.numpy(), weights.grad.permute(2, 3, 1, 0), g)
    out, scratch = np.full(slope.shape, np.nan, np.float32), np.empty(conv.SCRATCH, np.float32)
    back, gradient = np.full(x.shape, np.nan, np.float32), np.full(w.shape, np.nan, np.float32)
    conv.convolve(x, w, out, scratch, boxes.forward_boxes(g))
    conv.convolve_back(slope, w, back, scratch, boxes.input_boxes(g))
    conv.convolve_weights(x, slope, gradient, scratch, boxes.weight_boxes(g))
    near(out, channels_last(y), g)
    near(back, channels_last(image.grad), g)
    near(gradient, weights.grad.permute(2, 3, 1, 0), g)


@pytest.mark.parametrize("seed", range(25))
def test_transposed_convolutions_and_their_gradients_are_pytorch_s(seed: int):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    kernel, stride, dilation = (tuple(int(each) for each in rng.integers(1, most, 2)) for most in (5, 4, 3))
    groups = int(rng.choice([1, 1, 2]))
    reach = [(taps - 1) * spread + 1 for taps, spread in zip(kernel, dilation, strict=True)]
    padding = tuple(int(rng.integers(0, (each - 1) // 2 + 1)) for each in reach)
    extra = tuple(int(rng.integers(0, each)) for each in stride)
    x = rng.normal(size=(2, *rng.integers(2, 6, 2), 3 * groups)).astype(np.float32)
    w = rng.normal(size=(*kernel, 4, 3 * groups)).astype(np.float32)
    image, weights = channels_first(x, torch), torch.tensor(w.transpose(3, 2, 0, 1).copy(), requires_grad=True)
    y = torch.nn.functional.conv_transpose2d(
        image, weights, stride=stride, padding=padding, output_padding=extra, dilation=dilation, groups=groups
    )
    y.square().sum().backward()
    ours = [Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)]
    options = {"stride": stride, "padding": padding, "output_padding": extra, "dilation": dilation, "groups": groups}
    result = nbdl.conv2d_transpose(*ours, **options)
    nbdl.sum(nbdl.square(result)).backward()
    near(result.numpy(), channels_last(y), options)
    near(ours[0].grad.numpy(), channels_last(image.grad), options)
    near(ours[1].grad.numpy(), weights.grad.permute(2, 3, 1, 0), options)


def test_convolutions_of_sequences_are_pytorch_s():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 11, 4)).astype(np.float32), rng.normal(size=(3, 2, 6)).astype(np.float32)
    sequence, weights = channels_first(x, torch, grad=False), torch.tensor(w.transpose(2, 1, 0).copy())
    y = torch.nn.functional.conv1d(sequence, weights, stride=2, padding=2, dilation=2, groups=2)
    near(nbdl.conv1d(x, w, stride=2, padding=2, dilation=2, groups=2).numpy(), channels_last(y))
    w = rng.normal(size=(3, 5, 4)).astype(np.float32)
    z = torch.nn.functional.conv_transpose1d(sequence, torch.tensor(w.transpose(2, 1, 0).copy()), stride=2, padding=1)
    near(nbdl.conv1d_transpose(x, w, stride=2, padding=1).numpy(), channels_last(z))


@pytest.mark.parametrize("seed", range(20))
def test_pooling_and_its_gradients_are_pytorch_s(seed: int):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    size, stride = (tuple(int(each) for each in rng.integers(1, 4, 2)) for _ in range(2))
    padding = tuple(int(rng.integers(0, each // 2 + 1)) for each in size)
    x = rng.integers(0, 9, (2, *rng.integers(3, 8, 2), 3)).astype(np.float32)  # with ties
    for ours, theirs in (
        (nbdl.max_pool2d, torch.nn.functional.max_pool2d),
        (lambda *a, **k: nbdl.average_pool2d(*a, count_padding=True, **k), torch.nn.functional.avg_pool2d),
        (nbdl.average_pool2d, lambda *a, **k: torch.nn.functional.avg_pool2d(*a, count_include_pad=False, **k)),
    ):
        image, tensor = channels_first(x, torch), Tensor(x, requires_grad=True)
        y = theirs(image, size, stride=stride, padding=padding)
        y.square().sum().backward()
        result = ours(tensor, size, stride=stride, padding=padding)
        nbdl.sum(nbdl.square(result)).backward()
        near(result.numpy(), channels_last(y))
        near(tensor.grad.numpy(), channels_last(image.grad))


@pytest.mark.parametrize("seed", range(6))
def test_gradients_in_float64(seed: int):
    rng = np.random.default_rng(seed)
    g = geometry(rng)
    x, w = rng.normal(size=(2, *g.image)), rng.normal(size=g.weights)
    options = {"stride": g.stride, "padding": g.padding, "dilation": g.dilation, "groups": g.groups}
    testing.check_gradients(lambda a, b: nbdl.conv2d(a, b, **options), x, w)
    testing.check_gradients(lambda a: nbdl.average_pool2d(nbdl.upsample2d(a, 2), (2, 1), padding="same"), x)
    testing.check_gradients(lambda a: nbdl.global_average_pool(nbdl.max_pool2d(nbdl.zero_pad2d(a), 2, stride=1)), x)


# --- shapes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (2, 1), (3, 1), (5, 1), (3, 2)])
def test_same_gives_as_many_places_as_the_stride_leaves(size: int, stride: int, kernel: int, dilation: int):
    sides = resolve_padding("same", (size, size), (kernel, kernel), (stride, stride), (dilation, dilation))
    g = Geometry((size, size, 1), (kernel, kernel), 1, (stride, stride), sides, (dilation, dilation))
    assert g.result == (-(-size // stride),) * 2
    assert 0 <= sides[0][1] - sides[0][0] <= 1


@pytest.mark.parametrize(
    ("padding", "expected"),
    [(2, ((2, 2), (2, 2))), ((1, 2), ((1, 1), (2, 2))), ([[1, 2], [0, 3]], ((1, 2), (0, 3))), ("valid", None)],
)
def test_padding_in_numbers(padding, expected):
    if expected is None:
        with pytest.raises(OptionError, match="padding is"):
            explicit_padding(padding)
    else:
        assert explicit_padding(padding) == expected


@pytest.mark.parametrize(("height", "width", "stride"), [(3, 4, 1), (3, 4, 2), (5, 2, (3, 1))])
def test_transposed_same_multiplies_the_size(height: int, width: int, stride):
    step = pair("stride", stride)
    y = nbdl.conv2d_transpose(np.ones((1, height, width, 2)), np.ones((3, 3, 4, 2)), stride=stride, padding="same")
    assert y.shape == (1, height * step[0], width * step[1], 4)


def test_single_images_and_sequences():
    image, w = np.random.default_rng(0).normal(size=(5, 6, 2)), np.ones((3, 3, 2, 4))
    np.testing.assert_array_equal(nbdl.conv2d(image, w).numpy(), nbdl.conv2d(image[None], w).numpy()[0])
    np.testing.assert_array_equal(nbdl.max_pool2d(image).numpy(), nbdl.max_pool2d(image[None]).numpy()[0])
    assert nbdl.conv2d_transpose(image, np.ones((2, 2, 3, 2))).shape == (6, 7, 3)
    assert nbdl.conv1d(image[0], np.ones((3, 2, 4))).shape == (4, 4)
    assert nbdl.upsample1d(image[0], 3).shape == (18, 2)
    assert nbdl.average_pool1d(image[0], 2).shape == (3, 2)


def test_whole_numbers_become_floating_point():
    x = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1)
    y = nbdl.conv2d(x, np.ones((2, 2, 1, 1), np.float32))
    assert y.dtype == np.float32
    assert y.numpy().ravel().tolist() == [8, 12, 20, 24]
    assert nbdl.average_pool2d(x, 3).dtype == np.float32


def test_the_batch_stays_symbolic():
    x = Tensor.wrap(ops.leaf((Batch(), 6, 6, 2), np.float32))
    assert nbdl.max_pool2d(nbdl.conv2d(x, np.ones((3, 3, 2, 4), np.float32)), 2).shape == (Batch(), 2, 2, 4)
    mixed = Tensor.wrap(ops.leaf((3, Batch(), 6, 2), np.float32))
    with pytest.raises(ShapeError, match="conv2d takes the batch along the first axis only"):
        nbdl.conv2d(mixed, np.ones((3, 3, 2, 4), np.float32))


# --- mistakes ---------------------------------------------------------------------------------------------------------

X, W = np.ones((2, 6, 6, 4), np.float32), np.ones((3, 3, 4, 8), np.float32)
S, V = np.ones((2, 6, 4), np.float32), np.ones((3, 4, 8), np.float32)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nbdl.conv2d(X[0, 0], W), r"conv2d takes \(n, height, width, channels\), not \(6, 4\)"),
        (lambda: nbdl.conv1d(X, V), r"conv1d takes \(n, time, channels\), not \(2, 6, 6, 4\)"),
        (lambda: nbdl.conv2d(X, V), r"conv2d takes weights \(kernel height.*not \(3, 4, 8\)"),
        (lambda: nbdl.conv1d(S, W), r"conv1d takes weights \(kernel, channels, outputs\), not \(3, 3, 4, 8\)"),
        (lambda: nbdl.conv2d(X, W[:, :, :3]), "conv2d of 4 channels takes weights for 4 channels, not 3"),
        (lambda: nbdl.conv2d(X, W, groups=2), "conv2d of 4 channels in 2 groups takes weights for 2 channels, not 4"),
        (lambda: nbdl.conv2d(X[:, :2], W), "conv2d: a window of 3x3 is larger than the input of 2x6"),
        (lambda: nbdl.conv2d(X, W, dilation=3), r"a window of 7x7 \(dilated by 3x3\) is larger than the input of 6x6"),
        (lambda: nbdl.conv2d(X[:, :1], W, padding=((1, 0), (0, 0))), "larger than the input of 1x6 padded to 2x6"),
        (lambda: nbdl.conv1d(S[:, :2], V), "conv1d: a window of 3 is larger than the input of 2"),
        (lambda: nbdl.max_pool2d(X, 7), "max_pool2d: a window of 7x7 is larger than the input of 6x6"),
        (lambda: nbdl.max_pool1d(S, 7), "max_pool1d: a window of 7 is larger than the input of 6"),
        (lambda: nbdl.conv2d_transpose(X, W), "takes weights that end in 4 channels, not 8"),
        (lambda: nbdl.conv2d_transpose(X[:, :1, :1], W[..., :4], padding=2), "leaves nothing"),
        (lambda: nbdl.global_max_pool(X[0, 0]), r"global_max_pool takes .* not \(6, 4\)"),
        (lambda: nbdl.upsample2d(X[0, 0]), r"upsample2d takes \(n, height, width, channels\), not \(6, 4\)"),
        (lambda: nbdl.conv2d(X, W[:0]), "weights without empty axes"),
    ],
)
def test_shapes_that_are_refused(call: Callable[[], Tensor], words: str):
    with pytest.raises(ShapeError, match=words):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nbdl.conv2d(X, W, stride=0), "stride must be at least 1, not 0"),
        (lambda: nbdl.conv2d(X, W, stride=(1, 2, 3)), "stride is a whole number, or two"),
        (lambda: nbdl.conv2d(X, W, stride=1.5), "stride is a whole number"),
        (lambda: nbdl.conv2d(X, W, padding="full"), "padding is .*not 'full'"),
        (lambda: nbdl.conv2d(X, W, padding=-1), "padding must be at least 0"),
        (lambda: nbdl.conv2d(X, W, padding=((1, 2, 3), 4)), "padding is"),
        (lambda: nbdl.conv2d(X, W, groups=3), "3 groups"),
        (lambda: nbdl.conv2d(X, W, groups=0), "0 groups"),
        (lambda: nbdl.conv2d_transpose(X, W[..., :4], output_padding=1), "output_padding must be less than the stride"),
        (
            lambda: nbdl.conv2d_transpose(X, W[..., :4], stride=2, padding="same", output_padding=1),
            "output_padding is 0",
        ),
        (lambda: nbdl.max_pool2d(X, 2, padding=2), "some would see nothing else"),
        (lambda: nbdl.conv1d(S, V, stride=(1, 2)), "stride is a whole number, not"),
    ],
)
def test_options_that_are_refused(call: Callable[[], Tensor], words: str):
    with pytest.raises(OptionError, match=words):
        call()


def test_dtypes_that_are_refused():
    with pytest.raises(DtypeError, match="max_pool takes floating-point tensors of one dtype, not int64"):
        nbdl.max_pool2d(np.ones((1, 4, 4, 1), np.int64))
