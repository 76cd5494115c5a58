"""The losses of nbdl.compat.torch against PyTorch's: values and gradients, with every option that is covered."""

import numpy as np
import pytest

import nbdl.compat.torch as torch
from nbdl.compat.torch.nn import functional as F  # noqa: N812 - its usual name
from nbdl.errors import DataError, OptionError, ShapeError
from tests.compat.twins import compare, theirs

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 4)).astype(np.float32)
TARGETS = RNG.normal(size=(6, 4)).astype(np.float32)
SHARES = RNG.random((6, 4), dtype=np.float32)
CLASSES = np.array([0, 3, 1, 2, 2, 0])
SEQUENCES = RNG.normal(size=(3, 4, 5)).astype(np.float32)  # n, classes, time
PLACES = np.array([[0, 1, 2, 3, 0], [3, 3, 1, -100, -100], [2, -100, -100, -100, -100]])
WEIGHT = np.array([1.0, 0.5, 2.0, 0.25], np.float32)


def rows(values):
    return values / values.sum(1, keepdims=True)


LOSSES = {
    "mse": (lambda t: t.nn.MSELoss(), LOGITS, TARGETS),
    "sum of squares": (lambda t: t.nn.MSELoss(reduction="sum"), LOGITS, TARGETS),
    "mae": (lambda t: t.nn.L1Loss(), LOGITS, TARGETS),
    "huber": (lambda t: t.nn.HuberLoss(delta=0.5), LOGITS, TARGETS),
    "smooth l1": (lambda t: t.nn.SmoothL1Loss(beta=0.5), LOGITS, TARGETS),
    "bce": (lambda t: t.nn.BCELoss(), 0.05 + 0.9 * SHARES, rows(SHARES)),
    "sum of bce": (lambda t: t.nn.BCELoss(reduction="sum"), 0.05 + 0.9 * SHARES, rows(SHARES)),
    "bce with logits": (lambda t: t.nn.BCEWithLogitsLoss(), LOGITS, rows(SHARES)),
    "bce that counts 1 more": (
        lambda t: t.nn.BCEWithLogitsLoss(pos_weight=t.tensor([1.0, 2.0, 3.0, 0.5])), LOGITS, rows(SHARES)
    ),
    "sum of bce that counts 1 more": (
        lambda t: t.nn.BCEWithLogitsLoss(pos_weight=t.tensor(2.5), reduction="sum"), LOGITS, rows(SHARES)
    ),
    "crossentropy": (lambda t: t.nn.CrossEntropyLoss(), LOGITS, CLASSES),
    "sum of crossentropies": (lambda t: t.nn.CrossEntropyLoss(reduction="sum"), LOGITS, CLASSES),
    "each crossentropy": (lambda t: t.nn.CrossEntropyLoss(reduction="none"), LOGITS, CLASSES),
    "weighted": (lambda t: t.nn.CrossEntropyLoss(weight=t.tensor(WEIGHT)), LOGITS, CLASSES),
    "smoothed": (lambda t: t.nn.CrossEntropyLoss(label_smoothing=0.1), LOGITS, CLASSES),
    "of probabilities": (lambda t: t.nn.CrossEntropyLoss(), LOGITS, rows(SHARES)),
    "of sequences": (lambda t: t.nn.CrossEntropyLoss(), SEQUENCES, PLACES),
    "padding ignored": (lambda t: t.nn.CrossEntropyLoss(ignore_index=0), LOGITS, CLASSES),
    "nll": (lambda t: t.nn.NLLLoss(), LOGITS, CLASSES),
    "nll of sequences": (lambda t: t.nn.NLLLoss(weight=t.tensor(WEIGHT), ignore_index=2), SEQUENCES, abs(PLACES) % 100),
}


@pytest.mark.parametrize("name", LOSSES)
def test_as_in_pytorch(name):
    make, prediction, target = LOSSES[name]
    own, other = make(torch), make(theirs)
    compare(lambda x: own(x, torch.tensor(target)), lambda x: other(x, theirs.tensor(target)), prediction)


def test_a_softmax_before_the_loss_is_applied_twice_as_in_pytorch():
    compare(
        lambda x: F.cross_entropy(F.softmax(x, dim=1), torch.tensor(CLASSES)),
        lambda x: theirs.nn.functional.cross_entropy(theirs.softmax(x, 1), theirs.tensor(CLASSES)),
        LOGITS,
    )


def test_a_log_softmax_before_nll_is_crossentropy():
    ours = F.nll_loss(F.log_softmax(torch.tensor(LOGITS), dim=1), torch.tensor(CLASSES))
    assert ours.item() == pytest.approx(F.cross_entropy(torch.tensor(LOGITS), torch.tensor(CLASSES)).item(), rel=1e-5)


def test_bce_of_a_sigmoid_has_a_gradient_where_probabilities_are_rounded_to_one():
    logits = torch.tensor([[30.0], [-30.0]], requires_grad=True)
    F.binary_cross_entropy(torch.sigmoid(logits), torch.tensor([[0.0], [1.0]])).backward()
    np.testing.assert_allclose(logits.grad.numpy(), [[0.5], [-0.5]], rtol=1e-5)


def test_mistakes():
    with pytest.raises(ShapeError, match=r"mse compares a prediction \(6, 4\) with a target \(6,\)"):
        F.mse_loss(torch.tensor(LOGITS), torch.tensor(LOGITS[:, 0]))
    with pytest.raises(OptionError, match="reduction is 'mean' or 'sum', not 'none'"):
        torch.nn.MSELoss(reduction="none")(torch.tensor(LOGITS), torch.tensor(LOGITS))
    with pytest.raises(DataError, match="1 of 6 labels lie outside of 0 to 3"):
        F.cross_entropy(torch.tensor(LOGITS), torch.tensor([0, 1, 2, 3, 4, 0]))
    with pytest.raises(ShapeError, match="put a batch axis in front of a single row"):
        F.cross_entropy(torch.tensor(LOGITS[0]), torch.tensor(1))
    with pytest.raises(OptionError, match="covers weight=None only"):
        F.cross_entropy(torch.tensor(LOGITS), torch.tensor(SHARES), weight=WEIGHT[0])
    with pytest.raises(OptionError, match="BCEWithLogitsLoss has no option 'weight' here"):
        torch.nn.BCEWithLogitsLoss(weight=WEIGHT)
    with pytest.raises(ShapeError, match=r"predictions \(6, 4\) and targets \(6, 1\) don't fit"):
        torch.nn.BCEWithLogitsLoss(pos_weight=2.0)(torch.tensor(LOGITS), torch.tensor(SHARES[:, :1]))
