"""The built-in layers, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl.nn.layers import Activation, Dense, Dropout, Flatten


@hookimpl
def nbdl_layers(register: Register) -> None:
    """Offer the plain layers."""
    register("dense", Dense)
    register("flatten", Flatten)
    register("dropout", Dropout)
    register("activation", Activation)
