"""The protocol of callbacks: what a run tells, and how a callback stops it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nbdl.errors import OptionError
from nbdl.resolve import resolve

if TYPE_CHECKING:
    from nbdl.train.run import Run


class Callback:
    """Something that watches a run. Override what you need; `run` is the same object in every call.

    `run.net`, `run.optimizers`, `run.epoch` (from 0), `run.epochs`, `run.step` (steps done, over all epochs),
    `run.steps_per_epoch`, `run.batch_size`, `run.samples_per_second` (0 while not known), `run.epoch_seconds` (of the
    last finished epoch), `run.history` (a `History`: `.rows`, one dict an epoch), `run.logs` (loss and metrics of the
    epoch so far), `run.error` (what ended the run early, or None), `run.folder` (a `RunFolder` or None),
    `run.stop(reason)`, `run.scale_learning_rate(factor)`, `run.weights()` and `run.set_weights(weights)`.
    """

    can_wait = False
    """Whether `epoch_end` may be called a moment later, when short epochs behind it have run, too: it looks at `logs`,
    `run.epoch` and what else is said of finished epochs, not at weights, and neither stops nor changes the run. A class
    that overrides `epoch_end` says so anew."""

    def reset(self) -> None:
        """A run is about to begin: forget the one before. `set_state`, in a resumed run, and `run_start` follow."""

    def run_start(self, run: Run) -> None:
        """Training begins."""

    def progress(self, run: Run) -> None:
        """Some steps are done: called about twenty times a second."""

    def epoch_end(self, run: Run, logs: dict[str, Any]) -> None:
        """An epoch is done; `logs` has loss and metrics, those on validation data as `val_...`."""

    def run_end(self, run: Run) -> None:
        """Training is over, by its end, by `stop`, by an error or by Ctrl-C."""

    def saving(self, run: Run) -> None:
        """A checkpoint is about to be written: put into `run.folder` what `state` can't hold."""

    def state(self) -> dict[str, float]:
        """Numbers that a resumed run must have again."""
        return {}

    def set_state(self, state: dict[str, float]) -> None:
        """Take over what `state` returned before."""


def resolve_callbacks(given: Any) -> list[Callback]:
    """The callbacks of a list of objects, names, and mappings with `name` and options.

    Raises `OptionError` for what is no such list.
    """
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise OptionError(f"callbacks is a list of callbacks, also for a single one, not {given!r}")
    return [_resolved(each) for each in given]


def _resolved(given: Any) -> Callback:
    found = resolve("callbacks", given)
    if isinstance(found, Callback):
        return found
    hint = f": write {found.__name__}(...)" if isinstance(found, type) and issubclass(found, Callback) else ""
    raise OptionError(f"a callback is a name, or an object of a subclass of nbdl.train.Callback, not {found!r}{hint}")


def can_wait(callback: Callback) -> bool:
    """Whether a callback can be told of an epoch's end later: it says so, and so does the class of its `epoch_end`."""
    kind = next(kind for kind in type(callback).__mro__ if "epoch_end" in vars(kind))
    return callback.can_wait and "can_wait" in vars(kind)
