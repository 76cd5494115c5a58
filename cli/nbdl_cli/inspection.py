"""What `nbdl inspect` does: trace a program of a run or a model, and show its parts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from nbdl import plugins
from nbdl.codegen.plan import Plan
from nbdl.codegen.program import Program
from nbdl.data.arrays import ArrayScaling
from nbdl.data.target import label_encoding
from nbdl.errors import OptionError, RunError, UnknownNameError
from nbdl.ir.show import show_graph
from nbdl.nn.module import Module
from nbdl.tensor_files import reading
from nbdl.train import RunFolder, tracing
from nbdl.train.memory import memory_table, memory_totals
from nbdl.train.summary import Row, layer_rows
from nbdl_cli.config import Config, data_layer, merge, parse_sets, resolve_config
from nbdl_cli.network import build, make_network, read_run
from nbdl_cli.output import print_table, to_terminal
from nbdl_cli.run_data import DataFacts, load_data

PROGRAMS = ("training", "evaluation", "prediction")
MEMORY_COLUMNS = ("space", "at", "bytes", "what", "shape", "from")


@dataclass(frozen=True)
class Shapes:
    """What was said about the rows of a model that hasn't seen any."""

    data: str | None
    target: str | None
    input_shape: str | None
    outputs: int | None

    def any(self) -> bool:
        """Whether anything was said."""
        return any(value is not None for value in vars(self).values())


@dataclass(frozen=True)
class Inspected:
    """A network and one of its programs."""

    net: Module
    program: Program
    kind: str
    batch: int
    workers: int
    saved_source: str | None = None


def is_run(thing: str) -> bool:
    """Whether a word means a run's folder and not a model."""
    return Path(thing).expanduser().is_dir() or "/" in thing or "\\" in thing


def inspect_run(thing: str, kind: str, shapes: Shapes, batch_size: int | None, sets: list[str]) -> Inspected:
    """Trace a program of a run; its data are not needed.

    Raises:
        RunError: no run, or a damaged one.
        OptionError: options that are for models.
    """
    folder = RunFolder.open(thing)
    if shapes.any() or sets:
        raise OptionError(f"{thing} is a run, whose data and options are known; only --batch-size can be chosen")
    if not folder.data_file.exists():
        raise RunError(f"{thing} has no {folder.data_file.name}: the run ended before it began; go on with --resume")
    inspected = _trace(*read_run(folder), kind, batch_size)
    source = folder.source_file
    if kind != "training" or not source.exists():
        return inspected
    return replace(inspected, saved_source=_read_source(source))


def _read_source(path: Path) -> str:
    with reading(path):
        try:
            return path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise RunError(f"{path} is damaged: it isn't text ({error})") from None


def inspect_model(name: str, kind: str, shapes: Shapes, batch_size: int | None, sets: list[str]) -> Inspected:
    """Trace a program of a model, for a data set or for rows of a given shape.

    Raises:
        UnknownNameError: neither a model nor a folder has that name.
        OptionError: options that don't fit, or that contradict each other.
    """
    try:
        plugins.lookup("models", name)
    except UnknownNameError as error:
        raise UnknownNameError(f"{error} (and there is no folder {name})") from None
    layers = [{"model": {"name": name}}, parse_sets(sets)]
    if shapes.data is None:
        if shapes.target is not None:
            raise OptionError("--target goes with --data FILE")
        facts = _made_up(shapes)
        return _trace(*make_network(resolve_config(*layers, needs_data=False), facts), facts, kind, batch_size)
    if shapes.input_shape is not None or shapes.outputs is not None:
        raise OptionError("--input-shape and --outputs are for models without --data; the data say both")
    target = {} if shapes.target is None else {"data": {"target": shapes.target}}
    config = resolve_config(layers[0], merge(data_layer(shapes.data), target), layers[1])
    facts = DataFacts.of(load_data(config))
    return _trace(*make_network(config, facts), facts, kind, batch_size)


def _made_up(shapes: Shapes) -> DataFacts:
    """A classification of rows of the given shape."""
    outputs = 10 if shapes.outputs is None else shapes.outputs
    if outputs < 2:
        raise OptionError(f"--outputs is a number of classes, at least 2, not {outputs}")
    classes = tuple(str(number) for number in range(outputs))
    shape = _parse_shape("16" if shapes.input_shape is None else shapes.input_shape)
    scaling = ArrayScaling(shape, 1.0, label_encoding(classes))
    name = "data made up for lack of --data"
    return DataFacts(name, "classification", outputs, classes, shape, "float32", scaling, 0)


def _parse_shape(text: str) -> tuple[int, ...]:
    sizes = text.strip("()[] ").removesuffix(",").replace("x", ",").split(",")
    if not all(size.strip().isdecimal() and int(size) > 0 for size in sizes):
        raise OptionError(f"--input-shape takes the sizes of one row, such as 28,28,1, not {text!r}")
    return tuple(map(int, sizes))


def _trace(net: Module, config: Config, facts: DataFacts, kind: str, batch_size: int | None) -> Inspected:
    if kind not in PROGRAMS:
        raise OptionError(f"--program is training, evaluation or prediction, not {kind!r}")
    if batch_size is not None and batch_size < 1:
        raise OptionError(f"--batch-size must be at least 1, not {batch_size}")
    feed = build(net, facts)
    batch = batch_size or config["train"]["batch_size"]
    if kind == "training":
        tracing.attach(net)
        traced = tracing.trace_training(net, feed, batch)
    elif kind == "evaluation":
        traced = tracing.trace_evaluation(net, feed, batch)
    else:
        traced = tracing.trace_prediction(net, feed, batch)[0]
    workers = config["train"].get("workers") or 1
    return Inspected(net, traced.program, kind, batch, workers)


# --- showing ----------------------------------------------------------------------------------------------------------


def show(inspected: Inspected, *, graph: bool, memory: bool, source: bool) -> None:
    """Print what was asked for; the layers if nothing was."""
    program = inspected.program
    parts: list[Any] = []
    if not (graph or memory or source):
        parts.append(lambda: typer.echo(str(inspected.net.summary())))
    if graph:
        parts.append(lambda: typer.echo(_graph(program)))
    if memory:
        parts.append(lambda: _show_memory(program.plan, inspected.batch, inspected.workers))
    if source:
        parts.append(lambda: show_source(inspected.saved_source or program.source))
    for number, part in enumerate(parts):
        if number:
            typer.echo()
        part()


def as_data(inspected: Inspected, *, graph: bool, memory: bool, source: bool) -> dict[str, Any]:
    """Return the layers, and what was asked for besides, as plain values."""
    program = inspected.program
    data: dict[str, Any] = {
        "program": inspected.kind,
        "batch_size": inspected.batch,
        "workers": inspected.workers,
        "layers": [_layer(row) for row in layer_rows(inspected.net)],
    }
    if graph:
        data["graph"] = _graph(program)
    if memory:
        data["memory"] = {
            "buffers": [_buffer(cells) for cells in memory_table(program.plan)],
            "totals": dict(memory_totals(program.plan, inspected.batch, inspected.workers)),
        }
    if source:
        data["source"] = inspected.saved_source or program.source
    return data


def _layer(row: Row) -> dict[str, Any]:
    sizes = dict(zip(("parameters", "operations", "bytes"), row.sizes(), strict=True))
    return {"name": row.name, "kind": row.kind, "output": row.output, **sizes}


def _buffer(cells: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = dict(zip(MEMORY_COLUMNS, cells, strict=True))
    return found | {name: int(found[name].replace(",", "")) if found[name] else None for name in ("at", "bytes")}


def _graph(program: Program) -> str:
    return show_graph({each.name: each.result for each in program.variables if each.result is not None})


def _show_memory(plan: Plan, batch: int, workers: int) -> None:
    print_table(MEMORY_COLUMNS, memory_table(plan))
    typer.echo()
    totals: Sequence[tuple[str, int]] = memory_totals(plan, batch, workers)
    print_table(("total", "bytes"), [(name, f"{size:,}") for name, size in totals])


def show_source(text: str) -> None:
    """Print Python source: in colours on a terminal, as it is in a pipe."""
    if not to_terminal():
        typer.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console().print(Syntax(text, "python", theme="ansi_dark", background_color="default", word_wrap=True))
