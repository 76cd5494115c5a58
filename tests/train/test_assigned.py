"""Parameters that get values from elsewhere while an optimizer has them: the next step goes on from these."""

import numpy as np

import nbdl
from nbdl import lazy
from nbdl.nn.module import Parameter
from nbdl.resolve import resolve
from tests.train.networks import classifier, line


def optimizer_for(parameter, lr):
    return resolve("optimizers", {"name": "sgd", "lr": lr}).attach([parameter])


def step_down(parameter, optimizer):
    """Multiplies the parameter by 1 - 2 * lr."""
    optimizer.zero_grad()
    nbdl.sum(parameter * parameter).backward()
    optimizer.step()


def test_a_step_starts_from_assigned_values_interpreted_or_native():
    parameter = Parameter([1.0, -2.0])
    optimizer = optimizer_for(parameter, 0.1)
    for _ in range(lazy.ROUNDS + 4):
        step_down(parameter, optimizer)
        seen, pending = parameter.numpy(), parameter * 10
        before = seen.copy()
        parameter.assign([10.0, 20.0])
        step_down(parameter, optimizer)
        np.testing.assert_allclose(parameter.numpy(), [8.0, 16.0], rtol=1e-6)
        np.testing.assert_array_equal(seen, before)
        np.testing.assert_array_equal(pending.numpy(), 10 * before)


def test_two_optimizers_take_turns_on_one_parameter():
    parameter = Parameter([1.0, -2.0])
    slow, fast = optimizer_for(parameter, 0.01), optimizer_for(parameter, 0.1)
    expected = np.array([1.0, -2.0])
    for _ in range(lazy.ROUNDS + 4):
        step_down(parameter, slow)
        step_down(parameter, fast)
        expected *= 0.98 * 0.8
        np.testing.assert_allclose(parameter.numpy(), expected, rtol=1e-5)


def test_weights_that_are_loaded_after_training_are_used():
    x, y = line()
    net = classifier(outputs=1, loss="mse", optimizer={"name": "sgd", "lr": 0.0}, metrics=())
    net.fit(x, y, verbose=False, seed=0)
    loaded = {name: np.full_like(array, 2.0) for name, array in net.state_dict().items()}
    net.load_state_dict(loaded)
    expected = x @ np.full((3, 1), 2.0) + 2.0
    np.testing.assert_allclose(net.predict(x), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(net.evaluate(x, y)["loss"], np.mean((expected[:, 0] - y) ** 2), rtol=1e-5)
    net.fit(x, y, verbose=False, seed=0)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, loaded[name])
