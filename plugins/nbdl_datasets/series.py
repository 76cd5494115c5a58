"""series, and four that are known: columns over time, to forecast one of them."""

from pathlib import Path

from nbdl.data.dataset import Dataset
from nbdl.data.files import find_file, find_in_folders
from nbdl.data.series_dataset import load_series

POLLUTION_COLUMNS = ("pm2.5", "DEWP", "TEMP", "PRES", "Iws", "Is", "Ir", "cbwd")


def series(
    *,
    path: Path,
    data_dir: Path | None = None,
    seed: int = 0,
    target: str | None = None,
    columns: tuple[str, ...] = (),
    window: int = 24,
    horizon: int | tuple[int, ...] = 1,
    step: int = 1,
    unit: str = "",
    validation_fraction: float = 0.1,
    test_fraction: float = 0.2,
) -> Dataset:
    """Forecasts of a column of a CSV file whose rows follow one another in time.

    x is `(rows, window, channels)`, y the target's value `horizon` rows further on. The parts follow one another in
    time, 70 %, 10 % and 20 % of the rows; columns are scaled by mean and standard deviation of the training part.
    Categories are one-hot. A missing value is taken as the last known one, and columns that miss many get a channel
    that says where; windows whose target is missing are left out. Results come with the persistence forecast's.

    Args:
        path: a CSV file with a header, also looked for below `data_dir` and `NBDL_DATA`.
        data_dir: folder to look for files in.
        seed: has nothing to choose.
        target: the column to forecast; not needed if only one holds numbers.
        columns: what is looked at besides the target; all columns if none are named.
        window: rows that a forecast looks at.
        horizon: how many rows further on the target lies; several, such as [1,2,3], for several targets.
        step: how many rows after another a window begins.
        unit: what the target is measured in, for people: `°C`.
        validation_fraction: share of the rows for validation, before those for testing.
        test_fraction: share of the rows for testing, at the end.

    Raises:
        DataError: no such column, text among numbers, fewer rows than a window takes.

    Source: Box, Jenkins, Time Series Analysis: Forecasting and Control (1970).
    """
    found = find_file(path, data_dir)
    return load_series(found.stem, found, target=target, columns=columns, window=window, horizon=horizon, step=step,
                       unit=unit, validation_fraction=validation_fraction, test_fraction=test_fraction)


def airline(*, data_dir: Path | None = None, seed: int = 0, window: int = 12, horizon: int | tuple[int, ...] = 1,
            validation_fraction: float = 0.1, test_fraction: float = 0.2) -> Dataset:
    """Airline passengers a month in thousands, 1949 to 1960; 144 rows, to forecast the next month: see `series`.

    The file `airline-passengers.csv` is looked for in a folder `timeseries` below `data_dir` and `NBDL_DATA`.

    Args:
        data_dir: folder to look for the file in.
        seed: has nothing to choose.
        window: months that a forecast looks at.
        horizon: how many months further on the target lies.
        validation_fraction: share of the months for validation.
        test_fraction: share of the months for testing.

    Source: Box, Jenkins, Time Series Analysis: Forecasting and Control (1970), series G.
    """
    path = find_in_folders("timeseries", "airline-passengers.csv", data_dir)
    return load_series("airline", path, target="Passengers", columns=("Passengers",), window=window, horizon=horizon,
                       unit="thousand", validation_fraction=validation_fraction, test_fraction=test_fraction)


def sunspots(*, data_dir: Path | None = None, seed: int = 0, window: int = 132, horizon: int | tuple[int, ...] = 1,
             validation_fraction: float = 0.1, test_fraction: float = 0.2) -> Dataset:
    """Sunspots by month, 1749 to 1983; 2,820 rows, to forecast the next month: see `series`.

    The file `monthly-sunspots.csv` is looked for in a folder `timeseries` below `data_dir` and `NBDL_DATA`.

    Args:
        data_dir: folder to look for the file in.
        seed: has nothing to choose.
        window: months that a forecast looks at; a cycle of the sun takes about 132.
        horizon: how many months further on the target lies.
        validation_fraction: share of the months for validation.
        test_fraction: share of the months for testing.

    Source: Andrews, Herzberg, Data: A Collection of Problems from Many Fields (1985), table 11.1.
    """
    path = find_in_folders("timeseries", "monthly-sunspots.csv", data_dir)
    return load_series("sunspots", path, target="Sunspots", columns=("Sunspots",), window=window, horizon=horizon,
                       validation_fraction=validation_fraction, test_fraction=test_fraction)


def temperatures(*, data_dir: Path | None = None, seed: int = 0, window: int = 28, horizon: int | tuple[int, ...] = 1,
                 validation_fraction: float = 0.1, test_fraction: float = 0.2) -> Dataset:
    """Lowest temperatures of the days in Melbourne in °C, 1981 to 1990; 3,650 rows, to forecast the next: see `series`.

    The file `daily-min-temperatures.csv` is looked for in a folder `timeseries` below `data_dir` and `NBDL_DATA`.

    Args:
        data_dir: folder to look for the file in.
        seed: has nothing to choose.
        window: days that a forecast looks at.
        horizon: how many days further on the target lies.
        validation_fraction: share of the days for validation.
        test_fraction: share of the days for testing.

    Source: Australian Bureau of Meteorology; Hyndman, Time Series Data Library.
    """
    path = find_in_folders("timeseries", "daily-min-temperatures.csv", data_dir)
    return load_series("temperatures", path, target="Temp", columns=("Temp",), window=window, horizon=horizon,
                       unit="°C", validation_fraction=validation_fraction, test_fraction=test_fraction)


def pollution(*, data_dir: Path | None = None, seed: int = 0, columns: tuple[str, ...] = POLLUTION_COLUMNS,
              window: int = 24, horizon: int | tuple[int, ...] = 6, step: int = 1, validation_fraction: float = 0.1,
              test_fraction: float = 0.2) -> Dataset:
    """Fine dust in Beijing by hour, with the weather, 2010 to 2014; 43,824 rows, to forecast six hours ahead.

    The dust is PM2.5 in µg/m³, and 2,067 rows lack it: see `series` for what becomes of them. The file `pollution.csv`
    is looked for in a folder `timeseries` below `data_dir` and `NBDL_DATA`.

    Args:
        data_dir: folder to look for the file in.
        seed: has nothing to choose.
        columns: what is looked at besides `pm2.5`: dew point, temperature, pressure, wind speed, hours of snow and
            rain, wind direction; year, month, day and hour are in the file too.
        window: hours that a forecast looks at.
        horizon: how many hours further on the target lies.
        step: how many hours after another a window begins.
        validation_fraction: share of the hours for validation.
        test_fraction: share of the hours for testing.

    Source: Liang et al., Assessing Beijing's PM2.5 Pollution, Proceedings of the Royal Society A 471 (2015),
    https://doi.org/10.24432/C5JS49.
    """
    path = find_in_folders("timeseries", "pollution.csv", data_dir)
    return load_series("pollution", path, target="pm2.5", columns=columns, window=window, horizon=horizon, step=step,
                       unit="µg/m³", validation_fraction=validation_fraction, test_fraction=test_fraction)
