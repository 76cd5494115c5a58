"""What a network's outputs mean for a person: columns with classes, numbers in their units, or text."""

from pathlib import Path
from typing import Any

import numpy as np

from nbdl.cards import choose_device
from nbdl.data import Split
from nbdl.data.lines import LineTokens
from nbdl.data.pairs import PairTokens
from nbdl.data.series import SeriesWindows
from nbdl.data.text import TextWindows
from nbdl.errors import DataError
from nbdl.tensor import Tensor
from nbdl.train.given import given_to
from nbdl.train.measuring import Prediction
from nbdl_cli.network import OpenRun
from nbdl_cli.rows import checked_rows, read_new_rows

Columns = dict[str, list[Any]]
Texts = TextWindows | LineTokens | PairTokens


def answer(opened: OpenRun, path: Path, device: str = "cpu") -> Columns:
    """Return what a run's network says about the rows of a file, a column for each thing there is to say.

    Numbers and classes are worked out on a device; a network that writes text does so on the CPU.

    Raises:
        DataError: rows that don't fit.
    """
    preprocessing = opened.facts.preprocessing
    if isinstance(preprocessing, SeriesWindows) and opened.net.task is None:
        x, lines = preprocessing.last(preprocessing.table(path))
        rows = checked_rows(x, None, opened.facts, str(path))
        return {"line": lines, **prediction_columns(opened, predict_rows(opened, rows, device))}
    rows = read_new_rows(path, opened.facts)
    if isinstance(preprocessing, Texts) and opened.net.task is None:
        return _texts(opened, preprocessing, rows)
    return prediction_columns(opened, predict_rows(opened, rows, device))


def predict_rows(opened: OpenRun, rows: Split, device: str = "cpu") -> np.ndarray:
    """Return the network's output for rows."""
    x = given_to(opened.net, rows)[0]
    device = choose_device(device)
    predicted: np.ndarray = opened.net.predict(x) if device == "cpu" else Prediction(opened.net, x, device=device).run()
    return predicted


def prediction_columns(opened: OpenRun, predicted: np.ndarray) -> Columns:
    """Return the columns of the answer: `prediction` and a column a class, or a column a target in original units.

    What a network gives back that isn't trained on targets, such as images, has a column for each value.
    """
    facts = opened.facts
    flat = predicted.reshape(len(predicted), -1)
    if opened.net.task is not None:
        return {f"value {number + 1}": list(column) for number, column in enumerate(flat.T)}
    if facts.classes is None:
        values = np.asarray(facts.preprocessing.inverse_target(flat), np.float32)
        return dict(zip(facts.preprocessing.target.names, map(list, values.T), strict=True))
    what, shares = class_shares(opened, flat)
    names = np.asarray(facts.classes)
    columns: Columns = {"prediction": list(names[shares.argmax(axis=1)])}
    return columns | {f"{what} {name}": list(share) for name, share in zip(facts.classes, shares.T, strict=True)}


def class_shares(opened: OpenRun, predicted: np.ndarray) -> tuple[str, np.ndarray]:
    """Return what a network's outputs mean, `probability` or `score`, and a column for each class.

    Outputs are probabilities if the network ends in softmax, and become some if it was trained with a cross-entropy,
    which works from logits; others are scores, of which the largest decides.
    """
    if ends_in_probabilities(opened):
        return "probability", predicted
    if "crossentropy" not in str(opened.config["loss"].get("name")):
        return "score", predicted
    powers = np.exp(predicted - predicted.max(axis=-1, keepdims=True))
    return "probability", powers / powers.sum(axis=-1, keepdims=True)


def ends_in_probabilities(opened: OpenRun) -> bool:
    """Whether the network's last operation is a softmax or a sigmoid."""
    net = opened.net.eval()
    x, _ = given_to(net, opened.facts.sample())
    output: Tensor = net(*(map(Tensor, x) if isinstance(x, tuple) else [Tensor(x)]))
    return output.logits is not None


def _texts(opened: OpenRun, preprocessing: Texts, rows: Split) -> Columns:
    """What was read, and what the network makes of it: for a language model what it expects next at each place."""
    read = preprocessing.decode_source if isinstance(preprocessing, PairTokens) else preprocessing.decode
    return {"input": read(rows.values), "prediction": preprocessing.decode(predicted_tokens(opened, rows))}


def predicted_tokens(opened: OpenRun, rows: Split) -> np.ndarray:
    """Return the tokens that a network gives for rows, `(rows, time)`: what it decodes by itself, if it can
    (`decode(x)`), else the most probable at each place.

    Raises:
        DataError: its output has no place for each token.
    """
    decode = getattr(opened.net, "decode", None)
    predicted = predict_rows(opened, rows) if decode is None else np.asarray(decode(given_to(opened.net, rows)[0]))
    if predicted.ndim == 3:
        predicted = predicted.argmax(axis=2)
    if predicted.ndim != 2 or predicted.dtype.kind not in "iu":
        raise DataError(f"the network's output has the shape {predicted.shape}; a text has a token for each place")
    return predicted
