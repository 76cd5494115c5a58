"""What the optimizers of `torch.optim` have in common: a native one for each group of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np

from nbdl import optim
from nbdl.errors import OptionError
from nbdl.resolve import resolve
from nbdl.tensor import Tensor


class Group(MutableMapping[str, Any]):
    """An entry of `param_groups`: its `lr` may be set at any time."""

    def __init__(self, native: optim.Optimizer, parameters: list[Any]):
        self.native = native
        self._rest: dict[str, Any] = {"params": parameters}

    def __getitem__(self, name: str) -> Any:
        return self.native.lr if name == "lr" else self._rest[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "lr":
            self.native.lr = float(value)
        else:
            self._rest[name] = value

    def __delitem__(self, name: str) -> None:
        del self._rest[name]

    def __iter__(self) -> Iterator[str]:
        return iter(["lr", *self._rest])

    def __len__(self) -> int:
        return 1 + len(self._rest)


class Optimizer:
    """A native optimizer for each group of parameters.

    Args:
        params: parameters, or dictionaries with `params` and options of their own.
        name: the native optimizer.
        options: those of the native one.
    """

    def __init__(self, params: Iterable[Any], name: str, **options: Any):
        given = list(params)
        groups = given if given and isinstance(given[0], Mapping) else [{"params": given}]
        self.param_groups = [self._group(group, name, options) for group in groups]

    def _group(self, group: Mapping[str, Any], name: str, options: Mapping[str, Any]) -> Group:
        parameters = group["params"]
        # A tensor is an iterable of its rows.
        given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
        trained = [each for each in given if each.requires_grad]
        own = {key: value for key, value in group.items() if key != "params"}
        native = resolve("optimizers", {"name": name, **options, **own})
        return Group(native.attach(trained), trained)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            group.native.zero_grad()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters from their gradients; with a closure, after calling it."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            group.native.step()
        return loss

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of what the optimizer remembers, by name."""
        return {name: np.array(each.numpy()) for name, each in self._remembered()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set what the optimizer remembers. Raises `OptionError` if it is another optimizer's."""
        own = dict(self._remembered())
        if own.keys() != state.keys():
            raise OptionError(f"this state has {sorted(state)}, and the optimizer {sorted(own)}")
        for name, each in own.items():
            each.assign(state[name])

    def _remembered(self) -> Iterator[tuple[str, Any]]:
        for place, group in enumerate(self.param_groups):
            state = group.native.state
            assert state is not None  # it has been attached
            for name, each in state.variables.items():
                if name != "parameters":
                    yield f"{place}.{name}", each
