"""`torch.optim`: nbdl's optimizers, given their parameters when they are made."""

from typing import Any

from nbdl.compat.naming import missing
from nbdl.compat.torch.optim import lr_scheduler
from nbdl.compat.torch.optim.optimizer import Optimizer
from nbdl.compat.torch.optim.optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, NAdam, RMSprop

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "NAdam", "Optimizer", "RMSprop", "lr_scheduler"]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
