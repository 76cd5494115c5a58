"""iris, wine, breast_cancer and diabetes: the small tables that come with scikit-learn, standardised."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from nbdl.data.dataset import Dataset
from nbdl.data.table import Table
from nbdl.data.table_dataset import table_dataset


def iris(*, data_dir: Path | None = None, seed: int = 0, test_fraction: float = 0.2,
         validation_fraction: float = 0.0) -> Dataset:
    """Three species of iris by 4 measures of their flowers; 150 rows. Part of scikit-learn: no download.

    Args:
        data_dir: not needed.
        seed: which rows are for testing.
        test_fraction: share of the rows for testing.
        validation_fraction: share of the rows for validation.

    Source: Fisher, 1936, https://doi.org/10.24432/C56C76.
    """
    from sklearn.datasets import load_iris

    return _classification("iris", "species", load_iris(), test_fraction, validation_fraction, seed)


def wine(*, data_dir: Path | None = None, seed: int = 0, test_fraction: float = 0.2,
         validation_fraction: float = 0.0) -> Dataset:
    """Three cultivars of wine by 13 chemical measures; 178 rows. Part of scikit-learn: no download.

    Args:
        data_dir: not needed.
        seed: which rows are for testing.
        test_fraction: share of the rows for testing.
        validation_fraction: share of the rows for validation.

    Source: Aeberhard, Forina, 1991, https://doi.org/10.24432/C5PC7J.
    """
    from sklearn.datasets import load_wine

    return _classification("wine", "cultivar", load_wine(), test_fraction, validation_fraction, seed)


def breast_cancer(*, data_dir: Path | None = None, seed: int = 0, test_fraction: float = 0.2,
                  validation_fraction: float = 0.0) -> Dataset:
    """Malignant or benign, by 30 measures of cell nuclei; 569 rows. Part of scikit-learn: no download.

    Args:
        data_dir: not needed.
        seed: which rows are for testing.
        test_fraction: share of the rows for testing.
        validation_fraction: share of the rows for validation.

    Source: Wolberg, Mangasarian, Street, Street, 1993, https://doi.org/10.24432/C5DW2B.
    """
    from sklearn.datasets import load_breast_cancer

    return _classification("breast_cancer", "diagnosis", load_breast_cancer(), test_fraction, validation_fraction, seed)


def diabetes(*, data_dir: Path | None = None, seed: int = 0, test_fraction: float = 0.2,
             validation_fraction: float = 0.0) -> Dataset:
    """Progression of diabetes after a year by 10 measures, a regression; 442 rows. Part of scikit-learn: no download.

    Args:
        data_dir: not needed.
        seed: which rows are for testing.
        test_fraction: share of the rows for testing.
        validation_fraction: share of the rows for validation.

    Source: Efron, Hastie, Johnstone, Tibshirani, Least Angle Regression, https://doi.org/10.1214/009053604000000067.
    """
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(scaled=False)
    return _dataset("diabetes", "progression", bunch, bunch.target, "regression", test_fraction, validation_fraction,
                    seed)


def _classification(name: str, target: str, bunch: Any, test_fraction: float, validation_fraction: float,
                    seed: int) -> Dataset:
    # By name, so that classes are numbered as those of a file: sorted. Malignant is 1, which scikit-learn calls 0.
    labels = np.asarray(bunch.target_names)[bunch.target]
    return _dataset(name, target, bunch, labels, "classification", test_fraction, validation_fraction, seed)


def _dataset(name: str, target: str, bunch: Any, values: Any, task: Literal["classification", "regression"],
             test_fraction: float, validation_fraction: float, seed: int) -> Dataset:
    features = Table.from_array(bunch.data, [str(feature) for feature in bunch.feature_names], name)
    table = Table(name, (*features.names, target), (*features.columns, values), features.lines, header=False)
    return table_dataset(name, table, (target,), task=task, test_fraction=test_fraction,
                         validation_fraction=validation_fraction, seed=seed)
