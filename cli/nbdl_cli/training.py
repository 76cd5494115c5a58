"""What `nbdl train` does: a request becomes a configuration, a folder, a run, and a report."""

import re
import shlex
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import typer

from nbdl import plugins
from nbdl.cards import choose_device, unused_card
from nbdl.codegen.cache import is_known
from nbdl.data import Dataset
from nbdl.errors import InterruptedTraining, NbdlError, OptionError, RunError
from nbdl.tensor_files import writing
from nbdl.train import Run, RunFolder
from nbdl.train.compiling import is_measured
from nbdl.train.device import card_name
from nbdl.train.fitting import prepare
from nbdl.train.given import given_to
from nbdl.train.runfolder import plain
from nbdl_cli.config import (
    Config,
    Layer,
    data_layer,
    merge,
    parse_sets,
    read_file,
    resolve_config,
    usual_callbacks,
)
from nbdl_cli.exit_codes import EXIT_WRONG_REQUEST, exit_code
from nbdl_cli.network import make_network, saved_config
from nbdl_cli.output import print_json
from nbdl_cli.pictures.subject import image_shape
from nbdl_cli.report import make_report, print_report, shown
from nbdl_cli.run_data import DataFacts, load_data, training_rows


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line."""

    flags: Layer
    data: str | None
    metrics: list[str] | None
    sets: list[str]
    config: Path | None
    plot: bool
    json: bool

    def layers(self) -> list[Layer]:
        """The layers of the configuration: the file, the flags, `--set`."""
        layers = [] if self.config is None else [read_file(self.config)]
        flags = self.flags if self.data is None else merge(data_layer(self.data), self.flags)
        return [*layers, flags | ({"metrics": self.metrics} if self.metrics else {}), parse_sets(self.sets)]


def start_training(request: Request, out: Path | None) -> None:
    """Train into a new folder."""
    config = resolve_config(*request.layers())
    config["train"]["device"] = choose_device(config["train"]["device"])
    if out is not None:
        RunFolder(out).check_unused()
    dataset = load_data(config)
    config, run, facts = _prepare(config, dataset)
    path = _new_folder(config, dataset) if out is None else out
    with RunFolder.create(path, config, {"plugins": plugins.packages(), "workers": run.workers}) as folder:
        try:
            facts.save(folder)
            _train(request, config, dataset, run, folder)
        except NbdlError as error:
            if exit_code(error) == EXIT_WRONG_REQUEST and not folder.metrics.rows():
                folder.discard()  # else the corrected command would be refused
            raise


def resume_training(request: Request, path: Path, out: Path | None) -> None:
    """Go on with the run in a folder. Raises `OptionError` if anything but the number of epochs is to be different."""
    if out is not None:
        raise OptionError("--resume goes on in the run's own folder; leave out --out")
    with RunFolder.resume(path) as folder:
        config = _resumed_config(request, folder)
        dataset = load_data(config)
        config, run, facts = _prepare(config, dataset)
        if not folder.data_file.exists():
            facts.save(folder)
        elif DataFacts.read(folder).fingerprint != facts.fingerprint:
            raise RunError(
                f"the data of {path} have changed since it began: it would not go on as it began; train anew"
            )
        folder.write_config(config)
        _train(request, config, dataset, run, folder, done=_epochs_done(folder))


def _resumed_config(request: Request, folder: RunFolder) -> Config:
    saved = resolve_config(saved_config(folder), saved=True)
    config = resolve_config(saved, *request.layers(), saved=True)
    config["train"]["device"] = choose_device(config["train"]["device"])
    before, now = _flat(saved), _flat(config)
    for name in before.keys() | now.keys():
        if before.get(name) != now.get(name) and name not in ("train.epochs", "data.data_dir"):
            raise OptionError(
                f"a resumed run goes on as it began, so only --epochs can change: {name} was {before.get(name)!r}, "
                f"not {now.get(name)!r}; train anew with --config {folder.config_file}"
            )
    done = _epochs_done(folder)
    if config["train"]["epochs"] < done:
        raise OptionError(f"the run in {folder.path} has done {done} epochs already; --epochs can only be raised")
    return config


def _flat(config: Config) -> dict[str, Any]:
    """The options by full names: `model.hidden`, `metrics`."""
    groups = plain(config).items()
    return {
        f"{group}.{name}" if isinstance(values, dict) else group: value
        for group, values in groups
        for name, value in (values if isinstance(values, dict) else {"": values}).items()
    }


def _epochs_done(folder: RunFolder) -> int:
    return int(folder.load_checkpoint().meta.get("epoch", 0)) if folder.has_checkpoint() else 0


def _prepare(config: Config, dataset: Dataset) -> tuple[Config, Run, DataFacts]:
    """Complete the configuration and trace the run; nothing is written yet, so a mistake leaves no folder behind."""
    facts = DataFacts.of(dataset)
    net, config = make_network(config, facts)
    train, validation = training_rows(dataset, config)
    if validation is not None and not is_measured(net):
        validation = None
    generates = callable(getattr(net, "generate", None)) and image_shape(facts) is not None
    config = {**usual_callbacks(validated=validation is not None, generates=generates), **config}
    options = config["train"]
    callbacks = [{"name": name, **given} for name, given in config.get("callbacks", {}).items()]
    run = prepare(
        net,
        *given_to(net, train),
        epochs=options["epochs"],
        batch_size=options["batch_size"],
        validation_data=None if validation is None else given_to(net, validation),
        epoch_rows=options.get("epoch_rows", dataset.epoch_rows),
        callbacks=callbacks if "progress" in config.get("callbacks", {}) else [*callbacks, "progress"],
        device=options["device"],
        precision=options.get("precision", "float32"),
        workers=options.get("workers"),
        seed=options["seed"],
    )
    return config | {"train": options | {"workers": run.workers}}, run, facts


def _new_folder(config: Config, dataset: Dataset) -> Path:
    """Make and return the first free folder runs/MODEL-DATA-NUMBER."""
    name = re.sub(r"[^\w.-]+", "-", f"{config['model']['name']}-{dataset.name}")
    with writing("runs"):
        Path("runs").mkdir(exist_ok=True)
        for number in count(1):
            path = Path("runs") / f"{name}-{number}"
            try:
                path.mkdir()
            except FileExistsError:
                continue
            break
    return path


# --- the run ----------------------------------------------------------------------------------------------------------


def _train(
    request: Request, config: Config, dataset: Dataset, run: Run, folder: RunFolder, done: int = 0
) -> None:
    """Train in a folder, where so many epochs may be done already, and tell what came out."""
    for note in dataset.notes:
        typer.echo(f"Note: {note}.", err=True)
    typer.echo(f"Training {config['model']['name']} on {dataset.name}, into {shown(folder.path)}", err=True)
    if run.device == "cuda":
        typer.echo(f"On {card_name()}.", err=True)
    elif unused_card():
        typer.echo(f"On the CPU: {unused_card()}.", err=True)
    if run.device == "cpu" and not is_known(run.traced.program.source):
        typer.echo("Compiling for this network and data; the next run like it starts at once.", err=True)
    run.folder = folder
    begin = time.perf_counter()
    try:
        run.train()
    except KeyboardInterrupt as stop:
        where = str(stop) or "stopped at once; the last checkpoint is saved"
        raise InterruptedTraining(
            f"{where}\nGo on with: nbdl train --resume {shlex.quote(shown(folder.path))}"
        ) from None
    seconds = round(time.perf_counter() - begin, 3)
    report = make_report(dataset, run, folder) | {"seconds": seconds, "done_before": done}
    folder.write_report(report)
    if request.plot:
        from nbdl_cli.plot import draw_run

        report["plots"] = [str(path) for path in draw_run(folder.path)]
    if request.json:
        print_json(report)
    else:
        print_report(report)
