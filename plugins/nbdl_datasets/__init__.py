"""The built-in data sets, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl_datasets.digits import digits
from nbdl_datasets.idx_images import fashion_mnist, mnist
from nbdl_datasets.tabular import breast_cancer, diabetes, iris, wine


@hookimpl
def nbdl_datasets(register: Register) -> None:
    """Offer the data sets of scikit-learn and the two that come as idx files."""
    for factory in (digits, iris, wine, breast_cancer, diabetes, mnist, fashion_mnist):
        register(factory.__name__, factory)
