"""The built-in losses, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl_losses.crossentropy import binary_crossentropy, categorical_crossentropy, sparse_categorical_crossentropy
from nbdl_losses.divergence import kl_divergence
from nbdl_losses.margin import hinge
from nbdl_losses.regression import huber, mae, mse


@hookimpl
def nbdl_losses(register: Register) -> None:
    """Offer losses for numbers, for classes and for distributions."""
    for loss in (mse, mae, huber):
        register(loss.__name__, loss)
    for loss in (binary_crossentropy, categorical_crossentropy, sparse_categorical_crossentropy, hinge, kl_divergence):
        register(loss.__name__, loss)
