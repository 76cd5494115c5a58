"""The kit that plugins are tested with; the built-in ones pass the same checks.

Each check raises `AssertionError` with what was found. A plugin's own tests call them:

>>> import numpy as np
>>> import nbdl
>>> def squared(prediction, target):
...     '''Mean squared error.'''
...     return nbdl.mean(nbdl.mean(nbdl.square(prediction - target), axis=1))
>>> check_loss(squared, np.array([[1.0], [2.0]]), np.array([[1.5], [0.0]]))
"""

from nbdl.testing.functions import (
    batch_reductions,
    check_gradients,
    check_traces,
    gradient,
    interpreted,
    trace,
)
from nbdl.testing.kinds import (
    check_activation,
    check_documented,
    check_initializer,
    check_loss,
    check_loss_extremes,
    check_metric,
    check_optimizer,
    check_schedule,
)
from nbdl.testing.models import check_model, check_model_trains

__all__ = [
    "batch_reductions",
    "check_activation",
    "check_documented",
    "check_gradients",
    "check_initializer",
    "check_loss",
    "check_loss_extremes",
    "check_metric",
    "check_model",
    "check_model_trains",
    "check_optimizer",
    "check_schedule",
    "check_traces",
    "gradient",
    "interpreted",
    "trace",
]
