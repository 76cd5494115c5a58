"""Every layer of nbdl.compat.torch.nn against PyTorch's: values, gradients, and weights taken from one to the other."""

from collections import OrderedDict

import numpy as np
import pytest

import nbdl.compat.torch as torch
from nbdl.compat.torch.nn import functional as F  # noqa: N812 - its usual name
from nbdl.errors import DataError, OptionError, ShapeError
from tests.compat.twins import compare, theirs, twins


def x(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


LAYERS = {
    "linear": (lambda t: t.nn.Linear(5, 3), (4, 5)),
    "linear of a row": (lambda t: t.nn.Linear(5, 3), (5,)),
    "linear of sequences": (lambda t: t.nn.Linear(5, 3, bias=False), (4, 2, 5)),
    "embedding": (lambda t: t.nn.Embedding(7, 3, padding_idx=0), None),
    "flatten": (lambda t: t.nn.Flatten(0, 1), (3, 4, 2)),
    "unflatten": (lambda t: t.nn.Unflatten(1, (2, 3)), (4, 6)),
    "identity": (lambda t: t.nn.Identity(), (4, 6)),
    "relu": (lambda t: t.nn.ReLU(), (4, 6)),
    "leaky relu": (lambda t: t.nn.LeakyReLU(0.2), (4, 6)),
    "elu": (lambda t: t.nn.ELU(0.5), (4, 6)),
    "selu": (lambda t: t.nn.SELU(), (4, 6)),
    "silu": (lambda t: t.nn.SiLU(), (4, 6)),
    "gelu": (lambda t: t.nn.GELU(), (4, 6)),
    "gelu by tanh": (lambda t: t.nn.GELU(approximate="tanh"), (4, 6)),
    "softplus": (lambda t: t.nn.Softplus(), (4, 6)),
    "tanh": (lambda t: t.nn.Tanh(), (4, 6)),
    "sigmoid": (lambda t: t.nn.Sigmoid(), (4, 6)),
    "softmax": (lambda t: t.nn.Softmax(dim=0), (4, 6)),
    "log softmax": (lambda t: t.nn.LogSoftmax(dim=1), (4, 6)),
    "batch norm": (lambda t: t.nn.BatchNorm1d(5), (6, 5)),
    "batch norm of sequences": (lambda t: t.nn.BatchNorm1d(5), (6, 5, 3)),
    "batch norm of images": (lambda t: t.nn.BatchNorm2d(3, affine=False), (2, 3, 4, 5)),
    "layer norm": (lambda t: t.nn.LayerNorm(5), (6, 3, 5)),
    "convolution": (lambda t: t.nn.Conv2d(3, 6, 3), (2, 3, 8, 9)),
    "convolution of an image": (lambda t: t.nn.Conv2d(3, 6, (3, 2), padding="valid"), (3, 8, 9)),
    "convolution with all options": (
        lambda t: t.nn.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 2), dilation=(1, 2), groups=2, bias=False),
        (2, 4, 8, 9),
    ),
    "convolution of sequences": (lambda t: t.nn.Conv1d(3, 6, 3, 2, 1), (2, 3, 8)),
    "transposed convolution": (lambda t: t.nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), (2, 4, 5, 4)),
    "transposed convolution of sequences": (lambda t: t.nn.ConvTranspose1d(3, 6, 3, stride=2), (2, 3, 5)),
    "max pooling": (lambda t: t.nn.MaxPool2d(3, stride=2, padding=1), (2, 3, 8, 9)),
    "max pooling of sequences": (lambda t: t.nn.MaxPool1d(2), (2, 3, 8)),
    "average pooling": (lambda t: t.nn.AvgPool2d(2, stride=1, padding=1), (2, 3, 5, 6)),
    "average pooling of sequences": (lambda t: t.nn.AvgPool1d(3, padding=1), (2, 3, 9)),
    "average of all": (lambda t: t.nn.AdaptiveAvgPool2d((1, 1)), (2, 3, 5, 6)),
    "upsampling": (lambda t: t.nn.Upsample(scale_factor=2), (2, 3, 4, 5)),
    "sequential": (lambda t: t.nn.Sequential(t.nn.Linear(5, 3), t.nn.Tanh(), t.nn.Linear(3, 2)), (4, 5)),
}
TWO_WAYS = [{"num_layers": 1}, {"num_layers": 2, "batch_first": True}, {"bidirectional": True, "bias": False},
            {"num_layers": 2, "bidirectional": True, "batch_first": True}]  # fmt: skip
LAYERS |= {
    f"{kind.lower()} {number}": (lambda t, kind=kind, options=options: getattr(t.nn, kind)(5, 4, **options), (6, 3, 5))
    for kind in ("RNN", "LSTM", "GRU")
    for number, options in enumerate(TWO_WAYS)
}
LAYERS |= {
    "rnn with relu": (lambda t: t.nn.RNN(5, 4, nonlinearity="relu"), (6, 3, 5)),
    "lstm of one sequence": (lambda t: t.nn.LSTM(5, 4), (6, 5)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_as_in_pytorch(name):
    make, shape = LAYERS[name]
    torch.manual_seed(0)
    inputs = np.array([[0, 3, 6], [2, 0, 3]]) if shape is None else x(*shape)
    own, other = twins(make)
    if name == "embedding":  # PyTorch's vector of the padding is 0; ours is what it is, and isn't looked at
        other.weight.data[0] = 0
    compare(own, other, inputs)


@pytest.mark.parametrize("name", ["linear", "convolution with all options", "transposed convolution", "lstm 3", "gru 3",
                                  "batch norm of sequences"])  # fmt: skip
def test_weights_come_back_from_pytorch(name):
    make, shape = LAYERS[name]
    own, other = make(torch), make(theirs)
    torch.import_state(own, other.state_dict())
    made, expected = own(x(*shape)), other(theirs.tensor(x(*shape)))
    first, second = (each[0] if isinstance(each, tuple) else each for each in (made, expected))
    np.testing.assert_allclose(first.numpy(), second.detach().numpy(), rtol=1e-4, atol=2e-5)


def test_a_weight_that_is_a_single_number_comes_back():
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(2.0))

    own = Scaled()
    torch.import_state(own, {"scale": np.float32(3)})
    assert own.scale.shape == ()
    assert float(own.scale) == 3


@pytest.mark.parametrize(("kind", "states"), [("RNN", 1), ("LSTM", 2), ("GRU", 1)])
def test_states_to_begin_with(kind, states):
    own, other = twins(lambda t: getattr(t.nn, kind)(5, 4, 2, bidirectional=True))
    begin = [x(4, 3, 4, seed=number) for number in range(states)]

    def run(module, t, inputs):
        given = [t.tensor(each) for each in begin]
        return module(inputs, given[0] if states == 1 else tuple(given))

    compare(lambda given: run(own, torch, given), lambda given: run(other, theirs, given), x(6, 3, 5))
    short = [torch.zeros(4, 2, 4)] * states
    with pytest.raises(ShapeError, match=r"it begins with states \(4, 3, 4\), not \(4, 2, 4\)"):
        own(torch.tensor(x(6, 3, 5)), short[0] if states == 1 else tuple(short))


def test_batch_norm_follows_the_batches_and_uses_what_it_has_seen():
    own, other = twins(lambda t: t.nn.BatchNorm2d(3, momentum=0.3))
    for seed in range(3):
        images = x(4, 3, 5, 5, seed=seed)
        own(images), other(theirs.tensor(images))
    np.testing.assert_allclose(own.running_mean.numpy(), other.running_mean.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(own.running_variance.numpy(), other.running_var.numpy(), rtol=1e-5)
    compare(own.eval(), other.eval(), x(4, 3, 5, 5))


def test_normalization_has_pytorchs_names():
    def weights_init(module):
        if type(module).__name__.find("BatchNorm") != -1:
            torch.nn.init.normal_(module.weight.data, 1.0, 0.02)
            torch.nn.init.constant_(module.bias.data, 0.5)

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 200), torch.nn.BatchNorm1d(200)).apply(weights_init)
    norm = net[1]
    assert 0.01 < norm.weight.std().item() < 0.03
    assert norm.weight.mean().item() == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(norm.bias.detach().numpy(), 0.5)
    net(torch.tensor(x(6, 4)))
    assert norm.running_var.shape == norm.running_mean.shape == (200,)
    assert not (norm.running_var == 1).any()
    assert torch.nn.LayerNorm(3).weight.requires_grad
    assert torch.nn.BatchNorm2d(3, affine=False).weight is None


def test_layers_of_a_sequential_by_their_names():
    net = torch.nn.Sequential(OrderedDict([("fc", torch.nn.Linear(4, 2)), ("act", torch.nn.ReLU())]))
    assert net.fc is net[0]
    net.fc = torch.nn.Linear(4, 3)
    assert net(torch.tensor(x(5, 4))).shape == (5, 3)
    assert [name for name, _ in net.named_parameters()] == ["fc.weight", "fc.bias"]
    with pytest.raises(AttributeError, match="Sequential has no 'fc2', only fc, act"):
        net.fc2  # noqa: B018


def test_dropout_thins_out_while_training():
    layer = torch.nn.Dropout(0.25)
    made = layer(np.ones((100, 100), np.float32)).numpy()
    # 10,000 draws: three standard deviations of the share are 0.013
    assert abs((made == 0).mean() - 0.25) < 0.013
    np.testing.assert_allclose(made[made > 0], 1 / 0.75, rtol=1e-6)
    np.testing.assert_array_equal(layer.eval()(np.ones(3, np.float32)).numpy(), 1)
    np.testing.assert_array_equal(F.dropout(torch.ones(3), training=False).numpy(), 1)
    assert (F.dropout(torch.ones(1000), 0.5).numpy() == 0).any()


def test_starting_values_are_those_of_pytorch():
    """Evenly distributed within 1 / sqrt(inputs): compared by their standard deviations."""
    for make in (lambda t: t.nn.Linear(400, 300), lambda t: t.nn.Conv2d(16, 64, 5), lambda t: t.nn.LSTM(50, 400),
                 lambda t: t.nn.Embedding(300, 100), lambda t: t.nn.ConvTranspose2d(16, 64, 5)):  # fmt: skip
        own, other = torch.export_state(make(torch)), make(theirs).state_dict()
        for name in ("weight", "weight_ih_l0", "weight_hh_l0"):
            if name in own:
                assert own[name].std() == pytest.approx(other[name].std().item(), rel=0.03)  # of 25,000 draws and more


def test_functions_take_weights_in_pytorchs_layout():
    weight, bias, kernel = x(3, 5), x(3), x(6, 2, 3, 3)
    compare(torch.nn.functional.linear, theirs.nn.functional.linear, x(4, 5), weight, bias)
    compare(
        lambda *given: torch.nn.functional.conv2d(*given, stride=2, padding=1, groups=2),
        lambda *given: theirs.nn.functional.conv2d(*given, stride=2, padding=1, groups=2),
        x(2, 4, 7, 7), kernel, x(6),
    )  # fmt: skip
    compare(torch.nn.functional.embedding, theirs.nn.functional.embedding, np.array([0, 2, 2]), weight)
    np.testing.assert_array_equal(F.one_hot(torch.tensor([0, 2])).numpy(), [[1, 0, 0], [0, 0, 1]])


def test_mistakes():
    with pytest.raises(
        ShapeError, match=r"in layer Linear \(input \(4, 6\)\): it was built for inputs of size 5, not 6"
    ):
        torch.nn.Linear(5, 3)(x(4, 6))
    with pytest.raises(ShapeError, match=r"take \(n, channels, height, width\), with or without n, not \(4, 6\)"):
        torch.nn.Conv2d(1, 2, 3)(x(4, 6))
    with pytest.raises(ShapeError, match="BatchNorm2d takes 4 axes, not 2"):
        torch.nn.BatchNorm2d(6)(x(4, 6))
    with pytest.raises(OptionError, match=r"covers padding_mode='zeros' only, not 'reflect'"):
        torch.nn.Conv2d(1, 2, 3, padding_mode="reflect")
    with pytest.raises(OptionError, match="covers ceil_mode=False only"):
        F.max_pool2d(x(1, 1, 4, 4), 2, ceil_mode=True)
    with pytest.raises(DataError, match=r"token 7 .* outside the vocabulary of 7 tokens"):
        torch.nn.Embedding(7, 3)(torch.tensor([[7]]))
    with pytest.raises(AttributeError, match="has no 'Conv2D'; did you mean 'Conv2d'"):
        torch.nn.Conv2D  # noqa: B018
    with pytest.raises(OptionError, match=r"these weights have no 'weight'"):
        torch.import_state(torch.nn.Linear(2, 2), {"kernel": np.zeros((2, 2))})
    with pytest.raises(ShapeError, match=r"bias has the shape \(2,\) here, and \(3,\) there"):
        torch.import_state(torch.nn.Linear(2, 2), {"weight": np.zeros((2, 2)), "bias": np.zeros(3)})
