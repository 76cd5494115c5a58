"""The built-in models, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl_models.cnn import cnn
from nbdl_models.lenet5 import lenet5
from nbdl_models.linear import linear, logistic
from nbdl_models.mlp import mlp


@hookimpl
def nbdl_models(register: Register) -> None:
    """Offer models for tables and images."""
    for model in (cnn, lenet5, linear, logistic, mlp):
        register(model.__name__, model)
