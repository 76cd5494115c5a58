"""Optimizers: 20 steps as PyTorch makes them, formulas in plain NumPy where PyTorch has none, options and schedules."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import nbdl
from nbdl import Tensor, nn
from nbdl.errors import OptionError
from nbdl.nn import Parameter
from nbdl.resolve import resolve

GENERATOR = np.random.default_rng(1)
WEIGHT, BIAS, SCALE = GENERATOR.normal(size=(3, 5)), GENERATOR.normal(size=7), GENERATOR.normal(size=(3, 5))
STEPS = 20


def ours(options: dict, dtype=np.float64) -> list[np.ndarray]:
    weight, bias = Parameter(WEIGHT.astype(dtype)), Parameter(BIAS.astype(dtype))
    optimizer = resolve("optimizers", options).attach([weight, bias])
    for _ in range(STEPS):
        loss = nbdl.sum(nbdl.square(weight * SCALE.astype(dtype) - 1)) + nbdl.sum(nbdl.cos(bias))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [weight.numpy(), bias.numpy()]


def theirs(torch, make: Callable, dtype) -> list[np.ndarray]:
    weight, bias = (torch.tensor(array.astype(dtype), requires_grad=True) for array in (WEIGHT, BIAS))
    optimizer = make([weight, bias])
    scale = torch.tensor(SCALE.astype(dtype))
    for _ in range(STEPS):
        loss = ((weight * scale - 1) ** 2).sum() + torch.cos(bias).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [weight.detach().numpy(), bias.detach().numpy()]


# our options, the name of PyTorch's class, its options where they are called otherwise
PARITY = [
    ({"name": "sgd"}, "SGD", {"lr": 0.01}),
    ({"name": "sgd", "momentum": 0.9}, "SGD", {"lr": 0.01, "momentum": 0.9}),
    ({"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, "SGD",
     {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ({"name": "adagrad"}, "Adagrad", {}),
    ({"name": "adagrad", "lr": 0.1, "initial_total": 0.5}, "Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5}),
    ({"name": "rmsprop"}, "RMSprop", {}),
    ({"name": "rmsprop", "centered": True, "momentum": 0.5}, "RMSprop", {"centered": True, "momentum": 0.5}),
    ({"name": "adadelta"}, "Adadelta", {}),
    ({"name": "adam"}, "Adam", {}),
    ({"name": "adam", "lr": 0.1, "beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3}, "Adam",
     {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}),
    ({"name": "adam", "beta1": 0.0}, "Adam", {"betas": (0.0, 0.999)}),
    ({"name": "adam", "amsgrad": True, "weight_decay": 0.1}, "Adam", {"amsgrad": True, "weight_decay": 0.1}),
    ({"name": "adamw"}, "AdamW", {}),
    ({"name": "adamw", "lr": 0.1, "weight_decay": 0.3}, "AdamW", {"lr": 0.1, "weight_decay": 0.3}),
    ({"name": "nadam"}, "NAdam", {}),
    ({"name": "nadam", "lr": 0.05, "weight_decay": 0.1}, "NAdam", {"lr": 0.05, "weight_decay": 0.1}),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("options", "name", "their_options"), PARITY, ids=str)
def test_as_in_pytorch(options: dict, name: str, their_options: dict, dtype):
    torch = pytest.importorskip("torch")
    expected = theirs(torch, lambda parameters: getattr(torch.optim, name)(parameters, **their_options), dtype)
    # float32: 20 steps of a few roundings of 6e-8; PyTorch keeps NAdam's product of momenta in float32 in any case
    tolerance = 1e-5 if dtype == np.float32 else 1e-9 if name == "NAdam" else 1e-13
    for found, array in zip(ours(options, dtype), expected, strict=True):
        np.testing.assert_allclose(found, array, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("weight_decay", [0.0, 0.2])
def test_lion(weight_decay: float):
    found = ours({"name": "lion", "lr": 0.01, "weight_decay": weight_decay})
    weight, bias = WEIGHT.copy(), BIAS.copy()
    moments = [np.zeros_like(weight), np.zeros_like(bias)]
    for _ in range(STEPS):
        gradients = [2 * SCALE * (weight * SCALE - 1), -np.sin(bias)]
        for parameter, gradient, moment in zip((weight, bias), gradients, moments, strict=True):
            direction = np.sign(0.9 * moment + 0.1 * gradient)
            parameter -= 0.01 * (direction + weight_decay * parameter)
            moment[...] = 0.99 * moment + 0.01 * gradient
    for ours_, expected in zip(found, (weight, bias), strict=True):
        np.testing.assert_allclose(ours_, expected, rtol=1e-12)


def test_the_first_step_of_adam_is_the_learning_rate_in_float32():
    """1 - 0.999 in float32 is wrong by 5e-5, and that would show here."""
    weight = Parameter(np.zeros(3, np.float32))
    optimizer = resolve("optimizers", {"name": "adam", "lr": 0.5}).attach([weight])
    nbdl.sum(weight * np.array([1.0, -2.0, 300.0], np.float32)).backward()
    optimizer.step()
    np.testing.assert_allclose(weight.numpy(), [-0.5, 0.5, -0.5], rtol=5e-7)


@pytest.mark.parametrize(
    "options",
    [
        {"name": "adam", "beta1": 0.0, "beta2": 0.0},
        {"name": "adam", "beta1": 1e-7, "beta2": 1e-7},
        {"name": "rmsprop", "rho": 0.0},
    ],
    ids=str,
)
def test_a_mean_without_memory_forgets_large_gradients(options: dict):
    """Each step is then as long as the learning rate, however small the gradient beside those before."""
    weight = Parameter(np.zeros(3, np.float32))
    optimizer = resolve("optimizers", {"lr": 1.0, **options}).attach([weight])
    for slope in (10.0, 1e-2):
        optimizer.zero_grad()
        nbdl.sum(weight * np.full(3, slope, np.float32)).backward()
        optimizer.step()
    # with 1e-7: sqrt(1e-7 * 100 + 1e-4) in place of 1e-2, and the correction of the start
    np.testing.assert_allclose(weight.numpy(), -2.0 if 0.0 in options.values() else -1.954, rtol=2e-3)


def test_clipping_as_in_pytorch():
    torch = pytest.importorskip("torch")
    start, slope = np.array([1.0, 2.0, 3.0]), np.array([3.0, -4.0, 12.0])
    for option, limit, clip in (
        ("clip_value", 2.5, torch.nn.utils.clip_grad_value_),
        ("clip_norm", 6.5, torch.nn.utils.clip_grad_norm_),
        ("clip_norm", 100.0, torch.nn.utils.clip_grad_norm_),
    ):
        weight = Parameter(start)
        optimizer = resolve("optimizers", {"name": "sgd", "lr": 1.0, option: limit}).attach([weight])
        nbdl.sum(weight * slope).backward()
        optimizer.step()
        other = torch.tensor(start, requires_grad=True)
        (other * torch.tensor(slope)).sum().backward()
        clip([other], limit)
        # PyTorch adds 1e-6 to the norm
        np.testing.assert_allclose(weight.numpy(), start - other.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "sgd", "momentum": 1.0}, "momentum from 0 up to but not including 1"),
        ({"name": "sgd", "nesterov": True}, "needs a momentum"),
        ({"name": "adam", "beta2": 1.0}, "adam takes beta2 from 0"),
        ({"name": "adamw", "beta1": -0.1}, "adamw takes beta1 from 0"),
        ({"name": "adam", "epsilon": 0.0}, "a finite epsilon of at least 1e-30, not 0"),
        ({"name": "adam", "epsilon": float("inf")}, "not inf"),
        ({"name": "rmsprop", "epsilon": float("nan")}, "not nan"),
        ({"name": "rmsprop", "rho": 2.0}, "rmsprop takes rho"),
        ({"name": "adadelta", "epsilon": -1.0}, "adadelta takes a finite epsilon"),
        ({"name": "adagrad", "initial_total": -1.0}, "initial_total of at least 0"),
        ({"name": "nadam", "momentum_decay": -1.0}, "momentum_decay of at least 0"),
        ({"name": "lion", "beta1": 1.5}, "lion takes beta1"),
        ({"name": "adam", "lr": -1.0}, "can't be negative"),
        ({"name": "adam", "weight_decay": -1.0}, "can't be negative"),
        ({"name": "adam", "clip_norm": 0.0}, "clip_norm must be positive"),
        ({"name": "adam", "learning_rate": 0.1}, "has no option 'learning_rate'"),
    ],
)
def test_options_out_of_range(options: dict, words: str):
    with pytest.raises(OptionError, match=words):
        resolve("optimizers", options)


class TestSchedules:
    def rates(self, options: dict, steps: list[int]) -> list[float]:
        schedule = resolve("schedules", options)
        return [float(schedule(Tensor(float(step), np.float64))) for step in steps]

    @pytest.mark.parametrize(
        ("options", "formula"),
        [
            ({"name": "constant", "lr": 0.3}, lambda t: 0.3),
            ({"name": "step", "every": 10, "lr": 0.3, "factor": 0.5}, lambda t: 0.3 * 0.5 ** (t // 10)),
            ({"name": "exponential", "every": 10, "lr": 0.3, "factor": 0.5}, lambda t: 0.3 * 0.5 ** (t / 10)),
            ({"name": "cosine", "steps": 30, "lr": 0.3, "end": 0.1},
             lambda t: 0.1 + 0.1 * (1 + math.cos(math.pi * min(t / 30, 1)))),
            ({"name": "warmup", "steps": 10, "then": 0.3}, lambda t: 0.3 * min((t + 1) / 10, 1)),
            ({"name": "warmup", "steps": 10, "then": {"name": "step", "every": 10, "lr": 0.3}},
             lambda t: 0.3 * min((t + 1) / 10, 1) * 0.1 ** (max(t - 10, 0) // 10)),
        ],
        ids=lambda value: value["name"] if isinstance(value, dict) else "",
    )  # fmt: skip
    def test_formula(self, options: dict, formula: Callable[[int], float]):
        steps = [0, 1, 5, 9, 10, 11, 19, 20, 29, 30, 31, 100]
        np.testing.assert_allclose(self.rates(options, steps), [formula(step) for step in steps], rtol=1e-12)

    def test_stairs_fall_at_the_right_step_in_float32(self):
        schedule = resolve("schedules", {"name": "step", "every": 7, "lr": 1.0, "factor": 0.5})
        for step in range(200):
            assert float(schedule(Tensor(float(step)))) == 0.5 ** (step // 7), step

    def test_an_optimizer_follows_its_schedule(self):
        weight = Parameter(np.zeros(1))
        optimizer = resolve("optimizers", {"name": "sgd", "lr": {"name": "step", "every": 2, "lr": 1.0}}).attach(
            [weight]
        )
        seen = []
        for _ in range(5):
            optimizer.zero_grad()
            nbdl.sum(weight * -1.0).backward()
            optimizer.step()
            seen.append(float(weight.numpy()[0]))
        np.testing.assert_allclose(
            np.diff([0.0, *seen]), [1, 1, 0.1, 0.1, 0.01], rtol=1e-6
        )  # the schedule works in float64

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"name": "step"}, "needs the option 'every'"),
            ({"name": "step", "every": 0}, "at least 1 step"),
            ({"name": "exponential", "every": 3, "factor": 0.0}, "a factor above 0"),
            ({"name": "cosine", "steps": 0}, "at least 1 step"),
            ({"name": "cosine", "steps": 5, "end": -1.0}, "learning rates of at least 0"),
            ({"name": "constant", "lr": -1.0}, "learning rates of at least 0"),
            ({"name": "warmup", "steps": 0}, "at least 1 step"),
        ],
    )
    def test_options_out_of_range(self, options: dict, words: str):
        with pytest.raises(OptionError, match=words):
            resolve("schedules", options)


@pytest.mark.parametrize("result", [None, 3.0, lambda p: p, lambda p: (p, 3), lambda p: (p, {}, {})])
def test_an_update_that_returns_something_else_is_named(result):
    class Odd(nbdl.optim.Optimizer):
        def update(self, parameter, gradient, slots, step):
            return result(parameter) if callable(result) else result

    x = np.ones((4, 3), np.float32)
    with pytest.raises(OptionError, match=r"Odd\.update must return the new parameter and a dictionary of slots"):
        nn.Sequential(nn.Dense(1)).compile(Odd(), "mse").fit(x, x[:, :1], verbose=False)
