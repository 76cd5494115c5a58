"""One door to all data: a registered name, or the path of a CSV, NPZ or .ts file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbdl.data.csv_dataset import load_csv
from nbdl.data.dataset import Dataset
from nbdl.data.npz_dataset import load_npz
from nbdl.data.sequences import load_ts
from nbdl.errors import OptionError, PluginError, UnknownNameError
from nbdl.options import read_options

CSV_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".data")
NPZ_ENDINGS = (".npz",)
TS_ENDINGS = (".ts",)
ENDINGS = CSV_ENDINGS + NPZ_ENDINGS + TS_ENDINGS


def load(name_or_path: str | Path, *, target: str | None = None, data_dir: Path | str | None = None, seed: int = 0,
         **options: Any) -> Dataset:
    """Return a data set: one that a plugin registered, or one made of a CSV, NPZ or .ts file.

    A text with a path separator or one of the endings .csv, .tsv, .txt, .data (also with .gz), .npz and .ts is a path.

    Args:
        name_or_path: for example "mnist" or "houses.csv".
        target: the column (of a CSV file or a series) or array (of an NPZ file) to predict.
        data_dir: where files are looked for.
        seed: decides how rows are split.
        options: those of the data set, or of `load_csv`, `load_npz` and `load_ts`.

    Raises:
        DataError: the data can't be trained on.
        UnknownNameError: no data set has that name.
        OptionError: an option that doesn't exist or doesn't fit.
        PluginError: what a plugin registered makes no `Dataset`.

    >>> from nbdl.data import load
    >>> load("digits", seed=1).outputs  # doctest: +SKIP
    10
    """
    folder = None if data_dir is None else Path(data_dir)
    reader = file_reader(name_or_path)
    if reader is not None:
        owner = f"data from {Path(name_or_path).name}"
        checked = read_options(reader, arguments=1, supplied=("data_dir", "seed")).check(
            options | ({} if target is None else {"target": str(target)}), owner)
        return reader(Path(name_or_path), data_dir=folder, seed=seed, **checked)
    found = _registered(str(name_or_path))
    if target is not None:
        if "target" not in found.options.names:
            raise OptionError(f"target={target!r} says what to predict in a file; the data set {str(name_or_path)!r} "
                              "has its own.")
        options["target"] = target
    dataset = found.make(data_dir=folder, seed=seed, **options)
    if not isinstance(dataset, Dataset):
        raise PluginError(f"the {found.label} is made as {type(dataset).__name__}; it must be an nbdl.data.Dataset")
    return dataset


def file_reader(name_or_path: str | Path) -> Callable[..., Dataset] | None:
    """Return `load_csv`, `load_npz` or `load_ts` for the path of a file, None for the name of a data set.

    >>> file_reader("houses.csv").__name__, file_reader("digits")
    ('load_csv', None)
    """
    text = str(name_or_path).lower()
    if text.endswith(NPZ_ENDINGS):
        return load_npz
    if text.endswith(TS_ENDINGS):
        return load_ts
    if text.endswith(CSV_ENDINGS) or isinstance(name_or_path, Path) or "/" in text or "\\" in text:
        return load_csv
    return None


def _registered(name: str) -> Any:
    from nbdl.plugins import lookup

    try:
        return lookup("datasets", name)
    except UnknownNameError as error:
        raise UnknownNameError(f"{error} (A file needs one of the endings {', '.join(ENDINGS)}, or a path such as "
                               f"./{name}.)") from None
