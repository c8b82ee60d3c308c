"""The journal: acknowledged means on disk, nothing is ever changed, and damage is found."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scorecard.ground.clock import FixedClock, SystemClock
from scorecard.ground.errors import Refused, Unavailable
from scorecard.journal.journal import FIRST, Journal
from tests.web_house import NOW

CLOCK = FixedClock(NOW)
NOTE = {
    "metric": "csat",
    "grain": "week",
    "period": "2026-W39",
    "slice": {"team": "night"},
    "text": "Zäh – 10 % weniger",
}

WRITER = """
import sys
from pathlib import Path
from scorecard.ground.clock import SystemClock
from scorecard.journal.journal import Journal

journal = Journal.open(sys.argv[1], SystemClock())
while True:
    entry = journal.add("note", "writer", {"text": "x" * 300})
    sys.stdout.write(entry.id + "\\n")
    sys.stdout.flush()
"""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path, CLOCK)
    yield opened
    opened.close()


def raw(folder: Path, *statements: str, triggers: bool = False) -> None:
    """SQL past the journal; ``triggers``: also past the guards, as somebody with the file and time could."""
    connection = sqlite3.connect(folder / "journal.sqlite")
    try:
        if triggers:
            for name in ("update", "delete", "replace"):
                connection.execute(f"DROP TRIGGER entries_no_{name}")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    finally:
        connection.close()


def test_what_was_written_is_read_back_after_reopening(tmp_path: Path) -> None:
    first = Journal.open(tmp_path, CLOCK)
    written = first.add("note", " Ana ", NOTE)
    first.close()
    again = Journal.open(tmp_path / "journal.sqlite", CLOCK)
    (read,) = again.entries("note")
    again.close()
    assert read == written
    assert (read.seq, read.by, read.at, read.previous_hash) == (1, "Ana", NOW, FIRST)
    assert read.as_json() == {**NOTE, "by": "Ana", "id": written.id, "at": "2026-09-28T08:00:00Z"}


def test_entries_come_newest_first_and_filtered(journal: Journal) -> None:
    for number in range(5):
        journal.add(
            "note", "Ana" if number % 2 else "Ben", {"metric": f"m{number % 2}", "number": number, "slice": None}
        )
    journal.add("flag", "Ana", {"metric": "m1", "slice": {"process": "desk"}})
    assert [e.body["number"] for e in journal.entries("note")] == [4, 3, 2, 1, 0]
    assert [e.body["number"] for e in journal.entries("note", metric="m1", limit=1)] == [3]
    assert [e.kind for e in journal.entries(by="Ana", metric="m1")] == ["flag", "note", "note"]
    assert [e.kind for e in journal.entries(process="desk")] == ["flag"]
    assert journal.entries(team="desk") == ()
    assert journal.entries("note", metric=None, limit=None) == journal.entries("note")


def test_bad_entries_are_refused_before_anything_is_written(journal: Journal) -> None:
    endless: list[object] = []
    endless.append(endless)
    for body in ({"x": float("nan")}, {"x": object()}, {"x": "\ud800"}, {"x": "a\0b"}, {"x": endless}):
        with pytest.raises(Refused):
            journal.add("note", "Ana", body)
    with pytest.raises(Refused) as refusal:
        journal.add("notes", "  ", {})  # type: ignore[arg-type]
    assert len(refusal.value.problems) == 2
    assert "did you mean 'note'" in str(refusal.value)
    assert journal.entries() == ()


def test_many_threads_make_one_unbroken_chain(journal: Journal) -> None:
    def write(name: str) -> None:
        for number in range(10):
            journal.add("note", name, {"number": number})

    threads = [threading.Thread(target=write, args=(f"t{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [e.seq for e in journal.entries(limit=None)] == list(range(80, 0, -1))
    assert journal.verify() == ()


def test_several_processes_make_one_unbroken_chain(tmp_path: Path) -> None:
    path = str(tmp_path / "journal.sqlite")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE) for _ in range(2)]
    said: list[str] = []
    for writer in writers:
        assert writer.stdout is not None
        said.extend(writer.stdout.readline().decode().strip() for _ in range(20))
    for writer in writers:
        writer.kill()
        writer.communicate()
    journal = Journal.open(path, CLOCK)
    assert set(said) <= {e.id for e in journal.entries(limit=None)}
    assert journal.verify() == ()
    journal.close()


@pytest.mark.slow
def test_no_acknowledged_entry_is_lost_to_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    acknowledged: list[str] = []
    for round_ in range(22):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        acknowledged += [writer.stdout.readline().decode().strip() for _ in range(1 + round_ % 4)]
        os.kill(writer.pid, signal.SIGKILL)  # right after an acknowledgement, in the middle of the next write
        rest, _ = writer.communicate()
        acknowledged.extend(rest.decode().split("\n")[:-1])
    journal = Journal.open(path, SystemClock())
    kept = {e.id for e in journal.entries(limit=None)}
    assert len(acknowledged) >= 22
    assert [i for i in acknowledged if i not in kept] == []
    assert journal.verify() == ()
    journal.close()


def test_nothing_can_be_changed_or_deleted(journal: Journal, tmp_path: Path) -> None:
    journal.add("note", "Ana", NOTE)
    for statement in (
        "UPDATE entries SET body = '{}'",
        "DELETE FROM entries",
        "INSERT OR REPLACE INTO entries SELECT * FROM entries",
        "INSERT OR REPLACE INTO entries SELECT 9, id, kind, at, by, body, 'other', hash FROM entries",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw(tmp_path, statement)
    assert len(journal.entries()) == 1


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE entries SET body = json_set(body, '$.text', 'fine') WHERE seq = 2", ["entry 2 was changed"]),
        ("UPDATE entries SET by = 'Ben' WHERE seq = 3", ["entry 3 was changed"]),
        ("UPDATE entries SET at = 'never' WHERE seq = 3", ["entry 3 was changed"]),
        (
            "UPDATE entries SET kind = 'flag', hash = 'abc' WHERE seq = 1",
            ["entry 1 was changed", "entry 2 does not follow"],
        ),
        ("DELETE FROM entries WHERE seq IN (2, 3)", ["entries 2 to 3 are missing"]),
        ("DELETE FROM entries WHERE seq = 1", ["entry 1 is missing"]),
        ("DELETE FROM entries WHERE seq > 3", ["entries 4 to 5 are missing at the end"]),
    ],
)
def test_damage_is_found_and_named(tmp_path: Path, statement: str, said: list[str]) -> None:
    journal = Journal.open(tmp_path, CLOCK)
    for number in range(5):
        journal.add("note", "Ana", {"text": f"note {number}"})
    assert journal.verify() == ()
    raw(tmp_path, statement, triggers=True)
    problems = journal.verify()
    for words, problem in zip(said, problems, strict=True):
        assert words in problem.message
        assert problem.place is not None
        assert problem.place.file.endswith("journal.sqlite")
    journal.close()


def test_what_is_lost_at_the_end_is_not_written_over(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, CLOCK)
    for number in range(3):
        journal.add("note", "Ana", {"number": number})
    raw(tmp_path, "DELETE FROM entries WHERE seq = 3", triggers=True)
    assert journal.add("note", "Ana", {"number": 9}).seq == 4
    assert [p.message for p in journal.verify()] == ["journal entry 3 is missing"]
    journal.close()


def test_a_read_only_file_is_read_and_not_written(tmp_path: Path) -> None:
    Journal.open(tmp_path, CLOCK).close()
    journal = Journal.open(f"sqlite:///file:{tmp_path / 'journal.sqlite'}?mode=ro&uri=true", CLOCK)
    with pytest.raises(Unavailable, match="not saved"):
        journal.add("note", "Ana", NOTE)
    assert journal.entries() == ()
    journal.close()


def test_a_folder_that_is_not_there_and_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be opened") as failure:
        Journal.open(tmp_path / "nowhere" / "journal.sqlite", CLOCK)
    assert "folder exists" in str(failure.value)
    (tmp_path / "journal.sqlite").write_bytes(b"this is not a database at all" * 50)
    with pytest.raises(Unavailable, match="not a journal"):
        Journal.open(tmp_path, CLOCK)


def test_urls_that_make_no_sense_are_refused_without_their_password() -> None:
    for url in ("mysql://me:canary@host/db", "postgresql+psycopg://me:canary@host:notaport/db"):
        with pytest.raises(Refused) as refusal:
            Journal.open(url, CLOCK)
        assert "canary" not in str(refusal.value)
    with pytest.raises(Unavailable) as failure:
        Journal.open("postgres://me:canary@127.0.0.1:9/db", CLOCK)
    assert "canary" not in str(failure.value)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    where = tmp_path / "disk"
    where.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(where)], capture_output=True, check=False
    )
    if mount.returncode != 0:
        pytest.skip("this machine does not let the tests mount a small disk")
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)


def fill(file: Path) -> None:
    """Takes every byte that is left."""
    with file.open("wb", buffering=0) as raw_file, contextlib.suppress(OSError):
        while True:
            raw_file.write(b"x" * 512)


def write_until_full(journal: Journal, kept: list[str]) -> None:
    """The pages the file has already may take a few more; those count as kept."""
    for _ in range(200):
        entry = journal.add("note", "Ana", {"text": "y" * 900})
        kept.append(entry.id)


def test_a_full_disk_says_not_saved_and_loses_nothing(small_disk: Path) -> None:
    journal = Journal.open(small_disk, CLOCK)
    kept = [journal.add("note", "Ana", NOTE).id]
    filler = small_disk / "filler"
    fill(filler)
    with pytest.raises(Unavailable, match="not saved") as failure:
        write_until_full(journal, kept)
    assert "free some space" in str(failure.value)
    assert [e.id for e in journal.entries(limit=None)] == kept[::-1]
    filler.unlink()
    kept.append(journal.add("note", "Ana", NOTE).id)
    assert [e.id for e in journal.entries(limit=None)] == kept[::-1]
    assert journal.verify() == ()
    journal.close()


def test_every_commit_is_synced(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, CLOCK)
    with journal._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() in (2, 3)  # FULL or EXTRA
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() in ("wal", "delete")
    journal.close()


def test_the_body_is_kept_as_json_in_the_file(journal: Journal, tmp_path: Path) -> None:
    journal.add("note", "Ana", NOTE)
    connection = sqlite3.connect(tmp_path / "journal.sqlite")
    (body,) = connection.execute("SELECT body FROM entries").fetchone()
    connection.close()
    assert json.loads(body) == NOTE


FAILING = """
import sys
from scorecard.ground.clock import SystemClock
from scorecard.ground.errors import ScorecardError
from scorecard.journal.journal import Journal

journal = Journal.open(sys.argv[1], SystemClock())
print("open", flush=True)
for number in range(8):
    try:
        print("kept", journal.add("note", "Ana", {"number": number}).id, flush=True)
    except ScorecardError as error:
        print("refused", error.problems[0].message, flush=True)
    print("read", *(entry.id for entry in journal.entries("note", limit=None)), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace makes the disk fail, and is not here")
def test_a_disk_that_fails_to_sync_gives_no_acknowledgement_and_no_wrong_reading(tmp_path: Path) -> None:
    """Every second sync of a while says EIO: what was said to be kept is there, what was refused said so, reads go on."""
    inject = "inject=fsync,fdatasync:error=EIO:when=12..18+2"
    traced = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", inject]
    done = subprocess.run(
        [*traced, sys.executable, "-c", FAILING, str(tmp_path)], capture_output=True, text=True, check=False
    )
    if "ptrace" in done.stderr.lower():
        pytest.skip(f"strace may not trace here: {done.stderr.strip()[:100]}")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [words[0] for words in lines].count("read") == 8, done.stderr
    kept: list[str] = []
    for words in lines:
        if words[0] == "kept":
            kept.append(words[1])
        elif words[0] == "read":
            assert set(kept) <= set(words[1:]), "what was acknowledged is read, also while the disk fails"
    assert any(words[0] == "refused" for words in lines), "the disk did not fail: other numbers are needed"
    assert len(kept) >= 2
    journal = Journal.open(tmp_path, CLOCK)
    assert set(kept) <= {entry.id for entry in journal.entries(limit=None)}
    assert journal.verify() == ()
    journal.close()
