"""What `fit`, `evaluate` and `predict` take: arrays of any kind, several inputs, data sets; what they refuse."""

import numpy as np
import pytest
from nbdl_metrics.accuracy import TopKAccuracy

import nbdl
from nbdl import nn
from nbdl.data import Dataset, Split
from nbdl.errors import DataError, OptionError, ShapeError
from nbdl.train import Callback
from nbdl.train.feed import make_feed
from tests.train.networks import classifier, line, weights_of


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "uint8", "int32", "int64", "bool"])
def test_inputs_of_any_dtype(dtype):
    x = (np.arange(60).reshape(20, 3) % 7 > 2).astype(dtype)
    y = x.astype(np.float64).sum(axis=1)
    net = nn.Sequential(nn.Dense(1)).compile({"name": "sgd", "lr": 0.1}, "mse")
    net.fit(x, y, epochs=200, seed=0, verbose=False)
    np.testing.assert_allclose(net.predict(x)[:, 0], y, atol=0.05)


def test_images_as_bytes_are_read_as_they_are():
    x = np.random.default_rng(0).integers(0, 256, size=(40, 4, 4), dtype=np.uint8)
    net = nn.Sequential(nn.Flatten(), nn.Dense(2)).compile("adam", "sparse_categorical_crossentropy")
    net.fit(x, np.arange(40) % 2, verbose=False)
    assert net.predict(x).shape == (40, 2)
    assert not np.array_equal(net.predict(x[:1]), net.predict(x[1:2]))


class Own(nn.Module):
    """Gives its input back after a dense layer; says what it was trained and measured on."""

    def __init__(self, task):
        self.task = task
        self.dense = nn.Dense(3)

    def forward(self, x):
        return self.dense(x)

    def train_step(self, batch):
        assert (batch.target is None) == (self.task == "generation")
        loss = nbdl.mean((self(batch.x) - (batch.x if batch.target is None else batch.y)) ** 2)
        self.optimizer.minimize(loss, self.parameters())
        return {"loss": loss}


@pytest.mark.parametrize("task", ["reconstruction", "generation"])
def test_a_data_set_is_handed_over_as_the_network_s_task_says(task):
    x = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    part = Split(x, np.arange(30) % 2)
    data = Dataset("numbers", "classification", part, part, part)
    net = Own(task).compile("adam", None if task == "generation" else "mse")
    history = net.fit(data, epochs=2, verbose=False)
    assert ("val_loss" in history.rows[0]) == (task == "reconstruction")
    if task == "reconstruction":
        assert net.evaluate(data)["loss"] == pytest.approx(np.mean((net.predict(x) - x) ** 2), rel=1e-5)


def test_lengths_go_to_networks_that_take_them():
    class Last(nn.Module):
        def forward(self, values, lengths):
            return nbdl.expand_dims(lengths.astype("float32"), 1) + 0 * values[:, 0]

    values = np.zeros((4, 5, 1), np.float32)
    part = Split((values, np.array([1, 5, 2, 2])), np.array([[1.0], [5.0], [2.0], [2.0]], np.float32))
    data = Dataset("lengths", "regression", part, test=part)
    assert Last().compile("sgd", "mse").evaluate(data)["loss"] == 0
    net = nn.Sequential(nn.Flatten(), nn.Dense(1)).compile("sgd", "mse")
    net.fit(data, verbose=False)
    assert net.evaluate(data)["loss"] > 0


def test_memory_mapped_arrays_are_read_from_the_file(tmp_path, iris):
    x, y = iris
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    first, second = classifier(8, outputs=3), classifier(8, outputs=3)
    first.fit(x, y, seed=0, verbose=False)
    second.fit(mapped, y, seed=0, verbose=False)
    np.testing.assert_array_equal(weights_of(first), weights_of(second))
    np.testing.assert_array_equal(second.predict(mapped), first.predict(x))


def test_lists_and_anything_with_an_array():
    class Rows:
        def __array__(self, dtype=None, copy=None):
            return np.eye(4, dtype=np.float32)

    net = nn.Sequential(nn.Dense(1)).compile("sgd", "mse")
    net.fit(Rows(), [1, 2, 3, 4], verbose=False)
    np.testing.assert_array_equal(net.predict(Rows()), net.predict(np.eye(4).tolist()))
    np.testing.assert_array_equal(net.predict(nbdl.Tensor(np.eye(4, dtype=np.float32))), net.predict(Rows()))


class Sum(nn.Module):
    """A network with two inputs."""

    def __init__(self):
        self.left, self.right = nn.Dense(1), nn.Dense(1)

    def forward(self, a, b):
        return self.left(a) + self.right(b)


def test_a_tuple_of_inputs():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(80, 2)), rng.normal(size=(80, 3))
    y = a.sum(axis=1) - b.sum(axis=1)
    net = Sum().compile({"name": "sgd", "lr": 0.1}, "mse")
    net.fit((a, b), y, epochs=60, seed=0, verbose=False)
    np.testing.assert_allclose(net.predict((a, b))[:, 0], y, atol=1e-2)
    with pytest.raises(DataError, match="x has 80 rows, but x has 79"):
        net.predict((a, b[:79]))


A = np.ones((6, 2), np.float32)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda net: net.fit(A, A[:, 0], verbose=False), r"Sum\.forward\(a, b\) can't take 1 input \(missing .* 'b'\)"),
        (lambda net: net.fit((A, A, A), A[:, 0], verbose=False), r"can't take 3 inputs \(too many .*; .* as a tuple"),
        (
            lambda net: net.fit((A, A), A[:, 0], validation_data=(A, A[:, 0]), verbose=False),
            r"in layer Sum \(input \(n, 2\)\): Sum\.forward\(a, b\) can't take 1 input",
        ),
        (lambda net: net.evaluate(A, A[:, 0]), "can't take 1 input"),
        (lambda net: [net.predict((A, A)), net.predict(A)], "can't take 1 input"),
        (lambda net: net(A, mask=A), "unexpected keyword argument 'mask'|missing a required argument"),
    ],
    ids=["one", "three", "validation", "evaluate", "predict", "named"],
)
def test_another_number_of_inputs(use, message):
    with pytest.raises(DataError, match=message):
        use(Sum().compile("sgd", "mse"))


def test_a_sequential_takes_one_input():
    net = nn.Sequential(nn.Dense(1)).compile("sgd", "mse")
    for use in (lambda: net.fit((A, A), A[:, 0], verbose=False), lambda: net.predict((A, A)), lambda: net(A, A)):
        with pytest.raises(DataError, match="one input from layer to layer and can't take 2"):
            use()


def test_other_errors_of_a_forward_come_as_they_are():
    class Broken(nn.Module):
        def forward(self, x):
            return x + len(5)

    with pytest.raises(TypeError, match=r"^object of type 'int' has no len\(\)$"):
        Broken().predict(A)


def test_batches_larger_than_the_data():
    x, y = line(rows=5)
    net = nn.Sequential(nn.Dense(1)).compile("sgd", "mse")
    history = net.fit(x, y, epochs=2, batch_size=1000, verbose=False)
    assert len(history) == 2
    assert net.predict(x, batch_size=1000).shape == (5, 1)


def test_a_dataset_brings_its_own_parts(iris):
    x, y = iris
    data = Dataset(
        "iris", "classification", Split(x[:90], y[:90]), Split(x[90:120], y[90:120]), Split(x[120:], y[120:])
    )
    net = classifier(8, outputs=3)
    history = net.fit(data, epochs=2, seed=0, verbose=False)
    assert "val_accuracy" in history
    assert net.evaluate(data) == net.evaluate(x[120:], y[120:])


def test_part_of_the_rows_is_kept_for_validation(iris):
    x, y = iris
    first, second = classifier(8, outputs=3), classifier(8, outputs=3)
    shared = first.fit(x, y, validation_split=0.2, epochs=2, seed=0, verbose=False)
    given = second.fit(x[:120], y[:120], validation_data=(x[120:], y[120:]), epochs=2, seed=0, verbose=False)
    assert shared.history == given.history


@pytest.mark.parametrize(("share", "held_out"), [(0.29, 29), (0.57, 57), (0.07, 7), (0.295, 29), (1 / 3, 33)])
def test_a_share_of_the_rows_is_not_cut_short_by_rounding(share, held_out):
    kept, rest = make_feed(np.ones((100, 1))).split(share)
    assert (kept.rows, rest.rows) == (100 - held_out, held_out)


def test_evaluate_and_predict_before_any_fit(iris):
    x, y = iris
    net = classifier(8, outputs=3)
    predicted = net.predict(x)
    expected = -np.log(np.exp(predicted)[np.arange(150), y] / np.exp(predicted).sum(axis=1)).mean()
    assert net.evaluate(x, y)["loss"] == pytest.approx(expected, rel=1e-5)  # float32 against float64
    assert nn.Sequential(nn.Dense(2)).predict(x).shape == (150, 2)


def test_metrics_as_functions_are_means_over_rows():
    x, y = line(rows=30)

    def largest(prediction, target):
        return nbdl.mean(nbdl.abs(nbdl.reshape(prediction, (-1,)) - target))

    net = nn.Sequential(nn.Dense(1)).compile("sgd", "mse", metrics=["mae", largest])
    measured = net.evaluate(x, y, batch_size=8)
    assert measured["largest"] == pytest.approx(measured["mae"], rel=1e-6)
    assert measured["mae"] == pytest.approx(np.abs(net.predict(x)[:, 0] - y).mean(), rel=1e-5)


class Top2(TopKAccuracy):
    name = "top_2"


def test_a_metric_may_have_a_name_of_its_own(iris):
    metrics = [{"name": "top_k_accuracy", "k": 1}, Top2(k=2), "accuracy"]
    measured = classifier(8, outputs=3, metrics=metrics).evaluate(*iris)
    assert list(measured) == ["loss", "top_k_accuracy", "top_2", "accuracy"]
    assert measured["top_k_accuracy"] == measured["accuracy"] < measured["top_2"]


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_a_network_that_was_not_compiled(iris):
    net = nn.Sequential(nn.Dense(3))
    for action in (net.fit, net.evaluate):
        with pytest.raises(OptionError, match=r"call net\.compile\(optimizer=\.\.\., loss=\.\.\.\) before"):
            action(*iris)


def test_a_layer_that_does_not_fit_is_named_with_its_shapes(iris):
    x, y = iris
    net = classifier(8, outputs=3)
    net.fit(x, y, verbose=False)
    with pytest.raises(
        ShapeError, match=r"in layer dense_1 \(input \(n, 5\)\): it was built for inputs of size 4, not 5"
    ):
        net.predict(np.ones((3, 5)))


@pytest.mark.parametrize(
    ("x", "y", "options", "error", "message"),
    [
        (np.ones((4, 2)), np.ones(3), {}, DataError, "x has 4 rows, but y has 3"),
        (np.ones((0, 2)), np.ones(0), {}, DataError, "no rows"),
        (np.array([["a", "b"]]), np.ones(1), {}, DataError, "x holds .*, not numbers"),
        ([[1, 2], [3]], [1, 2], {}, DataError, "all its rows need one length"),
        (np.array([[1.0, np.nan]]), np.ones(1), {}, DataError, r"NaN or infinite, the first at \(0, 1\)"),
        (np.ones((4, 2)), np.full(4, np.inf), {}, DataError, "y has 4 values that are NaN or infinite"),
        (np.ones((4, 2)), None, {}, DataError, "needs targets"),
        (3.0, np.ones(1), {}, ShapeError, "x needs rows"),
        (np.ones((4, 2)), np.ones((4, 3)), {}, ShapeError, "compares a prediction"),
        (np.ones((4, 2)), np.ones(4), {"epochs": -1}, OptionError, "epochs must be a whole number of at least 0"),
        (
            np.ones((4, 2)),
            np.ones(4),
            {"batch_size": 0},
            OptionError,
            "batch_size must be a whole number of at least 1",
        ),
        (np.ones((4, 2)), np.ones(4), {"validation_split": 1.5}, OptionError, "a share from 0 to below 1"),
        (np.ones((4, 2)), np.ones(4), {"validation_split": "0.1"}, OptionError, "from 0 to below 1, not '0.1'"),
        (np.ones((4, 2)), np.ones(4), {"seed": "a"}, OptionError, "seed must be a whole number from 0 to .*, not 'a'"),
        (np.ones((4, 2)), np.ones(4), {"seed": 2**70}, OptionError, f"from 0 to {2**63 - 1}, not {2**70}"),
        (np.ones((4, 2)), np.ones(4), {"seed": -1}, OptionError, "seed must be a whole number from 0"),
        (np.ones((4, 2)), np.ones(4), {"validation_split": 0.01}, DataError, "must leave some on both sides"),
        (np.ones((4, 2)), np.ones(4), {"workers": 0}, OptionError, "workers must be a whole number of at least 1"),
        (np.ones((4, 2)), np.ones(4), {"device": "tpu"}, OptionError, "the device is auto, cpu or cuda"),
        (np.ones((4, 2)), np.ones(4), {"callbacks": ["nothing"]}, LookupError, "no callback 'nothing'"),
        (np.ones((4, 2)), np.ones(4), {"callbacks": "progress"}, OptionError, "a list of callbacks, also for a single"),
        (np.ones((4, 2)), np.ones(4), {"callbacks": Callback()}, OptionError, "a list of callbacks, also for a single"),
        (np.ones((4, 2)), np.ones(4), {"callbacks": [Callback]}, OptionError, r"subclass of .*: write Callback\(...\)"),
        (np.ones((4, 2)), np.ones(4), {"callbacks": [print]}, OptionError, "an object of a subclass of nbdl.*Callback"),
        (np.ones((4, 2)), np.ones(4), {"validation_data": 5}, DataError, r"\(x, y\) or .*, not 'int'"),
        (np.ones((4, 2)), np.ones(4), {"validation_data": ()}, DataError, r"\(x, y\) or .*, not 0 things"),
        (np.ones((4, 2)), np.ones(4), {"validation_data": np.ones((2, 2))}, DataError, "not 'ndarray'"),
        ((), np.ones(4), {}, DataError, "an empty tuple"),
        (np.ones((4, 2)), np.ones(4), {"sample_weight": [1, 2]}, DataError, "one number for each of the 4 rows"),
    ],
)
def test_mistakes_get_one_clear_sentence(x, y, options, error, message):
    net = nn.Sequential(nn.Dense(1)).compile("sgd", "mse")
    with pytest.raises(error, match=message):
        net.fit(x, y, verbose=False, **options)


def loss(prediction, target):
    return nbdl.mean(prediction)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": [{"name": "top_k_accuracy", "k": k} for k in (1, 3)]}, "two metrics are called 'top_k_accuracy'"),
        ({"metrics": ["accuracy", "accuracy"]}, "'accuracy', .* or the attribute `name` of a Metric"),
        ({"metrics": [loss]}, "a metric is called 'loss', as the loss is"),
        ({"metrics": "accuracy"}, "metrics is a list of metrics, also for a single one, not 'accuracy'"),
        ({"metrics": None}, "metrics is a list of metrics"),
        ({"loss": 5}, "the loss must be a name or a function, not 5"),
    ],
)
def test_mistakes_in_compile(options, message):
    with pytest.raises(OptionError, match=message):
        nn.Sequential(nn.Dense(1)).compile(**{"loss": "mse"} | options)


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"workers": 0}, {"workers": 1.5}])
def test_mistakes_in_measuring(options):
    net = nn.Sequential(nn.Dense(1)).compile("sgd", "mse")
    for action in (net.predict, lambda x, **options: net.evaluate(x, x[:, 0], **options)):
        with pytest.raises(OptionError, match=f"{next(iter(options))} must be a whole number of at least 1"):
            action(np.ones((4, 2)), **options)


def test_labels_outside_of_the_classes(iris):
    x, y = iris
    net = classifier(8, outputs=3)
    with pytest.raises(DataError, match="3"):
        net.fit(x, y + 1, verbose=False)
