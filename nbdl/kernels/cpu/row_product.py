"""A row times a matrix: as long as it takes to read the matrix, and two cores read faster than one."""

from typing import Any, Final

from nbdl.kernels.cpu.copies import span
from nbdl.kernels.cpu.jit import kernel
from nbdl.kernels.cpu.shared import shared
from nbdl.kernels.cpu.standby import pointer_at, share, signature, task_of
from nbdl.kernels.cpu.vector import VECTOR_BYTES, offset, vector_lanes
from nbdl.kernels.cpu.vector_products import multiply_row, multiply_vector

PART_BYTES: Final = 2**16
"""Bytes of the matrix that each thread gets at least: they take a microsecond, several times what it takes to post a
part.
"""

PART_COLUMNS: Final = 64
"""Columns that each gets at least: rows are read in pieces of so many, and a vector's width is added up otherwise."""

BYTES_A_SPIN: Final = 2**11
"""Bytes of a matrix that are read, at most, during a spin."""


@shared(signature)
def _part(c: Any, task: Any, part: int, parts: int) -> None:
    """Compute one of several spans of columns."""
    step, matrix_row, n, depth, transposed, add = task[3], task[4], task[5], task[6], task[7], task[8]
    row, matrix = pointer_at(task[1], c), pointer_at(task[2], c)
    start, size = span(n, part, parts)
    if transposed != 0:
        multiply_vector(offset(matrix, start * matrix_row), matrix_row, row, offset(c, start), size, depth, add != 0)
    else:
        multiply_row(row, step, offset(matrix, start), matrix_row, offset(c, start), size, depth, add != 0)


_address_of_part = _part.address


@kernel
def multiply_together(
    row: Any, step: int, matrix: Any, matrix_row: int, c: Any, n: int, depth: int, transposed: bool, add: bool
) -> None:
    """c[j] = sum_k row[k * step] * matrix[k * matrix_row + j], or matrix[j * matrix_row + k] of a `transposed` one.

    It is computed by as many threads as stand by and find enough to do; `add` adds it to c.
    """
    bytes_read = n * depth * (VECTOR_BYTES // vector_lanes(c))
    task = task_of((c, row, matrix, step, matrix_row, n, depth, int(transposed), int(add)))
    share(_address_of_part(c), task, min(bytes_read // PART_BYTES, n // PART_COLUMNS), bytes_read // BYTES_A_SPIN)
