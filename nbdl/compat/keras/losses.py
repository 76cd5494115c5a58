"""`keras.losses`: nbdl's losses by Keras' names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nbdl import functions
from nbdl.compat.keras.names import LOSSES, native
from nbdl.compat.naming import missing
from nbdl.resolve import resolve
from nbdl.tensor import Tensor


class Loss(dict[str, Any]):
    """A name and options of one of nbdl's losses, which can be called as Keras' losses are: with the target first."""

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """Return the mean over all rows."""
        found: Tensor = resolve("losses", dict(self))(functions.asarray(y_pred), functions.asarray(y_true))
        return found


def get(loss: Any) -> Any:
    """What nbdl's `compile` takes: a name, a mapping, or a function with the arguments in nbdl's order."""
    if isinstance(loss, Loss):
        return dict(loss)
    return _swapped(loss) if callable(loss) else native(LOSSES, loss)


def _swapped(loss: Callable[..., Any]) -> Callable[[Tensor, Tensor], Tensor]:
    """Keras' losses are called with the target first, and may return a number for each row."""

    def swapped(prediction: Tensor, target: Tensor) -> Tensor:
        return functions.mean(loss(target, prediction))

    swapped.__name__ = getattr(loss, "__name__", "loss")
    return swapped


def _options(name: str, from_logits: bool, label_smoothing: float) -> Loss:
    # Probabilities that came out of a sigmoid or softmax remember what it was applied to: nbdl works from that.
    return Loss(name=name, from_logits=from_logits or None, label_smoothing=label_smoothing)


def SparseCategoricalCrossentropy(from_logits: bool = False) -> Loss:  # noqa: N802 - Keras' name
    """The loss `sparse_categorical_crossentropy`: class numbers."""
    return _options("sparse_categorical_crossentropy", from_logits, 0.0)


def CategoricalCrossentropy(from_logits: bool = False, label_smoothing: float = 0.0) -> Loss:  # noqa: N802
    """The loss `categorical_crossentropy`: one-hot targets."""
    return _options("categorical_crossentropy", from_logits, label_smoothing)


def BinaryCrossentropy(from_logits: bool = False, label_smoothing: float = 0.0) -> Loss:  # noqa: N802
    """The loss `binary_crossentropy`: yes or no."""
    return _options("binary_crossentropy", from_logits, label_smoothing)


def MeanSquaredError() -> Loss:  # noqa: N802
    """The loss `mse`."""
    return Loss(name="mse")


def MeanAbsoluteError() -> Loss:  # noqa: N802
    """The loss `mae`."""
    return Loss(name="mae")


def Huber(delta: float = 1.0) -> Loss:  # noqa: N802
    """The loss `huber`."""
    return Loss(name="huber", delta=delta)


def KLDivergence() -> Loss:  # noqa: N802
    """The loss `kl_divergence`."""
    return Loss(name="kl_divergence")


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
