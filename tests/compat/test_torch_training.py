"""Optimizers, schedules, data loaders and modules of nbdl.compat.torch: whole loops, side by side with PyTorch's."""

import numpy as np
import pytest

import nbdl
import nbdl.compat.torch as torch
from nbdl import lazy
from nbdl.compat.torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, default_collate, random_split
from nbdl.errors import DataError, OptionError
from nbdl.optim.native import NativeUpdate
from tests.compat.twins import theirs, twins

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5)).astype(np.float32)
Y = (X @ RNG.normal(size=(5, 2)) + 0.1).astype(np.float32)
STEPS = lazy.ROUNDS + 6  # the last ones are native
# float32: some twenty roundings of 6e-8 a step, grown by Adam's division
TOLERANCE = {"rtol": 1e-3, "atol": 1e-5}


def network(t):
    return t.nn.Sequential(t.nn.Linear(5, 8), t.nn.Tanh(), t.nn.Linear(8, 2))


def is_native(optimizer):
    return all(
        any(isinstance(each, NativeUpdate) for each in group.native.state.programs.values())
        for group in optimizer.param_groups
    )


def side_by_side(make_optimizer, between=None, steps=STEPS):
    """Train both networks, and compare losses and weights; `between(t, net, optimizer, step)` is called every step."""
    torch.manual_seed(0)
    pair = [(t, net, make_optimizer(t, net)) for t, net in zip((torch, theirs), twins(network), strict=True)]
    for step in range(steps):
        losses = []
        for t, net, optimizer in pair:
            optimizer.zero_grad()
            loss = t.nn.functional.mse_loss(net(t.tensor(X)), t.tensor(Y))
            loss.backward()
            if between is not None:
                between(t, net, optimizer, step)
            optimizer.step()
            losses.append(loss.item())
        np.testing.assert_allclose(*losses, err_msg=f"step {step}", **TOLERANCE)
    for name, array in torch.export_state(pair[0][1]).items():
        np.testing.assert_allclose(array, pair[1][1].state_dict()[name].numpy(), err_msg=name, **TOLERANCE)
    return pair[0][2]


OPTIMIZERS = {
    "sgd": lambda t, net: t.optim.SGD(net.parameters(), lr=0.1),
    "momentum": lambda t, net: t.optim.SGD(net.parameters(), 0.05, momentum=0.9, weight_decay=0.01, nesterov=True),
    "adam": lambda t, net: t.optim.Adam(net.parameters(), lr=0.01, betas=(0.8, 0.99), weight_decay=0.01),
    "adamw": lambda t, net: t.optim.AdamW(net.parameters(), lr=0.01),
    "nadam": lambda t, net: t.optim.NAdam(net.parameters(), lr=0.01),
    "rmsprop": lambda t, net: t.optim.RMSprop(net.parameters(), lr=0.01, alpha=0.9, momentum=0.5, centered=True),
    "adagrad": lambda t, net: t.optim.Adagrad(net.parameters(), lr=0.1),
    "adadelta": lambda t, net: t.optim.Adadelta(net.parameters(), lr=1.0),
    "groups": lambda t, net: t.optim.SGD(
        [{"params": net[0].parameters()}, {"params": net[2].parameters(), "lr": 0.01}], lr=0.1, momentum=0.5
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    assert is_native(side_by_side(OPTIMIZERS[name]))


SCHEDULES = {
    "step": lambda t, optimizer: t.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5),
    "exponential": lambda t, optimizer: t.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9),
    "cosine": lambda t, optimizer: t.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS, eta_min=0.01),
    "lambda": lambda t, optimizer: t.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=lambda step: 1 / (1 + step)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    schedulers = {}

    def step(t, net, optimizer, number):
        if t not in schedulers:
            schedulers[t] = SCHEDULES[name](t, optimizer)
        elif number:
            schedulers[t].step()
        if len(schedulers) == 2 and t is theirs:
            np.testing.assert_allclose(schedulers[torch].get_last_lr(), schedulers[theirs].get_last_lr(), rtol=1e-5)

    with np.errstate(all="raise"):
        assert is_native(side_by_side(lambda t, net: t.optim.SGD(net.parameters(), lr=0.1), step))


def test_a_learning_rate_is_changed_in_its_group():
    def lower(t, net, optimizer, step):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 / (1 + step)

    optimizer = side_by_side(lambda t, net: t.optim.SGD(net.parameters(), lr=0.1), lower)
    assert is_native(optimizer)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 / STEPS)
    assert len(optimizer.param_groups[0]["params"]) == 4


def test_gradients_are_clipped():
    def clip(t, net, optimizer, step):
        if step % 2:
            t.nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        else:
            t.nn.utils.clip_grad_value_(net.parameters(), 0.05)

    side_by_side(lambda t, net: t.optim.SGD(net.parameters(), lr=0.5), clip)


def test_parameters_moved_by_hand_and_by_zero_grad_of_the_module():
    def move(t, net, optimizer, step):
        with t.no_grad():
            for parameter in net.parameters():
                parameter -= 0.05 * parameter.grad
        net.zero_grad()

    torch.manual_seed(0)
    own, other = twins(network)
    for t, net in ((torch, own), (theirs, other)):
        for step in range(STEPS):
            t.nn.functional.mse_loss(net(t.tensor(X)), t.tensor(Y)).backward()
            move(t, net, None, step)
    for name, array in torch.export_state(own).items():
        np.testing.assert_allclose(array, other.state_dict()[name].numpy(), **TOLERANCE)


def test_frozen_parameters_stay():
    net = network(torch)
    net[0].requires_grad_(False)
    before = net.state_dict()
    optimizer = torch.optim.SGD([each for each in net.parameters() if each.requires_grad], lr=0.1)
    everything = torch.optim.SGD(network(torch).parameters(), lr=0.1)
    torch.nn.MSELoss()(net(torch.tensor(X)), torch.tensor(Y)).backward()
    optimizer.step()
    after = net.state_dict()
    assert all(torch.equal(before[name], after[name]) == name.startswith("0.") for name in before)
    assert net[0].weight.grad is None
    assert len(everything.param_groups[0]["params"]) == 4


def test_plain_tensors_are_trained():
    a, b = torch.randn((), requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([a, b], lr=0.1)
    x = torch.linspace(-1, 1, 50)
    for _ in range(200):
        optimizer.zero_grad()
        ((a * x + b - (3 * x + 2)) ** 2).mean().backward()
        optimizer.step()
    assert a.item() == pytest.approx(3, abs=0.05)
    assert b.item() == pytest.approx(2, abs=0.05)


def test_a_step_with_a_closure():
    w = torch.tensor([1.0], requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1
    assert w.item() == pytest.approx(0.8)


# --- data -------------------------------------------------------------------------------------------------------------


class Squares(Dataset):
    """Pairs of a number and its square, one by one."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return self.rows

    def __getitem__(self, index):
        return np.full(3, index, np.float32), index**2


def test_loaders_go_through_all_rows():
    data = TensorDataset(torch.tensor(X), torch.arange(40))
    batches = list(DataLoader(data, batch_size=16))
    assert [len(y) for _, y in batches] == [16, 16, 8]
    np.testing.assert_array_equal(np.concatenate([x.numpy() for x, _ in batches]), X)
    loader = DataLoader(data, batch_size=16, shuffle=True, drop_last=True)
    assert len(loader) == 2
    assert len(loader.dataset) == 40
    torch.manual_seed(0)
    first, second = (np.concatenate([y.numpy() for _, y in loader]) for _ in range(2))
    assert not np.array_equal(first, second)
    assert len(set(first.tolist())) == 32
    torch.manual_seed(0)
    np.testing.assert_array_equal(np.concatenate([y.numpy() for _, y in loader]), first)
    for x, y in loader:
        np.testing.assert_array_equal(x.numpy(), X[y.numpy()])


def test_rows_of_ones_own_data_set():
    x, y = next(iter(DataLoader(Squares(5), batch_size=4)))
    assert x.shape == (4, 3)
    assert x.dtype == torch.float32
    np.testing.assert_array_equal(y.numpy(), [0, 1, 4, 9])
    assert y.dtype == torch.int64
    collated = default_collate([{"a": torch.ones(2), "b": "x"}, {"a": torch.zeros(2), "b": "y"}])
    assert collated["b"] == ["x", "y"]
    np.testing.assert_array_equal(collated["a"].numpy(), [[1, 1], [0, 0]])
    (rows,) = DataLoader(Squares(3), batch_size=3, collate_fn=lambda rows: [number for _, number in rows])
    assert rows == [0, 1, 4]


@pytest.mark.parametrize("lengths", [(30, 10), (0.75, 0.25), (0.33, 0.67)])
def test_parts_of_a_data_set(lengths):
    data = TensorDataset(torch.tensor(X), torch.arange(40))
    parts = random_split(data, lengths)
    numbers = [y for part in parts for _, batch in DataLoader(part, batch_size=7) for y in batch.tolist()]
    assert sorted(numbers) == list(range(40))
    assert numbers != sorted(numbers)
    assert abs(len(parts[0]) - (lengths[0] if lengths[0] > 1 else 40 * lengths[0])) < 1
    assert parts[0][0][1].item() == numbers[0]
    nested = Subset(Subset(Squares(10), range(5, 10)), [0, 4])
    assert next(iter(DataLoader(nested, batch_size=2)))[1].tolist() == [25, 81]


# --- modules ----------------------------------------------------------------------------------------------------------


class Blocks(torch.nn.Module):
    """Modules in lists and dictionaries, a parameter and a buffer of its own, and an argument that is no tensor."""

    def __init__(self, width=4):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(5, width), torch.nn.Linear(width, width)])
        self.heads = torch.nn.ModuleDict({"mean": torch.nn.Linear(width, 2), "spread": torch.nn.Linear(width, 2)})
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.register_buffer("offset", torch.tensor([2.0]))

    def forward(self, x, head, squared=False):
        for layer in self.layers:
            x = torch.relu(layer(x))
        made = self.heads[head](x) * self.scale + self.offset
        return {"made": made**2 if squared else made}["made"]


def test_modules_in_modules():
    torch.manual_seed(0)
    net = Blocks()
    names = [name for name, _ in net.named_parameters()]
    assert names == ["scale", "offset", *[f"{part}.{kind}" for part in ("layers.0", "layers.1", "heads.mean",
                     "heads.spread") for kind in ("weight", "bias")]]  # fmt: skip
    assert len(net.parameters()) == 9
    assert sum(parameter.numel() for parameter in net.parameters()) == 1 + 24 + 20 + 2 * 10
    x = torch.tensor(X)
    np.testing.assert_allclose(net(x, "mean", squared=True).numpy(), net(x, "mean").numpy() ** 2, rtol=1e-6)
    assert isinstance(net(X, "spread"), torch.Tensor)
    net(x, "mean").sum().backward()
    assert net.heads["spread"].weight.grad is None or not net.heads["spread"].weight.grad.numpy().any()
    assert [type(each).__name__ for each in net.children()] == ["ModuleList", "ModuleDict"]
    assert dict(net.named_modules())["heads.mean"] is net.heads["mean"]
    assert not net.eval().layers[0].training
    assert net.to("cpu").train().heads["mean"].training


def test_modules_show_themselves_and_take_functions():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2, bias=False), torch.nn.Sequential(torch.nn.ReLU()))
    assert repr(net) == "Sequential(\n  (0): Linear(3, 2, bias=False)\n  (1): Sequential(\n    (0): ReLU()\n  )\n)"

    def start(module):
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.constant_(module.weight, 0.5)

    assert net.apply(start) is net
    np.testing.assert_array_equal(net[0].weight.detach().numpy(), np.full((3, 2), 0.5))
    named = torch.nn.Sequential({"first": torch.nn.Linear(3, 2), "second": torch.nn.Tanh()})
    named.add_module("third", torch.nn.Linear(2, 1))
    assert [name for name, _ in named.named_parameters()] == [
        "first.weight", "first.bias", "third.weight", "third.bias"]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "low", "high"),
    [
        ("zeros_", {}, 0, 0), ("ones_", {}, 1, 1), ("constant_", {"val": 3}, 3, 3),
        ("uniform_", {"a": 2, "b": 3}, 2, 3),
        ("normal_", {"mean": 9, "std": 0.1}, 8, 10), ("orthogonal_", {}, -1, 1),
        ("xavier_uniform_", {}, -0.25, 0.25), ("xavier_normal_", {}, -1, 1),  # limit: sqrt(6 / (64 + 32))
        ("kaiming_uniform_", {}, -0.31, 0.31), ("kaiming_normal_", {"nonlinearity": "relu"}, -1, 1),  # sqrt(6 / 64)
    ],
)  # fmt: skip
def test_starting_values(name, options, low, high):
    layer = torch.nn.Linear(64, 32)
    start = getattr(torch.nn.init, name)
    assert start(layer.weight, **options) is layer.weight
    values = layer.weight.detach().numpy()
    assert low <= values.min() <= values.max() <= high
    start(layer.weight.data, **options)
    assert layer.weight.requires_grad


def test_a_module_is_trained_by_fit_as_well():
    nbdl.set_seed(0)
    net = network(torch)
    net.compile({"name": "adam", "lr": 0.02}, "mse")
    history = net.fit(X, Y, epochs=40, batch_size=8, seed=0, verbose=False)
    assert history["loss"][-1] < 0.2 * history["loss"][0]
    assert net.predict(X).shape == (40, 2)


def test_mistakes():
    with pytest.raises(OptionError, match=r"covers dampening=0\.0 only"):
        torch.optim.SGD(network(torch).parameters(), dampening=0.1)
    with pytest.raises(AttributeError, match=r"has no 'LBFGS'.*docs/compat.md"):
        torch.optim.LBFGS  # noqa: B018
    with pytest.raises(DataError, match=r"tensors of the lengths \[40, 3\]"):
        TensorDataset(torch.tensor(X), torch.zeros(3))
    with pytest.raises(OptionError, match=r"parts of \[30, 20\] rows don't add up to 40"):
        random_split(TensorDataset(torch.tensor(X)), [30, 20])
    with pytest.raises(OptionError, match="batches of at least one row"):
        DataLoader(Squares(3), batch_size=0)
    with pytest.raises(OptionError, match="and the optimizer"):
        torch.optim.Adam(network(torch).parameters()).load_state_dict({"0.step": 1})
