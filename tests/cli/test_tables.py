"""Tables: names are whole at every width of a terminal, and a pipe gets lines that nothing is cut from."""

import io
import os
import re
import subprocess
import sys

import pytest
from nbdl_cli.output import print_table

COLUMNS = ("name", "package", "options", "")
NAMES = ("seq2seq_transformer", "mlp")
ROWS = [
    (NAMES[0], "nbdl", "width=128 heads=4 layers=2 hidden=256 dropout=0.0 longest=none", "reads tokens, writes others"),
    (NAMES[1], "nbdl", "", "dense layers"),
]
WORDS = {word for row in ROWS for cell in row for word in cell.split()}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def without_colours(text):
    return re.sub(r"\x1b\[[\d;]*m", "", text)


@pytest.fixture
def shown(monkeypatch):
    """Return a function that prints the table into a terminal of a width and returns the lines."""

    def show(width):
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm")  # of dumb ones rich knows that they have 80 columns
        monkeypatch.setattr(sys, "stdout", Terminal())
        print_table(COLUMNS, ROWS)
        return without_colours(sys.stdout.getvalue()).splitlines()

    return show


@pytest.mark.parametrize("width", [24, 40, 60, 80, 120, 300])
def test_nothing_is_cut_off_in_a_terminal(shown, width):
    lines = shown(width)
    assert max(map(len, lines)) <= width
    assert {word for line in lines for word in line.split()} >= WORDS
    assert all(any(line.startswith(name) for line in lines) for name in NAMES)


def test_a_narrow_terminal_gets_blocks(shown):
    lines = [line.rstrip() for line in shown(40)]
    assert lines[-4:] == ["", "mlp", "  package: nbdl", "  dense layers"]
    assert lines[:2] == ["seq2seq_transformer", "  package: nbdl"]


def test_a_pipe_gets_a_line_for_each_row(capsys):
    print_table(COLUMNS, ROWS)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["name", *NAMES]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize("width", [40, 80])
def test_the_models_in_a_real_terminal(width):
    import pty

    reader, terminal = pty.openpty()
    program = "import sys; sys.argv = ['nbdl', 'models']; from nbdl_cli.main import main; main()"
    environment = os.environ | {"COLUMNS": str(width), "TERM": "xterm"}
    process = subprocess.Popen([sys.executable, "-c", program], stdout=terminal, env=environment)
    os.close(terminal)
    text = b""
    try:
        while part := os.read(reader, 1000):
            text += part
    except OSError:
        pass  # Linux says so where the other end is closed
    os.close(reader)
    assert process.wait() == 0
    lines = without_colours(text.decode()).splitlines()
    assert max(map(len, lines)) <= width
    assert all(any(line.startswith(name) for line in lines) for name in NAMES)
