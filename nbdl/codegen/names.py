"""Names of arrays in generated code: from the layer and the operation, so that a reader knows what is meant."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Container, Iterable

from nbdl.autodiff import BACKWARD
from nbdl.codegen.expressions import DTYPE_NAMES
from nbdl.ir.graph import PARAMETER, Node
from nbdl.ir.scan import Body

_OPERATIONS = {
    "pack": "vector",
    "matmul": "product",
    "strided_matmul": "product",
    "sum": "total",
    "max": "largest",
    "where": "chosen",
    "input": "value",
    "subtract": "difference",
}


_WORDS = (
    "rows all_rows first_row first_example batch_size capacity worker workers sync arena shared mine scratch picked "
    "control run step key seed number inf nan sums offset count room epoch place apart "
    "part view span barrier low high size begin count first steps batch examples order stride block blocks kernel "
    "program inlined ticks began loop abs max min range sqrt time"
).split()

_PRODUCTS = "matmul_nn matmul_nt matmul_tn matmul_tt".split()
KERNELS = {
    "copies": "add_parts argmax copy copy_along fill gather largest_parts put_rows scatter_add span take_rows".split(),
    "scalars": "fast_divide floor is_finite maximum minimum sign".split(),
    "elementary": "atan cos erf exp expm1 log log1p power sigmoid sin tanh".split(),
    "random": "random_normal random_normal_float64 random_uniform random_uniform_float64".split(),
    "matmul": ["SCRATCH", "matmul_blocks", "matmul_tn_part", *_PRODUCTS, *[f"{name}_add" for name in _PRODUCTS]],
    "conv": "convolve convolve_back convolve_weights".split(),
    "winograd": "winograd winograd_back winograd_weights winograd_weights_add".split(),
    "winograd_points": ["winograd_points", "winograd_points_transposed"],
    "pool": (
        "depthwise depthwise_back depthwise_weights max_pool max_pool_back max_pool_take sum_pool sum_pool_back"
    ).split(),
    "boxes": "Geometry forward_boxes input_boxes pool_boxes weight_boxes".split(),
    "barrier": ["barrier"],
    "handover": ["begin_call", "end_call"],
    "clock": ["clock"],
    "ownership": ["claim"],
    "views": ["part", "view"],
}
RESERVED = {*keyword.kwlist, *_WORDS, *DTYPE_NAMES.values(), *[name for group in KERNELS.values() for name in group]}
"""Names that generated code uses for something else."""


class Names:
    """Gives every node a name, and no two the same one.

    Args:
        reserved: names that mean something else.
        others: further ones, looked at anew each time.
    """

    def __init__(self, reserved: Iterable[str] = (), others: Container[str] = ()):
        self._taken = set(reserved)
        self._others = others
        self._names: dict[object, str] = {}

    def of(self, key: object, base: str) -> str:
        """The name of `key`, made from `base` the first time."""
        if key not in self._names:
            self._names[key] = self.unique(base)
        return self._names[key]

    def unique(self, base: str) -> str:
        """A name that nothing has yet."""
        name = _free(base, lambda name: name in self._taken or name in self._others)
        self._taken.add(name)
        return name

    def __contains__(self, name: object) -> bool:
        return name in self._taken


class ModuleNames:
    """Names of functions and tables of a module, which no function uses for something of its own."""

    def __init__(self) -> None:
        self.given: set[str] = set()
        self._functions: list[Names] = []

    def inside(self, reserved: Iterable[str]) -> Names:
        """The names inside of one function."""
        self._functions.append(Names(reserved, self.given))
        return self._functions[-1]

    def unique(self, base: str) -> str:
        """A name that nothing has yet."""
        name = _free(base, lambda name: name in self.given or any(name in each for each in self._functions))
        self.given.add(name)
        return name


def _free(base: str, is_taken: Callable[[str], bool]) -> str:
    """A name made from `base`, with a number behind it if need be."""
    base = identifier(base)
    name, count = base, 1
    while is_taken(name):
        count += 1
        name = f"{base}_{count}"
    return name


def identifier(text: str) -> str:
    """Turn any text into a Python name.

    >>> identifier("dense_1.weight")
    'dense_1_weight'
    """
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "x"
    return f"_{name}" if name[0].isdigit() else name


def label(node: Node) -> str:
    """A name for a node: its own for a leaf or parameter, else layer and operation (`d_...` on the way back)."""
    if node.name == "input" and node.param("name"):
        return identifier(node.param("name"))
    scope = node.inputs[0].scope if node.primitive.kind == "result" else node.scope
    if scope.startswith(PARAMETER):
        return identifier(scope.removeprefix(PARAMETER))
    if node.name == "reshape" or (node.name == "slice" and node.inputs[0].primitive.kind == "result"):
        return label(node.inputs[0])
    backward = scope.startswith(BACKWARD)
    layer = scope.removeprefix(BACKWARD).split(".")[-1].removeprefix("the ")
    if layer.startswith("update by"):
        layer = "new"
    return identifier(f"{'d_' if backward else ''}{layer}_{_what(node).removeprefix('d_' if backward else '')}")


def _what(node: Node) -> str:
    """What a node computes, in a word."""
    if node.primitive.kind != "result":
        return node.title or _OPERATIONS.get(node.name, node.name)
    body: Body = node.inputs[0].param("body")
    kind, index = node.param("kind"), node.param("index")
    if kind in ("stack", "total"):
        return short_label(body.output((kind, index)))
    return body.states[index].title


def short_label(node: Node) -> str:
    """What an array is called inside a function that several layers may share: its title, or the last word of its
    label.
    """
    if node.title:
        return identifier(node.title)
    if node.scope.startswith(PARAMETER):
        return identifier(node.scope.removeprefix(PARAMETER).rpartition(".")[2])
    name = label(node)
    if node.name == "input":
        return name
    last = name.rpartition("_")[2]
    return name if last.isdigit() else last


def heading(scope: str) -> str:
    """What a comment above a group of lines says."""
    prefix = BACKWARD if scope.startswith(BACKWARD) else ""
    layers = scope.removeprefix(BACKWARD).split(".")
    return " ".join((prefix + " / ".join(layers[1:] or layers)).split()) or "the loss"


def loop_name(scope: str) -> str:
    """What the function of a loop is called: after its layer."""
    if scope.startswith("update by"):
        return "update"
    layer = scope.removeprefix(BACKWARD).split(".")[-1]
    return f"{'backward_' if scope.startswith(BACKWARD) else ''}{layer or 'loss'}"
