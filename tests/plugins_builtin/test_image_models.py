"""Models of images: layers, numbers of parameters, inputs with and without channels, mistakes."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.errors import OptionError, ShapeError
from nbdl.nn import AveragePool2D, Conv2D, Dense, Dropout, MaxPool2D
from nbdl.resolve import resolve

IMAGES = np.random.default_rng(0).random((3, 28, 28)).astype(np.float32)


def parameters(net: nn.Module) -> int:
    return sum(parameter.numpy().size for parameter in net.parameters())


def test_cnn_has_the_sizes_of_the_example():
    net = resolve("models", "cnn", outputs=10)
    assert net(IMAGES).shape == (3, 10)
    assert [layer.filters for layer in net.modules() if isinstance(layer, Conv2D)] == [32, 64]
    assert parameters(net) == (9 * 1 + 1) * 32 + (9 * 32 + 1) * 64 + (5 * 5 * 64 + 1) * 64 + 65 * 10


def test_cnn_takes_its_options():
    options = {"filters": [4], "kernel": 5, "hidden": 7, "dropout": 0.5}
    net = resolve("models", {"name": "cnn", **options}, outputs=2)
    assert net.train()(IMAGES).shape == (3, 2)
    assert [layer.kernel for layer in net.modules() if isinstance(layer, Conv2D)] == [(5, 5)]
    assert [layer.units for layer in net.modules() if isinstance(layer, Dense)] == [7, 2]
    assert any(isinstance(layer, Dropout) for layer in net.modules())


def test_lenet5_has_the_sizes_of_the_paper():
    net = resolve("models", "lenet5", outputs=10)
    assert net(IMAGES).shape == (3, 10)
    assert parameters(net) == 26 * 6 + (25 * 6 + 1) * 16 + 401 * 120 + 121 * 84 + 85 * 10


@pytest.mark.parametrize(("pooling", "kind"), [("average", AveragePool2D), ("max", MaxPool2D)])
def test_lenet5_pools_as_asked(pooling: str, kind: type):
    net = resolve("models", {"name": "lenet5", "pooling": pooling, "activation": "relu"}, outputs=10)
    assert sum(isinstance(layer, kind) for layer in net.modules()) == 2


def test_resnet_has_the_sizes_of_the_paper():
    net = resolve("models", {"name": "resnet", "blocks": 3}, outputs=10)
    assert net(IMAGES[:1]).shape == (1, 10)
    convolutions = 9 * (16 + 6 * 16 * 16 + 16 * 32 + 5 * 32 * 32 + 32 * 64 + 5 * 64 * 64)
    norms = 2 * (7 * 16 + 6 * 32 + 6 * 64)
    projections = 16 * 32 + 32 * 64 + 2 * (32 + 64)
    assert parameters(net) == convolutions + norms + projections + 65 * 10
    assert round(parameters(net) / 1e6, 2) == 0.27  # 20 layers in table 6


def test_resnet_halves_the_image_and_doubles_the_channels():
    net = resolve("models", {"name": "resnet", "width": 4, "stages": 2, "blocks": 2}, outputs=3)
    text = str(net.summary((9, 9, 1)))
    line = next(line for line in text.splitlines() if "basicblock_3.layers.conv2d_1" in line)
    assert "(n, 5, 5, 8)" in line
    assert text.count("basicblock_3.shortcut") >= 1
    assert "basicblock_2.shortcut" not in text


def test_resnet_is_saved_and_loaded(tmp_path):
    net = resolve("models", {"name": "resnet", "width": 4}, outputs=3).eval()
    wanted = net(IMAGES).numpy()
    net.save(tmp_path / "net.nbdl")
    np.testing.assert_array_equal(nbdl.load(tmp_path / "net.nbdl").eval()(IMAGES).numpy(), wanted)


@pytest.mark.parametrize("options", [{"width": 0}, {"blocks": 0}, {"stages": 0}])
def test_options_that_resnet_can_t_have(options: dict):
    with pytest.raises(OptionError, match="at least 1"):
        resolve("models", {"name": "resnet", **options}, outputs=10)


@pytest.mark.parametrize("name", ["cnn", "lenet5"])
def test_channels_are_made_and_whole_numbers_taken(name: str):
    net = resolve("models", name, outputs=10).eval()
    flat = net(IMAGES).numpy()
    np.testing.assert_array_equal(net(IMAGES[..., None]).numpy(), flat)
    bytes_ = (IMAGES * 255).astype(np.uint8)
    np.testing.assert_array_equal(net(bytes_).numpy(), net(bytes_.astype(np.float32)).numpy())


@pytest.mark.parametrize("name", ["cnn", "lenet5"])
def test_uint8_images_are_trained_on(name: str):
    net = resolve("models", name, outputs=10)
    net.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    x = (np.random.default_rng(0).random((8, 12, 12)) * 255).astype(np.uint8)
    history = net.fit(x, np.arange(8), epochs=1, batch_size=4, verbose=0)
    assert np.isfinite(history["loss"][-1])


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("cnn", (2, 784), r"imageinput.*\(n, height, width\) or \(n, height, width, channels\), not \(2, 784\)"),
        ("cnn", (2, 8, 8), r"conv2d_2.*a window of 3x3 is larger than the input of 3x3|maxpool2d_2.*2x2.*1x1"),
        ("lenet5", (2, 4, 4), r"conv2d_2.*a window of 5x5 is larger than the input of 2x2"),
    ],
)
def test_wrong_images_are_refused(name: str, shape: tuple[int, ...], words: str):
    with pytest.raises(ShapeError, match=words):
        resolve("models", name, outputs=10)(np.ones(shape, np.float32))


@pytest.mark.parametrize("name", ["cnn", "lenet5"])
def test_another_size_than_built_for_is_refused(name: str):
    net = resolve("models", name, outputs=10)
    net(IMAGES)
    with pytest.raises(ShapeError, match=r"dense_1.*it was built for inputs of size (1600, not 2304|400, not 576)"):
        net(np.ones((2, 32, 32), np.float32))


@pytest.mark.parametrize(("options", "words"), [({"filters": []}, "one block"), ({"dropout": 1.5}, "dropout")])
def test_options_that_cnn_can_t_have(options: dict, words: str):
    with pytest.raises(OptionError, match=words):
        resolve("models", {"name": "cnn", **options}, outputs=10)


def test_options_that_lenet5_can_t_have():
    with pytest.raises(OptionError, match="pooling"):
        resolve("models", {"name": "lenet5", "pooling": "median"}, outputs=10)
