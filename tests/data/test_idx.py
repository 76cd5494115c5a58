"""idx files: every dtype, plain and gzipped; headers that lie."""

import gzip
import struct

import numpy as np
import pytest

from nbdl.data.idx import DTYPES, read_idx
from nbdl.errors import DataError


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    return b"\0\0" + bytes([code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("code", DTYPES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_dtype(write, code, pack):
    array = np.arange(12).astype(DTYPES[code]).reshape(3, 4)
    found = read_idx(write(pack(idx(array, code)), "x"), (None, 4))
    np.testing.assert_array_equal(found, array)
    assert found.dtype.isnative


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(("content", "message"), [
    (b"", "is not an idx file"),
    (b"\0\0\x07\1\0\0\0\0", "00 00 07 01"),
    (b"\x89PNG", "is not an idx file"),
    (b"\0\0\x08\3\0\0", "inside its header"),
    (b"\0\0\x08\0", "is not an idx file"),
    (idx(np.zeros(100, np.uint8))[:-1], "bytes"),
    (idx(np.zeros(100, np.uint8)) + b"x", "bytes"),
    (b"\0\0\x0e\3" + b"\xff" * 12, "cut short"),
])
def test_headers_that_lie(write, pack, content, message):
    with pytest.raises(DataError, match=message):
        read_idx(write(pack(content), "x"))


def test_a_huge_claim_takes_no_memory(write):
    import tracemalloc

    path = write(gzip.compress(b"\0\0\x08\2" + struct.pack(">2I", 2**31, 16)), "x")
    tracemalloc.start()
    with pytest.raises(DataError, match="cut short"):
        read_idx(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_cut_gzip(write):
    whole = gzip.compress(idx(np.random.default_rng(0).integers(0, 255, 5000).astype(np.uint8)))
    with pytest.raises(DataError, match="download it again"):
        read_idx(write(whole[:-100], "x.gz"))


def test_another_shape_than_expected(write):
    with pytest.raises(DataError, match=r"shape \(3,\); expected was \(any, 28, 28\)"):
        read_idx(write(idx(np.zeros(3, np.uint8)), "x"), (None, 28, 28))
