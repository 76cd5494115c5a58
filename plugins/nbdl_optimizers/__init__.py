"""The built-in optimizers and learning-rate schedules, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl_optimizers.adagrad import Adadelta, Adagrad
from nbdl_optimizers.adam import Adam, AdamW
from nbdl_optimizers.lion import Lion
from nbdl_optimizers.nadam import NAdam
from nbdl_optimizers.rmsprop import RMSProp
from nbdl_optimizers.schedules import constant, cosine, exponential, step, warmup
from nbdl_optimizers.sgd import SGD


@hookimpl
def nbdl_optimizers(register: Register) -> None:
    """Offer update rules."""
    for optimizer in (SGD, Adagrad, RMSProp, Adadelta, Adam, AdamW, NAdam, Lion):
        register(optimizer.__name__.lower(), optimizer)


@hookimpl
def nbdl_schedules(register: Register) -> None:
    """Offer learning rates that change with the step."""
    for schedule in (constant, step, exponential, cosine, warmup):
        register(schedule.__name__, schedule)
