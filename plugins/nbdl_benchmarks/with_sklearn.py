"""scikit-learn: `partial_fit` of its multilayer perceptron, for the networks that it has."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from nbdl.benchmarking import Trainer
from nbdl_benchmarks.layers import Dense
from nbdl_benchmarks.values import starting_values
from nbdl_benchmarks.workloads import Workload

TWO = ("crossentropy", (2,))  # scikit-learn gives two classes one output
NAMES = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}


def trainers(workload: Workload) -> dict[str, Trainer]:
    """One trainer for a multilayer perceptron with hidden layers of one activation and a linear output."""
    dense = [each for each in workload.layers if isinstance(each, Dense)]
    hidden = {each.activation for each in dense[:-1]}
    fits = len(dense) == len(workload.layers) and len(hidden) == 1 and hidden <= NAMES.keys()
    if not fits or workload.generator or dense[-1].activation != "linear" or (workload.loss, workload.output) == TWO:
        raise NotImplementedError("scikit-learn has no such network")
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    x, y = workload.data()
    kind = MLPRegressor if workload.loss == "mse" else MLPClassifier
    net = kind(
        [each.units for each in dense[:-1]], activation=NAMES[hidden.pop()], alpha=0.0, batch_size=workload.batch,
        learning_rate_init=1e-3, shuffle=False,
    )  # fmt: skip
    _begin(net, workload, x, y)

    def run(order: np.ndarray) -> None:
        for rows in order:
            net.partial_fit(x[rows], y[rows])

    def loss() -> float:
        if workload.loss == "mse":
            return float(np.mean((net.predict(x) - y) ** 2))
        return float(-np.mean(np.log(net.predict_proba(x)[np.arange(len(y)), y])))

    return {"scikit-learn": Trainer(run, loss)}


def _begin(net: Any, workload: Workload, x: np.ndarray, y: np.ndarray) -> None:
    """Make the network's arrays by a first fit, and put the starting values and a new optimizer in their place."""
    classes = {} if workload.loss == "mse" else {"classes": np.arange(workload.output[-1])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.partial_fit(x[: workload.batch], y[: workload.batch], **classes)
    for place, (weight, bias) in enumerate(starting_values(workload.row, workload.layers)):
        net.coefs_[place][...] = weight
        net.intercepts_[place][...] = bias
    optimizer = net._optimizer  # scikit-learn has no public way to begin anew with given weights
    optimizer.t = 0
    for moments in (optimizer.ms, optimizer.vs):
        for each in moments:
            each[...] = 0
