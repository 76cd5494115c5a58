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
from nbdl_models.recurrent import GRU, LSTM, RNN, CharRNN
from nbdl_models.resnet import BasicBlock, resnet
from nbdl_models.seq2seq import Seq2Seq
from nbdl_models.seq2seq_transformer import Seq2SeqTransformer
from nbdl_models.transformer import Transformer, transformer
from nbdl_models.vae import VAE


@hookimpl
def nbdl_models(register: Register) -> None:
    """Offer models for tables, images, sequences and texts, and models that generate."""
    for model in (char_transformer, cnn, lenet5, linear, logistic, mlp, resnet, transformer):
        register(model.__name__, model)
    for name, network in (
        ("rnn", RNN),
        ("lstm", LSTM),
        ("gru", GRU),
        ("char_rnn", CharRNN),
        ("autoencoder", Autoencoder),
        ("vae", VAE),
        ("gan", GAN),
        ("dcgan", DCGAN),
        ("seq2seq", Seq2Seq),
        ("seq2seq_transformer", Seq2SeqTransformer),
    ):
        register(name, network)


@hookimpl
def nbdl_layers(register: Register) -> None:
    """Offer the layers that models are made of, so that saved networks find them."""
    register("basic_block", BasicBlock)
    register("transformer_network", Transformer)
    register("char_transformer_network", CharTransformer)
