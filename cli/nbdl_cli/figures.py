"""The pictures of runs, drawn with matplotlib without a screen."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from nbdl.atomic import atomic_write
from nbdl.errors import OptionError, RunError
from nbdl.tensor_files import writing
from nbdl.train import RunFolder
from nbdl_cli.network import open_run
from nbdl_cli.predict import prediction_columns
from nbdl_cli.run_data import held_out_rows, load_data

# Okabe and Ito's colours: told apart with any kind of colour vision, and in print. https://jfly.uni-koeln.de/color/
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
ENDINGS = (".png", ".svg", ".pdf")
MARKED = 30  # up to this many epochs each gets a mark
WRITTEN = 20  # up to this many classes the counts are written into the matrix
MOST_POINTS = 5000


def check_picture_file(path: Path) -> None:
    """Raise `OptionError` for a file that no picture can be saved as."""
    if path.suffix.lower() not in ENDINGS:
        raise OptionError(f"--out {path} needs one of the endings {', '.join(ENDINGS)}")
    if not path.absolute().parent.is_dir():
        raise OptionError(f"--out {path}: there is no folder {path.absolute().parent}")


@contextmanager
def _figure(path: Path, **options: Any) -> Iterator[Any]:
    """Make a figure, and save it when the block ends well."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained", dpi=150, **options)
    FigureCanvasAgg(figure)
    yield figure
    with writing(path):
        path.parent.mkdir(exist_ok=True)
        with atomic_write(path) as file:
            figure.savefig(file, format=path.suffix[1:].lower())


# --- learning curves --------------------------------------------------------------------------------------------------


def draw_curves(runs: Sequence[Path], out: Path | None) -> Path:
    """Draw what runs measured, an axis for each number, training solid and validation dashed; return the file.

    Without `out` it is `plots/curves.png` in the run's folder; for several `plots/comparison.png` in that of the first.

    Raises:
        RunError: no run, or one that hasn't finished an epoch.
    """
    folders = [RunFolder.open(run) for run in runs]
    tables = {name: folder.metrics.rows() for name, folder in zip(_labels(runs), folders, strict=True)}
    for run, rows in zip(runs, tables.values(), strict=True):
        if not rows:
            raise RunError(f"{run} has finished no epoch yet, so there is nothing to draw")
    names = _measured(tables)
    path = out or folders[0].plots / ("curves.png" if len(runs) == 1 else "comparison.png")
    columns = 2 if len(names) == 4 else min(len(names), 3)
    lines = -(-len(names) // columns)
    with _figure(path, figsize=(1 + 4.2 * columns, 0.6 + 3.2 * lines)) as figure:
        for place, name in enumerate(names):
            axes = figure.add_subplot(lines, columns, place + 1)
            _draw_number(axes, name, tables)
        title = next(iter(tables)) if len(tables) == 1 else "Comparison of runs"
        figure.suptitle(title)
    return path


def _labels(runs: Sequence[Path]) -> list[str]:
    """Short names that tell runs apart."""
    short = [run.resolve().name for run in runs]
    return short if len(set(short)) == len(short) else [str(run) for run in runs]


def _measured(tables: dict[str, list[dict[str, float]]]) -> list[str]:
    """What was measured in any run, on training or validation rows."""
    names = [name for rows in tables.values() for row in rows for name in row if name != "epoch"]
    return list(dict.fromkeys(name.removeprefix("val_") for name in names))


def _draw_number(axes: Any, name: str, tables: dict[str, list[dict[str, float]]]) -> None:
    from matplotlib.ticker import MaxNLocator

    for number, (run, rows) in enumerate(tables.items()):
        for column, style, part in ((name, "-", "training"), (f"val_{name}", "--", "validation")):
            points = [(row["epoch"] + 1, row[column]) for row in rows if column in row]
            if points:
                # One run: two colours; several: a colour each, so that the style alone tells the parts apart.
                color = COLORS[(number if len(tables) > 1 else style == "--") % len(COLORS)]
                label = part if len(tables) == 1 else f"{run}, {part}"
                mark = "o" if len(points) <= MARKED else None
                axes.plot(*zip(*points, strict=True), style, color=color, label=label, marker=mark, markersize=3)
    axes.set_xlabel("epoch")
    axes.set_ylabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


# --- predictions ------------------------------------------------------------------------------------------------------


def draw_predictions(run: Path) -> Path:
    """Draw a confusion matrix, or predicted against true values, on the rows that training hasn't seen.

    Raises:
        RunError, DataError: weights or data can't be read.
    """
    opened = open_run(run)
    part, rows = held_out_rows(load_data(opened.config), opened.config)
    columns = prediction_columns(opened, opened.net.predict(rows.x))
    title = f"{run.resolve().name}: {len(rows):,} {part} rows"
    if opened.facts.classes is not None:
        place = {name: number for number, name in enumerate(opened.facts.classes)}
        predicted = np.array([place[str(name)] for name in columns["prediction"]])
        return _draw_confusion(opened.folder, opened.facts.classes, rows.y, predicted, title)
    true = opened.facts.preprocessing.inverse_target(rows.y)
    return _draw_scatter(
        opened.folder,
        {name: (true[:, place], np.asarray(values)) for place, (name, values) in enumerate(columns.items())},
        title,
    )


def _draw_confusion(
    folder: RunFolder, classes: Sequence[str], true: np.ndarray, predicted: np.ndarray, title: str
) -> Path:
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (true, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    path = folder.plots / "confusion.png"
    side = min(max(4.5, 2 + 0.45 * len(classes)), 16)
    with _figure(path, figsize=(side + 1, side)) as figure:
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
        figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
        axes.set_title(f"{title}, {np.trace(counts) / max(counts.sum(), 1):.1%} right")
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        if len(classes) <= 3 * WRITTEN:
            turned = max(map(len, classes)) > 3
            axes.set_xticks(
                range(len(classes)), classes, rotation=45 if turned else 0, ha="right" if turned else "center"
            )
            axes.set_yticks(range(len(classes)), classes)
        if len(classes) <= WRITTEN:
            for (row, column), count in np.ndenumerate(counts):
                color = "white" if shares[row, column] < 0.5 else "black"
                axes.text(column, row, f"{count:,}", ha="center", va="center", color=color, fontsize="small")
    return path


def _draw_scatter(folder: RunFolder, targets: dict[str, tuple[np.ndarray, np.ndarray]], title: str) -> Path:
    path = folder.plots / "predictions.png"
    with _figure(path, figsize=(5 * len(targets), 5)) as figure:
        for number, (name, (true, predicted)) in enumerate(targets.items()):
            axes = figure.add_subplot(1, len(targets), number + 1)
            step = -(-len(true) // MOST_POINTS)
            alpha = 0.25 if len(true) > 500 else 0.7
            axes.plot(
                true[::step], predicted[::step], "o", color=COLORS[0], markersize=4, alpha=alpha, markeredgewidth=0
            )
            ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
            axes.plot(ends, ends, "-", color=COLORS[1], linewidth=1, label="predicted = true")
            axes.set_xlabel(f"true {name}")
            axes.set_ylabel(f"predicted {name}")
            axes.grid(alpha=0.3)
            axes.legend(fontsize="small")
        figure.suptitle(title)
    return path
