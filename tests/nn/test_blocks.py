"""Blocks: against PyTorch's transformer layers, saved and loaded, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl import nn, testing
from nbdl.errors import OptionError, ShapeError
from tests.codegen.maker import EXAMPLES
from tests.nn.programs import check_program
from tests.nn.test_attention import copied
from tests.nn.twins import assert_agree, fill, ours, theirs


def copy_dense(layer: nn.Dense, twin) -> None:
    import torch

    with torch.no_grad():
        twin.weight.copy_(torch.tensor(layer.weight.numpy().T))
        twin.bias.copy_(torch.tensor(layer.bias.numpy()))


def copy_block(block: nn.TransformerBlock, twin) -> dict:
    """Give PyTorch's layer our weights; some of its parameters by our names."""
    import torch

    copied(block.attention, twin.self_attn)
    if block.cross is not None:
        copied(block.cross, twin.multihead_attn)
    copy_dense(block.feed_forward.hidden, twin.linear1)
    copy_dense(block.feed_forward.output, twin.linear2)
    parts = ("attention", "feed_forward") if block.cross is None else ("attention", "cross", "feed_forward")
    norms = {f"{part}_norm": getattr(twin, f"norm{place}") for place, part in enumerate(parts, start=1)}
    with torch.no_grad():
        for name, other in norms.items():
            other.weight.copy_(torch.tensor(getattr(block, name).scale.numpy()))
            other.bias.copy_(torch.tensor(getattr(block, name).bias.numpy()))
    named = {f"{name}.scale": each.weight for name, each in norms.items()}
    return named | {"feed_forward.hidden.bias": twin.linear1.bias, "feed_forward.output.bias": twin.linear2.bias}


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("causal", [True, False])
def test_encoder_layer_as_in_pytorch(norm_first: bool, activation: str, causal: bool):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    inputs = {"x": generator.normal(size=(2, 5, 6)).astype(np.float32)}
    block = nn.TransformerBlock(3, 8, activation, norm_first=norm_first, causal=causal)
    fill(block, generator, inputs["x"])
    twin = torch.nn.TransformerEncoderLayer(6, 3, 8, 0.0, activation, batch_first=True, norm_first=norm_first)
    named = copy_block(block, twin)
    mask = torch.tensor(~np.tri(5, dtype=bool)) if causal else None
    parameters = {name: each for name, each in block.named_parameters() if name in named}
    assert_agree(ours(block, inputs, parameters), theirs(lambda x: twin(x, mask), inputs, named))


@pytest.mark.parametrize("norm_first", [True, False])
def test_decoder_layer_as_in_pytorch(norm_first: bool):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    shapes = {"x": (2, 5, 6), "memory": (2, 4, 6)}
    inputs = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    seen = np.array([[True, True, False, True], [True, False, False, False]])
    block = nn.TransformerBlock(3, 8, norm_first=norm_first, causal=True, cross=True)
    fill(block, generator, *inputs.values())
    twin = torch.nn.TransformerDecoderLayer(6, 3, 8, 0.0, batch_first=True, norm_first=norm_first)
    named = copy_block(block, twin)

    def expected(x, memory):
        future, hidden = torch.tensor(~np.tri(5, dtype=bool)), torch.tensor(~seen)
        return twin(x, memory, tgt_mask=future, memory_key_padding_mask=hidden)

    parameters = {name: each for name, each in block.named_parameters() if name in named}
    got = ours(lambda x, memory: block(x, memory, memory_mask=seen), inputs, parameters)
    assert_agree(got, theirs(expected, inputs, named))


@pytest.mark.parametrize("norm_first", [True, False])
def test_program(norm_first: bool):
    x = np.random.default_rng(2).normal(size=(EXAMPLES, 3, 4))
    block = nn.TransformerBlock(2, 5, "gelu", norm_first=norm_first, causal=True)
    check_program(fill(block, np.random.default_rng(3), x.astype(np.float32)), x)


def test_residual_and_concatenate():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(3, 4))
    dense = nn.Dense(4)
    y = nn.Residual(dense, nn.Activation("relu"))(x)
    np.testing.assert_allclose(y.numpy(), x + np.maximum(dense(x).numpy(), 0), rtol=1e-6)
    testing.check_gradients(nn.Residual(nn.Activation("tanh")), x)
    np.testing.assert_array_equal(nn.Concatenate()(x, x[:, :2]).numpy(), np.concatenate([x, x[:, :2]], axis=1))
    testing.check_gradients(nn.Concatenate(1), x, x[:, :1])


def test_layers_made_while_not_training_do_not_train():
    x = np.ones((1, 5, 4), np.float32)
    net = nn.Sequential(nn.TransformerBlock(2, 8, dropout=0.5)).eval()
    np.testing.assert_array_equal(net(x).numpy(), net(x).numpy())
    assert not any(module.training for module in net.modules())


def test_saved_and_loaded(tmp_path):
    x = np.random.default_rng(0).integers(0, 9, (4, 5))
    net = nn.Sequential(
        nn.Embedding(9, 4),
        nn.LearnedPositions(5),
        nn.TransformerBlock(2, 8, "gelu", causal=True, rotary=True, use_bias=False, output_initializer="zeros"),
        nn.Residual(nn.FeedForward(6, 4), nn.LayerNorm()),
        nn.Dense(9),
    )
    before = net.predict(x)
    net.save(tmp_path / "net.nbdl")
    loaded = nbdl.load(tmp_path / "net.nbdl")
    np.testing.assert_array_equal(loaded.predict(x), before)
    assert loaded.state_dict().keys() == net.state_dict().keys()


def test_summary_counts_parameters_and_products():
    net = nn.Sequential(nn.TransformerBlock(2, 8), nn.Flatten())
    text = net.summary((3, 4))
    attention, feed_forward, norms = 4 * (4 * 4 + 4), 4 * 8 + 8 + 8 * 4 + 4, 2 * 8
    assert f"{attention + feed_forward + norms} parameters are trained" in text
    assert "query" in text


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda x: nn.Residual(nn.Dense(3))(x),
            r"a residual connection adds \(2, 3, 4\) to .* \(2, 3, 3\): ",
        ),
        (lambda x: nn.TransformerBlock(2, 8)(x, x), "block with cross=True takes a memory"),
        (lambda x: nn.TransformerBlock(2, 8, cross=True)(x), "block with cross=True takes a memory"),
        (lambda x: nn.TransformerBlock(3, 8)(x), r"attention \(input \(2, 3, 4\)\): 3 heads can't share a width of 4"),
        (lambda x: nn.Concatenate(-3)(x, x), "axis -3 of .* is that of the batch"),
        (lambda x: nn.Concatenate(1)(x, x[:, :, :2]), "can't concatenate"),
    ],
)
def test_wrong_shapes(call, words: str):
    with pytest.raises(ShapeError, match=words):
        call(np.zeros((2, 3, 4), np.float32))


def test_options_out_of_range():
    with pytest.raises(OptionError, match="axis 0"):
        nn.Concatenate(0)
    with pytest.raises(OptionError, match="units of Dense must be a whole number of at least 1, not 0"):
        nn.FeedForward(0, 4)
