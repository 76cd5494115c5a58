"""The built-in callbacks, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl_callbacks.best_weights import BestWeights
from nbdl_callbacks.csv_log import CSVLog
from nbdl_callbacks.early_stopping import EarlyStopping
from nbdl_callbacks.plateau import ReduceOnPlateau
from nbdl_callbacks.progress import Progress
from nbdl_callbacks.samples import Samples


@hookimpl
def nbdl_callbacks(register: Register) -> None:
    """Offer callbacks that end a run in time, keep its best weights and its samples, write it down and show it."""
    register("early_stopping", EarlyStopping)
    register("best_weights", BestWeights)
    register("reduce_on_plateau", ReduceOnPlateau)
    register("csv_log", CSVLog)
    register("progress", Progress)
    register("samples", Samples)
