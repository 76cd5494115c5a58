"""Attention: against PyTorch with all kinds of masks, gradients in float64, programs, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl import Tensor, nn, testing
from nbdl.errors import DtypeError, OptionError, ShapeError
from tests.codegen.maker import EXAMPLES
from tests.nn.programs import check_program
from tests.nn.twins import assert_agree, fill, ours, theirs, with_parameters


def random_mask(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Three quarters True, and the first key always: PyTorch gives NaN where a query sees nothing."""
    mask = generator.random(shape) < 0.75
    mask[..., 0] = True
    return mask


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["plain", "masked", "causal"])
def test_scaled_dot_product_as_in_pytorch(seed: int, kind: str):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(seed)
    leading = tuple(int(size) for size in generator.integers(1, 4, int(generator.integers(0, 3))))
    queries, keys, depth, channels = (int(size) for size in generator.integers(1, 9, 4))
    inputs = {
        "query": generator.normal(size=(*leading, queries, depth)).astype(np.float32),
        "key": generator.normal(size=(*leading, keys, depth)).astype(np.float32),
        "value": generator.normal(size=(*leading, keys, channels)).astype(np.float32),
    }
    mask = random_mask(generator, queries, keys) if kind == "masked" else None

    def attention(query, key, value):
        return nn.scaled_dot_product_attention(query, key, value, mask, causal=kind == "causal")

    def expected(query, key, value):
        given = None if mask is None else torch.tensor(mask)
        function = torch.nn.functional.scaled_dot_product_attention
        return function(query, key, value, given, is_causal=kind == "causal")

    assert_agree(ours(attention, inputs, {}), theirs(expected, inputs, {}))


def copied(layer: nn.MultiHeadAttention, twin) -> dict:
    """Give PyTorch's layer our weights; what they are by our names. Its projections are one matrix, so gradients of
    ours are pieces of its.
    """
    import torch

    parts = (layer.query, layer.key, layer.value)
    with torch.no_grad():
        twin.in_proj_weight.copy_(torch.tensor(np.concatenate([each.weight.numpy().T for each in parts])))
        twin.out_proj.weight.copy_(torch.tensor(layer.output.weight.numpy().T))
        if twin.in_proj_bias is not None:
            twin.in_proj_bias.copy_(torch.tensor(np.concatenate([each.bias.numpy() for each in parts])))
            twin.out_proj.bias.copy_(torch.tensor(layer.output.bias.numpy()))
    return {"in": twin.in_proj_weight, "in_bias": twin.in_proj_bias, "out": twin.out_proj.weight}


def by_our_names(arrays: dict) -> dict:
    """PyTorch's gradients of joined projections taken apart."""
    arrays = dict(arrays)
    parts = np.split(arrays.pop("in"), 3)
    arrays |= {f"{name}.weight": part.T for name, part in zip(("query", "key", "value"), parts, strict=True)}
    if "in_bias" in arrays:
        parts = np.split(arrays.pop("in_bias"), 3)
        arrays |= {f"{name}.bias": part for name, part in zip(("query", "key", "value"), parts, strict=True)}
    return arrays | {"output.weight": arrays.pop("out").T}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["self", "cross", "causal", "keys", "pairs"])
def test_multi_head_attention_as_in_pytorch(seed: int, kind: str):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(seed)
    rows, queries, heads, depth = (int(size) for size in generator.integers(1, 5, 4))
    use_bias = seed % 2 == 0
    keys = int(generator.integers(1, 7)) if kind == "cross" else queries
    inputs = {"x": generator.normal(size=(rows, queries, heads * depth)).astype(np.float32)}
    if kind == "cross":
        inputs["memory"] = generator.normal(size=(rows, keys, heads * depth)).astype(np.float32)
    mask = {"keys": random_mask(generator, rows, keys), "pairs": random_mask(generator, rows, queries, keys)}.get(kind)
    layer = fill(nn.MultiHeadAttention(heads, causal=kind == "causal", use_bias=use_bias), generator, *inputs.values())
    twin = torch.nn.MultiheadAttention(heads * depth, heads, bias=use_bias, batch_first=True)
    named = {name: each for name, each in copied(layer, twin).items() if each is not None}

    def expected(x, memory=None):
        memory = x if memory is None else memory
        options = {}
        if kind == "keys":
            options["key_padding_mask"] = torch.tensor(~mask)
        elif kind == "pairs":
            options["attn_mask"] = torch.tensor(np.repeat(~mask, heads, axis=0))
        elif kind == "causal":
            options["attn_mask"] = torch.tensor(~np.tri(queries, dtype=bool))
        return twin(x, memory, memory, need_weights=False, **options)[0]

    parameters = {name: each for name, each in layer.named_parameters() if name != "output.bias"}
    got = ours(lambda *given: layer(*given, mask=mask), inputs, parameters)
    wanted = by_our_names(theirs(expected, inputs, named))
    if use_bias:  # a bias of the keys changes no weight: both gradients are rounding
        scale = np.abs(wanted["query.bias"]).max()
        assert np.abs(got.pop("key.bias")).max() < 1e-4 * max(scale, 1)
        del wanted["key.bias"]
    assert_agree(got, wanted)


def test_weights_are_probabilities_and_zero_where_hidden():
    generator = np.random.default_rng(0)
    q, k = (generator.normal(size=(2, 3, 5, 4)).astype(np.float32) for _ in range(2))
    mask = random_mask(generator, 2, 1, 5, 5)
    weights = nn.attention_weights(q, k, mask, causal=True).numpy()
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
    hidden = ~np.broadcast_to(mask & np.tri(5, dtype=bool), weights.shape)
    assert (weights[hidden] == 0).all()


@pytest.mark.parametrize("causal", [False, True])
def test_a_query_that_sees_nothing_gets_zeros_and_harms_no_gradient(causal: bool):
    generator = np.random.default_rng(0)
    x = Tensor(generator.normal(size=(2, 3, 4)).astype(np.float32), requires_grad=True)
    layer = nn.MultiHeadAttention(2, use_bias=False, causal=causal)
    y = layer(x, mask=np.array([[True, True, False], [False, False, False]]))
    assert (y.numpy()[1] == 0).all()
    nbdl.sum(nbdl.square(y)).backward()
    assert np.isfinite(x.grad.numpy()).all()
    assert (x.grad.numpy()[1] == 0).all()
    assert all(np.isfinite(each.grad.numpy()).all() for each in layer.parameters())


def test_the_future_has_no_influence():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(1, 6, 4)).astype(np.float32)
    layer = nn.MultiHeadAttention(2, causal=True, rotary=True)
    before = layer(x).numpy().copy()
    x[:, 4:] += 1
    after = layer(x).numpy()
    np.testing.assert_array_equal(after[:, :4], before[:, :4])
    assert (after[:, 4:] != before[:, 4:]).all()


NAMES = tuple(f"{part}.{name}" for part in ("query", "key", "value", "output") for name in ("weight", "bias"))


@pytest.mark.parametrize(
    ("options", "mask"),
    [
        ({}, None),
        ({"causal": True, "rotary": True}, None),
        ({"width": 6}, np.array([[True, True, False], [True, False, True]])),
    ],
)
def test_gradients(options: dict, mask: np.ndarray | None):
    generator = np.random.default_rng(3)
    x = generator.normal(size=(2, 3, 4))
    layer = nn.MultiHeadAttention(1 if "rotary" in options else 2, **options)
    fill(layer, generator, x.astype(np.float32))
    values = [dict(layer.named_parameters())[name].numpy().copy() for name in NAMES]
    function = with_parameters(layer, NAMES)
    testing.check_gradients(function if mask is None else _masked(layer, function, mask), x, *values)


def _masked(layer: nn.Module, function, mask: np.ndarray):
    forward = layer.forward
    layer.forward = lambda x: forward(x, mask=Tensor(mask))  # type: ignore[method-assign]
    return function


@pytest.mark.parametrize("options", [{}, {"causal": True, "rotary": True}])
def test_program(options: dict):
    x = np.random.default_rng(2).normal(size=(EXAMPLES, 3, 4))
    check_program(fill(nn.MultiHeadAttention(2, **options), np.random.default_rng(3), x.astype(np.float32)), x)


def test_program_of_attention_to_a_masked_memory():
    class Decoder(nn.Module):
        def __init__(self):
            self.attention = nn.MultiHeadAttention(2)

        def forward(self, x, memory, lengths):
            return self.attention(x, memory, mask=nn.length_mask(lengths, 5))

    generator = np.random.default_rng(2)
    x, memory = generator.normal(size=(EXAMPLES, 3, 4)), generator.normal(size=(EXAMPLES, 5, 6))
    lengths = generator.integers(1, 6, EXAMPLES)
    net = Decoder()
    fill(net, generator, x.astype(np.float32), memory.astype(np.float32), lengths)
    check_program(net, x, memory, lengths)


def test_maps_of_all_layers():
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    net = nn.Sequential(nn.TransformerBlock(2, 8), nn.TransformerBlock(4, 8))
    with nn.attention_maps() as maps:
        net(x)
    shapes = {name.removeprefix("sequential."): each.shape for name, each in maps.items()}
    assert shapes == {"transformerblock_1.attention": (2, 2, 3, 3), "transformerblock_2.attention": (2, 4, 3, 3)}
    with nn.attention_maps() as others:
        pass
    net(x)
    assert not others
    assert len(maps) == 2


def test_dropout_thins_out_weights_while_training():
    x = np.ones((1, 50, 2), np.float32)
    layer = nn.MultiHeadAttention(1, dropout=0.5)
    calm = layer.eval()(x).numpy()
    assert (layer.train()(x).numpy() != calm).any()
    np.testing.assert_array_equal(layer.eval()(x).numpy(), calm)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.MultiHeadAttention(0), "heads of MultiHeadAttention must be a whole number of at least 1, not 0"),
        (lambda: nn.MultiHeadAttention("2"), "heads of MultiHeadAttention must be a whole number .*, not '2'"),
        (lambda: nn.MultiHeadAttention(2, 0), "width of MultiHeadAttention must be a whole number .*, not 0"),
        (lambda: nn.MultiHeadAttention(2, dropout=1.0), "dropout rate must be at least 0 and less than 1"),
    ],
)
def test_options_out_of_range(make, words: str):
    with pytest.raises(OptionError, match=words):
        make()


@pytest.mark.parametrize(
    ("layer", "shapes", "words"),
    [
        (
            nn.MultiHeadAttention(3),
            [(2, 3, 4)],
            r"in layer MultiHeadAttention \(input \(2, 3, 4\)\): 3 heads",
        ),
        (nn.MultiHeadAttention(4, rotary=True), [(2, 3, 4)], "each an even number of channels"),
        (nn.MultiHeadAttention(2), [(2, 4)], r"it takes sequences \(rows, time, channels\), not \(2, 4\)"),
        (nn.MultiHeadAttention(2), [(2, 3, 4), (3, 3, 4)], r"queries \(2, 3, 4\), keys \(3, 3, 4\) and values"),
        (nn.MultiHeadAttention(2), [(2, 3, 4), (2, 3, 4), (2, 4, 4)], "there must be a value for each key"),
    ],
)
def test_wrong_shapes(layer: nn.Module, shapes: list, words: str):
    with pytest.raises(ShapeError, match=words):
        layer(*[np.zeros(shape, np.float32) for shape in shapes])


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (2, 3, 4), (2, 3, 3, 3), (3,)])
def test_mask_of_the_wrong_shape(shape: tuple[int, ...]):
    words = r"in layer MultiHeadAttention \(input \(2, 3, 4\), .*\): the mask .* must be \(2, 3\) .*\(2, 3, 3\)"
    with pytest.raises(ShapeError, match=words):
        nn.MultiHeadAttention(2)(np.zeros((2, 3, 4), np.float32), mask=np.ones(shape, bool))


def test_mask_of_numbers():
    with pytest.raises(DtypeError, match="a mask is of booleans, True where there is something, not of float32"):
        nn.MultiHeadAttention(2)(np.zeros((2, 3, 4), np.float32), mask=np.ones((2, 3), np.float32))


def test_queries_and_keys_of_different_depth():
    with pytest.raises(ShapeError, match=r"of one depth, not \(2, 3\) and \(2, 4\)"):
        nn.scaled_dot_product_attention(np.zeros((2, 3)), np.zeros((2, 4)), np.zeros((2, 4)))
