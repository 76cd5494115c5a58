"""The latent-space map: where the codes of rows lie, in the two directions in which they differ most."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nbdl.errors import DataError
from nbdl_cli.figures import BLACK, BLUE, COLORS, MARKS, new_figure, percent, some

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nbdl_cli.pictures.subject import Subject

MOST_POINTS = 3000
FEW = 300  # points that are drawn larger
MOST_CLASSES = 20


def draw_latent(subject: "Subject") -> "Figure":
    """Draw the codes of rows unseen in training, coloured by class or by target.

    Codes of more than two numbers are drawn by their first two principal components.

    Raises:
        DataError: the network's codes aren't rows of numbers, or differ nowhere.

    Source: Pearson, On Lines and Planes of Closest Fit to Systems of Points in Space (1901).
    """
    encode = subject.method("encode")
    assert encode is not None, "the map is offered for networks that encode"
    rows = subject.rows.take(some(len(subject.rows), MOST_POINTS))
    codes = np.asarray(encode(rows.values), np.float64)
    if codes.ndim < 2 or len(codes) != len(rows) or not np.isfinite(codes).all():
        raise DataError(f"the network's codes have the shape {codes.shape}, or aren't finite; a row each is needed")
    places, names = _two(codes.reshape(len(rows), -1))
    figure = new_figure(6.6, 5.6)
    axes = figure.add_subplot()
    if subject.facts.task == "classification" and len(subject.classes) <= MOST_CLASSES:
        _draw_classes(axes, places, rows.y, subject.classes)
    else:
        _draw_values(figure, axes, places, subject, rows.y)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    axes.grid()
    size = int(np.prod(codes.shape[1:]))
    of = f" ({len(rows):,} of them drawn)" if len(rows) < len(subject.rows) else ""
    figure.suptitle(f"{subject.title()}{of}, codes of {size} {'number' if size == 1 else 'numbers'}")
    return figure


def _two(codes: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Two numbers for each code, and what they are."""
    if codes.shape[1] == 1:
        return np.stack([codes[:, 0], np.arange(len(codes))], axis=1), ("code", "row")
    if codes.shape[1] == 2:
        return codes, ("first number of the code", "second number of the code")
    from sklearn.decomposition import PCA

    if not codes.std(axis=0).any():
        raise DataError("the network gives all rows the same code, so there is no map to draw")
    found = PCA(n_components=2, svd_solver="full").fit(codes)
    names = [f"{name} principal component ({percent(float(share))} of the variance)"
             for name, share in zip(("first", "second"), found.explained_variance_ratio_, strict=True)]
    return found.transform(codes), (names[0], names[1])


def _draw_classes(axes: "Axes", places: np.ndarray, labels: np.ndarray, classes: list[str]) -> None:
    from matplotlib.patheffects import withStroke

    size = 3.5 if len(places) > FEW else 6
    for number, name in enumerate(classes):
        chosen = places[labels == number]
        if len(chosen):
            axes.plot(*chosen.T, linestyle="none", marker=MARKS[number % len(MARKS)], markersize=size, alpha=0.6,
                      color=COLORS[number % len(COLORS)], markeredgewidth=0, label=name)
            middle = np.median(chosen, axis=0)
            axes.text(middle[0], middle[1], name, ha="center", va="center", fontsize=10, fontweight="bold", color=BLACK,
                      path_effects=[withStroke(linewidth=3, foreground="white")])
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, markerscale=1.6)


def _draw_values(figure: "Figure", axes: "Axes", places: np.ndarray, subject: "Subject", y: np.ndarray) -> None:
    options: dict[str, Any] = {"s": 10, "linewidths": 0}
    if subject.facts.task != "regression":
        axes.scatter(places[:, 0], places[:, 1], color=BLUE, alpha=0.6, **options)
        return
    values = np.asarray(subject.facts.preprocessing.inverse_target(y))[:, 0]
    points = axes.scatter(places[:, 0], places[:, 1], c=values, cmap="viridis", **options)
    figure.colorbar(points, ax=axes, label=subject.targets[0], shrink=0.8)
