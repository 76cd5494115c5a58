"""Print a plan as a Python module that Numba compiles: fused loops, one step, and a run of many steps."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nbdl.codegen.functions import Functions
from nbdl.codegen.names import KERNELS, label
from nbdl.codegen.parts import define_part
from nbdl.codegen.plan import Plan
from nbdl.codegen.step import StepPrinter
from nbdl.codegen.work import Call, Kernel, root_of
from nbdl.ir.shapes import product


class ModulePrinter(StepPrinter):
    """Prints one program."""

    def __init__(self, plan: Plan, title: str):
        super().__init__(plan, Functions())
        self.title = title

    # --- the module ---

    def print(self) -> str:
        """Return the module's text."""
        body = self._body()
        step = self._step(body)
        code = [*self.functions.table_lines, *self.functions.lines, *step, *self._run()]
        title = re.sub(r'["\\\s]+', " ", self.title)
        lines = [f'"""{title}', "", *_PREAMBLE, '"""', "", *self._imports("\n".join(code)), "", *code]
        return "\n".join(lines) + "\n"

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
            "loop": "@loop" in self.functions.lines,
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
        names = [*self._step_parameters(), *self.handed_in]
        return [
            "",
            "@inlined" if len(names) <= MOST_INLINED else "@kernel",
            f"def step({', '.join(names)}):",
            '    """One step of one worker, on its rows of the batch; False if another worker has given up."""',
            *("    " + line if line else "" for line in [*self._view_section(), *body[not body[0] :]]),
            "",
        ]

    def _step_parameters(self) -> dict[str, str]:
        """The parameters of `step` in front of the caller's arrays, and what `run` hands in for them."""
        in_order = any(each.in_order for each in self.plan.variables)
        needed = {"all_rows": bool(self.plan.joint), "first_example": in_order}
        return {name: text for name, text in _STEP.items() if needed.get(name, True)}

    def _view_section(self) -> list[str]:
        lines = ["# memory"]
        if self.plan.partial_bytes:
            stride = self.plan.partial_bytes
            lines.append(f"mine = 0 if workers == 1 else (1 + worker) * {stride}  # where this worker adds up its rows")
        if self.plan.joint:
            before = f"(1 + workers) * {self.plan.partial_bytes} + {self.plan.shared_bytes}".removesuffix(" + 0")
            lines.append(f"batch = {before}  # where the rows of all workers lie")
            lines.append("room = (all_rows + 15) // 16 * 16  # so many: each buffer begins at a cache line")
        return [*lines, *self.views.lines, ""]

    def _run(self) -> list[str]:
        parameters = ["worker", "control", *_ARRAYS, "order", *self.handed_in]
        arguments = [*self._step_parameters().values(), *map(self._of_epoch, self.handed_in)]
        return [
            "",
            "@program",
            f"def run({', '.join(parameters)}):",
            '    """Many steps without a return to the interpreter. `control` tells which; `order` names the rows of '
            'each batch."""',
            "    first, steps, batch, examples = control[0], control[1], control[2], control[3]",
            "    capacity, workers, seed, offset = control[4], control[5], control[6], control[7]",
            "    apart = control[8]  # so far lie the orders of two epochs",
            "    begin_call(sync, worker, workers)",
            "    for number in range(first, first + steps):",
            "        epoch, place = divmod(number, max(1, (examples + batch - 1) // batch))",
            "        begin = place * batch",
            "        count = batch if batch < examples - begin else examples - begin",
            "        low = worker * count // workers",
            "        rows = (worker + 1) * count // workers - low",
            "        picked = part(order, epoch * apart + begin + low, (rows,))",
            f"        if not step({', '.join(arguments)}):",
            "            return False",
            "    end_call(sync, worker, workers)",
            "    return True",
        ]

    def _of_epoch(self, name: str) -> str:
        """An array as a step gets it: of what begins anew with each epoch, a row."""
        sizes = {self.arrays[each]: product(each.node.shape) for each in self.plan.variables if each.anew}
        if name not in sizes:
            return name
        size = sizes[name]
        return f"part({name}, {'epoch' if size == 1 else f'epoch * {size}'}, ({size},))"

    # --- the step ---

    def _body(self) -> list[str]:
        whole = self.plan.block_rows is None
        lines = [*self._keys(), *(self._taken_rows() if whole else []), *self.numbers.old_lines(), *self.kernel_lines()]
        return [*lines, *(self._put_rows() if whole else []), *self._ending(), "return barrier(sync, worker, workers)"]

    def _keys(self) -> list[str]:
        keys = [each.leaf for each in self.plan.variables if each.role == "key"]
        names = [self.views.of(leaf) for leaf in keys if leaf in self.plan.buffers]  # else nothing reads it
        return [f"{name}[0], {name}[1] = seed, number" for name in names]

    def _taken_rows(self) -> list[str]:
        lines = []
        for variable in self.plan.variables:
            leaf = variable.leaf
            if variable.role == "rows" and leaf in self.plan.buffers and not variable.in_order:
                base = label(leaf) if len(leaf.shape) == 2 else label(leaf) + "_rows"
                out = self.views.view(leaf, 0, (leaf.shape[0], product(leaf.shape[1:])), base)
                lines.append(f"take_rows({self.arrays[variable]}, picked, {out})")
        return lines

    def _put_rows(self) -> list[str]:
        lines = []
        for variable in self.plan.variables:
            result = variable.result
            if variable.role == "row_result" and variable in self.plan.copies:
                assert result is not None  # copies have results
                rows = self.views.view(result, 0, (result.shape[0], product(result.shape[1:])))
                lines.append(f"put_rows({rows}, picked, {self.arrays[variable]})")
        return lines

    def lines_at(self, kernels: Sequence[Kernel]) -> list[str]:
        """The lines of kernels that follow one another without a meeting; those that run for a block of rows after
        another become a function.
        """
        blocks = [self.plan.kernels[place] for place in self.plan.block_kernels]
        inside = [each for each in kernels if each in blocks]
        if self.plan.block_rows is None or not inside:
            return super().lines_at(kernels)
        first, last = kernels.index(inside[0]), kernels.index(inside[-1])
        return [
            *super().lines_at(kernels[:first]),
            *self.numbers.lines(inside[-1].position),
            *self._block_lines(self.plan.block_rows, inside),
            *super().lines_at(kernels[last + 1 :]),
        ]

    def _block_lines(self, most: int, kernels: Sequence[Kernel]) -> list[str]:
        with self.other_views() as views:
            lines = [*self._taken_rows(), *super().lines_at(kernels), *self._put_rows()]
        name, parameters = define_part(self, "some_rows", [*views.lines, *lines])
        handed_in = {
            "rows": "high - low",
            "first_row": "first_row + low",
            "first_example": "first_example + low",
            "picked": "part(picked, low, (high - low,))",
        }
        return [
            "",
            f"# {most} rows at a time: what they need of each other stays in the cache",
            *[f"fill({each}, 0)" for each in self._sums()],
            f"blocks = max(1, (rows + {most - 1}) // {most})",
            "for block in range(blocks):",
            "    low, high = block * rows // blocks, (block + 1) * rows // blocks",
            f"    {name}({', '.join(handed_in.get(each, each) for each in parameters)})",
        ]

    def _sums(self) -> list[str]:
        """The names of the memory in which a worker adds up its rows, block by block."""
        pieces = [(offset, count, each.dtype) for each in self.plan.meetings for offset, count in each.pieces]
        return [self.views.sums(offset, count, dtype) for offset, count, dtype in pieces]

    def _ending(self) -> list[str]:
        lines: list[str] = []
        copies = [each for each in self.plan.copies if each.role != "row_result"]
        writes = self.result_lines()
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


def _words(code: str) -> list[str]:
    return re.findall(r"[A-Za-z_]\w*", code)


MOST_INLINED = 30  # with more arguments Python makes a tuple for the call, and Numba can't inline it
_ARRAYS = {"sync": "sync", "arena": "arena", "shared": "shared"}
_STEP = {
    "all_rows": "count",
    "rows": "rows",
    "first_row": "low",
    "first_example": "begin + low",
    "batch_size": "f32(count)",
    "capacity": "capacity",
    "worker": "worker",
    "workers": "workers",
    **_ARRAYS,
    "picked": "picked",
    "number": "offset + number",
    "seed": "seed",
}
"""The parameters of `step` in front of the caller's arrays, and what `run` hands in for them."""
_PREAMBLE = [
    "Made by nbdl, compiled by Numba. Every function is plain Python that anyone can read.",
    "`rows` is the number of rows of the batch that a worker has; all other sizes are constants.",
]
_NUMBA_NAMES = {"float32": "f32", "float64": "f64", "int32": "i32", "int64": "i64", "uint8": "u8", "boolean": "b1"}


def _import_text(name: str) -> str:
    if name.startswith("random_"):
        return f"{name.removeprefix('random_')} as {name}"
    return {"power": "pow as power"}.get(name, name)
