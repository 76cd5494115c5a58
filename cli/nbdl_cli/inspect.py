"""`nbdl inspect RUN|MODEL`: what a network consists of and what it is compiled to."""

from typing import Annotated

import typer

from nbdl_cli.completion import complete_names
from nbdl_cli.output import JsonFlag, examples, print_json

app = typer.Typer()


@app.command(
    epilog=examples(
        "nbdl inspect runs/mlp-digits-1",
        "nbdl inspect runs/mlp-digits-1 --source",
        "nbdl inspect mlp --data digits --memory",
        "nbdl inspect mlp --data digits --json",
        "nbdl inspect mlp --input-shape 28,28,1 --outputs 10 --graph --set model.hidden=[32]",
    )
)
def inspect(
    thing: Annotated[
        str,
        typer.Argument(
            metavar="RUN|MODEL", help="A run's folder, or a model.", autocompletion=complete_names("models")
        ),
    ],
    graph: Annotated[bool, typer.Option("--graph", help="Show the operations, layer by layer.")] = False,
    memory: Annotated[bool, typer.Option("--memory", help="Show what lies where in memory.")] = False,
    source: Annotated[bool, typer.Option("--source", help="Show the generated Python source.")] = False,
    program: Annotated[
        str, typer.Option(metavar="training|evaluation|prediction", help="Which program to show.")
    ] = "training",
    data: Annotated[str | None, typer.Option(metavar="NAME|FILE", help="For a model: what its rows are like.")] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="What to predict in a file.")] = None,
    input_shape: Annotated[
        str | None, typer.Option(metavar="SIZES", help="For a model without --data: one row, e.g. 28,28,1 [16].")
    ] = None,
    outputs: Annotated[int | None, typer.Option(help="For a model without --data: how many classes [10].")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows a step, for the bytes in --memory.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="GROUP.OPTION=VALUE", help="For a model: any option.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Show a network's layers; or its graph, its memory plan, the source that it is compiled from."""
    from nbdl_cli.inspection import Shapes, as_data, inspect_model, inspect_run, is_run, show

    shapes = Shapes(data, target, input_shape, outputs)
    if is_run(thing):
        found = inspect_run(thing, program, shapes, batch_size, settings or [])
    else:
        found = inspect_model(thing, program, shapes, batch_size, settings or [])
    if json:
        print_json(as_data(found, graph=graph, memory=memory, source=source))
    else:
        show(found, graph=graph, memory=memory, source=source)
