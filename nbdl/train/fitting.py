"""`fit`: the loop over epochs around a compiled program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from nbdl import random
from nbdl.cards import choose_device
from nbdl.data.dataset import Dataset
from nbdl.errors import DataError, OptionError
from nbdl.nn.module import Module
from nbdl.options import check_whole
from nbdl.train import tracing
from nbdl.train.callbacks import Callback, resolve_callbacks
from nbdl.train.compiling import is_measured, remember, require_compiled
from nbdl.train.debugging import DebugProgram
from nbdl.train.device import check_precision, choose_workers
from nbdl.train.feed import Feed, make_feed
from nbdl.train.given import given_to
from nbdl.train.history import History
from nbdl.train.measuring import Evaluation
from nbdl.train.run import Run
from nbdl.train.runfolder import RunFolder


def fit(
    net: Module,
    x: Any,
    y: Any = None,
    *,
    epochs: int = 1,
    batch_size: int = 32,
    validation_data: tuple[Any, ...] | None = None,
    validation_split: float = 0.0,
    epoch_rows: int | None = None,
    callbacks: Sequence[Callback | str | Mapping[str, Any]] = (),
    class_weight: Mapping[int, float] | None = None,
    sample_weight: Any = None,
    shuffle: bool = True,
    verbose: bool = True,
    initial_epoch: int = 0,
    device: str = "auto",
    precision: str = "float32",
    workers: int | None = None,
    seed: int | None = None,
    folder: RunFolder | None = None,
) -> History:
    """Train a network and return what was measured.

    Args:
        x: rows `(rows, ...)`: anything with `__array__`, memory-mapped arrays included, a tuple of such for several
            inputs, or a `Dataset`, whose training (and validation) rows are taken, and of these what the network's
            `task` asks for.
        y: targets, one row for each row of `x`.
        epochs: passes over the rows.
        batch_size: rows of a step.
        validation_data: `(x, y)` or `(x, y, sample_weight)`, measured after each epoch.
        validation_split: share of the rows, cut off at the end, that is kept for validation.
        epoch_rows: how many rows make an epoch, drawn anew for each; None takes what a `Dataset` says, or all.
        callbacks: objects, names, or mappings with `name` and options.
        class_weight: how much the rows of each class number count.
        sample_weight: how much each row counts.
        shuffle: whether every epoch goes through the rows in another order.
        verbose: whether progress is shown.
        initial_epoch: number of the first epoch, when training goes on.
        device: `cpu`, `cuda` (an NVIDIA card) or `auto`: a card, if there is one that can be used and no
            workers are asked for.
        precision: of matrix products and convolutions on a card: `float32`, or quicker ones by its tensor cores, which
            round what they multiply to 10 (`tf32`) or 7 (`bf16`) bits behind the point.
        workers: threads; None chooses by the size of the work. The same number gives the same bits.
        seed: what the order of rows, dropout and new parameters depend on; None draws one.
        folder: where checkpoints go; a checkpoint in it is continued.

    Raises:
        OptionError: the network isn't compiled, or an option is out of its range.
        DataError, ShapeError: data that don't fit together or the network.
        NumericsError: the loss or a gradient stopped being finite; the parameters are those before that step.
        InterruptedTraining: Ctrl-C; everything was saved.
    """
    if not isinstance(folder, RunFolder | None):
        raise OptionError(f"folder is a run folder that is open, as RunFolder.create(path) gives it, not {folder!r}")
    run = prepare(
        net,
        x,
        y,
        epochs=epochs,
        batch_size=batch_size,
        validation_data=validation_data,
        validation_split=validation_split,
        epoch_rows=epoch_rows,
        callbacks=[*resolve_callbacks(callbacks), *(["progress"] if verbose else [])],
        class_weight=class_weight,
        sample_weight=sample_weight,
        shuffle=shuffle,
        initial_epoch=initial_epoch,
        device=device,
        precision=precision,
        workers=workers,
        seed=seed,
    )
    run.folder = folder
    return run.train()


def prepare(
    net: Module,
    x: Any,
    y: Any = None,
    *,
    epochs: int = 1,
    batch_size: int = 32,
    validation_data: tuple[Any, ...] | None = None,
    validation_split: float = 0.0,
    epoch_rows: int | None = None,
    callbacks: Sequence[Callback | str | Mapping[str, Any]] = (),
    class_weight: Mapping[int, float] | None = None,
    sample_weight: Any = None,
    shuffle: bool = True,
    initial_epoch: int = 0,
    device: str = "auto",
    precision: str = "float32",
    workers: int | None = None,
    seed: int | None = None,
) -> Run:
    """Check everything, trace the programs and return the run; `Run.train` does it. Arguments and errors as for `fit`.

    Nothing is compiled or written yet: mistakes come to light before a run has a folder.
    """
    require_compiled(net)
    epochs, batch_size = check_whole("epochs", epochs, 0), check_whole("batch_size", batch_size, 1)
    initial_epoch = check_whole("initial_epoch", initial_epoch, 0)
    workers, epoch_rows = _optional("workers", workers, 1), _optional("epoch_rows", epoch_rows, 1)
    seed = _optional("seed", seed, 0, 2**63 - 1)  # programs have it as a number of 64 bits
    if not isinstance(validation_split, Real) or not 0 <= validation_split < 1:
        raise OptionError(f"validation_split is a share from 0 to below 1, not {validation_split!r}")
    if shuffle not in (True, False):
        raise OptionError(f"shuffle is True or False, not {shuffle!r}")
    device = choose_device("cpu" if device == "auto" and workers is not None else device)
    if tracing.is_debugged(net):
        device = "cpu"  # values are looked at one by one
    check_precision(precision, device)
    seed = int(random.generator().integers(2**31)) if seed is None else seed
    feed, held_out = _feeds(net, x, y, validation_data, validation_split, sample_weight, class_weight)
    if not any(True for _ in net.named_parameters()):
        random.set_seed(seed)
    tracing.build(net, feed, net.train_step if tracing.has_own_step(net) else None)
    tracing.attach(net)
    if epoch_rows is None and isinstance(x, Dataset):
        epoch_rows = x.epoch_rows
    rows = min(epoch_rows or feed.rows, feed.rows)
    batch = min(batch_size, rows)
    traced = tracing.trace_training(net, feed, batch)
    if device != "cpu":
        workers = 1  # a card is one, however many threads it has
    workers = choose_workers(traced.program.plan, batch) if workers is None else workers
    evaluation = None if held_out is None else Evaluation(
        net, held_out, batch_size=1024, workers=workers, device=device
    )
    run = Run(
        net=net,
        traced=traced,
        rows=rows,
        drawn_from=feed.rows,
        batch_size=batch,
        epochs=epochs,
        initial_epoch=initial_epoch,
        workers=workers,
        seed=seed,
        shuffle=shuffle,
        evaluation=evaluation,
        callbacks=resolve_callbacks(callbacks),
        device=device,
        precision=precision,
    )
    remember(net, "training", run.program)
    if tracing.is_debugged(net):
        run.bound = DebugProgram(net.train_step, feed, traced, batch=batch, seed=seed)
    return run


def _optional(name: str, number: int | None, lowest: int, highest: int | None = None) -> int | None:
    return None if number is None else check_whole(name, number, lowest, highest)


def _feeds(
    net: Module,
    x: Any,
    y: Any,
    validation_data: tuple[Any, ...] | None,
    share: float,
    sample_weight: Any,
    class_weight: Mapping[int, float] | None,
) -> tuple[Feed, Feed | None]:
    if isinstance(x, Dataset):
        if validation_data is None and x.validation is not None and is_measured(net):
            validation_data = given_to(net, x.validation)
        x, y = given_to(net, x.train)
    feed, held_out = make_feed(x, y, sample_weight), None
    if validation_data is not None:
        held_out = _validation_feed(validation_data)
    elif share:
        feed, held_out = feed.split(share)
    return feed.weighted_by_class(class_weight), held_out  # what is held out is measured as it is


def _validation_feed(given: Any) -> Feed:
    is_tuple = isinstance(given, tuple | list)
    if is_tuple and 1 <= len(given) <= 3:
        return make_feed(*given)
    found = f"{len(given)} things" if is_tuple else f"{type(given).__name__!r}"
    raise DataError(f"validation_data is (x, y) or (x, y, sample_weight), not {found}")
