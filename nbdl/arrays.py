"""NumPy arrays of anything that holds numbers, in the dtypes that tensors have."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbdl.errors import DtypeError, ShapeError
from nbdl.ir import ops

LARGEST = np.iinfo(np.int64).max


def plain_array(data: Any, dtype: Any = None) -> np.ndarray:
    """Turn anything array-like into a NumPy array of a supported dtype; Python floats become float32.

    Raises `DtypeError` (or `ShapeError`: rows of different lengths) if that isn't possible.
    """
    if type(data) is np.ndarray:
        array = data
    else:
        if np.ma.is_masked(data):
            raise DtypeError("a masked array has numbers that are missing; fill them first: data.filled(...)")
        try:
            array = np.asarray(data)
        except ValueError as error:
            raise ShapeError(f"these rows don't make an array: {error}") from None
        if dtype is None and array.dtype == np.float64 and not hasattr(data, "dtype"):
            array = array.astype(np.float32)
    if dtype is not None:
        array = array.astype(ops.dtype_of(dtype), copy=False)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype == np.uint64 and array.max(initial=0) > LARGEST:
        raise DtypeError(f"whole numbers go up to {LARGEST}, and there is {array.max()}")
    if array.dtype not in ops.DTYPES:
        if array.dtype.kind in "iu":
            return array.astype(np.int64)
        if array.dtype.kind == "f":
            return array.astype(np.float32)
        raise DtypeError(f"a tensor holds numbers, not {array.dtype}: {str(data)[:60]}")
    return array
