"""`keras.initializers`: nbdl's starting values by Keras' names."""

from __future__ import annotations

from typing import Any

from nbdl.compat.naming import missing


def RandomNormal(mean: float = 0.0, stddev: float = 0.05) -> dict[str, Any]:  # noqa: N802 - Keras' name
    """The initializer `normal`."""
    return {"name": "normal", "mean": mean, "std": stddev}


def RandomUniform(minval: float = -0.05, maxval: float = 0.05) -> dict[str, Any]:  # noqa: N802
    """The initializer `uniform`."""
    return {"name": "uniform", "low": minval, "high": maxval}


def Constant(value: float = 0.0) -> dict[str, Any]:  # noqa: N802
    """The initializer `constant`."""
    return {"name": "constant", "value": value}


def Zeros() -> str:  # noqa: N802
    """The initializer `zeros`."""
    return "zeros"


def Ones() -> str:  # noqa: N802
    """The initializer `ones`."""
    return "ones"


def GlorotUniform() -> str:  # noqa: N802
    """The initializer `glorot_uniform`."""
    return "glorot_uniform"


def GlorotNormal() -> str:  # noqa: N802
    """The initializer `glorot_normal`."""
    return "glorot_normal"


def HeUniform() -> str:  # noqa: N802
    """The initializer `he_uniform`."""
    return "he_uniform"


def HeNormal() -> str:  # noqa: N802
    """The initializer `he_normal`."""
    return "he_normal"


def Orthogonal(gain: float = 1.0) -> dict[str, Any]:  # noqa: N802
    """The initializer `orthogonal`."""
    return {"name": "orthogonal", "gain": gain}


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
