"""The built-in activation functions, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl_activations.rectified import elu, leaky_relu, relu, selu
from nbdl_activations.smooth import gelu, linear, sigmoid, silu, softplus, tanh
from nbdl_activations.softmax import log_softmax, softmax


@hookimpl
def nbdl_activations(register: Register) -> None:
    """Offer activation functions that keep the shape."""
    for activation in (relu, leaky_relu, elu, selu):
        register(activation.__name__, activation)
    for activation in (linear, sigmoid, tanh, softplus, silu, gelu, softmax, log_softmax):
        register(activation.__name__, activation)
