"""Writing an epoch's numbers to a CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbdl.train.callbacks import Callback
from nbdl.train.metrics_table import MetricsTable


class CSVLog(Callback):
    """Write one row an epoch to a CSV file: the epoch (from 0) and every number that was measured.

    A row is in the file as soon as the epoch is over; rows of short epochs come several at once. A new run starts the
    file anew; a resumed one goes on where it left off. Measurements that aren't single numbers, such as a confusion
    matrix, are left out.

    Args:
        path: the file.

    Raises:
        RunError: the file can't be written, or holds something else.

    Source: Shafranovich, Common Format and MIME Type for Comma-Separated Values (CSV) Files, RFC 4180 (2005).
    """

    can_wait = True

    def __init__(self, path: Path):
        self.table = MetricsTable(Path(path))

    def run_start(self, run: Any) -> None:
        """Keep the rows of the epochs that are done."""
        self.table.truncate(run.epoch)

    def epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
        """Append a row."""
        numbers = {name: float(value) for name, value in logs.items() if getattr(value, "ndim", 0) == 0}
        self.table.append({"epoch": run.epoch, **numbers})

    def run_end(self, run: Any) -> None:
        """Close the file."""
        self.table.close()
