"""Recurrent layers: against PyTorch, gradients in float64, masks, programs, and what is refused."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nbdl
from nbdl import Tensor, nn, plugins, testing
from nbdl.docstrings import argument_docs
from nbdl.errors import OptionError, ShapeError
from tests.codegen.maker import EXAMPLES
from tests.nn.programs import check_program
from tests.nn.twins import Arrays, assert_agree, fill, ours, theirs, with_parameters

KINDS: dict[str, type[nn.Recurrent]] = {"RNN": nn.SimpleRNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
NAMES = {"weight": "weight_ih", "recurrent_weight": "weight_hh", "bias": "bias_ih", "recurrent_bias": "bias_hh"}
kinds = pytest.mark.parametrize("kind", KINDS)


def directions(layer: nn.Module) -> list[tuple[str, nn.Recurrent, str]]:
    """The recurrent layers inside, with the prefix of their parameters' names and PyTorch's suffix."""
    if isinstance(layer, nn.Bidirectional):
        return [("forwards.", layer.forwards, "_l0"), ("backwards.", layer.backwards, "_l0_reverse")]
    assert isinstance(layer, nn.Recurrent)
    return [("", layer, "_l0")]


def copy_weights(layer: nn.Module, twin: Any) -> dict[str, Any]:
    """Give PyTorch's layer our weights; its parameters by our names."""
    import torch

    for parameter in twin.parameters():
        parameter.requires_grad_(False).zero_()
    named = {}
    for prefix, one, suffix in directions(layer):
        for name, parameter in one.named_parameters():
            other = getattr(twin, NAMES[name] + suffix)
            other.copy_(torch.tensor(parameter.numpy().T.copy()))
            named[prefix + name] = other.requires_grad_()
    return named


def transposed(arrays: Arrays) -> Arrays:
    """PyTorch's gradients in our layout: its weights are (outputs, inputs)."""
    return {name: array.T if name.endswith("weight") else array for name, array in arrays.items()}


def joined(parts: list[Any], concatenate: Callable[..., Any]) -> Any:
    return concatenate([part.reshape(-1) for part in parts])


def compare(
    layer: nn.Module, twin: Any, inputs: dict[str, np.ndarray], *, lengths: np.ndarray | None = None, sequences: bool
) -> None:
    """Check outputs, states and all gradients of both."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    one = directions(layer)[0][1]
    time = inputs["x"].shape[1]
    mask = None if lengths is None else nn.length_mask(lengths, time)
    places = [direction * 2 + state for direction in range(len(directions(layer))) for state in range(len(one.STATES))]

    def mine(x: Tensor, *states: Tensor) -> Tensor:
        output, last = layer(x, mask, *states)
        if sequences and mask is not None:
            output = output * nbdl.expand_dims(mask, 2).astype(np.float32)
        return joined([output, *last], nbdl.concat)

    def other(x: Any, *states: Any) -> Any:
        count = len(one.STATES)
        begin = [torch.stack([*states[place::count]]) for place in range(count)] if states else None
        begin = begin[0] if begin and count == 1 else tuple(begin) if begin else None
        packed = x
        if lengths is not None:
            packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        output, last = twin(packed, begin)
        if lengths is not None:
            output = pad_packed_sequence(output, batch_first=True, total_length=time)[0]
        last = last if isinstance(last, tuple) else (last,)
        ends = [last[place % 2][place // 2] for place in places]
        if not sequences:
            output = torch.cat(list(last[0]), 1)
        return joined([output, *ends], torch.cat)

    parameters = dict(layer.named_parameters())
    named = copy_weights(layer, twin)
    assert_agree(ours(mine, inputs, parameters), transposed(theirs(other, inputs, named)))


def sample(generator: np.random.Generator, kind: str, both: bool) -> tuple[nn.Module, Any, dict[str, np.ndarray], Any]:
    """A layer of random sizes with its twin, the inputs, and lengths of the rows or None."""
    import torch

    rows, time, features, units = (int(each) for each in generator.integers(1, 8, 4))
    options = {"use_bias": bool(generator.random() < 0.8), "return_sequences": bool(generator.random() < 0.5)}
    one = KINDS[kind](units, return_state=True, **options)
    layer = nn.Bidirectional(one) if both else one
    inputs = {"x": generator.normal(size=(rows, time, features)).astype(np.float32)}
    fill(layer, generator, inputs["x"])
    twin = getattr(torch.nn, kind)(features, units, bias=options["use_bias"], bidirectional=both, batch_first=True)
    if generator.random() < 0.5:
        for place in range(len(one.STATES) * (1 + both)):
            inputs[f"state_{place}"] = generator.normal(size=(rows, units)).astype(np.float32)
    lengths = generator.integers(1, time + 1, rows) if generator.random() < 0.5 else None
    return layer, twin, inputs, lengths


@kinds
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_as_in_pytorch(kind: str, both: bool, seed: int) -> None:
    pytest.importorskip("torch")
    layer, twin, inputs, lengths = sample(np.random.default_rng(seed), kind, both)
    sequences = directions(layer)[0][1].return_sequences
    with testing.interpreted():
        compare(layer, twin, inputs, lengths=lengths, sequences=sequences)


def by_hand(layer: nn.Recurrent, x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The outputs of all steps, row by row: a step that is masked leaves the states as they are."""
    outputs = np.zeros((*x.shape[:2], layer.units), x.dtype)
    for row in range(len(x)):
        states = [Tensor(np.zeros((1, layer.units), x.dtype))] * len(layer.STATES)
        for time in reversed(range(x.shape[1])) if layer.reverse else range(x.shape[1]):
            if mask[row, time]:
                states = list(layer.step(tuple(states), nbdl.matmul(x[row : row + 1, time], layer.weight)))
            outputs[row, time] = states[0].numpy()[0]
    return outputs


@kinds
@pytest.mark.parametrize("reverse", [False, True])
@testing.interpreted()
def test_masks_with_gaps(kind: str, reverse: bool) -> None:
    generator = np.random.default_rng(0)
    x, mask = generator.normal(size=(3, 6, 2)).astype(np.float32), generator.random((3, 6)) < 0.5
    layer = KINDS[kind](4, reverse=reverse, return_sequences=True)
    fill(layer, generator, x)
    np.testing.assert_allclose(layer(x, mask).numpy(), by_hand(layer, x, mask), atol=1e-6)  # float32
    np.testing.assert_array_equal(layer(x, None).numpy(), layer(x, np.ones((3, 6), bool)).numpy())


@kinds
@pytest.mark.parametrize("activation", ["sigmoid", {"name": "leaky_relu", "slope": 0.2}])
@testing.interpreted()
def test_gradients(kind: str, activation: Any) -> None:
    generator = np.random.default_rng(3)
    x, mask = generator.normal(size=(2, 3, 2)), np.array([[True, True, True], [True, False, False]])
    layer = KINDS[kind](2, activation, return_sequences=True)
    fill(layer, generator, x.astype(np.float32))
    names = tuple(name for name, _ in layer.named_parameters())
    values = [parameter.numpy().copy() for parameter in layer.parameters()]
    states = [generator.normal(size=(2, 2)) for _ in layer.STATES]
    testing.check_gradients(with_parameters(layer, names), x, mask, *states, *values)


@kinds
@pytest.mark.parametrize("masked", [False, True])
def test_program(kind: str, masked: bool) -> None:
    generator = np.random.default_rng(2)
    x = generator.normal(size=(EXAMPLES, 4, 3))
    inputs = [x, generator.random((EXAMPLES, 4)) < 0.7] if masked else [x]
    layer = nn.Bidirectional(KINDS[kind](3, return_sequences=masked))
    check_program(fill(layer, generator, *[each[:2] for each in inputs]), *inputs)


@pytest.mark.parametrize("workers", [1, 2])
def test_training_is_the_same_compiled_and_step_by_step(workers: int) -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(40, 5, 3)).astype(np.float32), generator.integers(0, 3, 40)
    lengths = generator.integers(1, 6, 40)

    class Net(nn.Module):
        def __init__(self) -> None:
            self.inner, self.outer = nn.GRU(6, return_sequences=True), nn.Bidirectional(nn.LSTM(4))
            self.last = nn.Dense(3)

        def forward(self, *inputs: Tensor) -> Tensor:
            x, lengths = inputs
            mask = nn.length_mask(lengths, 5)
            return self.last(self.outer(self.inner(x, mask), mask))

    losses = []
    for debug in (False, True):
        nbdl.set_seed(5)
        net = Net().compile({"name": "sgd", "lr": 0.5}, "sparse_categorical_crossentropy", debug=debug)
        options = {"workers": workers} if not debug else {}
        history = net.fit((x, lengths), y, batch_size=16, epochs=2, shuffle=False, verbose=False, seed=0, **options)
        losses.append([*history["loss"], net.predict((x, lengths))])
    for got, wanted in zip(*losses, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)  # float32, sums in another order, six steps


def test_two_equal_layers_share_their_functions() -> None:
    net = nn.Sequential(nn.LSTM(4, return_sequences=True), nn.LSTM(4), nn.Dense(1)).compile("sgd", "mse")
    net.fit(np.zeros((8, 3, 4), np.float32), np.zeros((8, 1), np.float32), verbose=False)
    source = net.source()
    assert len(re.findall(r"(?<!_)lstm_1_step\(", source)) == 3  # a definition and two calls
    assert "def lstm_2_step" not in source


def test_generated_code_says_what_things_are() -> None:
    net = nn.Sequential(nn.LSTM(4), nn.Dense(1)).compile("sgd", "mse")
    net.fit(np.zeros((8, 3, 4), np.float32), np.zeros((8, 1), np.float32), verbose=False)
    source = net.source()
    assert "lstm_1_h[time], lstm_1_c[time]" in source
    assert "forget_gate = sigmoid(x[i, j + 4] + product[i, j + 4] + bias[j + 4])" in source
    assert "d_gates[i, j + 4] = " in source
    assert "d_lstm_1_h[(time + 1) & 1]" in source, "no history of the gradient is kept"


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS.values(), nn.Bidirectional])
def test_options_are_known_and_documented(kind: type[nn.Module]) -> None:
    parameters = inspect.signature(kind).parameters
    assert all(each.kind is not each.VAR_KEYWORD for each in parameters.values())
    assert set(parameters) <= set(argument_docs(kind))


@pytest.mark.parametrize("name", ["simple_rnn", "lstm", "gru", "bidirectional"])
def test_registered(name: str) -> None:
    assert issubclass(plugins.lookup("layers", name).factory, nn.Module)


def test_what_is_returned() -> None:
    x = np.ones((2, 5, 3), np.float32)
    assert nn.LSTM(4)(x).shape == (2, 4)
    assert nn.LSTM(4, return_sequences=True)(x).shape == (2, 5, 4)
    output, (h, c) = nn.LSTM(4, return_state=True)(x)
    assert output.shape == h.shape == c.shape == (2, 4)
    output, states = nn.Bidirectional(nn.LSTM(4, return_state=True, return_sequences=True), "sum")(x)
    assert output.shape == (2, 5, 4)
    assert len(states) == 4


def test_starting_values() -> None:
    x = np.ones((2, 5, 3), np.float32)
    layer = nn.LSTM(4)
    layer(x)
    np.testing.assert_array_equal(layer.bias.numpy(), [0] * 4 + [1] * 4 + [0] * 8)
    layer = nn.LSTM(4, bias_initializer="ones")
    layer(x)
    np.testing.assert_array_equal(layer.bias.numpy(), 1)
    weight = layer.recurrent_weight.numpy()
    np.testing.assert_allclose(weight @ weight.T, np.eye(4), atol=1e-6)  # orthogonal, float32


def test_a_layer_made_again_has_the_same_options() -> None:
    layer = nn.Bidirectional(nn.GRU(4, "relu", return_sequences=True, use_bias=False), "sum")
    arguments, options = layer.arguments()
    again = type(layer)(*arguments, **options)
    assert again.backwards.reverse
    assert (again.backwards.return_sequences, again.backwards.use_bias, again.merge) == (True, False, "sum")


# --- what is refused --------------------------------------------------------------------------------------------------

ONES = np.ones((2, 5, 3), np.float32)
STATE = np.ones((2, 4), np.float32)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: nn.GRU(4)(np.ones((2, 3))),
            r"in layer GRU \(input \(2, 3\)\): GRU takes sequences",
        ),
        (lambda: nn.GRU(4)(np.ones((2, 0, 3))), r"in layer GRU \(input \(2, 0, 3\)\): .* at least one step"),
        (lambda: nn.LSTM(4)(ONES, np.ones((2, 4), bool)), r"is of booleans \(2, 5\), not bool \(2, 4\)"),
        (lambda: nn.LSTM(4)(ONES, np.ones((2, 5))), r"in layer LSTM .* is of booleans \(2, 5\), not float64 \(2, 5\)"),
        (lambda: nn.LSTM(4)(ONES, None, STATE), r"it begins with h and c, each \(2, 4\), not with \(2, 4\)"),
        (lambda: nn.GRU(4)(ONES, None, STATE[:1]), r"it begins with h, each \(2, 4\), not with \(1, 4\)"),
        (lambda: nn.Bidirectional(nn.GRU(4))(ONES, None, STATE), "begins with 2 states, 1 for each direction, not 1"),
        (lambda: nn.Bidirectional(nn.GRU(4))(ONES, np.ones((2, 4), bool)), "in layer forwards .* of booleans"),
    ],
)
def test_wrong_shapes(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        call()


def test_another_number_of_features() -> None:
    layer = nn.GRU(4)
    layer(ONES)
    with pytest.raises(ShapeError, match=r"in layer GRU .*built for sequences \(rows, time, 3\), not \(2, 5, 2\)"):
        layer(ONES[:, :, :2])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.LSTM(0), "units of LSTM must be a whole number of at least 1, not 0"),
        (lambda: nn.GRU(2.5), "units of GRU must be a whole number of at least 1, not 2.5"),
        (lambda: nn.Bidirectional(nn.GRU(4), "mean"), "joins its outputs by 'concat' or 'sum', not 'mean'"),
        (lambda: nn.Bidirectional(nn.GRU(4, reverse=True)), "takes a recurrent layer that goes forwards"),
        (lambda: nn.Bidirectional(nn.Dense(4)), "takes a recurrent layer that goes forwards"),
    ],
)
def test_wrong_options(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        make()


def test_a_layer_of_ones_own() -> None:
    class Leaky(nn.Recurrent):
        def step(self, states: tuple[Tensor, ...], x: Tensor) -> tuple[Tensor, ...]:
            return (0.5 * states[0] + x + nbdl.matmul(states[0], self.recurrent_weight),)

    layer = Leaky(4)
    assert layer(ONES).shape == (2, 4)
    with pytest.raises(NotImplementedError, match="Recurrent defines no step"):
        nn.Recurrent(4)(ONES)
