"""`keras.optimizers.schedules`: nbdl's schedules by Keras' names."""

from __future__ import annotations

from typing import Any

from nbdl.compat.naming import missing


def ExponentialDecay(  # noqa: N802 - Keras' name
    initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False
) -> dict[str, Any]:
    """The schedule `exponential`, or `step` for a staircase."""
    name = "step" if staircase else "exponential"
    return {"name": name, "every": decay_steps, "lr": initial_learning_rate, "factor": decay_rate}


def CosineDecay(initial_learning_rate: float, decay_steps: int, alpha: float = 0.0) -> dict[str, Any]:  # noqa: N802
    """The schedule `cosine`."""
    end = alpha * initial_learning_rate
    return {"name": "cosine", "steps": decay_steps, "lr": initial_learning_rate, "end": end}


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
