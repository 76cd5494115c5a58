"""From results to a plan: what runs when, and where everything lies; the bodies of scans have plans of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nbdl.codegen.fusion import Fusion
from nbdl.codegen.names import short_label
from nbdl.codegen.placement import Placement
from nbdl.codegen.plan import Buffer, PackedBuffer, Plan, Variable
from nbdl.codegen.row_blocks import find_block_kernels, rows_at_a_time
from nbdl.codegen.work import Call, is_scalar_work, root_of
from nbdl.errors import ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.scan import Body
from nbdl.ir.shapes import Batch, has_batch, show_shape


def make_plan(variables: Sequence[Variable], *, batch: int | None = None, rows_apart: bool = False) -> Plan:
    """Schedule the variables' results and give everything a place.

    With `rows_apart` the rows of a loop may be computed at once, as a graphics card does it.

    Raises `ShapeError` if a `row_result` has no row for each row.
    """
    for each in variables:
        if each.role in ("rows", "row_result") and each.node.shape[:1] != (Batch(),):
            raise ShapeError(
                f"{each.name} has the shape {show_shape(each.node.shape)}; its first axis must be the batch axis, n"
            )
    variables = [_moved(each) for each in variables]
    results = [each.result for each in variables if each.result is not None]
    memory = [node for node in results if not is_scalar_work(node)]
    own = [each.result for each in variables if each.role == "own"]
    shared = [
        node
        for node in memory
        if node not in own
        and root_of(node).primitive.kind in ("elementwise", "index", "movement") and not has_batch(node.shape)
    ]
    plan = Plan(variables, Fusion(results, memory, shared, rows_apart=rows_apart), batch=batch)
    if not own and not rows_apart:
        plan.block_kernels = find_block_kernels(plan.fusion)
    placement = Placement(plan)
    placement.run()
    _plan_bodies(plan)
    if not own and not rows_apart:
        placement.join_products()
        if all(plan.kernels[place] in plan.joint for place in plan.block_kernels):
            plan.block_kernels = range(0)
    plan.block_rows = rows_at_a_time(plan)
    _move_bodies(plan)
    return plan


def _plan_bodies(plan: Plan) -> None:
    """Plan the bodies of scans."""
    for kernel in plan.kernels:
        if isinstance(kernel, Call) and kernel.node.name == "scan":
            plan.bodies[kernel.node] = make_plan(body_variables(kernel.node), rows_apart=plan.fusion.rows_apart)


def _move_bodies(plan: Plan) -> None:
    """Give the bodies of scans memory behind everything else; one runs at a time, so that they share it."""
    for inner in plan.bodies.values():
        inner.outer = plan
        _shift(inner, plan.row_bytes, plan.local_bytes)
    plan.row_bytes += plan.row_bytes_of_bodies
    plan.local_bytes += max((inner.local_bytes for inner in plan.bodies.values()), default=0)


def body_variables(scan: Node) -> list[Variable]:
    """The arrays that the body of a scan is called with: its leaves, and what it computes."""
    body: Body = scan.param("body")
    operands = dict(zip(body.leaves, scan.inputs, strict=True))
    variables = [
        Variable(leaf.title or short_label(operands[leaf]), "value", leaf) for leaf in body.leaves
    ]
    for leaf, node in zip(body.states, body.new_states, strict=True):
        variables.append(Variable(f"new_{leaf.title}", "own", None, node))
    for node in body.stacks:
        variables.append(Variable(short_label(node), "own", None, node))
    for node in body.totals:
        before = ops.leaf(node.shape, node.dtype, name="total")
        variables.append(Variable(f"total_{short_label(node)}", "own", before, ops.add(before, node)))
    return variables


def _shift(plan: Plan, row_bytes: int, local_bytes: int) -> None:
    """Move everything in a plan's arena behind what the program around it has there."""
    by = {"rows": row_bytes, "local": local_bytes}
    for node, buffer in plan.buffers.items():
        if buffer.space in by and not isinstance(buffer, PackedBuffer):
            plan.buffers[node] = Buffer(buffer.space, buffer.offset + by[buffer.space])
    for inner in plan.bodies.values():
        _shift(inner, row_bytes, local_bytes)


def _moved(variable: Variable) -> Variable:
    """A result that is (a view of) what the caller has handed in is computed as its copy: the original may be
    overwritten.
    """
    result = variable.result
    if (
        result is None
        or result is variable.leaf
        or is_scalar_work(result)
        or has_batch(result.shape)
        or root_of(result).name != "input"
    ):
        return variable
    return replace(variable, result=ops.stop_gradient(result))
