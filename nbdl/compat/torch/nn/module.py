"""`torch.nn`: modules, parameters, and modules that hold others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from nbdl import nn
from nbdl.compat.torch.devices import Device, check_device
from nbdl.compat.torch.making import tensor
from nbdl.compat.torch.tensors import Parameter, Tensor, as_torch
from nbdl.errors import OptionError
from nbdl.ir.shapes import Batch, Shape
from nbdl.nn.module import Parameter as NativeParameter
from nbdl.tensor import Tensor as NativeTensor


class Module(nn.Module):
    """nbdl's module, called as PyTorch's are: anything may be given to `forward`, and arrays become tensors.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = Parameter([2.0])
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale()(tensor([3.0]))
    tensor([6.])
    """

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        given = [
            as_torch(each if isinstance(each, NativeTensor) else NativeTensor(each))
            if isinstance(each, NativeTensor | np.ndarray)
            else each
            for each in inputs
        ]
        return as_torch(self._run(given, **options))

    def make(self, *shape: int) -> None:
        """Make a layer's parameters for rows of a shape at once: PyTorch's layers know their inputs' sizes."""
        sizes: Shape = (Batch(), *shape)
        self.build_for([(sizes, np.dtype(np.float32))])
        for parameter in self.native_parameters():
            as_torch(parameter)

    def native_parameters(self) -> list[NativeParameter]:
        """All parameters, state such as running means included."""
        return [each for _, each in self.named_parameters()]

    # --- what is inside ---

    def children(self) -> Iterator[nn.Module]:
        """The modules directly inside."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
        """This module and all inside, with their full names."""
        yield prefix, self
        for name, child in self.named_children():
            full = f"{prefix}.{name}" if prefix else name
            if isinstance(child, Module):
                yield from child.named_modules(full)
            else:
                yield full, child

    def apply(self, function: Callable[[nn.Module], Any]) -> Self:
        """Call a function on all modules inside, and on this one."""
        for _, module in reversed(list(self.named_modules())):
            function(module)
        return self

    def add_module(self, name: str, module: nn.Module | None) -> None:
        """Set a module as an attribute."""
        setattr(self, name, module)

    def register_buffer(self, name: str, values: Any) -> None:
        """Keep values that aren't trained, such as a table, with the module."""
        setattr(self, name, as_torch(NativeParameter(values, trainable=False, name=name)))

    # --- all parameters at once ---

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say whether parameters are trained."""
        for parameter in self.parameters():
            as_torch(parameter).requires_grad = requires_grad
        return self

    def to(self, device: str | Device | None = None) -> Self:
        """The module; devices other than the CPU are refused."""
        check_device(device)
        return self

    def cpu(self) -> Self:
        """The module: it is there already."""
        return self

    def state_dict(self) -> dict[str, Any]:
        """Copies of all parameters and state, by name, in nbdl's layouts (see `torch.export_state` for PyTorch's)."""
        return {name: tensor(array) for name, array in super().state_dict().items()}

    def __repr__(self) -> str:
        inner = [(name, child) for name, child in self.named_children() if isinstance(child, Module)]
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in inner]
        args, options = self.arguments()
        shown = [*map(repr, args), *[f"{name}={value!r}" for name, value in options.items()]]
        inside = "\n  " + "\n  ".join(lines) + "\n" if lines else ", ".join(shown)
        return f"{type(self).__name__}({inside})"


class Sequential(Module, nn.Sequential):
    """Modules one after another, given as arguments or as a dictionary with names."""

    def __init__(self, *modules: Any):
        given: Mapping[str, Any] = (
            modules[0]
            if len(modules) == 1 and isinstance(modules[0], Mapping)
            else {str(place): module for place, module in enumerate(modules)}
        )
        self._names = list(given)
        nn.Sequential.__init__(self, *given.values())

    def __getattr__(self, name: str) -> Any:
        names = self.__dict__.get("_names", [])
        if name in names:
            return self.layers[names.index(name)]
        raise AttributeError(f"{type(self).__name__} has no {name!r}, only {', '.join(names) or 'what modules have'}")

    def __setattr__(self, name: str, value: Any) -> None:
        names = self.__dict__.get("_names", [])
        if name in names:
            self.layers[names.index(name)] = value
        else:
            super().__setattr__(name, value)

    def named_children(self) -> Iterator[tuple[str, nn.Module]]:
        """The modules by their names or numbers, as in PyTorch."""
        return zip(self._names, self.layers, strict=True)

    def add_module(self, name: str, module: nn.Module | None) -> None:
        """Put a module at the end."""
        if module is None:
            raise OptionError("a Sequential holds modules, not None")
        self._names.append(name)
        nn.Sequential.add(self, module)

    def append(self, module: nn.Module) -> Self:
        """Put a module at the end, and return the whole."""
        self.add_module(str(len(self.layers)), module)
        return self

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What makes it again as it is now."""
        return (dict(zip(self._names, self.layers, strict=True)),), {}


class ModuleList(Module):
    """A list of modules."""

    def __init__(self, modules: Iterable[nn.Module] = ()):
        self._modules = list(modules)

    def named_children(self) -> Iterator[tuple[str, nn.Module]]:
        """The modules by their numbers."""
        return ((str(place), module) for place, module in enumerate(self._modules))

    def append(self, module: nn.Module) -> Self:
        """Put a module at the end."""
        self._modules.append(module)
        return self

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, place: int) -> nn.Module:
        return self._modules[place]


class ModuleDict(Module):
    """Modules by name."""

    def __init__(self, modules: Mapping[str, nn.Module] | None = None):
        self._modules = dict(modules or {})

    def named_children(self) -> Iterator[tuple[str, nn.Module]]:
        """The modules by their names."""
        return iter(self._modules.items())

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, name: str) -> nn.Module:
        return self._modules[name]

    def __setitem__(self, name: str, module: nn.Module) -> None:
        self._modules[name] = module


__all__ = ["Module", "ModuleDict", "ModuleList", "Parameter", "Sequential", "Tensor"]
