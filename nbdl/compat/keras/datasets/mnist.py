"""`keras.datasets.mnist`."""

from nbdl.compat.keras.datasets.pictures import Part, load_parts


def load_data(path: str = "mnist.npz") -> tuple[Part, Part]:
    """The data set `mnist`: ((x_train, y_train), (x_test, y_test)). `path` has nothing to say: see NBDL_DATA."""
    return load_parts("mnist")
