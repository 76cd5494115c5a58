"""The hooks of nbdl: what a plugin may offer, and what it is told while a run goes on.

A plugin is a module (or any object) with functions marked by `hookimpl`. It is found through an entry point in the
group `nbdl`:

    [project.entry-points.nbdl]
    my_plugin = "my_plugin"

Every hook that offers something receives `register(name, factory)`: `name` is a lower-case identifier, and the
signature of `factory` (keyword parameters, with annotation and default) is the list of its options.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pluggy

PROJECT = "nbdl"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Register = Callable[[str, Callable[..., Any]], None]
Factory = TypeVar("Factory", bound=Callable[..., Any])

TRAINING_GROUPS = ("loss", "metrics", "optimizer", "schedule", "callbacks", "train")


def trained_with(**groups: Any) -> Callable[[Factory], Factory]:
    """Say how `nbdl train` trains a model if nobody says otherwise: a decorator for the model's factory.

    Args:
        groups: groups of a configuration: `loss`, `optimizer`, `schedule` (each a name, or a mapping with `name` and
            options), `metrics` (a list of them), `callbacks` and `train` (mappings). With a schedule that has
            the option `lr`, the learning rate goes to the optimizer all the same: users set it there.

    Raises:
        TypeError: a group that doesn't exist.

    >>> @trained_with(optimizer={"name": "adamw", "lr": 3e-4}, train={"epochs": 5})
    ... def net(*, outputs: int): ...
    >>> training_of(net)
    {'optimizer': {'name': 'adamw', 'lr': 0.0003}, 'train': {'epochs': 5}}
    """
    unknown = set(groups) - set(TRAINING_GROUPS)
    if unknown:
        raise TypeError(f"trained_with takes {', '.join(TRAINING_GROUPS)}, not {', '.join(sorted(unknown))}")

    def decorate(factory: Factory) -> Factory:
        named = {group: {"name": value} if isinstance(value, str) else value for group, value in groups.items()}
        factory.nbdl_training = named  # type: ignore[attr-defined]
        return factory

    return decorate


def training_of(factory: Callable[..., Any]) -> Mapping[str, Any]:
    """Return what `trained_with` says about a factory; empty if nothing does."""
    return getattr(factory, "nbdl_training", {})


@dataclass(frozen=True)
class Kind:
    """How one kind of thing is offered and called.

    Args:
        hook: the hook that offers it.
        singular: what one of them is called in messages.
        arguments: leading positional parameters that nbdl passes when it calls a *function* of this kind; a class
            of this kind is instantiated with its options and has none.
        supplied: keyword parameters that nbdl fills in when it makes one; they are no options.
        needs: those of `supplied` that a factory must have.
    """

    hook: str
    singular: str
    arguments: tuple[str, ...] = ()
    supplied: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "models": Kind("nbdl_models", "model", supplied=("outputs", "tokens", "series"), needs=("outputs",)),
    "layers": Kind("nbdl_layers", "layer"),
    "activations": Kind("nbdl_activations", "activation", arguments=("x",)),
    "losses": Kind("nbdl_losses", "loss", arguments=("prediction", "target")),
    "optimizers": Kind("nbdl_optimizers", "optimizer"),
    "schedules": Kind("nbdl_schedules", "schedule"),
    "initializers": Kind("nbdl_initializers", "initializer", arguments=("rng", "shape", "dtype")),
    "metrics": Kind("nbdl_metrics", "metric"),
    "datasets": Kind("nbdl_datasets", "data set", supplied=("data_dir", "seed")),
    "callbacks": Kind("nbdl_callbacks", "callback"),
    "exporters": Kind("nbdl_exporters", "exporter", arguments=("run", "path")),
    "benchmarks": Kind("nbdl_benchmarks", "benchmark"),
}
"""The kinds that are offered through `register`; commands are offered through `nbdl_commands(app)`."""


@hookspec
def nbdl_models(register: Register) -> None:
    """Offer models: `factory(*, outputs: int, ...options) -> Module`.

    `outputs` is the number of classes or targets; it comes from the data. So does `tokens`, the size of the input's
    vocabulary, for a factory that has such a parameter: it says that the model takes tokens, and if it has no default,
    that it takes nothing else. And so does `series`, where y holds later values of one channel of x: its number.
    `trained_with` says how the model is trained if nobody does.
    """


@hookspec
def nbdl_layers(register: Register) -> None:
    """Offer layers: subclasses of `nbdl.nn.Module`; their constructor's parameters are the options."""


@hookspec
def nbdl_activations(register: Register) -> None:
    """Offer activations: `function(x, ...options) -> Tensor`, the shape of `x` kept."""


@hookspec
def nbdl_losses(register: Register) -> None:
    """Offer losses: `function(prediction, target, ...options) -> scalar Tensor`."""


@hookspec
def nbdl_optimizers(register: Register) -> None:
    """Offer optimizers: subclasses of `nbdl.optim.Optimizer`, which is an update rule over tensors."""


@hookspec
def nbdl_schedules(register: Register) -> None:
    """Offer learning-rate schedules: `factory(...options) -> Schedule`.

    A schedule called with the step (a scalar Tensor that starts at 0) returns the learning rate.
    """


@hookspec
def nbdl_initializers(register: Register) -> None:
    """Offer initializers: `function(rng, shape, dtype, ...options) -> array`; `rng` is a NumPy `Generator`."""


@hookspec
def nbdl_metrics(register: Register) -> None:
    """Offer metrics: classes with `sums(prediction, target) -> Tensor` and `result(sums) -> float or array`."""


@hookspec
def nbdl_datasets(register: Register) -> None:
    """Offer data sets: `factory(*, data_dir: Path | None, seed: int, ...options) -> nbdl.data.Dataset`."""


@hookspec
def nbdl_callbacks(register: Register) -> None:
    """Offer callbacks: subclasses of `nbdl.train.Callback`."""


@hookspec
def nbdl_exporters(register: Register) -> None:
    """Offer exporters: `function(run, path, ...options)`, which writes the trained model of `run` to `path`."""


@hookspec
def nbdl_benchmarks(register: Register) -> None:
    """Offer benchmarks: `factory(...options) -> Benchmark`."""


@hookspec
def nbdl_commands(app: Any) -> None:
    """Add commands to the command line: `app` is a `typer.Typer` of the plugin's own, merged into `nbdl` afterwards.

    Import heavy modules inside the command, not at the top of the plugin: `nbdl --help` imports every plugin that
    implements this hook.
    """


@hookspec
def nbdl_run_start(run: Any) -> None:
    """Called when a training run starts, before its first step. `run` has its model, configuration and folder."""


@hookspec
def nbdl_epoch_end(run: Any, epoch: int, logs: dict[str, float]) -> None:
    """Called after each epoch (numbered from 0) with what was measured, e.g. `{"loss": 0.31, "val_loss": 0.35}`."""


@hookspec
def nbdl_run_end(run: Any, error: BaseException | None) -> None:
    """Called once when a run is over. `error` is what ended it early, `None` when it finished."""
