"""Training: the trainer, what it measures, what watches it, and where it keeps its results."""

from nbdl.train.callbacks import Callback
from nbdl.train.feed import Batch
from nbdl.train.fitting import fit
from nbdl.train.history import History
from nbdl.train.measuring import evaluate
from nbdl.train.metric import Metric, batch_sums
from nbdl.train.predicting import predict
from nbdl.train.run import Run
from nbdl.train.runfolder import RunFolder
from nbdl.train.totals import Measured

__all__ = [
    "Batch",
    "Callback",
    "History",
    "Measured",
    "Metric",
    "Run",
    "RunFolder",
    "batch_sums",
    "evaluate",
    "fit",
    "predict",
]
