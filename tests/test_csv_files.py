"""CSV files as people really send them: right, or put aside with a reason, or refused with one. Never silently wrong."""

from __future__ import annotations

import gzip
import json
import os
import random
from itertools import chain
from pathlib import Path

import pytest

from connectors.contract import Rejected, SourceFailed
from connectors.registry import pull
from tests.pulls import asked, collected, failure, pulled


def put(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_plain_file_is_text_by_normalised_names_with_true_lines(tmp_path: Path) -> None:
    put(tmp_path, "Ticket ID,Created Date,Größe %\n007,2026-01-02,1.5\n008,,NA\n")
    found = pulled("csv", tmp_path, path="t.csv")
    assert found.rows == [
        {"ticket_id": "007", "created_date": "2026-01-02", "grosse": "1.5"},
        {"ticket_id": "008", "created_date": None, "grosse": "NA"},
    ]
    assert found.lines == [2, 3]
    assert set(found.types.values()) == {"string"}


PLAIN = [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]


@pytest.mark.parametrize(
    ("content", "csv"),
    [
        (b"a,b\n1,x\n2,y\n", {}),
        (b"a,b\n1,x\n2,y", {}),
        (b"a,b\r\n1,x\r\n2,y\r\n", {}),
        (b"a,b\r1,x\r2,y\r", {}),
        (b"a,b\n1,x\r\n2,y\n", {}),
        (b"a,b\r\n1,x\n2,y\r\n", {}),
        (b"\xef\xbb\xbfa,b\n1,x\n2,y\n", {}),
        (b"\xef\xbb\xbf1,x\n2,y\n", {"header": False}),
        (b"\n\na,b\n\n1,x\n  \n2,y\n\n\n", {}),
        (b"a;b\n1;x\n2;y\n", {}),
        (b"a\tb\n1\tx\n2\ty\n", {}),
        (b"a|b\n1|x\n2|y\n", {}),
        (b"a\tb\n1\tx\n2\ty\n", {"delimiter": "\\t"}),
        (b"a~b\n1~x\n2~y\n", {"delimiter": "~"}),
        (b'"a","b"\n"1","x"\n"2","y"\n', {}),
        (b"'a','b'\n'1','x'\n'2','y'\n", {"quote": "'"}),
        (b"a,b\n1,x\n2,y\n", {"quote": ""}),
        ("a,b\n1,x\n2,y\n".encode("utf-16"), {}),
        ("a,b\n1,x\n2,y\n".encode("utf-16-le"), {"encoding": "utf-16-le"}),
        (b"Report of today\nno, really\na,b\n1,x\n2,y\n", {"skip": 2}),
        (b"Report, \"of\ntoday\na,b\n1,x\n2,y\n", {"skip": 2}),
        (b"# by hand\na,b\n# more\n1,x\n2,y\n", {"comment": "#"}),
        (gzip.compress(b"a,b\n1,x\n2,y\n", mtime=0), {}),
        (gzip.compress(b"a,b\n1,x\n", mtime=0) + gzip.compress(b"2,y\n", mtime=0), {}),
    ],
)  # fmt: skip
def test_the_same_rows_however_they_are_written(tmp_path: Path, content: bytes, csv: dict[str, object]) -> None:
    put(tmp_path, content)
    found = pulled("csv", tmp_path, path="t.csv", csv=csv)
    names = ["column_1", "column_2"] if csv.get("header") is False else ["a", "b"]
    assert found.rows == [dict(zip(names, row.values(), strict=True)) for row in PLAIN]
    assert not found.rejected


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-8", "utf-16", "cp437"])
def test_declared_encodings_are_recoded(tmp_path: Path, encoding: str) -> None:
    put(tmp_path, "name,city\nJosé,Zürich\n".encode(encoding))
    assert pulled("csv", tmp_path, path="t.csv", csv={"encoding": encoding}).rows == [
        {"name": "José", "city": "Zürich"}
    ]


def test_the_euro_sign_of_windows_is_read(tmp_path: Path) -> None:
    put(tmp_path, "a,b\n5 €,x\n".encode("cp1252"))
    assert pulled("csv", tmp_path, path="t.csv", csv={"encoding": "cp1252"}).column("a") == ["5 €"]


def test_values_within_quotes_keep_delimiters_line_ends_and_quotes(tmp_path: Path) -> None:
    put(tmp_path, 'a,b\n"1,5","two\nlines"\n2,"say ""hi"""\n"",end\n3,a "b" c\n')
    found = pulled("csv", tmp_path, path="t.csv")
    assert found.rows == [
        {"a": "1,5", "b": "two\nlines"}, {"a": "2", "b": 'say "hi"'}, {"a": None, "b": "end"}, {"a": "3", "b": 'a "b" c'},
    ]  # fmt: skip
    assert found.lines == [2, 4, 5, 6]


def test_a_quoted_line_end_late_in_a_large_file_is_read(tmp_path: Path) -> None:
    rows = "".join(f'{n},"plain"\n' for n in range(40_000))
    put(tmp_path, f'a,b\n{rows}x,"late\none"\ny,z\n')
    found = pulled("csv", tmp_path, path="t.csv")
    assert len(found.rows) == 40_002
    assert found.rows[-2:] == [{"a": "x", "b": "late\none"}, {"a": "y", "b": "z"}]
    assert found.lines[-2:] == [40_002, 40_004]


def test_broken_lines_are_put_aside_with_their_true_line_and_the_others_are_read(tmp_path: Path) -> None:
    put(tmp_path, b'a,b\n1,x\n2\n3,y,z\n4,"q\nr"\n5,"open\n6,ok\n7,\xff\n8,"shut"z\n9,nul\x00\n10,last\n')
    found = pulled("csv", tmp_path, path="t.csv")
    assert found.column("a") == ["1", "4", "6", "10"]
    assert found.lines == [2, 5, 8, 12]
    assert [(r.line, r.reason) for r in found.rejected] == [
        (3, "1 values where the header has 2 (delimiter ',')"),
        (4, "3 values where the header has 2 (delimiter ',')"),
        (7, "a quote that opens here is never closed"),
        (9, "bytes that are not utf-8"),
        (10, "text behind a closing quote: '8,\"shut\"z'"),
        (11, "a NUL character"),
    ]
    assert all(r.file == "t.csv" for r in found.rejected)


def test_a_quote_never_closed_costs_one_line_not_the_rest_of_the_file(tmp_path: Path) -> None:
    rows = "".join(f"{n},text\n" for n in range(1000))
    put(tmp_path, f'a,b\n{rows}1000,"never closed\n{rows}')
    found = pulled("csv", tmp_path, path="t.csv")
    assert len(found.rows) == 2000
    assert [(r.line, r.reason) for r in found.rejected] == [(1002, "a quote that opens here is never closed")]


def test_rows_swallowed_by_two_stray_quotes_are_found(tmp_path: Path) -> None:
    put(tmp_path, 'a,b,c\n1,"x,1\n2,y,2\n3,y,3\n4,y,4\n5,z",5\n6,w,6\n')
    found = pulled("csv", tmp_path, path="t.csv")
    assert found.column("a") == ["2", "3", "4", "5", "6"]
    assert [r.line for r in found.rejected] == [2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n \r\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"<!DOCTYPE html><html><body>Please sign in</body></html>", "web page"),
        (b"  \n<?xml version='1.0'?><a/>", "web page"),
        (b"PK\x03\x04rest", "zip"),
        (b"PAR1rest", "Parquet"),
        ("a,b\n1,2\n".encode("utf-16-le"), "UTF-16"),
        (b"a,b,a\n1,2,3\n", "'a' and 'a'"),
        (b"Created Date,created-date\n1,2\n", "'Created Date' and 'created-date'"),
        (b"a,b;c,d;e\n1,2;3,4;5\n", "delimiter"),
        ("größe,b\n1,2\n".encode("latin-1"), "cannot be read"),
        (gzip.compress(b"a,b\n" + random.Random(7).randbytes(5000), mtime=0)[:-900], "gzip"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-4], "gzip"),
        (",".join(f"c{n}" for n in range(6000)).encode() + b"\n", "6000 columns"),
    ],
)  # fmt: skip
def test_what_is_no_csv_is_refused_by_name(tmp_path: Path, content: bytes, words: str) -> None:
    put(tmp_path, content)
    found = failure("csv", tmp_path, path="t.csv")
    assert words in found.message
    assert found.place == "t.csv"
    assert not found.retry


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    put(tmp_path, "a,b\n")
    found = pulled("csv", tmp_path, path="t.csv")
    assert found.rows == []
    assert list(found.types) == ["a", "b"]


def test_a_declared_encoding_that_does_not_fit_is_refused_or_put_aside(tmp_path: Path) -> None:
    put(tmp_path, b"a,b\n1,2\n3")
    assert "UTF-16" in failure("csv", tmp_path, path="t.csv", csv={"encoding": "utf-16"}).message
    put(tmp_path, b"a,b\n1,\x81\n2,x\n")
    found = pulled("csv", tmp_path, path="t.csv", csv={"encoding": "cp1252"})
    assert (found.column("a"), [r.line for r in found.rejected]) == (["2"], [2])


def test_the_wrong_delimiter_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a;b;c\n1;2;3\n")
    found = failure("csv", tmp_path, path="t.csv", csv={"delimiter": ","})
    assert "';'" in found.message
    assert "delimiter" in (found.hint or "")


def test_commas_in_one_header_do_not_hide_the_true_delimiter(tmp_path: Path) -> None:
    put(tmp_path, 'Name, first;Total\n"Ann, B";1\nBo;2,5\n')
    found = pulled("csv", tmp_path, path="t.csv")
    assert found.rows == [{"name_first": "Ann, B", "total": "1"}, {"name_first": "Bo", "total": "2,5"}]


def test_nulls_and_thousands(tmp_path: Path) -> None:
    put(tmp_path, "a;b;code\nNA;1.234,5;1.234\n-;12;x\n")
    csv = {"nulls": ["NA", "-"], "decimal": ",", "thousands": "."}
    found = pulled("csv", tmp_path, path="t.csv", csv=csv, columns={"b": "double", "code": "text"})
    assert found.rows == [{"a": None, "b": "1234,5", "code": "1.234"}, {"a": None, "b": "12", "code": "x"}]
    put(tmp_path, b"a;b;code\r\nNA;1.234,5;1.234\n-;12;x\r\n")  # the careful reader says the same
    assert pulled("csv", tmp_path, path="t.csv", csv=csv, columns={"b": "double", "code": "text"}).rows == found.rows


def test_globs_are_sorted_and_columns_go_by_name(tmp_path: Path) -> None:
    put(tmp_path, "a,b\n1,x\n", "d/2.csv")
    put(tmp_path, "b,a\ny,2\n", "d/1.csv")
    put(tmp_path, gzip.compress(b"b,a\nz,3\n", mtime=0), "d/3.csv")
    assert pulled("csv", tmp_path, path="d/*.csv").rows == [
        {"b": "y", "a": "2"},
        {"b": "x", "a": "1"},
        {"b": "z", "a": "3"},
    ]
    put(tmp_path, "a,c\n1,x\n", "d/4.csv")
    found = failure("csv", tmp_path, path="d/*.csv")
    assert "lacks b" in found.message
    assert "has c" in found.message
    assert "the other files'" in found.message
    assert found.place == "d/4.csv"


def test_a_lone_file_whose_header_changed_is_told_from_files_that_differ(tmp_path: Path) -> None:
    put(tmp_path, "a,b\n1,x\n", "one.csv")
    state = pulled("csv", tmp_path, path="one.csv").state
    put(tmp_path, "a,c\n1,x\n", "one.csv")
    found = failure("csv", tmp_path, path="one.csv", state=state)
    assert found.message == "the header differs from that of the loads before: it lacks b and has c besides"
    assert "refresh --full" in str(found.hint)


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    put(tmp_path, "a,b\n1,x\n", "t[1].csv")
    put(tmp_path, "a,b\n2,y\n", "t1.csv")
    assert pulled("csv", tmp_path, path="t[1].csv").rows == [{"a": "1", "b": "x"}]


def test_only_files_in_the_folder_or_in_an_allowed_place_are_read(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    put(other, "a,b\n1,x\n")
    (home / "link.csv").symlink_to(other / "t.csv")
    for path in ("../other/t.csv", "link.csv", str(other / "t.csv"), "../other/*.csv"):
        assert "outside" in failure("csv", home, path=path).message
        assert pulled("csv", home, path=path, allowed=(other,)).rows == [{"a": "1", "b": "x"}]
    assert "no file" in failure("csv", home, path="nothing/*.csv").message
    assert "no file" in failure("csv", home, path="nothing.csv").message
    (home / "gone.csv").symlink_to(home / "nowhere")
    assert "cannot open" in failure("csv", home, path="gone.csv").message


def test_unchanged_files_are_not_sent_again(tmp_path: Path) -> None:
    put(tmp_path, "a,b\n1,x\n2,y\n", "1.csv")
    put(tmp_path, "a,b\n3,z\n", "2.csv")
    first = pulled("csv", tmp_path, path="*.csv")
    assert len(first.rows) == 3
    os.utime(tmp_path / "1.csv", (1, 1))  # its time says nothing
    again = pulled("csv", tmp_path, path="*.csv", state=first.state)
    assert (again.rows, again.unchanged, again.types) == ([], 3, {})
    before = (tmp_path / "2.csv").stat()
    put(tmp_path, "a,b\n3,Z\n", "2.csv")
    os.utime(tmp_path / "2.csv", ns=(before.st_atime_ns, before.st_mtime_ns))  # same size, same time
    changed = pulled("csv", tmp_path, path="*.csv", state=again.state)
    assert (changed.rows, changed.unchanged) == ([{"a": "3", "b": "Z"}], 2)
    (tmp_path / "1.csv").unlink()
    rest = pulled("csv", tmp_path, path="*.csv", state=changed.state)
    assert (rest.rows, rest.unchanged, list(rest.types)) == ([], 1, ["a", "b"])  # columns: there is a change to look at


def test_other_options_read_everything_anew(tmp_path: Path) -> None:
    put(tmp_path, "a,b\n1,NA\n")
    first = pulled("csv", tmp_path, path="t.csv")
    again = pulled("csv", tmp_path, path="t.csv", csv={"nulls": ["NA"]}, state=first.state)
    assert (again.rows, again.unchanged) == ([{"a": "1", "b": None}], 0)


def test_the_counts_that_are_remembered_are_those_that_were_sent(tmp_path: Path) -> None:
    put(tmp_path, "a,b\n1,x\n2\n")
    first = pulled("csv", tmp_path, path="t.csv")
    assert (len(first.rows), len(first.rejected)) == (1, 1)
    assert pulled("csv", tmp_path, path="t.csv", state=first.state).unchanged == 1


def test_a_large_file_written_into_while_it_is_read_fails_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.csv.pinned.COPIED_BYTES", 1000)
    put(tmp_path, "a,b\n" + "1,x\n" * 300_000)
    batches = pull(asked("csv", tmp_path, path="t.csv"))
    stream = next(batches).rows
    stream.read_next_batch()
    put(tmp_path, "a,b\n" + "2,y\n" * 300_000)
    with pytest.raises(SourceFailed) as caught:
        collected(batches)
    assert caught.value.retry
    assert "changed while it was read" in caught.value.message


@pytest.mark.parametrize("copied", [0, 16 * 1024**2], ids=["large", "small"])
def test_a_file_renamed_over_while_it_is_read_gives_the_version_that_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: int
) -> None:
    monkeypatch.setattr("connectors.csv.pinned.COPIED_BYTES", copied)
    put(tmp_path, "a,b\n" + "1,x\n" * 300_000)
    batches = pull(asked("csv", tmp_path, path="t.csv"))
    first = next(batches)
    put(tmp_path, "a,b\n2,y\n", "new").replace(tmp_path / "t.csv")
    found = collected(chain([first], batches))
    assert set(found.column("a")) == {"1"}
    assert len(found.rows) == 300_000
    again = pulled("csv", tmp_path, path="t.csv", state=found.state)
    assert (again.rows, again.unchanged) == ([{"a": "2", "b": "y"}], 0)


def test_a_cell_of_ten_megabytes_is_put_aside(tmp_path: Path) -> None:
    put(tmp_path, "a,b\n1,x\n2," + "y" * 10_500_000 + "\n3,z\n")
    found = pulled("csv", tmp_path, path="t.csv")
    assert found.column("a") == ["1", "3"]
    assert [(r.line, len(r.text)) for r in found.rejected] == [(3, 500)]


def test_too_large_and_too_slow(tmp_path: Path) -> None:
    put(tmp_path, gzip.compress(b"a,b\n" + b"1,x\n" * 300_000))
    assert "more than 100,000 bytes" in failure("csv", tmp_path, path="t.csv", max_bytes=100_000).message
    put(tmp_path, "a,b\n" + "1,x\n" * 300_000)
    assert "longer than" in failure("csv", tmp_path, path="t.csv", seconds=0.0).message


@pytest.mark.parametrize(
    ("csv", "words"),
    [
        ({"delimeter": ","}, "delimeter"),
        ({"encoding": "klingon"}, "klingon"),
        ({"skip": -1}, "skip"),
        ({"header": "yes"}, "header"),
        ({"decimal": ";"}, "decimal"),
        ({"nulls": [1]}, "nulls"),
        ({"decimal": ",", "thousands": ","}, "thousands"),
        ({"delimiter": '"'}, "different"),
    ],
)  # fmt: skip
def test_options_that_cannot_be(tmp_path: Path, csv: dict[str, object], words: str) -> None:
    put(tmp_path, "a,b\n1,x\n")
    assert words in failure("csv", tmp_path, path="t.csv", csv=csv).message


def test_both_readers_agree(tmp_path: Path) -> None:
    """The quick reader and the careful one give the same rows and lines for the same content."""
    rows = [[str(n), f"x {n}" if n % 3 else "", f"é{n}" if n % 2 else 'a "b"'] for n in range(500)]
    lines = [
        "id,note,name",
        *(
            ",".join('"' + cell.replace('"', '""') + '"' if n % 5 == 0 else cell for cell in row)
            for n, row in enumerate(rows)
        ),
    ]
    put(tmp_path, "\n".join(lines) + "\n")
    quick = pulled("csv", tmp_path, path="t.csv")
    put(tmp_path, "\n".join(lines) + "\n\n\n")
    careful = pulled("csv", tmp_path, path="t.csv")
    assert (quick.rows, quick.lines) == (careful.rows, careful.lines)
    assert [[row["id"], row["note"] or "", row["name"]] for row in quick.rows] == rows
    assert json.dumps(quick.rejected) == "[]"


def test_rejected_lines_name_file_line_reason_and_text(tmp_path: Path) -> None:
    put(tmp_path, "a,b\n1,x\n2,y,z\n", "d/t.csv")
    reason = "3 values where the header has 2 (delimiter ',')"
    assert pulled("csv", tmp_path, path="d/t.csv").rejected == [Rejected("d/t.csv", 3, reason, "2,y,z")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": 1}\n', "JSON"),
        (b'[\n{"a": 1},\n{"a": 2}]\n', "JSON"),
        (b"1,2,3\n4,5,6\n", "holds numbers where the header should be"),
    ],
)
def test_files_without_a_header_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    put(tmp_path, content)
    assert words in failure("csv", tmp_path, path="t.csv").message


@pytest.mark.parametrize("tail", [b"", b"\n\n"])  # read by the quick reader, and by the careful one
def test_small_oddities_mean_the_same_to_both_readers(tmp_path: Path, tail: bytes) -> None:
    put(tmp_path, b'a, "b"\n1, "x,y"\n2, "z" \n3,w,\n' + tail)
    found = pulled("csv", tmp_path, path="t.csv")
    assert found.rows == [{"a": "1", "b": "x,y"}, {"a": "2", "b": "z"}, {"a": "3", "b": "w"}]


def test_the_header_once_more_is_no_row(tmp_path: Path) -> None:
    put(tmp_path, "a,b\n1,x\na,b\n2,y\na,other\n")
    found = pulled("csv", tmp_path, path="t.csv")
    assert found.column("a") == ["1", "2", "a"]
    assert [(r.line, r.reason) for r in found.rejected] == [(3, "the header once more")]


def test_a_stray_carriage_return_is_no_line_end(tmp_path: Path) -> None:
    put(tmp_path, b'a,b\n1,x\ry,2\n2,"in\rside"\n3,z\n"4",x\ry\n')
    found = pulled("csv", tmp_path, path="t.csv")
    assert found.rows == [{"a": "2", "b": "in\rside"}, {"a": "3", "b": "z"}]
    assert [(r.line, r.reason) for r in found.rejected] == [
        (n, "a carriage return in the middle of a line") for n in (2, 5)
    ]


def test_a_file_padded_with_zeros_is_not_taken_for_utf16(tmp_path: Path) -> None:
    put(tmp_path, b"a,b\n1,2\n" + b"\0" * 4096)
    found = pulled("csv", tmp_path, path="t.csv")
    assert (found.rows, [r.line for r in found.rejected]) == ([{"a": "1", "b": "2"}], [3])
