"""A layer's training step as a program, run as plain Python with several workers and compared with the interpreter."""

from __future__ import annotations

import numpy as np

import nbdl
from nbdl import Tensor, random
from nbdl.codegen.program import Program
from nbdl.ir import ops
from nbdl.nn import Module
from tests.codegen.maker import Maker


def check_program(layer: Module, *inputs: np.ndarray, tolerance: float = 1e-9) -> Program:
    """Check output, gradients of all parameters and new state of a layer, in float64.

    The inputs have `tests.codegen.maker.EXAMPLES` rows; the layer has been built.
    """
    make = Maker()
    rows = [make.rows(f"x{place}", array=array) for place, array in enumerate(inputs)]
    leaves = {}
    for name, parameter in layer.named_parameters():
        leaf = make.leaf(name.replace(".", "_"), "state", np.asarray(parameter.numpy(), np.float64))
        leaves[name] = parameter.node = leaf
    with random.traced(make.key):
        output = layer(*[Tensor.wrap(each) for each in rows])
    weights = np.cos(np.arange(np.prod(output.shape[1:]), dtype=np.float64)).reshape(output.shape[1:])
    loss = nbdl.sum(nbdl.square(output) * Tensor.wrap(make.leaf("weights", "value", weights))).node
    make.constants(output.node)
    make.result(output.node)
    for name, parameter in layer.named_parameters():
        if parameter.trainable:
            make.result(ops.gradient(loss, leaves[name]))
        else:
            make.update(leaves[name], ops.cast(parameter.node, np.float64))
    return make.check(tolerance)
