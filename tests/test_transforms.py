"""Functions of functions: grad, value_and_grad and jit; and the trees that they take."""

from __future__ import annotations

import doctest
import gc
import importlib
from collections import namedtuple

import numpy as np
import pytest

import nbdl
from nbdl import lazy, nn
from nbdl.errors import DtypeError, OptionError, ShapeError, UntraceableError
from nbdl.ir.graph import Node
from nbdl.nn.module import Parameter
from nbdl.resolve import resolve
from nbdl.trees import flatten, unflatten

X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
Y = X @ np.array([1.0, 2.0, 3.0], np.float32) + 0.5


@pytest.mark.parametrize("module", ["nbdl.transforms", "nbdl.jitting", "nbdl.trees", "nbdl.custom", "nbdl.lazy"])
def test_examples(module):
    assert not doctest.testmod(importlib.import_module(module)).failed


def mean_squared_error(parameters, x, y):
    return nbdl.mean((nbdl.matmul(x, parameters["w"]) + parameters["b"] - y) ** 2)


@pytest.fixture
def compilations(monkeypatch):
    """The list of graphs compiled so far."""
    seen = []
    compile_graph = lazy.compile_graph

    def noted(outputs, leaves, *device: str):
        seen.append(outputs)
        return compile_graph(outputs, leaves, *device)

    monkeypatch.setattr(lazy, "compile_graph", noted)
    return seen


# --- gradients ------------------------------------------------------------------------------------------------------


def test_derivatives_of_any_order():
    def cube(x):
        return x**3

    first = nbdl.grad(cube)
    second = nbdl.grad(first)
    assert [float(each(2.0)) for each in (first, second, nbdl.grad(second))] == [12.0, 12.0, 6.0]
    mixed = nbdl.grad(lambda y: nbdl.grad(lambda x: x * x * y)(3.0) * y)  # 2 * 3 * y * y
    assert float(mixed(2.0)) == 24.0


def test_positions_and_keywords():
    def scaled(x, y, scale=1.0):
        return scale * nbdl.sum(x * y)

    a, b = np.array([1.0, 2.0], np.float32), np.array([3.0, 4.0], np.float32)
    value, (by_y, by_x) = nbdl.value_and_grad(scaled, argnums=(1, 0))(a, b, scale=2.0)
    assert float(value) == 22.0
    np.testing.assert_array_equal(by_y.numpy(), 2 * a)
    np.testing.assert_array_equal(by_x.numpy(), 2 * b)
    both = nbdl.grad(scaled, argnums=(0, 1))(nbdl.Tensor(a), nbdl.Tensor(a))
    np.testing.assert_array_equal(both[0].numpy(), a)


def test_gradients_are_put_together_like_their_argument():
    parameters = {"w": np.zeros(3, np.float32), "b": np.float32(0)}
    gradients = nbdl.grad(mean_squared_error)(parameters, X, Y)
    np.testing.assert_allclose(gradients["w"].numpy(), -2 * (X * Y[:, None]).mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(gradients["b"].numpy(), -2 * Y.mean(), rtol=1e-5)


def test_a_result_is_a_constant_unless_it_depends_on_other_variables():
    inside = nbdl.Tensor([1.0, 2.0])
    outside = nbdl.Tensor([3.0, 4.0], requires_grad=True)
    value, gradient = nbdl.value_and_grad(lambda x: nbdl.sum(x * x))(inside)
    assert not value.requires_grad
    assert not gradient.requires_grad
    gradient = nbdl.grad(lambda x: nbdl.sum(x * x * outside))(inside)
    nbdl.sum(gradient).backward()
    np.testing.assert_array_equal(outside.grad.numpy(), [2.0, 4.0])


def test_a_loop_of_updates_stays_small_and_turns_native(compilations):
    gradient = nbdl.grad(mean_squared_error)
    parameters = {"w": nbdl.zeros(3), "b": nbdl.zeros(())}

    def run(steps):
        nonlocal parameters
        for _ in range(steps):
            found = gradient(parameters, X, Y)
            parameters = {name: value - 0.1 * found[name] for name, value in parameters.items()}
        gc.collect()
        return sum(type(each) is Node for each in gc.get_objects())

    assert run(50) == run(100)
    np.testing.assert_allclose(parameters["w"].numpy(), [1.0, 2.0, 3.0], atol=1e-4)
    assert 1 <= len(compilations) <= 3


def test_mistakes_of_grad():
    with pytest.raises(ShapeError, match=r"twice returned \(2,\): take its mean or sum"):
        nbdl.grad(twice)([1.0, 2.0])
    with pytest.raises(ShapeError, match="returned tuple"):
        nbdl.grad(lambda x: (x, x))(1.0)
    with pytest.raises(DtypeError, match="argument 0: it has the dtype int64; use floating-point"):
        nbdl.grad(nbdl.sum)([1, 2])
    with pytest.raises(DtypeError, match="argument 0: it holds no floating-point numbers"):
        nbdl.grad(nbdl.sum)(3)
    with pytest.raises(OptionError, match="argument 2: twice was given 1"):
        nbdl.grad(twice, argnums=2)([1.0])


def twice(x):
    return 2 * x


# --- jit ------------------------------------------------------------------------------------------------------------


def test_one_compilation_for_each_shape_and_dtype(compilations):
    fast = nbdl.jit(lambda x, y: nbdl.sum(x * y))
    for size in (3, 4, 3, 4):
        x = np.arange(size, dtype=np.float32)
        assert float(fast(x, y=x)) == (x * x).sum()
    assert len(compilations) == 2
    assert fast(np.ones(3), np.ones(3)).dtype == np.float64
    assert len(compilations) == 3
    assert float(fast(2.5, 2.0)) == 5.0
    assert float(fast(3.5, 2.0)) == 7.0
    assert len(compilations) == 4


def test_constants_are_part_of_the_program(compilations):
    @nbdl.jit
    def reduce(x, axis, squared=False, name="sum"):
        x = x * x if squared else x
        return getattr(nbdl, name)(x, axis=axis)

    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(reduce(x, 0).numpy(), x.sum(axis=0))
    np.testing.assert_array_equal(reduce(x, 1).numpy(), x.sum(axis=1))
    np.testing.assert_array_equal(reduce(x, 1, True).numpy(), (x * x).sum(axis=1))
    np.testing.assert_array_equal(reduce(x, 1, name="max").numpy(), x.max(axis=1))
    assert len(compilations) == 4
    np.testing.assert_array_equal(reduce(2 * x, 1).numpy(), 2 * x.sum(axis=1))
    assert len(compilations) == 4


def test_trees_go_in_and_come_out():
    Pair = namedtuple("Pair", "low high")

    @nbdl.jit
    def spread(data):
        low, high = nbdl.min(data["x"]), nbdl.max(data["x"])
        return {"pair": Pair(low, high), "moved": [data["x"] - low, (data["shift"], high)], "nothing": None}

    found = spread({"x": [3.0, 5.0], "shift": nbdl.Tensor([1.0])})
    assert isinstance(found["pair"], Pair)
    assert [float(each) for each in found["pair"]] == [3.0, 5.0]
    np.testing.assert_array_equal(found["moved"][0].numpy(), [0.0, 2.0])
    np.testing.assert_array_equal(found["moved"][1][0].numpy(), [1.0])
    assert found["nothing"] is None


def test_an_input_and_an_array_as_results():
    fixed = nbdl.Tensor([5.0, 6.0])
    given, outside, twice_given = nbdl.jit(lambda x: (x, fixed, x))([1.0])
    assert (given.tolist(), outside.tolist(), twice_given.tolist()) == ([1.0], [5.0, 6.0], [1.0])
    assert nbdl.jit(lambda x: x * np.array([2.0, 3.0], np.float32))([1.0, 1.0]).tolist() == [2.0, 3.0]


def test_parameters_from_outside_are_looked_up_at_each_call(compilations):
    net = nn.Sequential(nn.Dense(4, activation="relu"), nn.Dense(1))
    fast = nbdl.jit(net)
    fast(X)
    optimizer = resolve("optimizers", {"name": "sgd", "lr": 0.01}).attach(net.parameters())
    for _ in range(3):
        np.testing.assert_allclose(fast(X).numpy(), net(X).numpy(), rtol=1e-5, atol=1e-6)
        optimizer.zero_grad()
        nbdl.sum(net(X)).backward()
        optimizer.step()
    net.load_state_dict({name: 0 * array for name, array in net.state_dict().items()})
    np.testing.assert_array_equal(fast(X).numpy(), np.zeros((50, 1)))
    assert len(compilations) == 1


def test_a_tensor_worked_out_before_keeps_its_value():
    """Only the parameter is followed, not what was computed from it."""
    parameter = Parameter([1.0, 2.0])
    before = 2 * parameter
    scaled = nbdl.jit(lambda x: x * before)
    assert scaled([1.0, 1.0]).tolist() == [2.0, 4.0]
    parameter.assign([10.0, 10.0])
    assert scaled([1.0, 1.0]).tolist() == [2.0, 4.0]


def test_what_a_function_stores_is_computed_anew():
    parameter = Parameter([1.0, 2.0])
    kept = {}

    @nbdl.jit
    def scaled(x):
        kept["factor"] = 2 * parameter
        return x * kept["factor"]

    assert scaled([1.0, 1.0]).tolist() == [2.0, 4.0]
    parameter.assign([10.0, 10.0])
    assert scaled([1.0, 1.0]).tolist() == [20.0, 20.0]


def test_gradients_flow_through_what_is_compiled():
    parameter = Parameter([1.0, 2.0])
    scaled = nbdl.jit(lambda x, w: nbdl.sum(x * x * w * parameter))
    weight = nbdl.Tensor([3.0, 5.0], requires_grad=True)
    (scaled([1.0, 2.0], weight) + nbdl.sum(parameter)).backward()
    np.testing.assert_array_equal(weight.grad.numpy(), [1.0, 8.0])
    np.testing.assert_array_equal(parameter.grad.numpy(), [4.0, 21.0])
    by_x = nbdl.grad(scaled)([1.0, 2.0], [1.0, 1.0])
    np.testing.assert_array_equal(by_x.numpy(), [2.0, 8.0])


def test_gradients_inside(compilations):
    step = nbdl.jit(
        lambda parameters, x, y, rate: {
            name: parameters[name] - rate * gradient
            for name, gradient in nbdl.grad(mean_squared_error)(parameters, x, y).items()
        }
    )
    parameters = {"w": np.zeros(3, np.float32), "b": np.zeros((), np.float32)}
    for number in range(100):
        parameters = step(parameters, X, Y, 0.2 / (1 + 0.01 * number))
    np.testing.assert_allclose(parameters["w"].numpy(), [1.0, 2.0, 3.0], atol=1e-4)
    assert len(compilations) == 1


def test_backward_inside():
    parameter = Parameter([1.0, 2.0])

    @nbdl.jit
    def gradient(x):
        parameter.grad = None
        nbdl.sum(parameter * parameter * x).backward()
        found, parameter.grad = parameter.grad, None
        return found

    assert gradient([3.0, 4.0]).tolist() == [6.0, 16.0]
    parameter.assign([10.0, 10.0])
    assert gradient([3.0, 4.0]).tolist() == [60.0, 80.0]


def test_inside_of_other_traces():
    inner = nbdl.jit(lambda x: nbdl.tanh(2 * x))
    outer = nbdl.jit(lambda x: inner(x) + 1)
    np.testing.assert_allclose(outer([0.5]).numpy(), np.tanh([1.0]) + 1, rtol=1e-6)

    class Net(nn.Module):
        def __init__(self, transform):
            self.multiply = transform(lambda x: nbdl.matmul(x, self.weight))

        def build(self, shape):
            self.weight = self.parameter("weight", (shape[-1], 1), "ones")

        def forward(self, x):
            return self.multiply(x)

    weights = []
    for transform in (nbdl.jit, lambda function: function):
        net = Net(transform)
        net.compile({"name": "sgd", "lr": 0.05}, "mse")
        net.fit(X, Y[:, None], epochs=2, verbose=False, seed=0)
        weights.append(net.weight.numpy())
    assert not np.array_equal(weights[0], np.ones((3, 1)))
    np.testing.assert_array_equal(*weights)


def test_random_numbers_are_new_at_each_call():
    layers = nn.Sequential(nn.Dropout(0.5))
    thin = nbdl.jit(layers)
    ones = np.ones((4, 50), np.float32)
    assert not np.array_equal(thin(ones).numpy(), thin(ones).numpy())
    nbdl.set_seed(3)
    first = thin(ones).numpy()
    nbdl.set_seed(3)
    np.testing.assert_array_equal(thin(ones).numpy(), first)
    layers.eval()
    np.testing.assert_array_equal(thin(ones).numpy(), ones)


def test_debugging_runs_the_function_itself():
    seen = []

    @nbdl.jit
    def noisy(x):
        seen.append(float(nbdl.sum(x)))
        return x

    with lazy.debugging():
        noisy([1.0, 2.0])
    assert seen == [3.0]


def test_printing_shows_what_is_known(capsys):
    @nbdl.jit
    def noisy(x):
        print(x)
        return 2 * x

    assert noisy([1.0, 2.0]).tolist() == [2.0, 4.0]
    assert capsys.readouterr().out == "tensor<float32(2,), traced: no value yet>\n"


@pytest.mark.parametrize(
    "asks",
    [
        lambda x: x if nbdl.sum(x) > 0 else -x,
        lambda x: x * float(nbdl.sum(x)),
        lambda x: x * x.numpy(),
        lambda x: x * np.median(x),
        lambda x: x[int(nbdl.sum(x))],
    ],
)
def test_values_that_are_asked_for(asks):
    def function(x):
        return asks(x)

    with pytest.raises(UntraceableError, match=r"asked for in function while .* Use nbdl's functions"):
        nbdl.jit(function)([1.0, 2.0])


def test_mistakes_of_jit():
    with pytest.raises(UntraceableError, match="the function returned float"):
        nbdl.jit(lambda x: 3.0)([1.0])
    with pytest.raises(UntraceableError, match="returned a list of other things"):
        nbdl.jit(lambda x: [x, "x"])([1.0])
    with pytest.raises(UntraceableError, match="returned NoneType"):
        nbdl.jit(lambda x: None)([1.0])
    with pytest.raises(OptionError, match="constants that can be hashed, not set"):
        nbdl.jit(lambda x, names: x)([1.0], {"a"})
    with pytest.raises(DtypeError, match="a tensor holds numbers"):
        nbdl.jit(lambda x: x)(np.array(["a"]))


def test_a_warning_when_a_constant_keeps_changing(monkeypatch):
    monkeypatch.setattr("nbdl.jitting.MANY", 3)
    fast = nbdl.jit(lambda x, number: x + number)
    for number in range(2):
        fast([1.0], number)
    with pytest.warns(UserWarning, match="was compiled 3 times, each time for other shapes or constants"):
        fast([1.0], 2)


# --- trees ----------------------------------------------------------------------------------------------------------


def test_trees_are_put_back_as_they_were():
    Pair = namedtuple("Pair", "a b")
    tree = {"x": [1.5, [2.5, 3]], "y": Pair(np.zeros(2), (True, None)), "z": [np.ones(1), 4]}
    leaves = []
    structure = flatten(tree, leaves)
    assert len(leaves) == 3
    assert unflatten(structure, leaves) == tree
    assert flatten({"n": 1}, []) != flatten({"n": True}, [])
    assert flatten([1.0, 2.0], []) == flatten([3.0], [])
