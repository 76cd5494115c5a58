"""The built-in models, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl_models.char_transformer import char_transformer
from nbdl_models.cnn import cnn
from nbdl_models.lenet5 import lenet5
from nbdl_models.linear import linear, logistic
from nbdl_models.mlp import mlp
from nbdl_models.resnet import BasicBlock, resnet
from nbdl_models.transformer import transformer


@hookimpl
def nbdl_models(register: Register) -> None:
    """Offer models for tables, images, sequences and texts."""
    for model in (
        char_transformer,
        cnn,
        lenet5,
        linear,
        logistic,
        mlp,
        resnet,
        transformer,
    ):
        register(model.__name__, model)


@hookimpl
def nbdl_layers(register: Register) -> None:
    """Offer the layers that models are made of, so that saved networks find them."""
    register("basic_block", BasicBlock)
