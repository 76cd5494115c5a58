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
MANY = 1000  # steps from which lines are thinner
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
    figure = new_figure(7, 3.1 + 2.6 * len(horizons))
    every, *ends = figure.subplots(1 + len(horizons), 1)
    errors = []
    for place, (axes, horizon) in enumerate(zip(ends, horizons, strict=True)):
        lines = {"truth": true[:, place], "persistence": persistence[:, place], "forecast": predicted[:, place]}
        times = subject.times(place)
        if place == 0:
            _draw_lines(every, times, {name: lines[name] for name in ("truth", "forecast")})
            every.set_title(f"all of them, {_ahead(horizon)}")
        _draw_lines(axes, times[-LAST:], {name: values[-LAST:] for name, values in lines.items()})
        axes.set_title(f"the last {min(LAST, len(times))}, {_ahead(horizon)}")
        errors.append(f"{_ahead(horizon)}: {_compared(subject, lines)}")
    for axes in (every, *ends):
        axes.set_ylabel(shortened(preprocessing.series) + (f" ({subject.unit})" if subject.unit else ""))
    if len(horizons) < len(preprocessing.horizons):
        errors.append(f"{len(preprocessing.horizons) - len(horizons)} more horizons aren't drawn")
    figure.suptitle("\n".join([subject.title(), *errors]))
    return figure


def _ahead(steps: int) -> str:
    return f"{steps} {'step' if steps == 1 else 'steps'} ahead"


def _when(times: np.ndarray) -> str:
    """The name of the time axis, with its ends."""
    if times.dtype.kind != "M":
        return "row of the file"
    days = times.astype("datetime64[D]") if np.datetime_data(times.dtype)[0] not in "YM" else times
    return f"time, {days[0]} to {days[-1]}"


def _compared(subject: "Subject", lines: Lines) -> str:
    """The RMSEs of all rows, in units, and by how much the forecast's is below that of persistence."""
    own, naive = (rmse(lines[name], lines["truth"]) for name in ("forecast", "persistence"))
    unit = f" {subject.unit}" if subject.unit else ""
    text = f"RMSE {number_text(own)}{unit}"
    if not naive:
        return text
    side = "below" if own <= naive else "above"
    return f"{text}, {percent(abs(1 - own / naive))} {side} persistence ({number_text(naive)}{unit})"


def _draw_lines(axes: "Axes", times: np.ndarray, lines: Lines) -> None:
    """Draw values over time, with gaps where rows are missing."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    steps = np.diff(times)
    gaps = 1 + np.flatnonzero(steps > 1.5 * np.median(steps)) if len(steps) else np.array([], np.int64)
    for name, values in lines.items():
        for part, (when, what) in enumerate(zip(np.split(times, gaps), np.split(values, gaps), strict=True)):
            look = LOOKS[name] | ({"linewidth": 0.7} if len(values) > MANY else {})
            axes.plot(when, what, **look, label="_" if part else name, marker="." if len(when) == 1 else None)
    if times.dtype.kind == "M":
        locator = AutoDateLocator(maxticks=9)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    axes.set_xlabel(_when(times))
    axes.margins(x=0.01)
    axes.legend(ncols=len(lines), loc="upper left")
    axes.grid()
    top = max(float(values.max()) for values in lines.values())
    low = min(float(values.min()) for values in lines.values())
    axes.set_ylim(low - 0.05 * (top - low), top + 0.25 * (top - low))  # room for the legend
