"""Weights from PyTorch and to PyTorch: other names, and axes in another order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from nbdl import nn
from nbdl.compat.torch.nn import recurrent
from nbdl.compat.torch.nn.module import Module
from nbdl.errors import OptionError, ShapeError, suggest
from nbdl.tensor import Tensor

State = dict[str, np.ndarray]


def export_state(module: Module) -> State:
    """All weights under PyTorch's names and in its layouts.

    PyTorch takes them as `theirs.load_state_dict({name: torch.from_numpy(array) for name, array in ...})`, with
    `strict=False` where there is batch normalisation: it counts batches besides.
    """
    state: State = {}
    for prefix, part in _parts(module):
        own = {name: np.array(each.numpy()) for name, each in _own_parameters(part)}
        state |= {prefix + name: array for name, array in _outward(part, own).items()}
    return state


def import_state(module: Module, state: Mapping[str, Any]) -> None:
    """Take over the weights of PyTorch's `state_dict()`: tensors or arrays.

    Raises:
        OptionError: a weight is missing.
        ShapeError: one has another shape.
    """
    given = {name: np.asarray(each) for name, each in state.items()}
    new: list[tuple[Any, np.ndarray]] = []
    for prefix, part in _parts(module):
        own = dict(_own_parameters(part))
        names = list(_outward(part, {name: np.array(each.numpy()) for name, each in own.items()}))
        absent = [prefix + name for name in names if prefix + name not in given]
        if absent:
            raise OptionError(f"these weights have no {absent[0]!r}; {suggest(absent[0], given)}")
        for name, array in _inward(part, {name: given[prefix + name] for name in names}).items():
            if own[name].shape != array.shape:
                raise ShapeError(f"{prefix}{name} has the shape {own[name].shape} here, and {array.shape} there")
            new.append((own[name], array))
    for parameter, array in new:
        parameter.assign(np.asarray(array, parameter.dtype))


def _parts(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Modules with weights of their own; what is inside of recurrent layers belongs to these."""
    yield prefix, module
    if not isinstance(module, recurrent.Stack):
        for name, child in module.named_children():
            yield from _parts(child, f"{prefix}{name}.")


def _own_parameters(part: nn.Module) -> Iterator[tuple[str, Any]]:
    if isinstance(part, recurrent.Stack):
        yield from part.named_parameters()
    else:
        yield from ((name, each) for name, each in vars(part).items() if isinstance(each, Tensor))


# --- layouts ----------------------------------------------------------------------------------------------------------

NORMAL = {
    "scale": "weight",
    "bias": "bias",
    "running_mean": "running_mean",
    "running_variance": "running_var",
}
"""Names of normalisation layers, with PyTorch's."""


def _outward(part: nn.Module, own: State) -> State:
    if isinstance(part, recurrent.Stack):
        return _recurrent_outward(part, own)
    if isinstance(part, nn.BatchNorm | nn.LayerNorm):
        return {NORMAL[name]: array for name, array in own.items()}
    return {name: _turned(part, name)(array) for name, array in own.items()}


def _inward(part: nn.Module, theirs: State) -> State:
    if isinstance(part, recurrent.Stack):
        return _recurrent_inward(part, theirs)
    if isinstance(part, nn.BatchNorm | nn.LayerNorm):
        return {name: theirs[their] for name, their in NORMAL.items() if their in theirs}
    return {name: _turned(part, name, back=True)(array) for name, array in theirs.items()}


def _turned(part: nn.Module, name: str, back: bool = False) -> Callable[[np.ndarray], np.ndarray]:
    """How a weight's axes change between nbdl and PyTorch."""
    if name != "weight" or isinstance(part, nn.Embedding):
        return lambda array: array
    # A kernel has its places first here, and last there; of a transposed convolution as well.
    axes = {2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1)}
    return lambda array: np.transpose(array, np.argsort(axes[array.ndim]) if back else axes[array.ndim])


def _recurrent_outward(part: Any, own: State) -> State:
    """weight_ih, weight_hh, bias_ih, bias_hh of each layer and direction; only a GRU has two biases here, of others
    PyTorch's second one is 0.
    """
    theirs: State = {}
    for place, layer in enumerate(part.layers):
        inner, end = f"layers.{place}.", _ending(part, place)
        theirs["weight_ih" + end] = own[inner + "weight"].T
        theirs["weight_hh" + end] = own[inner + "recurrent_weight"].T
        if layer.use_bias:
            second = own.get(inner + "recurrent_bias", np.zeros_like(own[inner + "bias"]))
            theirs |= {"bias_ih" + end: own[inner + "bias"], "bias_hh" + end: second}
    return theirs


def _recurrent_inward(part: Any, theirs: State) -> State:
    own: State = {}
    for place, layer in enumerate(part.layers):
        inner, end = f"layers.{place}.", _ending(part, place)
        own[inner + "weight"] = theirs["weight_ih" + end].T
        own[inner + "recurrent_weight"] = theirs["weight_hh" + end].T
        if layer.use_bias:
            first, second = theirs["bias_ih" + end], theirs["bias_hh" + end]
            if isinstance(layer, nn.GRU):
                own |= {inner + "bias": first, inner + "recurrent_bias": second}
            else:
                own[inner + "bias"] = first + second
    return own


def _ending(part: Any, place: int) -> str:
    return f"_l{place // part.directions}{'_reverse' if place % part.directions else ''}"
