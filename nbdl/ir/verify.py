"""The rules of the intermediate representation, checked after every pass."""

from __future__ import annotations

from collections.abc import Sequence

from nbdl.errors import NbdlError, VerifyError
from nbdl.ir.graph import Node, topological
from nbdl.ir.primitives import TABLE
from nbdl.ir.scan import Body


def verify(outputs: Sequence[Node], *, like: Sequence[Node] = (), after: str = "") -> None:
    """Check every node's shape and dtype against its primitive, and the outputs against those they replace.

    Raises `VerifyError` naming the node and the pass.
    """
    where = f" after {after}" if after else ""
    for node in topological(outputs):
        _verify_node(node, where)
    for new, old in zip(outputs, like, strict=bool(like)):
        if (new.shape, new.dtype) != (old.shape, old.dtype):
            raise VerifyError(f"an output changed from {old!r} to {new!r}{where}")


def _verify_node(node: Node, where: str) -> None:
    if TABLE.get(node.name) is not node.primitive:
        raise VerifyError(f"{node!r} is of no primitive in the table{where}")
    if node.name == "input":
        return
    try:
        shape, dtype = node.primitive.infer(*node.inputs, **dict(node.params))
    except NbdlError as error:
        raise VerifyError(f"{node!r} can't be what it claims{where}: {error}") from error
    if (shape, dtype) != (node.shape, node.dtype):
        raise VerifyError(f"{node!r} should be {dtype}{shape}{where}")
    if node.name == "scan":
        _verify_body(node.param("body"), where)


def _verify_body(body: Body, where: str) -> None:
    leaves = set(body.leaves)
    for node in body.order:
        if node.name == "input" and node not in leaves:
            raise VerifyError(f"the step of a scan takes {node!r} from outside, not as a constant{where}")
        _verify_node(node, where)
