"""Generated text: names, operators, and modules that anyone can read."""

from __future__ import annotations

import ast
import keyword
from typing import Any

import numpy as np
import pytest

from nbdl.codegen.expressions import Text, number, operation
from nbdl.codegen.index import Place, contiguous_slice, own_index
from nbdl.codegen.names import RESERVED, Names, heading, identifier, label, short_label
from nbdl.codegen.program import Program
from nbdl.codegen.shards import mixes_rows
from nbdl.ir import ops
from nbdl.ir.graph import Node, scope, topological
from nbdl.ir.primitives import apply
from nbdl.ir.shapes import Batch
from tests.codegen.cases import CASES, total
from tests.codegen.maker import Maker

FLOAT = np.dtype(np.float64)


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (0.1, "float32", "f32(0.1)"),
        (1.0, "float32", "f32(1.0)"),
        (1e-8, "float32", "f32(1e-08)"),
        (float("inf"), "float32", "f32(inf)"),
        (float("-inf"), "float64", "-inf"),
        (float("nan"), "float32", "f32(nan)"),
        (0.1, "float64", "0.1"),
        (3, "int64", "3"),
        (True, "bool", "True"),
    ],
)
def test_numbers_keep_their_value_and_precision(value: Any, dtype: str, text: str) -> None:
    assert number(value, np.dtype(dtype)) == text


def printed(node: Node, names: dict[Node, str]) -> Text:
    if node in names:
        return Text(names[node])
    return operation(node, [printed(each, names) for each in node.inputs])


def arithmetic(depth: int, leaves: list[Node], random: np.random.Generator) -> Node:
    if depth == 0:
        return leaves[random.integers(len(leaves))]
    names = ["add", "subtract", "multiply", "divide", "remainder", "floor_divide", "negative", "where"]
    name = names[random.integers(len(names))]
    x, y = (arithmetic(depth - 1, leaves, random) for _ in range(2))
    if name == "negative":
        return apply(name, x)
    return apply(name, apply("less", x, y), y, x) if name == "where" else apply(name, x, y)


@pytest.mark.parametrize("seed", range(40))
def test_parentheses_keep_the_meaning(seed: int) -> None:
    """Whole numbers of moderate size are exact in float64, so another order of operations would show."""
    random = np.random.default_rng(seed)
    leaves = [ops.leaf((), FLOAT, name=name) for name in "abc"]
    values = dict(zip(leaves, (7.0, 3.0, 2.0), strict=True))
    node = arithmetic(4, leaves, random)
    text = printed(node, dict(zip(leaves, "abc", strict=True))).text

    def meaning(node: Node) -> float:
        inputs = [values[each] if each in values else meaning(each) for each in node.inputs]
        return float(node.primitive.evaluate(None, node, *map(np.float64, inputs))) if inputs else values[node]  # type: ignore[arg-type]

    with np.errstate(all="ignore"):
        got = eval(text, {name: np.float64(value) for name, value in zip("abc", (7.0, 3.0, 2.0), strict=True)})
    np.testing.assert_allclose(got, meaning(node), rtol=1e-12, err_msg=text)


def test_few_parentheses() -> None:
    a, b, c = (ops.leaf((), FLOAT, name=name) for name in "abc")
    names = {a: "a", b: "b", c: "c"}
    assert printed(a + b * c - a / b, names).text == "a + b * c - a / b"
    assert printed((a + b) * (b - c) / a, names).text == "(a + b) * (b - c) / a"
    assert printed(a * (b / c), names).text == "a * (b / c)"
    assert printed(a - (b - c), names).text == "a - (b - c)"
    assert printed(a * apply("remainder", b, c), names).text == "a * (b % c)"


def test_small_integers_wrap() -> None:
    x = ops.leaf((), np.int32, name="x")
    assert printed(x * x + 1, {x: "x", ops.constant(1, np.dtype(np.int32)): "1"}).text == "i32(i32(x * x) + 1)"


def test_names_are_identifiers_and_differ() -> None:
    names = Names(RESERVED)
    given = ["x", "x", "lambda", "exp", "f32", "1st", "a b", "ﬁ", "fi", "", "rows", "range", "sqrt", "None"]
    made = [names.unique(each) for each in given]
    assert len(set(made)) == len(made)
    assert all(each.isidentifier() and each.isascii() and not keyword.iskeyword(each) for each in made)
    assert not set(made) & RESERVED
    assert names.of("key", "x") == names.of("key", "y")


def test_no_array_can_have_a_name_that_run_gives_to_a_number() -> None:
    make = Maker()
    CASES["matrix_products_of_all_kinds"](make)
    module = ast.parse(Program(make.variables, "names").source)
    (run,) = [each for each in module.body if isinstance(each, ast.FunctionDef) and each.name == "run"]
    given = {each.id for each in ast.walk(run) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    assert {"number", "rows"} <= given <= RESERVED


def test_labels_name_layer_and_operation() -> None:
    with scope("net.dense_1"):
        x = ops.leaf((3,), FLOAT) * 2
    with scope("parameter net.dense_1.weight"):
        weight = ops.reshape(x, (3, 1))
    assert label(x) == "dense_1_multiply"
    assert label(weight) == "net_dense_1_weight"
    assert short_label(weight) == "weight"
    with scope("parameter scale"):
        assert short_label(ops.reshape(x, (3, 1))) == "scale"
    assert label(ops.leaf((3,), FLOAT, name="my input")) == "my_input"
    assert identifier("größe") == "gr_e"
    assert heading("net.dense_1\nimport os") == "dense_1 import os", "no line of a comment becomes code"


def test_index_of_a_reversed_slice() -> None:
    assert Place(0).moved(5, -1).text(["i"]) == "5 - i"
    assert Place(0, 1, 2).moved(3, 2).text(["i"]) == "4 * i + 5"
    assert own_index((3, 1, 4)) == (Place(0), Place(), Place(1))


def test_slices_that_are_views() -> None:
    whole, rows = ops.leaf((6, 4), FLOAT), ops.leaf((4, Batch()), FLOAT)
    assert contiguous_slice(ops.slice_axis(whole, 0, 2, 3))
    assert contiguous_slice(ops.slice_axis(whole, 0, 5, 1, -1))
    assert not contiguous_slice(ops.slice_axis(whole, 0, 0, 3, 2))
    assert not contiguous_slice(ops.slice_axis(whole, 1, 0, 2))
    assert contiguous_slice(ops.slice_axis(rows, 0, 1, 2)), "it begins a number of rows further on"


@pytest.mark.parametrize("name", CASES)
def test_modules_are_valid_and_say_what_they_are(name: str) -> None:
    make = Maker(dtype=np.float32)
    CASES[name](make)
    program = Program(make.variables, f'a "{name}"\\ """program')
    module = ast.parse(program.source)
    functions = {each.name: each for each in module.body if isinstance(each, ast.FunctionDef)}
    assert {"step", "run"} <= functions.keys()
    assert name in (ast.get_docstring(module) or "")
    assert all(ast.get_docstring(functions[each]) for each in ("step", "run"))
    assert program.source == Program(make.variables, f'a "{name}"\\ """program').source, (
        "the same graph prints the same text"
    )


def test_layers_alike_share_a_function() -> None:
    make = Maker(dtype=np.float32)
    hidden = make.rows("x", 8)
    for layer in range(3):
        with scope(f"dense_{layer}"):
            product = ops.matmul(hidden, make.state(f"weight_{layer}", 8, 8))
            hidden = apply("tanh", product + make.state(f"bias_{layer}", 8))
    make.result(hidden)
    program = Program(make.variables, "three layers")
    assert program.source.count("@loop\ndef dense_") == 1
    assert program.source.count("matmul_nn(") == 3


def test_what_things_are_called_decides_nothing_else() -> None:
    """A line of its own changes the order of operations, and so the last bits."""

    def text(word: str) -> str:
        make = Maker(dtype=np.float32)
        a, b, c, d, e, f = (make.rows(f"{word}_{name}", 8) for name in "abcdef")
        rate, power = make.state(f"{word}_rate"), make.state(f"{word}_power")
        make.result(apply("tanh", a * b) * apply("exp", c * d) + apply("sigmoid", e) * f)
        make.update(rate, apply("exp", rate * power) * apply("tanh", rate) + power)
        return Program(make.variables, "names").source.replace(word, "word")

    assert text("q") == text("the_name_that_somebody_found_for_a_layer")


def test_what_is_broadcast_over_rows_is_worked_out_once() -> None:
    make = Maker()
    x, scale, bias = make.rows("x", 3, 8), make.state("scale", 8), make.state("bias", 8)
    make.result(x / (1 + scale * scale) + (bias + 1), ops.sqrt(total(x * x, 2) + 1) * x)
    program = make.check()
    nests = [nest for nest in program.source.split("@loop")[1:] if "for k in range(8)" in nest]
    assert nests
    assert not any("scale[k] * scale[k]" in nest for nest in nests), "a sum of products for every row"
    assert any("bias[k]" in nest for nest in nests), "a sum costs no more than reading it back"


def test_functions_that_only_look_alike_stay_apart() -> None:
    make = Maker()
    x, y = make.state("parameter0", 3, 2), make.state("a", 3, 2)
    make.result(x - y * y, y - x * x, x - y)
    program = make.check()
    assert program.source.count("worker == 0") >= 1


def test_programs_that_mix_rows_are_found() -> None:
    x, table = ops.leaf((Batch(), 6), FLOAT), ops.leaf((9, 6), FLOAT)
    numbers = ops.leaf((Batch(),), np.int64)
    turned = ops.transpose(x)
    assert mixes_rows([ops.gather(x, numbers)])
    assert mixes_rows([ops.argmax(x, 0)])
    merged = ops.reshape(turned, (Batch(6),))
    assert not mixes_rows(topological([merged])), "each worker has its rows of every block"
    assert mixes_rows(topological([ops.add(merged, ops.leaf((Batch(6),), np.float32))])), "these lie in other blocks"
    assert mixes_rows(topological([ops.reshape(merged, (Batch(), 6))]))
    assert not mixes_rows(topological([ops.reshape(merged, turned.shape)]))
    assert mixes_rows([ops.random("random_normal", ops.leaf((2,), np.int64), (2, Batch()), np.float32, 0)])
    assert not mixes_rows(
        [
            ops.gather(table, numbers),
            ops.argmax(x, 1),
            ops.reshape(x, (Batch(2), 3)),
            ops.reshape(turned, (2, 3, Batch())),
        ]
    )
