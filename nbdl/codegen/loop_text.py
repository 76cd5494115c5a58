"""Print a fused loop as a Python function."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from nbdl.codegen.expressions import Text, constant, dtype_name, length, number, operation
from nbdl.codegen.index import Index, core, size_text
from nbdl.codegen.names import KERNELS, RESERVED, short_label
from nbdl.codegen.plan import Plan, Slot, memory_of
from nbdl.codegen.times import Times
from nbdl.codegen.work import Loop, Value, is_scalar, reduced_variables, result_index
from nbdl.ir.graph import Node
from nbdl.ir.ops import FLOAT32
from nbdl.ir.shapes import Batch, has_batch

VARIABLES = "ijklmopq"
FLOAT64 = np.dtype(np.float64)
LONGEST = 72  # an expression that gets longer is given a name
LONGEST_SUM = 1 << 16  # numbers that are added up in float32: a vector's sums of 4096 each are right to five digits
WHOLE = 16  # numbers that fill whole vectors of any machine and dtype


@dataclass
class Block:
    """Lines at one depth of the nest, and the names of what they have computed."""

    lines: list[str] = field(default_factory=list)
    known: dict[Value, Text] = field(default_factory=dict)


@dataclass
class LoopFunction:
    """A printed loop: its lines, and what the caller passes, in order."""

    body: list[str]
    sizes: list[str]
    scalars: dict[Node, str]
    arrays: dict[Node, str]
    results: dict[Node, str]

    @property
    def parameters(self) -> list[str]:
        """Names of the function's parameters."""
        return [*self.sizes, *self.scalars.values(), *self.arrays.values(), *self.results.values()]


class LoopPrinter:
    """Prints one loop.

    Rows are the outer variables when the loop is split. Within a row, *time* t counts the reductions over the row that
    must be finished: inner loop t comes after the numbers of row t, which come after inner loop t - 1.
    """

    def __init__(self, plan: Plan, loop: Loop, splittable: bool = False):
        self.plan = plan
        self.fusion = fusion = plan.fusion
        self.slots = plan.slots
        self.row_shapes = plan.row_shapes
        self.plan = plan
        self.splittable = splittable  # each worker is handed a part of every array
        self.loop = loop
        self.stored = {seed for seed in loop.seeds if seed in plan.buffers}
        self.names: dict[object, str] = {}
        self.taken: set[str] = {*VARIABLES, *RESERVED, *[each.name for each in fusion.custom]}
        self.arrays: dict[Node, None] = {}
        self.scalars: dict[Node, None] = {}
        self.results: dict[Node, None] = {}
        self.uses: dict[Value, int] = {}
        self.times = Times(fusion, loop)
        self.split = len(loop.domain) if loop.split is None else loop.split
        self.needs_first_row = False
        self.setup: list[str] = []
        self.finish: list[str] = []
        self.before_row: list[str] = []  # within the outermost loop, if there are others
        self.behind_row: list[str] = []
        self.row_known: dict[Value, Text] = {}
        moments = 2 + max(self.times.of_seed(seed) for seed in loop.seeds)
        self.rows = [Block(known=self.row_known) for _ in range(moments)]
        self.inner = [Block() for _ in range(moments)]
        self._count_uses()

    # --- the whole function ---

    def print(self) -> LoopFunction:
        """Return the function's body and parameters."""
        self._load_overwritten()
        for seed in self.loop.seeds:
            self._print_seed(seed)
        lines = [*self.setup, *self._nest(), *self.finish]
        sizes = [name for name in ("rows", "size", "first_row") if self._mentions(name)]
        results = {self._array(node): node for node in reversed(self.results)}
        arrays = {
            self._array(node): node for node in reversed(self.arrays)
        }  # two nodes may be views of the same memory
        return LoopFunction(
            lines,
            sizes,
            {node: self._scalar(node) for node in self.scalars},
            {node: name for name, node in reversed(arrays.items()) if name not in results},
            {node: name for name, node in reversed(results.items())},
        )

    def _mentions(self, name: str) -> bool:
        if name == "rows":
            return has_batch(tuple(self.loop.domain))
        return self.splittable if name == "size" else self.needs_first_row

    def _nest(self) -> list[str]:
        body: list[str] = []
        for row, inner in zip(self.rows, self.inner, strict=True):
            body += row.lines
            if inner.lines:
                body += self._indent_loops(inner.lines, range(self.split, len(self.loop.domain)))
        return self._indent_loops(body, range(self.split))

    def _indent_loops(self, body: list[str], variables: range) -> list[str]:
        for variable in reversed(variables):
            if variable == 0:
                body = [*self.before_row, *body, *self.behind_row]
            size = self.loop.domain[variable]
            if isinstance(size, int) and variable == len(self.loop.domain) - 1 and self._is_cut_short(size, body):
                body = self._in_whole_vectors(body, variable, size)
            else:
                header = f"for {VARIABLES[variable]} in range({self._bound(variable)}):"
                body = [header, *("    " + line for line in body)]
        return body

    def _is_cut_short(self, size: int, body: list[str]) -> bool:
        """Whether the last numbers of a row don't fill a vector, take long one by one, and may be computed twice."""
        written = {memory_of(self.plan, node) for node in self.results}
        return (
            size > WHOLE
            and size % WHOLE > 0
            and not self.splittable
            and not any(seed.primitive.kind == "reduction" for seed in self.loop.seeds)
            and not any(memory_of(self.plan, node) in written for node in self.arrays)
            and any(f"{name}(" in line for line in body for name in KERNELS["elementary"])
        )

    def _in_whole_vectors(self, body: list[str], variable: int, size: int) -> list[str]:
        """A loop over whole vectors, of which the last begins earlier, so that it is one."""
        vector, start, name = self._unique("vector"), self._unique("start"), VARIABLES[variable]
        return [
            f"for {vector} in range({-(-size // WHOLE)}):",
            f"    {start} = min({WHOLE} * {vector}, {size - WHOLE})  # whole vectors: the last one overlaps",
            f"    for {name} in range({start}, {start} + {WHOLE}):",
            *("        " + line for line in body),
        ]

    def _bound(self, variable: int) -> str:
        return "size" if self.splittable else size_text(self.loop.domain[variable])

    # --- uses ---

    def _count_uses(self) -> None:
        seen: set[Value] = set()
        for seed in self.loop.seeds:
            for value in self.fusion.operands(seed, self.loop.index[seed]):
                self._count(value, seen)

    def _count(self, value: Value, seen: set[Value]) -> None:
        self.uses[value] = self.uses.get(value, 0) + 1
        if value in seen or self.fusion.stops(value[0]):
            return
        seen.add(value)
        for each in self.fusion.inputs(*value):
            self._count(each, seen)

    def _is_row_value(self, index: Index) -> bool:
        return all(place.variable is None or place.variable < self.split for place in index)

    def _load_overwritten(self) -> None:
        """What one seed overwrites and another one needs is read before anything is written."""
        writers = {memory_of(self.plan, seed): seed for seed in self.loop.seeds}
        for seed in self.loop.seeds:
            for node, index in self.fusion.reads(seed, self.loop.index[seed]):
                writer = writers.get(memory_of(self.plan, node))
                if writer is None or writer is seed or node in self.loop.index:
                    continue
                home = self._home((node, index), self.inner[0])
                if (node, index) not in home.known:
                    self.arrays[node] = None
                    self._named((node, index), Text(self._element(node, index)), home)

    # --- seeds ---

    def _print_seed(self, seed: Node) -> None:
        index, time = self.loop.index[seed], self.times.of_seed(seed)
        block = self._home((seed, index), self.inner[time], time)
        if seed.primitive.kind == "reduction":
            self._print_reduction(seed, index, block)
            return
        value = (seed, index)
        text = self._compute(value, block)
        slots = self.slots.get(seed, (None,))
        if self.uses.get(value, 0) or len(slots) > 1:
            text = block.known[value] = text if text.text.isidentifier() else self._named(value, text, block)
        for slot in slots:
            self.results[slot.whole if slot else seed] = None
            block.lines.append(f"{self._element(seed, index, slot)} = {text.text}")

    def _print_reduction(self, seed: Node, index: Index, block: Block) -> None:
        operand = self._text((seed.inputs[0], index), block)
        time = self.times.of_seed(seed)
        start = number(0.0 if seed.dtype.kind == "f" else 0, seed.dtype) if seed.name == "sum" else lowest(seed)
        place = result_index(seed, index)
        in_row = self._kept_in_row(seed, index)
        if not in_row and any(each.variable is not None for each in place):
            self._accumulate_in_memory(seed, index, operand, start, block)
            return
        name = self._new_name(seed)
        if in_row:
            is_long = self._is_long_sum(seed, self.split)
            self.rows[time].lines.append(f"{name} = {number(0.0, FLOAT64) if is_long else start}")
            self.row_known[seed, place] = Text(f"{dtype_name(seed.dtype)}({name})" if is_long else name)
            block.lines.append(combine(seed, name, operand))
        elif seed.name == "sum" and seed.dtype == FLOAT32:
            self._print_total(seed, name, operand, block)
        else:
            self.setup.append(f"{name} = {start}")
            block.lines.append(combine(seed, name, operand))
        if seed in self.stored:
            self.results[seed] = None
            store = "+=" if self.plan.adds(seed) else "="
            behind = self.rows[time + 1].lines if in_row else self.finish
            behind.append(f"{self._element(seed, place)} {store} {name}")

    def _print_total(self, seed: Node, name: str, operand: Text, block: Block) -> None:
        """A sum over everything, in float64: a float32 stops growing long before a large array ends.

        What is added up within the outermost loop is a float32 first, as half as many float64 fill a vector.
        """
        self.setup.append(f"{name} = {number(0.0, FLOAT64)}")
        once_a_row = self.split == 1 and any(block is row for row in self.rows)
        if once_a_row or self._is_long_sum(seed, 1):
            block.lines.append(combine(seed, name, operand))
            return
        part = self._unique(f"{name}_inside")
        self.before_row.append(f"{part} = {number(0.0, seed.dtype)}")
        block.lines.append(combine(seed, part, operand))
        self.behind_row.append(f"{name} += {part}")

    def _is_long_sum(self, seed: Node, split: int) -> bool:
        """Whether it adds up so many numbers behind the first axes that it needs a float64."""
        inside = math.prod(size for size in self.loop.domain[split:] if isinstance(size, int))
        return seed.name == "sum" and seed.dtype == FLOAT32 and inside > LONGEST_SUM

    def _kept_in_row(self, seed: Node, index: Index) -> bool:
        reduced = reduced_variables(seed, index)
        return self.loop.split is not None and reduced == set(range(self.split, len(self.loop.domain)))

    def _accumulate_in_memory(self, seed: Node, index: Index, operand: Text, start: str, block: Block) -> None:
        place = result_index(seed, index)
        variables = sorted(each.variable for each in place if each.variable is not None)
        self.results[seed] = None
        element = self._element(seed, place)
        block.lines.append(combine(seed, element, operand))
        if self.plan.adds(seed):
            return
        fill = [f"{element} = {start}"]
        for variable in reversed(variables):
            fill = [
                f"for {VARIABLES[variable]} in range({size_text(self.loop.domain[variable])}):",
                *("    " + line for line in fill),
            ]
        self.setup += fill

    # --- values ---

    def _home(self, value: Value, block: Block, time: int | None = None) -> Block:
        """Where a value is worked out: with the numbers of a row if it is one, else in the inner loop that asks for
        it.
        """
        if not self._is_row_value(value[1]):
            return block
        return self.rows[self.times.of(value) if time is None else time]

    def _text(self, value: Value, block: Block) -> Text:
        """The text of a value inside `block`; what it needs is printed first."""
        node = value[0]
        home = self._home(value, block)
        if value in home.known:
            return home.known[value]
        if node in self.loop.index:
            return Text(self._element(*value))  # computed by an earlier inner loop
        if self.fusion.stops(node):
            return self._loaded(value, home)
        text = self._compute(value, home)
        worked_out_once = home is not block and not text.text.isidentifier()
        if text.text.isidentifier():
            home.known[value] = text
            return text
        if worked_out_once or self.uses[value] > 1 or length(text.text) > LONGEST:
            return self._named(value, text, home)
        return text

    def _compute(self, value: Value, block: Block) -> Text:
        node, index = value
        if node.primitive.kind == "leaf":
            return self._loaded(value, block)
        if node.name == "iota":
            text = self._linear(node, index)
            return (
                Text(text, 0)
                if node.dtype.name == "int64" and not text.isalnum()
                else Text(f"{dtype_name(node.dtype)}({text})")
            )
        if node.name.startswith("random_"):
            return self._random(node, index)
        operands = [self._text(each, block) for each in self.fusion.inputs(node, index)]
        if node.primitive.kind in ("movement", "view") or node.name == "stop_gradient":
            return operands[0]
        return operation(node, operands)

    def _random(self, node: Node, index: Index) -> Text:
        (key,) = node.inputs
        if ("key", key) not in self.names:
            self.arrays[key] = None
            seed, step = self._unique("seed"), self._unique("step")
            self.names["key", key] = f"{seed}, {step}"
            self.setup.append(f"{seed}, {step} = {self._array(key)}[0], {self._array(key)}[1]")
        suffix = "_float64" if node.dtype.name == "float64" else ""
        return Text(
            f"{node.name}{suffix}({self.names['key', key]}, {node.param('stream')}, {self._linear(node, index)})"
        )

    def _loaded(self, value: Value, block: Block) -> Text:
        node, index = value
        if node.name == "constant":
            return constant(node)
        if is_scalar(node):
            self.scalars[node] = None
            return Text(self._scalar(node))
        self.arrays[node] = None
        text = Text(self._element(node, index))
        return self._named(value, text, block) if self.uses[value] > 1 else text

    def _named(self, value: Value, text: Text, block: Block) -> Text:
        name = self._new_name(value[0])
        block.lines.append(f"{name} = {text.text}")
        block.known[value] = Text(name)
        return block.known[value]

    def _element(self, node: Node, index: Index, slot: Slot | None = None) -> str:
        """`array[i, j]`: axes of size 1 are left out, and the place of the row where the array has one row only."""
        if node in self.slots:
            slot = slot or self.slots[node][0]
            place = index[slot.axis].moved(slot.start, 1)
            node, index = slot.whole, (*index[: slot.axis], place, *index[slot.axis + 1 :])
        places = [place for place, size in zip(index, node.shape, strict=True) if size != 1]
        if node in self.row_shapes:
            places = places[self.split :]
        return f"{self._array(node)}[{', '.join(place.text(list(VARIABLES)) for place in places) or '0'}]"

    def _linear(self, node: Node, index: Index) -> str:
        """Position of an element in row-major order, rows counted from the start of the whole batch."""
        text = ""
        for place, size in zip(index, node.shape, strict=True):
            term = place.text(list(VARIABLES))
            if isinstance(size, Batch):
                self.needs_first_row = True
                term = f"{size_text(size, 'first_row')} + {term}"
            text = f"({text}) * {size_text(size)} + {term}" if text else term
        return text or "0"

    # --- names ---

    def _array(self, node: Node) -> str:
        key = ("array", memory_of(self.plan, node), core(node.shape))  # a result over an operand is one array
        if key not in self.names:
            self.names[key] = self._unique(short_label(node))
        return self.names[key]

    def _scalar(self, node: Node) -> str:
        key = ("scalar", node)
        if key not in self.names:
            self.names[key] = self._unique(short_label(node))
        return self.names[key]

    def _new_name(self, node: Node) -> str:
        return self._unique(node.title or _NAMES.get(node.name, node.name))

    def _unique(self, base: str) -> str:
        name, count = base, 1
        while name in self.taken:
            count += 1
            name = f"{base}_{count}"
        self.taken.add(name)
        return name


_NAMES = {
    "sum": "total",
    "max": "largest",
    "where": "chosen",
    "abs": "magnitude",
    "input": "value",
    "subtract": "difference",
    "divide": "quotient",
    "fast_divide": "quotient",
}


def lowest(seed: Node) -> str:
    """The text of the number that a maximum begins with."""
    return number(float("-inf"), seed.dtype) if seed.dtype.kind == "f" else str(-(2 ** (8 * seed.dtype.itemsize - 1)))


def combine(seed: Node, name: str, operand: Text) -> str:
    """The line that adds an operand to a sum, or takes it into a maximum."""
    return f"{name} += {operand.text}" if seed.name == "sum" else f"{name} = maximum({name}, {operand.text})"
