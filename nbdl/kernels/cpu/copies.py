"""Kernels that move numbers: rows of a data set, rows of a table, parts of a vector, and what workers add up."""

from math import nan

from nbdl.kernels.cpu.jit import kernel
from nbdl.kernels.cpu.views import move, part, prefetch, view

LONG = 512
"""Bytes of a row of which a processor doesn't read the next ones ahead while it copies one."""


@kernel
def take_rows(data, picked, out):
    """out[i] = data[picked[i]], for two-dimensional arrays of one dtype; `picked` lies within the data (checked
    before). Rows of the data are contiguous, and may overlap.

    Long rows are asked for before any is copied: a processor sees by itself that memory is read in order, but each row
    begins elsewhere, and so may its second page.
    """
    width, stride = data.shape[1], data.strides[0] // data.itemsize
    if width * data.itemsize >= LONG:
        for i in range(len(picked)):
            prefetch(data, picked[i] * stride)
            prefetch(data, picked[i] * stride + width - 1)
    if width == 1:  # a call of memcpy takes longer than one number
        for i in range(len(picked)):
            out[i, 0] = data[picked[i], 0]
    else:
        for i in range(len(picked)):
            move(data, picked[i] * stride, out, i * width, width)


@kernel
def put_rows(values, picked, out):
    """out[picked[i]] = values[i], for two-dimensional arrays."""
    width = out.shape[1]
    for i in range(len(picked)):
        move(values, i * width, out, picked[i] * width, width)


@kernel
def gather(table, indices, out):
    """out[i] = table[indices[i]]; a row outside the table becomes NaN, which stops training with a message."""
    width = table.shape[1]
    for i in range(len(indices)):
        row = indices[i]
        if 0 <= row < table.shape[0]:
            move(table, row * width, out, i * width, width)
        else:
            fill(part(out, i * width, (width,)), nan)


@kernel
def scatter_add(updates, indices, out):
    """out[indices[i]] += updates[i]; rows outside the table are left out."""
    for i in range(len(indices)):
        row = indices[i]
        if 0 <= row < out.shape[0]:
            target = part(out, row * out.shape[1], (out.shape[1],))
            source = part(updates, i * out.shape[1], (out.shape[1],))
            for j in range(len(target)):
                target[j] += source[j]


@kernel
def fill(out, value):
    """out[i] = value"""
    for i in range(len(out)):
        out[i] = value


@kernel
def copy(source, out):
    """out[i] = source[i]"""
    move(source, 0, out, 0, len(out))


@kernel
def copy_along(source, out, start, step):
    """out[a, start + step * b, c] = source[a, b, c]: join along an axis, or put an axis apart."""
    width = source.shape[2]
    for a in range(source.shape[0]):
        begin, place = a * source.shape[1] * width, (a * out.shape[1] + start) * width
        if step == 1:
            move(source, begin, out, place, source.shape[1] * width)
        else:
            for b in range(source.shape[1]):
                move(source, begin + b * width, out, place + step * b * width, width)


@kernel
def argmax(x, out):
    """out[a, c] = the first b with the largest x[a, b, c]; a NaN counts as largest."""
    for a in range(x.shape[0]):
        for c in range(x.shape[2]):
            best = 0
            for b in range(x.shape[1]):
                if not x[a, b, c] <= x[a, best, c] and x[a, best, c] == x[a, best, c]:
                    best = b
            out[a, c] = best


@kernel
def span(size, worker, workers):
    """The part of `size` elements that a worker does, as (first, number); parts begin at multiples of 16."""
    pieces = (size + 15) // 16
    low = worker * pieces // workers * 16
    high = (worker + 1) * pieces // workers * 16
    if high > size:  # the last piece may be shorter; Numba's min costs more compile time
        high = size
    return low, high - low


@kernel
def add_parts(worker, workers, memory, stride, offset, count, dtype):
    """Add up the workers' parts (at `offset` in every stretch of `stride` bytes) into the total (at `offset`).

    Each worker does a span of the elements, in the order of the workers: the result doesn't depend on who comes first.
    """
    low, size = span(count, worker, workers)
    width = view(memory, 0, (1,), dtype).itemsize
    start = offset + low * width
    total = view(memory, start, (size,), dtype)
    first = view(memory, start + stride, (size,), dtype)
    second = view(memory, start + 2 * stride, (size,), dtype)
    for i in range(size):
        total[i] = first[i] + second[i]
    for other in range(2, workers):
        piece = view(memory, start + (1 + other) * stride, (size,), dtype)
        for i in range(size):
            total[i] += piece[i]


@kernel
def largest_parts(worker, workers, memory, stride, offset, count, dtype):
    """As `add_parts`, with the maximum in place of the sum; NaN wins."""
    low, size = span(count, worker, workers)
    width = view(memory, 0, (1,), dtype).itemsize
    start = offset + low * width
    total = view(memory, start, (size,), dtype)
    copy(view(memory, start + stride, (size,), dtype), total)
    for other in range(1, workers):
        piece = view(memory, start + (1 + other) * stride, (size,), dtype)
        for i in range(size):
            total[i] = total[i] if total[i] > piece[i] or total[i] != total[i] else piece[i]
