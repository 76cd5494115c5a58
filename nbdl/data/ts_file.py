"""Reading .ts files, the text format of the UCR and UEA archives of labelled sequences.

A header of lines `@name value` ends with `@data`; each line after it is a sequence: channels separated by `:`, their
values by `,`, the label last. `?` is a missing value, or a label that isn't known.
Source: https://www.sktime.net, "Data file formats".
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nbdl.data.text_file import read_lines
from nbdl.errors import DataError

MISSING = "?"
YES = "true"


@dataclass
class LabelledSequences:
    """Sequences `(steps, channels)` of float64 with NaN where a value is missing, their labels (None where the file
    has none), and the lines that they stand on.
    """

    path: str
    name: str
    classes: tuple[str, ...] | None
    sequences: list[NDArray[np.float64]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.sequences[0].shape[1]


def read_ts(path: Path) -> LabelledSequences:
    """Read a .ts file.

    Raises `DataError` for a file without `@data` or sequences, sequences with time stamps, a line that is cut off: one
    with another number of channels, or channels of different lengths, text among numbers, or a label that isn't known.
    """
    lines = read_lines(path)
    start = next((place for place, (_, line) in enumerate(lines) if line.lower() == "@data"), None)
    if start is None:
        raise DataError(f"{path} has no line @data, behind which the sequences of a .ts file stand; it may be cut off.")
    header = _header(lines[:start])
    if header.get("timestamps", "").lower() == YES:
        raise DataError(f"{path} has time stamps; sequences of values at equal distances can be read.")
    found = LabelledSequences(str(path), header.get("problemname") or path.stem, _classes(header, path))
    channels = _channels(header)
    for number, line in lines[start + 1 :]:
        where = f"{path}, line {number}"
        *parts, label = line.split(":") if found.classes else (*line.split(":"), "")
        if found.classes and label not in (*found.classes, MISSING):
            raise DataError(f"{where}: the label {label[:30]!r} is none of the {len(found.classes)} classes "
                            f"({', '.join(found.classes[:10])}); the line may be cut off.")
        if channels is not None and len(parts) != channels:
            raise DataError(f"{where}: the sequence has {len(parts)} channels and not {channels}; the line may be cut "
                            "off.")
        channels = len(parts)
        found.sequences.append(_sequence(parts, where))
        found.labels.append(label)
        found.lines.append(number)
    if not found.sequences:
        raise DataError(f"{path} has no sequences behind @data; it may be cut off.")
    return found


def _header(lines: list[tuple[int, str]]) -> dict[str, str]:
    entries = [line[1:].split(None, 1) for _, line in lines if line.startswith("@")]
    return {entry[0].lower(): entry[1].strip() if len(entry) > 1 else "" for entry in entries if entry}


def _channels(header: dict[str, str]) -> int | None:
    """The number of channels, as far as the header says it."""
    if header.get("univariate", "").lower() == YES:
        return 1
    given = header.get("dimensions", header.get("dimension", ""))
    return int(given) if given.isdecimal() else None


def _classes(header: dict[str, str], path: Path) -> tuple[str, ...] | None:
    given, *labels = header.get("classlabel", "false").split() or ["false"]
    if given.lower() != YES:
        return None
    if len(labels) < 2:
        raise DataError(f"{path}: @classLabel names {len(labels)} classes; telling them apart needs two.")
    return tuple(labels)


def _sequence(parts: list[str], where: str) -> NDArray[np.float64]:
    channels = [_channel(part, f"{where}, channel {place}") for place, part in enumerate(parts, start=1)]
    lengths = {len(channel) for channel in channels}
    if len(lengths) > 1:
        raise DataError(f"{where}: its channels have {min(lengths)} to {max(lengths)} values; they have to be equally "
                        "long, so the line may be cut off.")
    return np.stack(channels, axis=1)


def _channel(text: str, where: str) -> NDArray[np.float64]:
    cells = text.split(",")
    try:
        values = np.array([np.nan if cell.strip() == MISSING else float(cell) for cell in cells])
    except ValueError:
        wrong = next(cell for cell in cells if not _is_value(cell))
        raise DataError(f"{where}: {wrong.strip()[:30]!r} is no number; the line may be cut off.") from None
    if np.isinf(values).any():
        raise DataError(f"{where}: a value is infinite.")
    return values


def _is_value(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.strip() == MISSING
    return True
