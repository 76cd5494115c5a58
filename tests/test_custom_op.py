"""`nbdl.op`: operations that a plugin brings, from their registration to a compiled training loop."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import textwrap

import numba
import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.errors import NumericsError, PluginError, ShapeError
from nbdl.testing import check_gradients

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def _soft(x):
    """x / (1 + |x|)"""
    return x / (1 + abs(x))


@numba.njit
def hypotenuse(x, y):
    return math.sqrt(x * x + y * y)


def _running_sum(x, out):
    for row in range(x.shape[0]):
        total = x.dtype.type(0)
        for column in range(x.shape[1]):
            total += x[row, column]
            out[row, column] = total


def _backward_sum(x, out):
    for row in range(x.shape[0]):
        total = x.dtype.type(0)
        for column in range(x.shape[1] - 1, -1, -1):
            total += x[row, column]
            out[row, column] = total


def _is_large(x):
    return abs(x) > 1


def _odd_rows(x, out):
    out[:] = x[1::2]


def _reciprocal(x):
    return 1 / x


def _identity(x):
    return x


def _difference(x, y, out):
    out[0] = x[0] - y[0]


def _two(x, out):
    out[:] = x


soft = nbdl.op("test_soft", cpu=_soft, derivative=lambda inputs, output, g: [g / (1 + nbdl.abs(inputs[0])) ** 2])
# by the name of what it is made of: generated programs must not import what records the operation
hypotenuse = nbdl.op(
    "test_hypotenuse",
    cpu=hypotenuse,
    derivative=lambda inputs, output, g: [g * inputs[0] / output, g * inputs[1] / output],
)
running_sum = nbdl.op(
    "test_running_sum",
    cpu=_running_sum,
    shape=lambda shape: shape,
    derivative=lambda inputs, output, g: [backward_sum(g)],
)
backward_sum = nbdl.op(
    "test_backward_sum",
    cpu=_backward_sum,
    shape=lambda shape: shape,
    derivative=lambda inputs, output, g: [running_sum(g)],
)
difference = nbdl.op("test_difference", cpu=_difference, shape=lambda x, y: (), derivative=None)
is_large = nbdl.op("test_is_large", cpu=_is_large, derivative=None, dtype="bool")
reciprocal = nbdl.op("test_reciprocal", cpu=_reciprocal, derivative=None)

CASES = [
    (soft, (X,), lambda x: x / (1 + np.abs(x))),
    (hypotenuse, (X, X[:1]), np.hypot),
    (running_sum, (X,), lambda x: np.cumsum(x, axis=1)),
    (is_large, (X,), lambda x: np.abs(x) > 1),
    (difference, (X[0], X[1, 0]), lambda x, y: x[0] - y),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("operation", "arrays", "expected"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_the_same_interpreted_and_compiled(operation, arrays, expected, dtype):
    arrays = [array.astype(dtype) for array in arrays]
    tolerance = 1e-5 if dtype == np.float32 else 1e-14
    for run in (operation, nbdl.jit(operation)):
        found = run(*arrays)
        assert found.dtype == (np.bool_ if operation is is_large else dtype)
        np.testing.assert_allclose(found.numpy(), expected(*arrays), rtol=tolerance, atol=tolerance)


def test_gradients():
    check_gradients(soft, X)
    check_gradients(hypotenuse, X, X[:1])
    check_gradients(running_sum, X)
    gradient = nbdl.grad(lambda x: nbdl.sum(running_sum(soft(x)) ** 2))
    np.testing.assert_allclose(nbdl.jit(gradient)(X).numpy(), gradient(X).numpy(), rtol=1e-5, atol=1e-5)


def test_integers_become_floating_point_where_there_is_a_derivative():
    np.testing.assert_allclose(soft(np.arange(3)).numpy(), [0, 0.5, 2 / 3], rtol=1e-6)
    assert soft(2).dtype == np.float32
    assert is_large(np.arange(3)).tolist() == [False, False, True]


def test_what_python_refuses_is_computed_as_in_a_program():
    np.testing.assert_array_equal(reciprocal([0.0, -2.0]).numpy(), [np.inf, -0.5])
    assert nbdl.jit(reciprocal)([0.0]).tolist() == [np.inf]
    negative_root = nbdl.op("test_root", cpu=_root, derivative=None)
    assert np.isnan(negative_root([-1.0, 4.0]).numpy()).tolist() == [True, False]


def _root(x):
    return math.sqrt(x)


class Layered(nn.Module):
    def __init__(self):
        self.first = nn.Dense(8)
        self.second = nn.Dense(1)

    def forward(self, x):
        return self.second(running_sum(soft(self.first(x))))


def trained(**options):
    x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    nbdl.set_seed(0)
    net = Layered()
    net.compile({"name": "adam", "lr": 0.01}, "mse", debug=options.pop("debug", False))
    history = net.fit(x, x[:, :1] * 2, epochs=3, seed=0, verbose=False, **options)
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    return net.first.weight.numpy(), net


def test_inside_of_fit_on_any_number_of_workers():
    one, net = trained(workers=1)
    assert 'plugin_kernel("tests.test_custom_op", "_soft")' in net.source()
    two, _ = trained(workers=2)
    slow, _ = trained(debug=True)
    # float32 sums over shards, and NumPy's over whole batches, round otherwise: 20 steps of a few roundings
    np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(slow, one, rtol=1e-4, atol=1e-5)


# --- refusals ---------------------------------------------------------------------------------------------------------


class Callable:
    def __call__(self, x):
        return x

    @staticmethod
    def method(x):
        return x


def _star(*x):
    return x[0]


def _scaled(x, factor=2.0):
    return factor * x


MISTAKES = [
    ({"name": "Soft Sign"}, "an operation's name is a lower-case identifier, not 'Soft Sign'"),
    ({"name": "exp"}, "there is an operation 'exp' already; choose another name, such as my_exp"),
    ({"name": "test_soft"}, "there is an operation 'test_soft' already in tests.test_custom_op"),
    ({"name": "range"}, "'range' means something else in generated programs"),
    ({"name": "if"}, "'if' means something else in generated programs"),
    ({"cpu": lambda x: x}, "must stand at the top level of a module: generated programs import it from there"),
    ({"cpu": Callable.method}, "must stand at the top level of a module"),
    ({"cpu": 3}, "needs a Python function for the CPU, not 3"),
    ({"cpu": np.exp}, "needs a Python function for the CPU"),
    ({"cpu": Callable()}, "needs a Python function for the CPU"),
    ({"cpu": _star}, "takes one number of each input, as plain positional parameters without defaults"),
    ({"cpu": _scaled}, "takes one number of each input, as plain positional parameters without defaults"),
    ({"shape": lambda shape: shape}, "takes the inputs and `out`, as plain positional parameters"),
    ({"shape": 3}, "the shape rule of the operation 'refused' must be a function, or None; 3 isn't"),
    ({"derivative": 4}, "the derivative of the operation 'refused' must be a function, or None; 4 isn't"),
    ({"derivative": lambda x: x}, r"must take \(inputs, output, gradient\)"),
    ({"cuda": 3}, "the CUDA function of the operation 'refused' must be a function, or None"),
    ({"dtype": "float16"}, "the dtype 'float16' of the operation 'refused' isn't one of bool, float32"),
    ({"dtype": "number"}, "the dtype 'number' of the operation 'refused' isn't one of bool, float32"),
]


@pytest.mark.parametrize(("pieces", "reason"), MISTAKES, ids=lambda case: "")
def test_what_can_not_work_is_refused_at_registration(pieces, reason):
    with pytest.raises(PluginError, match=reason):
        nbdl.op(**{"name": "refused", "cpu": _identity, "derivative": None, **pieces})


def _sorted_by_name(x):
    return sorted({"x": x}.items())[0][1] if type(x).__name__ else x


def test_what_numba_can_not_compile_is_said_in_a_sentence():
    beyond = nbdl.op("beyond_numba", cpu=_sorted_by_name, derivative=None)
    assert np.array_equal(beyond(X).numpy(), X)  # NumPy can
    with pytest.raises(PluginError, match=r"Numba can't compile .*'beyond_numba'"):
        nbdl.jit(lambda x: beyond(x) + 1)(X)


def test_a_missing_piece_is_refused():
    with pytest.raises(PluginError, match=r"needs derivative=, .* or None if it has none"):
        nbdl.op("refused", cpu=_identity)
    with pytest.raises(PluginError, match="needs cpu=, the function that Numba compiles"):
        nbdl.op("refused", derivative=None)


def test_a_module_that_is_loaded_again_registers_anew():
    again = nbdl.op("test_again", cpu=_identity, derivative=None)
    assert again(X).shape == (6, 4)
    again = nbdl.op("test_again", cpu=_identity, derivative=None, dtype="float64")
    assert again(X).dtype == np.float64


def test_mistakes_in_use():
    with pytest.raises(PluginError, match="test_hypotenuse takes 2 tensors, not 1"):
        hypotenuse(X)
    with pytest.raises(ShapeError, match="can't be broadcast"):
        hypotenuse(X, np.ones((5, 5), np.float32))
    bad = nbdl.op("test_bad_shape", cpu=_two, shape=lambda shape: 3, derivative=None)
    with pytest.raises(PluginError, match=r"the shape rule of 'test_bad_shape' failed on \(6, 4\): TypeError"):
        bad(X)
    bad = nbdl.op("test_bad_sizes", cpu=_two, shape=lambda shape: ("x",), derivative=None)
    with pytest.raises(PluginError, match="the shape rule of 'test_bad_sizes' must return sizes"):
        bad(X)
    bad = nbdl.op("test_bad_function", cpu=_fails, derivative=None)
    with pytest.raises(PluginError, match="the CPU function of the operation 'test_bad_function' failed: TypeError"):
        bad(X).numpy()


def _fails(x):
    return "a" + x


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (lambda inputs, output, g: [g, g], "a gradient .or None. for each of its 1 inputs"),
        (lambda inputs, output, g: g, "a gradient .or None. for each of its 1 inputs"),
        (lambda inputs, output, g: [g[:, :2]], r"returned a gradient \(6, 2\) for an input \(6, 4\)"),
    ],
    ids=["too many", "no list", "wrong shape"],
)
def test_mistakes_in_a_derivative(parts, reason):
    bad = nbdl.op("test_bad_derivative", cpu=_identity, derivative=parts)
    with pytest.raises(PluginError, match=f"the derivative of 'test_bad_derivative' .*{reason}"):
        nbdl.grad(lambda x: nbdl.sum(bad(x)))(X).numpy()


def test_a_gradient_may_be_none_or_a_number():
    constant = nbdl.op("test_constant", cpu=_identity, derivative=lambda inputs, output, g: [None])
    assert nbdl.grad(lambda x: nbdl.sum(constant(x) + x))([1.0, 2.0]).tolist() == [1.0, 1.0]
    one = nbdl.op("test_one", cpu=_identity, derivative=lambda inputs, output, g: [1.0])
    assert nbdl.grad(lambda x: nbdl.sum(one(x)))([1.0, 2.0]).tolist() == [1.0, 1.0]


def test_elements_that_are_left_out_show():
    half = nbdl.op("test_half", cpu=_first_column, shape=lambda shape: shape, derivative=None)
    assert np.isnan(half(X).numpy()[:, 1:]).all()
    with nbdl.lazy.debugging(), pytest.raises(NumericsError, match="test_half gives NaN"):
        half(X).numpy()


def _first_column(x, out):
    out[:, 0] = x[:, 0]


# --- new versions -----------------------------------------------------------------------------------------------------


def test_a_changed_function_or_helper_is_compiled_anew(tmp_path):
    """Programs are cached on disk under their source, in which an operation is just a name."""
    package = tmp_path / "doubling"
    package.mkdir()
    (package / "__init__.py").write_text(
        textwrap.dedent(
            """
            import nbdl
            from doubling.helper import factor
            def _times(x):
                return x * factor(x)
            times = nbdl.op("doubling_times", cpu=_times, derivative=None)
            """
        )
    )
    (package / "helper.py").write_text("import numba\n@numba.njit\ndef factor(x):\n    return 2\n")
    assert _printed(tmp_path) == "[2.0]"
    (package / "helper.py").write_text("import numba\n@numba.njit\ndef factor(x):\n    return 3 + 0\n")
    assert _printed(tmp_path) == "[3.0]"


def test_what_an_extension_of_numba_brings_is_there_when_machine_code_comes_from_disk(tmp_path):
    package, about = tmp_path / "doubling", tmp_path / "extension-1.dist-info"
    package.mkdir()
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: extension\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[numba_extensions]\ninit = doubling.extension:begin\n")
    (package / "extension.py").write_text(
        textwrap.dedent(
            """
            import ctypes
            import llvmlite.binding
            twice = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda x: 2 * x)
            def begin():
                llvmlite.binding.add_symbol("extension_twice", ctypes.cast(twice, ctypes.c_void_p).value)
            """
        )
    )
    (package / "__init__.py").write_text(
        textwrap.dedent(
            """
            import nbdl
            from numba import types
            twice = types.ExternalFunction("extension_twice", types.double(types.double))
            def _times(x):
                return twice(x)
            times = nbdl.op("doubling_times", cpu=_times, derivative=None)
            """
        )
    )
    assert [_printed(tmp_path) for _ in range(2)] == ["[2.0]", "[2.0]"]


def _printed(folder):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]), "NBDL_CACHE_DIR": str(folder)}
    program = "import nbdl, doubling; print(nbdl.jit(doubling.times)([1.0]).tolist())"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def test_what_is_typed_into_a_prompt_counts_by_its_code():
    from nbdl.source_hash import source_hash

    def typed(text):
        space = {"__name__": "nowhere"}
        exec(text, space)
        return source_hash(space["f"])

    assert typed("def f(x): return x * 2") != typed("def f(x): return x * 3")
    assert typed("def f(x): return x * 2") == typed("def f(x): return x * 2")
