"""Print a plan as a Python module that Numba compiles: fused loops, one step, and a run of many steps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from nbdl.autodiff import BACKWARD
from nbdl.codegen.calls import print_call
from nbdl.codegen.expressions import Text, dtype_name, length, number, operation
from nbdl.codegen.index import core, own_index, size_text
from nbdl.codegen.loop_text import LoopFunction, LoopPrinter
from nbdl.codegen.names import KERNELS, RESERVED, ModuleNames, Names, heading, label
from nbdl.codegen.parts import LONGEST_STEP, print_parts
from nbdl.codegen.plan import Plan, Variable
from nbdl.codegen.views import Views
from nbdl.codegen.work import Call, Kernel, Loop, Position, is_scalar, is_scalar_work, root_of
from nbdl.ir.graph import Node
from nbdl.ir.shapes import product


class ModulePrinter:
    """Prints one program."""

    def __init__(self, plan: Plan, title: str):
        self.plan = plan
        self.fusion = plan.fusion
        self.title = title
        self.module_names = ModuleNames()
        self.names = self._own_names()
        self.arrays = {variable: self.names.of(variable, variable.name) for variable in plan.variables}
        self.views = self.new_views()
        self.functions: dict[str, str] = {}
        self.function_lines: list[str] = []
        self.tables: dict[str, str] = {}
        self.handed_in = [name for variable, name in self.arrays.items() if variable.role != "key"]
        self.scalars: dict[Node, Text] = {}
        self.scalar_uses = self._count_scalar_uses()
        self.scope = ""

    def _own_names(self) -> Names:
        return self.module_names.inside({*RESERVED, *[each.name for each in self.fusion.custom]})

    def inner(self, plan: Plan) -> BodyPrinter:
        """A printer for the body of a scan in this program."""
        return BodyPrinter(plan, self)

    # --- the module ---

    def print(self) -> str:
        """Return the module's text."""
        body = self._body()
        step = self._step(body)
        code = [*self._tables(), *self.function_lines, *step, *self._run()]
        title = re.sub(r'["\\\s]+', " ", self.title)
        lines = [f'"""{title}', "", *_PREAMBLE, '"""', "", *self._imports("\n".join(code)), "", *code]
        return "\n".join(lines) + "\n"

    def table(self, text: str, base: str) -> str:
        """The name of an array that the module makes when it is imported."""
        if text not in self.tables:
            self.tables[text] = self.module_names.unique(base)
        return self.tables[text]

    def _tables(self) -> list[str]:
        return [f"{name} = {text}" for text, name in self.tables.items()]

    def _imports(self, code: str) -> list[str]:
        used = set(_words(code))
        wanted = sorted({"inf", "nan", "sqrt"} & used)
        lines = [f"from math import {', '.join(wanted)}"] if wanted else []
        types = [f"{name} as {short}" for name, short in _NUMBA_NAMES.items() if short in used]
        lines += ["", f"from numba import {', '.join(types)}"] if types else []
        lines += [
            "",
            f"from nbdl.kernels.cpu.jit import {', '.join(self._decorators())}",
        ]
        for module, names in KERNELS.items():
            wanted = sorted(_import_text(name) for name in names if name in used)
            if wanted:
                lines.append(f"from nbdl.kernels.cpu.{module} import {', '.join(wanted)}")
        return [*lines, *self._plugin_kernels()]

    def _decorators(self) -> list[str]:
        names = {
            "inlined": True,
            "kernel": True,
            "loop": "@loop" in self.function_lines,
            "plugin_kernel": self.fusion.custom,
            "program": True,
        }
        return [name for name, needed in names.items() if needed]

    def _plugin_kernels(self) -> list[str]:
        """The functions of plugins' operations; the hash of their source makes a changed one another program."""
        lines = []
        for primitive in self.fusion.custom:
            if primitive.kernel is not None:
                kernel = primitive.kernel
                found = f'{primitive.name} = plugin_kernel("{kernel.module}", "{kernel.name}")'
                lines.append(f"{found}  # {kernel.source_hash}")
        return ["", *lines] if lines else []

    def _step(self, body: list[str]) -> list[str]:
        names = [
            "rows",
            "first_row",
            "batch_size",
            "capacity",
            "worker",
            "workers",
            *_ARRAYS,
            "picked",
            "number",
            "seed",
            *self.handed_in,
        ]
        return [
            "",
            "@inlined" if len(names) <= MOST_INLINED else "@kernel",
            f"def step({', '.join(names)}):",
            '    """One step of one worker, on its rows of the batch; False if another worker has given up."""',
            *("    " + line if line else "" for line in [*self._view_section(), *body]),
            "",
        ]

    def _view_section(self) -> list[str]:
        lines = ["# memory"]
        if self.plan.partial_bytes:
            stride = self.plan.partial_bytes
            lines.append(f"mine = 0 if workers == 1 else (1 + worker) * {stride}  # where this worker adds up its rows")
        return [*lines, *self.views.lines, ""]

    def _run(self) -> list[str]:
        arguments = ", ".join(["worker", "control", *_ARRAYS, "order", *self.handed_in])
        call = ", ".join(
            [
                "rows",
                "low",
                "f32(count)",
                "capacity",
                "worker",
                "workers",
                *_ARRAYS,
                "picked",
                "number",
                "seed",
                *self.handed_in,
            ]
        )
        return [
            "",
            "@program",
            f"def run({arguments}):",
            '    """Many steps without a return to the interpreter. `control` tells which; `order` names the rows of '
            'each batch."""',
            "    first, steps, batch, examples = control[0], control[1], control[2], control[3]",
            "    capacity, workers, seed, offset = control[4], control[5], control[6], control[7]",
            "    for number in range(first, first + steps):",
            "        begin = number * batch",
            "        count = batch if batch < examples - begin else examples - begin",
            "        low = worker * count // workers",
            "        rows = (worker + 1) * count // workers - low",
            "        picked = part(order, begin + low, (rows,))",
            f"        if not step({call.replace('number, seed', 'offset + number, seed')}):",
            "            return False",
            "    return True",
        ]

    # --- the step ---

    def _body(self) -> list[str]:
        lines: list[str] = []
        for variable in self.plan.variables:
            lines += self._loading(variable)
        lines += self._old_numbers()
        return [*lines, *self._kernel_lines(), *self._ending(), "return barrier(sync, worker, workers)"]

    def _kernel_lines(self) -> list[str]:
        lines: list[str] = []
        for level in range(self.fusion.levels):
            kernels = [kernel for kernel in self.plan.kernels if kernel.level == level]
            if len(self.plan.kernels) > LONGEST_STEP:
                lines += print_parts(self, kernels)
            else:
                for kernel in kernels:
                    lines += [*self.scalar_lines(kernel.position), *self.lines_of(kernel)]
            lines += self.scalar_lines((level + 1, -1))
            lines += self._meeting_lines(level)
        return lines

    def lines_of(self, kernel: Kernel) -> list[str]:
        """The lines of a kernel, under a heading if its layer is another than that of the one before."""
        lines = self._heading(kernel)
        return [*lines, *(self._call_lines(kernel) if isinstance(kernel, Call) else self._loop_lines(kernel))]

    @contextmanager
    def other_views(self) -> Iterator[Views]:
        """Print what belongs to another function: views and headings are its own."""
        outside, self.views = (self.views, self.scope), self.new_views()
        self.scope = ""
        try:
            yield self.views
        finally:
            self.views, self.scope = outside

    def new_views(self) -> Views:
        """Views of a function."""
        return Views(self.plan, self.names, self.arrays)

    def _loading(self, variable: Variable) -> list[str]:
        leaf = variable.leaf
        if leaf not in self.plan.buffers:
            return []  # nothing reads it
        if variable.role == "key" and leaf is not None:
            name = self.views.of(leaf)
            return [f"{name}[0], {name}[1] = seed, number"]
        if variable.role == "rows" and leaf is not None:
            width = product(leaf.shape[1:])
            out = self.views.view(
                leaf, 0, (leaf.shape[0], width), label(leaf) if len(leaf.shape) == 2 else label(leaf) + "_rows"
            )
            return [f"take_rows({self.arrays[variable]}, picked, {out})"]
        return []

    def _heading(self, kernel: Kernel) -> list[str]:
        node = kernel.node if isinstance(kernel, Call) else kernel.seeds[-1]
        scope = node.scope
        if scope == self.scope or not scope or scope.startswith("parameter "):
            return []
        self.scope = scope
        return ["", f"# {heading(scope)}"]

    def _result_lines(self) -> list[str]:
        """Lines that put results where they belong, as far as they aren't computed there."""
        lines = []
        for variable in self.plan.copies:
            if variable.role != "row_result":
                result = variable.result
                assert result is not None  # copies have results
                target = self.views.of_variable(variable, 0, (product(result.shape),))
                lines.append(f"copy({self.views.view(result, 0, (product(result.shape),))}, {target})")
        for variable in self.plan.scalar_results:
            assert variable.result is not None  # scalar results have results
            lines.append(f"{self.arrays[variable]}[0] = {self.scalar(variable.result).text}")
        return lines

    def _ending(self) -> list[str]:
        lines: list[str] = []
        for variable in self.plan.variables:
            result = variable.result
            if variable.role == "row_result" and result is not None:
                width = product(result.shape[1:])
                lines.append(
                    f"put_rows({self.views.view(result, 0, (result.shape[0], width))}, picked, {self.arrays[variable]})"
                )
        copies = [each for each in self.plan.copies if each.role != "row_result"]
        writes = self._result_lines()
        if writes:
            wait = ["if not barrier(sync, worker, workers):", "    return False"]
            lines += ["", "# results", *(wait if copies or self._numbers_are_read_late() else [])]
            lines += ["if worker == 0:", *("    " + line for line in writes)]
        return lines

    def _numbers_are_read_late(self) -> bool:
        """Whether another worker may still have to read, after the last meeting, a number that the step changes."""
        old = {variable.leaf for variable in self.plan.scalar_results if variable.leaf is not None}
        last = self.fusion.levels - 1
        if last == 0 and not self.plan.meetings:
            return bool(old)
        late = [kernel.node for kernel in self.plan.kernels if isinstance(kernel, Call) and kernel.level == last]
        return any(root_of(each) in old for node in late for each in node.inputs)

    def _meeting_lines(self, level: int) -> list[str]:
        if level + 1 == self.fusion.levels and not any(each.level == level for each in self.plan.meetings):
            return []
        lines = ["", "# the workers meet", "if not barrier(sync, worker, workers):", "    return False"]
        meetings = [each for each in self.plan.meetings if each.level == level]
        if not meetings:
            return lines
        lines.append("if workers > 1:")
        for each in meetings:
            function = "largest_parts" if each.maximum else "add_parts"
            lines.append(
                f"    {function}(worker, workers, shared, {self.plan.partial_bytes}, {each.offset}, {each.count}, "
                f"{dtype_name(each.dtype)})"
            )
        return [*lines, "    if not barrier(sync, worker, workers):", "        return False"]

    # --- loops and calls ---

    def _call_lines(self, kernel: Call) -> list[str]:
        lines = print_call(self, kernel.node)
        if kernel.node in self.fusion.shared or root_of(kernel.node) in self.fusion.shared:
            return ["if worker == 0:", *("    " + line for line in lines)]
        return lines

    def _loop_lines(self, loop: Loop) -> list[str]:
        splittable = loop.shared and self._is_splittable(loop)
        function = self._loop_function(loop, splittable)
        name = self._define(loop, function)
        arguments = [*function.sizes, *[self.scalar(node).text for node in function.scalars]]
        arrays = [self.views.of(node) for node in function.arrays] + [
            self.views.of(node, writing=True) for node in function.results
        ]
        if splittable:
            length = size_text(loop.domain[0])
            arrays = [f"part({array}, low, (size,))" for array in arrays]
            return [f"low, size = span({length}, worker, workers)", f"{name}({', '.join([*arguments, *arrays])})"]
        line = f"{name}({', '.join([*arguments, *arrays])})"
        return ["if worker == 0:", "    " + line] if loop.shared else [line]

    def _is_splittable(self, loop: Loop) -> bool:
        """Whether each worker can be handed a part of every array: nothing depends on the position but by reading
        there.
        """
        if len(loop.domain) != 1:
            return False
        for seed in loop.seeds:
            found, between = self.fusion.walk(seed, loop.index[seed])
            if seed.primitive.kind == "index" or any(node.primitive.kind == "index" for node, _ in between):
                return False
            for node, index in found:
                if (
                    not is_scalar_work(node)
                    and product(node.shape) != 1
                    and (core(node.shape) != tuple(loop.domain) or index != own_index(node.shape))
                ):
                    return False
        return True

    def _loop_function(self, loop: Loop, splittable: bool) -> LoopFunction:
        stored = {seed for seed in loop.seeds if seed in self.plan.buffers}
        return LoopPrinter(self.plan, loop, stored, self.views.memory, splittable).print()

    def _define(self, loop: Loop, function: LoopFunction) -> str:
        """Print a loop's function."""
        return self.define("loop", _loop_name(loop), function.parameters, function.body)

    def define(self, decorator: str, name: str, parameters: list[str], body: list[str]) -> str:
        """Print a function unless one with the same body exists already; returns its name."""
        key = _canonical("\n".join([decorator, ", ".join(parameters), *body]), parameters)
        if key not in self.functions:
            self.functions[key] = self.module_names.unique(name)
            self.function_lines += [
                "",
                f"@{decorator}",
                f"def {self.functions[key]}({', '.join(parameters)}):",
                *("    " + line if line else "" for line in body),
                "",
            ]
        return self.functions[key]

    # --- numbers ---

    def _count_scalar_uses(self) -> dict[Node, int]:
        uses: dict[Node, int] = {}
        for node in self.fusion.order:
            for each in node.inputs:
                if is_scalar_work(each):
                    uses[each] = uses.get(each, 0) + 1
        for variable in self.plan.variables:
            if variable.result is not None and is_scalar_work(variable.result):
                uses[variable.result] = uses.get(variable.result, 0) + 1
        return uses

    def _old_numbers(self) -> list[str]:
        """Read numbers that the step changes before anything else: at its end another worker may have changed them
        already.
        """
        lines = []
        used = {each for node in self.fusion.order for each in node.inputs}
        for variable in self.plan.scalar_results:
            leaf = variable.leaf
            if leaf is not None and leaf in used:
                name = self.names.of(("scalar", leaf), f"old_{label(leaf)}")
                lines.append(f"{name} = {self.views.of(leaf)}[0]")
                self.scalars[leaf] = Text(name)
        return ["", *lines] if lines else []

    def scalar_lines(self, before: Position) -> list[str]:
        """Work out the numbers that are known before a position, as far as that hasn't been done."""
        lines = []
        for node in self.fusion.order:
            position = self.fusion.scalar_position.get(node)
            if position is None or position >= before or node in self.scalars or node.primitive.kind == "leaf":
                continue
            text = self._scalar_text(node)
            if not text.text.isidentifier() and (
                self.scalar_uses.get(node, 0) > 1 or length(text.text) > 60 or "[" in text.text
            ):
                name = self.names.of(("scalar", node), label(node))
                lines.append(f"{name} = {text.text}")
                text = Text(name)
            self.scalars[node] = text
        return ["", *lines] if lines else []

    def numbers(self) -> list[str]:
        """The names of the numbers that have been worked out."""
        return [text.text for text in self.scalars.values() if text.text.isidentifier()]

    def _scalar_text(self, node: Node) -> Text:
        if node.primitive.kind in ("view", "movement") or node.name == "stop_gradient":
            (operand,) = node.inputs
            return self.scalar(operand) if is_scalar(operand) else Text(f"{self.views.of(node)}[0]")
        return operation(node, [self.scalar(each) for each in node.inputs])

    def scalar(self, node: Node) -> Text:
        """The text of a number that is known outside of loops."""
        if node.name == "constant":
            value = node.param("value")
            return Text(number(value, node.dtype), 12 if node.dtype.kind != "f" and value < 0 else 20)
        if node.name == "batch_size":
            return Text("batch_size" if node.dtype == np.float32 else f"{dtype_name(node.dtype)}(batch_size)")
        if node in self.scalars:
            return self.scalars[node]
        return Text(f"{self.views.of(node)}[0]")


class BodyPrinter(ModulePrinter):
    """Prints the body of a scan as a function of the program that `outer` prints.

    Its names are its own, so that the bodies of two equal layers are the same text, and one function.
    """

    def __init__(self, plan: Plan, outer: ModulePrinter):
        self.plan = plan
        self.fusion = plan.fusion
        self.title = outer.title
        self.functions = outer.functions
        self.function_lines = outer.function_lines
        self.tables = outer.tables
        self.module_names = outer.module_names
        self.names = self._own_names()
        self.arrays = {variable: self.names.of(variable, variable.name) for variable in plan.variables}
        self.views = self.new_views()
        self.handed_in = list(self.arrays.values())
        self.scalars = {}
        self.scalar_uses = self._count_scalar_uses()
        self.scope = self._first_scope()

    def new_views(self) -> Views:
        """Views of a function of the body."""
        return Views(self.plan, self.names, self.arrays, in_body=True)

    def _first_scope(self) -> str:
        """The scope that needs no heading."""
        if not self.plan.kernels:
            return ""
        first = self.plan.kernels[0]
        return first.node.scope if isinstance(first, Call) else first.seeds[-1].scope

    def body_lines(self) -> list[str]:
        """The lines of the function."""
        lines = [*self._old_numbers(), *self._kernel_lines(), *self._result_lines()]
        return [*self.views.lines, *lines]


def _loop_name(loop: Loop) -> str:
    node = loop.seeds[-1]
    layer = node.scope.removeprefix(BACKWARD).split(".")[-1]
    if node.scope.startswith("update by"):
        return "update"
    return f"{'backward_' if node.scope.startswith(BACKWARD) else ''}{layer or 'loss'}"


def _words(code: str) -> list[str]:
    return re.findall(r"[A-Za-z_]\w*", code)


MOST_INLINED = 30  # with more arguments Python makes a tuple for the call, and Numba can't inline it
_ARRAYS = ["sync", "arena", "shared"]
_PREAMBLE = [
    "Made by nbdl, compiled by Numba. Every function is plain Python that anyone can read.",
    "`rows` is the number of rows of the batch that a worker has; all other sizes are constants.",
]
_NUMBA_NAMES = {"float32": "f32", "float64": "f64", "int32": "i32", "int64": "i64", "uint8": "u8", "boolean": "b1"}


def _import_text(name: str) -> str:
    if name.startswith("random_"):
        return f"{name.removeprefix('random_')} as {name}"
    return {"power": "pow as power"}.get(name, name)


def _canonical(text: str, parameters: list[str]) -> str:
    """The text with parameters named by their places, as two functions for different layers have other names only."""
    places = {name: f"${place}" for place, name in enumerate(parameters)}
    return re.sub(r"\w+", lambda match: places.get(match[0], match[0]), text)
