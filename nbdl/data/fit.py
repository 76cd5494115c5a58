"""Fitting the preprocessing of a table to its training rows, with scikit-learn."""

from collections.abc import Sequence

import numpy as np

from nbdl.data.preprocessing import CategoryColumn, NumberColumn, TablePreprocessing, category
from nbdl.data.table import Table, by_cell, numbers, text_cells
from nbdl.data.target import TargetEncoding

INDICATOR_SHARE = 0.005  # below this share of missing cells an indicator would hardly ever be 1
MOST_CATEGORIES = 50
RARE_SHARE = 0.0005  # a value in fewer rows than this is one of the rare ones


def fit_table(train: Table, number_names: Sequence[str], category_names: Sequence[str],
              target: TargetEncoding) -> TablePreprocessing:
    """Fit medians, means, standard deviations and the list of categories to the training rows.

    >>> from nbdl.data.target import fit_target
    >>> table = Table("t", ("a", "y"), (np.array([1.0, 3.0]), np.array([0.0, 1.0])), (1, 2))
    >>> fit_table(table, ["a"], [], fit_target(table, ["y"], None)).transform(np.array([[5.0]])).tolist()
    [[3.0]]
    """
    fitted = tuple(_fit_number(train, name) for name in number_names)
    categories = tuple(fit_category(train, name) for name in category_names)
    return TablePreprocessing(train.names, fitted, categories, target)


def _fit_number(train: Table, name: str) -> NumberColumn:
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    values = numbers(train, name).reshape(-1, 1)
    share = float(np.isnan(values).mean())
    # A column that is empty in the training rows is kept, filled with 0: another split may have its values.
    imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(values)
    scaler = StandardScaler().fit(imputer.transform(values))
    return NumberColumn(name, float(imputer.statistics_[0]), float(scaler.mean_[0]), float(scaler.scale_[0]),
                        indicator=share >= INDICATOR_SHARE)


def fit_category(train: Table, name: str) -> CategoryColumn:
    """Find the categories of a column, rare ones put together."""
    from sklearn.preprocessing import OneHotEncoder

    cells = text_cells(train.column(name))
    values = sorted({category(cell) for cell in set(cells)})
    place = {value: number for number, value in enumerate(values)}
    # The encoder sorts numbers many times faster than text.
    numbered = by_cell(cells, {cell: place[category(cell)] for cell in set(cells)}, np.dtype(np.int64))
    encoder = OneHotEncoder(min_frequency=max(1, round(RARE_SHARE * len(cells))), max_categories=MOST_CATEGORIES)
    found = encoder.fit(numbered.reshape(-1, 1)).infrequent_categories_[0]
    rare = [values[number] for number in found] if found is not None else []
    return CategoryColumn(name, tuple(value for value in values if value not in rare), tuple(rare))
