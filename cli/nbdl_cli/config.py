"""A run's configuration: defaults, under a config file, under flags, under `--set`; every name and value checked.

The result is what a run folder keeps as `config.toml`, and `--config` reads it back:

    [model]      name, and the model's options          [optimizer]  name, options
    [data]       name or file, target, data_dir, ...    [schedule]   name, options (if there is one)
    [loss]       name, options                          [callbacks.NAME]  options
    metrics = [...]                                     [train]      epochs, batch_size, seed, ...
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from nbdl.data.load import file_reader
from nbdl.errors import OptionError, RunError, suggest
from nbdl.hookspecs import PROJECT, training_of
from nbdl.options import Options, read_options
from nbdl.plugin_sources import Registered
from nbdl.plugins import lookup
from nbdl.values import Text

Layer = dict[str, Any]
Config = dict[str, Any]

# Groups that are one named thing, with the kind that the name is looked up in.
NAMED = {"model": "models", "data": "datasets", "loss": "losses", "optimizer": "optimizers", "schedule": "schedules"}
GROUPS = (*NAMED, "metrics", "callbacks", "train")
DEFAULTS: Layer = {"optimizer": {"name": "adam"}}
# What is trained for, if nobody says: by the task of the data set, or of a model that has one of its own.
BY_TASK: dict[str, Layer] = {
    "classification": {"loss": {"name": "sparse_categorical_crossentropy"}, "metrics": ["accuracy"]},
    "regression": {"loss": {"name": "mse"}, "metrics": ["mae", "r2"]},
    "forecast": {"loss": {"name": "mse"}, "metrics": ["rmse", "mae", "r2"]},
    "sequence": {"loss": {"name": "sparse_categorical_crossentropy"}, "metrics": ["accuracy"]},
    "reconstruction": {"loss": {"name": "mse"}, "metrics": []},
    "own step": {"loss": {}, "metrics": []},
}
LARGEST_SEED = 2**63 - 1
SET_FORM = "write --set group.option=value, such as --set model.hidden=[128,64] or --set optimizer.lr=3e-4"


def train_options(
    *,
    epochs: int = 20,
    batch_size: int = 32,
    seed: int = 0,
    workers: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["float32", "tf32", "bf16"] = "float32",
    validation_split: float = 0.1,
    epoch_rows: int | None = None,
) -> Config:
    """Check the options of the group `train` and return them.

    Args:
        epochs: passes through the training rows.
        batch_size: rows a step.
        seed: what everything random is drawn from.
        workers: threads; none chooses.
        device: where to train.
        precision: of matrix products on a card; tf32 and bf16 are computed by its tensor cores.
        validation_split: share of the training rows that is kept for validation, where the data has no rows for it.
        epoch_rows: how many training rows make an epoch, drawn anew for each; none: as the data set says, or all.

    Raises:
        OptionError: a value outside its range.
    """
    for name, value, lowest in (("epochs", epochs, 1), ("batch_size", batch_size, 1), ("seed", seed, 0)):
        if value < lowest:
            raise OptionError(f"{name} must be at least {lowest}, not {value}")
    if seed > LARGEST_SEED:
        raise OptionError(f"seed must be at most {LARGEST_SEED}, not {seed}")
    for name, number in (("workers", workers), ("epoch_rows", epoch_rows)):
        if number is not None and number < 1:
            raise OptionError(f"{name} must be at least 1, not {number}")
    if not 0 <= validation_split < 1:
        raise OptionError(f"validation_split is a share from 0 to below 1, not {validation_split}")
    return {
        "epochs": epochs,
        "batch_size": batch_size,
        "seed": seed,
        **({} if workers is None else {"workers": workers}),
        "device": device,
        **({} if precision == "float32" else {"precision": precision}),
        "validation_split": validation_split,
        **({} if epoch_rows is None else {"epoch_rows": epoch_rows}),
    }


# --- layers ----------------------------------------------------------------------------------------------------------


def parse_sets(assignments: Sequence[str]) -> Layer:
    """Turn `--set` arguments into a layer; values stay text until the type of their option is known.

    Raises:
        OptionError: no assignment to an option of a group, or a group that doesn't exist.

    >>> parse_sets(["model.hidden=[64]", "callback.early_stopping.patience=3"])
    {'model': {'hidden': '[64]'}, 'callbacks': {'early_stopping': {'patience': '3'}}}
    """
    layer: Layer = {}
    for assignment in assignments:
        path, equals, value = assignment.partition("=")
        group, *keys = [part.strip() for part in path.split(".")]
        group = "callbacks" if group == "callback" else group
        if equals and keys:
            _check_group(group, f"--set {assignment}")
        if not equals or len(keys) != (2 if group == "callbacks" else 1) or not all(keys) or group == "metrics":
            form = "write --set callback.NAME.option=value" if group == "callbacks" else SET_FORM
            raise OptionError(f"--set {assignment} can't be read; {form}")
        table = layer.setdefault(group, {})
        for key in keys[:-1]:
            table = table.setdefault(key, {})
        table[keys[-1]] = Text(value.strip())
    return layer


def read_file(path: Path) -> Layer:
    """Read a configuration file, for example the `config.toml` of a run.

    Raises:
        RunError: it can't be read as TOML.
        OptionError: it has a group that doesn't exist, or a group is no table.
    """
    try:
        layer = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise RunError(f"there is no configuration file {path}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RunError(f"{path} can't be read as TOML: {error}") from None
    for group, value in layer.items():
        _check_group(group, str(path))
        if group in NAMED and isinstance(value, str):
            layer[group] = {"name": value}
        elif group == "metrics":
            if not isinstance(value, list):
                raise OptionError(f"{path}: metrics is a list of names, not {value!r}")
        elif not isinstance(value, dict):
            raise OptionError(f"{path}: {group} is a table ([{group}]), not {value!r}")
    return layer


def _check_group(group: str, where: str) -> None:
    if group not in GROUPS:
        raise OptionError(f"{where}: there is no group {group!r}; {suggest(group, GROUPS)}")


def data_layer(data: str) -> Layer:
    """Return the layer that `--data` means: the path of a file, made absolute, or the name of a data set."""
    if file_reader(data) is None:
        return {"data": {"name": data}}
    return {"data": {"file": str(Path(data).expanduser().absolute())}}


def merge(lower: Layer, upper: Layer) -> Layer:
    """Lay one layer over another. A group that names another thing starts anew: options belong to a thing.

    >>> merge({"model": {"name": "mlp", "hidden": [8]}}, {"model": {"name": "linear"}})
    {'model': {'name': 'linear'}}
    """
    merged = dict(lower)
    for group, value in upper.items():
        below = lower.get(group)
        if not isinstance(value, Mapping) or not isinstance(below, Mapping) or _names_another(below, value):
            merged[group] = value
        elif group == "callbacks":
            merged[group] = merge(dict(below), dict(value))
        else:
            merged[group] = {**below, **value}
    return merged


def _names_another(below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    return any(key in above and above[key] != below.get(key) for key in ("name", "file"))


# --- resolving -------------------------------------------------------------------------------------------------------


def resolve_config(*layers: Layer, needs_data: bool = True, saved: bool = False) -> Config:
    """Lay layers over the defaults (the last one counts most) and check and complete all but what the task decides.

    `complete` does the rest (loss and metrics) once the data is there. Below the layers lies what the model is usually
    trained with (`nbdl.hookspecs.trained_with`), unless they begin with a `saved` configuration, which is whole.

    Raises:
        OptionError: no model or no data; an option that doesn't exist, or a value that doesn't fit.
        UnknownNameError: a name that no plugin offers.
    """
    merged = _merged(*layers)
    for group, flag in (("model", "nbdl train MODEL"), ("data", "--data NAME|FILE")):
        if not {"name", "file"} & set(merged.get(group, {})) and (needs_data or group != "data"):
            raise OptionError(f"which {group}? Give it as {flag}, or in a file with --config")
    if not saved:
        merged = _merged(_usual_training(merged), *layers)
    config: Config = {
        "model": resolve_named("model", merged["model"]),
        "data": _resolve_data(merged["data"]) if needs_data else {},
        "loss": merged.get("loss", {}),
        "optimizer": resolve_named("optimizer", merged["optimizer"]),
    }
    if "schedule" in merged:
        config["schedule"] = _resolve_schedule(merged["schedule"], merged["optimizer"])
        config["optimizer"].pop("lr", None)  # the schedule's takes its place
    if "loss" in merged and "name" in merged["loss"]:
        config["loss"] = resolve_named("loss", merged["loss"])
    if "metrics" in merged:
        config["metrics"] = [_resolve_metric(metric) for metric in merged["metrics"]]
    if "callbacks" in merged:
        config["callbacks"] = {name: _callback(name, given) for name, given in merged["callbacks"].items()}
    config["train"] = train_options(**read_options(train_options).resolve(merged.get("train", {}), "group 'train'"))
    return config


def _merged(*layers: Layer) -> Layer:
    merged = DEFAULTS
    for layer in layers:
        merged = merge(merged, layer)
    return merged


def _usual_training(merged: Layer) -> Layer:
    """What the model of a configuration is trained with if nobody says, as the lowest layer."""
    layer: Layer = dict(training_of(lookup("models", str(merged["model"]["name"])).factory))
    if "lr" in merged.get("schedule", {}) and "optimizer" in layer:
        # Someone names the rate as the schedule's, where a whole configuration has it.
        layer["optimizer"] = {key: value for key, value in layer["optimizer"].items() if key != "lr"}
    return layer


def complete(config: Config, task: str) -> Config:
    """Fill in the loss and the metrics that suit a task (one of `BY_TASK`) where none is named.

    Raises:
        OptionError: options were given for the loss, and this loss hasn't got them, or there is none.
    """
    usual = BY_TASK[task]
    completed = {"metrics": usual["metrics"], **config}
    loss = {**usual["loss"], **completed["loss"]}
    return completed | {"loss": resolve_named("loss", loss) if loss else {}}


def usual_callbacks(*, validated: bool, generates: bool) -> Config:
    """Return what watches a run if nobody says, as the group of a configuration, which is left out if it is empty.

    Of a run with validation rows the weights of its best epoch are kept, and of one whose network generates images what
    it generates after each epoch.
    """
    names = ["best_weights"] * validated + ["samples"] * generates
    return {"callbacks": {name: _callback(name, {}) for name in names}} if names else {}


def resolve_named(group: str, given: Mapping[str, Any]) -> Config:
    """Check what a group names and its options, and fill in their defaults.

    Raises:
        OptionError: options without a name, ones that don't exist, values that don't fit.
        UnknownNameError: no plugin offers the name.
    """
    if "name" not in given:
        raise OptionError(f"options for the {group} ({', '.join(given)}) need its name too: --{group} NAME")
    registered = lookup("metrics" if group == "metric" else NAMED[group], str(given["name"]))
    options = {key: value for key, value in given.items() if key != "name"}
    return {"name": _full_name(registered), **_plain(registered.options, options, registered.label)}


def _full_name(registered: Registered) -> str:
    """The name by which a run finds it again, even if another package comes to offer the same one later."""
    installed = registered.package != PROJECT and registered.version
    return f"{registered.package}:{registered.name}" if installed else registered.name


def _resolve_data(given: Mapping[str, Any]) -> Config:
    folder = {"data_dir": str(Path(given["data_dir"]).expanduser().absolute())} if given.get("data_dir") else {}
    rest = {key: value for key, value in given.items() if key not in ("data_dir", "file")}
    if "file" not in given:
        if "target" in rest and "target" not in lookup("datasets", str(given["name"])).options.names:
            raise OptionError(f"--target is for files; the data set {str(given['name'])!r} has its own target")
        resolved = resolve_named("data", rest)
        return {**{name: _findable(value) for name, value in resolved.items()}, **folder}
    path = str(given["file"])
    reader = file_reader(path)
    if reader is None:
        raise OptionError(f"data file {path!r} has none of the endings that nbdl reads, such as .csv and .npz")
    options = read_options(reader, arguments=1, supplied=("data_dir", "seed"))
    return {"file": path, **_plain(options, rest, f"data from {Path(path).name}"), **folder}


def _findable(value: Any) -> Any:
    """A path that exists as one that is found from any folder; others are looked for where the data lie."""
    return value.absolute() if isinstance(value, Path) and value.exists() else value


def _resolve_schedule(given: Mapping[str, Any], optimizer: Mapping[str, Any]) -> Config:
    """A rate given for the optimizer is the one that the schedule starts with."""
    registered = lookup("schedules", str(given["name"])) if "name" in given else None
    if registered is None or "lr" not in optimizer:
        return resolve_named("schedule", given)
    if "lr" not in registered.options.names:
        raise OptionError(
            f"optimizer.lr would have no effect: the {registered.label} says the learning rate by its options "
            f"({', '.join(registered.options.names)}); set those, or take another schedule, such as constant"
        )
    if "lr" in given:
        raise OptionError("the learning rate is given twice, as optimizer.lr and as schedule.lr; leave out one of them")
    return resolve_named("schedule", {**given, "lr": optimizer["lr"]})


def _resolve_metric(given: Any) -> str | Config:
    if isinstance(given, Mapping):
        return resolve_named("metric", given)
    return _full_name(lookup("metrics", str(given)))


def _callback(name: str, given: Any) -> Config:
    if not isinstance(given, Mapping):
        raise OptionError(f"callback {name!r} is a table of options, not {given!r}")
    registered = lookup("callbacks", name)
    return _plain(registered.options, given, registered.label)


def _plain(options: Options, given: Mapping[str, Any], owner: str) -> Config:
    """Resolve options and leave out what a config file can't hold: none, and defaults that are functions or objects."""
    resolved = options.resolve(given, owner)
    return {name: value for name, value in resolved.items() if name in given or _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, Mapping):
        return all(_is_plain(item) for item in value.values())
    return isinstance(value, bool | int | float | str | Path)
