"""The tensor of PyTorch programs: nbdl's lazy tensor, with PyTorch's names for what differs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np

from nbdl import functions, lazy
from nbdl.compat.naming import missing
from nbdl.compat.torch.devices import CPU, Device, check_device
from nbdl.errors import OptionError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import product
from nbdl.nn.module import Parameter as NativeParameter
from nbdl.tensor import Tensor as NativeTensor
from nbdl.tensor import as_array, node_of


class _Mode(threading.local):
    recording: bool = True


_mode = _Mode()


@contextmanager
def set_grad_enabled(enabled: bool) -> Iterator[None]:
    """Inside, results do or don't carry gradients. (PyTorch's can be called without `with`; this one can't.)"""
    outer, _mode.recording = _mode.recording, enabled
    try:
        yield
    finally:
        _mode.recording = outer


def no_grad() -> Any:
    """Inside, or in a function decorated with `@no_grad()`, results carry no gradients."""
    return set_grad_enabled(False)


def enable_grad() -> Any:
    """Inside, results carry gradients."""
    return set_grad_enabled(True)


def is_grad_enabled() -> bool:
    """Whether results carry gradients."""
    return _mode.recording


_GRADIENT: Any = vars(NativeTensor)["grad"]


class Tensor(NativeTensor):
    """nbdl's tensor, with PyTorch's methods.

    Args:
        data: numbers, or nothing.
        dtype: float32 as in PyTorch, whatever the numbers are; `tensor(...)` keeps their dtype.
        requires_grad: whether `backward` fills `.grad`.

    >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x.size(), x.view(4).sum().item()
    ((2, 2), 10.0)
    """

    # No slots of its own, so that a tensor that a native function returns can become one of these in its place.
    __slots__ = ()

    def __init__(self, data: Any = (), dtype: Any = np.float32, requires_grad: bool = False):
        super().__init__(data, dtype, requires_grad)

    # --- what is known without a value ---

    def size(self, dim: int | None = None) -> Any:  # type: ignore[override]  # the native size is a number of elements
        """The shape, or the size of one axis."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """Number of axes."""
        return self.ndim

    def numel(self) -> Any:
        """Number of elements."""
        return product(self.shape)

    @property
    def device(self) -> Device:
        """Where it is: the CPU."""
        return CPU

    @property
    def is_leaf(self) -> bool:
        """Whether it is not the result of an operation that gradients flow through."""
        return not (self.node.differentiable and self.node.inputs)

    def __getattr__(self, name: str) -> Any:
        raise missing("torch.Tensor", name, () if name.startswith("__") else dir(self))

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return as_torch(super().__array_ufunc__(function, method, *inputs, **options))

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return as_torch(super().__array_function__(function, types, args, options))

    def __repr__(self) -> str:
        text = super().__repr__()
        return text if self.is_leaf else text.replace(", requires_grad=True)", ")")

    def __format__(self, spec: str) -> str:
        """A tensor without axes is formatted as its number, whatever the specification."""
        if self.ndim == 0 and not lazy.is_traced(self.node):
            return format(self.item(), spec)
        return super().__format__(spec)

    # --- gradients ---

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient flows through; only that of leaves may be set."""
        return self.node.differentiable

    @requires_grad.setter
    def requires_grad(self, required: bool) -> None:
        if self.node.differentiable == required:
            return
        if not self.is_leaf:
            raise OptionError("requires_grad of a result can't be changed; use .detach() for one without a gradient")
        set_value(self, self.node, requires_grad=required)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad`, and return the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad(self) -> Any:
        """The gradient that `backward` has filled in, or None."""
        gradient = _GRADIENT.__get__(self)
        return gradient if gradient is None else as_torch(gradient)

    @grad.setter
    def grad(self, gradient: Any) -> None:
        _GRADIENT.__set__(self, gradient)

    def backward(self, gradient: Any = None, retain_graph: bool | None = None) -> None:
        """Add derivatives to `.grad` of the leaves; with `gradient`, those of sum(self * gradient).

        `retain_graph` has nothing to do: a graph is there as long as a tensor looks at it.
        """
        target = self if gradient is None else functions.sum(self * gradient)
        NativeTensor.backward(target)

    def detach(self) -> Tensor:
        """The same value without a gradient."""
        return as_view(super().detach())

    @property
    def data(self) -> Tensor:
        """The value without its gradient; changing it in place changes this tensor."""
        return Data.of(self)

    @data.setter
    def data(self, value: Any) -> None:
        set_value(self, node_of(value))

    # --- conversions ---

    def to(self, target: Any = None, *, dtype: Any = None, device: Any = None, non_blocking: bool = False) -> Tensor:
        """Convert to a dtype, or to that of another tensor; devices other than the CPU are refused."""
        for each in (target, device):
            if isinstance(each, str | Device):
                check_device(each)
        if isinstance(target, NativeTensor):
            dtype = target.dtype
        elif target is not None and not isinstance(target, str | Device):
            dtype = target
        return self if dtype is None else as_torch(self.astype(dtype))

    def cpu(self) -> Tensor:
        """The tensor: it is there already."""
        return self

    def cuda(self, device: Any = None) -> Tensor:
        """Raises `OptionError`: the facade computes on the CPU."""
        return self.to("cuda")

    def clone(self) -> Tensor:
        """Another tensor with the same value, through which gradients flow."""
        return as_torch(self * 1) if self.dtype.kind != "b" else as_torch(self | False)

    def contiguous(self) -> Tensor:
        """The tensor: there are no strides to be seen."""
        return self

    def __getitem__(self, key: Any) -> Tensor:
        """What NumPy's indexing gives. Of data it gives values at once, so that a loop over slices doesn't record a
        different graph for each of them; where gradients flow it is recorded.
        """
        parts = key if isinstance(key, tuple) else (key,)
        nodes = [self.node, *[part.node for part in parts if isinstance(part, NativeTensor)]]
        if self.node.differentiable or any(map(lazy.is_traced, nodes)):
            return as_view(super().__getitem__(key))
        known = tuple([part.numpy() if isinstance(part, NativeTensor) else part for part in parts])
        return as_view(NativeTensor(np.asarray(self.numpy()[known], order="C")))

    # --- in place ---

    def _replace(self, value: Any) -> Tensor:
        """Take another value. Raises `OptionError` for a leaf while gradients are recorded, as PyTorch does."""
        node = ops.broadcast_to(ops.cast(node_of(value), self.dtype), self.shape)
        if self.requires_grad and self.is_leaf:
            if _mode.recording:
                raise OptionError(
                    "a tensor that requires a gradient can't be changed in place while gradients are recorded; do it "
                    "under torch.no_grad(), or let an optimizer do it"
                )
            set_value(self, node)
        else:
            gradient = self.grad
            if node.inputs:
                self._set(node)
            else:  # a leaf, such as a parameter: its gradients go to the tensor that it belongs to
                self.node = node
            self.grad = gradient
        return self

    def __iadd__(self, other: Any) -> Tensor:
        return self._replace(self + other)

    def __isub__(self, other: Any) -> Tensor:
        return self._replace(self - other)

    def __imul__(self, other: Any) -> Tensor:
        return self._replace(self * other)

    def __itruediv__(self, other: Any) -> Tensor:
        return self._replace(self / other)

    __hash__ = NativeTensor.__hash__


class View(Tensor):
    """What PyTorch would let share memory with another tensor: changing it in place would change that one, too."""

    __slots__ = ()

    def _replace(self, value: Any) -> Tensor:
        raise OptionError(
            "a view of another tensor can't be changed in place here, because that tensor wouldn't change with it; "
            "write x = x + y for x += y"
        )


class Data(Tensor):
    """The value of a tensor, which changes in place together with it."""

    __slots__ = ("owner",)

    owner: Tensor

    @classmethod
    def of(cls, owner: Tensor) -> Data:
        """The data of a tensor."""
        made = cls.__new__(cls)
        made.owner = owner
        made._set(ops.stop_gradient(owner.node))
        return made

    def _replace(self, value: Any) -> Tensor:
        super()._replace(value)
        set_value(self.owner, self.node)
        return self


class Parameter(Tensor, NativeParameter):
    """A tensor that belongs to a module and is trained.

    Args:
        data: its starting value; integers become float32.
        requires_grad: whether it is trained.

    >>> Parameter([1.0, 2.0]).requires_grad
    True
    """

    __slots__ = ()

    def __init__(self, data: Any = (), requires_grad: bool = True):
        NativeTensor.__init__(self, np.array(as_array(data)), requires_grad=requires_grad)
        self.trainable, self.is_state = True, False
        self.name = ""


def set_value(tensor: Tensor, node: Node, requires_grad: bool | None = None) -> None:
    """Give a tensor another value, in a memory of its own."""
    differentiable = tensor.node.differentiable if requires_grad is None else requires_grad
    gradient = tensor.grad
    tensor._set(ops.value(np.array(lazy.value_of(node), tensor.dtype), differentiable=differentiable))
    tensor.grad = gradient


def as_torch(made: Any) -> Any:
    """Turn what a native function returns into tensors of the facade, in their place: gradients and the compiler know
    a node's tensor.
    """
    kind = type(made)
    if kind is NativeTensor:
        made.__class__ = Tensor
        if not _mode.recording and made.node.differentiable:
            return as_torch(functions.stop_gradient(made))
    elif kind is NativeParameter:
        made.__class__ = Parameter
    elif kind is tuple or kind is list:
        return kind([as_torch(each) for each in made])
    return made


def as_view(made: Any) -> Any:
    """As `as_torch`, for what PyTorch would let share memory."""
    tensor = as_torch(made)
    if type(tensor) is Tensor:
        tensor.__class__ = View
    return tensor


BINARY = "add sub mul truediv floordiv mod pow matmul and or".split()
OPERATORS = (
    *[f"__{side}{name}__" for name in BINARY for side in ("", "r")],
    *[f"__{name}__" for name in "pos neg abs lt le gt ge eq ne invert".split()],
    "astype",
)


def _returning(function: Callable[..., Any], finish: Callable[[Any], Any]) -> Callable[..., Any]:
    @wraps(function)
    def called(self: Any, *args: Any) -> Any:
        return finish(function(self, *args))

    return called


for _name in OPERATORS:
    setattr(Tensor, _name, _returning(getattr(NativeTensor, _name), as_torch))
setattr(Tensor, "reshape", _returning(NativeTensor.reshape, as_view))  # noqa: B010 - as the others
Tensor.T = property(lambda self: as_view(NativeTensor.T.__get__(self)))  # type: ignore[method-assign, assignment]
