"""Weights of rows in any loss: they multiply what the loss adds up over the batch."""

from __future__ import annotations

from collections.abc import Iterable

from nbdl.errors import OptionError
from nbdl.ir import ops
from nbdl.ir.graph import Node, substitute, topological


def weigh_rows(loss: Node, predictions: Iterable[Node], weight: Node) -> Node:
    """Return the loss in which every row of the batch counts `weight` (shape `(n,)`) times.

    `predictions` are what the loss may have been computed from: probabilities, and the logits behind them.

    The mean is still over the number of rows, as in Keras. Raises `OptionError` if the loss doesn't add up its rows in
    one place.
    """
    behind = _depending_on(predictions, loss)
    places = [
        node
        for node in behind
        if node.name in ("sum", "max") and node.inputs[0].shape[:1] == weight.shape and 0 in node.param("axes")
    ]
    if len(places) != 1 or places[0].name != "sum":
        raise OptionError(
            "sample_weight and class_weight need a loss that takes the mean (or sum) over the batch in one place; "
            "this one does it in "
            f"{len(places)}: give the loss a keyword parameter sample_weight instead"
        )
    (place,) = places

    def replace(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        if node is not place:
            return None
        rank = len(node.inputs[0].shape)
        return ops.reduce_sum(
            ops.multiply(inputs[0], ops.reshape(weight, (weight.shape[0], *[1] * (rank - 1)))), node.param("axes")
        )

    return substitute([loss], replace)[loss]


def _depending_on(sources: Iterable[Node], output: Node) -> list[Node]:
    known, found = {*sources}, []
    for node in topological([output]):
        if not known.isdisjoint(node.inputs):
            known.add(node)
            found.append(node)
    return found
