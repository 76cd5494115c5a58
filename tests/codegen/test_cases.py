"""Programs that are easy to get wrong: all as plain Python, those that lean on the compiler as machine code, all with
`-m slow`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from nbdl.codegen.program import Bound, Program
from tests.codegen.cases import CASES
from tests.codegen.maker import EXAMPLES, RUNS, Maker
from tests.codegen.oracle import compare, run_oracle

COMPILED = [
    ("whole_numbers_and_truth_values", "float32"),
    ("not_a_number", "float32"),
    ("random_numbers", "float64"),
    ("statistics_of_a_batch", "float32"),
    ("gradients_of_maxima", "float32"),
    ("rows_that_end_within_a_vector", "float32"),
]
OTHERS = [(name, dtype) for name in CASES for dtype in ("float32", "float64") if (name, dtype) not in COMPILED]
TOLERANCE = {"float64": 1e-9, "float32": 1e-3}
"""float32: sums of up to 33 rows of products of numbers around 1, in another order than NumPy's, and polynomials for
exp and tanh.
"""


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    make = Maker()
    CASES[name](make)
    make.check()


@cache
def compiled(name: str, dtype: str) -> tuple[Program, Maker]:
    """A case's program, compiled once for all tests."""
    make = Maker(dtype=np.dtype(dtype))
    CASES[name](make)
    return Program(make.variables, name), make


def run(
    program: Program, make: Maker, batch: int, workers: int, rows: np.ndarray
) -> tuple[dict[str, np.ndarray], Bound]:
    """The arrays after two steps, and what they ran with."""
    arrays = {name: array.copy() for name, array in make.arrays.items()}
    bound = program.bind(arrays, batch=batch, workers=workers, seed=5)
    bound.run(rows, 0, 2)
    return arrays, bound


@pytest.mark.parametrize(
    ("name", "dtype"), [*COMPILED, *[pytest.param(*other, marks=pytest.mark.slow) for other in OTHERS]]
)
def test_case_as_machine_code(name: str, dtype: str) -> None:
    program, make = compiled(name, dtype)
    order = np.random.default_rng(0).permutation(EXAMPLES)
    for batch, workers in RUNS:
        rows = order[: 2 * batch - (batch > 2)]
        got, _ = run(program, make, batch, workers, rows)
        wanted = run_oracle(make.variables, make.arrays, rows, batch=batch, steps=2, seed=5)
        compare(got, wanted, TOLERANCE[dtype], f"with batches of {batch} and {workers} workers")


@pytest.mark.parametrize("workers", [1, 3])
def test_same_seed_and_workers_give_the_same_bits(workers: int) -> None:
    program, make = compiled("statistics_of_a_batch", "float32")
    rows = np.arange(66)
    first, _ = run(program, make, 33, workers, rows)
    for _ in range(3):
        again, _ = run(program, make, 33, workers, rows)
        for name in first:
            assert first[name].tobytes() == again[name].tobytes(), name


def test_random_numbers_are_the_same_bits_on_any_number_of_workers() -> None:
    program, make = compiled("random_numbers", "float64")
    one, _ = run(program, make, 33, 1, np.arange(66))
    noise = [each.name for each in make.variables if each.result is not None and each.result.name.startswith("random_")]
    assert len(noise) > 4
    for workers in (2, 3):
        many, _ = run(program, make, 33, workers, np.arange(66))
        for name in noise:
            assert one[name].tobytes() == many[name].tobytes(), name


@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (33, 1), (33, 3), (2, 3)])
def test_nothing_is_written_outside_of_working_memory(batch: int, workers: int) -> None:
    program, make = compiled("gradients_of_maxima", "float32")
    arrays = {name: array.copy() for name, array in make.arrays.items()}
    bound = program.bind(arrays, batch=batch, workers=workers, seed=5)
    guarded: list[tuple[np.ndarray, int]] = []

    def guard(memory: np.ndarray) -> np.ndarray:
        """The same memory, zeroed, between two stretches of a pattern; it begins at a cache line again."""
        wide = np.full(len(memory) + 4096, 0xA5, np.uint8)
        start = 1024 + -(wide.ctypes.data + 1024) % 64
        wide[start : start + len(memory)] = 0
        guarded.append((wide, start))
        return wide[start : start + len(memory)]

    bound.arenas = [guard(arena) for arena in bound.arenas]
    bound.shared = guard(bound.shared)
    sizes = [len(memory) for memory in [*bound.arenas, bound.shared]]
    bound.run(np.arange(2 * batch), 0, 2)
    for (wide, start), size in zip(guarded, sizes, strict=True):
        assert (wide[:start] == 0xA5).all()
        assert (wide[start + size :] == 0xA5).all()
