"""The built-in models, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl_models.autoencoder import Autoencoder
from nbdl_models.char_transformer import CharTransformer, char_transformer
from nbdl_models.cnn import cnn
from nbdl_models.dcgan import DCGAN
from nbdl_models.gan import GAN
from nbdl_models.lenet5 import lenet5
from nbdl_models.linear import linear, logistic
from nbdl_models.mlp import mlp
from nbdl_models.recurrent import RecurrentNetwork, char_rnn, gru, lstm, rnn
from nbdl_models.resnet import BasicBlock, resnet
from nbdl_models.seq2seq import Seq2Seq
from nbdl_models.seq2seq_transformer import Seq2SeqTransformer
from nbdl_models.transformer import Transformer, transformer
from nbdl_models.vae import VAE


@hookimpl
def nbdl_models(register: Register) -> None:
    """Offer models for tables, images, sequences and texts, and models that generate."""
    for model in (
        char_rnn,
        char_transformer,
        cnn,
        gru,
        lenet5,
        linear,
        logistic,
        lstm,
        mlp,
        resnet,
        rnn,
        transformer,
    ):
        register(model.__name__, model)
    register("autoencoder", Autoencoder)
    register("vae", VAE)
    register("gan", GAN)
    register("dcgan", DCGAN)
    register("seq2seq", Seq2Seq)
    register("seq2seq_transformer", Seq2SeqTransformer)


@hookimpl
def nbdl_layers(register: Register) -> None:
    """Offer the layers that models are made of, so that saved networks find them."""
    register("basic_block", BasicBlock)
    register("recurrent_network", RecurrentNetwork)
    register("transformer_network", Transformer)
    register("char_transformer_network", CharTransformer)
