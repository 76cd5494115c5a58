"""Saving and continuing a run: everything that the next step depends on, so that the bits come out the same.

The weights are saved twice. `state.safetensors` holds those that training goes on from, in the optimizer's flat vector;
`weights.safetensors` holds those that the network is used with. At the end of a run they may differ: a callback puts
back the best ones, and yet more epochs must go on as if the run had never ended.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nbdl.errors import RunError
from nbdl.train.runfolder import Checkpoint, RunFolder

if TYPE_CHECKING:
    from nbdl.train.run import Run

AFTER_EPOCH = 1.0  # seconds since the last checkpoint from which the end of an epoch is worth one
WITHIN_EPOCH = 30.0  # the same in the middle of an epoch
SHARE = 20  # saving may take this part of the time: a checkpoint that took a second is followed by 20 seconds of work

Arrays = dict[str, np.ndarray]


class Saver:
    """Keeps a run in its folder: at the start, every now and then, at the end. Without a folder it does nothing."""

    def __init__(self, run: Run):
        self.run = run
        self.time = time.perf_counter()
        self.cost = 0.0
        self._last: tuple[Arrays, dict[str, Any]] | None = None

    def begin(self) -> None:
        """Continue from the folder's checkpoint; a new run gets its first one, and can be resumed from now on."""
        folder = self.run.folder
        if folder is None:
            return
        if folder.has_checkpoint():
            restore_run(self.run, folder)
        else:
            folder.metrics.truncate(self.run.epoch)
            self.save()
        folder.write_source(self.run.program.source)

    def is_due(self, *, epoch_end: bool) -> bool:
        """Whether it is time for a checkpoint."""
        wait = max(AFTER_EPOCH if epoch_end else WITHIN_EPOCH, SHARE * self.cost)
        return self.run.folder is not None and time.perf_counter() - self.time >= wait

    def save(self) -> None:
        """Write a checkpoint. Raises `RunError` if it can't be written; the one before is untouched."""
        if self.run.folder is not None:
            begin = time.perf_counter()
            self._tell_callbacks()
            self.run.folder.save_checkpoint(self.run.weights(), _state(self.run), _meta(self.run))
            self.time = time.perf_counter()
            self.cost = self.time - begin

    def _tell_callbacks(self) -> None:
        for callback in self.run.callbacks:
            callback.saving(self.run)

    def remember(self) -> None:
        """Keep what more epochs would go on from: callbacks are about to give the network its final weights."""
        if self.run.folder is not None:
            self._tell_callbacks()
            self._last = {name: array.copy() for name, array in _state(self.run).items()}, _meta(self.run)

    def finish(self) -> None:
        """Write the last checkpoint: the final weights, with the state from before."""
        if self.run.folder is not None and self._last is not None:
            self.run.folder.save_checkpoint(self.run.weights(), *self._last)


def _state(run: Run) -> Arrays:
    """All arrays that change from step to step, and the numbers that callbacks need again."""
    state = {f"program.{name}": array for name, array in _changing(run).items()}
    for number, callback in enumerate(run.callbacks):
        for key, value in callback.state().items():
            state[f"callback.{number}.{key}"] = np.asarray(value)
    return state


def _changing(run: Run) -> Arrays:
    arrays = {each.name: run.traced.arrays[each.name] for each in run.traced.program.variables if each.role == "state"}
    # The program only reads the scale of the learning rate: callbacks change it.
    return arrays | {name: array for name, array in run.traced.arrays.items() if name.endswith("lr_scale")}


def _meta(run: Run) -> dict[str, Any]:
    return {
        "epoch": run.epoch,
        "epoch_step": run.epoch_step,
        "epochs": run.epochs,
        "seed": run.seed,
        "workers": run.workers,
        "batch_size": run.batch_size,
        "rows": run.rows,
        "callbacks": [type(each).__name__ for each in run.callbacks],
        "history": _history(run),
        "stopped": run.history.stopped,
    }


def _history(run: Run) -> list[dict[str, float]]:
    rows = zip(run.history.epochs, run.history.rows, strict=True)
    return [{"epoch": epoch, **single_numbers(row)} for epoch, row in rows]


def single_numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """What of an epoch's logs can stand in a table: not, for example, a confusion matrix."""
    return {name: float(value) for name, value in logs.items() if np.ndim(value) == 0}


def restore_run(run: Run, folder: RunFolder) -> None:
    """Continue from the folder's checkpoint.

    Raises `RunError` if it is damaged, or of another run: other data, batch size, seed, workers, network or optimizer.
    """
    checkpoint = folder.load_checkpoint()
    try:
        _refuse_another_run(run, checkpoint, folder)
        _restore_progress(run, checkpoint.meta)
        _restore_callbacks(run, checkpoint)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"the checkpoint in {folder.path} is damaged: {type(error).__name__} {error}") from error
    run.set_weights(checkpoint.weights)
    for name, array in _changing(run).items():  # afterwards: the optimizer's vector is what training goes on from
        array[...] = checkpoint.state[f"program.{name}"]
    folder.metrics.truncate(run.epoch)


def _refuse_another_run(run: Run, checkpoint: Checkpoint, folder: RunFolder) -> None:
    for name in ("seed", "workers", "batch_size", "rows"):
        if checkpoint.meta[name] != getattr(run, name):
            raise RunError(
                f"the run in {folder.path} had {name} {checkpoint.meta[name]}, and this one has {getattr(run, name)}: "
                "it would not go on as it began"
            )
    own = {name: each.numpy() for name, each in run.net.named_parameters()}
    _refuse_other_arrays("weights", checkpoint.weights, own, folder)
    saved = _under("program.", checkpoint.state)
    _refuse_other_arrays("state", saved, _changing(run), folder)


def _refuse_other_arrays(what: str, saved: Arrays, own: Arrays, folder: RunFolder) -> None:
    kept = {name: _as_kept(array, own.get(name)) for name, array in saved.items()}
    forms = [{name: (array.shape, array.dtype.name) for name, array in arrays.items()} for arrays in (kept, own)]
    if forms[0] != forms[1]:
        name = min(name for name in forms[0].keys() | forms[1].keys() if forms[0].get(name) != forms[1].get(name))
        first, second = (f"has it as {form[name][1]} {form[name][0]}" if name in form else "has none" for form in forms)
        raise RunError(
            f"the checkpoint in {folder.path} is of another network or optimizer: of the {what}, {name!r} differs: "
            f"the checkpoint {first}, the network {second}"
        )


def _as_kept(saved: np.ndarray, own: np.ndarray | None) -> np.ndarray:
    """An array of a checkpoint in the dtype in which it is kept now, if that holds all that it says."""
    return saved if own is None or not np.can_cast(saved.dtype, own.dtype, "safe") else saved.astype(own.dtype)


def _restore_progress(run: Run, meta: Mapping[str, Any]) -> None:
    run.epoch, run.epoch_step = int(meta["epoch"]), int(meta["epoch_step"])
    for row in meta["history"]:
        run.history.add(int(row["epoch"]), {name: value for name, value in row.items() if name != "epoch"})
    # A run that a callback has stopped is over, unless more epochs are asked for.
    run.history.stopped = "" if run.epochs > meta["epochs"] else str(meta["stopped"])


def _restore_callbacks(run: Run, checkpoint: Checkpoint) -> None:
    names = checkpoint.meta["callbacks"]
    for number, callback in enumerate(run.callbacks):
        prefix = f"callback.{number}."
        if number < len(names) and names[number] == type(callback).__name__:
            state = {key: float(value) for key, value in _under(prefix, checkpoint.state).items()}
            if state:
                callback.set_state(state)


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
