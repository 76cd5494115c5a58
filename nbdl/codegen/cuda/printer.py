"""Print a plan as a Python module for a card: kernels, and a step that launches them one after another."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

from nbdl.codegen.cuda.calls import print_call
from nbdl.codegen.cuda.loops import KernelPrinter
from nbdl.codegen.cuda.names import CUDA_RESERVED, KERNELS
from nbdl.codegen.cuda.numbers import NumbersKernel
from nbdl.codegen.cuda.places import NUMBER_BYTES, Layout, Places
from nbdl.codegen.expressions import dtype_name
from nbdl.codegen.functions import Functions
from nbdl.codegen.index import size_text
from nbdl.codegen.names import Names, heading, loop_name, short_label
from nbdl.codegen.plan import Plan, Variable, locate
from nbdl.codegen.work import (
    Call,
    Kernel,
    Loop,
    Position,
    adds_batch,
    is_scalar,
    is_scalar_work,
    reduces_across,
    root_of,
    scope_of,
)
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch, product
from nbdl.kernels.cuda.sizes import CONTROL, PART_BYTES

_PREAMBLE = [
    "Made by nbdl, compiled by Numba for NVIDIA cards. `step` is plain Python that runs once: it launches the kernels",
    "above it, which find their arrays by the byte of the card's memory at which they begin.",
]


class CudaPrinter:
    """Prints one program."""

    def __init__(self, plan: Plan, title: str):
        self.plan, self.fusion, self.title = plan, plan.fusion, title
        self.functions = Functions()
        self.layout = layout_of(plan)
        self.slots: list[int] = []  # one entry for each single number that has a place
        self._begin_function(in_body=False)

    def _begin_function(self, *, in_body: bool) -> None:
        self.names: Names = self.functions.names.inside({*CUDA_RESERVED, *[each.name for each in self.fusion.custom]})
        variables = [each for each in self.plan.variables if each.role != "key"]
        self.arrays: dict[Variable, str] = {each: self.names.of(each, each.name) for each in variables}
        self.places = Places(self.plan, self.names, self.arrays, self.layout, in_body=in_body)
        self.number_places: dict[Node, int] = {}
        self.scope = ""

    def inner(self, plan: Plan) -> BodyPrinter:
        """A printer for the body of a scan in this program."""
        return BodyPrinter(plan, self)

    # --- the module ---

    def print(self) -> str:
        """Return the module's text."""
        body = self.body_lines()
        step = [
            "",
            f"def step({', '.join(['card', 'rows', 'first_row', 'capacity', 'order', *self.arrays.values()])}):",
            '    """One step, on the rows of a batch."""',
            *("    " + line if line else "" for line in body),
        ]
        code = [*self.functions.lines, *step]
        title = re.sub(r'["\\\s]+', " ", self.title)
        lines = [f'"""{title}', "", *_PREAMBLE, '"""', "", *self._imports("\n".join(code)), "", *code]
        return "\n".join(lines) + "\n"

    def _imports(self, code: str) -> list[str]:
        used = set(re.findall(r"[A-Za-z_]\w*", code))
        wanted = sorted({"inf", "nan"} & used)
        lines = [f"from math import {', '.join(wanted)}", ""] if wanted else []
        for module, names in KERNELS.items():
            wanted = sorted(name for name in names if name in used)
            if wanted:
                lines.append(f"from nbdl.kernels.cuda.{module} import {', '.join(wanted)}")
        if "Geometry" in used:
            lines.append("from nbdl.kernels.geometry import Geometry")
        return [*lines, *self._plugin_functions()]

    def _plugin_functions(self) -> list[str]:
        """The functions of plugins' operations; the hash of their source makes a changed one another program."""
        kernels = [(each.name, each.kernel) for each in self.fusion.custom if each.kernel is not None]
        lines = [
            f'{name} = plugin_function("{kernel.module}", "{kernel.name}", "{name}")  # {kernel.source_hash}'
            for name, kernel in kernels
        ]
        return ["from nbdl.codegen.cuda.plugin import plugin_function", "", *lines] if lines else []

    def body_lines(self) -> list[str]:
        """The lines of a step."""
        lines = [*self._beginning()]
        for kernel in self.plan.kernels:
            lines += self.numbers_lines(self._passing(kernel.position))
            printed = print_call(self, kernel.node) if isinstance(kernel, Call) else self._loop_lines(kernel)
            lines += self._under_heading(kernel, printed)
        lines += self._ending()
        return ["# where arrays begin", *self.places.lines, "", *lines] if self.places.lines else lines

    def _beginning(self) -> list[str]:
        """Say that a step begins, work out the numbers that are known, and gather the rows."""
        lines = self.numbers_lines(self._known_before((0, 0)), begin=True)
        for variable in self.plan.variables:
            leaf = variable.leaf
            if variable.role == "rows" and leaf is not None and leaf in self.plan.buffers:
                kind, place, width = dtype_name(leaf.dtype), self.places.of(leaf), size_text(product(leaf.shape[1:]))
                lines.append(f"take_rows(card, {kind}, {self.arrays[variable]}, order, {place}, rows, {width})")
        return lines

    def _under_heading(self, kernel: Kernel, lines: list[str]) -> list[str]:
        scope = scope_of(kernel)
        if scope == self.scope or not scope or scope.startswith("parameter "):
            return lines
        self.scope = scope
        return ["", f"# {heading(scope)}", *lines] if lines else []

    def _ending(self) -> list[str]:
        """Bring results to where they belong, as far as they aren't computed there."""
        lines = self.numbers_lines(
            [each.result for each in self.plan.scalar_results if each.result is not None], end=True
        )
        for variable in self.plan.variables:
            result = variable.result
            if result is None:
                continue
            kind, target = dtype_name(result.dtype), self.arrays.get(variable, "")
            if variable.role == "row_result":
                width = size_text(product(result.shape[1:]))
                lines.append(f"put_rows(card, {kind}, {self.places.of(result)}, order, {target}, rows, {width})")
            elif variable in self.plan.copies:
                count = size_text(product(result.shape))
                lines.append(f"copy(card, {kind}, {self.places.of(result)}, {target}, {count})")
        return ["", "# results", *lines] if lines else []

    # --- loops ---

    def _loop_lines(self, loop: Loop) -> list[str]:
        kernel = KernelPrinter(self.plan, loop).kernel()
        name = self.functions.define("kernel", loop_name(scope_of(loop)), kernel.parameters, kernel.lines)
        function = kernel.function
        lines = self.numbers_lines(
            [node for node in function.scalars if self._lacks_place(node)], position=loop.position
        )
        numbers = [self.number_place(node) for node in function.scalars]
        arrays = [self.places.of(node) for node in function.arrays]
        results = [self.places.of(node) for node in function.results]
        first, second = (size_text(size) for size in kernel.sizes)
        if kernel.way == "across":
            finished = ", ".join(
                f"({_FINISH[node.name]}({dtype_name(node.dtype)}), {place})"
                for node, place in zip(function.results, results, strict=True)
            )
            arguments = ", ".join([name, first, second, *function.sizes, *numbers, *arrays])
            return [*lines, f"card.across({arguments}, results=[{finished}])"]
        sizes = [first, second] if kernel.way == "groups" else [first]
        method = "groups" if kernel.way == "groups" else "elements"
        return [*lines, f"card.{method}({', '.join([name, *sizes, *function.sizes, *numbers, *arrays, *results])})"]

    # --- single numbers ---

    def _known_before(self, position: Position) -> list[Node]:
        """The numbers known before a position that kernels need and that haven't been worked out."""
        known = self.fusion.scalar_position
        return [
            node
            for node in self.fusion.order
            if node in self._wanted and known[node] < position and self._lacks_place(node)
        ]

    def _passing(self, position: Position) -> list[Node]:
        """The numbers known before a position that are read from memory which is used for something else later on."""
        known = self.fusion.scalar_position
        return [
            node
            for node in self.fusion.order
            if node in known
            and known[node] < position
            and node not in self.number_places
            and any(map(self._is_passing, [node] if self._in_memory(node) else node.inputs))
        ]

    def _is_passing(self, node: Node) -> bool:
        if not self._in_memory(node) or node in self.number_places:
            return False
        return locate(self.plan, root_of(node)).space in ("local", "rows")

    @cached_property
    def _wanted(self) -> set[Node]:
        """The numbers that something else than the working out of numbers needs."""
        known = self.fusion.scalar_position
        return {each for node in self.fusion.order if node not in known for each in node.inputs if each in known}

    def _lacks_place(self, node: Node) -> bool:
        """Whether a number must be worked out before a kernel can read it."""
        return is_scalar_work(node) and not self._in_memory(node) and node not in self.number_places

    def _in_memory(self, node: Node) -> bool:
        """Whether a number lies in memory that isn't its own: what the caller handed in, or what a kernel computes."""
        if node.name in ("constant", "batch_size"):
            return False
        if not is_scalar_work(node) or node.name == "input":
            return True
        return node.primitive.kind in ("view", "movement") and not is_scalar(node.inputs[0])

    def number_place(self, node: Node) -> str:
        """The place of a single number."""
        if node in self.number_places:
            return str(self.number_places[node])
        return self.places.of(node)

    def numbers_lines(
        self, wanted: Iterable[Node], *, position: Position | None = None, begin: bool = False, end: bool = False
    ) -> list[str]:
        """Lines that launch a kernel which works numbers out: those that are wanted, and all others known by now."""
        wanted = list(wanted)
        if position is not None and wanted:
            wanted = list(dict.fromkeys([*wanted, *self._known_before(position)]))
        wanted = [node for node in wanted if node.name != "constant" or end]
        if not wanted and not begin:
            return []
        kernel = NumbersKernel(lambda node: self._in_memory(node) or node in self.number_places)
        values = self._values(kernel, wanted, apart=end)
        places = {kernel.names.unique(f"{name}_at"): self.number_place(node) for node, name in kernel.read.items()}
        views = [
            f"{name} = view(card, {at}, (1,), {dtype_name(node.dtype)})"
            for at, (node, name) in zip(places, kernel.read.items(), strict=True)
        ]
        targets = self._result_places() if end else [str(self._new_slot(node)) for node in wanted]
        stores = []
        for node, value, target in zip(wanted, values, targets, strict=True):
            at = kernel.names.unique(f"{value if value.isidentifier() else short_label(node)}_at")
            stores.append(f"view(card, {at}, (1,), {dtype_name(node.dtype)})[0] = {value}")
            places[at] = target
        opening, keys = self._opening() if begin else ([], {})
        lines = [*opening, *kernel.lines, *stores]
        body = [*views, *(["if is_first(card):", *("    " + line for line in lines)] if lines else [])]
        sizes = ["rows"] * kernel.needs_rows
        parameters = ["card", *sizes, *keys, *places]
        name = self.functions.define("kernel", "begin_step" if begin else "numbers", parameters, body)
        return [f"card.once({', '.join([name, *sizes, *keys.values(), *places.values()])})"]

    @staticmethod
    def _values(kernel: NumbersKernel, wanted: list[Node], *, apart: bool) -> list[str]:
        """The texts of numbers; `apart` from memory, which another of them may overwrite."""
        texts = [kernel.text(node).text for node in wanted]
        for place, text in enumerate(texts):
            if apart and "[" in text:
                texts[place] = kernel.names.unique("value")
                kernel.lines.append(f"{texts[place]} = {text}")
        return texts

    def _result_places(self) -> list[str]:
        return [self.arrays[each] for each in self.plan.scalar_results]

    def _new_slot(self, node: Node) -> int:
        self.slots.append(CONTROL + NUMBER_BYTES * len(self.slots))
        self.number_places[node] = self.slots[-1]
        return self.slots[-1]

    def _opening(self) -> tuple[list[str], dict[str, str]]:
        """Lines that count the step and say what random numbers depend on, and the places of the keys."""
        lines = [f"control = view(card, 0, ({CONTROL // 8},), i64)", "control[NUMBER] += 1"]
        places: dict[str, str] = {}
        for variable in self.plan.variables:
            key = variable.leaf
            if variable.role == "key" and key is not None and key in self.plan.buffers:
                at = f"key_{len(places) + 1}_at"
                places[at] = self.places.of(key)
                lines.append(f"key = view(card, {at}, (2,), i64)")
                lines.append("key[0], key[1] = control[SEED], control[OFFSET] + control[NUMBER]")
        return lines, places


class BodyPrinter(CudaPrinter):
    """Prints the body of a scan as a function of the program that `outer` prints."""

    def __init__(self, plan: Plan, outer: CudaPrinter):
        self.plan, self.fusion, self.title = plan, plan.fusion, outer.title
        self.functions, self.layout, self.slots = outer.functions, outer.layout, outer.slots
        self._begin_function(in_body=True)
        if plan.kernels:
            self.scope = scope_of(plan.kernels[0])  # needs no heading

    def _beginning(self) -> list[str]:
        return []


def layout_of(plan: Plan) -> Layout:
    """Where the spaces of a program lie."""
    plans = [plan]
    for each in plans:
        plans += each.bodies.values()
    numbers = sum(is_scalar_work(node) for each in plans for node in each.fusion.order)
    needed = [_scratch_bytes(kernel) for each in plans for kernel in each.kernels]
    return Layout(plan, numbers, max(needed, default=0))


def _scratch_bytes(kernel: Kernel) -> int:
    """Room for the slices of a kernel's sums over the batch."""
    if isinstance(kernel, Loop):
        return PART_BYTES * sum(reduces_across(seed, len(kernel.domain)) is not None for seed in kernel.seeds)
    size = product(kernel.node.shape)
    if isinstance(size, Batch) or not adds_batch(kernel.node):
        return 0
    return max(PART_BYTES, min(MOST_SLICES * size * kernel.node.dtype.itemsize, MOST_SCRATCH))


MOST_SLICES = 32
MOST_SCRATCH = 2**24
"""Bytes: larger results of products have enough blocks to keep a card busy."""

_FINISH = {"sum": "add_slices", "max": "largest_slices"}
