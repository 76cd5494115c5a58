"""Every program in examples/ runs, reaches what it is there to show, and ends in its picture."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py"))
WITHOUT_PICTURE = {"digits_mlp"}


def numbers(text, pattern):
    """The numbers that a printed line has in the groups of a pattern."""
    found = re.search(pattern, text)
    assert found, f"{pattern!r} is not in:\n{text}"
    return [float(each) for each in found.groups()]


NUMBER = r"(-?\d+\.?\d*)"


def check_linear_regression(text):
    found = numbers(text, rf"steps:\s+y = {NUMBER} \* x \+ {NUMBER}")
    best = numbers(text, rf"least squares:\s+y = {NUMBER} \* x \+ {NUMBER}")
    np.testing.assert_allclose(found, best, atol=0.002)


def check_logistic_regression(text):
    first, last, right = numbers(text, rf"loss: {NUMBER} .*, {NUMBER} at last; {NUMBER}% right")
    assert first == pytest.approx(np.log(2), abs=1e-4)
    assert last < 0.2
    assert right >= 90  # a straight line can't do much better


def check_mlp(text):
    (error,) = numbers(text, rf"at last:\s+mean squared error {NUMBER}")
    assert error < 0.012  # the noise alone makes 0.01


def check_cnn(text):
    train, test = numbers(text, rf"at last: {NUMBER}% of the training pictures right, {NUMBER}% of the test")
    assert train >= 99
    assert test >= 96


def check_rnn(text):
    (error,) = numbers(text, rf"at last:\s+mean squared error {NUMBER}")
    ahead, variance = numbers(
        text, rf"forecast of \d+ steps: mean squared error {NUMBER}, variance of the wave {NUMBER}"
    )
    assert error < 0.0035  # the noise alone makes 0.0025
    assert ahead < 0.1 * variance


def check_autoencoder(text):
    unseen, mean = numbers(text, rf"not seen in training: {NUMBER}; of their mean picture {NUMBER}")
    assert unseen < 0.5 * mean


def check_gan(text):
    radius, spread = numbers(text, rf"radius of the made points: {NUMBER} \+- {NUMBER}")
    assert radius == pytest.approx(1, abs=0.1)
    assert spread < 0.2
    quarters = re.search(r"quarter of the ring: \[(.*)\]", text)[1].split()
    assert min(map(int, quarters)) > 150  # of 1000


def check_digits_mlp(text):
    (accuracy,) = numbers(text, rf"'accuracy': {NUMBER}")
    assert accuracy > 0.95


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_shows_what_it_says(name, tmp_path):
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py")],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if f"check_{name}" in globals():
        globals()[f"check_{name}"](done.stdout)
    else:
        assert done.stdout
    if f"check_{name}" in globals() and name not in WITHOUT_PICTURE:
        path = Path(re.search(r"^picture: (.+)$", done.stdout, re.MULTILINE)[1])
        assert path == tmp_path / f"{name}.png"
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 20_000  # an empty picture is smaller


def test_the_programs_of_the_seed_documents_are_there():
    assert {"linear_regression", "logistic_regression", "mlp", "cnn", "rnn", "autoencoder", "gan"} <= set(PROGRAMS)
