"""`keras.optimizers`: nbdl's optimizers by Keras' names, with Keras' defaults."""

from __future__ import annotations

from typing import Any

from nbdl.compat.keras.optimizers import schedules
from nbdl.compat.naming import missing, refuse
from nbdl.errors import UnknownNameError, suggest
from nbdl.resolve import resolve

OPTIONS = {"clipnorm": "clip_norm", "global_clipnorm": "clip_norm", "clipvalue": "clip_value", "lr": "lr"}
REFUSED = {"ema_momentum": 0.99, "name": None, "use_ema": False, "weight_decay": None}


def _native(name: str, options: dict[str, Any], /, **known: Any) -> Any:
    """The native optimizer; options that all of Keras' optimizers have are translated or refused."""
    translated = {OPTIONS[key]: value for key, value in options.items() if key in OPTIONS}
    refuse(name, {key: value for key, value in options.items() if key not in OPTIONS}, REFUSED)
    return resolve("optimizers", {"name": name, **known, **translated})


def SGD(  # noqa: N802 - Keras' name
    learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **options: Any
) -> Any:
    """`nbdl.optim.sgd`."""
    return _native("sgd", options, lr=learning_rate, momentum=momentum, nesterov=nesterov)


def Adam(  # noqa: N802
    learning_rate: Any = 1e-3,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
    **options: Any,
) -> Any:
    """`nbdl.optim.adam`."""
    moments = {"beta1": beta_1, "beta2": beta_2, "epsilon": epsilon, "amsgrad": amsgrad}
    return _native("adam", options, lr=learning_rate, **moments)


def AdamW(  # noqa: N802
    learning_rate: Any = 1e-3,
    weight_decay: float = 0.004,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
    **options: Any,
) -> Any:
    """`nbdl.optim.adamw`."""
    moments = {"beta1": beta_1, "beta2": beta_2, "epsilon": epsilon, "amsgrad": amsgrad}
    return _native("adamw", options, lr=learning_rate, weight_decay=weight_decay, **moments)


def Nadam(  # noqa: N802
    learning_rate: Any = 1e-3, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7, **options: Any
) -> Any:
    """`nbdl.optim.nadam`."""
    return _native("nadam", options, lr=learning_rate, beta1=beta_1, beta2=beta_2, epsilon=epsilon)


def RMSprop(  # noqa: N802
    learning_rate: Any = 1e-3,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
    **options: Any,
) -> Any:
    """`nbdl.optim.rmsprop`."""
    known = {"rho": rho, "momentum": momentum, "epsilon": epsilon, "centered": centered}
    return _native("rmsprop", options, lr=learning_rate, **known)


def Adagrad(  # noqa: N802
    learning_rate: Any = 1e-3, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7, **options: Any
) -> Any:
    """`nbdl.optim.adagrad`."""
    return _native("adagrad", options, lr=learning_rate, initial_total=initial_accumulator_value, epsilon=epsilon)


def Adadelta(  # noqa: N802
    learning_rate: Any = 1e-3, rho: float = 0.95, epsilon: float = 1e-7, **options: Any
) -> Any:
    """`nbdl.optim.adadelta`."""
    return _native("adadelta", options, lr=learning_rate, rho=rho, epsilon=epsilon)


def Lion(  # noqa: N802
    learning_rate: Any = 1e-3, beta_1: float = 0.9, beta_2: float = 0.99, **options: Any
) -> Any:
    """`nbdl.optim.lion`."""
    return _native("lion", options, lr=learning_rate, beta1=beta_1, beta2=beta_2)


NAMES = {each.__name__.lower(): each for each in (SGD, Adam, AdamW, Nadam, RMSprop, Adagrad, Adadelta, Lion)}


def get(optimizer: Any) -> Any:
    """An optimizer by Keras' name, with Keras' defaults; what isn't a name stays as it is.

    Raises `UnknownNameError` for a name that there isn't.
    """
    if not isinstance(optimizer, str):
        return optimizer
    if optimizer.lower() not in NAMES:
        raise UnknownNameError(f"there is no optimizer {optimizer!r} here; {suggest(optimizer, NAMES)}")
    return NAMES[optimizer.lower()]()


__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Lion", "Nadam", "RMSprop", "get", "schedules"]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
