"""The built-in optimizers and learning-rate schedules, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl_optimizers.adam import Adam, AdamW
from nbdl_optimizers.sgd import SGD


@hookimpl
def nbdl_optimizers(register: Register) -> None:
    """Offer update rules."""
    for optimizer in (SGD, Adam, AdamW):
        register(optimizer.__name__.lower(), optimizer)
