"""A run's folder: everything needed to read, repeat or resume a training run.

    config.toml                the resolved configuration
    metrics.csv                one row an epoch
    weights.safetensors        the newest weights
    state.safetensors          optimizer, step, random state, ... of the same moment as those weights
    best.safetensors           the best weights so far
    preprocessing.safetensors  what was fitted to the training rows, and what the network takes and gives
    source.py                  the generated source
    environment.json           versions, processor, command
    report.json                what came out: the last epoch's numbers, those of the test rows, seconds, ...
    samples/*.safetensors      what the network generates, epoch by epoch
    plots/*.png

A process may be killed at any moment; what it leaves can be resumed. Weights and state are two files that must belong
together, so they are written in this order: the weights under the name `weights.safetensors.next`, the state in the
place of the old one, then `.next` becomes the weights. Both carry the same mark. A kill before the state's rename
leaves the old pair (and a `.next` that belongs to nothing); a kill after it leaves a `.next` that belongs to
the state and is taken in place of the weights.
"""

import json
import os
import secrets
import sys
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import Any, Self

import numpy as np
import tomli_w

from nbdl.atomic import atomic_write, remove_leftovers, sync_folder
from nbdl.errors import RunError
from nbdl.machine import cores, processor, versions
from nbdl.tensor_files import load_tensors, read_meta, reading, save_tensors, writing
from nbdl.train.lock import FolderLock
from nbdl.train.metrics_table import MetricsTable

MARK = "checkpoint"
# Whoever reads while the run goes on may see the state of one moment and the weights of the next.
READ_ATTEMPTS = 5
NO_CHECKPOINT = "{} has no checkpoint: the run ended before it saved one. Continue it with --resume, or train again"


@dataclass(frozen=True)
class Checkpoint:
    """A moment of a training run: `weights` and `state` (arrays) and `meta` (plain values)."""

    weights: dict[str, np.ndarray]
    state: dict[str, np.ndarray]
    meta: dict[str, Any]


class RunFolder:
    """A run's folder on disk; make one with `create`, `resume` or `open`.

    `create` and `resume` lock the folder until `close`, or until the process ends, however it ends. Use them in a
    `with` block.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser().absolute()
        self.config_file = self.path / "config.toml"
        self.metrics_file = self.path / "metrics.csv"
        self.weights_file = self.path / "weights.safetensors"
        self.state_file = self.path / "state.safetensors"
        self.best_file = self.path / "best.safetensors"
        self.source_file = self.path / "source.py"
        self.environment_file = self.path / "environment.json"
        self.report_file = self.path / "report.json"
        self.data_file = self.path / "preprocessing.safetensors"
        self.samples = self.path / "samples"
        self.plots = self.path / "plots"
        self._next_file = self.path / "weights.safetensors.next"
        self._lock: FolderLock | None = None
        self._metrics: MetricsTable | None = None

    # --- making and opening ----------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: Path | str, config: Mapping[str, Any], environment: Mapping[str, Any] | None = None) -> Self:
        """Make a new run's folder, lock it, and write its configuration and environment.

        Args:
            path: a folder that doesn't exist or is empty.
            config: nested tables of plain values; `None` means "not set" and is left out.
            environment: what to add to `environment.json`, e.g. the number of workers.

        Raises:
            RunError: the folder holds a run, or something else; it is in use; it can't be written.
        """
        folder = cls(path)
        folder.check_unused()
        with writing(path):
            folder.path.mkdir(parents=True, exist_ok=True)
        with folder._locked():
            folder.check_unused()  # somebody else may have been faster
            remove_leftovers(folder.path)
            folder._write_environment(environment or {})
            folder.write_config(config)  # last, because a folder with a configuration is a run
        return folder

    def check_unused(self) -> None:
        """Raise `RunError` if `create` would: there is a run already, or something else."""
        if self.is_run():
            raise RunError(
                f"{self.path} holds a run already; continue it with --resume {self.path}, or choose another --out"
            )
        with reading(self.path):
            present = sorted(entry.name for entry in self.path.iterdir()) if self.path.exists() else []
        # What a run writes before its configuration may be there: it was killed at that moment.
        others = [name for name in present if not name.startswith(".") and name != self.environment_file.name]
        if others:
            raise RunError(f"{self.path} isn't empty and holds no run (there is {others[0]!r}); choose another --out")

    @classmethod
    def resume(cls, path: Path | str) -> Self:
        """Lock an existing run's folder and put right what a killed process may have left half done.

        Raises:
            RunError: there is no run; it is in use by another process; its state is missing though it was trained.
        """
        folder = cls.open(path)
        with folder._locked():
            remove_leftovers(folder.path)
            folder._finish_checkpoint()
            if not folder.has_checkpoint() and folder._trained():
                raise folder._lacks(folder.state_file)  # else it would begin anew, over what was trained
        return folder

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open an existing run's folder for reading.

        Raises:
            RunError: there is no run in it.
        """
        folder = cls(path)
        if not folder.path.is_dir():
            raise RunError(f"there is no run folder {path}")
        if not folder.is_run():
            raise RunError(f"{path} is no run folder: it has no config.toml")
        return folder

    def discard(self) -> None:
        """Remove what a run has written that ended by a mistake before its first epoch: the folder is free again."""
        checkpoint = (self._next_file, self.state_file, self.weights_file, self.best_file)
        about = (self.data_file, self.source_file, self.environment_file, self.config_file)
        self.metrics.close()
        rmtree(self.samples, ignore_errors=True)
        with writing(self.path):
            for file in (*checkpoint, self.metrics_file, *about):  # until the configuration is gone, it is a run
                file.unlink(missing_ok=True)

    def is_run(self) -> bool:
        return self.config_file.is_file()

    def _locked(self) -> "_ClosedOnError":
        self._lock = FolderLock(self.path)
        return _ClosedOnError(self)

    def close(self) -> None:
        """Let go of the folder."""
        if self._metrics is not None:
            self._metrics.close()
            self._metrics = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- configuration, source, environment ------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Read the configuration.

        Raises:
            RunError: it isn't TOML any more.
        """
        with reading(self.config_file):
            try:
                return tomllib.loads(self.config_file.read_text("utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise RunError(f"{self.config_file} can't be read as TOML: {error}") from None

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Replace the configuration, e.g. by one with more epochs."""
        self._write_text(self.config_file, tomli_w.dumps(plain(config)))

    def environment(self) -> dict[str, Any]:
        """Read what the run was started on."""
        with reading(self.environment_file):
            try:
                return dict(json.loads(self.environment_file.read_text("utf-8")))
            except ValueError as error:
                raise RunError(f"{self.environment_file} can't be read as JSON: {error}") from None

    def write_source(self, text: str) -> None:
        """Keep the generated source."""
        self._write_text(self.source_file, text)

    def write_report(self, report: Mapping[str, Any]) -> None:
        """Keep what came out, plain values that JSON can hold."""
        self._write_text(self.report_file, json.dumps(report, indent=2) + "\n")

    def _write_environment(self, more: Mapping[str, Any]) -> None:
        found = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": sys.argv,
            "platform": sys.platform,
            "processor": processor(),
            "cores": cores(),
            "versions": versions(),
        }
        self._write_text(self.environment_file, json.dumps({**found, **plain(more)}, indent=2) + "\n")

    def _write_text(self, path: Path, text: str) -> None:
        with writing(path), atomic_write(path) as file:
            file.write(text.encode())

    # --- metrics ---------------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> MetricsTable:
        """The table of what was measured after each epoch."""
        if self._metrics is None:
            self._metrics = MetricsTable(self.metrics_file)
        return self._metrics

    # --- checkpoints -----------------------------------------------------------------------------------------------

    def save_checkpoint(
        self, weights: Mapping[str, np.ndarray], state: Mapping[str, np.ndarray], meta: Mapping[str, Any]
    ) -> None:
        """Save a moment of the run. Whatever happens meanwhile, `load_checkpoint` finds this one or the one before.

        Args:
            weights: the parameters, for whoever uses the model.
            state: the other arrays that resuming needs (optimizer slots, ...).
            meta: plain values (step, epoch, seed, ...).

        Raises:
            RunError: the disk is full, ...; the checkpoint before is untouched.
        """
        if self._metrics is not None:
            self._metrics.sync()
        self._finish_checkpoint()  # one that Ctrl-C interrupted
        marked = {**plain(meta), MARK: secrets.token_hex(8)}
        try:
            save_tensors(self._next_file, weights, marked)
            save_tensors(self.state_file, state, marked)
        finally:
            # Also after an error: it may have come before the state's new name or just after it.
            self._finish_checkpoint()

    def _finish_checkpoint(self) -> None:
        """Give the new weights their name if the state belongs to them, else remove them."""
        if not self._next_file.exists():
            return
        with writing(self.weights_file):
            if self.has_checkpoint() and self._file_marked(read_meta(self.state_file).get(MARK)) == self._next_file:
                os.replace(self._next_file, self.weights_file)
                sync_folder(self.path)
            else:
                self._next_file.unlink()

    def _file_marked(self, mark: str | None) -> Path | None:
        """Return the file with the weights of one moment. It may be `.next`: for a short time, or after a kill."""
        for candidate in (self._next_file, self.weights_file):
            with suppress(RunError):
                if read_meta(candidate).get(MARK) == mark:
                    return candidate
        return None

    def has_checkpoint(self) -> bool:
        """Whether anything has been saved; a run may be killed before that."""
        return self.state_file.exists()

    def _trained(self) -> list[str]:
        """The names of the files that no run has before its first checkpoint."""
        files = [file for file in (self.weights_file, self.state_file, self.best_file) if file.exists()]
        return [file.name for file in files] + [self.metrics_file.name] * bool(self.metrics.rows())

    def _lacks(self, file: Path) -> RunError:
        """What to say where a file of the checkpoint is missing: there was none yet, or somebody removed it."""
        if not (left := self._trained()):
            return RunError(NO_CHECKPOINT.format(self.path))
        use = "evaluate and predict without it, " if self.weights_file.exists() else ""
        use = use or "evaluate and predict with --best, " * self.best_file.exists()
        return RunError(
            f"there is no file {file}, though the run was trained (there is {', '.join(left)}): "
            f"bring it back, {use}or train anew with --config {self.config_file}"
        )

    def load_checkpoint(self) -> Checkpoint:
        """Read the newest checkpoint, weights and state of one moment.

        Raises:
            RunError: there is none yet; a file is damaged or missing.
        """
        if not self.has_checkpoint():
            raise self._lacks(self.state_file)
        for _ in range(READ_ATTEMPTS):
            state, meta = load_tensors(self.state_file)
            file = self._file_marked(meta.get(MARK))
            with suppress(RunError):
                weights, of_weights = load_tensors(file or self.weights_file)
                if of_weights.get(MARK) == meta.get(MARK):
                    return Checkpoint(weights, state, _unmarked(meta))
        if not self.weights_file.exists():
            raise self._lacks(self.weights_file)
        load_tensors(self.weights_file)  # says so if it is damaged
        raise RunError(
            f"{self.weights_file} and {self.state_file.name} come from different checkpoints; "
            f"bring back the two files that belong together"
        )

    def load_weights(self, *, best: bool = False) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Read the weights (the newest, or the best where any were saved) and the plain values of their moment.

        Raises:
            RunError: there are none; the file is damaged.
        """
        file = self.best_file if best and self.best_file.exists() else self.weights_file
        if file == self.weights_file and self.has_checkpoint():
            file = self._file_marked(read_meta(self.state_file).get(MARK)) or file
        if not file.exists():
            raise self._lacks(file)
        weights, meta = load_tensors(file)
        return weights, _unmarked(meta)

    def save_best(self, weights: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        """Save the best weights so far."""
        save_tensors(self.best_file, weights, plain(meta))


def _unmarked(meta: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in meta.items() if key != MARK}


class _ClosedOnError:
    """Let go of the folder if it can't be set up; keep it otherwise."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.folder.close()


def plain(value: Any) -> Any:
    """Return a value as TOML and JSON can hold it: paths as text, arrays as lists, keys with `None` left out.

    Raises:
        RunError: an object that has no such form.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (bool, int, float, str)):
        return value
    raise RunError(f"{value!r} ({type(value).__name__}) can't be saved in a run folder; give it by its registered name")
