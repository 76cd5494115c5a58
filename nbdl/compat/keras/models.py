"""`keras.models`: networks with Keras' way of being compiled, trained and measured."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nbdl import nn
from nbdl.compat.keras import layers, losses, metrics, optimizers
from nbdl.compat.keras.layers.base import Layer
from nbdl.compat.naming import PAGE, missing, refuse
from nbdl.errors import OptionError
from nbdl.tensor_files import save_tensors
from nbdl.train import History as NativeHistory
from nbdl.train.saving import load, load_weights, save

Verbose = str | int


class History:
    """What `fit` returns: `history`, lists by name, and `epoch`, the epochs' numbers."""

    def __init__(self, native: NativeHistory, params: dict[str, Any]):
        self.history = native.history
        self.epoch = native.epochs
        self.params = params


class Model(Layer):
    """A network. A subclass makes layers in its constructor and computes in `call(self, inputs)`, which may have an
    argument `training`: whether it is called for training.
    """

    stop_training = False
    _given_shape: tuple[int, ...] | None = None
    """The shape of a row, if it is known before there are rows."""

    def __init__(self, *args: Any, name: str | None = None, **options: Any):
        if args or options:
            raise OptionError(f"Model(inputs, outputs) isn't covered: use Sequential, or a subclass with call ({PAGE})")
        self.begin(name=name)

    def call(self, *inputs: Any, **named: Any) -> Any:
        """Compute the output. Subclasses must define it."""
        raise NotImplementedError(f"{type(self).__name__} defines no call(self, inputs)")

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the native network calls."""
        if "training" in inspect.signature(self.call).parameters:
            named["training"] = self.training
        return self.call(*inputs, **named)

    # --- training ---

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, metrics: Any = None, **options: Any) -> None:
        """Say how the network is trained, by Keras' names."""
        options.pop("jit_compile", None)  # nbdl always compiles, however Keras would
        refuse("compile", options, {"run_eagerly": False, "steps_per_execution": 1, "weighted_metrics": None})
        wanted = [metrics] if isinstance(metrics, str) else list(metrics or ())
        super().compile(optimizers.get(optimizer), losses.get(loss), [metric_of(each) for each in wanted])

    def fit(  # type: ignore[override]
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Verbose = "auto",
        callbacks: Sequence[Any] | None = None,
        validation_split: float = 0.0,
        validation_data: tuple[Any, ...] | None = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        **options: Any,
    ) -> History:
        """Train the network."""
        refuse("fit", options, {"steps_per_epoch": None, "validation_batch_size": None, "validation_freq": 1})
        batch_size = batch_size or 32
        with self.mode(self.training):
            history = super().fit(
                x,
                y,
                batch_size=batch_size,
                epochs=epochs,
                verbose=bool(verbose),
                callbacks=() if callbacks is None else callbacks,
                validation_split=validation_split,
                validation_data=validation_data,
                shuffle=shuffle,
                class_weight=class_weight,
                sample_weight=sample_weight,
                initial_epoch=initial_epoch,
            )
        return History(history, {"epochs": epochs, "batch_size": batch_size})

    def evaluate(  # type: ignore[override]
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Verbose = "auto",
        sample_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss and the metrics: a list, or only the loss if there are none, or a dictionary."""
        measured = super().evaluate(x, y, batch_size=batch_size or 1024, sample_weight=sample_weight)
        if verbose:
            print(" - ".join(f"{name}: {value:.4f}" for name, value in measured.items() if np.ndim(value) == 0))
        if return_dict:
            return measured
        return list(measured.values()) if len(measured) > 1 else measured["loss"]

    def predict(  # type: ignore[override]
        self, x: Any, batch_size: int | None = None, verbose: Verbose = "auto"
    ) -> np.ndarray:
        """Return the network's output for every row."""
        return super().predict(x, batch_size=batch_size or 1024)

    # --- looking inside, and keeping ---

    def build_early(self) -> None:
        """Let the layers make their parameters, if the shape of a row is known."""
        if not self._built and self._given_shape is not None:
            self(np.zeros((1, *self._given_shape), np.float32))

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and state, by full name."""
        self.build_early()
        return super().state_dict()

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Set all parameters and state."""
        self.build_early()
        super().load_state_dict(state)

    def summary(self, x: Any = None) -> None:  # type: ignore[override]
        """Print layers, shapes and parameters."""
        print(super().summary(x if x is not None or self._built else self._given_shape))

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """A layer by its name or place. Raises `OptionError` if there is none."""
        found = [each for _, each in self.named_children()]
        if index is not None:
            return found[index]
        for each in found:
            if isinstance(each, Layer) and each.name == name:
                return each
        raise OptionError(f"there is no layer {name!r}")

    def save(self, path: str | Path) -> None:
        """Save architecture and weights in one file, in nbdl's format, for `load_model`."""
        save(self, path)

    def save_weights(self, path: str | Path) -> None:
        """Save the weights, in nbdl's format."""
        save_tensors(path, self.state_dict())

    def load_weights(self, path: str | Path) -> None:
        """Set the weights that `save_weights`, `save` or a `ModelCheckpoint` has saved."""
        self.load_state_dict(load_weights(path))


class Sequential(Model, nn.Sequential):
    """`nbdl.nn.Sequential`, with a list of layers, and Keras' methods."""

    def __init__(self, layers: Iterable[Any] | None = None, *, name: str | None = None):
        self.begin(name=name)
        nn.Sequential.__init__(self)
        for each in layers or ():
            self.add(each)

    def add(self, layer: Any) -> None:
        """Put a layer at the end; an `Input` as the first says the shape of a row."""
        if not self.layers and self._given_shape is None:
            self._given_shape = getattr(layer, "input_shape", None) or getattr(layer, "_given_shape", None)
        if not isinstance(layer, layers.Input):
            nn.Sequential.add(self, layer)

    def pop(self) -> None:
        """Take the last layer away."""
        self.layers.pop()

    def forward(self, *inputs: Any) -> Any:
        """Return the output of the last layer."""
        return nn.Sequential.forward(self, *inputs)

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What makes it again as it is now."""
        return (list(self.layers),), {}


def metric_of(metric: Any) -> Any:
    """nbdl's metric for what Keras takes."""
    return metrics.get(metric)


def load_model(path: str | Path, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Read a network that `save` wrote."""
    own = {name: getattr(layers, name) for name in layers.__all__}
    return load(path, {**own, "Sequential": Sequential, **(custom_objects or {})})


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
