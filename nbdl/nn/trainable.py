"""What every network can do as a whole: compile, fit, evaluate, predict, show itself, save itself.

The methods are doors to `nbdl.train`, which stands above modules; they import it when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nbdl.tensor import Tensor

if TYPE_CHECKING:
    from nbdl.train.feed import Batch
    from nbdl.train.history import History

Named = str | Mapping[str, Any]

_predict: Any = None


class Trainable:
    """The training side of a module."""

    optimizer: Any
    _loss: Callable[..., Tensor] | None = None
    _metrics: dict[str, Any]

    def compile(
        self: Any,
        optimizer: Named | Any = "adam",
        loss: Named | Callable[..., Tensor] | None = None,
        metrics: Sequence[Named | Any] = (),
        *,
        debug: bool = False,
    ) -> Any:
        """Say how the network is trained.

        Args:
            optimizer: a name, a mapping with `name` and options, or an `Optimizer`.
            loss: a name, a mapping, or `function(prediction, target) -> scalar`; not needed with a `train_step` of your
                own.
            metrics: names, mappings, `Metric` objects, or functions `(prediction, target) -> scalar`. They are
                reported under their names; a `Metric` may have an attribute `name`.
            debug: run with NumPy, an operation at a time: breakpoints and prints work, and every value is checked.

        Raises:
            UnknownNameError: a name that no plugin offers.
            OptionError: options that don't fit, or two metrics of one name.

        >>> from nbdl import nn
        >>> net = nn.Sequential(nn.Dense(10))
        >>> net.compile(optimizer={"name": "sgd", "lr": 0.1}, loss="sparse_categorical_crossentropy",
        metrics=["accuracy"])  # doctest: +ELLIPSIS <nbdl.nn.layers.Sequential object at ...>
        """
        from nbdl.train.compiling import compile_network

        compile_network(self, optimizer, loss, metrics, debug=debug)
        return self

    def fit(self: Any, x: Any, y: Any = None, **options: Any) -> History:
        """Train the network; the options are those of `nbdl.train.fit`: epochs, batch_size, validation_split,
        callbacks, ...
        """
        from nbdl.train.fitting import fit

        return fit(self, x, y, **options)

    def evaluate(
        self: Any, x: Any, y: Any = None, *, batch_size: int = 1024, sample_weight: Any = None, workers: int = 1
    ) -> dict[str, Any]:
        """Return loss and metrics on data, e.g. `{"loss": 0.1, "accuracy": 0.98}`; at most `batch_size` rows at once.

        Raises:
            OptionError: the network has not been compiled.
            DataError, ShapeError: data that don't fit.
        """
        from nbdl.train.measuring import evaluate

        return evaluate(self, x, y, batch_size=batch_size, sample_weight=sample_weight, workers=workers)

    def predict(self: Any, x: Any, *, batch_size: int = 1024, workers: int | None = None) -> np.ndarray:
        """Return the network's output for every row of `x`, as a NumPy array; at most `batch_size` rows at once.

        The first call for a shape records and compiles the network; later ones take microseconds, as long as no module
        gets other attributes. What `forward` takes from elsewhere (a global variable) is read when it is recorded.

        Args:
            workers: threads; None chooses by the size of the work. For single rows that follow one another at once,
                others stand by (unless this is 1) to compute parts of products with large matrices.

        Raises:
            DataError, ShapeError: data that don't fit.
        """
        global _predict
        if _predict is None:  # an import costs as much as a small network's row
            from nbdl.train.predicting import predict as _predict
        return _predict(self, x, batch_size, workers)

    # --- one step, to be overridden for anything that fit can't guess ---

    def train_step(self: Any, batch: Batch) -> Mapping[str, Any]:
        """One training step in tensor code: it is traced once and compiled.

        Override it for anything that `fit` can't guess (two optimizers, distillation, ...): call
        `self.some_optimizer.minimize(loss, parameters)` as often as needed, and return what is to be reported: scalars
        by name, or `nbdl.train.Measured` sums. Optimizers are attributes of the network.
        """
        from nbdl.train.compiling import measured_loss, measured_metrics

        prediction = self(*batch.inputs)
        loss = measured_loss(self, prediction, batch)
        self.optimizer.minimize(loss, self.parameters())
        return {"loss": loss, **measured_metrics(self, prediction, batch)}

    def test_step(self: Any, batch: Batch) -> Mapping[str, Any]:
        """One step of `evaluate`: returns what is to be reported, as `train_step` does."""
        from nbdl.train.compiling import measured_loss, measured_metrics

        prediction = self(*batch.inputs)
        return {"loss": measured_loss(self, prediction, batch), **measured_metrics(self, prediction, batch)}

    # --- looking inside, and keeping ---

    def title(self: Any) -> str:
        """A short description for generated sources."""
        return getattr(self, "name", None) or type(self).__name__

    def source(self: Any, kind: str = "training") -> str:
        """The generated Python source of the last `training`, `evaluation` or `prediction` program.

        Raises `OptionError` if there is none yet.
        """
        from nbdl.train.compiling import source_of

        return source_of(self, kind)

    def summary(self: Any, x: Any = None) -> str:
        """A table of layers, output shapes, parameters, operations and bytes.

        Args:
            x: rows to work shapes out from, or the shape of one row; None if the network has seen data already.
        """
        from nbdl.train.summary import summary

        return summary(self, x)

    def save(self: Any, path: str | Path) -> None:
        """Save architecture and weights in one file that `nbdl.load` reads.

        Raises `RunError` if it can't be written.
        """
        from nbdl.train.saving import save

        save(self, path)
