"""Where the real data lies, and a short way to write a file."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real data; the test is skipped where there is none."""
    folder = Path(os.environ.get("NBDL_DATA") or SHARED)
    if not (folder / "adult").is_dir():
        pytest.skip(f"the real data are not in {folder}; set NBDL_DATA")
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write(text, name="t.csv")` writes a file and returns its path."""

    def make(content: str | bytes, name: str = "t.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make
