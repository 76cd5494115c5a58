"""The complete Keras and PyTorch programs of the seed documents run with only their import lines changed.

What they leave to their reader (data, an import that was forgotten) is supplied.
"""

import gzip
import struct
from types import SimpleNamespace

import numpy as np
import pytest

import nbdl
import nbdl.compat.torch as torch
from nbdl.compat.torch.utils.data import DataLoader, TensorDataset
from nbdl.optim.native import NativeUpdate
from tests.compat.seeds import block, blocks, run, swapped


@pytest.fixture(autouse=True)
def _seeded():
    nbdl.set_seed(0)


def pictures(rows=500, seed=0):
    """Bright stripes at ten heights, `(rows, 784)` in [0, 1], and class numbers: easily told apart."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, rows)
    x = 0.2 * rng.random((rows, 28, 28), dtype=np.float32)
    for row, number in enumerate(y):
        x[row, 2 * number : 2 * number + 6, 4:24] += 0.8
    return x.reshape(rows, 784), y


def one_hot(y):
    return np.eye(10, dtype=np.float32)[y]


def falls(history):
    return history["loss"][-1] < history["loss"][0]


def trained(model, x, y):
    """A Keras model's accuracy after the program has trained it."""
    return model.evaluate(x, y, verbose=0)[1]


# --- Keras ------------------------------------------------------------------------------------------------------------


def test_dense_layers_added_one_by_one():
    x, y = pictures()
    made = run(block("units=10"), x_train=x, y_train=y)
    assert [layer.units for layer in made["model"].layers] == [10, 10, 10]
    assert trained(made["model"], x, y) > 0.5


def test_dense_layers_and_one_hot_targets():
    x, y = pictures()
    made = run(block("Dense(32, input_dim=784"), X_train=x, y_train=one_hot(y))
    assert trained(made["model"], x, one_hot(y)) > 0.95


def test_convolutions():
    x, y = pictures(200)
    images = x.reshape(-1, 28, 28, 1)
    made = run(block("MaxPooling2D((2, 2))"), X_train=images, y_train=one_hot(y))
    assert made["model"].count_params() == 121_930
    assert trained(made["model"], images, one_hot(y)) > 0.95


def test_a_list_of_layers_and_an_evaluation(capsys):
    (x, y), (x_test, y_test) = pictures(), pictures(100, seed=1)
    made = run(block("input_shape=(28*28,)"), train_images=x, train_labels=y, test_images=x_test, test_labels=y_test)
    assert made["test_acc"] > 0.95
    assert f"Test accuracy: {made['test_acc']}" in capsys.readouterr().out


def test_scaled_rows_and_a_validation_split():
    """A program in four pieces: the network, the data, training, evaluation."""
    pieces = blocks("dataset.data")
    x, y = pictures()
    first = pieces[: next(place for place, each in enumerate(pieces) if "mnist" in each)]
    made = run("\n".join(first), dataset=SimpleNamespace(data=x, target=y))
    assert len(made["history"].history["val_accuracy"]) == 10
    assert falls(made["history"].history)
    assert made["accuracy"] > 0.9


@pytest.fixture
def mnist_folder(tmp_path, monkeypatch):
    """Small files under the names of MNIST's."""
    for part, rows in (("train", 300), ("t10k", 60)):
        x, y = pictures(rows, seed=rows)
        images = np.rint(x * 255).astype(np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(struct.pack(">4I", 0x00000803, rows, 28, 28) + images.tobytes())
        )
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(struct.pack(">2I", 0x00000801, rows) + y.astype(np.uint8).tobytes())
        )
    monkeypatch.setenv("NBDL_DATA", str(tmp_path))


def test_digits_from_their_loader(mnist_folder):
    """The one line between loading and scaling is ours: StandardScaler takes no images, with Keras as without."""
    pieces = blocks("mnist.load_data")
    place = next(place for place, each in enumerate(pieces) if "mnist.load_data" in each)
    flat = "X_train, X_test = X_train.reshape(len(X_train), -1), X_test.reshape(len(X_test), -1)\n"
    made = run("\n".join([pieces[place], flat, *pieces[place + 1 :]]))
    assert made["X_test"].shape == (60, 784)
    assert len(made["history"].history["val_loss"]) == 10
    assert made["accuracy"] > 0.9


# --- PyTorch ----------------------------------------------------------------------------------------------------------


def is_native(optimizer):
    (group,) = optimizer.param_groups
    return any(isinstance(each, NativeUpdate) for each in group.native.state.programs.values())


def test_a_recurrent_network_and_its_loop():
    x = torch.randn(15, 1, 10)
    made = run(block("nn.RNN(input_size"), x_train=x, y_train=x.sum(2, keepdim=True) / 3)
    assert made["loss"].item() < 0.05
    assert is_native(made["optimizer"])


def test_a_network_its_loop_and_the_share_of_right_answers(capsys):
    """The document's program doesn't import F; and it makes five steps, too few to learn much."""
    (x, y), (x_test, y_test) = pictures(), pictures(100, seed=1)
    names = {
        "F": torch.nn.functional,
        "train_images": torch.tensor(x),
        "train_labels": torch.tensor(y),
        "test_loader": DataLoader(TensorDataset(torch.tensor(x_test), torch.tensor(y_test)), batch_size=32),
    }
    source = block("self.fc1 = nn.Linear(28*28, 64)")
    made = run(source, **names)
    assert capsys.readouterr().out == f"Accuracy of the model on the 10000 test images: {made['correct']} %\n"
    assert made["total"] == 100
    longer = run(source.replace("range(5)", "range(100)"), **names)
    assert longer["correct"] > 90
    assert is_native(longer["optimizer"])


# --- the tools of these tests -----------------------------------------------------------------------------------------


def test_import_lines_are_all_that_changes():
    program = (
        "import torch\nimport torch.nn as nn\nfrom tensorflow.keras.models import Sequential\nfrom torch import nn\n"
    )
    program += "import tensorflow as tf\nx = torch.zeros(1)  # import torch\n"
    assert swapped(program).splitlines() == [
        "import nbdl.compat.torch as torch",
        "import nbdl.compat.torch.nn as nn",
        "from nbdl.compat.tensorflow.keras.models import Sequential",
        "from nbdl.compat.torch import nn",
        "import nbdl.compat.tensorflow as tf",
        "x = torch.zeros(1)  # import torch",
    ]
