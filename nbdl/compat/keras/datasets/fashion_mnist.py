"""`keras.datasets.fashion_mnist`."""

from nbdl.compat.keras.datasets.pictures import Part, load_parts


def load_data() -> tuple[Part, Part]:
    """The data set `fashion_mnist`: ((x_train, y_train), (x_test, y_test))."""
    return load_parts("fashion_mnist")
