"""Whatever nbdl itself registers keeps the promises of its kind, without anyone listing it."""

from __future__ import annotations

from functools import partial
from inspect import signature

import numpy as np
import pytest

from nbdl import plugins, testing
from nbdl.nn import Module
from nbdl.plugins import Registered
from nbdl.train.callbacks import Callback
from tests.contracts import samples


def registered(kind: str) -> list[Registered]:
    return [each for each in plugins.all(kind) if each.package == "nbdl"]


def each_of(*kinds: str) -> pytest.MarkDecorator:
    found = [each for kind in kinds for each in registered(kind)]
    return pytest.mark.parametrize("thing", found, ids=lambda each: f"{each.kind}-{each.name}")


def with_samples(kind: str, table: dict) -> pytest.MarkDecorator:
    """One case for each sample; a name without samples becomes a case that fails."""
    cases = []
    for each in registered(kind):
        for sample in table.get(each.name, (None,)):
            cases.append(pytest.param(each, sample, id=f"{each.name}-{sample.__name__ if sample else 'no sample'}"))
    return pytest.mark.parametrize(("thing", "sample"), cases)


def test_built_in_plugins_load_without_problems():
    broken = [report for report in plugins.report() if report.package == "nbdl" and report.problems]
    assert not broken


@pytest.mark.parametrize(
    ("kind", "names"),
    {
        "models": "linear logistic mlp transformer char_transformer cnn lenet5 resnet autoencoder vae gan dcgan "
        "seq2seq seq2seq_transformer rnn lstm gru char_rnn",
        "activations": "relu leaky_relu elu gelu silu sigmoid tanh softplus softmax log_softmax linear selu",
        "losses": "mse mae huber binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy hinge "
        "kl_divergence",
        "optimizers": "sgd adagrad rmsprop adadelta adam adamw nadam lion",
        "schedules": "constant step exponential cosine warmup",
        "metrics": "accuracy top_k_accuracy exact_match mse rmse mae r2 precision recall f1 confusion_matrix",
        "callbacks": "early_stopping best_weights csv_log progress reduce_on_plateau",
        "initializers": "zeros ones constant uniform normal glorot_uniform glorot_normal he_uniform he_normal "
        "lecun_normal orthogonal",
    }.items(),
)
def test_names_that_users_rely_on_are_there(kind: str, names: str):
    assert set(names.split()) <= {each.name for each in registered(kind)}


@each_of(
    *("models", "activations", "losses", "optimizers", "schedules", "metrics", "callbacks", "initializers"),
    *("datasets", "exporters"),
)
def test_is_documented(thing: Registered):
    testing.check_documented(thing.factory, options=thing.options)


@each_of("activations")
def test_activation(thing: Registered):
    testing.check_activation(thing.make())


@each_of("activations")
def test_activation_takes_more_axes(thing: Registered):
    testing.check_activation(thing.make(), shape=(3, 2, 4))


@with_samples("losses", samples.LOSSES)
def test_loss(thing: Registered, sample: samples.Sample):
    testing.check_loss(thing.make(), *sample())


@with_samples("losses", samples.LOSSES)
def test_loss_at_extreme_predictions(thing: Registered, sample: samples.Sample):
    prediction, target = sample()
    if target.ndim == 2 and target.shape[1] == 1:
        target = target[:, 0]
    testing.check_loss_extremes(thing.make(), target, prediction.shape[-1] if prediction.shape[-1] > 1 else None)


@with_samples("metrics", samples.METRICS)
def test_metric(thing: Registered, sample: samples.Sample):
    testing.check_metric(thing.make(), *sample())


@each_of("optimizers")
def test_optimizer(thing: Registered):
    testing.check_optimizer(partial(thing.make, **samples.OPTIMIZERS[thing.name]))


@each_of("optimizers")
def test_optimizer_with_decay_and_clipping(thing: Registered):
    options = {**samples.OPTIMIZERS[thing.name], "weight_decay": 1e-3, "clip_value": 0.5, "clip_norm": 1.0}
    testing.check_optimizer(partial(thing.make, **options), steps=100)


@each_of("schedules")
def test_schedule(thing: Registered):
    testing.check_schedule(thing.make(**samples.SCHEDULES[thing.name]))


@each_of("initializers")
def test_initializer(thing: Registered):
    testing.check_initializer(thing.make())


def _rows_for(model: Registered) -> tuple[samples.Rows, ...]:
    takes_tokens = "tokens" in signature(model.factory).parameters
    return samples.MODELS.get(model.name, samples.TABLES + (samples.TEXTS if takes_tokens else ()))


def with_rows(first: bool = False) -> pytest.MarkDecorator:
    """One case for each kind of row that a model is tried with, or for the first one only."""
    cases = []
    for each in registered("models"):
        for rows in _rows_for(each)[: 1 if first else None]:
            kind = "" if rows.tokens is None else "-tokens"
            cases.append(pytest.param(each, rows, id=f"{each.name}-{rows.features}-{rows.outputs}{kind}"))
    return pytest.mark.parametrize(("thing", "rows"), cases)


@with_rows()
def test_model(thing: Registered, rows: samples.Rows):
    features, outputs, tokens, options = rows
    testing.check_model(partial(thing.make, **options), features=features, outputs=outputs, tokens=tokens)


@with_rows(first=True)
def test_model_is_compiled_once_and_saved_whole(thing: Registered, rows: samples.Rows):
    features, outputs, tokens, options = rows
    testing.check_model_trains(partial(thing.make, **options), features=features, outputs=outputs, tokens=tokens)


@with_rows(first=True)
def test_model_s_parameters_are_float32(thing: Registered, rows: samples.Rows):
    features, outputs, tokens, options = rows
    supplied = {} if tokens is None else {"tokens": tokens}
    net = thing.make(outputs=outputs, **supplied, **options)
    assert isinstance(net, Module)
    net(np.ones((2, *features), np.float32 if tokens is None else np.int32))
    for name, parameter in net.named_parameters():
        assert parameter.dtype == np.float32, name


def test_every_model_is_tried_on_something():
    tried = {case.values[0].name for case in with_rows().args[1]}
    assert tried == {each.name for each in registered("models")}


@each_of("callbacks")
def test_callback_is_a_callback(thing: Registered):
    assert issubclass(thing.factory, Callback)
