"""Autoencoders: layers, codes, noise, convolutions, the variational bound, mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.data import load
from nbdl.errors import DataError, OptionError, ShapeError
from nbdl.resolve import resolve
from nbdl.train.feed import Batch

IMAGES = np.random.default_rng(0).random((6, 8, 12)).astype(np.float32)


def make(name: str, **options):
    nbdl.set_seed(0)
    return resolve("models", {"name": name, **options}, outputs=10)


def parameters(net: nn.Module) -> int:
    return sum(parameter.numpy().size for parameter in net.parameters())


def test_the_layers_narrow_and_widen():
    net = make("autoencoder", hidden=[16, 4])
    assert net(IMAGES).shape == IMAGES.shape
    assert [layer.units for layer in net.modules() if isinstance(layer, nn.Dense)] == [16, 4, 16, 96]
    assert parameters(net) == 97 * 16 + 17 * 4 + 5 * 16 + 17 * 96


@pytest.mark.parametrize("options", [{"hidden": [5]}, {"hidden": [6, 3], "convolutional": True, "filters": [2, 4]}])
def test_what_is_decoded_from_codes_is_what_is_predicted(options: dict):
    net = make("autoencoder", **options)
    predicted = net.predict(IMAGES)
    codes = net.encode(IMAGES)
    assert codes.shape == (6, options["hidden"][-1])
    # The same operations, in one program and in two.
    np.testing.assert_allclose(net.decode(codes), predicted, rtol=1e-5, atol=1e-6)


def test_convolutions_halve_the_sides_and_double_them():
    net = make("autoencoder", hidden=[6], convolutional=True, filters=[3, 5])
    assert net(IMAGES[..., None]).shape == (6, 8, 12, 1)
    outputs = [layer.filters for layer in net.modules() if isinstance(layer, nn.Conv2D | nn.Conv2DTranspose)]
    assert outputs == [3, 5, 3, 1]
    assert [layer.units for layer in net.modules() if isinstance(layer, nn.Dense)] == [6, 2 * 3 * 5]


def test_noise_is_added_in_training_only():
    net = make("autoencoder", hidden=[5], noise=0.3)
    net(IMAGES)
    assert (net.eval()(IMAGES).numpy() == net(IMAGES).numpy()).all()
    assert (net.train()(IMAGES).numpy() != net(IMAGES).numpy()).any()


def test_numbers_beyond_0_and_1_are_given_back_by_a_linear_last_layer():
    x = np.random.default_rng(1).normal(size=(64, 3)).astype(np.float32) * 3
    net = make("autoencoder", hidden=[16, 3], output_activation="linear").compile({"name": "adam", "lr": 0.02}, "mse")
    net.fit(x, x, epochs=150, batch_size=64, seed=0, verbose=False)
    assert net.evaluate(x, x)["loss"] < 0.1 * x.var()


def bound(net, x: np.ndarray) -> tuple[float, float]:
    """Reconstruction and divergence, in NumPy, of a network whose codes have no spread."""
    both = net.encoder.predict(x).astype(np.float64)
    mean, log_variance = both[:, : net.latent], both[:, net.latent :]
    p = net.decode(mean).astype(np.float64).reshape(len(x), -1)
    flat = x.reshape(len(x), -1)
    reconstruction = -np.sum(flat * np.log(p) + (1 - flat) * np.log(1 - p), axis=1)
    divergence = np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance, axis=1) / 2
    return reconstruction.mean(), divergence.mean()


def test_the_bound_is_that_of_the_paper():
    net = make("vae", latent=3, hidden=[5]).compile("adam")
    net(IMAGES)
    net.encoder[2].bias.assign([0.5, -1, 0.2, -60, -60, -60])  # exp(-60 / 2): the draw is the mean
    logs = net.evaluate(IMAGES)
    reconstruction, divergence = bound(net, IMAGES)
    assert logs["reconstruction"] == pytest.approx(reconstruction, rel=1e-5)
    assert logs["divergence"] == pytest.approx(divergence, rel=1e-5)
    assert logs["loss"] == pytest.approx(reconstruction + divergence, rel=1e-5)


def test_draws_follow_the_distribution_of_the_code():
    net = make("vae", latent=1, hidden=[4]).compile("adam")
    rows = np.zeros((4000, 2), np.float32)
    net(rows)
    for parameter in net.parameters():
        parameter.assign(np.zeros(parameter.shape))
    net.encoder[2].bias.assign([1.0, np.log(4.0)])  # mean 1, standard deviation 2
    net.decoder[0].weight.assign(np.ones((1, 4)))  # relu(z) in each unit
    net.decoder[1].weight.assign(np.full((4, 2), 0.25))
    z = 1 + 2 * np.random.default_rng(0).standard_normal(200_000)
    expected = 2 * np.log1p(np.exp(np.maximum(z, 0))).mean()  # the pixels are 0: each costs softplus(relu(z))
    assert net.evaluate(rows)["reconstruction"] == pytest.approx(expected, rel=0.05)  # 4000 draws: 1.3 % is a deviation


def test_rows_that_are_generated():
    net = make("vae", latent=3, hidden=[5])
    net(IMAGES)
    rows = net.generate(7, seed=3)
    assert rows.shape == (7, 8, 12)
    assert 0 <= rows.min() <= rows.max() <= 1
    np.testing.assert_array_equal(rows, net.generate(7, seed=3))
    assert (rows != net.generate(7, seed=4)).any()
    assert net.encode(IMAGES).shape == (6, 3)


def test_a_step_lowers_the_bound_by_all_parameters():
    net = make("vae", latent=3, hidden=[5]).compile({"name": "sgd", "lr": 1e-3})
    batch = Batch((nbdl.Tensor(IMAGES),))
    net(IMAGES)
    before = net.state_dict()
    net.train_step(batch)
    assert all((net.state_dict()[name] != array).any() for name, array in before.items())


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("autoencoder", {"hidden": []}, "autoencoder takes hidden as widths of at least 1"),
        ("autoencoder", {"hidden": [8, 0]}, r"not \[8, 0\]"),
        ("autoencoder", {"convolutional": True, "filters": []}, "filters as widths"),
        ("autoencoder", {"noise": -1.0}, "a noise of at least 0, not -1.0"),
        ("vae", {"latent": 0}, "latent as widths"),
        ("vae", {"hidden": [0]}, "vae takes hidden"),
    ],
)
def test_options_out_of_range(name: str, options: dict, words: str):
    with pytest.raises(OptionError, match=words):
        make(name, **options)


def test_images_whose_sides_cannot_be_halved():
    net = make("autoencoder", convolutional=True, filters=[2, 2, 2])
    with pytest.raises(ShapeError, match=r"multiples of 8, not \(n, 8, 12\)"):
        net(IMAGES)
    with pytest.raises(ShapeError, match=r"takes images .* not \(n, 6\)"):
        make("autoencoder", convolutional=True)(np.ones((2, 6)))


@pytest.mark.parametrize("name", ["autoencoder", "vae"])
def test_a_row_without_batch_axis_and_codes_before_any_row(name: str):
    with pytest.raises(ShapeError, match=f"{name} takes rows"):
        make(name)(np.ones(4))
    with pytest.raises(OptionError, match="the encoder isn't there yet"):
        make(name).encode(IMAGES)
    with pytest.raises(OptionError, match="the decoder isn't there yet"):
        make(name).decode(np.ones((1, 2)))


def test_generating_needs_a_count():
    net = make("vae")
    net(IMAGES)
    with pytest.raises(OptionError, match="at least one row can be generated, not 0"):
        net.generate(0)


def test_pixels_beyond_0_and_1_are_refused():
    net = make("vae", hidden=[4]).compile("adam")
    with pytest.raises(DataError, match="outside of 0 to 1"):
        net.fit(IMAGES * 255, IMAGES * 255, verbose=False)


DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def mnist():
    try:
        return load("mnist", data_dir=DATA if DATA.is_dir() else None)
    except DataError as error:
        pytest.skip(f"MNIST isn't there: {error}")


@pytest.mark.slow
@pytest.mark.data
def test_handwritten_digits_are_given_back(mnist):
    x, t = mnist.train.x, mnist.test.x
    net = make("autoencoder").compile("adam", "mse")
    net.fit(x, x, epochs=5, batch_size=64, seed=0, verbose=False)
    assert net.evaluate(t, t)["loss"] <= 0.012
