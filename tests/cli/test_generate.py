"""`nbdl generate`: texts by a model of texts, names by one of lines, and runs that can't write."""

import json

import pytest

from tests.cli.runs import train
from tests.cli.test_mistakes import refused

TEXT = "the cat sat on the mat.\n" * 40
NAMES = ["anna", "hanna", "nana", "anan", "hana", "nahna"] * 3
SMALL = ("--set", "model.layers=1", "--set", "model.width=16", "--workers", "1", "--epochs", "1")


@pytest.fixture(scope="module")
def writers(tmp_path_factory):
    """Runs that have learned a text and names, and one that has not learned to write."""
    folder = tmp_path_factory.mktemp("writers")
    (folder / "text.txt").write_text(TEXT)
    (folder / "names.txt").write_text("\n".join(f"{name}{number % 3 * 'a'}" for number, name in enumerate(NAMES)))
    names = ["names", "--set", f"data.path={folder / 'names.txt'}"]
    train(folder, {
        "text": ["char_transformer", *SMALL, "--data", "text", "--set", f"data.path={folder / 'text.txt'}",
                 "--set", "data.window=8", "--batch-size", "4", "--set", "train.epoch_rows=1200"],
        "names": ["char_transformer", *SMALL, "--data", *names],
        "iris": ["linear", "--epochs", "1", "--data", "iris"],
    })
    return folder


@pytest.fixture
def generate(invoke, writers):
    """Return a function that runs the command on one of the runs."""
    return lambda run, *arguments: invoke("generate", writers / run, *arguments)


def test_writes_on_from_a_prompt(generate):
    result = generate("text", "--prompt", "the c", "--length", "30", "--temperature", "0")
    assert result.exit_code == 0, result.output
    text = result.stdout.removesuffix("\n")
    assert text.startswith("the c")
    assert len(text) == 35
    assert "the" in text[5:], "it has learned the most frequent word"


def test_the_same_seed_gives_the_same_text(generate):
    first, again, other = (generate("text", "--seed", seed).stdout for seed in (1, 1, 2))
    assert first == again != other


def test_a_file_gets_the_text(generate, tmp_path):
    result = generate("text", "--prompt", "on", "--length", "5", "--out", tmp_path / "text.txt")
    assert result.exit_code == 0, result.output
    written = (tmp_path / "text.txt").read_text()
    assert written.startswith("on")
    assert written.endswith("\n")
    assert len(written) == 2 + 5 + 1
    assert result.stdout == ""


def test_json(generate):
    result = generate("text", "--prompt", "on", "--length", "5", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["text"].startswith("on")
    assert (answer["prompt"], answer["seed"], answer["weights"]) == ("on", 0, "last")


def test_lines_begin_with_the_prompt(generate):
    result = generate("names", "--prompt", "ha", "--length", "4")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("ha") and set(line) <= set("han") for line in lines)


@pytest.mark.parametrize(
    ("run", "arguments", "messages"),
    [
        ("text", ["--prompt", "the dög"], ["--prompt: the character 'd'", "isn't in the vocabulary"]),
        ("text", ["--length", "0"], ["--length must be at least 1, not 0"]),
        ("text", ["--seed", "-1"], ["--seed must be at least 0, not -1"]),
        ("text", ["--temperature", "-1"], ["the temperature must be at least 0, not -1.0"]),
        ("text", ["--top-k", "0"], ["top_k must be at least 1, not 0"]),
        ("text", ["--top-p", "1.5"], ["top_p must be above 0 and at most 1, not 1.5"]),
        ("text", ["--out", "."], ["--out . is a folder; name a file"]),
        ("names", ["--prompt", "an" * 20], ["--prompt has 40 characters; a line has at most"]),
        ("iris", [], ["was trained on iris (classification); generate needs a run that learned to write a text"]),
        ("nothing", [], ["nothing"]),
    ],
)
def test_mistakes(generate, work, run, arguments, messages):
    refused(generate(run, *arguments), *messages)
