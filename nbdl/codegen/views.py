"""Print views: how generated code names the memory that a node lies in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nbdl.codegen.expressions import dtype_name
from nbdl.codegen.index import core, shape_text, size_text
from nbdl.codegen.names import Names, label, short_label
from nbdl.codegen.plan import Buffer, Plan, Variable, byte_size, locate, resolve
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Shape, Size, product


@dataclass(frozen=True)
class Piece:
    """Memory as a view names it: where it begins (elements, and elements for each row), its sizes other than 1, and
    whether it is read or written.
    """

    root: Node
    start: int
    start_rows: int
    shape: Shape
    writing: bool


class Views:
    """The views of a program: each is made once, at the beginning of a step, and named after what lies there.

    `lines` are the lines that make them; `arrays` the names of the variables' arrays, which are flat at the top of a
    program, and have the axes of what lies there in the body of a scan (`in_body`).
    """

    def __init__(self, plan: Plan, names: Names, arrays: Mapping[Variable, str], *, in_body: bool = False):
        self.plan = plan
        self.names = names
        self.arrays = arrays
        self.in_body = in_body
        self._label = short_label if in_body else label
        self.lines: list[str] = []
        self._views: dict[Piece, str] = {}

    def of(self, node: Node, *, writing: bool = False) -> str:
        """The name of a node's array, axes of size 1 left out."""
        shape = self.plan.row_shapes.get(node, core(node.shape))
        return self.view(node, 0, shape or (1,), writing=writing)

    def view(self, node: Node, start: int, shape: tuple[Size, ...], base: str = "", *, writing: bool = False) -> str:
        """The name of an array of `shape` that begins at element `start` of a stored node."""
        root, offset, rows = resolve(node)
        buffer = locate(self.plan, root)
        partial = buffer.space == "partial"
        piece = Piece(root, start + offset, rows, shape, writing and partial)
        if piece not in self._views:
            self._views[piece] = self._make_view(piece, root, base or self._label(node))
        return self._views[piece]

    def of_all_rows(self, node: Node) -> str:
        """The name of an array with the rows of the whole batch."""
        root, _, _ = resolve(node)
        name = self.names.of((root, node.shape, "all"), f"all_{self._label(node)}")
        place = self._of_batch(locate(self.plan, root))
        line = f"{name} = view(shared, {place}, {shape_text(node.shape, 'all_rows')}, {dtype_name(root.dtype)})"
        if line not in self.lines:
            self.lines.append(line)
        return name

    def _of_batch(self, buffer: Buffer) -> str:
        """Where the rows of the whole batch begin."""
        return f"batch + {buffer.offset} * room" if buffer.offset else "batch"

    def _make_view(self, piece: Piece, root: Node, base: str) -> str:
        buffer = locate(self.plan, root)
        if buffer.variable is not None:
            start = piece.start + buffer.offset // root.dtype.itemsize
            return self.of_variable(buffer.variable, start, piece.shape, base, start_rows=piece.start_rows)
        name = self.names.of(piece, base)
        memory, place = self._place(buffer, piece, root.dtype.itemsize)
        self.lines.append(f"{name} = view({memory}, {place}, {shape_text(piece.shape)}, {dtype_name(root.dtype)})")
        return name

    def _place(self, buffer: Buffer, piece: Piece, itemsize: int) -> tuple[str, str]:
        """The array of bytes in which a piece lies, and the byte at which it begins."""
        skip, skip_rows = piece.start * itemsize, piece.start_rows * itemsize
        if buffer.space == "rows":
            parts = [f"{buffer.offset} * capacity"] * bool(buffer.offset) + [str(skip)] * bool(skip)
            parts += [f"{skip_rows} * rows"] * bool(skip_rows)
            return "arena", " + ".join(parts) or "0"
        offset = buffer.offset + skip
        if buffer.space == "local":
            row_bytes = self.plan.arena_row_bytes
            return "arena", f"{row_bytes} * capacity + {offset}" if row_bytes else str(offset)
        if buffer.space == "partial":
            return "shared", f"mine + {offset}" if piece.writing else str(offset)
        if buffer.space == "batch":
            own = f"{self._of_batch(buffer)} + {byte_size(piece.root)} * first_row"
            return "shared", f"{own} + {skip}" if skip else own
        before = self.plan.partial_bytes
        return "shared", f"(1 + workers) * {before} + {offset}" if before else str(offset)

    def of_variable(self, variable: Variable, start: int, shape: Shape, base: str = "", *, start_rows: int = 0) -> str:
        """The name of an array of `shape` that begins at an element of a variable's array."""
        array = self.arrays[variable]
        whole = variable.node.shape
        all_of_it = (core(whole) or (1,)) if self.in_body else (product(whole),)
        if not variable.in_order and start == 0 and not start_rows and shape == all_of_it:
            return array
        name = self.names.of((variable, start, start_rows, shape), base or variable.name)
        places = [f"first_example * {size_text(product(whole[1:]))}"] * variable.in_order
        places += [str(start)] * bool(start) + [f"{start_rows} * rows"] * bool(start_rows)
        line = f"{name} = part({array}, {' + '.join(places) or '0'}, {shape_text(shape)})"
        if line not in self.lines:
            self.lines.append(line)
        return name

    def scratch(self, dtype: np.dtype) -> str:
        """The name of the working memory that matrix products need."""
        kind, place = dtype_name(dtype), f"{self.plan.arena_row_bytes} * capacity + {self.plan.arena_local_bytes}"
        size = f"max(SCRATCH, {self.plan.scratch})" if self.plan.scratch else "SCRATCH"
        line = f"scratch_{kind} = view(arena, {place}, ({size},), {kind})"
        if line not in self.lines:
            self.lines.append(line)
        return f"scratch_{dtype_name(dtype)}"

    def sums(self, offset: int, count: int, dtype: np.dtype) -> str:
        """The name of memory in which a worker adds up its rows."""
        name = self.names.of(("sums", offset), "sums")
        self.lines.append(f"{name} = view(shared, mine + {offset}, ({count},), {dtype_name(dtype)})")
        return name
