"""The built-in metrics, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl_metrics.accuracy import Accuracy, ExactMatch, TopKAccuracy
from nbdl_metrics.classes import F1, ConfusionMatrix, Precision, Recall
from nbdl_metrics.regression import R2, MeanAbsoluteError, MeanSquaredError, RootMeanSquaredError


@hookimpl
def nbdl_metrics(register: Register) -> None:
    """Offer metrics of classes and of numbers."""
    register("accuracy", Accuracy)
    register("exact_match", ExactMatch)
    register("top_k_accuracy", TopKAccuracy)
    register("precision", Precision)
    register("recall", Recall)
    register("f1", F1)
    register("confusion_matrix", ConfusionMatrix)
    register("mse", MeanSquaredError)
    register("rmse", RootMeanSquaredError)
    register("mae", MeanAbsoluteError)
    register("r2", R2)
