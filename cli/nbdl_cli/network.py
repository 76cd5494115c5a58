"""A run's network: made from its configuration, compiled, and filled with its weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import numpy as np

from nbdl import plugins, random
from nbdl.data import Preprocessing, Split
from nbdl.data.series import SeriesWindows
from nbdl.errors import OptionError, PluginError, RunError, UnknownNameError
from nbdl.nn import Module
from nbdl.resolve import resolve
from nbdl.train import Metric, tracing
from nbdl.train.feed import Feed, make_feed
from nbdl.train.given import given_to
from nbdl.train.measuring import evaluate
from nbdl.train.runfolder import RunFolder
from nbdl.train.units import InUnits
from nbdl_cli.config import Config, complete, resolve_config
from nbdl_cli.run_data import DataFacts

SAVED = ("metrics", "model", "data", "loss", "optimizer", "train")


def make_network(config: Config, facts: DataFacts) -> tuple[Module, Config]:
    """Make and compile the network of a configuration; its starting values come from the configuration's seed.

    Returns it with the configuration completed by the loss and the metrics that suit it and the data.

    Raises:
        OptionError: the model doesn't take such data, or an option is out of its range.
    """
    random.set_seed(config["train"]["seed"])
    net = _make_model(config, facts)
    config = complete(config, _goal(net, facts, str(config["model"]["name"])))
    metrics = _metrics(config, facts) if net.task is None else config["metrics"]
    net.compile(optimizer=optimizer_of(config), loss=config["loss"] or None, metrics=metrics)
    return net, config


def _make_model(config: Config, facts: DataFacts) -> Module:
    options = dict(config["model"])
    registered = plugins.lookup("models", str(options.pop("name")))
    parameters = signature(registered.factory).parameters
    if facts.tokens is not None and not accepts(parameters, "tokens"):
        raise OptionError(f"the {registered.label} takes numbers, and {facts.name} has tokens, such as those of a text")
    if facts.tokens is None and "tokens" in parameters and parameters["tokens"].default is Parameter.empty:
        raise OptionError(f"the {registered.label} takes tokens, such as those of a text; {facts.name} has numbers")
    net = registered.make(outputs=facts.outputs, **_told(facts, parameters), **options)
    if not isinstance(net, Module):
        raise PluginError(f"the {registered.label} is made as {type(net).__name__}; it must be an nbdl.nn.Module")
    return net


def _told(facts: DataFacts, parameters: Mapping[str, Parameter]) -> dict[str, int]:
    """What a factory is told about the data beside the number of outputs."""
    told = {} if facts.tokens is None else {"tokens": facts.tokens}
    if facts.series is not None and accepts(parameters, "series"):
        told["series"] = facts.series
    return told


def accepts(parameters: Mapping[str, Parameter], name: str) -> bool:
    """Whether a factory can be told something by name."""
    return name in parameters or any(each.kind is Parameter.VAR_KEYWORD for each in parameters.values())


def _goal(net: Module, facts: DataFacts, model: str) -> str:
    """What the network is trained for, as a key of `BY_TASK`."""
    if net.task not in (None, "reconstruction", "generation"):
        raise PluginError(f"the model {model!r} has the task {net.task!r}; it can be 'reconstruction' or 'generation'")
    if net.task == "reconstruction" and facts.tokens is not None:
        raise OptionError(f"the model {model!r} is trained to give back numbers, and {facts.name} has tokens")
    if tracing.has_own_step(net):
        return "own step"
    if net.task == "generation":
        raise PluginError(f"the model {model!r} has the task 'generation', but no train_step of its own")
    return net.task or ("forecast" if facts.is_forecast else facts.task)


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


def measure(
    net: Module, split: Split, preprocessing: Preprocessing | None, workers: int, device: str = "cpu"
) -> dict[str, Any]:
    """Return loss and metrics of a network on some rows.

    Those of forecasts come with the RMSE of the persistence forecast, which says that nothing changes, and with how far
    below it the network's is, as a share of it: 0.25 is a quarter less.
    """
    x, y = given_to(net, split)
    logs: dict[str, Any] = evaluate(net, x, y, workers=workers, device=device)
    if isinstance(preprocessing, SeriesWindows) and net.task is None:
        naive = preprocessing.persistence_rmse(split.values, split.y)
        logs["persistence_rmse"] = naive
        if "rmse" in logs and naive:
            logs["below_persistence"] = 1 - logs["rmse"] / naive
    return logs


def sample_feed(net: Module, facts: DataFacts) -> Feed:
    """A row of zeros as a network's programs read it: enough to trace them."""
    return make_feed(*given_to(net, facts.sample()))


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
    net, config, facts = read_run(folder)
    build(net, facts)
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


def read_run(folder: RunFolder) -> tuple[Module, Config, DataFacts]:
    """Read a run's configuration and what its data are like, and make its network, which has no parameters yet.

    Raises:
        RunError: they are damaged, or name a model, loss, ... that isn't installed here.
    """
    facts = DataFacts.read(folder)
    try:
        return *make_network(resolve_config(saved_config(folder), saved=True), facts), facts
    except (UnknownNameError, OptionError, PluginError) as error:
        raise RunError(f"{folder.config_file}: {error}") from error


def build(net: Module, facts: DataFacts) -> Feed:
    """Let a network make its parameters, as `fit` does; return the row of zeros that it was shown."""
    feed = sample_feed(net, facts)
    tracing.build(net, feed, net.train_step if tracing.has_own_step(net) else None)
    return feed
