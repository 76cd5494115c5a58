"""Saving and continuing a run: everything that the next step depends on, so that the bits come out the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nbdl.errors import RunError
from nbdl.train.runfolder import RunFolder

if TYPE_CHECKING:
    from nbdl.train.run import Run


def save_run(run: Run, folder: RunFolder) -> None:
    """Write a checkpoint. Raises `RunError` if it can't be written; the one before is untouched."""
    state = {f"program.{each.name}": run.traced.arrays[each.name] for each in run.traced.program.variables if each.role == "state"}
    for name, array in run.traced.arrays.items():
        if name.endswith("lr_scale"):
            state[f"program.{name}"] = array
    for number, callback in enumerate(run.callbacks):
        for key, value in callback.state().items():
            state[f"callback.{number}.{key}"] = np.asarray(value)
    folder.save_checkpoint(run.weights(), state, _meta(run))


def _meta(run: Run) -> dict[str, Any]:
    return {
        "epoch": run.epoch,
        "step": run.step,
        "seed": run.seed,
        "workers": run.workers,
        "batch_size": run.batch_size,
        "rows": run.rows,
        "callbacks": [type(each).__name__ for each in run.callbacks],
        "history": [_plain(row) for row in run.history.rows],
        "epochs": run.history.epochs,
        "stopped": run.history.stopped,
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: float(value) for name, value in row.items() if np.ndim(value) == 0}


def restore_run(run: Run, folder: RunFolder) -> None:
    """Continue from the folder's checkpoint, if it has one.

    Raises `RunError` if the checkpoint is of another run: other data, batch size, seed, workers or network.
    """
    if not folder.has_checkpoint():
        return
    checkpoint = folder.load_checkpoint()
    meta = checkpoint.meta
    for name in ("seed", "workers", "batch_size", "rows"):
        if meta.get(name) != getattr(run, name):
            raise RunError(
                f"the run in {folder.path} had {name} {meta.get(name)}, and this one has {getattr(run, name)}: it would not go on as it began"
            )
    for name, array in run.traced.arrays.items():
        saved = checkpoint.state.get(f"program.{name}")
        if saved is None:
            continue
        if saved.shape != array.shape or saved.dtype != array.dtype:
            raise RunError(f"the checkpoint in {folder.path} is of another network: its {name} has the shape {saved.shape}, not {array.shape}")
        array[...] = saved
    weights = checkpoint.weights
    if {name for name, _ in run.net.named_parameters()} != weights.keys():
        raise RunError(f"the checkpoint in {folder.path} is of another network: its parameters have other names")
    run.set_weights(weights)
    run.epoch, run.step = int(meta["epoch"]), int(meta["step"])
    for epoch, row in zip(meta["epochs"], meta["history"], strict=True):
        run.history.add(int(epoch), dict(row))
    run.history.stopped = ""
    folder.metrics.truncate(run.epoch)
    for number, callback in enumerate(run.callbacks):
        prefix = f"callback.{number}."
        if number < len(meta["callbacks"]) and meta["callbacks"][number] == type(callback).__name__:
            callback.set_state({key.removeprefix(prefix): float(value) for key, value in checkpoint.state.items() if key.startswith(prefix)})
