"""The built-in data sets, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl_datasets.digits import digits
from nbdl_datasets.idx_images import fashion_mnist, mnist
from nbdl_datasets.images import images
from nbdl_datasets.pairs import names, pairs
from nbdl_datasets.sequences import basic_motions, gunpoint, italy_power, japanese_vowels, ts
from nbdl_datasets.series import airline, pollution, series, sunspots, temperatures
from nbdl_datasets.tabular import breast_cancer, diabetes, iris, wine
from nbdl_datasets.texts import text, tiny_shakespeare
from nbdl_datasets.toys import addition, dates, reversal

TABLES = (iris, wine, breast_cancer, diabetes)
IMAGES = (digits, mnist, fashion_mnist, images)
SERIES = (series, airline, sunspots, temperatures, pollution)
SEQUENCES = (ts, japanese_vowels, italy_power, gunpoint, basic_motions)
TEXTS = (text, tiny_shakespeare, names, pairs, addition, reversal, dates)


@hookimpl
def nbdl_datasets(register: Register) -> None:
    """Offer tables, images, series, sequences and texts: some of them made here, some of files."""
    for factory in (*TABLES, *IMAGES, *SERIES, *SEQUENCES, *TEXTS):
        register(factory.__name__, factory)
