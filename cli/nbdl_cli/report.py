"""What came out of a run: put together, kept in its folder, and told to a person."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import typer

from nbdl.data import Dataset
from nbdl.train import Run, RunFolder
from nbdl.train.compiling import is_measured
from nbdl_cli.network import measure
from nbdl_cli.run_data import as_json


def make_report(dataset: Dataset, run: Run, folder: RunFolder) -> dict[str, Any]:
    """What came out: the last epoch's numbers, and those on the rows that training never saw."""
    report: dict[str, Any] = {
        "run": str(folder.path),
        "epochs": run.epoch,
        "stopped": run.history.stopped,
        "training": as_json(run.history.rows[-1]) if run.history.rows else {},
        "samples_per_second": round(run.samples_per_second),
        "workers": run.workers,
        "best": _kept_best(run, folder),
    }
    if dataset.test is not None and is_measured(run.net):
        logs = measure(run.net, dataset.test, dataset.preprocessing, run.workers)
        report["test"] = as_json(logs) | {"rows": len(dataset.test)}
    return report


def _kept_best(run: Run, folder: RunFolder) -> dict[str, Any]:
    """The epoch (from 1) whose weights the network has in the end, and its best number; empty for the last epoch."""
    if not folder.best_file.exists():
        return {}
    best, meta = folder.load_weights(best=True)
    own = run.net.state_dict()
    if meta["epoch"] + 1 == run.epoch or any(not np.array_equal(own[name], array) for name, array in best.items()):
        return {}
    return meta | {"epoch": meta["epoch"] + 1}


def print_report(report: dict[str, Any]) -> None:
    """Print a report for people."""
    speed = f", {report['samples_per_second']:,} samples/s" if report["samples_per_second"] else ""
    now = report["epochs"] - report["done_before"]
    epochs = f"{now} epoch{'s' * (now != 1)}" + f" ({report['epochs']} in all)" * bool(report["done_before"])
    typer.echo(f"Trained {epochs} in {report['seconds']:.1f} s{speed}.")
    if report["stopped"]:
        typer.echo(f"Stopped early: {report['stopped']}.")
    if report["best"]:
        rest = {name: value for name, value in report["best"].items() if name != "epoch"}
        typer.echo(f"The network has the weights of epoch {report['best']['epoch']}, the best by {numbers_text(rest)}.")
    if "test" in report:
        logs = {name: value for name, value in report["test"].items() if name != "rows"}
        typer.echo(f"On {report['test']['rows']:,} test rows: {numbers_text(logs)}.")
    for path in report.get("plots", ()):
        typer.echo(f"Drawn: {shown(Path(path))}")
    typer.echo(f"The run is in {shown(Path(report['run']))}")


def numbers_text(logs: dict[str, Any]) -> str:
    """Return logs for people: `loss 0.1006, accuracy 0.9694`; what isn't a single number comes in lines of its own."""
    single = {name: value for name, value in logs.items() if isinstance(value, int | float)}
    below = single.pop("below_persistence", None)
    words = [f"{name} {value:.4g}" for name, value in single.items()]
    return ", ".join(words if below is None else [*words, f"{below:.1%} below persistence"])


def shown(path: Path) -> str:
    """Return a path as one would type it here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
