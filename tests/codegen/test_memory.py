"""Where stored values lie: nothing that is alive at the same time overlaps."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbdl.codegen import joint
from nbdl.codegen.memory import Block, align, lay_out
from nbdl.codegen.plan import PackedBuffer, Plan, Variable, byte_size, locate
from nbdl.codegen.program import Program
from nbdl.codegen.schedule import make_plan
from nbdl.errors import ShapeError
from nbdl.ir import ops
from nbdl.ir.shapes import Batch
from tests.codegen.growth import Growth
from tests.codegen.maker import Maker

blocks = st.builds(
    lambda size, first, length: Block(size, first, first + length),
    st.integers(0, 300),
    st.integers(-1, 12),
    st.integers(0, 6),
)


@given(st.lists(blocks, max_size=24), st.sampled_from([4, 64]))
def test_blocks_alive_at_the_same_time_do_not_overlap(blocks: list[Block], alignment: int) -> None:
    offsets, total = lay_out(blocks, alignment)
    for (one, start), (other, begin) in combinations(zip(blocks, offsets, strict=True), 2):
        together = one.first <= other.last and other.first <= one.last
        assert not together or start + one.size <= begin or begin + other.size <= start or not (one.size and other.size)
    assert all(offset % alignment == 0 for offset in offsets)
    assert all(offset + block.size <= total for block, offset in zip(blocks, offsets, strict=True))


def test_memory_is_used_again() -> None:
    chain = [Block(640, place, place + 1) for place in range(20)]
    assert lay_out(chain)[1] == 2 * 640


def regions(plan: Plan) -> list[tuple[str, int, int]]:
    """Space, first and last byte of every buffer (per row, in `rows`)."""
    found = []
    for node, buffer in plan.buffers.items():
        if buffer.variable is None and not isinstance(buffer, PackedBuffer):
            size = byte_size(node, plan.row_shapes.get(node))
            found.append((buffer.space, buffer.offset, buffer.offset + size))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_buffers_of_random_graphs_are_aligned_and_inside(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint, "ROWS", 0)  # products of all rows wherever they can be
    growth = Growth(seed)
    growth.grow(40)
    plan = Program(growth.variables(6), "memory").plan
    sizes = {
        "rows": plan.row_bytes,
        "local": plan.local_bytes,
        "partial": plan.partial_bytes,
        "shared": plan.shared_bytes,
        "batch": plan.batch_row_bytes,
    }
    for space, start, end in regions(plan):
        assert end <= sizes[space]
        assert start % (4 if space in ("rows", "batch") else 64) == 0
    for node, buffer in plan.buffers.items():
        if isinstance(buffer, PackedBuffer):
            assert locate(plan, node).offset % node.dtype.itemsize == 0
    for meeting in plan.meetings:
        for offset, count in meeting.pieces:
            assert offset + count * meeting.dtype.itemsize <= plan.partial_bytes
    pieces = sorted((start, end) for space, start, end in regions(plan) if space == "partial")
    assert all(end <= start for (_, end), (start, _) in pairwise(pieces)), (
        "partial sums never share memory"
    )


def test_what_one_row_needs_alone_has_memory_for_one_row() -> None:
    make = Maker()
    x = make.rows("x", 4, 50)
    y = ops.softmax(x, 2)
    make.result(y, ops.reduce_sum(ops.exp(x * 2) / (1 + ops.reduce_max(ops.exp(x * 2), (2,))), (1, 2)))
    program = make.check()
    shapes = list(program.plan.row_shapes.values())
    assert shapes
    assert set(shapes) == {(50,)}
    assert program.plan.local_bytes <= 64 + 2 * align(50 * 8)
    assert "exp_3[k]" in program.source or "exp_2[k]" in program.source


def test_rows_begin_at_cache_lines_whatever_the_batch() -> None:
    make = Maker(dtype=np.float32)
    x, y, w = make.rows("x", 3), make.rows("y", 1), make.state("w", 3, 1)
    make.result(ops.matmul(x, w), y - 1)
    plan = Program(make.variables, "memory").plan
    offsets = {buffer.offset for buffer in plan.buffers.values() if buffer.space == "rows"}
    assert any(offset % 8 for offset in offsets), "columns of an odd number of float32"
    for batch, workers in ((1, 1), (7, 2), (100, 3)):
        assert {offset * plan.capacity(batch, workers) % 64 for offset in offsets} == {0}


def states(make: Maker) -> dict[str, str]:
    """How each state gets its new value: in place or copied at the end."""
    plan = Program(make.variables, "states").plan
    copied = {variable.name for variable in plan.copies}
    return {
        each.name: "copied" if each.name in copied else "in place"
        for each in plan.variables
        if each.role == "state" and each.result is not None
    }


def test_state_is_updated_in_place_unless_its_old_value_is_needed() -> None:
    make = Maker()
    vector, matrix, other = make.state("vector", 40), make.state("matrix", 4, 4), make.state("other", 40)
    make.update(vector, vector * 0.9 + other)
    make.update(matrix, ops.transpose(matrix) * 2)
    make.update(other, other + ops.slice_axis(other, 0, 39, 40, -1))
    assert states(make) == {"vector": "in place", "matrix": "copied", "other": "copied"}


def test_state_that_another_worker_may_still_read_is_not_updated_in_place() -> None:
    make = Maker()
    product, weights = make.state("product", 4, 4), make.state("weights", 4, 4)
    make.update(product, ops.matmul(weights, weights))
    make.update(weights, weights * 0.5)
    assert states(make) == {"product": "copied", "weights": "copied"}


def test_what_is_compared_with_its_maximum_is_computed_once() -> None:
    """Another loop may round it in another way; then no element would be the largest."""
    make = Maker()
    x = make.rows("x", 4) * make.state("scale", 4) + make.state("shift", 4)
    largest = ops.reduce_max(x, (0,))
    make.result(ops.cast(ops.binary("equal", x, largest), np.float64))
    fusion = Program(make.variables, "ties").plan.fusion
    (operand,) = {node.inputs[0] for node in fusion.order if node.name == "max"}
    assert operand in fusion.stored


def test_gradients_of_a_layer_are_computed_where_the_optimizer_reads_them() -> None:
    make = Maker(dtype=np.float32)
    x, weights, bias = make.rows("x", 3), make.state("weights", 3, 4), make.state("bias", 4)
    hidden = ops.exp(ops.matmul(x, weights) + bias)
    loss = ops.reshape(ops.reduce_sum(hidden, (0, 1)) / ops.batch_size(), ())
    make.result(ops.pack([ops.gradient(loss, weights), ops.gradient(loss, bias)], (0, 16), 32))
    plan = Program(make.variables, "layer").plan
    packed = [node for node, buffer in plan.buffers.items() if isinstance(buffer, PackedBuffer)]
    assert sorted(node.name for node in packed) == ["matmul", "sum"]
    assert len(plan.meetings) == 1


def test_what_nobody_reads_is_not_gathered() -> None:
    make = Maker()
    x, y = make.rows("x", 3), make.rows("y", 3)
    make.result(x + 1)
    program = Program(make.variables, "one of two")
    assert x in program.plan.buffers
    assert y not in program.plan.buffers
    assert program.source.count("take_rows(") == 1
    assert "key" not in program.source.split("def step")[1].split("\n")[0]


@pytest.mark.parametrize("role", ["rows", "row_result"])
def test_rows_come_first(role: str) -> None:
    node = ops.leaf((3, Batch()), np.float32, name="turned")
    variable = Variable("turned", "rows", node) if role == "rows" else Variable("turned", "row_result", None, node * 2)
    with pytest.raises(ShapeError, match=r"turned has the shape .*its first axis must be the batch axis"):
        make_plan([variable])
