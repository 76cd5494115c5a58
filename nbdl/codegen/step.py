"""Print a step: kernels level by level, and between levels the meetings of the workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from nbdl.codegen.calls import print_call
from nbdl.codegen.expressions import dtype_name
from nbdl.codegen.functions import Functions
from nbdl.codegen.index import core, own_index, size_text
from nbdl.codegen.loop_text import LoopFunction, LoopPrinter
from nbdl.codegen.names import RESERVED, heading, loop_name
from nbdl.codegen.numbers import Numbers
from nbdl.codegen.parts import LONGEST_STEP, print_parts
from nbdl.codegen.plan import Meeting, Plan, locate
from nbdl.codegen.views import Views
from nbdl.codegen.work import Call, Kernel, Loop, is_scalar_work, root_of, scope_of
from nbdl.ir.graph import Node
from nbdl.ir.shapes import product

MOST_PIECES = 3
"""Of sums that are added up line by line; more are a table."""


class StepPrinter:
    """Prints what a plan does as the lines of a function; `functions` are those of the module around it.

    `scope` is that of the layer under whose heading lines are printed.
    """

    in_body = False
    """Whether the function is the body of a scan."""

    def __init__(self, plan: Plan, functions: Functions):
        self.plan, self.fusion, self.functions = plan, plan.fusion, functions
        self.names = functions.names.inside({*RESERVED, *[each.name for each in self.fusion.custom]})
        self.arrays = {variable: self.names.of(variable, variable.name) for variable in plan.variables}
        self.handed_in = [name for variable, name in self.arrays.items() if variable.role != "key"]
        self.views = self._new_views()
        self.numbers = Numbers(plan, self.names, lambda node: self.views.of(node))
        self.scope = ""

    def inner(self, plan: Plan) -> BodyPrinter:
        """A printer for the body of a scan in this program."""
        return BodyPrinter(plan, self.functions)

    def _new_views(self) -> Views:
        return Views(self.plan, self.names, self.arrays, in_body=self.in_body)

    def kernel_lines(self) -> list[str]:
        """The lines of all kernels, and the meetings between levels."""
        lines: list[str] = []
        for level in range(self.fusion.levels):
            alone = [each for each in self.plan.kernels if each.level == level and each not in self.plan.joint]
            lines += self.lines_at(alone)
            lines += self.numbers.lines((level + 1, -1))
            lines += self._meeting_lines(level)
        return lines

    def lines_at(self, kernels: Sequence[Kernel]) -> list[str]:
        """The lines of kernels that follow one another without a meeting, and of the numbers that they need."""
        if len(self.plan.kernels) > LONGEST_STEP:
            return print_parts(self, kernels)
        lines: list[str] = []
        for kernel in kernels:
            lines += [*self.numbers.lines(kernel.position), *self.lines_of(kernel)]
        return lines

    def lines_of(self, kernel: Kernel) -> list[str]:
        """The lines of a kernel, under a heading if its layer is another than that of the one before."""
        lines = self._call_lines(kernel) if isinstance(kernel, Call) else self._loop_lines(kernel)
        return [*self._heading(kernel), *lines] if lines else []

    @contextmanager
    def other_views(self) -> Iterator[Views]:
        """Print what belongs to another function: views and headings are its own."""
        outside, self.views = (self.views, self.scope), self._new_views()
        self.scope = ""
        try:
            yield self.views
        finally:
            self.views, self.scope = outside

    def _heading(self, kernel: Kernel) -> list[str]:
        scope = scope_of(kernel)
        if scope == self.scope or not scope or scope.startswith("parameter "):
            return []
        self.scope = scope
        return ["", f"# {heading(scope)}"]

    def result_lines(self) -> list[str]:
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
            lines.append(f"{self.arrays[variable]}[0] = {self.numbers.text(variable.result).text}")
        return lines

    def _meeting_lines(self, level: int) -> list[str]:
        joint = [line for each in self.plan.joint if each.level == level for line in self.lines_of(each)]
        sums = [line for each in self.plan.meetings if each.level == level for line in self._adding_lines(each)]
        if level + 1 == self.fusion.levels and not (joint or sums):
            return []
        meet = ["if not barrier(sync, worker, workers):", "    return False"]
        lines = ["", "# the workers meet", *meet, *joint, *["", "# sums of all rows"] * bool(joint and sums)]
        if joint or sums:
            lines += ["if workers > 1:", *("    " + line for line in [*sums, *meet])]
        return lines

    def _adding_lines(self, meeting: Meeting) -> list[str]:
        """Lines that add up what each worker has added up."""
        function = "largest_parts" if meeting.maximum else "add_parts"
        known = f"worker, workers, shared, {self.plan.partial_bytes}"
        dtype = dtype_name(meeting.dtype)
        if len(meeting.pieces) <= MOST_PIECES:
            return [f"{function}({known}, {offset}, {count}, {dtype})" for offset, count in meeting.pieces]
        pieces = self.functions.table(str(tuple(meeting.pieces)), "SUMS")
        return [f"for offset, count in {pieces}:", f"    {function}({known}, offset, count, {dtype})"]

    # --- loops and calls ---

    def _call_lines(self, kernel: Call) -> list[str]:
        lines = print_call(self, kernel.node)
        if kernel.node in self.fusion.shared or root_of(kernel.node) in self.fusion.shared:
            return ["if worker == 0:", *("    " + line for line in lines)]
        return lines

    def _loop_lines(self, loop: Loop) -> list[str]:
        splittable = loop.shared and self._is_splittable(loop)
        function = LoopPrinter(self.plan, loop, splittable).print()
        name = self._define(loop, function)
        arguments = [*function.sizes, *[self.numbers.text(node).text for node in function.scalars]]
        arrays = [self.views.of(node) for node in function.arrays] + [
            self.views.of(node, writing=True) for node in function.results
        ]
        if splittable:
            length = size_text(loop.domain[0])
            arrays = [f"part({array}, low, (size,))" for array in arrays]
            written = zip(function.results, arrays[len(function.arrays) :], strict=True)
            return [
                f"low, size = span({length}, worker, workers)",
                *[f"claim({array}, workers)" for node, array in written if self._is_read_elsewhere(node, loop)],
                f"{name}({', '.join([*arguments, *arrays])})",
            ]
        line = f"{name}({', '.join([*arguments, *arrays])})"
        return ["if worker == 0:", "    " + line] if loop.shared else [line]

    def _is_read_elsewhere(self, node: Node, loop: Loop) -> bool:
        """Whether a loop writes a value where other kernels have read the one before, as each worker reads all
        parameters.
        """
        variable = locate(self.plan, root_of(node)).variable
        if variable is None:
            return False
        others = [each for each in self.plan.kernels if each is not loop]
        return any(root_of(each) is variable.leaf for other in others for each in self.fusion.read_by(other))

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

    def _define(self, loop: Loop, function: LoopFunction) -> str:
        """Print a loop's function."""
        return self.functions.define("loop", loop_name(scope_of(loop)), function.parameters, function.body)


class BodyPrinter(StepPrinter):
    """Prints the body of a scan as a function of the program around it.

    Its names are its own, so that the bodies of two equal layers are the same text, and one function.
    """

    in_body = True

    def __init__(self, plan: Plan, functions: Functions):
        super().__init__(plan, functions)
        if plan.kernels:
            self.scope = scope_of(plan.kernels[0])  # needs no heading

    def body_lines(self) -> list[str]:
        """The lines of the function."""
        lines = [*self.numbers.old_lines(), *self.kernel_lines(), *self.result_lines()]
        return [*self.views.lines, *lines]
