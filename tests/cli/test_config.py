"""The configuration of a run: layers, names and values checked, written and read back."""

import tomllib
from pathlib import Path

import pytest
import tomli_w
from nbdl_cli.config import complete, data_layer, merge, parse_sets, read_file, resolve_config

from nbdl.errors import OptionError, RunError, UnknownNameError
from nbdl.hookspecs import hookimpl
from nbdl.plugins import isolated_plugins
from nbdl.train.runfolder import plain
from nbdl.values import Text


class Sample:
    @hookimpl
    def nbdl_models(self, register):
        register("mlp", lambda *, outputs, hidden: 0)
        register("net", net)

    @hookimpl
    def nbdl_losses(self, register):
        register("mse", loss)
        register("sparse_categorical_crossentropy", loss)

    @hookimpl
    def nbdl_optimizers(self, register):
        register("adam", adam)
        register("sgd", optimizer)

    @hookimpl
    def nbdl_schedules(self, register):
        register("cosine", schedule)

    @hookimpl
    def nbdl_metrics(self, register):
        register("accuracy", lambda: 0)
        register("top_k", top_k)

    @hookimpl
    def nbdl_datasets(self, register):
        register("blobs", blobs)

    @hookimpl
    def nbdl_callbacks(self, register):
        register("early_stopping", early_stopping)


def net(*, outputs: int, hidden: list[int] = (64, 64), activation: str = "relu", dropout: float | None = None): ...
def loss(prediction, target, smoothing: float = 0.0): ...
def optimizer(lr: float = 0.01, momentum: float = 0.0, nesterov: bool = False, rule=max): ...
def adam(lr: float = 0.001): ...
def schedule(steps: int, floor: float = 0.0): ...
def top_k(k: int = 5): ...
def blobs(*, data_dir: Path | None = None, seed: int = 0, rows: int = 100): ...
def early_stopping(patience: int = 5, monitor: str = "val_loss"): ...


@pytest.fixture(autouse=True)
def plugins():
    with isolated_plugins(Sample()) as own:
        yield own


BASE = {"model": {"name": "net"}, "data": {"name": "blobs"}}


def test_defaults():
    assert resolve_config(BASE) == {
        "model": {"name": "net", "hidden": [64, 64], "activation": "relu"},
        "data": {"name": "blobs", "rows": 100},
        "loss": {},
        "optimizer": {"name": "adam", "lr": 0.001},
        "train": {"epochs": 20, "batch_size": 32, "seed": 0, "device": "auto", "validation_split": 0.1},
    }


def test_what_the_task_decides():
    assert complete(resolve_config(BASE), "regression")["loss"] == {"name": "mse", "smoothing": 0.0}
    config = complete(resolve_config(BASE, parse_sets(["loss.smoothing=0.1"])), "classification")
    assert config["loss"] == {"name": "sparse_categorical_crossentropy", "smoothing": 0.1}
    assert config["metrics"] == ["accuracy"]
    config = complete(resolve_config(BASE, {"loss": {"name": "mse"}, "metrics": ["top_k"]}), "classification")
    assert (config["loss"]["name"], config["metrics"]) == ("mse", ["top_k"])


def test_everything_given():
    config = resolve_config(
        BASE,
        {"metrics": ["accuracy", {"name": "top_k", "k": 3}], "schedule": {"name": "cosine"}, "train": {"epochs": 2}},
        parse_sets(
            [
                "model.hidden=[128,64]",
                "model.dropout=0.5",
                "optimizer.name=sgd",
                "optimizer.nesterov=true",
                "schedule.steps=100",
                "callback.early_stopping.patience=3",
                "train.workers=2",
                "data.rows=7",
            ]
        ),
    )
    assert config["model"] == {"name": "net", "hidden": [128, 64], "activation": "relu", "dropout": 0.5}
    # A default that is a function isn't saved: it is the default again when the run is repeated.
    # The rate is the schedule's, not the optimizer's.
    assert config["optimizer"] == {"name": "sgd", "momentum": 0.0, "nesterov": True}
    assert config["schedule"] == {"name": "cosine", "steps": 100, "floor": 0.0}
    assert config["metrics"] == ["accuracy", {"name": "top_k", "k": 3}]
    assert config["callbacks"] == {"early_stopping": {"patience": 3, "monitor": "val_loss"}}
    assert (config["train"]["epochs"], config["train"]["workers"], config["data"]["rows"]) == (2, 2, 7)


def test_a_resolved_config_resolves_to_itself(tmp_path):
    first = resolve_config(BASE, parse_sets(["model.hidden=[3]", "train.seed=4", "callback.early_stopping.patience=3"]))
    first = complete(first, "regression") | {"metrics": [{"name": "top_k", "k": 2}]}
    file = tmp_path / "config.toml"
    file.write_text(tomli_w.dumps(plain(first)))
    assert resolve_config(read_file(file)) == first == tomllib.loads(file.read_text())


def test_later_layers_count_more(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('model = "net"\n[data]\nname = "blobs"\nrows = 5\n[train]\nepochs = 7\nseed = 7\n')
    config = resolve_config(read_file(file), {"train": {"epochs": 8}}, parse_sets(["train.seed=9"]))
    assert config["data"]["rows"] == 5
    assert (config["train"]["epochs"], config["train"]["seed"]) == (8, 9)


def test_options_go_with_the_thing_they_belong_to():
    lower = {"model": {"name": "net", "hidden": [8]}, "callbacks": {"early_stopping": {"patience": 1}}}
    assert merge(lower, {"model": {"name": "mlp"}})["model"] == {"name": "mlp"}
    assert merge(lower, {"model": {"name": "net", "dropout": 0.5}})["model"] == lower["model"] | {"dropout": 0.5}
    assert merge(lower, {"callbacks": {"early_stopping": {"monitor": "loss"}}})["callbacks"] == {
        "early_stopping": {"patience": 1, "monitor": "loss"}
    }
    assert merge({"data": {"name": "blobs", "rows": 3}}, {"data": {"file": "x.csv"}})["data"] == {"file": "x.csv"}


def test_files_as_data(tmp_path):
    layer = data_layer("houses.csv")
    assert layer == {"data": {"file": str(Path("houses.csv").absolute())}}
    config = resolve_config(BASE, layer, {"data": {"target": "price", "data_dir": str(tmp_path)}})
    assert config["data"]["target"] == "price"
    assert config["data"]["data_dir"] == str(tmp_path)
    assert data_layer("blobs") == {"data": {"name": "blobs"}}


def test_values_stay_text_until_their_type_is_known():
    layer = parse_sets(["model.activation=3", "model.hidden = [1]"])
    assert layer == {"model": {"activation": "3", "hidden": "[1]"}}
    assert all(isinstance(value, Text) for value in layer["model"].values())
    assert resolve_config(BASE, layer)["model"] == {"name": "net", "hidden": [1], "activation": "3"}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("model.hiden=[1]", "model 'net' has no option 'hiden'; did you mean 'hidden'?"),
        ("modle.hidden=[1]", "--set modle.hidden=[1]: there is no group 'modle'; did you mean 'model'?"),
        ("model.hidden=wide", "option 'hidden' of model 'net' takes a list of whole numbers, such as"),
        ("model.dropout=x", "option 'dropout' of model 'net' takes a number or none, not x"),
        ("optimizer.lr=true", "option 'lr' of optimizer 'adam' takes a number, not true"),
        ("train.epochs=2.5", "option 'epochs' of group 'train' takes a whole number, not 2.5"),
        ("train.epochs=0", "epochs must be at least 1, not 0"),
        ("train.batch_size=-1", "batch_size must be at least 1, not -1"),
        ("train.seed=9223372036854775808", "seed must be at most 9223372036854775807, not 9223372036854775808"),
        ("train.validation_split=1", "validation_split is a share from 0 to below 1, not 1.0"),
        ("train.device=gpu", "option 'device' of group 'train' takes one of 'auto', 'cpu', 'cuda', not gpu"),
        ("train.epoch=3", "group 'train' has no option 'epoch'; did you mean 'epochs'"),
        ("schedule.steps=3", "options for the schedule (steps) need its name too: --schedule NAME"),
        ("callback.early_stopping.patence=3", "callback 'early_stopping' has no option 'patence'; did you mean"),
        ("data.target=x", "--target is for files; the data set 'blobs' has its own target"),
        ("model.hidden", "--set model.hidden can't be read; write --set group.option=value"),
        ("model=net", "--set model=net can't be read; write --set group.option=value"),
        ("model.a.b=1", "--set model.a.b=1 can't be read"),
        ("callback.patience=1", "--set callback.patience=1 can't be read; write --set callback.NAME.option=value"),
    ],
)
def test_mistakes_in_set(assignment, message):
    with pytest.raises(OptionError) as caught:
        resolve_config(BASE, parse_sets([assignment]))
    assert str(caught.value).startswith(message)


def test_a_rate_that_the_schedule_would_overrule():
    layers = [{"schedule": {"name": "cosine", "steps": 5}}, parse_sets(["optimizer.lr=0.1"])]
    with pytest.raises(OptionError, match=r"optimizer\.lr would have no effect: .*'cosine' .*\(steps, floor\)"):
        resolve_config(BASE, *layers)


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        ({"model": {"name": "nett"}}, UnknownNameError, "there is no model 'nett'; did you mean 'net'"),
        ({"optimizer": {"name": "adamm"}}, UnknownNameError, "there is no optimizer 'adamm'; did you mean 'adam'"),
        ({"metrics": ["acuracy"]}, UnknownNameError, "there is no metric 'acuracy'; did you mean 'accuracy'"),
        ({"metrics": [{"k": 3}]}, OptionError, "options for the metric"),
        ({"callbacks": {"stop": {}}}, UnknownNameError, "there is no callback 'stop'"),
        ({"callbacks": {"early_stopping": 3}}, OptionError, "callback 'early_stopping' is a table of options, not 3"),
        ({"schedule": {"name": "cosine"}}, OptionError, "schedule 'cosine' needs the option 'steps'"),
        ({"data": {"file": "x.docx"}}, OptionError, "none of the endings that nbdl reads"),
    ],
)
def test_mistakes_in_layers(layer, error, message):
    with pytest.raises(error, match=message):
        resolve_config(BASE, layer)


@pytest.mark.parametrize("group", ["model", "data"])
def test_what_must_be_given(group):
    with pytest.raises(OptionError, match=f"^which {group}"):
        resolve_config({name: value for name, value in BASE.items() if name != group})


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, RunError, r"there is no configuration file .*run\.toml"),
        ("model = ", RunError, r"run\.toml can't be read as TOML"),
        ("[modle]\n", OptionError, r"run\.toml: there is no group 'modle'; did you mean 'model'"),
        ("train = 3\n", OptionError, r"train is a table \(\[train\]\), not 3"),
        ('metrics = "accuracy"\n', OptionError, "metrics is a list of names, not 'accuracy'"),
    ],
)
def test_mistakes_in_a_file(tmp_path, text, error, message):
    file = tmp_path / "run.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(error, match=message):
        read_file(file)
