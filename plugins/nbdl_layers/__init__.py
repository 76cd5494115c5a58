"""The built-in layers, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl.nn.layers import Activation, Dense, Dropout, Flatten
from nbdl.nn.normalization import BatchNorm, LayerNorm, RMSNorm


@hookimpl
def nbdl_layers(register: Register) -> None:
    """Offer the layers."""
    register("dense", Dense)
    register("flatten", Flatten)
    register("dropout", Dropout)
    register("activation", Activation)
    register("batch_norm", BatchNorm)
    register("layer_norm", LayerNorm)
    register("rms_norm", RMSNorm)
