"""What a network is given of a data set: its inputs, and its targets as its task says."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import Any

from nbdl.data.dataset import Split
from nbdl.nn.layers import Sequential
from nbdl.nn.module import Module


def given_to(net: Module, split: Split) -> tuple[Any, Any]:
    """Return x, with the lengths of its rows if there are any and the network takes them, and y as its `task` says.

    y is that of the data; x itself (without lengths) for `"reconstruction"`, None for `"generation"`.
    """
    x = split.x if takes_lengths(net) else split.values
    if net.task is None:
        return x, split.y
    return x, (split.values if net.task == "reconstruction" else None)


def takes_lengths(net: Module) -> bool:
    """Whether `forward` takes a second input. A Sequential hands on one; others with `*inputs` take what comes."""
    parameters = signature(net.forward).parameters.values()
    if any(each.kind is Parameter.VAR_POSITIONAL for each in parameters):
        return not isinstance(net, Sequential)
    return len(parameters) > 1
