"""Reading text files."""

from pathlib import Path

from nbdl.errors import DataError


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, line breaks as `\\n`.

    Raises `DataError` for a file that is absent, empty, or no text.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"there is no file {path}.") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder; name a file in it.") from None
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        wrong = error.object[error.start]
        raise DataError(f"{path} is no UTF-8 text: byte {error.start + 1} is {wrong:#04x}.") from None
    if "\0" in text:
        raise DataError(f"{path} is no text: it has zero bytes in it.")
    if not text.strip():
        raise DataError(f"{path} is empty; there is no text in it.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a text file that aren't blank, without white space around them, with their numbers from 1.

    Raises `DataError` as `read_text`.
    """
    lines = enumerate(read_text(path).split("\n"), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip()]
