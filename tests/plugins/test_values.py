"""Values of options: what text means, what a type takes, and what it says when it doesn't."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Optional, Union

import numpy as np
import pytest

from nbdl.values import Text, convert, infer_text, type_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("3e-4", 3e-4),
        (".5", 0.5),
        ("1.", 1.0),
        ("1_000", 1000),
        ("inf", math.inf),
        ("true", True),
        ("False", False),
        ("none", None),
        ("relu", "relu"),
        ("my_plugin:relu", "my_plugin:relu"),
        ('"3"', "3"),
        ("[128,64]", [128, 64]),
        ("[]", []),
        ("[relu, tanh]", ["relu", "tanh"]),
        ('["relu", tanh, 3, true]', ["relu", "tanh", 3, True]),
        ("[[1, 2], [3]]", [[1, 2], [3]]),
        ("{a = 1, b = [2.5]}", {"a": 1, "b": [2.5]}),
        ("{activation = relu, units = 3}", {"activation": "relu", "units": 3}),
        ("2024-01-01", "2024-01-01"),
        ("[128,", "[128,"),
        ("1\nb = 2", "1\nb = 2"),
        ("a b", "a b"),
        ("", ""),
    ],
)
def test_text_without_a_type(text, value):
    inferred = infer_text(text)
    assert inferred == value
    assert type(inferred) is type(value)


@pytest.mark.parametrize(
    ("value", "annotation", "result"),
    [
        (1, float, 1.0),
        (np.float32(0.5), float, 0.5),
        (np.int64(3), int, 3),
        (np.bool_(True), bool, True),
        ([1, 2], tuple[int, ...], (1, 2)),
        ((1, 2), list[int], [1, 2]),
        ((1, 2), list[float], [1.0, 2.0]),
        (np.array([1, 2]), Sequence[int], [1, 2]),
        ([1, 0.5], tuple[int, float], (1, 0.5)),
        (None, float | None, None),
        (1, float | None, 1.0),
        (1, float | int, 1),
        (3, Optional[int], 3),  # noqa: UP045
        ("x", Union[int, str], "x"),  # noqa: UP007
        ("mean", Literal["mean", "sum"], "mean"),
        ("a/b", Path, Path("a/b")),
        ({"a": 1}, dict[str, float], {"a": 1.0}),
        (len, str | Callable[..., Any], len),
        (object, Any, object),
        (Text("3"), int, 3),
        (Text("3"), str, "3"),
        (Text('"3"'), str, "3"),
        (Text("3"), str | int, 3),
        (Text("3"), Any, 3),
        (Text("none"), str | None, None),
        (Text("relu"), str | Callable[..., Any], "relu"),
        (Text("1e-3"), float | None, 1e-3),
        (Text("[3, 4]"), tuple[int, ...] | None, (3, 4)),
        (Text("true"), Literal[True, "auto"], True),
        (Text("auto"), Literal[True, "auto"], "auto"),
        (Text("a b"), Path, Path("a b")),
        (Text("{1 = 0.5}"), dict[int, float], {1: 0.5}),
    ],
)
def test_values_that_fit(value, annotation, result):
    converted = convert(value, annotation)
    assert converted == result
    assert type(converted) is type(result)


@pytest.mark.parametrize(
    ("value", "annotation", "wanted"),
    [
        (True, int, "a whole number"),
        (True, float, "a number"),
        (1.0, int, "a whole number"),
        ("1", int, "a whole number"),
        (1, bool, "true or false"),
        (1, str, "a text"),
        (None, float, "a number"),
        (3, list[int], r"a list of whole numbers, such as \[128, 64\]"),
        ("abc", list[str], r"a list of texts, such as \[relu, relu\]"),
        ([1, "a"], list[int], "a list of whole numbers"),
        ([1, 2, 3], tuple[int, int], "a list of 2, such as"),
        ("median", Literal["mean", "sum"], "one of 'mean', 'sum'"),
        (1, Literal[True], "one of True"),
        ("x", int | None, "a whole number or none"),
        (3, Callable[..., Any], "a function"),
        (3, np.random.Generator, "an object of class Generator"),
        ([1], dict[str, int], "a table, such as"),
        (Text("x"), int, "a whole number"),
        (Text("1.5"), int, "a whole number"),
        (Text("yes"), bool, "true or false"),
        (Text("[1, x]"), list[int], "a list of whole numbers"),
        (Text("print"), Callable[..., Any], "a function"),
    ],
)
def test_values_that_do_not_fit(value, annotation, wanted):
    with pytest.raises(ValueError, match=f"^{wanted}"):
        convert(value, annotation)


def test_types_as_text():
    types = [int, list[int], tuple[int, ...], float | None, Literal["a", 1], Any, Callable[..., Any], str | Path]
    assert [type_text(annotation) for annotation in types] == [
        *("int", "list[int]", "tuple[int, ...]", "float | None", "'a' | 1", "any", "callable", "str | Path")
    ]
