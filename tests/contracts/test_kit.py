"""The kit for plugins' tests refuses what it is there to refuse."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl import nn, testing
from nbdl.optim import Optimizer
from nbdl.train.metric import Metric, batch_sums
from tests.contracts import samples


def test_gradients_of_a_function_with_a_hidden_dependence():
    with pytest.raises(AssertionError, match="gradient of argument 0: off by"):
        testing.check_gradients(lambda x: x * x.detach(), np.array([1.0, 2.0]))


def test_gradients_of_every_argument():
    with pytest.raises(AssertionError, match="gradient of argument 1"):
        testing.check_gradients(lambda x, y: x * y.detach(), np.array([1.0]), np.array([3.0]))


def test_gradients_leave_integers_alone():
    testing.check_gradients(lambda x, rows: nbdl.take(x, rows), np.array([1.0, 2.0]), np.array([1, 0, 1]))


def test_activation_that_hides_nan():
    with pytest.raises(AssertionError, match="NaN became"):
        testing.check_activation(lambda x: nbdl.where(x > 0, x, 0.0))


def test_activation_that_overflows():
    with pytest.raises(AssertionError, match="not finite"):
        testing.check_activation(lambda x: nbdl.log(1 + nbdl.exp(x)))


def test_activation_whose_gradient_overflows():
    with pytest.raises(AssertionError, match="the gradient isn't finite"):
        testing.check_activation(lambda x: nbdl.where(x <= 0, nbdl.expm1(x), x))


def test_activation_that_changes_the_shape():
    with pytest.raises(AssertionError, match="shape"):
        testing.check_activation(lambda x: nbdl.sum(x, axis=-1))


def test_activation_that_changes_the_dtype():
    with pytest.raises(AssertionError, match="float64 became float32"):
        testing.check_activation(lambda x: x.astype("float32"))


def test_loss_that_is_no_scalar():
    with pytest.raises(AssertionError, match="a loss is a scalar"):
        testing.check_loss(lambda p, t: nbdl.square(p - t), *samples.numbers())


def test_loss_that_sums_rows():
    with pytest.raises(AssertionError, match="isn't the mean over its rows"):
        testing.check_loss(lambda p, t: nbdl.sum(nbdl.square(p - t)), *samples.numbers())


def test_loss_whose_rows_meet_twice():
    def loss(p: nbdl.Tensor, t: nbdl.Tensor) -> nbdl.Tensor:
        return nbdl.mean(nbdl.mean(p * p, axis=1)) - nbdl.mean(nbdl.mean(2 * p * t - t * t, axis=1))

    with pytest.raises(AssertionError, match="exactly one sum"):
        testing.check_loss(loss, *samples.numbers())


def test_loss_that_overflows():
    def loss(p: nbdl.Tensor, t: nbdl.Tensor) -> nbdl.Tensor:
        return nbdl.mean(nbdl.log(1 + nbdl.exp(p)) - t * p)

    with pytest.raises(AssertionError, match="the loss is inf"):
        testing.check_loss_extremes(loss, np.array([0, 1, 0, 1, 0]))


class _MeanOfMeans(Metric):
    def sums(self, prediction, target):
        return nbdl.mean(nbdl.asarray(prediction) - target, axis=0)


class _NotTraceable(Metric):
    def sums(self, prediction, target):
        return batch_sums(prediction * len(prediction))


def test_metric_whose_sums_do_not_add_up():
    with pytest.raises(AssertionError, match="don't add up"):
        testing.check_metric(_MeanOfMeans(), *samples.numbers())


def test_metric_that_asks_for_the_number_of_rows():
    with pytest.raises((AssertionError, TypeError)):
        testing.check_metric(_NotTraceable(), *samples.numbers())


class _Uphill(Optimizer):
    def update(self, parameter, gradient, slots, step):
        return parameter + 0.01 * gradient, {}


class _Drifting(Optimizer):
    def update(self, parameter, gradient, slots, step):
        return parameter - 0.01 * gradient + 1e-4, {}


class _Forgetful(Optimizer):
    def init(self, parameter):
        return {"mean": nbdl.zeros_like(parameter)}

    def update(self, parameter, gradient, slots, step):
        return parameter - 0.01 * gradient, {"mean": nbdl.sum(slots["mean"])}


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [(_Uphill, "the loss is"), (_Drifting, "without gradient moved"), (_Forgetful, "the slots changed")],
)
def test_optimizer_that_breaks_a_promise(optimizer: type[Optimizer], words: str):
    with pytest.raises(AssertionError, match=words):
        testing.check_optimizer(optimizer)


def test_schedule_that_turns_negative():
    with pytest.raises(AssertionError, match="the rate at step"):
        testing.check_schedule(lambda step: 1 - step / 100)


def test_initializer_with_a_seed_of_its_own():
    def initializer(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return np.random.default_rng().normal(size=shape).astype(dtype)

    with pytest.raises(AssertionError, match="draw from `rng` only"):
        testing.check_initializer(initializer)


def test_model_that_does_not_learn():
    class Fixed(nn.Module):
        def build(self, shape):
            self.weight = self.parameter("weight", (shape[-1], 3))

        def forward(self, x):
            return nbdl.matmul(x, self.weight.detach()) + 0 * nbdl.sum(self.weight)

    with pytest.raises(AssertionError, match="after 30 steps the loss is"):
        testing.check_model(lambda outputs: Fixed())


class _Frozen(nn.Module):
    """Has a step of its own, which trains one layer of two."""

    task = "generation"

    def __init__(self):
        self.first, self.second = nn.Dense(2), nn.Dense(2)

    def forward(self, x):
        return self.second(self.first(x))

    def train_step(self, batch):
        loss = nbdl.mean(self(batch.x) ** 2)
        self.optimizer.minimize(loss, self.second.parameters())
        return {"loss": loss}


def test_model_whose_own_step_leaves_parameters_alone():
    with pytest.raises(AssertionError, match="after 30 steps 2 of 4 parameters have not moved"):
        testing.check_model(lambda outputs: _Frozen())


class _Counting(nn.Module):
    """Counts how often it was traced, and adds that."""

    def __init__(self, outputs: int):
        self.layer = nn.Dense(outputs)
        self.offset = 0.0

    def forward(self, x):
        self.offset += 1.0
        return self.layer(x) + self.offset


def test_model_that_is_compiled_again():
    with pytest.raises(AssertionError, match="the second fit compiles another program"):
        testing.check_model_trains(_Counting)


def test_docstrings_with_gaps():
    def undocumented(x, slope: float = 1.0): ...

    def half(x, slope: float = 1.0):
        """Has a summary.

        Source: a paper.
        """

    def whole(x, slope: float = 1.0):
        """Has a summary.

        Args:
            x: what goes in.
            slope: what it is multiplied by.

        Source: a paper.
        """

    with pytest.raises(AssertionError, match="no docstring"):
        testing.check_documented(undocumented)
    with pytest.raises(AssertionError, match="'x'"):
        testing.check_documented(half)
    with pytest.raises(AssertionError, match="no annotation"):
        testing.check_documented(whole)
