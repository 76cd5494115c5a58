"""The passes together, sharing, folding of transposes, and the check after each of them."""

from __future__ import annotations

import numpy as np
import pytest

from nbdl import passes
from nbdl.autodiff import expand_gradients
from nbdl.errors import VerifyError
from nbdl.ir import ops
from nbdl.ir.graph import Node, topological
from nbdl.ir.interpret import interpret
from nbdl.ir.primitives import TABLE, apply
from nbdl.ir.shapes import Batch
from nbdl.ir.verify import verify
from nbdl.passes import run_passes
from nbdl.passes.common import share_common
from nbdl.passes.transposes import fold_transposes
from tests.codegen.growth import ROWS, Growth

FLOAT = np.dtype(np.float64)


def names(*outputs: Node) -> list[str]:
    return sorted(node.name for node in topological(outputs) if node.name != "input")


@pytest.mark.parametrize("seed", range(25))
def test_passes_keep_the_value_of_random_graphs(seed: int) -> None:
    growth = Growth(500 + seed)
    growth.grow(40)
    results = [variable.result for variable in growth.variables() if variable.result is not None]
    before, after = expand_gradients(results), run_passes(results)
    leaves = {node: value for node, value in growth.sample.items() if node.name == "input"}
    for wanted, got in zip(interpret(before, leaves, rows=ROWS), interpret(after, leaves, rows=ROWS), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)
    assert len(topological(after)) < len(topological(before))


# --- common subexpressions ---


def test_equal_work_is_shared() -> None:
    x = ops.leaf((4,), FLOAT)
    one, other = ops.exp(x * 2.0) + 1.0, ops.exp(x * 2.0) - 1.0
    shared = share_common([one, other])
    assert names(*shared) == ["add", "constant", "constant", "exp", "multiply", "subtract"]
    verify(shared, like=[one, other])


def test_different_leaves_and_streams_are_not_shared() -> None:
    a, b, key = ops.leaf((4,), FLOAT, name="x"), ops.leaf((4,), FLOAT, name="x"), ops.leaf((2,), np.int64)
    sums = share_common([a * 2.0, b * 2.0])
    assert sums[0] is not sums[1]
    noise = [ops.random("random_normal", key, (4,), FLOAT, stream) for stream in (0, 1, 0)]
    first, second, third = share_common(noise)
    assert first is third
    assert first is not second


def test_parameters_tell_nodes_apart() -> None:
    x = ops.leaf((4, 4), FLOAT)
    rows, columns = share_common([ops.reduce_sum(x, (0,)), ops.reduce_sum(x, (1,))])
    assert rows is not columns


# --- transposes ---


@pytest.mark.parametrize("flags", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("lead", [(), (2,)])
def test_transposes_are_folded_into_products(flags: tuple[bool, bool], lead: tuple[int, ...]) -> None:
    x = ops.leaf((*lead, 4, 3) if flags[0] else (*lead, 3, 4), FLOAT)
    y = ops.leaf((*lead, 5, 4) if flags[1] else (*lead, 4, 5), FLOAT)
    before = ops.matmul(ops.swap_last(x) if flags[0] else x, ops.swap_last(y) if flags[1] else y)
    (after,) = fold_transposes([before])
    assert names(after) == ["matmul"]
    assert (after.param("transpose_x"), after.param("transpose_y")) == flags
    random = np.random.default_rng(0)
    values = {each: random.standard_normal(each.shape) for each in (x, y)}  # type: ignore[arg-type]
    np.testing.assert_allclose(*interpret([after, before], values), rtol=1e-15)


def test_a_flag_and_a_transpose_cancel() -> None:
    x, y = ops.leaf((3, 4), FLOAT), ops.leaf((4, 5), FLOAT)
    (after,) = fold_transposes([ops.product_of(ops.transpose(x), y, True, False)])
    assert names(after) == ["matmul"]
    assert not after.param("transpose_x")


def test_permutations_that_no_kernel_reads_stay() -> None:
    x, y = ops.leaf((2, 3, 4), FLOAT), ops.leaf((4, 5, 2), FLOAT)
    (after,) = fold_transposes([ops.matmul(x, ops.transpose(y, (2, 0, 1)))])
    assert names(after) == ["matmul", "transpose"], "neither rows nor columns of y's matrices are contiguous"


# --- the check after every pass ---


def wrong(node: Node, **changes: object) -> Node:
    """A copy of a node that claims something else."""
    fields = {"shape": node.shape, "dtype": node.dtype, "params": node.params, "inputs": node.inputs} | changes
    return Node(node.primitive, fields["inputs"], fields["params"], fields["shape"], fields["dtype"])  # type: ignore[arg-type]


def test_broken_nodes_are_found() -> None:
    x = ops.leaf((Batch(), 3), FLOAT)
    total = ops.reduce_sum(x, (1,))
    for broken in (wrong(total, shape=(Batch(), 3)), wrong(total, dtype=np.dtype(np.float32))):
        with pytest.raises(VerifyError, match=r"sum .* should be .* after a test"):
            verify([ops.exp(broken)], after="a test")
    with pytest.raises(VerifyError, match="can't be what it claims"):
        verify([wrong(x + x, inputs=(x, ops.leaf((4,), FLOAT)))])
    primitive = type(TABLE["add"])(**{**vars(TABLE["add"]), "name": "sum"})
    with pytest.raises(VerifyError, match="no primitive in the table"):
        verify([Node(primitive, (x, x), (), x.shape, x.dtype)])


def test_outputs_keep_shape_and_dtype() -> None:
    x = ops.leaf((3,), FLOAT)
    with pytest.raises(VerifyError, match="an output changed"):
        verify([ops.reshape(x, (3, 1))], like=[x])
    with pytest.raises(VerifyError, match="an output changed"):
        verify([ops.cast(x, np.float32)], like=[x])


def test_a_pass_that_breaks_the_graph_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget_axes(outputs: list[Node]) -> list[Node]:
        return [wrong(each, shape=()) for each in outputs]

    monkeypatch.setattr(passes, "PASSES", (share_common, forget_axes))
    with pytest.raises(VerifyError, match="after forget_axes"):
        run_passes([apply("exp", ops.leaf((3,), FLOAT))])
