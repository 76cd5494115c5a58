"""`nbdl generate` for runs that make images: one picture of them, the array, and what can't be asked of them."""

import numpy as np
import pytest

from tests.cli.runs import train
from tests.cli.test_mistakes import refused

SMALL = ("--set", "model.hidden=[8]", "--epochs", "1", "--workers", "1", "--set", "model.latent=4")


@pytest.fixture(scope="module")
def makers(tmp_path_factory):
    """Runs that make images of digits, one that makes rows of a table, and one that gives images back."""
    folder = tmp_path_factory.mktemp("makers")
    train(folder, {
        "gan": ["gan", "--data", "digits", *SMALL],
        "flowers": ["gan", "--data", "iris", *SMALL],
        "autoencoder": ["autoencoder", "--data", "digits", *SMALL[:-2]],
    })
    return folder


@pytest.fixture
def generate(invoke, makers):
    """Return a function that runs the command on one of the runs."""
    return lambda run, *arguments: invoke("generate", makers / run, *arguments)


def image(path):
    from PIL import Image

    with Image.open(path) as opened:
        return np.asarray(opened)


def test_a_picture_in_the_run_s_folder(generate, makers):
    result = generate("gan", "--count", "5")
    assert result.exit_code == 0, result.output
    assert "Wrote 5 images" in result.stderr
    picture = image(makers / "gan" / "plots" / "generated.png")
    assert picture.dtype == np.uint8
    assert picture.ndim == 2
    assert picture.shape[1] > picture.shape[0]  # five images, three of them in the first row
    assert len(np.unique(picture)) > 10


def test_the_array_is_what_the_network_generates(generate, makers, tmp_path):
    """In the units of the data: digits have pixels from 0 to 16."""
    from nbdl_cli.network import open_run

    for name, run, shape, units in (("a.npy", "gan", (8, 8, 1), 16), ("b.npy", "flowers", (4,), 1)):
        result = generate(run, "--count", "6", "--seed", "3", "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
        rows = np.load(tmp_path / name)
        assert rows.shape == (6, *shape)
        np.testing.assert_array_equal(rows, units * open_run(makers / run).net.generate(6, seed=3))


def test_the_same_seed_gives_the_same_images(generate, tmp_path):
    files = []
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        assert generate("gan", "--seed", seed, "--out", tmp_path / name).exit_code == 0
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1] != files[2]


@pytest.mark.parametrize(
    ("run", "arguments", "messages"),
    [
        ("gan", ["--count", "0"], ["--count must be at least 1, not 0"]),
        ("gan", ["--prompt", "a seven"], ["makes images", "--prompt is for those that write"]),
        ("gan", ["--out", "images.txt"], ["--out images.txt needs one of the endings .png, .npy"]),
        ("gan", ["--out", "there/is/none.png"], ["there"]),
        ("flowers", [], ["rows of shape (4,), which are no images", "--out FILE.npy"]),
        (
            "autoencoder",
            [],
            ["generate needs a run that learned to write a text, or to make images"],
        ),
    ],
)
def test_mistakes(generate, work, run, arguments, messages):
    refused(generate(run, *arguments), *messages)
    assert not list(work.iterdir())
