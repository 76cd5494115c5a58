"""Reconstructions: what goes into an autoencoder, and what comes out of it."""

from typing import TYPE_CHECKING

import numpy as np

from nbdl.data import Split
from nbdl_cli.figures import BLUE, COLORS, GREEN, RED, mosaic, new_figure, shortened, show_image, some

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nbdl_cli.pictures.subject import Subject

IN_A_ROW = 10  # images
BLOCKS = 3  # times originals, and what became of them
CURVES = 6  # rows that are no images
TOLD_APART = 3  # channels that are drawn of a sequence
NAMED = 16  # up to this many features their names fit below
LINES = {"original": (BLUE, "-", "o"), "noisy": (GREEN, ":", "."), "given back": (RED, "--", "x")}


def draw_reconstructions(subject: "Subject") -> "Figure":
    """Draw rows unseen in training and what the network gives back; where it removes noise, also the noisy input."""
    rows = subject.rows
    noise = float(getattr(subject.net, "noise", 0.0) or 0.0)
    noisy = rows.values
    if noise:
        noisy = (noisy + noise * np.random.default_rng(0).normal(size=noisy.shape)).astype(np.float32)
    x = noisy if rows.lengths is None else (noisy, rows.lengths)
    returned = subject.predict(Split(x, rows.y)).reshape(noisy.shape)
    images = subject.image_shape is not None
    chosen = some(len(rows), BLOCKS * IN_A_ROW if images else CURVES)
    kinds = {"original": rows.values, "noisy": noisy, "given back": returned}
    shown = {kind: values[chosen] for kind, values in kinds.items() if noise or kind != "noisy"}
    figure = _draw_images(subject, shown) if images else _draw_curves(subject, shown, rows.take(chosen).lengths)
    before = f" (noisy: {_error(noisy, rows.values):.3g})" if noise else ""
    figure.suptitle(subject.title(f"mean squared error {_error(returned, rows.values):.3g}{before}"))
    return figure


def _error(values: np.ndarray, original: np.ndarray) -> float:
    return float(np.mean(np.square(values - original), dtype=np.float64))


def _draw_images(subject: "Subject", kinds: dict[str, np.ndarray]) -> "Figure":
    count = len(kinds["original"])
    blocks = -(-count // IN_A_ROW)
    figure = new_figure(7, 0.35 + blocks * (0.64 * len(kinds) + 0.14))
    for place, axes in enumerate(figure.subplots(blocks, 1, squeeze=False).flat):
        boards = [subject.images(values[place * IN_A_ROW : (place + 1) * IN_A_ROW]) for values in kinds.values()]
        board = mosaic(np.concatenate(boards), len(boards[0]))
        show_image(axes, board, cmap="gray", vmin=0, vmax=1)
        line = (len(board) + 1) / len(kinds)
        axes.set_yticks([line * (number + 0.5) for number in range(len(kinds))], list(kinds))
        axes.tick_params(length=0)
    return figure


def _draw_curves(subject: "Subject", kinds: dict[str, np.ndarray], lengths: np.ndarray | None) -> "Figure":
    """A panel for each row: a sequence over its steps, or a table's row over its features."""
    count = len(kinds["original"])
    lines = -(-count // 2)
    figure = new_figure(7, 1.0 + 2.0 * lines)
    places = list(figure.subplots(lines, 2, squeeze=False, sharex=True, sharey=True).flat)
    for row, axes in enumerate(places[:count]):
        for kind, values in kinds.items():
            _draw_row(axes, kind, values[row][: None if lengths is None else lengths[row]])
        axes.grid()
    for axes in places[count:]:
        axes.set_visible(False)
    for axes in places[::2]:
        axes.set_ylabel("scaled value")
    for axes in places[-2:]:
        _name_places(axes, subject)
    handles, labels = places[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles))
    return figure


def _draw_row(axes: "Axes", kind: str, values: np.ndarray) -> None:
    color, style, mark = LINES[kind]
    if values.ndim == 1:
        axes.plot(values, mark, color=color, label=kind, markersize=4)
        return
    values = values.reshape(len(values), -1)
    for channel in range(min(values.shape[1], TOLD_APART)):
        several = values.shape[1] > 1
        label = f"{kind}, channel {channel + 1}" if several else kind
        axes.plot(np.arange(1, len(values) + 1), values[:, channel], style, color=COLORS[channel] if several else color,
                  label=label, linewidth=1)


def _name_places(axes: "Axes", subject: "Subject") -> None:
    if len(subject.facts.input_shape) > 1:
        axes.set_xlabel("step")
        return
    names = [shortened(subject.feature(place)[0], 18) for place in range(subject.facts.input_shape[0])]
    if len(names) <= NAMED:
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=6)
    else:
        axes.set_xlabel("feature")
