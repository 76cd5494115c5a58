"""What a run has measured, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class History:
    """Loss and metrics of every epoch.

    `history["loss"]` is the list of losses, `history.rows` one dict an epoch, `history.epochs` the epochs' numbers.

    >>> history = History()
    >>> history.add(0, {"loss": 0.5})
    >>> history["loss"]
    [0.5]
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.epochs: list[int] = []
        self.stopped: str = ""
        """Why training ended before its last epoch, if it did."""

    def add(self, epoch: int, logs: dict[str, Any]) -> None:
        """Append an epoch."""
        self.epochs.append(epoch)
        self.rows.append(dict(logs))

    def truncate(self, epochs: int) -> None:
        """Keep the first `epochs` epochs, which are counted from 0 even if the first of them isn't there."""
        while self.epochs and self.epochs[-1] >= epochs:
            self.epochs.pop()
            self.rows.pop()

    @property
    def history(self) -> dict[str, list[Any]]:
        """Lists by name."""
        return {name: self[name] for name in self}

    def __getitem__(self, name: str) -> list[Any]:
        if not any(name in row for row in self.rows):
            raise KeyError(name)
        return [row.get(name) for row in self.rows]

    def __iter__(self) -> Iterator[str]:
        seen: dict[str, None] = {}
        for row in self.rows:
            seen.update(dict.fromkeys(row))
        return iter(seen)

    def __contains__(self, name: object) -> bool:
        return any(name in row for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        if not self.rows:
            return "History()"
        last = ", ".join(f"{name}={value:.4g}" for name, value in self.rows[-1].items() if isinstance(value, float))
        return f"History({len(self.rows)} epochs, last: {last})"
