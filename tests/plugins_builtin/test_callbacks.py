"""Callbacks, with a stand-in for the run that they watch."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nbdl.errors import OptionError
from nbdl.resolve import resolve
from nbdl.tensor_files import load_tensors
from nbdl.train.callbacks import Callback
from nbdl.train.runfolder import RunFolder


class Run:
    """What callbacks may ask of a run and tell it."""

    def __init__(self, epochs: int = 10, folder: RunFolder | None = None):
        self.epoch, self.epochs, self.step, self.steps_per_epoch, self.batch_size = 0, epochs, 0, 100, 32
        self.samples_per_second, self.epoch_seconds = 12345.6, 0.012
        self.folder = folder
        self.error: BaseException | None = None
        self.logs: dict[str, Any] = {}
        self.reason = ""
        self.scale = 1.0
        self.values = {"weight": np.zeros(2, np.float32)}

    @property
    def optimizers(self) -> dict[str, Any]:
        return {"optimizer": SimpleNamespace(state=SimpleNamespace(lr_scale=self.scale))}

    def stop(self, reason: str) -> None:
        self.reason = reason

    def scale_learning_rate(self, factor: float) -> None:
        self.scale *= factor

    def weights(self) -> dict[str, np.ndarray]:
        return self.values

    def set_weights(self, weights: dict[str, np.ndarray]) -> None:
        self.values = {name: np.array(array) for name, array in weights.items()}


def drive(callback: Callback, run: Run, losses: list[float], name: str = "val_loss") -> int:
    """Let epochs with these values pass; the weights are the epoch's number. Returns how many epochs there were."""
    callback.run_start(run)
    for value in losses:
        run.values["weight"][:] = run.epoch  # in place, as training does
        run.step += run.steps_per_epoch
        callback.epoch_end(run, {"loss": 1.0, name: value})
        run.epoch += 1
        if run.folder is not None:
            callback.saving(run)
        if run.reason or run.epoch == run.epochs:
            break
    callback.run_end(run)
    return run.epoch


class TestEarlyStopping:
    def test_it_waits_and_then_stops_with_the_best_weights(self):
        run = Run()
        assert drive(resolve("callbacks", {"name": "early_stopping", "patience": 2}), run, [3, 2, 4, 5, 1]) == 4
        assert run.reason == "val_loss has not improved for 2 epochs; the best was 2 in epoch 2"
        assert run.values["weight"].tolist() == [1, 1]

    def test_each_run_begins_anew(self):
        callback = resolve("callbacks", {"name": "early_stopping", "patience": 2})
        drive(callback, Run(), [3, 2, 1, 4, 4])
        run = Run(epochs=3)
        callback.reset()
        assert drive(callback, run, [9, 8, 7]) == 3
        assert run.values["weight"].tolist() == [2, 2]

    def test_improvement_starts_the_count_anew(self):
        run = Run(epochs=6)
        assert drive(resolve("callbacks", {"name": "early_stopping", "patience": 2}), run, [3, 4, 2, 4, 1, 4]) == 6
        assert not run.reason

    def test_a_run_that_ends_by_itself_has_the_best_weights(self):
        run = Run(epochs=3)
        drive(resolve("callbacks", "early_stopping"), run, [1, 2, 3])
        assert run.values["weight"].tolist() == [0, 0]

    def test_without_restoring(self):
        run = Run(epochs=3)
        drive(resolve("callbacks", {"name": "early_stopping", "restore_best": False}), run, [1, 2, 3])
        assert run.values["weight"].tolist() == [2, 2]

    def test_small_changes_do_not_count(self):
        run = Run()
        callback = resolve("callbacks", {"name": "early_stopping", "patience": 2, "min_delta": 0.5})
        assert drive(callback, run, [3, 2.8, 2.6, 2.4]) == 3

    def test_nan_is_no_improvement(self):
        run = Run()
        callback = resolve("callbacks", {"name": "early_stopping", "patience": 2})
        assert drive(callback, run, [np.nan, 3, np.nan, np.nan, 1]) == 4
        assert run.values["weight"].tolist() == [1, 1]

    @pytest.mark.parametrize(
        ("monitor", "mode", "expected"),
        [("val_accuracy", "auto", 3), ("val_mse", "auto", 1), ("val_mine", "max", 3), ("val_mine", "min", 1)],
    )
    def test_which_way_is_better(self, monitor: str, mode: str, expected: int):
        run = Run(epochs=3)
        drive(
            resolve("callbacks", {"name": "early_stopping", "monitor": monitor, "mode": mode}), run, [1, 2, 3], monitor
        )
        assert run.values["weight"].tolist() == [expected - 1] * 2

    def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(self, tmp_path: Path):
        options = {"name": "early_stopping", "patience": 3}
        with RunFolder.create(tmp_path / "run", {}) as folder:
            first, run = resolve("callbacks", options), Run(folder=folder)
            first.run_start(run)
            for value in (3.0, 1.0, 2.0):
                run.values["weight"][:] = run.epoch
                first.epoch_end(run, {"val_loss": value})
                run.epoch += 1
            first.saving(run)
            again, later = resolve("callbacks", options), Run(folder=folder)
            again.set_state(first.state())
            later.epoch = 3
            assert drive(again, later, [2.0, 2.0, 2.0]) == 5
            assert later.values["weight"].tolist() == [1, 1]

    def test_after_an_interruption_the_newest_weights_stay(self):
        run = Run()
        callback = resolve("callbacks", "early_stopping")
        callback.run_start(run)
        for value in (1.0, 2.0):
            run.values["weight"][:] = run.epoch
            callback.epoch_end(run, {"val_loss": value})
            run.epoch += 1
        run.error = KeyboardInterrupt()
        callback.run_end(run)
        assert run.values["weight"].tolist() == [1, 1]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"patience": 0}, "patience of at least 1 epoch"),
            ({"min_delta": -1.0}, "min_delta of at least 0"),
            ({"monitor": "val_mine"}, "can't tell whether more 'val_mine' is better: say mode='max' or mode='min'"),
            ({"mode": "up"}, "'auto', 'min', 'max'"),
        ],
    )
    def test_options_out_of_range(self, options: dict, words: str):
        with pytest.raises(OptionError, match=words):
            resolve("callbacks", {"name": "early_stopping", **options})

    def test_what_is_not_measured(self):
        callback = resolve("callbacks", "early_stopping")
        with pytest.raises(OptionError, match=r"early_stopping watches 'val_loss', .* give validation data.*'loss'"):
            callback.epoch_end(Run(), {"loss": 1.0})

    def test_what_is_not_one_number(self):
        callback = resolve("callbacks", {"name": "early_stopping", "monitor": "confusion_matrix", "mode": "max"})
        with pytest.raises(OptionError, match="isn't a single number"):
            callback.epoch_end(Run(), {"confusion_matrix": np.eye(2)})


class TestBestWeights:
    def test_it_writes_them(self, tmp_path: Path):
        path = tmp_path / "best.safetensors"
        with RunFolder.create(tmp_path / "run", {}) as folder:
            run = Run(epochs=4, folder=folder)
            drive(resolve("callbacks", {"name": "best_weights", "path": path}), run, [3, 1, 2, 4])
            weights, meta = folder.load_weights(best=True)
        for found, about in ((weights, meta), load_tensors(path)):
            assert found["weight"].tolist() == [1, 1]
            assert about["epoch"] == 1
            assert about["val_loss"] == 1.0
        assert run.values["weight"].tolist() == [1, 1]

    def test_another_callback_ended_the_run(self):
        run = Run()
        callback = resolve("callbacks", "best_weights")
        callback.run_start(run)
        for value in (1.0, 2.0):
            run.values["weight"][:] = run.epoch
            callback.epoch_end(run, {"val_loss": value})
            run.epoch += 1
        callback.run_end(run)
        assert run.values["weight"].tolist() == [0, 0]

    def test_a_metric_may_be_better_when_higher(self):
        run = Run(epochs=3)
        callback = resolve("callbacks", {"name": "best_weights", "monitor": "val_accuracy"})
        drive(callback, run, [0.5, 0.9, 0.8], "val_accuracy")
        assert run.values["weight"].tolist() == [1, 1]


class TestReduceOnPlateau:
    def test_the_rate_falls_each_time_it_has_waited(self):
        run = Run()
        drive(
            resolve("callbacks", {"name": "reduce_on_plateau", "patience": 2, "factor": 0.5}), run, [1, 2, 2, 2, 2, 2]
        )
        assert run.scale == 0.25

    def test_improvement_starts_the_count_anew(self):
        run = Run()
        drive(resolve("callbacks", {"name": "reduce_on_plateau", "patience": 2}), run, [5, 6, 4, 6, 3, 6])
        assert run.scale == 1.0

    def test_cooldown(self):
        run = Run()
        callback = resolve("callbacks", {"name": "reduce_on_plateau", "patience": 1, "cooldown": 2, "factor": 0.5})
        drive(callback, run, [1, 2, 2, 2, 2])  # falls, rests, rests, falls
        assert run.scale == 0.25

    def test_a_floor(self):
        run = Run()
        callback = resolve("callbacks", {"name": "reduce_on_plateau", "patience": 1, "factor": 0.1, "min_scale": 0.05})
        drive(callback, run, [1, 2, 2, 2, 2, 2])
        assert run.scale == pytest.approx(0.05)

    def test_as_in_pytorch(self):
        torch = pytest.importorskip("torch")
        losses = np.random.default_rng(5).normal(size=40).cumsum().tolist()
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        # PyTorch reduces after more than `patience` epochs without improvement, nbdl after that many
        theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=0.7, patience=3, threshold=0.0, cooldown=2
        )
        run = Run(epochs=99)
        ours = resolve(
            "callbacks", {"name": "reduce_on_plateau", "factor": 0.7, "patience": 4, "min_delta": 0.0, "cooldown": 2}
        )
        for value in losses:
            theirs.step(value)
            ours.epoch_end(run, {"val_loss": value})
            run.epoch += 1
            assert run.scale == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        assert run.scale < 1

    def test_a_resumed_run_does_not_scale_again(self):
        options = {"name": "reduce_on_plateau", "patience": 1, "factor": 0.5, "min_scale": 0.25}
        first, run = resolve("callbacks", options), Run()
        drive(first, run, [1, 2])
        again, later = resolve("callbacks", options), Run()
        again.set_state(first.state())
        later.scale = run.scale
        drive(again, later, [2, 2, 2])
        assert later.scale == 0.25

    @pytest.mark.parametrize(
        ("options", "words"), [({"factor": 1.0}, "factor above 0 and below 1"), ({"patience": 0}, "patience")]
    )
    def test_options_out_of_range(self, options: dict, words: str):
        with pytest.raises(OptionError, match=words):
            resolve("callbacks", {"name": "reduce_on_plateau", **options})


class TestCSVLog:
    def rows(self, path: Path) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(path.read_text())))

    def test_a_row_an_epoch(self, tmp_path: Path):
        path = tmp_path / "log.csv"
        drive(resolve("callbacks", {"name": "csv_log", "path": path}), Run(), [3.0, 1 / 3])
        assert self.rows(path) == [
            {"epoch": "0", "loss": "1.0", "val_loss": "3.0"},
            {"epoch": "1", "loss": "1.0", "val_loss": repr(1 / 3)},
        ]

    def test_a_row_is_there_at_once(self, tmp_path: Path):
        path = tmp_path / "log.csv"
        callback = resolve("callbacks", {"name": "csv_log", "path": path})
        callback.run_start(Run())
        callback.epoch_end(Run(), {"loss": 0.5, "confusion_matrix": np.eye(2)})
        assert self.rows(path) == [{"epoch": "0", "loss": "0.5"}]

    def test_a_new_run_starts_anew_and_a_resumed_one_goes_on(self, tmp_path: Path):
        path = tmp_path / "log.csv"
        drive(resolve("callbacks", {"name": "csv_log", "path": path}), Run(), [3.0, 2.0, 1.0])
        resumed = Run()
        resumed.epoch = 2
        drive(resolve("callbacks", {"name": "csv_log", "path": path}), resumed, [7.0])
        assert [row["val_loss"] for row in self.rows(path)] == ["3.0", "2.0", "7.0"]
        drive(resolve("callbacks", {"name": "csv_log", "path": path}), Run(), [5.0])
        assert [row["val_loss"] for row in self.rows(path)] == ["5.0"]


class TestProgress:
    def shown(self, *, terminal: bool, epochs: int = 2) -> str:
        console = pytest.importorskip("rich.console")
        screen = io.StringIO()
        callback, run = resolve("callbacks", "progress"), Run(epochs=epochs)
        callback.console = console.Console(file=screen, force_terminal=terminal, width=140)
        callback.run_start(run)
        for _ in range(epochs):
            for _ in range(3):
                run.step += 30
                run.logs = {"loss": 0.25, "accuracy": 0.5}
                callback.progress(run)
            run.step += 10
            callback.epoch_end(run, {"loss": 0.125, "val_accuracy": 0.9, "confusion_matrix": np.eye(2)})
            run.epoch += 1
        callback.run_end(run)
        return screen.getvalue()

    def test_one_line_an_epoch_where_there_is_no_terminal(self):
        lines = self.shown(terminal=False).splitlines()
        assert len(lines) == 2
        assert lines[0].startswith("epoch 1/2  loss 0.1250  val_accuracy 0.9000  ")
        assert "12,346 samples/s" in lines[0]
        assert "confusion_matrix" not in lines[0]

    def test_a_bar_on_a_terminal(self):
        text = self.shown(terminal=True)
        assert "accuracy 0.5000" in text
        assert "left" in text
        assert "epoch 2/2" in text

    @pytest.mark.parametrize("terminal", [False, True])
    def test_lines_of_short_epochs_are_written_together_and_none_is_lost(self, terminal, monkeypatch):
        writes = []

        class Screen(io.StringIO):
            def write(self, text):
                writes.append(text)
                return super().write(text)

        monkeypatch.setattr(io, "StringIO", Screen)
        text = self.shown(terminal=terminal, epochs=40)
        assert [number for number in range(1, 41) if f"epoch {number}/40  loss 0.1250" not in text] == []
        whole = [text for text in writes if "loss 0.1250" in text]
        assert 0 < len(whole) < 20  # some seconds of epochs would take as many writes; these take milliseconds

    def test_it_is_drawn_a_few_times_a_second_only(self):
        console = pytest.importorskip("rich.console")
        callback, run = resolve("callbacks", "progress"), Run(epochs=1000)
        screen = io.StringIO()
        callback.console = console.Console(file=screen, force_terminal=True, width=140)
        callback.run_start(run)
        for _ in range(2000):
            run.step += 1
            callback.progress(run)
        callback.run_end(run)
        assert 0 < screen.getvalue().count("epoch") < 1000
