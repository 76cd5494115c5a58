"""The built-in initializers, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl_initializers.fixed import constant, normal, ones, uniform, zeros
from nbdl_initializers.scaled import (
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    orthogonal,
)


@hookimpl
def nbdl_initializers(register: Register) -> None:
    """Offer starting values of parameters."""
    for initializer in (zeros, ones, constant, uniform, normal):
        register(initializer.__name__, initializer)
    for initializer in (glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_normal, orthogonal):
        register(initializer.__name__, initializer)
