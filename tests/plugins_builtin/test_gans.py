"""Generative adversarial networks: their losses, two optimizers, what they generate, mistakes."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.errors import OptionError, ShapeError
from nbdl.resolve import resolve
from nbdl.train.feed import Batch

IMAGES = np.random.default_rng(0).random((6, 4, 8)).astype(np.float32)
SMALL = {"gan": {"hidden": [6], "latent": 3}, "dcgan": {"filters": [3, 4], "hidden": 5, "latent": 3}}
BOTH = pytest.mark.parametrize("name", ["gan", "dcgan"])


def make(name: str, **options):
    nbdl.set_seed(0)
    return resolve("models", {"name": name, **SMALL[name], **options}, outputs=10)


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x.astype(np.float64))


@BOTH
def test_it_judges_and_generates_rows_like_those_it_is_given(name: str):
    net = make(name)
    assert net(IMAGES).shape == (6, 1)
    rows = net.generate(5, seed=1)
    assert rows.shape == (5, 4, 8)
    assert 0 <= rows.min() <= rows.max() <= 1
    np.testing.assert_array_equal(rows, net.generate(5, seed=1))
    assert (rows != net.generate(5, seed=2)).any()


@BOTH
def test_channels_are_kept(name: str):
    net = make(name)
    assert net(np.repeat(IMAGES[..., None], 3, axis=3)).shape == (6, 1)
    assert net.generate(2).shape == (2, 4, 8, 3)


def test_dense_layers_mirror_each_other():
    net = make("gan", hidden=[6, 9])
    net(IMAGES)
    assert [layer.units for layer in net.generator.modules() if isinstance(layer, nn.Dense)] == [6, 9, 32]
    assert [layer.units for layer in net.discriminator.modules() if isinstance(layer, nn.Dense)] == [9, 6, 1]
    assert sum(isinstance(layer, nn.BatchNorm) for layer in net.generator.modules()) == 2
    assert not any(isinstance(layer, nn.BatchNorm) for layer in net.discriminator.modules())


def test_convolutions_mirror_each_other():
    net = make("dcgan")
    net(IMAGES)
    assert [layer.filters for layer in net.generator.modules() if isinstance(layer, nn.Conv2DTranspose)] == [3, 1]
    assert [layer.filters for layer in net.discriminator.modules() if isinstance(layer, nn.Conv2D)] == [3, 4]


@BOTH
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_losses_are_those_of_the_paper(name: str, smoothing: float):
    net = make(name, dropout=0.0, smoothing=smoothing).compile({"name": "sgd", "lr": 0.0})
    real = net(IMAGES).numpy()
    seen = []
    net.discriminator._arguments = ((), {})
    forward = net.discriminator.forward
    net.discriminator.forward = lambda x: seen.append(forward(x)) or seen[-1]
    logs = net.train_step(Batch((nbdl.Tensor(IMAGES),)))
    again, fake, fooling = (each.numpy() for each in seen)
    np.testing.assert_array_equal(again, real)
    np.testing.assert_array_equal(fake, fooling)  # a learning rate of 0: it is the same discriminator
    judged = (1 - smoothing) * softplus(-real) + smoothing * softplus(real) + softplus(fake)
    assert float(logs["discriminator"]) == pytest.approx(judged.mean(), rel=1e-5)
    assert float(logs["generator"]) == pytest.approx(softplus(-fooling).mean(), rel=1e-5)


@BOTH
def test_each_part_is_moved_by_its_own_optimizer(name: str):
    net = make(name).compile({"name": "adam", "lr": 0.01, "beta1": 0.5})
    net(IMAGES)
    net.generator_optimizer.lr = 0.0
    before = net.state_dict()
    net.train_step(Batch((nbdl.Tensor(IMAGES),)))
    moved = {path for path, array in net.state_dict().items() if (array != before[path]).any()}
    trained = dict(net.named_parameters())
    assert {path for path in moved if trained[path].trainable} == {path for path in before if "discriminator" in path}
    assert net.generator_optimizer.beta1 == 0.5
    assert net.generator_optimizer is not net.optimizer


def test_optimizers_are_saved_and_made_again(tmp_path):
    net = make("gan").compile({"name": "sgd", "lr": 0.25, "momentum": 0.5})
    net.fit(IMAGES, epochs=2, batch_size=3, seed=0, verbose=False)
    net.save(tmp_path / "net.nbdl")
    copy = nbdl.load(tmp_path / "net.nbdl")
    assert type(copy.generator_optimizer) is type(net.generator_optimizer)
    for each in (copy.optimizer, copy.generator_optimizer):
        assert (each.lr, each.momentum) == (0.25, 0.5)
        assert int(each.state.step.numpy()) == 4
    np.testing.assert_array_equal(copy.generate(3), net.generate(3))
    for each in (net, copy):
        each.fit(IMAGES, epochs=1, batch_size=3, seed=1, verbose=False)
    np.testing.assert_array_equal(copy.generate(3), net.generate(3))


BRIGHT_ABOVE = np.random.default_rng(1).random((512, 4, 4)).astype(np.float32) * 0.2
BRIGHT_ABOVE[:, :2] += 0.8


@pytest.fixture(scope="module", params=["gan", "dcgan"])
def trained(request: pytest.FixtureRequest) -> nn.Module:
    """A network that has learned what `BRIGHT_ABOVE` looks like: compiled once for all tests that only look at it."""
    options = {"hidden": [32], "latent": 8} if request.param == "gan" else {"filters": [8], "hidden": 16, "latent": 8}
    net = make(request.param, **options).compile({"name": "adam", "lr": 2e-3, "beta1": 0.5})
    net.fit(BRIGHT_ABOVE, epochs=40, batch_size=32, seed=0, verbose=False)
    return net


def test_it_learns_what_rows_look_like(trained: nn.Module):
    made = trained.generate(200).mean(axis=0)
    np.testing.assert_allclose(made, BRIGHT_ABOVE.mean(axis=0), atol=0.15)


def test_generating_changes_nothing(trained: nn.Module):
    before = trained.state_dict()
    trained.generate(200)
    for path, array in trained.state_dict().items():
        np.testing.assert_array_equal(array, before[path])


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("gan", {"hidden": []}, "gan takes hidden as widths"),
        ("gan", {"dropout": 1.0}, "dropout of at least 0 and less than 1"),
        ("gan", {"smoothing": -0.1}, "smoothing of at least 0"),
        ("gan", {"latent": 0}, "gan takes latent"),
        ("dcgan", {"filters": [4, 0]}, "dcgan takes filters"),
        ("dcgan", {"hidden": 0}, "dcgan takes hidden"),
        ("dcgan", {"dropout": -1.0}, "dropout"),
        ("dcgan", {"smoothing": 2.0}, "dcgan takes a smoothing"),
    ],
)
def test_options_out_of_range(name: str, options: dict, words: str):
    with pytest.raises(OptionError, match=words):
        make(name, **options)


def test_rows_that_are_no_images_of_such_a_size():
    with pytest.raises(ShapeError, match=r"dcgan takes images .* multiples of 4, not \(n, 6, 8\)"):
        make("dcgan")(np.ones((2, 6, 8)))
    with pytest.raises(ShapeError, match="gan takes rows"):
        make("gan")(np.ones(3))


@BOTH
def test_generating_before_any_row_was_seen(name: str):
    with pytest.raises(OptionError, match="the generator isn't there yet"):
        make(name).generate(3)
