"""Tensors at their edges: whose memory they have, constants, empty axes, arrays of other kinds, mistakes."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable

import numpy as np
import pytest

import nbdl
from nbdl import nn, optim
from nbdl.errors import DataError, DtypeError, OptionError, ShapeError


def test_constants_belong_to_nobody():
    torch = pytest.importorskip("torch")
    torch.from_dlpack(nbdl.full((), 2.0)).fill_(100.0)
    assert (nbdl.asarray([1.0]) * 2.0).tolist() == [2.0]
    assert np.signbit((nbdl.asarray([1.0]) * 0.0).numpy()).tolist() == [False]
    assert np.signbit((nbdl.asarray([1.0]) * -0.0).numpy()).tolist() == [True]


def test_a_tensor_has_a_copy_of_its_array():
    array, sums = np.zeros(2, np.float32), []
    for number in range(3):
        array[:] = number
        sums.append(nbdl.sum(nbdl.Tensor(array)))
    assert [float(each) for each in sums] == [0, 2, 4]
    memory = bytearray(4)
    doubled = nbdl.Tensor(memoryview(memory)) * 2
    memory[:] = b"abcd"
    assert doubled.tolist() == [0, 0, 0, 0]


def test_a_deep_copy_is_another_leaf():
    w = nbdl.Tensor([1.0, 2.0], requires_grad=True)
    v = copy.deepcopy(w)
    nbdl.sum(v * v).backward()
    assert v.grad.tolist() == [2.0, 4.0]
    assert w.grad is None
    assert copy.deepcopy([v, v])[0].grad.tolist() == [2.0, 4.0]


def test_reductions_at_their_edges():
    assert float(nbdl.logsumexp([-np.inf, -np.inf])) == -np.inf
    assert float(nbdl.logsumexp([np.inf, 0.0])) == np.inf
    assert int(nbdl.min(np.array([-(2**31), 0], np.int32))) == -(2**31)
    for reduce in (nbdl.max, nbdl.min, nbdl.argmax):
        with pytest.raises(ShapeError, match="empty axis"):
            nbdl.jit(lambda x, reduce=reduce: reduce(x, axis=1))(np.zeros((2, 0), np.float32))


def test_sizes_and_axes_of_numpy_are_whole_numbers_too():
    three, zero = np.int64(3), np.int64(0)
    assert nbdl.zeros(three).shape == nbdl.ones((three,)).shape == nbdl.random.uniform(three).shape == (3,)
    assert nbdl.sum(np.ones((2, 3), np.float32), axis=zero).tolist() == [2, 2, 2]
    assert nbdl.scan(lambda h, _: (h + 1, h), 0.0, None, length=three)[1].tolist() == [0, 1, 2]
    dense = nn.Dense(three)
    assert dense(np.ones((4, 2), np.float32)).shape == (4, 3)
    assert dense.weight.shape == (2, 3)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: x[True], ShapeError),
        (lambda x: nbdl.zeros(2.5), ShapeError),
        (lambda x: nbdl.zeros((-1, 2)), ShapeError),
        (lambda x: nbdl.random.normal((-3,)), ShapeError),
        (lambda x: nbdl.sum(x, axis="rows"), ShapeError),
        (lambda x: nbdl.softmax(x, axis=None), ShapeError),
        (lambda x: nbdl.argmax(x, axis=()), ShapeError),
        (lambda x: nbdl.expand_dims(x, (0, 1)), ShapeError),
        (lambda x: nbdl.concat([]), ShapeError),
        (lambda x: nbdl.stack([]), ShapeError),
        (lambda x: nbdl.concat([x, nbdl.asarray([1.0, 2.0])], axis=1), ShapeError),
        (lambda x: nbdl.tensordot(x, 1.0), ShapeError),
        (lambda x: nbdl.asarray([[1.0, 2.0], [3.0]]), ShapeError),
        (lambda x: x[::0], ShapeError),
        (lambda x: x.reshape(-1, -2), ShapeError),
        (lambda x: x.astype("foo"), DtypeError),
        (lambda x: x.astype("int32") + 2**40, DtypeError),
        (lambda x: x.astype("uint8") > -1, DtypeError),
        (lambda x: nbdl.zeros(2, "float16"), DtypeError),
        (lambda x: nbdl.asarray([1], "int16"), DtypeError),
        (lambda x: nbdl.asarray(2**63), DtypeError),
        (lambda x: nbdl.asarray(np.ma.masked_array([1.0, 2.0], [True, False])), DtypeError),
    ],
)
def test_what_is_refused(call: Callable[[nbdl.Tensor], object], error: type[Exception]):
    with pytest.raises(error):
        call(nbdl.Tensor([[1.0, 2.0]]))


def test_bounds_may_be_tensors():
    low, high = nbdl.Tensor(0.0), nbdl.Tensor([1.0, 5.0, 2.0])
    assert nbdl.clip([-1.0, 3.0, 3.0], low, high).tolist() == [0.0, 3.0, 2.0]


def test_arrays_of_other_kinds():
    swapped = nbdl.asarray(np.array([1.1], ">f8"))
    assert swapped.dtype == np.float64
    assert swapped.tolist() == [1.1]
    assert type(nbdl.asarray(np.ones(2).view(np.recarray)).numpy()) is np.ndarray


def test_random_numbers_of_a_thread_while_another_records():
    found = []

    def record(x: nbdl.Tensor) -> nbdl.Tensor:
        thread = threading.Thread(target=lambda: found.append(nbdl.random.normal((2,)).numpy()))
        thread.start()
        thread.join()
        return x + nbdl.random.normal((2,))

    assert nbdl.jit(record)([0.0, 0.0]).shape == (2,)
    assert found[0].shape == (2,)


def test_operators_with_arrays_and_numbers_on_the_left():
    numbers = np.array([1.5, -2.5, 4.0], np.float32)
    whole, truths = np.array([5, -7, 9]), np.array([True, False, True])
    x, i, b = nbdl.Tensor(numbers), nbdl.Tensor(whole), nbdl.Tensor(truths)
    for made, expected in (
        (5 % x, 5 % numbers),
        (numbers[::-1] % x, numbers[::-1] % numbers),
        (+x, numbers),
        (x // 2, numbers // 2),
        (7 // i, 7 // whole),
        (whole[::-1] // i, whole[::-1] // whole),
        (i // 2, whole // 2),
        (True & b, truths),
        (truths[::-1] & b, truths[::-1] & truths),
        (False | b, truths),
    ):
        assert type(made) is nbdl.Tensor
        np.testing.assert_array_equal(made.numpy(), expected)
        assert made.dtype == expected.dtype


def test_a_single_number_is_formatted():
    x = nbdl.Tensor([1.25])
    assert f"{x * 2:.1f} {x.reshape(()):>6.2f} {nbdl.Tensor(3):03d} {x}" == "2.5   1.25 003 tensor([1.25])"
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{nbdl.Tensor([1.0, 2.0]):.1f}"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x, y: nn.Dense(1)(x, x), ShapeError, "in layer Dense .*: it takes one input, not 2"),
        (lambda x, y: linear().fit([x, x], y), DataError, "given as a tuple, not as a list"),
        (lambda x, y: linear().fit(x, y, folder="runs/1"), OptionError, "RunFolder.create"),
        (lambda x, y: linear().fit(x, y, shuffle="no"), OptionError, "shuffle is True or False, not 'no'"),
        (lambda x, y: optim.sgd(weight_decay="a"), OptionError, "weight_decay must be a number"),
        (lambda x, y: optim.sgd(clip_norm=[1.0]), OptionError, "clip_norm must be positive"),
        (lambda x, y: optim.sgd(momentum="a"), OptionError, "momentum from 0 up to"),
        (lambda x, y: optim.adam(epsilon="a"), OptionError, "a finite epsilon"),
        (lambda x, y: nbdl.jit(3), OptionError, "jit takes a function, not 3"),
        (lambda x, y: nbdl.grad(x), OptionError, "grad takes a function"),
        (lambda x, y: nbdl.vmap(None), OptionError, "vmap takes a function, not None"),
        (lambda x, y: nbdl.scan(3, 0.0, x), OptionError, "scan takes a function, not 3"),
    ],
)
def test_mistakes_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call(np.ones((8, 4), np.float32), np.ones(8, np.float32))


def linear() -> nn.Module:
    net = nn.Sequential(nn.Dense(1))
    net.compile(optimizer="sgd", loss="mse")
    return net


def test_whole_numbers_of_numpy_are_options_too():
    x, y = np.ones((8, 4), np.float32), np.ones(8, np.float32)
    net = linear()
    net.fit(x, y, epochs=np.int64(2), batch_size=np.int32(4), seed=np.uint8(3), workers=np.int16(1), verbose=False)
    assert net.predict(x, batch_size=np.int32(3)).shape == (8, 1)
    assert nn.MaxPool2D(np.int64(2))(np.zeros((1, 4, 4, 1), np.float32)).shape == (1, 2, 2, 1)
