"""`nbdl bench`: each measurement of a tiny benchmark, whose frameworks are NumPy under several names."""

import json

import numpy as np
import pytest
from nbdl_cli.measurements import MEASUREMENTS, processes, scaling, steps

from nbdl import benchmarking
from nbdl.benchmarking import Benchmark, Predictor, Trainer
from nbdl.hookspecs import hookimpl
from nbdl.plugins import isolated_plugins

PROGRAM = "memory = []\ndef run(steps):\n    memory.append(bytearray(steps * {size}))\n"
MANY = 2**26


def trainer(slope=0.5):
    """A line through the origin, fitted by a step for each row of the order."""
    state = {"w": 0.0}

    def run(order):
        for rows in order:
            state["w"] += 0.01 * (slope - state["w"]) * len(rows)

    return Trainer(run, lambda: (state["w"] - 1) ** 2, lambda: 1000)


def missing():
    raise ImportError("No module named 'absent'")


def unable():
    raise NotImplementedError("it has no lines")


def kernels(steps):
    return {"step": 5e4, "dense: matmul_nn": 3e4, "dense: loop": 1e4}


def fit(epochs):
    return [float(count) for count in range(epochs + 2)]


def line(name="line", batch=4, wrong=False):
    """A benchmark that offers everything; with `wrong` the peer comes to another result."""
    slope = 0.9 if wrong else 0.5
    trainers = {
        "nbdl": lambda: {"nbdl": trainer()},
        "torch": lambda: {"torch, 1 thread": trainer(slope), "torch, 2 threads": trainer(slope)},
        "jax": lambda: {"jax": trainer()},
        "keras": missing,
        "sklearn": unable,
    }
    return Benchmark(
        name=name,
        title="a line",
        batch=batch,
        rows=64,
        operations=100 * batch,
        bytes=64,
        peers=trainers,
        inputs=lambda rows: np.ones((rows, 1), np.float32),
        predictors={
            "nbdl": lambda: {"nbdl": Predictor(lambda x: x)},
            "torch": lambda: {"torch": Predictor(lambda x: x * (2 if wrong else 1))},
        },
        programs={
            "nbdl": PROGRAM.format(size=1),
            "torch": PROGRAM.format(size=MANY // 300),
            "jax": "import absent_framework",
        },
        eager=trainers,
        workers=lambda workers: trainer(),
        sizes={"batch": lambda factor: line(f"line × {factor}", factor * batch)},
        kernels=kernels,
        fit=fit,
        whole={"nbdl": "print(0.5)", "torch, 1 thread": "print('learning')\nprint(0.25)", "jax": "import absent"},
        published={"somebody": 12.0},
    )


class Lines:
    @hookimpl
    def nbdl_benchmarks(self, register):
        register("line", line)
        register("wrong", lambda: line("wrong", wrong=True))
        register("bare", lambda: Benchmark("bare", "nothing", 1, 1, 1, 1))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Turns of a moment, a machine that has been measured, and no plugins but these."""
    monkeypatch.setattr(benchmarking, "TURN", 1e-4)
    monkeypatch.setattr(steps, "peak", lambda: 1e11)
    monkeypatch.setattr("nbdl.kernels.cpu.ceilings.bandwidth", lambda size: 1e10)
    monkeypatch.setattr(scaling, "cores", lambda: 4)
    with isolated_plugins() as own:
        own.register_plugin(Lines(), "lines", package="lines")
        yield


@pytest.fixture
def figures(invoke):
    """Return a function that measures and returns the figures of the benchmark `line`."""

    def run(measurement, *arguments):
        answer = invoke("bench", "line", "--measure", measurement, "--rounds", "3", "--json", *arguments)
        assert answer.exit_code == 0, answer.output
        data = json.loads(answer.stdout)
        assert list(data["results"]) == [measurement]
        return data["results"][measurement]["line"]

    return run


# --- what is measured -------------------------------------------------------------------------------------------------


def test_steps(figures):
    found = figures("steps", "--against", "torch,jax,keras,sklearn")
    assert list(found["microseconds"]) == ["nbdl", "torch, 1 thread", "torch, 2 threads", "jax"]
    assert found["best"]["pytorch"]["trainer"].startswith("torch")
    assert found["best"]["others"]["trainer"] == "jax"
    assert found["best"]["others"] | {"trainer": ""} == found["ratio"]["jax"] | {"trainer": ""}
    lowest = min(found["ratio"][f"torch, {threads}"]["low"] for threads in ("1 thread", "2 threads"))
    assert found["best"]["pytorch"]["low"] == lowest
    assert found["floor_microseconds"] > 0
    assert found["left_out"] == {"keras": "No module named 'absent'", "sklearn": "it has no lines"}


def test_inference(figures):
    found = figures("inference", "--against", "all")
    assert found["difference"] == {"nbdl": 0.0, "torch": 0.0}
    assert set(found["rows"]) == {"1", "1024"}
    assert set(found["rows"]["1"]["ratio"]) == {"torch"}
    assert "jax" in found["left_out"]


def test_start(figures):
    found = figures("start", "--against", "torch,jax")
    for kind in ("cold", "warm"):
        assert 0 < found["seconds"][kind]["nbdl"]["median"] < 60
        assert found["ratio"][kind]["torch"]["low"] > 0
    assert found["left_out"] == {"jax": "No module named 'absent_framework'"}


def test_memory(figures):
    found = figures("memory", "--against", "torch")
    difference = found["mebibytes"]["torch"]["median"] - found["mebibytes"]["nbdl"]["median"]
    assert difference == pytest.approx(MANY / 2**20, abs=8)  # MiB: two Pythons differ by some pages


def test_eager(figures):
    found = figures("eager", "--against", "torch")
    assert set(found["ratio"]) == {"torch, 1 thread", "torch, 2 threads"}
    assert len({round(loss, 12) for loss in found["loss"].values()}) == 1


def test_scaling(figures):
    found = figures("scaling")
    assert list(found["microseconds"]) == ["nbdl", "1 worker", "2 workers"]
    assert found["workers"] == 4


def test_growth(figures):
    sizes = figures("growth")["grows"]["batch"]
    assert [each["factor"] for each in sizes] == [1, 2, 4, 8]
    assert [each["operations"] for each in sizes] == [400, 800, 1600, 3200]
    for each in sizes:
        million = each["microseconds"]["median"] / each["operations"] * 1e6
        assert each["microseconds_a_million"]["median"] == pytest.approx(million, rel=2e-3)  # four digits
        assert each["bytes"] == 1000


def test_kernels(figures):
    found = figures("kernels")
    assert found["microseconds"] == {"step": 50_000, "dense: matmul_nn": 30_000, "dense: loop": 10_000}


def test_fit(figures):
    found = figures("fit")
    assert found["microseconds"]["fit"]["median"] == pytest.approx(1e6 / 16)  # a second an epoch of 16 steps
    assert found["extra_percent"]["median"] > 0
    assert found["seconds_of_the_first_epoch"] == 1


def test_whole(figures):
    found = figures("whole", "--against", "torch,jax")
    assert found["printed"] == {"nbdl": [0.5] * 3, "torch, 1 thread": [0.25] * 3}
    assert found["published"] == {"somebody": 12.0}
    assert found["best"]["program"] == "torch, 1 thread"
    assert found["left_out"] == {"jax": "No module named 'absent'"}


def test_every_measurement_is_tested_here():
    assert all(f"test_{name}" in globals() for name in MEASUREMENTS)


# --- how it is told ---------------------------------------------------------------------------------------------------


def test_tables_files_and_pictures(invoke, tmp_path):
    out, plot = tmp_path / "all.json", tmp_path / "all.png"
    answer = invoke(
        "bench", "line", "--measure", "all", "--against", "torch", "--rounds", "1", "--out", out, "--plot", plot
    )
    assert answer.exit_code == 0, answer.output
    for measurement in MEASUREMENTS.values():
        assert measurement.title in answer.stdout
    assert "published: somebody" in answer.stdout
    data = json.loads(out.read_text())
    assert set(data["results"]) == set(MEASUREMENTS)
    assert data["rounds"] == 1
    assert data["versions"]["nbdl"]
    drawn = {name for name, each in MEASUREMENTS.items() if each.draw}
    assert {path.stem for path in tmp_path.glob("*.png")} == {f"all-{name}" for name in drawn}


@pytest.mark.parametrize("measurement", ["steps", "eager", "inference"])
def test_whoever_comes_to_another_result_is_found_out(invoke, measurement):
    answer = invoke("bench", "wrong", "--measure", measurement, "--against", "torch", "--rounds", "1")
    assert answer.exit_code == 1
    assert f"not everybody comes to the same result: wrong ({measurement})" in answer.stderr
    assert invoke("bench", "wrong", "--measure", measurement, "--rounds", "1").exit_code == 0


def test_what_a_benchmark_does_not_offer_is_left_out(invoke):
    answer = invoke("bench", "bare", "--measure", "all", "--json")
    assert answer.exit_code == 0, answer.output
    data = json.loads(answer.stdout)
    for name in MEASUREMENTS:
        assert data["results"][name] == {}
        assert data["left_out"][name]["bare"].startswith("it offers no ")
        assert f"{name}: bare is left out: it offers no" in answer.stderr


def test_the_batch_can_be_another(invoke):
    answer = invoke("bench", "line", "--batch-size", "8", "--rounds", "1", "--json")
    assert json.loads(answer.stdout)["results"]["steps"]["line"]["batch"] == 8
    answer = invoke("bench", "wrong", "--batch-size", "8")
    assert answer.exit_code == 2
    assert "wrong can't be measured with another batch" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--measure", "step"), "there is no such measurement; did you mean 'steps'?"),
        (("--against", "pytorch"), "there is no such peer; did you mean 'torch'?"),
        (("--plot", "x.txt"), "--plot x.txt needs one of the endings .png, .svg, .pdf"),
        (("--plot", "x.png", "--measure", "kernels,fit"), "--plot: there is no picture of kernels, fit, but of steps"),
    ],
)
def test_mistakes(invoke, arguments, message):
    answer = invoke("bench", "line", *arguments)
    assert answer.exit_code != 0
    assert message in (answer.stderr + str(answer.exception))


def test_a_program_that_fails_says_why():
    with pytest.raises(RuntimeError, match="ran aground"):
        processes.run("raise ValueError('ran aground')")
