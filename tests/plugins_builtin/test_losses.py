"""Losses: against PyTorch, naive loops and scikit-learn; shapes, options and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import nbdl
from nbdl import Tensor, testing
from nbdl.errors import DtypeError, OptionError, ShapeError
from nbdl.resolve import resolve
from tests import oracle
from tests.contracts import samples


def value_and_gradient(loss, prediction: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    x = Tensor(prediction, requires_grad=True)
    result = loss(x, Tensor(target))
    result.backward()
    return float(result), x.grad.numpy()


def torch_cases(torch) -> list:
    f = torch.nn.functional

    def kl(x, t):
        return f.kl_div(torch.log_softmax(x, -1), t, reduction="batchmean")

    def smoothed(x, t):
        return f.cross_entropy(x, t, label_smoothing=0.1)

    return [
        ("mse", {}, samples.numbers, f.mse_loss),
        ("mae", {}, samples.numbers, f.l1_loss),
        ("huber", {"delta": 1.3}, samples.numbers, lambda x, t: f.huber_loss(x, t, delta=1.3)),
        ("binary_crossentropy", {}, samples.yes_or_no, f.binary_cross_entropy_with_logits),
        ("categorical_crossentropy", {}, samples.one_hot, f.cross_entropy),
        ("categorical_crossentropy", {"label_smoothing": 0.1}, samples.one_hot, smoothed),
        ("categorical_crossentropy", {}, samples.distributions, f.cross_entropy),
        ("sparse_categorical_crossentropy", {}, samples.class_numbers, f.cross_entropy),
        ("sparse_categorical_crossentropy", {"label_smoothing": 0.1}, samples.class_numbers, smoothed),
        ("kl_divergence", {}, samples.distributions, kl),
    ]


@pytest.mark.parametrize("number", range(10))
def test_value_and_gradient_as_in_pytorch(number: int):
    torch = pytest.importorskip("torch")
    name, options, sample, theirs = torch_cases(torch)[number]
    prediction, target = sample()
    ours, our_gradient = value_and_gradient(resolve("losses", {"name": name, **options}), prediction, target)
    x = torch.tensor(prediction, requires_grad=True)
    t = torch.tensor(target)
    expected = theirs(x, t.double() if name == "binary_crossentropy" else t)
    expected.backward()
    # float64 on both sides; the formulas add up in different order
    assert ours == pytest.approx(float(expected.detach()), rel=1e-13)
    np.testing.assert_allclose(our_gradient, x.grad.numpy(), rtol=1e-12, atol=1e-15)


def test_hinge_as_in_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    hinge = resolve("losses", "hinge")
    scores, target = samples.yes_or_no()
    assert float(hinge(scores, target)) == pytest.approx(metrics.hinge_loss(target[:, 0], scores[:, 0]), rel=1e-14)
    scores, target = samples.class_numbers()
    expected = metrics.hinge_loss(target, scores, labels=range(samples.CLASSES))
    assert float(hinge(scores, target)) == pytest.approx(expected, rel=1e-14)


def test_hinge_takes_both_ways_of_writing_the_sides():
    hinge = resolve("losses", "hinge")
    scores = np.array([0.3, -2.0, 1.5])
    assert float(hinge(scores, np.array([1, 0, 0]))) == float(hinge(scores, np.array([1.0, -1.0, -1.0])))


@pytest.mark.parametrize("number", [-1e4, -50.0, -1.0, 0.0, 1.0, 50.0, 1e4])
@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_crossentropy_everywhere(number: float, target: int, dtype):
    loss, slope = value_and_gradient(
        resolve("losses", "binary_crossentropy"), np.array([number], dtype), np.array([target])
    )
    wrong = -number if target else number
    assert loss == pytest.approx(max(wrong, 0) + math.log1p(math.exp(-abs(number))), rel=1e-6)
    p = 1 / (1 + math.exp(-number)) if number > -700 else 0.0
    # p - target loses digits where p is close to 1: compared on the scale of 1
    assert slope[0] == pytest.approx(p - target, abs=1e-7)


@pytest.mark.parametrize("name", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
@pytest.mark.parametrize("size", [1.0, 1e2, 1e4])
def test_categorical_crossentropy_everywhere(name: str, size: float):
    logits = np.array([[1.0, 0.0, -1.0], [-1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]) * size
    numbers = np.array([0, 0, 2])
    target = numbers if name.startswith("sparse") else np.eye(3)[numbers]
    loss, slope = value_and_gradient(resolve("losses", name), logits, target)
    p = oracle.softmax(logits)
    rows = [
        max(row) + math.log(math.fsum(math.exp(x - max(row)) for x in row)) - row[n]
        for row, n in zip(logits, numbers, strict=True)
    ]
    assert loss == pytest.approx(math.fsum(rows) / 3, rel=1e-14)
    np.testing.assert_allclose(slope, (p - np.eye(3)[numbers]) / 3, rtol=1e-13, atol=1e-300)


def test_a_masked_class_does_no_harm():
    loss = resolve("losses", "sparse_categorical_crossentropy")
    masked = float(loss(np.array([[1.0, -np.inf, 2.0]]), np.array([0])))
    assert masked == pytest.approx(float(loss(np.array([[1.0, 2.0]]), np.array([0]))))


PROBABILITIES = {
    "binary_crossentropy": (nbdl.sigmoid, samples.yes_or_no),
    "categorical_crossentropy": (nbdl.softmax, samples.one_hot),
    "sparse_categorical_crossentropy": (nbdl.softmax, samples.class_numbers),
    "kl_divergence": (nbdl.softmax, samples.distributions),
}


@pytest.mark.parametrize("name", PROBABILITIES)
class TestFromLogits:
    def test_logits_probabilities_and_remembered_logits_agree(self, name: str):
        squash, sample = PROBABILITIES[name]
        logits, target = sample()
        loss = resolve("losses", name)
        expected = float(loss(logits, target))
        assert float(loss(logits, target, from_logits=True)) == expected
        assert float(loss(squash(logits), target)) == expected
        # through probabilities digits are lost, in float64 not many
        assert float(loss(squash(logits).numpy(), target, from_logits=False)) == pytest.approx(expected, rel=1e-12)

    def test_remembered_logits_keep_the_gradient_where_probabilities_lose_it(self, name: str):
        squash, sample = PROBABILITIES[name]
        logits, target = sample()
        x = Tensor(logits.astype(np.float32) * 1e3, requires_grad=True)
        loss = resolve("losses", name)(squash(x), target)
        loss.backward()
        direct, slope = value_and_gradient(resolve("losses", name), logits.astype(np.float32) * 1e3, target)
        assert float(loss) == direct > 50
        np.testing.assert_array_equal(x.grad.numpy(), slope)

    def test_probabilities_of_0_and_1(self, name: str):
        squash, sample = PROBABILITIES[name]
        logits, target = sample()
        hard = np.rint(squash(logits * 1e3).numpy()).astype(np.float32)
        loss, slope = value_and_gradient(lambda x, t: resolve("losses", name)(x, t, from_logits=False), hard, target)
        assert np.isfinite(loss)
        assert np.isfinite(slope).all()

    def test_gradient_from_probabilities(self, name: str):
        squash, sample = PROBABILITIES[name]
        logits, target = sample()
        probabilities = squash(0.3 * logits).numpy()  # differences are no good where 1 / p is steep
        testing.check_gradients(lambda p: resolve("losses", name)(p, target, from_logits=False), probabilities)


def test_a_softmax_is_taken_as_probabilities_of_yes():
    p = nbdl.softmax(np.array([[1.0, 2.0]]))
    loss = resolve("losses", "binary_crossentropy")
    assert float(loss(p, [[0, 1]])) == pytest.approx(float(loss(p.numpy(), [[0, 1]], from_logits=False)))


@pytest.mark.parametrize("name", ["categorical_crossentropy", "kl_divergence"])
def test_a_sigmoid_is_no_distribution(name: str):
    with pytest.raises(OptionError, match=r"a sigmoid's outputs don't.*softmax"):
        resolve("losses", name)(nbdl.sigmoid(np.zeros((2, 3))), np.eye(3)[:2])


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "binary_crossentropy", "hinge"])
class TestShapesOfNumbers:
    def test_a_column_goes_with_a_vector(self, name: str):
        prediction, target = np.array([[0.1], [0.7], [2.0]]), np.array([1.0, 0.0, 1.0])
        loss = resolve("losses", name)
        expected = float(loss(prediction, target[:, None]))
        assert float(loss(prediction, target)) == expected
        assert float(loss(prediction[:, 0], target[:, None])) == expected

    def test_nothing_else_is_broadcast(self, name: str):
        with pytest.raises(ShapeError, match=rf"{name} compares a prediction \(4, 3\) with a target \(4, 2\)"):
            resolve("losses", name)(np.zeros((4, 3)), np.zeros((4, 2)))

    def test_another_number_of_rows(self, name: str):
        with pytest.raises(ShapeError, match="need the same shape"):
            resolve("losses", name)(np.zeros((4, 3)), np.zeros((3, 3)))

    def test_a_scalar(self, name: str):
        with pytest.raises(ShapeError, match=f"{name} takes predictions with a batch axis"):
            resolve("losses", name)(1.0, 1.0)


class TestShapesOfClasses:
    loss = staticmethod(resolve("losses", "sparse_categorical_crossentropy"))

    def test_a_column_of_numbers(self):
        logits, numbers = samples.class_numbers()
        assert float(self.loss(logits, numbers[:, None])) == float(self.loss(logits, numbers))

    def test_sequences(self):
        logits = np.random.default_rng(0).normal(size=(2, 3, 4))
        numbers = np.array([[0, 1, 2], [3, 0, 1]])
        flat = float(self.loss(logits.reshape(6, 4), numbers.reshape(6)))
        assert float(self.loss(logits, numbers)) == pytest.approx(flat, rel=1e-14)

    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_positions_with_nothing_to_predict(self, smoothing: float):
        """The mean over rows of the means over what counts; no gradient anywhere else."""
        torch = pytest.importorskip("torch")
        logits, numbers = samples.sequences()
        ours, gradient = value_and_gradient(
            lambda x, t: self.loss(x, t, label_smoothing=smoothing), logits, numbers
        )
        x, t = torch.tensor(logits, requires_grad=True), torch.tensor(numbers)
        rows = [
            torch.nn.functional.cross_entropy(row, line, ignore_index=-1, label_smoothing=smoothing)
            for row, line in zip(x, t, strict=True)
        ]
        expected = sum(rows) / len(rows)
        expected.backward()
        assert ours == pytest.approx(float(expected.detach()), rel=1e-13)
        np.testing.assert_allclose(gradient, x.grad.numpy(), rtol=1e-12, atol=1e-15)
        assert not gradient[numbers < 0].any()

    def test_a_row_without_anything_to_predict(self):
        logits, numbers = samples.sequences()
        whole = float(self.loss(logits, numbers))
        both = self.loss(np.concatenate([logits, logits]), np.concatenate([numbers, np.full_like(numbers, -1)]))
        assert float(both) == pytest.approx(whole / 2, rel=1e-14)

    @pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.int8])
    def test_integer_dtypes(self, dtype):
        logits, numbers = samples.class_numbers()
        assert float(self.loss(logits, numbers.astype(dtype))) == float(self.loss(logits, numbers))

    def test_more_classes_than_a_byte_can_count(self):
        logits = np.zeros((1, 300), np.float32)
        logits[0, 4] = 5.0  # 260 modulo 256
        assert float(self.loss(logits, np.array([4], np.uint8))) == float(self.loss(logits, np.array([4])))

    @pytest.mark.parametrize(
        ("prediction", "target", "error", "words"),
        [
            (np.zeros((3, 4)), np.zeros((3, 4)), ShapeError, "use categorical_crossentropy"),
            (np.zeros((3, 4)), np.zeros(2, np.int64), ShapeError, r"class numbers \(3,\) for scores \(3, 4\)"),
            (
                np.zeros((3, 1)),
                np.zeros(3, np.int64),
                ShapeError,
                "one output for two classes goes with binary_crossentropy",
            ),
            (np.zeros(3), np.zeros(3, np.int64), ShapeError, "two classes or more"),
            (np.zeros((3, 4)), np.zeros(3), DtypeError, r"as integers, not float64; convert with \.astype"),
        ],
    )
    def test_what_is_refused(self, prediction, target, error, words: str):
        with pytest.raises(error, match=words):
            self.loss(prediction, target)

    @pytest.mark.parametrize("name", ["categorical_crossentropy", "binary_crossentropy", "mse"])
    def test_class_numbers_where_they_do_not_belong(self, name: str):
        with pytest.raises(ShapeError, match="for class numbers use sparse_categorical_crossentropy"):
            resolve("losses", name)(np.zeros((3, 4)), np.zeros(3, np.int64))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("huber", {"delta": 0.0}, "positive delta, not 0.0"),
        ("binary_crossentropy", {"label_smoothing": 1.5}, "a share from 0 to 1, not 1.5"),
        ("categorical_crossentropy", {"label_smoothing": -0.1}, "a share from 0 to 1"),
        ("sparse_categorical_crossentropy", {"label_smoothing": 2.0}, "a share from 0 to 1"),
    ],
)
def test_options_out_of_range(name: str, options: dict, words: str):
    loss = resolve("losses", {"name": name, **options})
    with pytest.raises(OptionError, match=words):
        loss(*samples.LOSSES[name][0]())


def test_label_smoothing_of_two_sides():
    loss = resolve("losses", "binary_crossentropy")
    logits, target = samples.yes_or_no()
    assert float(loss(logits, target, label_smoothing=0.2)) == pytest.approx(float(loss(logits, target * 0.8 + 0.1)))


def test_the_gradient_of_class_numbers_is_a_short_program():
    """A pass over the classes for the maximum, the sum of exponentials and the pick each; none for the gradient."""
    from nbdl.autodiff import differentiate
    from nbdl.ir.graph import topological

    output, (logits, _) = testing.trace(
        resolve("losses", "sparse_categorical_crossentropy"),
        np.zeros((2, 10), np.float32),
        np.zeros(2, np.int64),
        differentiable=True,
    )
    nodes = topological([output, *differentiate(output, [logits])])
    assert sum(node.name in ("sum", "max") and node.param("axes") == (1,) for node in nodes) == 3
