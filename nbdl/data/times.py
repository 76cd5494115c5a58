"""When the rows of a table are: its column of dates, or its columns of years, months, days, hours."""

import numpy as np
from numpy.typing import NDArray

from nbdl.data.table import Table, find_kind, numbers, text_cells

PARTS = {"year": "Y", "month": "M", "day": "D", "hour": "h", "minute": "m"}
Times = NDArray[np.datetime64] | NDArray[np.int64]


def times_of(table: Table) -> Times:
    """Return when each row is, `(rows,)`: moments that follow one another, or else the numbers of the rows from 1.

    >>> table = Table("t", ("month", "sold"), (["1949-01", "1949-02"], ["3", "5"]), [2, 3])
    >>> times_of(table).astype(str).tolist()
    ['1949-01', '1949-02']
    """
    candidates = [_moments(table, name) for name in table.names if find_kind(table, name) in ("identifier", "category")]
    for found in (*candidates, _from_parts(table)):
        if found is not None and not np.isnat(found).any() and bool(np.all(found[1:] > found[:-1])):
            return found
    return np.arange(1, len(table) + 1)


def _moments(table: Table, name: str) -> NDArray[np.datetime64] | None:
    """A column of texts such as 1949-01 or 2010-01-31 13:00, if it is one."""
    cells = [cell.strip() for cell in text_cells(table.column(name))]
    if not all("-" in cell for cell in cells[:1]):
        return None
    try:
        return np.array(cells, dtype="datetime64")
    except ValueError:
        return None


def _from_parts(table: Table) -> NDArray[np.datetime64] | None:
    """Columns called year, month, day, ..., as far as there are any, put together."""
    names = {name.lower(): name for name in table.names}
    if "year" not in names:
        return None
    moment: NDArray[np.datetime64] | None = None
    for part, unit in PARTS.items():
        if part not in names:
            break
        values = numbers(table, names[part])
        if not np.isfinite(values).all() or (values % 1).any():
            return None
        first = {"year": 1970, "month": 1, "day": 1}.get(part, 0)
        step = (values - first).astype(np.int64).astype(f"timedelta64[{unit}]")
        moment = step.astype("datetime64[Y]") if moment is None else moment.astype(f"datetime64[{unit}]") + step
    return moment
