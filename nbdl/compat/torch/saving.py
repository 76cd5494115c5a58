"""`torch.save` and `torch.load`: states in a safetensors file, which can't carry anything that runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nbdl.compat.naming import PAGE
from nbdl.compat.torch.devices import check_device
from nbdl.compat.torch.making import tensor
from nbdl.errors import OptionError
from nbdl.tensor import Tensor
from nbdl.tensor_files import load_tensors, save_tensors

SEPARATOR = "/"


def save(state: Mapping[str, Any], path: str | Path) -> None:
    """Write a `state_dict()`, or a dictionary of such and of plain values, to a file.

    Raises:
        OptionError: something else, such as a whole module, is to be saved.
        RunError: the file can't be written.
    """
    arrays: dict[str, np.ndarray] = {}
    save_tensors(path, arrays, {"state": _taken_apart(state, "", arrays)})


def load(path: str | Path, map_location: Any = None, weights_only: bool = True) -> dict[str, Any]:
    """Read what `save` wrote. Raises `RunError` if it can't be read."""
    check_device(map_location)
    arrays, meta = load_tensors(path)
    return _put_together(meta["state"], arrays)


def _taken_apart(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """Plain values, with arrays replaced by their names."""
    if isinstance(value, Mapping):
        inner = {key: _taken_apart(each, f"{name}{SEPARATOR}{key}", arrays) for key, each in value.items()}
        return {"mapping": inner}
    if isinstance(value, Tensor | np.ndarray):
        arrays[name] = np.asarray(value)
        return {"array": name}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise OptionError(
        f"torch.save keeps states (tensors, numbers and texts by name), not a {type(value).__name__}: save "
        f"model.state_dict(), and let the program make the model again ({PAGE})"
    )


def _put_together(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return tensor(arrays[value["array"]])
    return {name: _put_together(each, arrays) for name, each in value["mapping"].items()}
