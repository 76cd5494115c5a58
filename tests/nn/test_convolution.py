"""Convolutional and pooling layers: what they compute, how they start, what they refuse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import nbdl
from nbdl import activations, nn, random
from nbdl.errors import NbdlError, OptionError, ShapeError
from nbdl.resolve import resolve
from nbdl.testing import check_traces

X = np.random.default_rng(0).normal(size=(3, 8, 7, 4)).astype(np.float32)
S = X[:, :, 0]

OPTIONS = {
    "conv2d": ((6, (3, 2)), {"stride": 2, "padding": "same", "groups": 2, "activation": "tanh"}, X),
    "conv1d": ((6, 3), {"padding": (2, 0), "dilation": 1, "activation": "relu"}, S),
    "conv2d_transpose": ((6, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}, X),
    "conv1d_transpose": ((6, 4), {"stride": 2, "padding": 1}, S),
}
FUNCTIONS = {
    "conv2d": nbdl.conv2d,
    "conv1d": nbdl.conv1d,
    "conv2d_transpose": nbdl.conv2d_transpose,
    "conv1d_transpose": nbdl.conv1d_transpose,
}


@pytest.mark.parametrize("name", OPTIONS)
def test_layers_are_their_formula(name: str):
    arguments, options, x = OPTIONS[name]
    filters, kernel = arguments
    options = {**options, "bias_initializer": "normal"}
    layer = resolve("layers", {"name": name, "filters": filters, "kernel_size": kernel, **options})
    found = layer(x).numpy()
    activation = resolve("activations", options.get("activation", "linear"))
    plain = {key: value for key, value in options.items() if key not in ("activation", "bias_initializer")}
    expected = activation(FUNCTIONS[name](x, layer.weight, **plain) + layer.bias).numpy()
    np.testing.assert_array_equal(found, expected)
    assert layer.bias.shape == (6,)
    check_traces(layer, x)


def test_layers_without_bias():
    layer = nn.Conv2D(3, use_bias=False)
    layer(X)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.MaxPool2D((2, 3), stride=1), lambda: nbdl.max_pool2d(X, (2, 3), stride=1)),
        (nn.AveragePool2D(3, padding="same"), lambda: nbdl.average_pool2d(X, 3, padding="same")),
        (nn.MaxPool1D(3, padding=1), lambda: nbdl.max_pool1d(S, 3, padding=1)),
        (nn.AveragePool1D(2), lambda: nbdl.average_pool1d(S, 2)),
        (nn.GlobalMaxPool(), lambda: nbdl.max(X, (1, 2))),
        (nn.GlobalAveragePool(), lambda: nbdl.mean(X, (1, 2))),
        (nn.UpSampling2D((1, 2)), lambda: nbdl.asarray(np.repeat(X, 2, axis=2))),
        (nn.UpSampling1D(3), lambda: nbdl.asarray(np.repeat(S, 3, axis=1))),
        (nn.ZeroPadding2D((1, 2)), lambda: nbdl.asarray(np.pad(X, ((0, 0), (1, 1), (2, 2), (0, 0))))),
        (nn.ImageInput(), lambda: nbdl.asarray(X)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_layers_without_parameters(layer: nn.Module, expected: Callable[[], nbdl.Tensor]):
    wanted = expected().numpy()
    x = S if wanted.ndim == 3 else X
    np.testing.assert_array_equal(layer(x).numpy(), wanted)
    assert not layer.parameters()


@pytest.mark.parametrize(
    ("make", "inputs", "outputs"),
    [
        (lambda: nn.Conv2D(50, (3, 5), kernel_initializer="he_normal"), 15 * 40, None),
        (lambda: nn.Conv1D(200, 9, kernel_initializer="lecun_normal"), 9 * 40, None),
        (lambda: nn.Conv2DTranspose(50, (3, 5), kernel_initializer="he_normal"), 15 * 40, None),
        (lambda: nn.Conv2D(60, 3, kernel_initializer="glorot_normal"), 9 * 40, 9 * 60),
    ],
)
def test_starting_values_have_the_spread_of_their_inputs_and_outputs(make, inputs: int, outputs: int | None):
    random.set_seed(0)
    layer = make()
    layer(np.zeros((1, 9, 40) if layer.rank == 1 else (1, 9, 9, 40), np.float32))
    gain = 1 if "lecun" in str(layer.kernel_initializer) else 2
    variance = gain / (inputs + outputs) * 1 if outputs else gain / inputs
    # of 20 000 numbers and more: the error of their variance is about 1 %; four times that is allowed
    assert np.var(layer.weight.numpy()) == pytest.approx(variance, rel=0.04)


def test_a_network_is_saved_and_loaded(tmp_path):
    net = nn.Sequential(nn.Conv2D(4, 3, "relu", padding="same"), nn.MaxPool2D(), nn.Flatten(), nn.Dense(2))
    wanted = net(X).numpy()
    net.save(tmp_path / "net.nbdl")
    np.testing.assert_array_equal(nbdl.load(tmp_path / "net.nbdl")(X).numpy(), wanted)


def test_summary_counts_operations_and_parameters():
    net = nn.Sequential(
        nn.Conv2D(32, 3, "relu"), nn.MaxPool2D(), nn.Conv2DTranspose(8, 2, stride=2), nn.GlobalMaxPool()
    )
    text = str(net.summary((28, 28, 1)))
    lines = {line.split()[0]: line.split() for line in text.splitlines()}
    places = 26 * 26 * 32
    assert lines["conv2d_1"][-2] == f"{places * (2 * 9 + 1 + 2):,}"  # products, bias, a comparison and a choice
    assert lines["conv2d_1"][-3] == "320"
    assert lines["maxpool2d_1"][-2] == f"{13 * 13 * 32 * 4:,}"
    assert lines["conv2dtranspose_1"][-2] == f"{2 * 13 * 13 * 4 * 8 * 32 + 26 * 26 * 8:,}"


def test_a_network_of_images_learns_in_a_compiled_step():
    random.set_seed(0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 64)
    x = rng.normal(size=(64, 8, 8)).astype(np.float32)
    x[y == 1, 2:5, 2:5] += 2.0
    net = nn.Sequential(nn.ImageInput(), nn.Conv2D(8, 3, activations.relu), nn.MaxPool2D(), nn.Flatten(), nn.Dense(2))
    net.compile(optimizer={"name": "adam", "lr": 0.01}, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    net.fit(x, y, epochs=12, batch_size=16, verbose=0)
    assert net.evaluate(x, y)["accuracy"] > 0.95


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (
            nn.Conv2D(2),
            (3, 28, 28),
            r"conv2d.*takes \(n, height, width, channels\), not \(3, 28, 28\).*x\[\.\.\., None\]",
        ),
        (nn.Conv1D(2), (3, 28), r"conv1d.*takes \(n, time, channels\), not \(3, 28\)"),
        (nn.Conv2D(2, 5), (3, 4, 9, 1), "conv2d.*a window of 5x5 is larger than the input of 4x9"),
        (nn.Conv1D(2, 5), (3, 4, 1), "conv1d.*a window of 5 is larger than the input of 4"),
        (nn.Conv2D(4, groups=2), (3, 9, 9, 3), "conv2d.*3 channels can't be shared out among 2 groups"),
        (nn.MaxPool2D(3), (3, 2, 2, 1), "maxpool2d.*a window of 3x3 is larger than the input of 2x2"),
        (nn.MaxPool2D(), (3, 4), r"maxpool2d.*\(n, height, width, channels\), not \(3, 4\)"),
        (nn.GlobalAveragePool(), (3, 4), r"globalaveragepool.*not \(3, 4\)"),
        (nn.ImageInput(), (3, 784), r"imageinput.*takes images.*not \(3, 784\)"),
    ],
)
def test_inputs_that_are_refused(layer: nn.Module, shape: tuple[int, ...], words: str):
    with pytest.raises(ShapeError, match=f"(?i){words}"):
        layer(np.ones(shape, np.float32))


def test_other_channels_than_built_for():
    layer = nn.Conv2D(2)
    layer(np.ones((1, 5, 5, 3), np.float32))
    with pytest.raises(ShapeError, match=r"(?i)conv2d.*built for 3 channels, not for those of \(1, 5, 5, 1\)"):
        layer(np.ones((1, 5, 5, 1), np.float32))
    layer(np.ones((1, 9, 6, 3), np.float32))  # another size of image is fine


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Conv2D(0), "filters of Conv2D must be a whole number of at least 1, not 0"),
        (lambda: nn.Conv1D("4"), "filters of Conv1D must be a whole number of at least 1, not '4'"),
        (lambda: nn.Conv2D(4, groups=None), "groups of Conv2D must be a whole number of at least 1, not None"),
        (lambda: nn.Conv2D(5, groups=2), "Conv2D: 5 filters can't be shared out among 2 groups"),
        (lambda: nn.Conv2D(5, 0), "kernel_size must be at least 1"),
        (lambda: nn.Conv2D(5, padding="causal"), "padding is"),
        (lambda: nn.Conv1D(5, (3, 3)), "kernel_size is a whole number"),
        (lambda: nn.Conv1D(5, padding=(1, 2, 3)), "padding"),
        (lambda: nn.Conv1DTranspose(5, stride=0), "stride must be at least 1"),
        (lambda: nn.MaxPool2D(0), "size must be at least 1"),
        (lambda: nn.AveragePool1D(2, padding="full"), "padding is"),
        (lambda: nn.UpSampling2D(0), "size must be at least 1"),
        (lambda: nn.ZeroPadding2D("same"), "padding is"),
        (lambda: nn.Conv2D(5, activation="rleu"), "relu"),
    ],
)
def test_options_that_are_refused(make: Callable[[], nn.Module], words: str):
    with pytest.raises((OptionError, NbdlError), match=words):
        make()
