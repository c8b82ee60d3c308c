"""Where CSV files come from besides a folder: zip files and addresses; and files that are being written."""

from __future__ import annotations

import io
import os
import struct
import threading
import time
import zipfile
from pathlib import Path

import pytest

from tests.pulls import failure, pulled
from tests.slow_servers import Asked, Given, served

ONE, TWO = "a,b\n1,x\n2,y\n", "b,a\nz,3\n"


def packed(path: Path, members: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path


def test_every_csv_file_within_a_zip_file_is_read_under_its_name(tmp_path: Path) -> None:
    members: dict[str, str | bytes] = {
        "b.csv": TWO, "d/a.CSV": ONE, "readme.md": "# no", "__MACOSX/b.csv": "x", ".c.csv": "y", "d/": "",
    }  # fmt: skip
    packed(tmp_path / "all.zip", members)
    found = pulled("csv", tmp_path, path="all.zip")
    assert found.rows == [{"b": "z", "a": "3"}, {"b": "x", "a": "1"}, {"b": "y", "a": "2"}]
    assert list(found.state["files"]) == ["all.zip/b.csv", "all.zip/d/a.CSV"]
    assert pulled("csv", tmp_path, path="all.zip", csv={"members": "a.*"}).column("a") == ["1", "2"]
    assert pulled("csv", tmp_path, path="*.zip", csv={"members": "d/*"}).column("a") == ["1", "2"]


def test_broken_lines_within_a_zip_file_are_named_by_file_and_line(tmp_path: Path) -> None:
    packed(tmp_path / "all.zip", {"a.csv": ONE + "3\n"})
    found = pulled("csv", tmp_path, path="all.zip")
    assert [(r.file, r.line) for r in found.rejected] == [("all.zip/a.csv", 4)]


def test_unchanged_members_are_not_sent_again(tmp_path: Path) -> None:
    packed(tmp_path / "all.zip", {"1.csv": ONE, "2.csv": TWO})
    first = pulled("csv", tmp_path, path="*.zip")
    again = pulled("csv", tmp_path, path="*.zip", state=first.state)
    assert (again.rows, again.unchanged, again.types) == ([], 3, {})
    packed(tmp_path / "all.zip", {"1.csv": ONE, "2.csv": "a,b\n4,w\n"}, zipfile.ZIP_STORED)
    changed = pulled("csv", tmp_path, path="*.zip", state=first.state)
    assert (changed.rows, changed.unchanged) == ([{"a": "4", "b": "w"}], 2)
    packed(tmp_path / "all.zip", {"1.csv": ONE})
    less = pulled("csv", tmp_path, path="*.zip", state=changed.state)
    assert (less.rows, less.unchanged, list(less.types)) == ([], 2, ["a", "b"])


def encrypted(path: Path) -> None:
    """The flag that says so is all that is looked at."""
    content = bytearray(packed(path, {"a.csv": ONE}).read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(signature) + offset] |= 1
    path.write_bytes(content)


def damaged(path: Path) -> None:
    content = bytearray(packed(path, {"a.csv": ONE * 50}, zipfile.ZIP_STORED).read_bytes())
    content[content.find(b"1,x")] ^= 1
    path.write_bytes(content)


def twice(path: Path) -> None:
    content = packed(path, {"a.csv": ONE, "b.csv": TWO}).read_bytes()
    path.write_bytes(content.replace(b"b.csv", b"a.csv"))


def within(path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.csv", ONE)
    packed(path, {"a.csv": inner.getvalue()})


def lying(path: Path) -> None:
    """Says that it unpacks to a few bytes, and packs megabytes."""
    content = bytearray(packed(path, {"a.csv": "a,b\n" + "1,x\n" * 1_000_000}).read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.find(signature) + offset
        content[at : at + 4] = struct.pack("<I", 100)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (encrypted, "a.csv is encrypted"),
        (damaged, "cut off or damaged"),
        (twice, "two files called a.csv"),
        (within, "packed once more"),
        (lying, "cut off or damaged"),
        (lambda path: path.write_bytes(packed(path, {"a.csv": ONE}).read_bytes()[:-30]), "cut off or damaged"),
        (lambda path: packed(path, {"a.csv": "a,b\n" + "1,x\n" * 1_000_000}), "more than 1,000,000 bytes unpacked"),
        (lambda path: packed(path, {"a.md": "x"}), "nothing in the zip file ends in .csv, .tsv or .txt; it holds a.md"),
        (lambda path: packed(path, {}), "it holds nothing"),
        (lambda path: packed(path, {"[Content_Types].xml": "<x/>", "a.csv": ONE}), "an Excel workbook"),
        (lambda path: packed(path, {f"{n}.csv": "" for n in range(10_001)}), "10,001 files"),
    ],
    ids=[
        "encrypted", "damaged", "twice", "within", "lying", "cut off", "bomb", "no csv", "nothing", "workbook", "many",
    ],
)  # fmt: skip
def test_zip_files_that_are_refused(tmp_path: Path, make: object, words: str) -> None:
    assert callable(make)
    make(tmp_path / "all.zip")
    found = failure("csv", tmp_path, path="all.zip", max_bytes=1_000_000)
    assert words in found.message
    assert str(found.place).startswith("all.zip")


# -- addresses -----------------------------------------------------------------------------------------------------


def test_a_file_at_an_address_is_asked_for_only_if_it_has_changed(tmp_path: Path) -> None:
    body, tag = [ONE], ['"1"']

    def answer(asked: Asked) -> Given:
        same = asked.headers.get("If-None-Match") == tag[0]
        return Given(b"" if same else body[0].encode(), 304 if same else 200, {"ETag": tag[0]})

    with served(answer) as server:
        address = server.url + "/export.csv?sig=abcdef"
        first = pulled("csv", tmp_path, path=address)
        again = pulled("csv", tmp_path, path=address, state=first.state)
        assert (again.rows, again.unchanged, again.state) == ([], 2, first.state)
        other = pulled("csv", tmp_path, path=address, state=first.state, csv={"nulls": ["x"]})
        assert (len(other.rows), other.unchanged) == (2, 0)  # the same bytes, and yet to be read anew
        tag[0] = '"2"'
        assert pulled("csv", tmp_path, path=address, state=first.state).unchanged == 2  # another mark, the same bytes
        body[0] = TWO
        assert pulled("csv", tmp_path, path=address, state=first.state).rows == [{"b": "z", "a": "3"}]
    assert [request.headers.get("If-None-Match") for request in server.asked] == [None, '"1"', None, '"1"', '"1"']
    assert "abcdef" not in str(first.state)


def test_a_zip_file_at_an_address(tmp_path: Path) -> None:
    content = packed(tmp_path / "all.zip", {"1.csv": ONE, "2.csv": TWO}).read_bytes()
    with served(lambda _: Given(content, headers={"Last-Modified": "Mon, 05 Jan 2026 08:00:00 GMT"})) as server:
        first = pulled("csv", tmp_path, path=server.url + "/all.zip")
        assert first.column("a") == ["1", "2", "3"]
        assert list(first.state["files"]) == [f"{server.url}/all.zip/{n}.csv" for n in (1, 2)]
        assert pulled("csv", tmp_path, path=server.url + "/all.zip", state=first.state).unchanged == 3
    assert server.asked[1].headers["If-Modified-Since"] == "Mon, 05 Jan 2026 08:00:00 GMT"


def test_another_host_is_followed_to_only_where_it_is_allowed(tmp_path: Path) -> None:
    with served(lambda _: Given(ONE.encode())) as there:
        with served(lambda _: Given(status=302, headers={"Location": f"{there.url}/real.csv"})) as here:
            assert "another host" in failure("csv", tmp_path, path=here.url + "/t.csv").message
            host = there.url.removeprefix("http://")
            assert len(pulled("csv", tmp_path, path=here.url + "/t.csv", allow_hosts=[host]).rows) == 2
        assert len(there.asked) == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Given(status=304), "unasked"),
        (Given(ONE.encode(), announced=1000), "broke off"),
        (Given(ONE.encode(), pause=0.3), "longer than 1 s"),
        (Given(b"a,b\n" + b"1,x\n" * 50_000), "more than 100,000 bytes"),
        (Given(b"<html>Please sign in</html>"), "web page"),
    ],
    ids=["304", "cut off", "drip", "large", "page"],
)
def test_addresses_that_give_no_whole_file(tmp_path: Path, given: Given, words: str) -> None:
    with served(lambda _: given) as server:
        found = failure("csv", tmp_path, path=server.url + "/t.csv", seconds=1.0, max_bytes=100_000)
    assert words in found.message


# -- files that are being written ----------------------------------------------------------------------------------


def test_a_file_that_is_rewritten_again_and_again_gives_whole_versions_only(tmp_path: Path) -> None:
    """One writer renames whole versions into place, another writes over its file where it stands."""
    ended, rows = threading.Event(), 2000

    def write(name: str, rename: bool) -> None:
        version = 0
        while not ended.is_set():
            version += 1
            text = "a,b\n" + f"{version},x\n" * rows
            if rename:
                (tmp_path / "new").write_text(text)
                (tmp_path / "new").replace(tmp_path / name)
            else:
                with (tmp_path / name).open("w") as file:
                    for line in text.splitlines(keepends=True):
                        file.write(line)
            time.sleep(0.03)

    writers = [threading.Thread(target=write, args=given) for given in (("1.csv", True), ("2.csv", False))]
    for writer in writers:
        writer.start()
    seen = set()
    try:
        while not all((tmp_path / name).exists() for name in ("1.csv", "2.csv")):
            time.sleep(0.01)
        for name in ("1.csv", "2.csv") * 5:
            found = pulled("csv", tmp_path, path=name)
            assert len(found.rows) == rows
            assert len(set(found.column("a"))) == 1
            seen.add((name, found.column("a")[0]))
    finally:
        ended.set()
        for writer in writers:
            writer.join()
    assert len(seen) > 2


def test_a_file_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,x\n2,")

    def finish() -> None:
        time.sleep(0.1)
        with path.open("a") as file:
            file.write("whole\n")

    writer = threading.Thread(target=finish)
    writer.start()
    found = pulled("csv", tmp_path, path="t.csv")
    writer.join()
    assert found.column("b") == ["x", "whole"]
    os.utime(path, (1, 1))
    path.write_text("a,b\n1,x\n2,y")
    os.utime(path, (1, 1))  # written long ago: it just has no line end
    assert pulled("csv", tmp_path, path="t.csv").column("b") == ["x", "y"]


def test_a_file_that_never_keeps_still_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.csv.pinned.PATIENCE_SECONDS", 0.2)
    ended, path = threading.Event(), tmp_path / "t.csv"
    path.write_text("a,b\n")

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            while not ended.is_set():
                file.write(b"1,x")
                time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = failure("csv", tmp_path, path="t.csv")
    finally:
        ended.set()
        writer.join()
    assert found.retry
    assert found.message == "the file is still being written"
