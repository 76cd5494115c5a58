"""The lazy tensor: an operation records a node, and reading a value runs what is pending.

>>> import nbdl
>>> x = nbdl.Tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> loss = nbdl.sum(x * x)
>>> loss.backward()
>>> x.grad.numpy()
array([2., 4., 6.], dtype=float32)
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from nbdl import lazy
from nbdl.arrays import plain_array
from nbdl.errors import DtypeError, ShapeError, UntraceableError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch, Shape, Size, product, show_shape

Scalar = bool | int | float
TensorLike = Any
"""A Tensor, a number, or anything that `numpy.asarray` takes."""


class Tensor:
    """An n-dimensional array of numbers whose value is worked out when it is needed.

    Args:
        data: numbers, nested lists, a NumPy array or anything with `__array__`. It is copied, as what is pending would
            see later changes; `nbdl.asarray` takes an array that nobody writes to as it is.
        dtype: float32, float64, int32, int64, uint8 or bool; Python floats and float64 lists become float32.
        requires_grad: whether `backward` of something computed from it fills `.grad`.

    Raises:
        DtypeError: the data aren't numbers of a supported dtype.
    """

    __slots__ = ("__weakref__", "grad", "logits", "node")

    node: Node
    grad: Tensor | None
    logits: Tensor | None
    """What a softmax or sigmoid was applied to, so that losses can work from it (they are stable that way)."""

    def __init__(self, data: TensorLike, dtype: Any = None, requires_grad: bool = False):
        array = as_array(data, dtype)
        if not isinstance(data, Tensor | list | tuple | bool | int | float):
            array = array.copy()  # it may be another's memory
        self._set(ops.value(array, differentiable=requires_grad))

    def _set(self, node: Node) -> None:
        self.node = node
        self.grad = None
        self.logits = None
        node.tensor = weakref.ref(self)

    @classmethod
    def wrap(cls, node: Node) -> Tensor:
        """Make the tensor of a node."""
        tensor = Tensor.__new__(Tensor)
        tensor.node = node
        tensor.grad = None
        tensor.logits = None
        if node.tensor is None or node.tensor() is None:
            # A view that is the leaf itself, such as x[:], leaves .grad to the leaf's first tensor.
            node.tensor = weakref.ref(tensor)
        return tensor

    # --- what is known without a value ---

    @property
    def shape(self) -> Shape:
        """Sizes of the axes; inside a traced program the batch axis is `n`."""
        return self.node.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype of the elements."""
        return self.node.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.node.shape)

    @property
    def size(self) -> Size:
        """Number of elements."""
        return product(self.node.shape)

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient flows through."""
        return self.node.differentiable

    @property
    def T(self) -> Tensor:  # noqa: N802 - NumPy's name
        """The axes in reverse order."""
        return Tensor.wrap(ops.transpose(self.node))

    # --- values ---

    def numpy(self) -> np.ndarray:
        """Run what is pending and return the value as a read-only NumPy array, without a copy.

        Raises `UntraceableError` while a program is traced: there are no values then.
        """
        view = lazy.value_of(self.node).view()
        view.flags.writeable = False
        return view

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and np.dtype(dtype) != array.dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """`np.sin(tensor)`, `array * tensor`: nbdl's function of that name, which is recorded."""
        from nbdl.numpy_functions import call, with_arrays

        if method == "__call__":
            return call(function, inputs, options)
        return with_arrays(getattr(function, method), inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        """`np.sum(tensor)`: nbdl's function of that name, which is recorded."""
        from nbdl.numpy_functions import call

        return call(function, args, options)

    def __dlpack__(self, **options: Any) -> Any:
        array = lazy.value_of(self.node)
        if self.node.name == "constant":  # others use the same node
            array = array.copy()
        return array.__dlpack__(**options)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """A leaf of its own, with a copy of the value and of the gradient; what is only being recorded has neither."""
        made = copy.copy(self)
        memo[id(self)] = made
        if lazy.is_traced(self.node):
            return made
        is_leaf = self.requires_grad and not self.node.inputs
        made._set(ops.value(np.array(self.numpy()), differentiable=is_leaf))
        made.grad, made.logits = copy.deepcopy((self.grad, self.logits), memo)
        return made

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)  # kDLCPU

    def item(self) -> Scalar:
        """The value of a tensor with one element, as a Python number. Raises `ShapeError` if it has more."""
        if product(self.node.shape) != 1:
            raise ShapeError(f"item() needs one element; this tensor has the shape {show_shape(self.shape)}")
        return self.numpy().item()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise DtypeError(f"only an integer tensor is an index, not {self.dtype}")
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def tolist(self) -> Any:
        """The value as nested Python lists."""
        return self.numpy().tolist()

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError("a scalar has no length")
        if isinstance(self.shape[0], Batch):
            raise UntraceableError(
                "the number of rows isn't known while a program is traced; use nbdl.mean for averages"
            )
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        try:
            text = np.array2string(self.numpy(), separator=", ", prefix="tensor(", threshold=200)
        except UntraceableError:
            return f"tensor<{self.dtype}{show_shape(self.shape)}, traced: no value yet>"
        kind = "" if self.dtype == ops.FLOAT32 else f", dtype={self.dtype}"
        return f"tensor({text}{kind}{', requires_grad=True' if self.requires_grad else ''})"

    def __format__(self, spec: str) -> str:
        """As NumPy formats its arrays: with a specification, a single number."""
        if not spec:
            return str(self)
        return format(self.item() if product(self.node.shape) == 1 else self.numpy(), spec)

    # --- gradients ---

    def backward(self) -> None:
        """Add d(self)/d(leaf) to `.grad` of every leaf that requires it. Nothing is computed until it is needed.

        Raises `ShapeError` if this is not a scalar, `DtypeError` if nothing here requires a gradient.
        """
        if not self.node.differentiable:
            raise DtypeError(
                "backward() found nothing that requires a gradient; make parameters with requires_grad=True, and call "
                "backward() before optimizer.step(), after which a loss is just a number"
            )
        owners: list[tuple[Tensor, Node]] = []
        for leaf in variables_below(self.node):
            owner = leaf.tensor() if leaf.tensor is not None else None
            if isinstance(owner, Tensor):
                owners.append((owner, leaf))
        _settle([owner.grad for owner, leaf in owners if owner.grad is not None and _is_of_another(owner.grad, leaf)])
        for owner, leaf in owners:
            gradient = ops.gradient(self.node, leaf)
            gradient.differentiable = False  # it is a number; nbdl.grad makes what can be differentiated again
            owner.grad = Tensor.wrap(gradient if owner.grad is None else ops.add(node_of(owner.grad), gradient))

    def detach(self) -> Tensor:
        """The same value, seen as a constant by differentiation."""
        return Tensor.wrap(ops.stop_gradient(self.node))

    # --- shape ---

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape; one size may be -1."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        return Tensor.wrap(ops.reshape(self.node, tuple(sizes)))

    def astype(self, dtype: Any) -> Tensor:
        """Convert to another dtype."""
        return Tensor.wrap(ops.cast(self.node, dtype))

    def __getitem__(self, key: Any) -> Tensor:
        from nbdl.indexing import index

        return Tensor.wrap(index(self.node, key))

    # --- arithmetic ---

    def __add__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.add(self.node, operand(other)))

    def __radd__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.add(operand(other), self.node))

    def __sub__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.subtract(self.node, operand(other)))

    def __rsub__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.subtract(operand(other), self.node))

    def __mul__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.multiply(self.node, operand(other)))

    def __rmul__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.multiply(operand(other), self.node))

    def __truediv__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.divide(self.node, operand(other)))

    def __rtruediv__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.divide(operand(other), self.node))

    def __pow__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.power(self.node, operand(other)))

    def __rpow__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.power(operand(other), self.node))

    def __mod__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.binary("remainder", self.node, operand(other)))

    def __rmod__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.binary("remainder", operand(other), self.node))

    def __floordiv__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.binary("floor_divide", self.node, operand(other)))

    def __rfloordiv__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.binary("floor_divide", operand(other), self.node))

    def __matmul__(self, other: TensorLike) -> Tensor:
        from nbdl.products import matmul

        return matmul(self, other)

    def __rmatmul__(self, other: TensorLike) -> Tensor:
        from nbdl.products import matmul

        return matmul(other, self)

    def __neg__(self) -> Tensor:
        return Tensor.wrap(ops.negative(self.node))

    def __pos__(self) -> Tensor:
        return Tensor.wrap(self.node)

    def __abs__(self) -> Tensor:
        return Tensor.wrap(ops.unary("abs", self.node))

    def __lt__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.binary("less", self.node, operand(other)))

    def __le__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.binary("less_equal", self.node, operand(other)))

    def __gt__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.binary("less", operand(other), self.node))

    def __ge__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.binary("less_equal", operand(other), self.node))

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]  # elementwise, as in NumPy
        return Tensor.wrap(ops.binary("equal", self.node, operand(other)))

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return Tensor.wrap(ops.binary("not_equal", self.node, operand(other)))

    __hash__ = object.__hash__

    def __and__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.binary("logical_and", self.node, operand(other)))

    def __or__(self, other: TensorLike) -> Tensor:
        return Tensor.wrap(ops.binary("logical_or", self.node, operand(other)))

    __rand__, __ror__ = __and__, __or__

    def __invert__(self) -> Tensor:
        return Tensor.wrap(ops.unary("logical_not", self.node))


def variables_below(output: Node) -> Iterator[Node]:
    """The nodes below a node at which a gradient ends: leaves, and what `grad` makes of a value to differentiate by."""
    stack = [output]
    seen = {output}
    while stack:
        node = stack.pop()
        if not any(each.differentiable for each in node.inputs):
            yield node
        for each in node.inputs:
            if each.differentiable and each not in seen:
                seen.add(each)
                stack.append(each)


def _is_of_another(grad: Tensor, leaf: Node) -> bool:
    """Whether a gradient is by what a parameter was before its last step."""
    node = node_of(grad)
    while node.name == "add" and node.inputs:  # a sum that has a value has forgotten its past
        node = node.inputs[1]
    return node.name == "gradient" and node.inputs[1] is not leaf


def _settle(gradients: list[Tensor]) -> None:
    """Turn gradients into plain values: a sum over many steps would keep all of them alive."""
    lazy.realize([each.node for each in gradients])
    for each in gradients:
        each.node = ops.value(each.numpy())


def as_array(data: TensorLike, dtype: Any = None) -> np.ndarray:
    """Turn anything array-like into a NumPy array of a supported dtype; Python floats become float32.

    Raises `DtypeError` if that isn't possible.
    """
    return plain_array(data.numpy() if isinstance(data, Tensor) else data, dtype)


def operand(x: TensorLike) -> Node | Scalar:
    """The node of an operand; Python numbers stay as they are, so that they adapt to the other operand's dtype."""
    if isinstance(x, Tensor):
        return x.node
    if isinstance(x, bool | int | float):
        return x
    return node_of(x)


def node_of(x: TensorLike) -> Node:
    """The node of anything that `Tensor(...)` takes; tensors in lists stay what they are."""
    if isinstance(x, Tensor):
        return x.node
    if isinstance(x, list | tuple) and hold_tensors(x):
        rows = ops.promote(*map(node_of, x))
        return ops.concatenate([ops.reshape(each, (1, *each.shape)) for each in rows], 0)
    return ops.value(as_array(x))


def hold_tensors(items: list[Any] | tuple[Any, ...]) -> bool:
    """Whether there is a tensor in a list, or in one of its lists."""
    return any(isinstance(each, Tensor) or (isinstance(each, list | tuple) and hold_tensors(each)) for each in items)
