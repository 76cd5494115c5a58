"""Reading CSV files: separator, header, missing cells; and files that are broken."""

import csv
import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbdl.data.csv_file import read_csv
from nbdl.errors import DataError

CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=("Cs",)), max_size=8)


def columns(table):
    return [list(column) for column in table.columns]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separator_and_header_are_found(write, separator):
    table = read_csv(write(f"a{separator}b\n1{separator} x\n2{separator}y\n"))
    assert table.names == ("a", "b")
    assert columns(table) == [["1", "2"], ["x", "y"]]
    assert table.lines == (2, 3)


def test_decimal_commas_where_commas_do_not_separate(write):
    table = read_csv(write("a;b\n3,5;x,y\n-,5e2;z\n"))
    assert columns(table) == [["3.5", "-.5e2"], ["x,y", "z"]]


@pytest.mark.parametrize(("text", "header"), [
    ("1,2\n3,4\n", False),
    ("a,b\n3,4\n", True),
    ("?,b\n3,4\n", True),
    ("a,2\n3,4\n", False),
    ("2,a\n3,b\n3,a\n", False),
    ("name,kind\nx,u\ny,u\n", True),
    ("x,u\ny,u\nx,u\n", False),
    ("1,a\n", False),
])
def test_header_is_told_from_data(write, text, header):
    assert read_csv(write(text)).header is header


def test_header_can_be_said(write):
    assert read_csv(write("1,2\n3,4\n"), header=True).names == ("1", "2")
    assert read_csv(write("a,b\n1,2\n"), header=False).names == ("column 1", "column 2")


def test_known_names_decide(write):
    assert len(read_csv(write("u,v\nx,y\n"), known_names=["u", "v"])) == 1


def test_gzip_bom_quotes_blank_lines_and_windows_line_ends(write):
    text = '\ufeffa, "b, c"\r\n\r\n1, "x ""y""\nz"\r\n'
    table = read_csv(write(gzip.compress(text.encode()), "t.csv.gz"))
    assert table.names == ("a", "b, c")
    assert columns(table) == [["1"], ['x "y"\nz']]
    assert table.lines == (4,)


@given(st.integers(2, 5).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1,
                                                        max_size=6)))
def test_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    path.write_bytes(text.getvalue().encode())
    table = read_csv(path, header=False)
    assert [list(row) for row in zip(*table.columns, strict=True)] == [[cell.strip() for cell in row] for row in rows]


@pytest.mark.parametrize(("content", "message"), [
    (b"", "is empty"),
    (b"\n\n", "is empty"),
    (b"a,b\n", "rows below it"),
    (b"a,b\n1,2\n3\n4,5,6\n", r"line 3: the row has 1 cells, the first row has 2 \(separated by commas\); 2 rows"),
    (bytes(range(128, 256)) * 9, "not UTF-8 text"),
    (b"a,b\n\0\0,1\n", "zero bytes"),
    (b"a,a\n1,2\n", "2 columns called 'a'"),
    (gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:-20], "cut short"),
    (b"\x1f\x8bxxxx", "can't be read"),
    (b'a,b\n1,"2\n' + b"x" * 200_000, "line 3.*quotation mark"),
])
def test_broken_files(write, content, message):
    with pytest.raises(DataError, match=message):
        read_csv(write(content))


def test_no_file_or_a_folder(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_csv(tmp_path)
