"""The built-in benchmarks: they offer what they claim, and frameworks predict the same."""

import numpy as np
import pytest
from nbdl_benchmarks import whole_data
from nbdl_benchmarks.layers import Dense, EncoderBlock
from nbdl_benchmarks.workloads import NEIGHBOURS, WORKLOADS, Workload, grown, named

from nbdl import plugins
from nbdl.benchmarking import OURS, Benchmark, Trainer

REGISTERED = [each for each in plugins.all("benchmarks") if each.package == "nbdl"]
ALL = pytest.mark.parametrize("workload", [*WORKLOADS, *NEIGHBOURS], ids=lambda each: each.name)


@pytest.mark.parametrize("thing", REGISTERED, ids=lambda each: each.name)
def test_offers_what_can_be_made(thing):
    made = thing.make()
    assert isinstance(made, Benchmark)
    assert made.name == thing.name
    assert made.operations > 0
    assert made.bytes > 0
    assert made.peers or made.whole
    for offered in (made.peers, made.predictors, made.programs, made.eager, made.whole):
        assert not offered or OURS in offered
    for text in (*made.programs.values(), *made.whole.values()):
        compile(text, "program", "exec")
    if made.inputs is not None:
        assert len(made.inputs(5000)) == 5000
    for axis, size in made.sizes.items():
        assert size(1).operations == made.operations, axis
        assert size(8).operations > 2 * made.operations, axis


def test_there_are_all_of_them():
    assert {each.name for each in REGISTERED} >= {f"w{number}" for number in range(1, 13)} | {"lenet5_mnist"}


@ALL
def test_onnx_and_pytorch_predict_the_same(workload: Workload):
    torch, onnx = pytest.importorskip("nbdl_benchmarks.with_torch"), pytest.importorskip("onnxruntime")
    assert onnx
    from nbdl_benchmarks import with_onnxruntime

    x = workload.inputs(3)
    outputs = [each.run(x) for made in (torch, with_onnxruntime) for each in made.predictors(workload).values()]
    for each in outputs[1:]:
        np.testing.assert_allclose(each, outputs[0], rtol=1e-4, atol=1e-5)  # float32, other orders of sums


@pytest.mark.parametrize("name", ["w1", "w4", "w12"])
def test_nbdl_predicts_as_pytorch_does(name: str):
    torch = pytest.importorskip("nbdl_benchmarks.with_torch")
    from nbdl_benchmarks import with_nbdl

    workload = named(name)
    x = workload.inputs(3)
    ours = with_nbdl.predictors(workload)[OURS].run(x)
    theirs = next(iter(torch.predictors(workload).values())).run(x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)  # float32, other orders of sums


def losses(*trainers: Trainer) -> list[float]:
    order = np.random.default_rng(0).integers(0, 4096, (10, 32))
    for each in trainers:
        each.run(order)
    return [each.loss() for each in trainers]


def test_the_explicit_loop_does_what_the_program_does():
    from nbdl_benchmarks import with_nbdl

    workload = named("w4")
    program, loop = losses(with_nbdl.trainers(workload)[OURS], with_nbdl.eager(workload)[OURS])
    assert loop == pytest.approx(program, rel=1e-5)  # ten steps in float32


def test_fit_tells_the_time_of_each_epoch():
    from nbdl_benchmarks import with_nbdl

    clock = with_nbdl.fit(named("w4"), 3)
    assert len(clock) == 5
    assert sorted(clock) == clock


@pytest.mark.parametrize(("name", "axis"), [(each.name, axis) for each in WORKLOADS for axis in each.grows])
def test_what_grows_grows(name: str, axis: str):
    larger = grown(named(name), axis, 4)
    change = {"width": "units", "depth": "layers", "length": "row"}[axis]
    kinds = [type(each) for each in larger.layers]
    if change == "layers":
        few = [type(each) for each in named(name).layers]
        assert kinds.count(EncoderBlock) == 4 * few.count(EncoderBlock)
        assert EncoderBlock in kinds or kinds.count(Dense) == 4 * (few.count(Dense) - 1) + 1
    elif change == "row":
        assert larger.row[0] == 4 * named(name).row[0]
    assert larger.output[-1] == named(name).output[-1]


def test_exponentials_of_matrices():
    x, y = whole_data.matrices()
    total = term = np.eye(2)[None]
    for power in range(1, 60):
        term = term @ x[:50].reshape(-1, 2, 2).astype(np.float64) / power
        total = total + term
    np.testing.assert_allclose(y[:50], total.reshape(-1, 4), rtol=1e-5, atol=1e-6)


def trained_losses(workload: Workload, *made: Trainer) -> list[float]:
    order = np.random.default_rng(0).integers(0, workload.rows, (20, workload.batch))
    for each in made:
        each.run(order)
    return [each.loss() for each in made]


@pytest.mark.parametrize("name", ["w1", "w2", "w3", "w4", "w11"])
def test_steps_written_out_for_cupy_are_those_of_nbdl(name: str):
    """With NumPy in the place of CuPy, whose functions have the same names."""
    from nbdl_benchmarks import with_cupy, with_nbdl

    workload = named(name)
    ours, theirs = trained_losses(
        workload, with_nbdl.trainers(workload)[OURS], with_cupy.trainer(workload, np, lambda: None)
    )
    assert theirs == pytest.approx(ours, rel=1e-4)  # twenty steps in float32, sums in other orders


def test_cupy_says_what_it_leaves_out():
    from nbdl_benchmarks import with_cupy

    for name in ("w6", "w7", "w10", "w12"):
        with pytest.raises(NotImplementedError, match="steps of dense layers are written out"):
            with_cupy.trainer(named(name), np, lambda: None)


@pytest.mark.parametrize("name", ["w1", "w4", "w12"])
def test_pytorch_on_a_card_takes_the_steps_of_that_on_a_cpu(name: str, monkeypatch: pytest.MonkeyPatch):
    """Where the card is the CPU; `torch.compile` leaves functions as they are."""
    torch = pytest.importorskip("torch")
    from nbdl_benchmarks import with_torch, with_torch_cuda

    monkeypatch.setattr(with_torch_cuda, "CARD", "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    workload = named(name)
    eager, compiled = with_torch_cuda._eager(workload), with_torch_cuda.compiled_trainers(workload)["torch.compile"]
    wanted, *got = trained_losses(workload, with_torch.trainer(workload, 1), eager, compiled)
    assert got == [pytest.approx(wanted, rel=1e-5)] * 2


@pytest.mark.parametrize("peer", ["torch", "torch_compile", "jax", "cupy"])
def test_peers_without_a_card_are_left_out_with_a_reason(peer: str):
    made = plugins.lookup("benchmarks", "w1").make(device="cuda")
    with pytest.raises((NotImplementedError, ImportError), match=r"no card|No module named"):
        made.peers[peer]()


def test_the_batch_can_be_another():
    for device in ("cpu", "cuda"):
        made = plugins.lookup("benchmarks", "w5").make(device=device, batch=1024)
        assert (made.name, made.batch) == ("w5, batch 1024", 1024)
