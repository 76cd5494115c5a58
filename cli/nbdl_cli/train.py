"""`nbdl train`: train a network on data, into a run folder; `--resume` goes on with one."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nbdl_cli.completion import complete_names
from nbdl_cli.output import JsonFlag, examples

app = typer.Typer()

EXAMPLES = examples(
    "nbdl train mlp --data digits",
    "nbdl train mlp --data mnist --epochs 5 --seed 1 --out runs/first",
    "nbdl train mlp --data houses.csv --target price --set model.hidden=[128,64] --set optimizer.lr=3e-4",
    "nbdl train logistic --data iris --optimizer sgd --schedule cosine --set schedule.steps=500",
    "nbdl train mlp --data digits --epochs 100 --callback early_stopping --set callback.early_stopping.patience=3",
    "nbdl train --config run.toml --plot",
    "nbdl train --resume runs/first --epochs 10",
)


@app.command(epilog=EXAMPLES)
def train(
    model: Annotated[
        str | None,
        typer.Argument(help="A model; `nbdl models` lists them.", autocompletion=complete_names("models")),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE", help="A data set, or a CSV or NPZ file.", autocompletion=complete_names("datasets")
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="What to predict in a file: a column's name or number.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Where data files are looked for.")] = None,
    loss: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="By default as the target needs.", autocompletion=complete_names("losses")),
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(metavar="NAME", help="[adam]", autocompletion=complete_names("optimizers"))
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of the learning rate; by default none.", autocompletion=complete_names("schedules")
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="By default as the target needs; can be repeated.",
            autocompletion=complete_names("metrics"),
        ),
    ] = None,
    callback: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="[best_weights]; can be repeated.", autocompletion=complete_names("callbacks")
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training rows [20].")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows a step [32].")] = None,
    device: Annotated[str | None, typer.Option(metavar="auto|cpu|cuda", help="Where to train [auto].")] = None,
    workers: Annotated[int | None, typer.Option(help="Threads; by default as the work needs.")] = None,
    seed: Annotated[int | None, typer.Option(help="What everything random is drawn from [0].")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="GROUP.OPTION=VALUE", help="Any option, e.g. model.hidden=[64]; can be repeated."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A configuration, e.g. a run's config.toml.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The run's folder [runs/MODEL-DATA-NUMBER].")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with a run that was stopped, or has more --epochs to do.")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw its pictures when it is done; see nbdl plot.")] = False,
    json: JsonFlag = False,
) -> None:
    """Train a model on data. Weights, numbers and everything needed to repeat or resume the run go to a folder."""
    from nbdl_cli.training import Request, resume_training, start_training

    flags = _layer(
        train={"epochs": epochs, "batch_size": batch_size, "device": device, "workers": workers, "seed": seed},
        data={"target": target, "data_dir": None if data_dir is None else str(data_dir)},
        model={"name": model},
        loss={"name": loss},
        optimizer={"name": optimizer},
        schedule={"name": schedule},
        callbacks={name: {} for name in callback or ()},
    )
    request = Request(flags, data, metric, settings or [], config, plot, json)
    if resume is None:
        start_training(request, out)
    else:
        resume_training(request, resume, out)


def _layer(**groups: dict[str, Any]) -> dict[str, Any]:
    """What was given, without what was not."""
    given = {
        group: {key: value for key, value in options.items() if value is not None} for group, options in groups.items()
    }
    return {group: options for group, options in given.items() if options}
