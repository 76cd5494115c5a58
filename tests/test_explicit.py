"""The explicit level: zero_grad, forward, backward, step, interpreted at first and native after a few rounds."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import nbdl
from nbdl import lazy, nn
from nbdl.errors import DtypeError, OptionError, ShapeError
from nbdl.ir.graph import Node
from nbdl.nn.module import Parameter
from nbdl.optim.native import NativeUpdate
from nbdl.resolve import resolve

STEPS = 30
X = np.random.default_rng(0).normal(size=(STEPS, 7, 5)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(STEPS, 7, 2)).astype(np.float32)
# float32: some twenty roundings of 6e-8 a step over 30 steps, grown by momentum and by Adam's division
TOLERANCE = {"rtol": 2e-4, "atol": 2e-5}


def optimizer_for(parameters, name="sgd", **options):
    optimizer = resolve("optimizers", {"name": name, **options})
    return optimizer.attach(parameters)


def is_native(optimizer) -> bool:
    return any(isinstance(each, NativeUpdate) for each in optimizer.state.programs.values())


def twins(torch, hidden, activation):
    """The same network here and in PyTorch."""
    dense = [nn.Dense(size, activation=activation) for size in hidden] + [nn.Dense(2)]
    net = nn.Sequential(*dense)
    net(X[0])
    theirs = []
    for layer in dense:
        linear = torch.nn.Linear(*layer.weight.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(layer.weight.numpy().T.copy()))
            linear.bias.copy_(torch.tensor(layer.bias.numpy().copy()))
        theirs += [linear, {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[activation]()]
    return net, torch.nn.Sequential(*theirs[:-1])


def same_weights(net, theirs) -> bool:
    arrays = [parameter.detach().numpy() for parameter in theirs.parameters()]
    return all(
        np.allclose(ours.numpy(), array.T if array.ndim == 2 else array, **TOLERANCE)
        for ours, array in zip(net.parameters(), arrays, strict=True)
    )


HEAVY = {"momentum": 0.9, "weight_decay": 0.01}
LOOPS = [
    ((8,), "tanh", {"name": "sgd", "lr": 0.1, **HEAVY}, "SGD", HEAVY, None),
    ((), "relu", {"name": "rmsprop", "lr": 0.01}, "RMSprop", {}, None),
    ((7, 7), "relu", {"name": "adam", "lr": 0.01, "clip_norm": 0.5}, "Adam", {}, 0.5),
    ((6,), "relu", {"name": "adamw", "lr": 0.01, "weight_decay": 0.1}, "AdamW", {"weight_decay": 0.1}, None),
]


@pytest.mark.parametrize(("hidden", "activation", "options", "name", "others", "norm"), LOOPS, ids=lambda each: None)
def test_as_in_pytorch(hidden, activation, options, name, others, norm):
    """Through the switch to native code, with short batches, and the learning rate halved after it."""
    torch = pytest.importorskip("torch")
    net, theirs = twins(torch, hidden, activation)
    optimizer = optimizer_for(net.parameters(), **options)
    peer = getattr(torch.optim, name)(theirs.parameters(), lr=options["lr"], **others)
    for step in range(STEPS):
        rows = slice(None) if step % 5 else slice(4)
        if step == 20:
            optimizer.lr = options["lr"] / 2
            peer.param_groups[0]["lr"] = options["lr"] / 2
        optimizer.zero_grad()
        loss = nbdl.mean((net(X[step, rows]) - Y[step, rows]) ** 2)
        loss.backward()
        optimizer.step()
        peer.zero_grad()
        their_loss = ((theirs(torch.tensor(X[step, rows])) - torch.tensor(Y[step, rows])) ** 2).mean()
        their_loss.backward()
        if norm:
            torch.nn.utils.clip_grad_norm_(theirs.parameters(), norm)
        peer.step()
        assert np.isclose(loss.item(), their_loss.item(), **TOLERANCE), step
        assert same_weights(net, theirs), step
    assert is_native(optimizer)


# --- a parabola, whose steps are known ------------------------------------------------------------------------------


@pytest.fixture
def parabola():
    """A parameter and its optimizer: a step down factor * sum(w**2) multiplies w by 1 - 2 * factor * rate."""
    parameter = Parameter([1.0, -2.0])
    return parameter, optimizer_for([parameter], lr=0.01)


def step_down(parameter, optimizer, factor=1.0):
    optimizer.zero_grad()
    loss = factor * nbdl.sum(parameter * parameter)
    loss.backward()
    optimizer.step()
    return loss


def test_a_learning_rate_is_read_at_every_step_and_needs_no_compilation(parabola):
    parameter, optimizer = parabola
    for step in range(lazy.ROUNDS + 6):
        before = parameter.numpy().copy()
        optimizer.lr = 0.01 * (step % 4)
        step_down(parameter, optimizer)
        np.testing.assert_allclose(parameter.numpy(), before * (1 - 0.02 * (step % 4)), rtol=1e-6)
    assert is_native(optimizer)
    assert len(optimizer.state.programs) == 1
    with pytest.raises(OptionError, match="lr can't be negative"):
        optimizer.lr = -1.0


def test_other_settings_and_schedules_may_change_too(parabola):
    parameter, optimizer = parabola
    for _ in range(lazy.ROUNDS + 3):
        step_down(parameter, optimizer)
    optimizer.weight_decay = 1.0
    before = parameter.numpy().copy()
    step_down(parameter, optimizer, factor=0.0)
    np.testing.assert_allclose(parameter.numpy(), before * (1 - 0.01), rtol=1e-6)
    optimizer.weight_decay = 0.0
    optimizer.lr = {"name": "step", "lr": 0.1, "every": 1000}
    before = parameter.numpy().copy()
    step_down(parameter, optimizer)
    np.testing.assert_allclose(parameter.numpy(), before * (1 - 0.2), rtol=1e-6)


def test_gradients_add_up_until_they_are_cleared(parabola):
    parameter, optimizer = parabola
    for _ in range(lazy.ROUNDS + 4):
        before = parameter.numpy().copy()
        optimizer.zero_grad()
        for factor in (1.0, 2.0, 3.0):
            (factor * nbdl.sum(parameter * parameter)).backward()
        optimizer.step()
        np.testing.assert_allclose(parameter.grad.numpy(), 12 * before, rtol=1e-6)
        np.testing.assert_allclose(parameter.numpy(), before * (1 - 0.12), rtol=1e-6)
    assert is_native(optimizer)


def test_gradients_that_are_never_cleared_stay_one_graph(parabola):
    parameter, optimizer = parabola
    total = np.zeros(2)
    for _ in range(lazy.ROUNDS + 8):
        before = parameter.numpy().copy()
        total += 2 * before
        nbdl.sum(parameter * parameter).backward()
        optimizer.step()
        np.testing.assert_allclose(parameter.numpy(), before - 0.01 * total, rtol=1e-5)
    assert is_native(optimizer)


def test_values_never_change_under_a_tensor(parabola):
    parameter, optimizer = parabola
    for _ in range(lazy.ROUNDS + 4):
        seen, copy = parameter.numpy(), parameter.numpy().copy()
        pending, detached = 10 * parameter, parameter.detach()
        loss = step_down(parameter, optimizer)
        assert not np.array_equal(parameter.numpy(), copy)
        np.testing.assert_array_equal(seen, copy)
        np.testing.assert_array_equal(pending.numpy(), 10 * copy)
        np.testing.assert_array_equal(detached.numpy(), copy)
        np.testing.assert_allclose(loss.item(), (copy**2).sum(), rtol=1e-6)
        np.testing.assert_allclose(parameter.grad.numpy(), 2 * copy, rtol=1e-6)


def test_losses_and_gradients_read_before_the_step(parabola):
    parameter, optimizer = parabola
    for _ in range(lazy.ROUNDS + 4):
        before = parameter.numpy().copy()
        loss = nbdl.sum(parameter * parameter)
        assert loss.item() == pytest.approx((before**2).sum(), rel=1e-6)
        optimizer.zero_grad()
        loss.backward()
        np.testing.assert_allclose(parameter.grad.numpy(), 2 * before, rtol=1e-6)
        parameter.grad = parameter.grad * 0.5  # clipping by hand
        optimizer.step()
        np.testing.assert_allclose(parameter.numpy(), before * (1 - 0.01), rtol=1e-6)


def test_a_gradient_is_a_number_through_which_no_gradient_flows():
    x = nbdl.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    nbdl.sum(x * x).backward()
    assert repr(x.grad) == "tensor([2., 4., 6.])"
    nbdl.sum(x * x).backward()
    nbdl.sum(3 * x).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [7, 11, 15])
    nbdl.sum(x).backward()  # after the sum so far was read
    assert not x.grad.requires_grad
    np.testing.assert_array_equal(x.grad.numpy(), [8, 12, 16])
    with pytest.raises(DtypeError, match="nothing that requires a gradient"):
        nbdl.sum(x.grad).backward()


def test_a_gradient_of_old_parameters_is_not_taken_for_one_of_new(parabola):
    """The graph is the same, but its leaf is what the parameter was before the last step."""
    parameter, optimizer = parabola

    def new_gradient():
        optimizer.zero_grad()
        nbdl.sum(parameter * parameter).backward()

    for _ in range(lazy.ROUNDS + 2):
        new_gradient()
        optimizer.step()
    assert is_native(optimizer)
    before = parameter.numpy().copy()
    new_gradient()
    optimizer.step()
    optimizer.step()
    np.testing.assert_allclose(parameter.numpy(), before * (1 - 0.04), rtol=1e-6)


def test_parameters_may_change_roles():
    first, second = Parameter([1.0, 2.0]), Parameter([5.0, 7.0])
    optimizer = optimizer_for([first, second], lr=0.001)
    a, b = np.array([1.0, 2.0]), np.array([5.0, 7.0])
    for step in range(2 * lazy.ROUNDS + 6):
        x, y = (first, second) if step % 2 else (second, first)
        optimizer.zero_grad()
        nbdl.sum(x * x * y).backward()
        optimizer.step()
        p, q = (a, b) if step % 2 else (b, a)
        p_gradient, q_gradient = 2 * p * q, p * p
        p -= 0.001 * p_gradient
        q -= 0.001 * q_gradient
        np.testing.assert_allclose(first.numpy(), a, rtol=1e-5)
        np.testing.assert_allclose(second.numpy(), b, rtol=1e-5)


def test_two_optimizers_share_a_loss():
    first, second = Parameter([1.0, 2.0]), Parameter([3.0, 4.0])
    one, other = optimizer_for([first], lr=0.01), optimizer_for([second], lr=0.02)
    for _ in range(lazy.ROUNDS + 3):
        a, b = first.numpy().copy(), second.numpy().copy()
        one.zero_grad()
        other.zero_grad()
        nbdl.sum(first * second * second).backward()
        one.step()
        other.step()
        np.testing.assert_allclose(first.numpy(), a - 0.01 * b * b, rtol=1e-6)
        np.testing.assert_allclose(second.numpy(), b - 0.02 * 2 * a * b, rtol=1e-6)


def test_a_frozen_layer_stays_and_may_be_assigned():
    net = nn.Sequential(nn.Dense(3, activation="tanh"), nn.Dense(2))
    net(X[0])
    optimizer = optimizer_for(net[1].parameters(), lr=0.1)
    frozen = net[0].weight.numpy().copy()
    for step in range(lazy.ROUNDS + 4):
        before = net[1].weight.numpy().copy()
        optimizer.zero_grad()
        nbdl.mean(net(X[step]) ** 2).backward()
        optimizer.step()
        assert not np.array_equal(net[1].weight.numpy(), before)
        np.testing.assert_array_equal(net[0].weight.numpy(), frozen)
        if step == lazy.ROUNDS + 1:
            frozen = frozen * 2
            net[0].weight.assign(frozen)
            expected = np.tanh(X[0] @ frozen) @ net[1].weight.numpy() + net[1].bias.numpy()
            np.testing.assert_allclose(net(X[0]).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_layers_are_frozen_and_freed():
    net = nn.Sequential(nn.Dense(3, activation="tanh"), nn.BatchNorm(), nn.Dense(2))
    net.layers[0].trainable = False
    net(X[0])
    assert [each.requires_grad for each in net.parameters()] == [True] * 4
    assert not net.layers[0].weight.requires_grad
    optimizer = optimizer_for(net.parameters(), lr=0.1)
    frozen = net[0].weight.numpy().copy()
    nbdl.mean(net(X[0]) ** 2).backward()
    optimizer.step()
    np.testing.assert_array_equal(net[0].weight.numpy(), frozen)
    assert net[0].weight.grad is None
    net[2].trainable = False
    with pytest.raises(OptionError, match="frozen after the optimizer took charge of it"):
        optimizer.step()
    net.trainable = True
    assert len(net.parameters()) == 6  # running statistics are none
    assert net[0].trainable
    optimizer = optimizer_for(net.parameters(), lr=0.1)
    nbdl.mean(net(X[0]) ** 2).backward()
    optimizer.step()
    assert not np.array_equal(net[0].weight.numpy(), frozen)


def test_dropout_draws_anew_in_every_step():
    net = nn.Sequential(nn.Dense(40), nn.Dropout(0.5))
    net(X[0])
    optimizer = optimizer_for(net.parameters(), lr=0.0)
    seen = set()
    for _ in range(lazy.ROUNDS + 6):
        optimizer.zero_grad()
        output = net(X[0])
        nbdl.sum(output).backward()
        optimizer.step()
        kept = output.numpy() != 0
        # the gradient goes through the elements that the same output kept
        np.testing.assert_allclose(net[0].bias.grad.numpy(), 2.0 * kept.sum(axis=0))
        seen.add(kept.tobytes())
    assert len(seen) == lazy.ROUNDS + 6


# --- memory, depth, mistakes ----------------------------------------------------------------------------------------


def live_nodes() -> int:
    return sum(type(each) is Node for each in gc.get_objects())


def test_memory_does_not_grow():
    """Without the collector's help: nothing that a step makes may stand in a cycle."""
    parameter = Parameter(np.ones((5, 2), np.float32))
    optimizer = optimizer_for([parameter], "adam")

    def run(steps: int) -> int:
        for step in range(steps):
            optimizer.zero_grad()
            nbdl.mean((nbdl.Tensor(X[step % STEPS]) @ parameter - Y[step % STEPS]) ** 2).backward()
            optimizer.step()
        return live_nodes()

    run(20)
    gc.collect()
    gc.disable()
    try:
        assert run(1) == run(500)
    finally:
        gc.enable()


def test_losses_that_are_kept_let_their_past_go(parabola):
    parameter, optimizer = parabola
    losses, vectors = [], []
    for _ in range(lazy.ROUNDS + 4):
        vectors.append(weakref.ref(parameter.node))
        losses.append(step_down(parameter, optimizer))
    optimizer.zero_grad()
    assert sum(each() is not None for each in vectors) == 0
    assert losses[0].item() == pytest.approx(5.0)
    with pytest.raises(DtypeError, match=r"call backward\(\) before optimizer.step\(\)"):
        losses[-1].backward()


def test_a_deep_graph():
    x = nbdl.Tensor([1.0, 2.0], requires_grad=True)
    total = x
    for _ in range(2000):
        total = total + x
    nbdl.sum(total).backward()
    np.testing.assert_array_equal(total.numpy(), [2001.0, 4002.0])
    np.testing.assert_array_equal(x.grad.numpy(), [2001.0, 2001.0])


def test_mistakes(parabola):
    parameter, optimizer = parabola
    with pytest.raises(OptionError, match=r"call loss.backward\(\) before optimizer.step\(\)"):
        optimizer.step()
    with pytest.raises(OptionError, match=r"call optimizer.attach\(net.parameters\(\)\) first"):
        resolve("optimizers", "adam").step()
    parameter.grad = nbdl.Tensor([1.0, 2.0, 3.0])
    with pytest.raises(ShapeError, match=r"the gradient of a parameter must have its shape \(2,\), not \(3,\)"):
        optimizer.step()
    with pytest.raises(ShapeError, match="a gradient needs a scalar"):
        (parameter * parameter).backward()
    with pytest.raises(DtypeError, match="nothing that requires a gradient"):
        nbdl.sum(nbdl.Tensor([1.0])).backward()
    np.testing.assert_array_equal(parameter.numpy(), [1.0, -2.0])


def test_a_gradient_given_as_an_array(parabola):
    parameter, optimizer = parabola
    parameter.grad = np.array([100.0, 0.0])
    optimizer.step()
    np.testing.assert_allclose(parameter.numpy(), [0.0, -2.0], atol=1e-6)
