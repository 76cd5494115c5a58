"""Normalisation: against PyTorch, gradients in float64, running statistics, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl import Tensor, nn, testing
from nbdl.errors import OptionError, ShapeError
from nbdl.resolve import resolve
from tests.codegen.maker import EXAMPLES
from tests.nn.programs import check_program
from tests.nn.twins import assert_agree, fill, ours, theirs, with_parameters


def sample(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Numbers whose mean and spread differ from channel to channel."""
    spread = generator.uniform(0.5, 3, shape[-1])
    return (generator.normal(size=shape) * spread + generator.normal(size=shape[-1])).astype(np.float32)


def copy_affine(layer: nn.Module, twin) -> dict:
    """Give PyTorch's layer our scale and bias; its parameters by our names."""
    import torch

    with torch.no_grad():
        for mine, other in ((layer.scale, twin.weight), (layer.bias, twin.bias)):
            if mine is not None:
                other.copy_(torch.tensor(mine.numpy()))
    named = {"scale": twin.weight, "bias": twin.bias}
    return {name: each for name, each in named.items() if each is not None}


def parameters_of(layer: nn.Module) -> dict:
    return {name: each for name, each in layer.named_parameters() if each.trainable}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("axes", [0, 1, 2])
def test_batch_norm_as_in_pytorch(seed: int, axes: int):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(seed)
    channels, momentum = int(generator.integers(1, 9)), float(generator.uniform(0.5, 1))
    shape = (int(generator.integers(2, 7)), *generator.integers(1, 6, axes), channels)
    layer = fill(nn.BatchNorm(momentum, 1e-3).train(), generator, sample(generator, *shape))
    layer.running_mean.assign(np.zeros(channels))
    layer.running_variance.assign(np.ones(channels))
    kind = (torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)[axes]
    twin = kind(channels, 1e-3, 1 - momentum)
    named = copy_affine(layer, twin)

    def channels_first(x):
        return twin(x.movedim(-1, 1)).movedim(1, -1)

    for _ in range(3):
        inputs = {"x": sample(generator, *shape)}
        for each in named.values():
            each.grad = None
        assert_agree(ours(layer, inputs, parameters_of(layer)), theirs(channels_first, inputs, named))
    np.testing.assert_allclose(layer.running_mean.numpy(), twin.running_mean.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.running_variance.numpy(), twin.running_var.numpy(), rtol=1e-5)
    layer.eval()
    twin.eval()
    for each in named.values():
        each.grad = None
    assert_agree(ours(layer, inputs, parameters_of(layer)), theirs(channels_first, inputs, named))


@pytest.mark.parametrize("seed", range(6))
def test_layer_norm_as_in_pytorch(seed: int):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(seed)
    shape = (*generator.integers(1, 6, int(generator.integers(1, 4))), int(generator.integers(2, 33)))
    layer = fill(nn.LayerNorm(1e-3, use_bias=seed % 2 == 0), generator, sample(generator, *shape))
    twin = torch.nn.LayerNorm(shape[-1], 1e-3, bias=seed % 2 == 0)
    named = copy_affine(layer, twin)
    inputs = {"x": sample(generator, *shape)}
    assert_agree(ours(layer, inputs, parameters_of(layer)), theirs(twin, inputs, named))


def test_rms_norm_as_in_pytorch():
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    inputs = {"x": sample(generator, 4, 3, 10)}
    layer = fill(nn.RMSNorm(1e-3), generator, inputs["x"])
    twin = torch.nn.RMSNorm(10, 1e-3)
    with torch.no_grad():
        twin.weight.copy_(torch.tensor(layer.scale.numpy()))
    assert_agree(ours(layer, inputs, parameters_of(layer)), theirs(twin, inputs, {"scale": twin.weight}))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (nn.BatchNorm(), ("scale", "bias")),
        (nn.BatchNorm(use_scale=False), ("bias",)),
        (nn.BatchNorm(use_bias=False), ("scale",)),
        (nn.BatchNorm(use_scale=False, use_bias=False), ()),
        (nn.LayerNorm(), ("scale", "bias")),
        (nn.LayerNorm(use_scale=False, use_bias=False), ()),
        (nn.RMSNorm(), ("scale",)),
    ],
)
def test_gradients(layer: nn.Module, names: tuple[str, ...], training: bool):
    generator = np.random.default_rng(3)
    x = sample(generator, 4, 3, 5)
    fill(layer.train(training), generator, x)
    values = [dict(layer.named_parameters())[name].numpy().copy() for name in names]
    testing.check_gradients(with_parameters(layer, names), x, *values)


def test_statistics_far_from_zero_are_exact():
    """The variance of numbers around 1000 is not lost in that of their squares."""
    x = (1000 + np.random.default_rng(0).normal(size=(64, 4))).astype(np.float32)
    y = nn.BatchNorm().train()(x).numpy()
    np.testing.assert_allclose(y.std(axis=0), 1, rtol=1e-3)  # float32 has 1e-4 near 1000
    assert abs(y.mean()) < 1e-3


def test_a_single_row_becomes_the_bias():
    layer = nn.BatchNorm().train()
    np.testing.assert_array_equal(layer(np.array([[3.0, -1.0]], np.float32)).numpy(), 0)
    assert np.isfinite(layer.running_variance.numpy()).all()


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_share_the_statistics_of_the_whole_batch(workers: int):
    """A compiled epoch, batch by batch, is what the explicit level does."""
    generator = np.random.default_rng(1)
    x, y = sample(generator, 40, 3, 4), generator.integers(0, 3, (40, 3))
    nets = []
    for _ in range(2):
        nbdl.set_seed(5)
        net = nn.Sequential(nn.Dense(6), nn.BatchNorm(), nn.Activation("tanh"), nn.Dense(3))
        nets.append(net.compile({"name": "sgd", "lr": 0.5}, "sparse_categorical_crossentropy"))
        net(x)
    fitted, stepped = nets
    fitted.fit(x, y, batch_size=16, workers=workers, shuffle=False, verbose=False, seed=0)
    loss = resolve("losses", "sparse_categorical_crossentropy")
    optimizer = stepped.optimizer.attach(stepped.parameters())
    stepped.train()
    with testing.interpreted():
        for start in (0, 16, 32):
            value = loss(stepped(x[start : start + 16]), y[start : start + 16])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    for name, wanted in stepped.state_dict().items():
        # sums of 48 numbers around 1 in another order, over three steps
        np.testing.assert_allclose(fitted.state_dict()[name], wanted, rtol=1e-4, atol=1e-5, err_msg=name)
    # outside of training the running statistics stand in
    np.testing.assert_allclose(fitted.predict(x), stepped.eval()(x).numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layer", [nn.BatchNorm, nn.LayerNorm, nn.RMSNorm])
@pytest.mark.parametrize("shape", [(5,), (3, 2, 4)])
def test_program(layer: type[nn.Module], shape: tuple[int, ...]):
    x = sample(np.random.default_rng(2), EXAMPLES, *shape).astype(np.float64)
    check_program(fill(layer().train(), np.random.default_rng(3), x), x)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.BatchNorm(momentum=1.5), "momentum from 0 to 1"),
        (lambda: nn.BatchNorm(epsilon=0.0), "BatchNorm takes a positive epsilon, not 0.0"),
        (lambda: nn.LayerNorm(epsilon=-1.0), "LayerNorm takes a positive epsilon"),
        (lambda: nn.RMSNorm(epsilon=float("nan")), "RMSNorm takes a positive epsilon"),
    ],
)
def test_options_out_of_range(make, words: str):
    with pytest.raises(OptionError, match=words):
        make()


@pytest.mark.parametrize("layer", [nn.BatchNorm, nn.LayerNorm, nn.RMSNorm])
def test_wrong_shapes(layer: type[nn.Module]):
    with pytest.raises(ShapeError, match=rf"in layer {layer.__name__} \(input \(3,\)\): it takes \(rows, ..., chan"):
        layer()(Tensor([1.0, 2.0, 3.0]))
    made = layer()
    made(np.ones((2, 4), np.float32))
    with pytest.raises(ShapeError, match=r"built for 4 channels in the last axis, not for \(2, 5\)"):
        made(np.ones((2, 5), np.float32))
