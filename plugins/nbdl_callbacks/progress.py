"""Showing how far a run is."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

from nbdl.train.callbacks import Callback

REDRAWS = 8  # a second: drawing takes about a millisecond, and nobody reads faster


class Progress(Callback):
    """Show loss, metrics, samples a second and the time left: a moving bar on a terminal, elsewhere one line an epoch.

    It writes to the standard error, so that results on the standard output stay clean. Lines of short epochs come
    several at once: making and writing one takes as long as a small network's epoch.

    Args:
        epoch_lines: whether a terminal, too, keeps one line an epoch.

    Source: Myers, The Importance of Percent-Done Progress Indicators for Computer-Human Interfaces, CHI 1985.
    """

    can_wait = True

    def __init__(self, epoch_lines: bool = True):
        self.epoch_lines = epoch_lines
        self.console: Any = None
        self._bar: Any = None
        self._task: Any = None
        self._drawn = self._written = 0.0
        self._lines: list[tuple[str, Mapping[str, Any], float, float]] = []

    def run_start(self, run: Any) -> None:
        """Start the bar if there is a terminal."""
        if self.console is None:
            from rich.console import Console

            self.console = Console(stderr=True)
        self._written = 0.0
        if self.console.is_terminal:
            self._bar = _new_bar(self.console)
            self._task = self._bar.add_task(
                "", total=run.epochs * run.steps_per_epoch, completed=run.step, numbers="", left=""
            )
            self._bar.start()

    def progress(self, run: Any) -> None:
        """Move the bar, a few times a second."""
        now = time.perf_counter()
        self._write_lines(now)
        if self._bar is None or now - self._drawn < 1 / REDRAWS:
            return
        self._drawn = now
        speed = run.samples_per_second
        left = (run.epochs * run.steps_per_epoch - run.step) * run.batch_size / speed if speed else None
        self._bar.update(
            self._task,
            description=f"epoch {run.epoch + 1}/{run.epochs}",
            completed=run.step,
            numbers=show_numbers(run.logs) + _show_speed(speed),
            left="" if left is None else show_seconds(left) + " left",
        )
        self._bar.refresh()

    def epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
        """Print the epoch's line, at once or together with those of the next ones."""
        if self._bar is None or self.epoch_lines:
            self._lines.append((f"epoch {run.epoch + 1}/{run.epochs}", logs, run.samples_per_second, run.epoch_seconds))
            self._write_lines(time.perf_counter())

    def run_end(self, run: Any) -> None:
        """Write what is left, and take the bar away."""
        self._write_lines()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


    def _write_lines(self, now: float = math.inf) -> None:
        """Write the lines that wait, if the last ones were written a while ago."""
        if not self._lines or now - self._written < 1 / REDRAWS:
            return
        text = "\n".join(_show_epoch(*line) for line in self._lines)
        if self._bar is None and not self.console.is_jupyter:
            self.console.file.write(text + "\n")  # for plain text, rich takes a hundred times as long
            self.console.file.flush()
        else:
            self.console.print(text, highlight=False, soft_wrap=True)
        self._lines.clear()
        self._written = now


def _new_bar(console: Any) -> Any:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[numbers]}"),
        TextColumn("{task.fields[left]}"),
    ]
    # Drawn by `progress` alone: a thread of its own would take the interpreter from the training loop.
    # What is printed meanwhile goes above the bar, but only if it would have gone to the terminal anyway.
    shared = sys.stdout is not None and sys.stdout.isatty()
    return Bar(*columns, console=console, auto_refresh=False, transient=True, redirect_stdout=shared)


def _show_epoch(which: str, logs: Mapping[str, Any], speed: float, seconds: float) -> str:
    return f"{which}  {show_numbers(logs)}{_show_speed(speed)}  {show_seconds(seconds)}"


def show_numbers(logs: Mapping[str, Any]) -> str:
    """The single numbers among `logs`.

    >>> show_numbers({"loss": 0.123456, "val_accuracy": 0.98})
    'loss 0.1235  val_accuracy 0.9800'
    """
    return "  ".join(
        f"{name} {_number(float(value))}" for name, value in logs.items() if getattr(value, "ndim", 0) == 0
    )


def _number(value: float) -> str:
    return f"{value:.4f}" if 0.001 <= abs(value) < 1000 or value == 0 else f"{value:.4g}"


def _show_speed(samples_per_second: float) -> str:
    return f"  {samples_per_second:,.0f} samples/s" if samples_per_second else ""  # not known in the first moments


def show_seconds(seconds: float) -> str:
    """A duration, with as much detail as anyone reads.

    >>> [show_seconds(seconds) for seconds in (0.0123, 4.56, 75, 7384)]
    ['12 ms', '4.6 s', '1:15', '2:03:04']
    """
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{whole:02d}" if hours else f"{minutes}:{whole:02d}"
