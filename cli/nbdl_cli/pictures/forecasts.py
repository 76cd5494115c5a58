"""Forecasts against truth over time, beside the persistence forecast, by which everything stays as it is."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nbdl.data.series import SeriesWindows
from nbdl_cli.figures import BLACK, BLUE, RED, new_figure, number_text, percent, shortened
from nbdl_cli.pictures.predictions import in_units, rmse

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nbdl_cli.pictures.subject import Subject

LAST = 100  # steps that are drawn large enough to read
MOST_HORIZONS = 3
Lines = dict[str, np.ndarray]
LOOKS: dict[str, dict[str, Any]] = {
    "truth": {"color": BLACK, "linewidth": 1.4},
    "persistence": {"color": BLUE, "linewidth": 0.9, "linestyle": ":"},
    "forecast": {"color": RED, "linewidth": 1.1},
}


def draw_forecasts(subject: "Subject") -> "Figure":
    """Draw forecasts of the part that training hasn't seen, all of it and its end, with RMSEs in units.

    Several horizons have an axis each.

    Source: Hyndman, Koehler, Another Look at Measures of Forecast Accuracy, International Journal of Forecasting 22
    (2006).
    """
    preprocessing = subject.facts.preprocessing
    assert isinstance(preprocessing, SeriesWindows), "forecasts are offered for series only"
    true, predicted = in_units(subject)
    persistence = preprocessing.baseline(subject.rows.values)
    horizons = preprocessing.horizons[:MOST_HORIZONS]
    label = shortened(preprocessing.series) + (f" ({subject.unit})" if subject.unit else "")
    figure = new_figure(7, 3.0 + 2.5 * len(horizons))
    every, *ends = figure.subplots(1 + len(horizons), 1)
    for place, (axes, horizon) in enumerate(zip(ends, horizons, strict=True)):
        lines = {"truth": true[:, place], "persistence": persistence[:, place], "forecast": predicted[:, place]}
        times = subject.times(place)
        if place == 0:
            whole = {name: lines[name] for name in ("truth", "forecast")}
            _draw_lines(every, times, whole)
            every.set_title(f"all {len(times):,} {subject.part} rows, {_ahead(horizon)}")
            every.set_ylabel(label)
            every.legend(ncols=2, loc="upper left")
        _draw_lines(axes, times[-LAST:], {name: values[-LAST:] for name, values in lines.items()})
        axes.set_title(f"the last {min(LAST, len(times))}, {_ahead(horizon)}: {_compared(subject, lines)}")
        axes.set_ylabel(label)
        axes.legend(ncols=3, loc="upper left")
    ends[-1].set_xlabel("time" if times.dtype.kind == "M" else "row of the file")
    several = f" ({len(horizons)} of {len(preprocessing.horizons)} horizons)" if len(horizons) < true.shape[1] else ""
    figure.suptitle(f"{subject.name}{several}")
    return figure


def _ahead(steps: int) -> str:
    return f"{steps} {'step' if steps == 1 else 'steps'} ahead"


def _compared(subject: "Subject", lines: Lines) -> str:
    """The RMSEs of all rows, in units, and by how much the forecast's is the lower."""
    own, naive = (rmse(lines[name], lines["truth"]) for name in ("forecast", "persistence"))
    unit = f" {subject.unit}" if subject.unit else ""
    text = f"RMSE {number_text(own)}{unit}, persistence {number_text(naive)}{unit}"
    if not naive:
        return text
    return f"{text} ({percent(abs(1 - own / naive))} {'less' if own <= naive else 'more'})"


def _draw_lines(axes: "Axes", times: np.ndarray, lines: Lines) -> None:
    """Draw values over time, with gaps where rows are missing."""
    steps = np.diff(times)
    gaps = 1 + np.flatnonzero(steps > 1.5 * np.median(steps)) if len(steps) else np.array([], np.int64)
    for name, values in lines.items():
        for part, (when, what) in enumerate(zip(np.split(times, gaps), np.split(values, gaps), strict=True)):
            axes.plot(when, what, **LOOKS[name], label="_" if part else name, marker="." if len(when) == 1 else None)
    axes.margins(x=0.01)
    axes.grid()
    top = max(float(values.max()) for values in lines.values())
    low = min(float(values.min()) for values in lines.values())
    axes.set_ylim(low - 0.05 * (top - low), top + 0.25 * (top - low))  # room for the legend
