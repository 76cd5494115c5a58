"""ts, and four data sets of the UCR and UEA archives: labelled sequences."""

from pathlib import Path

from nbdl.data.dataset import Dataset
from nbdl.data.files import find_in_folders
from nbdl.data.sequences import load_ts


def ts(*, path: Path, data_dir: Path | None = None, seed: int = 0, test_file: Path | None = None,
       test_fraction: float = 0.2, validation_fraction: float = 0.0) -> Dataset:
    """Labelled sequences from a .ts file, the format of the UCR and UEA archives; `--data NAME_TRAIN.ts` is the same.

    x is `(rows, time, channels)`, standardised by channel; with sequences of different lengths `(values, lengths)`.

    Args:
        path: the file, also looked for below `data_dir` and `NBDL_DATA`.
        data_dir: folder to look for files in.
        seed: which sequences go where.
        test_file: a file with the test sequences; `NAME_TEST.ts` beside `NAME_TRAIN.ts` is found by itself.
        test_fraction: share of the sequences for testing, if there is no file with them.
        validation_fraction: share of the other sequences for validation.

    Raises:
        DataError: no such file, one that is cut off, has no labels, or other channels in the test file.

    Source: Bagnall et al., The UEA Multivariate Time Series Classification Archive, arXiv:1811.00075 (2018).
    """
    return load_ts(path, test_file=test_file, test_fraction=test_fraction, validation_fraction=validation_fraction,
                   data_dir=data_dir, seed=seed)


def japanese_vowels(*, data_dir: Path | None = None, seed: int = 0, validation_fraction: float = 0.0) -> Dataset:
    """Nine speakers of two Japanese vowels, by 12 channels in 7 to 29 steps; 270 training and 370 test rows.

    The channels are coefficients of linear prediction. The files `JapaneseVowels_TRAIN.ts` and `_TEST.ts` are looked
    for in a folder `ucr` below `data_dir` and `NBDL_DATA`.

    Args:
        data_dir: folder to look for the files in.
        seed: which sequences are for validation.
        validation_fraction: share of the training sequences for validation.

    Source: Kudo, Toyama, Shimbo, Multidimensional Curve Classification Using Passing-Through Regions, Pattern
    Recognition Letters 20 (1999).
    """
    return _archived("JapaneseVowels", data_dir, seed, validation_fraction)


def italy_power(*, data_dir: Path | None = None, seed: int = 0, validation_fraction: float = 0.0) -> Dataset:
    """Days of electric power in Italy by hour, of summer or of winter; 67 training and 1,029 test rows.

    The files `ItalyPowerDemand_TRAIN.ts` and `_TEST.ts` are looked for in a folder `ucr` below `data_dir` and
    `NBDL_DATA`.

    Args:
        data_dir: folder to look for the files in.
        seed: which sequences are for validation.
        validation_fraction: share of the training sequences for validation.

    Source: Keogh et al., Intelligent Icons: Integrating Lite-Weight Data Mining and Visualization into GUI Operating
    Systems, ICDM 2006.
    """
    return _archived("ItalyPowerDemand", data_dir, seed, validation_fraction)


def gunpoint(*, data_dir: Path | None = None, seed: int = 0, validation_fraction: float = 0.0) -> Dataset:
    """A hand that draws a gun or only points, by its height in 150 pictures; 50 training and 150 test rows.

    The files `GunPoint_TRAIN.ts` and `_TEST.ts` are looked for in a folder `ucr` below `data_dir` and `NBDL_DATA`.

    Args:
        data_dir: folder to look for the files in.
        seed: which sequences are for validation.
        validation_fraction: share of the training sequences for validation.

    Source: Ratanamahatana, Keogh, Making Time-Series Classification More Accurate Using Learned Constraints, SDM 2004.
    """
    return _archived("GunPoint", data_dir, seed, validation_fraction)


def basic_motions(*, data_dir: Path | None = None, seed: int = 0, validation_fraction: float = 0.0) -> Dataset:
    """Standing, running, walking or badminton, by six channels of a watch in 100 steps; 40 training and 40 test rows.

    The channels are three axes each of acceleration and of turning. The files `BasicMotions_TRAIN.ts` and `_TEST.ts`
    are looked for in a folder `ucr` below `data_dir` and `NBDL_DATA`.

    Args:
        data_dir: folder to look for the files in.
        seed: which sequences are for validation.
        validation_fraction: share of the training sequences for validation.

    Source: Bagnall et al., The UEA Multivariate Time Series Classification Archive, arXiv:1811.00075 (2018).
    """
    return _archived("BasicMotions", data_dir, seed, validation_fraction)


def _archived(name: str, data_dir: Path | None, seed: int, validation_fraction: float) -> Dataset:
    train, test = (find_in_folders("ucr", f"{name}_{part}.ts", data_dir) for part in ("TRAIN", "TEST"))
    return load_ts(train, test_file=test, validation_fraction=validation_fraction, seed=seed)
