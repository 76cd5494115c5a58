"""Samples: what a network generates now, and how it learned to, epoch by epoch."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nbdl.errors import DataError
from nbdl.tensor_files import load_tensors
from nbdl_cli.figures import mosaic, new_figure, show_image, some

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nbdl_cli.pictures.subject import Subject

FILE = re.compile(r"epoch-(\d+)\.safetensors")
COUNT = 64
COLUMNS = 8  # of the grid of the last epoch
EPOCHS = 8  # lines of the development
SHOWN = 10  # samples in a line
Kept = dict[int, np.ndarray]


def draw_samples(subject: "Subject") -> "Figure":
    """Draw what the same noise became in some epochs, a line each, and all samples of the last one.

    Raises:
        DataError: the samples are no images of the data's shape.
        RunError: a file of samples is damaged.
    """
    kept = read_samples(subject.folder.samples)
    if not kept:
        generate = subject.method("generate")
        assert generate is not None, "samples are offered for networks that generate"
        kept = {_last_epoch(subject): np.asarray(generate(COUNT, seed=0))}
    for samples in kept.values():
        if np.prod(samples.shape[1:]) != np.prod(subject.facts.input_shape):
            raise DataError(f"the network generates rows of shape {samples.shape[1:]}, no images of "
                            f"{subject.facts.input_shape}")
    return _draw(subject, dict(sorted(kept.items())))


def read_samples(folder: Path) -> Kept:
    """Return the samples in a folder by their epochs. Raises `RunError` for a file that is damaged."""
    found = [(FILE.fullmatch(path.name), path) for path in folder.iterdir()] if folder.is_dir() else []
    arrays = {int(match[1]): load_tensors(path)[0] for match, path in found if match}
    return {epoch: each["samples"] for epoch, each in arrays.items() if "samples" in each}


def _last_epoch(subject: "Subject") -> int:
    return len(subject.folder.metrics.rows())


def _draw(subject: "Subject", kept: Kept) -> "Figure":
    epochs = list(kept)
    last = kept[epochs[-1]][:COUNT]
    chosen = [epochs[place] for place in some(len(epochs), EPOCHS)] if len(epochs) > 1 else []
    grid_lines = -(-len(last) // COLUMNS)
    heights = [0.62 * len(chosen)] * bool(chosen) + [0.62 * grid_lines]
    figure = new_figure(7 if chosen else 5.5, 0.8 + 0.3 * len(heights) + sum(heights))
    parts = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    if chosen:
        _draw_development(parts[0], subject, {epoch: kept[epoch] for epoch in chosen})
    show_image(parts[-1], mosaic(subject.images(last), COLUMNS), cmap="gray", vmin=0, vmax=1)
    parts[-1].set_title(f"{len(last)} samples after epoch {epochs[-1]}")
    figure.suptitle(subject.name)
    return figure


def _draw_development(axes: "Axes", subject: "Subject", kept: Kept) -> None:
    """A line of samples for each epoch; a column is the same noise."""
    lines = [subject.images(samples[:SHOWN]) for samples in kept.values()]
    board = mosaic(np.concatenate(lines), len(lines[0]))
    show_image(axes, board, cmap="gray", vmin=0, vmax=1)
    height = (len(board) + 1) / len(lines)
    axes.set_yticks([height * (number + 0.5) for number in range(len(lines))], [str(epoch) for epoch in kept])
    axes.tick_params(length=0)
    axes.set_ylabel("epoch")
    axes.set_title("the same noise as training went on")
