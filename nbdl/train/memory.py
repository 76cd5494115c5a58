"""Where a program keeps what: its plan's buffers as a table, and the bytes that they take."""

from __future__ import annotations

from nbdl.codegen.memory import align
from nbdl.codegen.plan import Plan, byte_size, locate
from nbdl.ir.graph import Node
from nbdl.ir.shapes import has_batch, show_shape

SPACES = {
    "rows": "worker, a row",
    "local": "worker",
    "partial": "worker, added up",
    "shared": "shared",
    "batch": "shared, a row",
    "state": "array",
}


def memory_table(plan: Plan) -> list[tuple[str, ...]]:
    """Return a row for each buffer: space, offset, bytes (of a row, in the space of rows), operation, shape, layer.

    Buffers of one space that lie at one place are used one after the other.
    """
    placed = [(locate(plan, node), node) for node in plan.buffers]
    order = list(SPACES)
    rows: list[tuple[str, ...]] = []
    for buffer, node in sorted(placed, key=lambda each: (order.index(each[0].space), each[0].offset)):
        if buffer.space == "state":
            continue  # the arrays that are handed in: their names say what they are
        size = f"{byte_size(node):,}"
        rows.append(
            (SPACES[buffer.space], f"{buffer.offset:,}", size, _title(node), show_shape(node.shape), node.scope)
        )
    for variable in plan.variables:
        if variable.role in ("state", "value"):
            node = variable.node
            rows.append((SPACES["state"], "", f"{byte_size(node):,}", variable.name, show_shape(node.shape), ""))
    return rows


def _title(node: Node) -> str:
    return str(node.param("name") or "constant") if node.name == "input" else node.name


def memory_totals(plan: Plan, batch: int, workers: int) -> list[tuple[str, int]]:
    """Return the bytes that a program takes for batches of `batch` rows on `workers` threads, by part."""
    capacity = plan.capacity(batch, workers)
    rows, local = plan.row_bytes * capacity, plan.local_bytes
    added = (1 + workers) * plan.partial_bytes
    of_batch = plan.batch_row_bytes * align(batch, 16)
    arrays = [each.node for each in plan.variables if each.role in ("state", "value")]
    state = sum(byte_size(node) for node in arrays if not has_batch(node.shape))
    parts = [
        (f"rows: {plan.row_bytes:,} bytes a row, room for {capacity} rows, {workers} workers", workers * rows),
        (f"rows that all workers see: {plan.batch_row_bytes:,} bytes a row", of_batch),
        (f"whole tensors of {workers} workers", workers * local),
        ("sums over the batch", added),
        ("shared by the workers", plan.shared_bytes),
        ("parameters, optimizer, totals", state),
    ]
    return [*parts, ("all", sum(size for _, size in parts))]
