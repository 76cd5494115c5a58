"""Whole programs in nbdl; each prints how well it did."""

from __future__ import annotations

from nbdl import nn, plugins
from nbdl_benchmarks import whole_data


def matrix_exponential() -> None:
    """Learn the exponential of matrices; print the loss."""
    x, y = whole_data.matrices()
    net = nn.Sequential(nn.Dense(32, "tanh"), nn.Dense(16, "tanh"), nn.Dense(4))
    net.compile("adam", "mse")
    net.fit(x, y, epochs=10_000, batch_size=len(x), shuffle=False, verbose=False, seed=0)
    print(net.evaluate(x, y)["loss"])


def lenet5_mnist() -> None:
    """Learn MNIST; print the accuracy on the test images."""
    x, y, test_x, test_y = whole_data.digits()
    net = plugins.lookup("models", "lenet5").make(outputs=10)
    net.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    net.fit(x, y, epochs=10, batch_size=128, verbose=False, seed=0)
    print(net.evaluate(test_x, test_y)["accuracy"])
