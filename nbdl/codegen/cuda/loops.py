"""Print a fused loop as a kernel.

There are four ways to share a loop among threads:

- *elements*: every value is worked out by itself: a thread for each;
- *rows*: values of a row depend on sums over it, and it is short: a thread for each row;
- *groups*: the same with long rows: a block for each, whose threads go over the row together;
- *across*: sums over many rows: the threads of a block share the rows of some columns, or several blocks do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from nbdl.codegen.cuda.names import CUDA_RESERVED
from nbdl.codegen.expressions import dtype_name, number
from nbdl.codegen.index import Index, core, factor, shape_text, size_text
from nbdl.codegen.loop_text import VARIABLES, Block, LoopFunction, LoopPrinter, combine, lowest
from nbdl.codegen.plan import Plan
from nbdl.codegen.work import Loop, reduced_variables, reduces_across, result_index
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch, Size, product

Way = Literal["elements", "rows", "groups", "across"]

WIDE = 32
"""Rows that are longer get a block each; a single thread goes over the others."""

_STORE = re.compile(r"\w+\[[^\]]*\] = ")


@dataclass
class Kernel:
    """A printed kernel: its lines, what the caller passes, in order, and the sizes of what the threads share."""

    lines: list[str]
    parameters: list[str]
    function: LoopFunction
    way: Way
    sizes: tuple[Size, Size]

    @property
    def across(self) -> list[Node]:
        """The results that may be added up in slices."""
        return list(self.function.results) if self.way == "across" else []


class KernelPrinter(LoopPrinter):
    """Prints one loop as a kernel."""

    def __init__(self, plan: Plan, loop: Loop):
        super().__init__(plan, loop)
        self.taken |= CUDA_RESERVED
        self.column_lines: tuple[list[str], list[str], list[str]] = ([], [], [])  # before, after and behind its lanes
        self.way = self._choose_way()
        if self.way == "across":
            self.split = len(loop.domain)
            reduced = reduced_variables(loop.seeds[0], loop.index[loop.seeds[0]])
            self.kept = [variable for variable in range(len(loop.domain)) if variable not in reduced]
            self.reduced = sorted(reduced)

    def _choose_way(self) -> Way:
        loop = self.loop
        if any(reduces_across(seed, len(loop.domain)) is not None for seed in loop.seeds):
            return "across"
        if not any(seed.primitive.kind == "reduction" or core(seed.shape) != tuple(loop.domain) for seed in loop.seeds):
            return "elements"
        width = product(tuple(loop.domain[self.split :]))
        inner = self.split < len(loop.domain)
        return "groups" if inner and (isinstance(width, Batch) or width > WIDE) else "rows"

    # --- the kernel ---

    def kernel(self) -> Kernel:
        """Return the kernel."""
        function = self.print()
        places = {node: self._unique(f"{name}_at") for node, name in self._handed_in(function).items()}
        views = [self._view(node, name, places[node]) for node, name in self._handed_in(function).items()]
        parameters = ["card", *function.sizes, *places.values()]
        return Kernel([*views, *function.body], parameters, function, self.way, self._shared_sizes())

    @staticmethod
    def _handed_in(function: LoopFunction) -> dict[Node, str]:
        return {**function.scalars, **function.arrays, **function.results}

    def _view(self, node: Node, name: str, place: str) -> str:
        """The line by which a kernel looks into the memory."""
        kind = dtype_name(node.dtype)
        if node in self.scalars:
            return f"{name} = view(card, {place}, (1,), {kind})[0]"
        if self.way == "across" and node in self.results:
            return f"{name} = view(card, {place}, (slices(card), {self._size(self.kept)}), {kind})"
        look = "view" if node in self.results else "read"
        return f"{name} = {look}(card, {place}, {shape_text(core(node.shape) or (1,))}, {kind})"

    def _shared_sizes(self) -> tuple[Size, Size]:
        domain = tuple(self.loop.domain)
        if self.way == "across":
            return product(tuple(domain[each] for each in self.kept)), product(
                tuple(domain[each] for each in self.reduced)
            )
        if self.way == "elements":
            return product(domain), 1
        return product(domain[: self.split]), product(domain[self.split :])

    def _mentions(self, name: str) -> bool:
        """Whether the kernel needs a size; shapes of arrays may have the batch axis where the loop hasn't."""
        if name != "rows":
            return super()._mentions(name)
        nodes = [*self.arrays, *self.results]
        return super()._mentions(name) or any(isinstance(size, Batch) for node in nodes for size in node.shape)

    # --- the nest ---

    def _is_cut_short(self, size: int, body: list[str]) -> bool:
        """Never: a thread's numbers come one by one."""
        return False

    def _is_long_sum(self, seed: Node, split: int) -> bool:
        """Never: threads share the numbers."""
        return False

    def _nest(self) -> list[str]:
        if self.way == "across":
            return self._nest_across()
        if self.way == "elements":
            lines = [
                line for row, inner in zip(self.rows, self.inner, strict=True) for line in (*row.lines, *inner.lines)
            ]
            return self._over("elements", range(len(self.loop.domain)), lines)
        body: list[str] = []
        for time, (row, inner) in enumerate(zip(self.rows, self.inner, strict=True)):
            body += self._row_lines(row.lines, time)
            if inner.lines and self.way == "groups":
                body += self._over("members", range(self.split, len(self.loop.domain)), inner.lines)
            elif inner.lines:
                body += self._indent_loops(inner.lines, range(self.split, len(self.loop.domain)))
        return self._over("groups" if self.way == "groups" else "elements", range(self.split), body)

    def _row_lines(self, lines: list[str], time: int) -> list[str]:
        """The lines with numbers of a row, which in a group the first lane alone stores; before anything has made the
        lanes meet, another may still have to read what is overwritten.
        """
        if self.way != "groups" or not any(_STORE.match(line) for line in lines):
            return lines
        kept = [line for line in lines if not _STORE.match(line)]
        stores = ["    " + line for line in lines if _STORE.match(line)]
        return [*kept, *["syncthreads(card)"] * (time == 0), "if leads(card):", *stores]

    def _nest_across(self) -> list[str]:
        (row, *_) = self.rows
        starts, ends, stores = self.column_lines
        shared = self._over("lanes", self.reduced, row.lines)
        lines = [*starts, "if c < " + self._size(self.kept) + ":"]
        inside = [*self._unraveled("c", self.kept), *shared]
        lines += ["    " + line for line in inside] + ends
        lines += [f"if leads(card) and c < {self._size(self.kept)}:", *("    " + line for line in stores)]
        return [
            f"for first in columns(card, {self._size(self.kept)}):",
            "    c = first + column(card)",
            *("    " + x for x in lines),
        ]

    def _over(self, share: str, variables: range | list[int], body: list[str]) -> list[str]:
        """A loop over a thread's share of the elements that several variables count."""
        if not variables:
            head = f"for e in {share}(card, 1):" if share == "lanes" else "if is_first(card):"
            return [head, *("    " + line for line in body)]
        name = VARIABLES[variables[0]] if len(variables) == 1 else "e"
        lines = [] if len(variables) == 1 else self._unraveled(name, variables)
        return [f"for {name} in {share}(card, {self._size(variables)}):", *("    " + line for line in (*lines, *body))]

    def _unraveled(self, flat: str, variables: range | list[int]) -> list[str]:
        """The line that turns the number of an element into the places along its axes."""
        names, terms = [], []
        for place, variable in enumerate(variables):
            behind = self._size(variables[place + 1 :])
            term = flat if behind == "1" else f"{flat} // {factor(behind)}"
            if place:
                term = f"{term} % {factor(self._size([variable]))}"
            names.append(VARIABLES[variable])
            terms.append(term)
        return [f"{', '.join(names)} = {', '.join(terms)}"] if names else []

    def _size(self, variables: range | list[int]) -> str:
        return size_text(product(tuple(self.loop.domain[each] for each in variables)))

    # --- reductions ---

    def _print_reduction(self, seed: Node, index: Index, block: Block) -> None:
        if self.way == "across":
            self._reduce_across(seed, index)
            return
        super()._print_reduction(seed, index, block)
        if self.way == "groups":
            time = self.times.of_seed(seed)
            lines = self.rows[time + 1].lines
            name = self.row_known[seed, result_index(seed, index)].text
            place = len(lines) - (seed in self.stored)
            lines.insert(place, f"{name} = {_OVER_LANES[seed.name]}(card, {name})")

    def _reduce_across(self, seed: Node, index: Index) -> None:
        (block, *_) = self.rows
        operand = self._text((seed.inputs[0], index), block)
        start = number(0.0 if seed.dtype.kind == "f" else 0, seed.dtype) if seed.name == "sum" else lowest(seed)
        name = self._new_name(seed)
        self.results[seed] = None
        starts, ends, stores = self.column_lines
        starts.append(f"{name} = {start}")
        block.lines.append(combine(seed, name, operand))
        ends.append(f"{name} = {_OVER_LANES[seed.name]}(card, {name})")
        stores.append(f"{self._array(seed)}[this_slice(card), c] = {name}")


_OVER_LANES = {"sum": "lanes_sum", "max": "lanes_max"}
