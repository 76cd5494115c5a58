"""A run's network: made from its configuration, compiled, and filled with its weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nbdl import plugins, random
from nbdl.errors import OptionError, PluginError, RunError, UnknownNameError
from nbdl.nn.module import Module
from nbdl.resolve import resolve
from nbdl.train import Metric, tracing
from nbdl.train.feed import Feed, make_feed
from nbdl.train.runfolder import RunFolder
from nbdl.train.units import InUnits
from nbdl_cli.config import Config, complete, resolve_config
from nbdl_cli.run_data import DataFacts

SAVED = ("metrics", "model", "data", "loss", "optimizer", "train")


def make_network(config: Config, facts: DataFacts) -> Module:
    """Make and compile the network of a configuration; its starting values come from the configuration's seed."""
    random.set_seed(config["train"]["seed"])
    options = dict(config["model"])
    net = plugins.lookup("models", str(options.pop("name"))).make(outputs=facts.outputs, **options)
    if not isinstance(net, Module):
        raise PluginError(
            f"the model {config['model']['name']!r} is made as {type(net).__name__}; it must be an nbdl.nn.Module"
        )
    net.compile(optimizer=optimizer_of(config), loss=config["loss"], metrics=_metrics(config, facts))
    return net


def optimizer_of(config: Config) -> Mapping[str, Any]:
    """The optimizer's name and options, its learning rate the schedule if there is one."""
    schedule = config.get("schedule")
    return config["optimizer"] | ({"lr": schedule} if schedule else {})


def _metrics(config: Config, facts: DataFacts) -> list[Any]:
    """The metrics; those of a regression measure in the units of the data, not in standard deviations."""
    target = facts.preprocessing.target
    if facts.task != "regression" or (np.all(target.mean == 0) and np.all(target.scale == 1)):
        return list(config["metrics"])
    return [_in_units(each, target.mean, target.scale) for each in config["metrics"]]


def _in_units(given: Any, mean: np.ndarray, scale: np.ndarray) -> Any:
    metric = resolve("metrics", given)
    name = given if isinstance(given, str) else given["name"]
    return InUnits(name.rpartition(":")[2], metric, mean, scale) if isinstance(metric, Metric) else given


def sample_feed(facts: DataFacts) -> Feed:
    """A row of zeros as programs read it: enough to trace them."""
    sample = facts.sample()
    return make_feed(sample.x, sample.y)


@dataclass(frozen=True)
class OpenRun:
    """A run that is read: its folder, configuration, what its data are like, and its network with weights."""

    folder: RunFolder
    config: Config
    facts: DataFacts
    net: Module
    weights: str


def open_run(path: Path, *, best: bool = False) -> OpenRun:
    """Open a run's folder and make its network again.

    Raises:
        RunError: no run; it has no weights yet; a file is damaged; what it was trained with isn't installed.
    """
    folder = RunFolder.open(path)
    if best and not folder.best_file.exists():
        raise RunError(
            f"{path} has no best weights: train with --callback best_weights to keep them, or leave out --best"
        )
    values, _ = folder.load_weights(best=best)
    config, facts = read_run(folder)
    net = make_network(config, facts)
    tracing.build(net, sample_feed(facts))
    try:
        net.load_state_dict(values)
    except ValueError as error:
        raise RunError(f"the weights in {path} don't fit the network of its config.toml: {error}") from error
    return OpenRun(folder, config, facts, net, "best" if best else "last")


def saved_config(folder: RunFolder) -> Config:
    """Read the configuration of a run. Raises `RunError` if it isn't a whole one."""
    config = folder.config()
    for group in SAVED:
        if group not in config:
            raise RunError(f"{folder.config_file} is cut off or was changed: it has no group {group!r}")
    for option in ("epochs", "batch_size", "seed", "workers"):
        if option not in config["train"]:
            raise RunError(f"{folder.config_file} is cut off or was changed: it has no train.{option}")
    return config


def read_run(folder: RunFolder) -> tuple[Config, DataFacts]:
    """Read a run's configuration and what its data are like.

    Raises:
        RunError: they are damaged, or name a model, loss, ... that isn't installed here.
    """
    facts = DataFacts.read(folder)
    try:
        return complete(resolve_config(saved_config(folder)), facts.task), facts
    except (UnknownNameError, OptionError, PluginError) as error:
        raise RunError(f"{folder.config_file}: {error}") from error
