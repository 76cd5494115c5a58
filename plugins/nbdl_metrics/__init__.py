"""The built-in metrics, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl_metrics.accuracy import Accuracy, TopKAccuracy


@hookimpl
def nbdl_metrics(register: Register) -> None:
    """Offer metrics for classes and for numbers."""
    register("accuracy", Accuracy)
    register("top_k_accuracy", TopKAccuracy)
