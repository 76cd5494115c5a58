"""A network in one file: architecture, weights, and what training needs to go on.

The file is safetensors: arrays by name, and plain values. Nothing in it is executed, and nothing that it names is
imported.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from math import isnan
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from nbdl import random
from nbdl.errors import NbdlError, OptionError, RunError
from nbdl.ir.shapes import Batch, Shape, Size
from nbdl.nn.module import Module, Parameter, Spec
from nbdl.tensor_files import load_tensors, save_tensors
from nbdl.train.describing import Describer, Maker
from nbdl.train.tracing import optimizers_of

FORMAT = "nbdl network"
VERSION = 1
UNKNOWN = object()
"""Of an option that equals no other, even if that was made in the same way."""

WEIGHT, SLOT, ARGUMENT = "weight.", "optimizer.", "argument."


def save(net: Module, path: str | Path) -> None:
    """Write a network to one file, with its weights, its compile settings and the state of its optimizers.

    The file appears as a whole or not at all. Settings of `compile` that have no name (a lambda as loss) are left out
    with a warning: the network that is loaded must then be compiled again.

    Args:
        net: the network.
        path: the file.

    Raises:
        OptionError: the network can't be made again from the arguments of its constructors: one of them is a function
            without a name or an object that a file can't hold, or layers were changed afterwards.
        RunError: the file can't be written.

    >>> import tempfile
    >>> from nbdl import nn
    >>> net = nn.Sequential(nn.Dense(3))
    >>> before = net.predict(np.ones((2, 4)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     net.save(f"{folder}/net.nbdl")
    ...     bool((load(f"{folder}/net.nbdl").predict(np.ones((2, 4))) == before).all())
    True
    """
    describer = Describer()
    network = describer.describe(net, "the network")
    built = {place: [_plain(spec) for spec in module._inputs] for place, module in _places(net) if module._built}
    again = _make(network, built, Maker(describer.arrays, describer.custom))
    _check_same(net, again)
    weights = {WEIGHT + name: parameter.numpy() for name, parameter in net.named_parameters()}
    optimizers, slots = _optimizer_states(net)
    meta = {
        "format": FORMAT,
        "version": VERSION,
        "network": network,
        "built": built,
        "compile": _settings(net, describer),
        "optimizers": optimizers,
        "rates": {name: each.lr for name, each in optimizers_of(net).items() if isinstance(each.lr, float)},
        "trainable": {place: each.trainable for place, each, other in _pairs(net, again)
                      if each.trainable != other.trainable},
        "frozen": [name for name, each in net.named_parameters() if not (each.trainable or each.is_state)],
    }
    save_tensors(path, {**weights, **slots, **describer.arrays}, meta)


def load(path: str | Path, custom: Mapping[str, Any] | None = None) -> Module:
    """Read a network that `save` wrote: it predicts the same bits, and `fit` goes on where it was.

    Args:
        path: the file.
        custom: your own classes and functions by name, e.g. `{"Net": Net}`; a file can name them, but not bring them.

    Raises:
        RunError: the file is missing, damaged, of a newer version, or names something that isn't there.
    """
    path = Path(path)
    arrays, meta = load_tensors(path)
    if meta.get("format") != FORMAT:
        raise RunError(f"{path} isn't a network that net.save() wrote; weights alone go to net.load_state_dict(...)")
    if meta.get("version") != VERSION:
        raise RunError(
            f"{path} has version {meta.get('version')} of the file format, and this nbdl reads version {VERSION}; "
            "update nbdl"
        )
    with _explained(path):
        maker = Maker(arrays, custom or {})
        net = _make(meta["network"], meta["built"], maker)
        if not isinstance(net, Module):
            raise RunError(f"it holds a {type(net).__name__}")
        net.load_state_dict(_weights(arrays))
        if "frozen" in meta:
            _restore_trainable(net, meta["trainable"], meta["frozen"])
        if meta["compile"]:
            settings = maker.make(meta["compile"])
            net.compile(settings["optimizer"], settings["loss"], settings["metrics"])
        _restore_optimizers(net, meta["optimizers"], arrays)
        for name, optimizer in optimizers_of(net).items():
            optimizer.lr = meta.get("rates", {}).get(name, optimizer.lr)
    return net


def load_weights(path: str | Path) -> dict[str, np.ndarray]:
    """The weights in a file by name, for `load_state_dict`: one of weights alone, or of a whole network.

    Raises `RunError` if the file is missing or damaged.
    """
    arrays, meta = load_tensors(path)
    return _weights(arrays) if meta.get("format") == FORMAT else arrays


def _weights(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(WEIGHT): array for name, array in arrays.items() if name.startswith(WEIGHT)}


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Whatever a file makes go wrong is told as one error that names the file."""
    try:
        yield
    except NbdlError as error:
        raise RunError(f"{path} can't be loaded: {error}") from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        cause = f"{type(error).__name__}: {error}"
        raise RunError(f"{path} doesn't describe a network that can be made here: {cause}") from error


# --- architecture -----------------------------------------------------------------------------------------------------


def _make(network: Any, built: Mapping[str, Any], maker: Maker) -> Any:
    """Make a network and its parameters; the random numbers drawn for their starting values are put back."""
    generator = random.generator().bit_generator
    state = generator.state
    try:
        net = maker.make(network)
        for place, module in _places(net) if isinstance(net, Module) else ():
            if place in built and not module._built:
                module.build_for([_spec(each) for each in built[place]])
        return net
    finally:
        generator.state = state


def _places(module: Module, place: str = "", around: tuple[Module, ...] = ()) -> Iterator[tuple[str, Module]]:
    """All modules with their places. What is inside is looked up late: building a module may put others into it."""
    yield place, module
    for name, child in module.named_children():
        if child not in around:
            yield from _places(child, f"{place}.{name}" if place else name, (*around, module))


def _pairs(net: Module, copy: Module) -> Iterator[tuple[str, Module, Module]]:
    """The modules of a network, each with its place and what a copy has there."""
    for (place, module), (_, other) in zip(_places(net), _places(copy), strict=False):
        yield place, module, other


def _check_same(net: Module, copy: Module) -> None:
    """Raise `OptionError` unless the copy has the same parameters and options: what a constructor doesn't know would be
    lost.
    """
    own, others = dict(net.named_parameters()), dict(copy.named_parameters())
    different = list(own.keys() ^ others.keys())
    different += [name for name in own.keys() & others.keys() if _outline(own[name]) != _outline(others[name])]
    for place, module, other in _pairs(net, copy):
        different += [f"{place}.{name}".lstrip(".") for name in _changed_options(module, other)]
    if different:
        raise OptionError(
            f"{type(net).__name__} can't be saved: one made with the same arguments differs in "
            f"{', '.join(sorted(different)[:5])}. Layers must be made in the constructor (or in build) from its "
            "arguments, which stay what they were; weights alone can be kept with net.state_dict()"
        )


def _restore_trainable(net: Module, modules: Mapping[str, bool], frozen: Sequence[str]) -> None:
    """Freeze what was frozen when the network was saved, and nothing else."""
    for place, module in _places(net):
        if place in modules:
            module.trainable = modules[place]
    for name, parameter in net.named_parameters():
        parameter.set_trainable(name not in frozen)


def _outline(parameter: Parameter) -> Any:
    return parameter.shape, parameter.dtype


def _changed_options(module: Module, copy: Module) -> Iterator[str]:
    """Options of the constructor that were set to something else afterwards, as far as that can be told."""
    arguments, named = module.arguments()
    given = signature(type(module).__init__).bind_partial(module, *arguments, **named).arguments
    for name in signature(type(module).__init__).parameters:
        own, other = (_comparable(vars(each).get(name)) for each in (module, copy))
        is_drawn = given.get(name) is None and isinstance(other, int | float)  # perhaps at random
        if own != other and not is_drawn and UNKNOWN not in (own, other):
            yield name


def _comparable(option: Any) -> Any:
    """What is equal for options that were made in the same way, and for no others; `UNKNOWN` where nothing is."""
    if isinstance(option, tuple | list):
        parts = tuple(map(_comparable, option))
        return UNKNOWN if UNKNOWN in parts else parts
    if isinstance(option, FunctionType):
        return option.__code__
    if isinstance(option, float) and isnan(option):
        return "nan"
    return option if option is None or isinstance(option, bool | int | float | str | np.generic) else UNKNOWN


def _plain(spec: Spec) -> list[Any]:
    shape, dtype = spec
    return [[f"{size.multiple}n" if isinstance(size, Batch) else size for size in shape], dtype.name]


def _spec(plain: list[Any]) -> Spec:
    sizes, dtype = plain
    shape: Shape = tuple(_size(each) for each in sizes)
    return shape, np.dtype(dtype)


def _size(plain: int | str) -> Size:
    return Batch(int(plain.removesuffix("n"))) if isinstance(plain, str) else int(plain)


# --- training ---------------------------------------------------------------------------------------------------------


def _settings(net: Module, describer: Describer) -> Any:
    given = net.__dict__.get("_compiled")
    if given is None:
        return None
    try:
        return {"mapping": {name: describer.describe(value, name) for name, value in given.items()}}
    except OptionError as error:
        message = f"the settings of compile aren't saved: {error}. Call compile again after loading"
        warnings.warn(message, UserWarning, stacklevel=4)
        return None


def _optimizer_states(net: Module) -> tuple[dict[str, list[str]], dict[str, np.ndarray]]:
    """Names of the parameters of each optimizer in use, and everything that it remembers."""
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    owned: dict[str, list[str]] = {}
    slots: dict[str, np.ndarray] = {}
    for name, optimizer in optimizers_of(net).items():
        state = optimizer.state
        if state is not None and all(id(each) in names for each in state.parameters):
            owned[name] = [names[id(each)] for each in state.parameters]
            slots |= {f"{SLOT}{name}.{key}": slot.numpy() for key, slot in _remembered(optimizer).items()}
    return owned, slots


def _remembered(optimizer: Any) -> dict[str, Parameter]:
    return {name: each for name, each in optimizer.state.variables.items() if name != "parameters"}


def _restore_optimizers(net: Module, owned: Mapping[str, list[str]], arrays: Mapping[str, np.ndarray]) -> None:
    parameters = dict(net.named_parameters())
    for name, optimizer in optimizers_of(net).items():
        if name in owned:
            optimizer.attach([parameters[each] for each in owned[name]])
            for key, slot in _remembered(optimizer).items():
                slot.assign(arrays[f"{SLOT}{name}.{key}"])
