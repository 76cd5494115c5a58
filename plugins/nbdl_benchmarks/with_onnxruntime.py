"""ONNX Runtime: the network written down as ONNX operators, as exporters do, run with one and with two threads."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from nbdl.benchmarking import Predictor
from nbdl_benchmarks import layers as described
from nbdl_benchmarks.values import Arrays, starting_values
from nbdl_benchmarks.workloads import Workload

THREADS = (1, 2)
OPSET, FORMAT = 17, 9
Operator = tuple[str, dict[str, Any]]
ACTIVATIONS: dict[str, Operator] = {
    "relu": ("Relu", {}),
    "tanh": ("Tanh", {}),
    "sigmoid": ("Sigmoid", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
}
GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}
"""Where ONNX's gates (i, o, f, c; z, r, h) are among ours."""
KINDS: dict[str, Operator] = {
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {"linear_before_reset": 1}),
    "rnn": ("RNN", {}),
}


def predictors(workload: Workload) -> dict[str, Predictor]:
    """A predictor for each number of threads."""
    made = {}
    model = Writer(*workload.predicting, workload.inputs(1)).model.SerializeToString()
    for threads in THREADS:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        name = f"onnxruntime, {threads} thread{'s' * (threads > 1)}"
        made[name] = Predictor(partial(_run, session))
    return made


def _run(session: Any, x: np.ndarray) -> np.ndarray:
    predicted: np.ndarray = session.run(None, {"x": x})[0]
    return predicted


class Writer:
    """Writes a described network down as an ONNX model with input `x`."""

    def __init__(self, row: described.Shape, layers: tuple[described.Layer, ...], sample: np.ndarray):
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[onnx.TensorProto] = []
        value = "x"
        if isinstance(layers[0], described.Convolution):
            value = self.add("Transpose", value, perm=[0, 3, 1, 2])
        arrays = starting_values(row, layers)
        for layer, shape, parts in zip(layers, described.shapes(row, layers), arrays, strict=False):
            value = self._layer(layer, shape, parts, value)
        kind = helper.np_dtype_to_tensor_dtype(sample.dtype)
        given = helper.make_tensor_value_info("x", kind, ["n", *row])
        result = helper.make_tensor_value_info(value, TensorProto.FLOAT, ["n", *described.shapes(row, layers)[-1]])
        graph = helper.make_graph(self.nodes, "network", [given], [result], self.values)
        opsets = [helper.make_opsetid("", OPSET)]
        self.model = helper.make_model(graph, opset_imports=opsets, ir_version=FORMAT)
        onnx.checker.check_model(self.model)

    def add(self, kind: str, *inputs: str | np.ndarray, results: int = 1, take: int = 0, **options: Any) -> str:
        """Add an operator and return the name of one of its results; arrays become constants."""
        names = [f"{kind}_{len(self.nodes)}_{number}" for number in range(results)]
        given = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        self.nodes.append(helper.make_node(kind, given, names, **options))
        return names[take]

    def _constant(self, array: np.ndarray) -> str:
        name = f"constant_{len(self.values)}"
        self.values.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _layer(self, layer: described.Layer, shape: described.Shape, arrays: Arrays, x: str) -> str:
        if isinstance(layer, described.Dense):
            x = self.add("Gemm", x, *arrays) if len(shape) == 1 else self._linear(x, *arrays)
        elif isinstance(layer, described.Convolution):
            x = self.add("Conv", x, arrays[0].transpose(3, 2, 0, 1), arrays[1])
        elif isinstance(layer, described.MaxPool):
            x = self.add("MaxPool", x, kernel_shape=[layer.size] * 2, strides=[layer.size] * 2)
        elif isinstance(layer, described.Recurrent):
            x = self._recurrent(layer, arrays, x)
        elif isinstance(layer, described.Embedding):
            x = self.add("Add", self.add("Gather", arrays[0], x), arrays[1])
        elif isinstance(layer, described.EncoderBlock):
            x = self._block(layer, shape, arrays, x)
        else:
            x = self.add("Flatten", self.add("Transpose", x, perm=[0, 2, 3, 1]))  # as everybody else flattens
        kind, options = ACTIVATIONS.get(getattr(layer, "activation", "linear"), ("", {}))
        return self.add(kind, x, **options) if kind else x

    def _linear(self, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
        return self.add("Add", self.add("MatMul", x, weight), bias)

    def _recurrent(self, layer: described.Recurrent, arrays: Arrays, x: str) -> str:
        places = [gate * layer.units + np.arange(layer.units) for gate in GATES[layer.kind]]
        order = np.concatenate(places)
        second = arrays[3] if layer.kind == "gru" else np.zeros_like(arrays[2])
        bias = np.concatenate([arrays[2][order], second[order]])[None]
        kind, options = KINDS[layer.kind]
        time_first = self.add("Transpose", x, perm=[1, 0, 2])
        weights = [array[:, order].T[None] for array in arrays[:2]]
        last = self.add(kind, time_first, *weights, bias, results=2, take=1, hidden_size=layer.units, **options)
        return self.add("Squeeze", last, np.array([0]))

    def _block(self, layer: described.EncoderBlock, shape: described.Shape, arrays: Arrays, x: str) -> str:
        scale_1, offset_1, wq, bq, wk, bk, wv, bv, wo, bo, scale_2, offset_2, w1, b1, w2, b2 = arrays
        time, width = shape
        size = width // layer.heads

        def heads(y: str, weight: np.ndarray, bias: np.ndarray, order: list[int]) -> str:
            split = self.add("Reshape", self._linear(y, weight, bias), np.array([-1, time, layer.heads, size]))
            return self.add("Transpose", split, perm=order)

        y = self.add("LayerNormalization", x, scale_1, offset_1)
        query, key = heads(y, wq, bq, [0, 2, 1, 3]), heads(y, wk, bk, [0, 2, 3, 1])
        scores = self.add("Mul", self.add("MatMul", query, key), np.array(size**-0.5, np.float32))
        seen = self.add("MatMul", self.add("Softmax", scores), heads(y, wv, bv, [0, 2, 1, 3]))
        together = self.add("Reshape", self.add("Transpose", seen, perm=[0, 2, 1, 3]), np.array([-1, time, width]))
        x = self.add("Add", x, self._linear(together, wo, bo))
        y = self.add("LayerNormalization", x, scale_2, offset_2)
        return self.add("Add", x, self._linear(self.add("Relu", self._linear(y, w1, b1)), w2, b2))
