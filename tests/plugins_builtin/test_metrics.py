"""Metrics: against scikit-learn and counts in loops, over batches of any size."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbdl
from nbdl import Tensor
from nbdl.errors import DataError, DtypeError, OptionError, ShapeError
from nbdl.resolve import resolve
from nbdl.train.metric import Metric, batch_sums
from tests import oracle
from tests.contracts import samples


def measure(metric: Metric, prediction, target, cuts: tuple[int, ...] = ()) -> float | np.ndarray:
    """The metric of all rows, fed in batches that are cut at some rows; sums are added up in float64."""
    total: np.ndarray | float = 0.0
    for start, stop in pairwise([0, *cuts, len(prediction)]):
        total = total + metric.sums(prediction[start:stop], target[start:stop]).numpy().astype(np.float64)
    return metric.result(np.asarray(total))


def scores(rows: int = 60, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(2)
    return generator.normal(size=(rows, classes)).astype(np.float32), generator.integers(0, classes, rows)


def test_batch_sums_of_any_rank():
    x, y = np.arange(12.0).reshape(3, 4), np.ones((3, 4))
    found = batch_sums(Tensor(x), Tensor(y), Tensor(2 * y)).numpy()
    np.testing.assert_array_equal(found, [x.sum(axis=0), y.sum(axis=0), 2 * y.sum(axis=0)])
    assert batch_sums(Tensor([1.0, 2.0])).tolist() == [3.0]


def test_batch_sums_keep_nan_in_its_place():
    found = batch_sums(Tensor([np.nan, 1.0]), Tensor([1.0, 1.0])).numpy()
    assert np.isnan(found[0])
    assert found[1] == 2.0


class TestAccuracy:
    def test_class_numbers_one_hot_and_columns_agree(self):
        prediction, target = scores()
        expected = sum(int(np.argmax(p)) == t for p, t in zip(prediction, target, strict=True)) / len(target)
        accuracy = resolve("metrics", "accuracy")
        assert measure(accuracy, prediction, target) == pytest.approx(expected, rel=1e-15)
        assert measure(accuracy, prediction, target[:, None]) == measure(accuracy, prediction, target)
        assert measure(accuracy, prediction, np.eye(5)[target]) == measure(accuracy, prediction, target)

    @settings(max_examples=20, deadline=None)
    @given(cuts=st.lists(st.integers(1, 59), max_size=4, unique=True).map(sorted))
    def test_batches_make_no_difference(self, cuts: list[int]):
        prediction, target = scores()
        accuracy = resolve("metrics", "accuracy")
        assert measure(accuracy, prediction, target, tuple(cuts)) == measure(accuracy, prediction, target)

    def test_one_output_is_a_logit(self):
        accuracy = resolve("metrics", "accuracy")
        logits, target = np.array([[-0.1], [0.2], [3.0], [0.4]]), np.array([0, 1, 1, 0])
        assert measure(accuracy, logits, target) == 0.75
        assert measure(accuracy, logits[:, 0], target[:, None]) == 0.75

    def test_one_output_out_of_a_sigmoid_or_as_probability(self):
        p, target = np.array([0.4, 0.6, 0.9]), np.array([1, 1, 1])
        logits = np.log(p / (1 - p))
        accuracy = resolve("metrics", "accuracy")
        assert accuracy.result(accuracy.sums(nbdl.sigmoid(logits), target).numpy()) == pytest.approx(2 / 3)
        assert measure(resolve("metrics", {"name": "accuracy", "from_logits": False}), p, target) == pytest.approx(
            2 / 3
        )
        assert measure(accuracy, p, target) == 1.0  # as logits they are all above 0

    def test_one_output_takes_the_sides_of_a_hinge(self):
        accuracy = resolve("metrics", "accuracy")
        logits, target = np.array([[-0.1], [0.2], [3.0], [0.4]]), np.array([0, 1, 1, 0])
        assert measure(accuracy, logits, 2 * target - 1) == measure(accuracy, logits, target) == 0.75

    @pytest.mark.parametrize(("threshold", "expected"), [(0.3, 1.0), (0.5, 2 / 3), (0.7, 1 / 3)])
    def test_threshold_is_a_probability(self, threshold: float, expected: float):
        p, target = np.array([0.4, 0.6, 0.9]), np.array([1, 1, 1])
        metric = resolve("metrics", {"name": "accuracy", "threshold": threshold})
        assert measure(metric, np.log(p / (1 - p)), target) == pytest.approx(expected)

    def test_sequences_count_each_position_once(self):
        prediction, target = scores(rows=6)
        metric = resolve("metrics", "accuracy")
        assert measure(metric, prediction.reshape(2, 3, 5), target.reshape(2, 3)) == pytest.approx(
            measure(metric, prediction, target)
        )

    def test_no_rows_give_nan(self):
        metric = resolve("metrics", "accuracy")
        assert np.isnan(metric.result(np.zeros(2)))

    @pytest.mark.parametrize(
        ("prediction", "target", "error", "words"),
        [
            (np.zeros((4, 3)), np.zeros(5, np.int64), ShapeError, "accuracy takes class numbers"),
            (np.zeros((4, 3)), np.zeros(4), DtypeError, "as integers"),
            (np.zeros((4, 1)), np.zeros((3, 1)), ShapeError, "need the same shape"),
            (np.zeros((4, 1)), np.array([0, 1, 5, 1]), DataError, r"accuracy: 1 of 4 .* outside of 0 to 1 .* 0 to 5\)"),
            (np.zeros(4), np.array([0, -2, 5, -1]), DataError, r"accuracy: 2 of 4 labels .* from -2 to 5\)"),
            (np.zeros((4, 1)), np.array([0.0, -0.5, 1.0, 0.0]), DataError, "1 of 4 labels"),
            (np.zeros((2, 2, 1)), np.array([[0, 1], [-1, 2]]), DataError, "1 of 4 labels"),
        ],
    )
    def test_what_is_refused(self, prediction, target, error, words: str):
        with pytest.raises(error, match=words):
            resolve("metrics", "accuracy").sums(prediction, target)


# --- sequences of which some positions hold nothing to predict --------------------------------------------------------


def padded() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores and class numbers with -1 at some positions, and those that count in a row of their own."""
    prediction, target = scores()
    prediction, target = prediction.reshape(12, 5, 5), target.reshape(12, 5).copy()
    counts = np.arange(5) < np.random.default_rng(4).integers(1, 6, 12)[:, None]
    target[~counts] = -1
    return prediction, target, prediction[counts], target[counts]


@pytest.mark.parametrize("name", ["accuracy", "top_k_accuracy", "precision", "recall", "f1", "confusion_matrix"])
def test_positions_without_a_class_do_not_count(name: str):
    metric = resolve("metrics", {"name": name, "k": 2} if name == "top_k_accuracy" else name)
    prediction, target, kept_prediction, kept_target = padded()
    found = measure(metric, prediction, target, cuts=(5,))
    # The same decisions are counted, only that of two sums of whole numbers one comes in parts.
    np.testing.assert_allclose(found, measure(metric, kept_prediction, kept_target), rtol=1e-12)


@pytest.mark.parametrize("name", ["accuracy", "precision", "recall", "f1", "confusion_matrix"])
@pytest.mark.parametrize("shape", [(12, 5), (12, 5, 1)])
def test_positions_without_a_yes_or_no_do_not_count(name: str, shape: tuple[int, ...]):
    scores, target, _, _ = padded()
    prediction, target = scores[..., :1], np.where(target < 0, -1, target % 2)
    counts = target >= 0
    found = measure(resolve("metrics", name), prediction, target.reshape(shape), cuts=(5,))
    kept = measure(resolve("metrics", name), prediction[counts], target[counts])
    np.testing.assert_allclose(found, kept, rtol=1e-12)


def test_exact_match_counts_whole_rows():
    prediction, target, _, _ = padded()
    target = np.where((np.arange(12) % 3 > 0)[:, None] & (target >= 0), prediction.argmax(axis=2), target)
    right = sum(
        all(t in (-1, np.argmax(p)) for p, t in zip(row, line, strict=True))
        for row, line in zip(prediction, target, strict=True)
    )
    assert 8 <= right < 12
    assert measure(resolve("metrics", "exact_match"), prediction, target, cuts=(5,)) == right / 12
    first, numbers = prediction[:, 0], target[:, 0]
    accuracy = measure(resolve("metrics", "accuracy"), first, numbers)
    assert measure(resolve("metrics", "exact_match"), first, numbers) == accuracy


class TestTopK:
    @pytest.mark.parametrize("k", [1, 2, 3, 5, 9])
    def test_as_scikit_learn(self, k: int):
        metrics = pytest.importorskip("sklearn.metrics")
        prediction, target = scores()
        found = measure(resolve("metrics", {"name": "top_k_accuracy", "k": k}), prediction, target)
        with np.errstate(all="ignore"):
            expected = metrics.top_k_accuracy_score(target, prediction, k=min(k, 4)) if k < 5 else 1.0
        assert found == pytest.approx(expected, rel=1e-15)

    def test_the_first_is_accuracy_even_with_equal_scores(self):
        prediction, target = np.zeros((4, 3), np.float32), np.array([0, 1, 2, 0])
        first = resolve("metrics", {"name": "top_k_accuracy", "k": 1})
        assert measure(first, prediction, target) == measure(resolve("metrics", "accuracy"), prediction, target) == 0.5

    def test_nan_is_never_right(self):
        prediction = np.full((2, 3), np.nan, np.float32)
        assert measure(resolve("metrics", {"name": "top_k_accuracy", "k": 3}), prediction, np.array([0, 1])) == 0.0

    def test_one_hot(self):
        prediction, target = scores()
        metric = resolve("metrics", {"name": "top_k_accuracy", "k": 2})
        assert measure(metric, prediction, np.eye(5)[target]) == measure(metric, prediction, target)


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
class TestPerClass:
    def theirs(self, name: str):
        metrics = pytest.importorskip("sklearn.metrics")
        return getattr(metrics, {"f1": "f1_score"}.get(name, f"{name}_score"))

    def test_macro(self, name: str):
        prediction, target = scores()
        expected = self.theirs(name)(target, prediction.argmax(1), average="macro", zero_division=0)
        assert measure(resolve("metrics", name), prediction, target, (7, 40)) == pytest.approx(expected, rel=1e-14)

    def test_macro_with_classes_that_never_come(self, name: str):
        prediction, target = np.eye(5, dtype=np.float32)[[0, 1, 1, 3]], np.array([0, 1, 0, 0])
        expected = self.theirs(name)(target, prediction.argmax(1), average="macro", zero_division=0)
        assert measure(resolve("metrics", name), prediction, target) == pytest.approx(expected, rel=1e-14)

    def test_binary_of_one_output_and_of_two(self, name: str):
        logits, target = np.array([1.0, -1.0, 2.0, 0.5, -3.0]), np.array([1, 1, 0, 1, 0])
        expected = self.theirs(name)(target, logits > 0)
        metric = resolve("metrics", {"name": name, "average": "binary"})
        assert measure(metric, logits, target) == pytest.approx(expected, rel=1e-14)
        assert measure(metric, np.stack([-logits, logits], axis=1), target) == pytest.approx(expected, rel=1e-14)

    def test_nothing_predicted_gives_0(self, name: str):
        metric = resolve("metrics", {"name": name, "average": "binary"})
        assert measure(metric, np.array([-1.0, -1.0]), np.array([1, 0])) == 0.0

    def test_binary_of_three_classes_is_refused(self, name: str):
        with pytest.raises(ShapeError, match=f"{name} with average='binary' takes two classes, not 3"):
            resolve("metrics", {"name": name, "average": "binary"}).sums(np.zeros((2, 3)), np.array([0, 1]))

    def test_options_out_of_range(self, name: str):
        with pytest.raises(OptionError, match="one of 'macro', 'binary'"):
            resolve("metrics", {"name": name, "average": "micro"})
        with pytest.raises(OptionError, match="threshold between 0 and 1"):
            resolve("metrics", {"name": name, "threshold": 1.0})


class TestConfusionMatrix:
    def test_counts(self):
        prediction, target = scores()
        found = measure(resolve("metrics", "confusion_matrix"), prediction, target, (11, 30))
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, oracle.confusion(prediction.argmax(1).tolist(), target.tolist(), 5))

    def test_one_output_is_two_classes(self):
        found = measure(resolve("metrics", "confusion_matrix"), np.array([[1.0], [-1.0], [2.0]]), np.array([1, 1, 0]))
        assert found.tolist() == [[0, 1], [1, 1]]

    def test_sequences(self):
        prediction, target = scores(rows=6)
        metric = resolve("metrics", "confusion_matrix")
        found = measure(metric, prediction.reshape(2, 3, 5), target.reshape(2, 3))
        np.testing.assert_array_equal(found, measure(metric, prediction, target))


class TestNumbers:
    @pytest.mark.parametrize(
        ("name", "theirs"), [("mse", "mean_squared_error"), ("mae", "mean_absolute_error"), ("r2", "r2_score")]
    )
    @pytest.mark.parametrize("targets", [1, 3])
    def test_as_scikit_learn(self, name: str, theirs: str, targets: int):
        metrics = pytest.importorskip("sklearn.metrics")
        generator = np.random.default_rng(4)
        target = generator.normal(size=(50, targets))
        prediction = target + generator.normal(size=target.shape) * 0.4
        found = measure(resolve("metrics", name), prediction, target, (13, 14))
        assert found == pytest.approx(getattr(metrics, theirs)(target, prediction), rel=1e-12)

    def test_rmse_is_one_root_of_the_mean_over_all_rows(self):
        generator = np.random.default_rng(4)
        prediction, target = generator.normal(size=(2, 50, 3))
        found = measure(resolve("metrics", "rmse"), prediction, target, (13, 14))
        assert found == pytest.approx(np.sqrt(np.mean((prediction - target) ** 2)), rel=1e-12)

    @pytest.mark.parametrize("mean", [1e3, 1e5])
    def test_r2_of_targets_far_from_zero(self, mean: float):
        metrics = pytest.importorskip("sklearn.metrics")
        generator = np.random.default_rng(4)
        target = (mean + generator.normal(size=400)).astype(np.float32)
        prediction = (target + generator.normal(size=400) * 0.5).astype(np.float32)
        expected = metrics.r2_score(target.astype(np.float64), prediction.astype(np.float64))
        # squares are right to 1e-16 of mean**2, and 1e-16 * (1e5)**2 is a millionth of the spread
        assert measure(resolve("metrics", "r2"), prediction, target, (100,)) == pytest.approx(expected, rel=1e-5)

    def test_r2_of_a_constant_target(self):
        r2 = resolve("metrics", "r2")
        target = np.full(7, 3.3, np.float32)
        assert measure(r2, target, target) == 1.0
        assert measure(r2, target + 1, target) == 0.0

    def test_r2_is_float64(self):
        assert resolve("metrics", "r2").sums(np.zeros(3, np.float32), np.zeros(3, np.float32)).dtype == np.float64

    def test_which_way_is_better(self):
        better = {name: resolve("metrics", name).higher_is_better for name in samples.METRICS}
        assert {name for name, higher in better.items() if not higher} == {"mse", "rmse", "mae"}


@pytest.mark.parametrize(
    ("options", "words"),
    [({"name": "top_k_accuracy", "k": 0}, "k of at least 1"), ({"name": "accuracy", "threshold": 0.0}, "threshold")],
)
def test_options_out_of_range(options: dict, words: str):
    with pytest.raises(OptionError, match=words):
        resolve("metrics", options)
