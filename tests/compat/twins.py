"""A module made here and in PyTorch from one description, with the same weights, compared in values and gradients."""

import numpy as np
import pytest

import nbdl.compat.torch as ours

theirs = pytest.importorskip("torch")

# float32: sums of up to a hundred products, in another order
TOLERANCE = {"rtol": 1e-4, "atol": 2e-5}


def twins(make):
    """`make(torch)` for both, with our weights."""
    own, other = make(ours), make(theirs)
    state = {name: theirs.from_numpy(array.copy()) for name, array in ours.export_state(own).items()}
    lacking = other.load_state_dict(state, strict=False)
    assert all(name.endswith("num_batches_tracked") for name in lacking.missing_keys)
    assert not lacking.unexpected_keys
    return own, other


def arrays(made):
    """All tensors of a result, with tuples taken apart."""
    if isinstance(made, tuple):
        return [each for part in made for each in arrays(part)]
    return [made]


def values(made):
    return [each.detach().numpy() for each in arrays(made)]


def assert_same(own, other):
    for ours_, theirs_ in zip(values(own), values(other), strict=True):
        assert ours_.shape == theirs_.shape
        np.testing.assert_allclose(ours_, theirs_, **TOLERANCE)


def compare(own, other, *inputs, seed=0):
    """Call both with the same arrays; compare results, and gradients by inputs and weights of a random projection."""
    rng = np.random.default_rng(seed)
    floats = [np.asarray(each).dtype.kind == "f" for each in inputs]
    mine = [ours.tensor(each, requires_grad=real) for each, real in zip(inputs, floats, strict=True)]
    yours = [theirs.tensor(each, requires_grad=real) for each, real in zip(inputs, floats, strict=True)]
    made, expected = own(*mine), other(*yours)
    assert_same(made, expected)
    our_loss, their_loss = 0, 0
    for ours_, theirs_ in zip(arrays(made), arrays(expected), strict=True):
        weight = rng.normal(size=tuple(theirs_.shape)).astype(np.float32)
        our_loss = our_loss + (ours_ * weight).sum()
        their_loss = their_loss + (theirs_ * theirs.from_numpy(weight)).sum()
    our_loss.backward()
    their_loss.backward()
    for ours_, theirs_, real in zip(mine, yours, floats, strict=True):
        if real:
            np.testing.assert_allclose(ours_.grad.numpy(), theirs_.grad.numpy(), **TOLERANCE)
    if isinstance(other, theirs.nn.Module):
        assert_same_gradients(own, other)


def assert_same_gradients(own, other):
    """Gradients of weights, under PyTorch's names and in its layouts; ours are put in the weights' places for that."""
    for parameter in own.parameters():
        parameter.data = parameter.grad
    exported = ours.export_state(own)
    for name, parameter in other.named_parameters():
        if "bias_hh" not in name:  # one bias here, two there: both have the gradient of the one
            np.testing.assert_allclose(exported[name], parameter.grad.numpy(), err_msg=name, **TOLERANCE)
