"""What sources gave, kept as it came (`keep_raw`): whole, once, without secrets, for so long, and enough to build a table anew."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from scorecard.cli.product import Product, open_product
from scorecard.landings.landing import Landing
from scorecard.warehouse.engine import Load
from tests.served import inside
from tests.slow_servers import Asked, Given, served

NOW = datetime(2026, 9, 28, 8, tzinfo=UTC)
HEAD = """
version: 1
organization: {name: N, owner: A <a@example.com>, timezone: UTC}
sources:
"""
METRICS = """
metrics:
  tickets_made: {role: leading, source: tickets, count: rows, better: lower, grain: day}
"""
CSV = HEAD + "  tickets: {kind: csv, path: 'data/*.csv', time: at, every: 1h, keep_raw: 30d}\n" + METRICS


class House:
    """A folder with a metrics.yaml, and its product, opened when it is needed. The clock goes on when it is told to."""

    def __init__(self, folder: Path, book: str) -> None:
        self.folder = folder
        self.at = NOW
        self._open: Product | None = None
        self.write("metrics.yaml", book)

    def now(self) -> datetime:
        return self.at

    def steady(self) -> float:
        return self.at.timestamp()

    @property
    def product(self) -> Product:
        if self._open is None:
            self._open = open_product(self.folder / "metrics.yaml", self.folder / "house", self)
        return self._open

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open = None

    def write(self, name: str, content: str | bytes) -> None:
        if name in {"metrics.yaml", ".env"}:
            self.close()
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, (1, 1))  # long ago: nobody waits for the file to be still

    def pull(self, days: float = 0, **how: Any) -> Load:
        self.at += timedelta(days=days)
        (done,) = self.product.refresher.pull(["tickets"], cause="command", **how)
        assert done.outcome in {"failed", "held"} or done.read == (
            done.loaded + done.unchanged + done.duplicate + done.quarantined
        )
        return done

    def landings(self) -> tuple[Landing, ...]:
        return self.product.landings.listed("tickets")

    def rows(self, columns: str = "id, n") -> list[tuple[Any, ...]]:
        table = self.product.engine.table("tickets")
        return self.product.engine.query(f"SELECT {columns} FROM {table} ORDER BY ALL").rows()

    def lose(self) -> None:
        """The warehouse's file is gone, and nothing else."""
        self.close()
        (self.folder / "house" / "warehouse.duckdb").unlink()

    def content(self, digest: str) -> bytes:
        landings = self.product.landings
        found = next(one for one in landings.listed("tickets") for p in one.parts if p.digest == digest)
        with landings.unpacked(found) as given:
            return next(g.path.read_bytes() for g, p in zip(given, found.parts, strict=True) if p.digest == digest)

    def on_disk(self) -> list[Path]:
        return sorted(p for p in (self.folder / "house" / "raw" / "tickets").iterdir())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path, CSV)
    yield found
    found.close()


def every_byte(folder: Path) -> bytes:
    """All that lies below a folder, packed files unpacked."""
    import pyarrow as pa

    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            found.append(path.read_bytes())
            if path.suffix == ".zst":
                found.append(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd").read(1 << 24))
    return b"\n".join(found)


def test_files_are_kept_as_they_came_and_each_content_once(house: House) -> None:
    plain, packed = b"id,n,at\r\n1,1,2026-09-01\r\n", gzip.compress(b"id,n,at\n2,2,2026-09-02\n")
    house.write("data/a.csv", plain)
    house.write("data/b.csv", packed)
    assert house.pull().outcome == "ok"
    (one,) = house.landings()
    assert [(p.name, p.form) for p in one.parts] == [("data/a.csv", "file"), ("data/b.csv", "file")]
    assert [house.content(p.digest) for p in one.parts] == [plain, packed], "byte for byte"
    assert (one.outcome, one.load, one.complete, one.at) == ("ok", 1, True, NOW)
    assert house.pull(0.5).outcome == "unchanged"
    (again,) = house.landings()
    assert (again.id, again.seen) == (one.id, house.at), "nothing new: the one before was seen again"
    house.write("data/b.csv", b"id,n,at\n3,3,2026-09-03\n")
    assert house.pull(0.5).outcome == "ok"
    newest, _ = house.landings()
    assert newest.parts[0].digest == one.parts[0].digest, "the file that stayed is part of it"
    assert len(house.on_disk()) == 3, "and lies there once"
    assert {oct(p.stat().st_mode & 0o777) for p in house.on_disk()} == {"0o600"}


def test_what_is_too_old_goes_and_what_is_needed_stays(house: House) -> None:
    house.write("data/a.csv", "id,n,at\n1,1,2026-09-01\n")
    for day in range(5):
        house.write("data/b.csv", f"id,n,at\n2,{day},2026-09-02\n")
        assert house.pull(10).outcome == "ok"
    assert [one.at.day for one in house.landings()] == [17, 7, 28, 18], "30 days back from 17 November"
    assert len(house.on_disk()) == 5, "a.csv, and b.csv four times"
    house.pull(29)
    assert len(house.landings()) == 1, "seen again just now, though it came 29 days ago"
    house.write("metrics.yaml", CSV.replace("30d", "{for: 30d, at_most: 1kB}"))
    for number in range(5):
        noise = os.urandom(150).hex()
        house.write("data/b.csv", f"id,n,at,noise\n2,{number},2026-09-02,{noise}\n")
        house.write("data/a.csv", "id,n,at,noise\n1,1,2026-09-01,\n")
        assert house.pull(0.1, full=True).outcome == "ok"
    assert 1 < len(house.landings()) < 5
    assert sum(p.stat().st_size for p in house.on_disk()) <= 1000


def test_a_failed_load_leaves_what_it_failed_of_and_a_held_one_waits_with_it(house: House) -> None:
    house.write("data/a.csv", "id,n,at\n" + "".join(f"{n},1,2026-09-01\n" for n in range(30)))
    assert house.pull().outcome == "ok"
    for _ in range(2):
        house.write("data/a.csv", '{"error": "' + os.urandom(4).hex() + '"}')
        assert house.pull(0.1).outcome == "failed"
    assert [one.outcome for one in house.landings()] == ["failed", "ok"], "the newest failure alone"
    house.write("data/a.csv", "id,n,at\n1,7,2026-09-01\n")
    held = house.pull(0.1)
    assert held.outcome == "held"
    assert [one.outcome for one in house.landings()] == ["held", "failed", "ok"]
    assert "waits for a person" in str(house.pull(0.1, raw=True).problem)
    house.product.refresher.approve(house.product.engine.holds.waiting()[0].load.id, "Dana", "the archive moved")
    assert [one.outcome for one in house.landings()] == ["ok", "failed", "ok"]
    house.lose()
    assert house.pull(raw=True).outcome == "ok"
    assert house.rows() == [(1, 7)]
    assert house.pull().outcome == "unchanged", "the source gives just that: not one file is read again"


def test_a_rollback_takes_back_what_came_later_and_gives_it_back(house: House) -> None:
    for number in (1, 2, 3):
        house.write("data/a.csv", f"id,n,at\n1,{number},2026-09-01\n")
        house.pull(0.1)
    back = house.product.refresher.roll_back("tickets", 1, "Dana", "wrong")
    assert [one.outcome for one in house.landings()] == ["taken back", "taken back", "ok"]
    assert house.pull(raw=True).outcome == "unchanged"
    house.product.refresher.roll_back("tickets", 3, "Dana", "it was right")
    assert [one.outcome for one in house.landings()] == ["ok", "ok", "ok"]
    assert back.id == 4


class Api:
    """An upstream that gives pages of two, from a moment on, and forgets what is old."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def __call__(self, asked: Asked) -> Given:
        assert asked.headers["Authorization"] == "Bearer canary-token-1"
        rows = [row for row in self.rows if row["at"] >= asked.params.get("since", "")]
        page = int(asked.params.get("page", 1))
        return Given({"data": rows[page * 2 - 2 : page * 2], "echo": asked.params.get("key")})


API = """  tickets:
    kind: http
    url: "ADDRESS/v1/tickets"
    params: {since: ":cursor", key: "${KEY}", plain: yes}
    auth: {style: bearer, token: "${TOKEN}"}
    records: $.data[*]
    cursor: {column: at, format: "%Y-%m-%d", lookback: 1d}
    paging: {style: page}
    key: [id]
    time: at
    columns: {at: date}
    every: 1h
    keep_raw: {for: 30d}
"""


def test_answers_are_kept_without_secrets_and_a_lost_table_has_what_the_source_has_forgotten(tmp_path: Path) -> None:
    api = Api()
    with served(api) as server:
        house = House(tmp_path, HEAD + API.replace("ADDRESS", server.url) + METRICS)
        house.write(".env", "TOKEN=canary-token-1\nKEY=canary-key-22\n")
        api.rows = [{"id": n, "n": n, "at": f"2026-09-0{n}"} for n in (1, 2, 3)]
        assert house.pull().loaded == 3
        (one,) = house.landings()
        assert [(p.form, p.status, p.masked) for p in one.parts] == [("json", 200, 1), ("json", 200, 1)]
        assert one.parts[0].name.startswith(f"{server.url}/v1/tickets?")
        assert "plain=yes" in one.parts[0].name
        assert "since=1969-12-31" in one.parts[0].name or "since=1970-01-01" in one.parts[0].name
        lies = every_byte(tmp_path / "house" / "raw")
        assert b'"echo"' in lies
        assert b"canary" not in lies
        assert b"Bearer" not in lies
        assert house.pull(0.1, raw=True).outcome == "failed", "what was masked is not what came"

        house.write(".env", "TOKEN=canary-token-1\nKEY=k\n")
        api.rows = [{"id": 3, "n": 30, "at": "2026-09-04"}, {"id": 4, "n": 4, "at": "2026-09-05"}]
        assert house.pull(1, full=True).removed == 2
        api.rows = [{"id": 5, "n": 5, "at": "2026-09-06"}]
        assert house.pull(1).loaded == 1
        assert [(one.complete, one.masked) for one in house.landings()] == [(False, False), (True, False), (True, True)]
        whole = [(3, 30), (4, 4), (5, 5)]
        assert house.rows() == whole
        house.lose()
        api.rows = [{"id": 5, "n": 55, "at": "2026-09-06"}]
        done = house.pull(1)
        assert (done.outcome, done.read) == ("ok", 4)
        assert house.rows() == [(3, 30), (4, 4), (5, 55)], (
            "the source's own word counts, and what it forgot is not lost"
        )
        newest = house.landings()[0]
        assert newest.complete is False, "it holds what the source still has, and the table holds more"
        house.lose()
        api.rows = [{"id": 6, "n": 6, "at": "2026-09-07"}]
        house.pull(1)
        assert house.rows() == [(3, 30), (4, 4), (5, 55), (6, 6)]
        asked = len(server.asked)
        house.lose()
        done = house.pull(raw=True)
        assert (done.outcome, done.cause) == ("ok", "raw")
        assert house.rows() == [(3, 30), (4, 4), (5, 55), (6, 6)]
        assert len(server.asked) == asked, "nobody was asked"
        house.close()


def test_rows_of_a_database_come_back_with_their_types(tmp_path: Path) -> None:
    base = tmp_path / "shop.sqlite"
    with sqlite3.connect(base) as db:
        db.execute("CREATE TABLE t (id INTEGER, n NUMERIC, at TEXT, word TEXT)")
        db.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", [(1, 0.5, "2026-09-01 10:00", "x"), (2, None, None, "z")])
    book = """  tickets:
    kind: sql
    url: "${BASE}"
    query: "select * from t where at > :cursor or at is null"
    cursor: {column: at}
    columns: {at: timestamp}
    key: [id]
    time: at
    every: 1h
    keep_raw: 30d
"""
    house = House(tmp_path, HEAD + book + METRICS)
    house.write(".env", "BASE=sqlite:///shop.sqlite\n")
    assert house.pull().loaded == 2
    with sqlite3.connect(base) as db:
        db.execute("UPDATE t SET n = 7, at = '2026-09-02 10:00' WHERE id = 2")
    assert house.pull(1).loaded == 1
    before = house.rows("*")
    assert [len(one.parts) for one in house.landings()] == [1, 1]
    house.lose()
    with sqlite3.connect(base) as db:
        db.execute("DELETE FROM t")
    assert house.pull(raw=True).outcome == "ok"
    assert house.rows("*") == before
    with sqlite3.connect(base) as db:
        db.execute("INSERT INTO t VALUES (3, 1, '2026-09-09 10:00', 'at sqlite:///shop.sqlite, say')")
    house.pull(1)
    assert house.landings()[0].masked
    assert house.rows("id, word")[-1] == (
        3,
        "at sqlite:///shop.sqlite, say",
    ), "what is kept has it not; the table has it"
    (path,) = [p for p in house.on_disk() if p.name.startswith(house.landings()[0].parts[0].digest)]
    assert pq.read_table(path).column("word").to_pylist()[-1] == "at ***, say"
    house.close()


def test_a_zip_file_comes_back(tmp_path: Path) -> None:
    house = House(tmp_path, CSV.replace("data/*.csv", "data.zip").replace("time: at", "time: at, key: [id]"))
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("a.csv", "id,n,at\n1,1,2026-09-01\n")
        archive.writestr("b.csv", "id,n,at\n2,2,2026-09-01\n")
    os.utime(tmp_path / "data.zip", (1, 1))
    assert house.pull().loaded == 2
    house.lose()
    assert house.pull(raw=True).outcome == "ok"
    assert house.rows() == [(1, 1), (2, 2)]
    house.close()


def test_what_is_damaged_or_gone_is_said_and_never_loaded(house: House, tmp_path: Path) -> None:
    house.write("data/a.csv", "id,n,at\n1,1,2026-09-01\n")
    assert "nothing that it gave is kept" in str(house.pull(raw=True).problem)
    house.pull()
    (part,) = house.on_disk()
    part.write_bytes(part.read_bytes()[:-3] + b"abc")
    done = house.pull(raw=True)
    assert done.outcome == "failed"
    assert "cannot be read" in str(done.problem)
    assert house.rows() == [(1, 1)]
    house.close()
    (tmp_path / "house" / "raw" / "index.sqlite").write_bytes(b"no database at all, but long enough to be one" * 40)
    assert house.pull(1).outcome == "unchanged"
    assert len(house.product.landings.listed("tickets")) == 1, "begun anew: the file came once more"


def test_a_full_disk_costs_the_landing_and_not_the_load(tmp_path: Path) -> None:
    folder = tmp_path / "house" / "raw"
    folder.mkdir(parents=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        house = House(tmp_path, CSV)
        house.write("data/a.csv", "id,n,at\n1,1,2026-09-01\n")
        assert house.pull().outcome == "ok"
        house.write(
            "data/b.csv", "id,n,at\n" + "".join(f"{os.urandom(20).hex()},1,2026-09-01\n" for _ in range(60_000))
        )
        done = house.pull(1)
        assert (done.outcome, done.loaded) == ("failed", 0) if done.outcome == "failed" else ("ok", 60_000)
        assert any("what it gave is not kept as it came: the disk is " in str(p) for p in done.problems)
        assert len(house.landings()) == 1
        assert not [p for p in house.on_disk() if p.name.endswith(".unfinished")]
        board = house.product.refresher.publish()
        assert any("is not kept as it came" in str(p) for load in board.loads for p in load.problems)
        (tmp_path / "data/b.csv").unlink()
        house.write("data/a.csv", "id,n,at\n1,2,2026-09-01\n")
        assert house.pull(1, full=True).outcome in {"ok", "held"}
        assert len(house.landings()) == 2
        house.close()
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_copy_of_the_folder_of_a_stopped_process_is_whole(house: House, tmp_path: Path) -> None:
    house.write("data/a.csv", "id,n,at\n1,1,2026-09-01\n")
    house.pull()
    house.product.journal.add("note", "Ana", {"text": "kept"})
    house.close()
    shutil.copytree(tmp_path / "house", tmp_path / "copy")
    house.write("data/a.csv", "id,n,at\n1,2,2026-09-01\n")
    house.pull(1)
    house.close()
    shutil.rmtree(tmp_path / "house")
    (tmp_path / "copy").rename(tmp_path / "house")
    assert house.rows() == [(1, 1)]
    assert [e.body["text"] for e in house.product.journal.entries("note")] == ["kept"]
    assert house.product.journal.verify() == ()
    assert house.product.notices == ()
    assert house.pull(1, raw=True).outcome == "unchanged"


def test_the_command_line_and_the_page_say_how_much_is_kept(house: House, tmp_path: Path) -> None:
    house.write("data/a.csv", "id,n,at\n1,1,2026-09-01\n")
    words = ["--data", "house", "--now", "2026-09-28T08:00:00Z"]
    assert inside(tmp_path, *words, "refresh").returncode == 0
    listed = inside(tmp_path, *words, "loads", "tickets", "--raw")
    assert "data/a.csv" in listed.stdout
    found = json.loads(inside(tmp_path, *words, "--format", "json", "loads", "tickets", "--raw").stdout)
    ((part,),) = [one["parts"] for one in found["landings"]]
    assert Path(tmp_path, part["path"]).exists()
    assert (
        "in 1 loads since 2026-09-28T08:00:00Z is kept as it came"
        in inside(tmp_path, *words, "loads", "tickets").stdout
    )
    assert inside(tmp_path, *words, "refresh", "tickets", "--from-raw").returncode == 0
    assert inside(tmp_path, *words, "refresh", "--from-raw").returncode == 2
    assert inside(tmp_path, *words, "loads", "--raw").returncode == 2
    from scorecard.views.pages.holds import holds_of

    said = holds_of(house.product.refresher.look(), "tickets", house.at)["raw"]
    assert said.startswith("What it gave in 1 load since")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("30", "expected a duration"),
        ("{at_most: 1GB}", "has no 'for'"),
        ("{for: 30d, at_most: lots}", "expected a size such as 500MB"),
        ("{for: 30d, generations: 3}", "unknown key 'generations'"),
    ],
)
def test_mistakes_have_their_place(tmp_path: Path, written: str, said: str) -> None:
    house = House(tmp_path, CSV.replace("30d", written))
    house.write("data/a.csv", "id,n,at\n1,1,2026-09-01\n")
    done = inside(tmp_path, "check")
    assert done.returncode == 1
    assert said in done.stderr + done.stdout
    assert "metrics.yaml:5:" in done.stderr + done.stdout


def test_external_tables_have_nothing_to_keep(tmp_path: Path) -> None:
    House(tmp_path, HEAD + "  tickets: {kind: external, table: a.b, time: at, every: 1h, keep_raw: 30d}\n" + METRICS)
    done = inside(tmp_path, "check")
    assert "metrics.yaml:5:62: source 'tickets' is looked at where it lies" in done.stderr + done.stdout
