"""Run folders: what a kill, a full disk or damage at any point leaves behind."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from nbdl import atomic
from nbdl.errors import RunError
from nbdl.tensor_files import load_tensors, save_tensors
from nbdl.train.runfolder import RunFolder, plain

CONFIG = {"model": {"name": "mlp", "hidden": [8, 8], "dropout": None}, "train": {"epochs": 3, "out": Path("a")}}


@pytest.fixture
def run(tmp_path):
    with RunFolder.create(tmp_path / "run", CONFIG) as folder:
        yield folder


def save(folder, step):
    """Save a checkpoint in which weights, state and values all carry the step."""
    folder.save_checkpoint(
        {"w": np.full((3, 2), step, np.float32)}, {"slots": np.full(4, step, np.float64)}, {"step": step}
    )


def step_of(folder):
    """Load the checkpoint and return its step, having checked that all of it is of one moment."""
    loaded = folder.load_checkpoint()
    steps = {int(loaded.weights["w"][0, 0]), int(loaded.state["slots"][0]), loaded.meta["step"]}
    assert len(steps) == 1, f"weights, state and values come from different steps: {steps}"
    assert int(folder.load_weights()[0]["w"][0, 0]) in steps
    return steps.pop()


# --- the folder ----------------------------------------------------------------------------------------------------


def test_config_and_environment_come_back(run):
    assert run.config() == {"model": {"name": "mlp", "hidden": [8, 8]}, "train": {"epochs": 3, "out": "a"}}
    assert run.environment()["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert run.environment()["cores"] >= 1


def test_create_refuses_an_existing_run(run):
    with pytest.raises(RunError, match="holds a run already; continue it with --resume"):
        RunFolder.create(run.path, CONFIG)


def test_create_refuses_a_folder_with_something_else(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match=r"isn't empty and holds no run \(there is 'thesis.tex'\)"):
        RunFolder.create(tmp_path, CONFIG)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_create_takes_what_a_kill_before_the_config_left(tmp_path):
    (tmp_path / ".lock").touch()
    (tmp_path / f".config.toml.x{atomic.SUFFIX}").touch()
    (tmp_path / "environment.json").write_text("{}")
    RunFolder.create(tmp_path, CONFIG).close()
    assert not list(tmp_path.glob(f".*{atomic.SUFFIX}"))


@pytest.mark.parametrize("make", [RunFolder.open, RunFolder.resume])
def test_opening_what_is_no_run(tmp_path, make):
    with pytest.raises(RunError, match="there is no run folder"):
        make(tmp_path / "absent")
    with pytest.raises(RunError, match=r"is no run folder: it has no config\.toml"):
        make(tmp_path)


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match="can't be"):
        RunFolder.create(tmp_path / "run", CONFIG)


def test_damaged_config(run):
    run.config_file.write_text("model = [")
    with pytest.raises(RunError, match=r"config\.toml can't be read as TOML"):
        run.config()


def test_an_object_without_a_plain_form_is_refused():
    with pytest.raises(RunError, match="can't be saved in a run folder"):
        plain({"loss": object()})


# --- two runs at once ----------------------------------------------------------------------------------------------


def test_a_second_run_is_refused_until_the_first_ends(run):
    with pytest.raises(RunError, match=rf"in use by another run \(process {os.getpid()}\)"):
        RunFolder.resume(run.path)
    run.close()
    RunFolder.resume(run.path).close()


def test_the_lock_ends_with_its_process(tmp_path):
    program = f"""
        import os, signal
        from nbdl.train.runfolder import RunFolder
        folder = RunFolder.create({str(tmp_path / "run")!r}, {{}})
        os.kill(os.getpid(), {int(signal.SIGTERM)})
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    RunFolder.resume(tmp_path / "run").close()


# --- checkpoints ---------------------------------------------------------------------------------------------------


def test_checkpoint_comes_back_bit_for_bit(run):
    rng = np.random.default_rng(0)
    weights = {"a": rng.normal(size=(5, 4)).astype(np.float32)[:, ::2], "b": np.float64(np.nan).reshape(())}
    state = {"m": rng.normal(size=7), "empty": np.zeros((0, 3), np.float32), "seen": np.array([True, False])}
    run.save_checkpoint(weights, state, {"epoch": np.int64(3), "best": float("inf"), "lr": 1e-3})
    loaded = run.load_checkpoint()
    for saved, read in ((weights, loaded.weights), (state, loaded.state)):
        assert saved.keys() == read.keys()
        for name in saved:
            assert saved[name].dtype == read[name].dtype
            assert saved[name].shape == read[name].shape
            assert saved[name].tobytes() == read[name].tobytes()
    assert loaded.meta == {"epoch": 3, "best": float("inf"), "lr": 1e-3}


def test_no_checkpoint_yet(run):
    assert not run.has_checkpoint()
    with pytest.raises(RunError, match="has no checkpoint"):
        run.load_checkpoint()
    with pytest.raises(RunError, match="has no checkpoint"):
        run.load_weights()


def test_best_weights_fall_back_to_the_newest(run):
    save(run, 1)
    assert run.load_weights(best=True)[1] == {"step": 1}
    run.save_best({"w": np.zeros(1)}, {"step": 0})
    assert run.load_weights(best=True)[1] == {"step": 0}
    assert run.load_weights()[1] == {"step": 1}


DISK_CALLS = ("replace", "fsync", "unlink", "chmod", "open")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_before_any_call_to_the_disk_leaves_a_whole_checkpoint(run, monkeypatch):
    """The process dies, without cleaning up, before its 1st, 2nd, 3rd, ... call; each time a run must resume."""
    seen = set()
    for survived in range(100):
        save(run, 1)
        child = os.fork()
        if child == 0:
            _die_before_call(survived)
            save(run, 2)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        step = step_of(RunFolder.open(run.path))
        run.close()
        with RunFolder.resume(run.path) as resumed:
            assert step_of(resumed) == step
            assert not resumed.path.joinpath("weights.safetensors.next").exists()
            assert not list(resumed.path.glob(f".*{atomic.SUFFIX}"))
            save(resumed, 3)
            assert step_of(resumed) == 3
        seen.add(step)
        if status == 0:
            break
    else:
        pytest.fail("the child never finished")
    assert survived > 5
    assert seen == {1, 2}


def _die_before_call(survived):
    left = [survived]

    def counted(function):
        def call(*args, **kwargs):
            if left[0] == 0:
                os._exit(1)
            left[0] -= 1
            return function(*args, **kwargs)

        return call

    for name in DISK_CALLS:
        setattr(os, name, counted(getattr(os, name)))


def test_sigkill_while_saving_all_the_time(tmp_path):
    program = f"""
        import numpy as np
        from nbdl.train.runfolder import RunFolder
        with RunFolder.create({str(tmp_path / "run")!r}, {{}}) as folder:
            print("ready", flush=True)
            for step in range(1, 100000):
                folder.metrics.append({{"epoch": step - 1, "loss": 0.1 * step}})
                folder.save_checkpoint({{"w": np.full((3, 2), step)}}, {{"slots": np.full(4, step)}}, {{"step": step}})
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with RunFolder.resume(tmp_path / "run") as resumed:
        step = step_of(resumed)
        resumed.metrics.truncate(step)
        assert [row["epoch"] for row in resumed.metrics.rows()] == list(range(step))


@pytest.mark.parametrize("full_after", range(6))
def test_a_full_disk_keeps_the_checkpoint_before(run, monkeypatch, full_after):
    save(run, 1)
    fsync, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > full_after:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    if full_after < 5:  # five calls: file and folder for each of the two files, and the folder once more
        with pytest.raises(RunError, match="the disk is full"):
            save(run, 2)
    else:
        save(run, 2)
    monkeypatch.undo()
    # After the state's new name is on its way (4th call) the new checkpoint is the one that counts.
    assert step_of(run) == (1 if full_after < 3 else 2)
    assert not list(run.path.glob(f".*{atomic.SUFFIX}"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_while_appending_a_row(run):
    run.metrics.append({"epoch": 0, "loss": 1.0})
    run.metrics._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
    with pytest.raises(RunError, match=r"the disk is full: .*metrics\.csv"):
        run.metrics.append({"epoch": 1, "loss": 0.5})
    assert run.metrics.rows() == [{"epoch": 0, "loss": 1.0}]


# --- damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["weights.safetensors", "state.safetensors"])
@pytest.mark.parametrize("keep", [0, 4, 20, -1])
def test_a_truncated_file_is_named(run, name, keep):
    save(run, 1)
    file = run.path / name
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(RunError, match=f"{name} is damaged"):
        run.load_checkpoint()


def header(text, rest=b""):
    return len(text).to_bytes(8, "little") + text.encode() + rest


@pytest.mark.parametrize(
    "content",
    [
        b"garbage, more than eight bytes of it",
        header("not json"),
        header("[]"),
        header('{"a": {"dtype": "F32", "shape": [1000000000000], "data_offsets": [0, 4000000000000]}}', b"1234"),
        header('{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}', b"1234"),
        header('{"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}', b"1234"),
        header('{"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}', b"1234"),
        header('{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}', b"12345678"),
        header('{"a": 3}', b"1234"),
        header("[" * 100_000),
    ],
)
def test_garbage_is_refused_before_memory_is_taken(tmp_path, content):
    file = tmp_path / "weights.safetensors"
    file.write_bytes(content)
    with pytest.raises(RunError, match=r"weights\.safetensors is damaged or isn't a safetensors file"):
        load_tensors(file)


def test_a_missing_file_is_named(run):
    save(run, 1)
    run.weights_file.unlink()
    with pytest.raises(RunError, match=r"there is no file .*weights\.safetensors"):
        run.load_checkpoint()


def test_files_of_two_checkpoints_are_told_apart(run):
    save(run, 1)
    former = run.weights_file.read_bytes()
    save(run, 2)
    run.weights_file.write_bytes(former)
    with pytest.raises(RunError, match="come from different checkpoints"):
        run.load_checkpoint()


def test_objects_are_no_tensors(tmp_path):
    with pytest.raises(RunError, match="'names' has the dtype object"):
        save_tensors(tmp_path / "x", {"names": np.array([{}], dtype=object)})
    assert not (tmp_path / "x").exists()


# --- metrics -------------------------------------------------------------------------------------------------------


def test_metrics_come_back_with_gaps_and_new_columns(run):
    run.metrics.append({"epoch": 0, "loss": 0.1})
    run.metrics.append({"epoch": 1, "loss": np.float32(0.5), "val_loss": float("nan")})
    run.metrics.append({"epoch": np.int64(2), "val_loss": 1e-30})
    rows = run.metrics.rows()
    assert rows[0] == {"epoch": 0, "loss": 0.1}
    assert np.isnan(rows[1].pop("val_loss"))
    assert rows[1:] == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "val_loss": 1e-30}]
    assert run.metrics_file.read_text().startswith("epoch,loss,val_loss\n0,0.1,\n")


def test_a_torn_last_row_is_left_out_and_then_overwritten(run):
    run.metrics.append({"epoch": 0, "loss": 0.25})
    run.close()
    with run.metrics_file.open("a") as file:
        file.write("1,0.1")
    assert run.metrics.rows() == [{"epoch": 0, "loss": 0.25}]
    run.metrics.append({"epoch": 1, "loss": 0.125})
    assert run.metrics_file.read_text() == "epoch,loss\n0,0.25\n1,0.125\n"


def test_truncate_keeps_the_first_epochs(run):
    for epoch in range(4):
        run.metrics.append({"epoch": epoch, "loss": 1.0})
    run.metrics.truncate(2)
    run.metrics.append({"epoch": 2, "loss": 0.5})
    assert [row["loss"] for row in run.metrics.rows()] == [1.0, 1.0, 0.5]


def test_damaged_metrics_name_the_line(run):
    run.metrics_file.write_text("epoch,loss\n0,0.5\n1,much\n")
    with pytest.raises(RunError, match=r"metrics\.csv, line 3: '1,much'"):
        run.metrics.rows()


@pytest.mark.parametrize("text", ["epoch,loss\n0,0.5\n,0.1\n", "step,loss\n0,0.5\n1,0.1\n"])
def test_rows_without_their_epoch_are_refused(run, text):
    run.metrics_file.write_text(text)
    with pytest.raises(RunError, match=r"metrics\.csv, line \d: '.*' doesn't say which epoch it is"):
        run.metrics.rows()


def test_what_is_no_table_is_refused(run):
    run.metrics_file.write_text("epoch,loss\n0," + "1" * 200_000 + "\n")
    with pytest.raises(RunError, match=r"metrics\.csv can't be read as CSV: field larger than"):
        run.metrics.rows()


def test_written_files_are_readable_to_others(run):
    """`mkstemp` makes files for their owner only; a run's files have what the user's mask says."""
    mask = os.umask(0)
    os.umask(mask)
    assert run.config_file.stat().st_mode & 0o777 == 0o666 & ~mask
