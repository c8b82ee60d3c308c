"""The warehouse file: opening, owning, locking, limits, threads, damage, and what a kill leaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from connectors.contract import Batch
from scorecard.ground.errors import Problem, Refused, Unavailable
from scorecard.warehouse.duck import DuckWarehouse
from tests.amounts import times
from tests.warehouse_house import NOW, good, load, order, rows_of, source, text, warehouse_in

ROOT = Path(__file__).parent.parent


@pytest.fixture
def house(tmp_path: Path) -> Iterator[DuckWarehouse]:
    warehouse = warehouse_in(tmp_path)
    yield warehouse
    warehouse.close()


def run(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


# -- opening ---------------------------------------------------------------------------------------------------


def test_what_was_loaded_is_there_again(tmp_path: Path) -> None:
    first = warehouse_in(tmp_path)
    good(first, source(key=["id"], cursor="at", time="at"), {"id": ["a"], "at": ["2026-01-01T10:00:00.5"]}, "at")
    standing, loads = first.standing("tickets"), first.loads()
    first.close()
    again = warehouse_in(tmp_path)
    assert (again.standing("tickets"), again.loads(), again.notices) == (standing, loads, ())
    assert standing is not None
    assert standing.cursor == datetime(2026, 1, 1, 10, 0, 0, 500000, tzinfo=UTC)
    done, _ = good(again, source(key=["id"], cursor="at", time="at"), {"id": ["b"], "at": ["2026-01-02T10:00"]}, "at")
    assert (done.id, done.generation) == (2, 2)
    again.close()


HOLD = """
import sys
from pathlib import Path
from scorecard.ground.clock import SystemClock
from scorecard.warehouse.duck import DuckWarehouse
house = DuckWarehouse.open(Path(sys.argv[1]), SystemClock())
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_who_has_the_file(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        try:
            with pytest.raises(Unavailable, match=rf"process {holder.pid} .* owns the warehouse"):
                warehouse_in(tmp_path)
        finally:
            holder.kill()
    warehouse_in(tmp_path).close()


def test_the_same_process_cannot_open_it_twice(house: DuckWarehouse) -> None:
    with pytest.raises(Unavailable, match="this process already has the warehouse"):
        warehouse_in(house.folder)
    good(house, source(), {"a": [1]})


def _mounted(folder: Path, options: str) -> None:
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs here: {made.stderr.strip()}")


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    _mounted(folder, "size=4m,ro")
    try:
        with pytest.raises(Unavailable, match=r"the data folder .* cannot be written: Read-only file system"):
            warehouse_in(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    with pytest.raises(Unavailable, match="cannot be written"):
        warehouse_in(Path("/proc/nothing/here"))
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be written"):
        warehouse_in(tmp_path / "file")


@pytest.mark.parametrize("harm", ["garbage", "truncated", "empty header"])
def test_a_damaged_file_is_set_aside(tmp_path: Path, harm: str) -> None:
    whole = warehouse_in(tmp_path)
    good(whole, source(), {"a": range(100)})
    whole.close()
    path = tmp_path / "warehouse.duckdb"
    content = path.read_bytes()
    path.write_bytes(
        {"garbage": b"x" * 20_000, "truncated": content[:5000], "empty header": b"\0" * 12288 + content[12288:]}[harm]
    )
    again = warehouse_in(tmp_path)
    assert len(again.notices) == 1
    assert "was damaged" in again.notices[0].message
    assert len(list(tmp_path.glob("warehouse.duckdb.damaged-20260928T080000*"))) == 1
    assert again.standing("tickets") is None
    good(again, source(), {"a": range(100)})
    again.close()


def test_damage_found_while_reading_is_set_aside_at_the_next_start(tmp_path: Path) -> None:
    whole = warehouse_in(tmp_path)
    good(whole, source(), {"a": [f"text {n * 7919 % 100003}" for n in range(60_000)]})
    whole.close()
    path = tmp_path / "warehouse.duckdb"
    content = bytearray(path.read_bytes())
    blocks = range(12288, len(content), 262_144)
    place = min(blocks, key=lambda at: content[at : at + 262_144].count(0))
    content[place + 100_000] ^= 1  # in a block of rows, which is not read before it is asked for
    path.write_bytes(content)
    harmed = warehouse_in(tmp_path)
    assert harmed.notices == ()
    with pytest.raises(Unavailable, match="the warehouse file is damaged"):
        harmed.query("SELECT sum(length(a)) FROM tickets")
    harmed.close()
    harmed = warehouse_in(tmp_path)
    assert len(harmed.notices) == 1
    assert harmed.standing("tickets") is None
    harmed.close()


def test_a_complaint_about_a_word_does_not_condemn_the_file(tmp_path: Path) -> None:
    house = warehouse_in(tmp_path)
    good(house, source(), {"a": [1]})
    with pytest.raises(Refused):
        house.query("SELECT corrupt_checksum FROM tickets")
    house.close()
    again = warehouse_in(tmp_path)
    assert again.notices == ()
    assert rows_of(again, columns="a") == [(1,)]
    again.close()


# -- locked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '/tmp/warehouse-leak.csv'",
        "ATTACH '/tmp/warehouse-leak.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_csv('https://example.com/a.csv')",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "SELECT * FROM frame_of_this_test",
        "DROP TABLE tickets",
        "WITH gone AS (DELETE FROM tickets RETURNING a) SELECT * FROM gone",
        "INSERT INTO tickets VALUES (1)",
    ],
)
def test_a_query_reaches_no_file_no_network_and_changes_nothing(house: DuckWarehouse, sql: str) -> None:
    frame_of_this_test = pl.DataFrame({"secret": [1]})
    good(house, source(), {"a": [1]})
    for many in (False, True):
        with pytest.raises(Refused):
            house.query(sql, many=many)
    assert rows_of(house, columns="a") == [(1,)]
    assert frame_of_this_test.height == 1


def test_the_settings_are_those_asked_for(tmp_path: Path) -> None:
    house = warehouse_in(tmp_path, memory_limit="300MB", threads=1)
    names = ("TimeZone", "threads", "lock_configuration", "enable_external_access", "temp_directory")
    told = house.query("SELECT " + ", ".join(f"current_setting('{n}')::VARCHAR" for n in names)).row(0)
    assert told == ("UTC", "1", "true", "false", str(tmp_path / "warehouse.tmp"))
    house.close()


def test_a_query_that_runs_too_long_is_stopped(tmp_path: Path) -> None:
    house = warehouse_in(tmp_path, query_seconds=0.3)
    for many in (False, True):
        began = time.monotonic()
        with pytest.raises(Refused, match=r"longer than 0\.3 s"):
            house.query(
                "SELECT count(*) FROM range(1000000000) a, range(1000) b WHERE a.range + b.range = -1", many=many
            )
        assert time.monotonic() - began < 10
        assert house.query("SELECT ? AS one", [1], many=many).item() == 1
    house.close()


def test_complaints_are_one_clear_line(house: DuckWarehouse) -> None:
    good(house, source(), {"minutes": [1]})
    with pytest.raises(Refused, match=r"^[^\n]*minuts[^\n]*minutes[^\n]*$"):
        house.query("SELECT minuts FROM tickets")
    with pytest.raises(Refused, match="read-only"):
        house.query("DELETE FROM tickets")
    assert house.query("SELECT ? + ? AS three", [1, 2]).item() == 3


def test_what_only_loads_needs_no_frames() -> None:
    code = "import sys, scorecard.warehouse.duck; print([m for m in ('polars', 'pyarrow.compute') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "[]\n", done.stderr


# -- writing and reading together ------------------------------------------------------------------------------


def test_writes_are_one_transaction(house: DuckWarehouse) -> None:
    frame = pl.DataFrame({"day": [1, 2], "n": [3.5, None]})
    house.write([("CREATE TABLE states AS SELECT * FROM grid", [])], {"grid": frame})
    with pytest.raises(Refused, match="nowhere"):
        house.write([("DELETE FROM states WHERE day = ?", [1]), ("INSERT INTO nowhere VALUES (1)", [])])
    assert house.query("SELECT * FROM states ORDER BY day").equals(frame)
    house.write([("DELETE FROM states WHERE day = ?", [1])])
    assert house.query("SELECT count(*) FROM states").item() == 1


def test_readers_see_whole_loads_only_and_sources_load_side_by_side(house: DuckWarehouse) -> None:
    stop = threading.Event()
    wrong: list[object] = []

    def read() -> int:
        count = 0
        while not stop.is_set():
            rows = house.query("SELECT min(v), max(v), count(*) FROM tickets").row(0)
            if rows[0] != rows[1] or rows[2] != 500:
                wrong.append(rows)
            count += 1
        return count

    def fill(name: str, mode: str) -> None:
        of = source(name, mode=mode, key=["id"] if mode == "upsert" else [])
        for v in range(12):
            good(house, of, {"id": range(500), "v": [v] * 500})

    good(house, source(), {"id": range(500), "v": [0] * 500})
    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for job in [
            pool.submit(fill, "tickets", "replace"),
            pool.submit(fill, "b", "upsert"),
            pool.submit(fill, "c", "replace"),
        ]:
            job.result()
        stop.set()
        assert all(reader.result() > 0 for reader in readers)
    assert wrong == []
    assert [row[0] for row in rows_of(house, "b", "v")] == [11] * 500
    assert len({done.id for done in house.loads(limit=100)}) == 37


def test_what_is_closed_says_so(house: DuckWarehouse) -> None:
    good(house, source(), {"a": range(10)})
    house.close()
    with pytest.raises(Unavailable, match="the warehouse is closed"):
        house.query("SELECT 1")


def test_failures_are_kept_in_the_history(house: DuckWarehouse) -> None:
    problem = Problem("it answered 401", hint="look at the token")
    done = house.record_failure(order(source()), problem)
    assert (done.outcome, done.problem, done.generation) == ("failed", "it answered 401 (look at the token)", 0)
    assert house.loads("tickets") == (done,)
    assert house.standing("tickets") is None
    good(house, source(), {"a": [1]})
    good(house, source("other"), {"a": [1]})
    assert [d.source for d in house.loads()] == ["other", "tickets", "tickets"]
    assert [d.outcome for d in house.loads("tickets", 1)] == ["ok"]


def test_old_quarantine_is_kept_within_bounds(house: DuckWarehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorecard.warehouse.quarantine.ROWS_KEPT", 25)
    of = source(columns={"n": "integer"}, quarantine_at_most=1.0)
    for _ in range(4):
        good(house, of, {"n": ["x"] * 10})
    assert sorted(set(house.quarantine("tickets")["load"].to_list())) == [3, 4]


# -- kills and full disks --------------------------------------------------------------------------------------

LOADS = """
import sys
from pathlib import Path
sys.path.insert(0, ".")
from tests.warehouse_house import *
house = warehouse_in(Path(sys.argv[1]))
upsert, swap = source("up", key=["id"], time="at"), source("swap", time="at")
number = int(sys.argv[2])
while True:
    number += 1
    rows = {"id": range(400), "at": ["2026-01-05T10:00"] * 400, "v": [number] * 400}
    for of in (upsert, swap):
        done, _ = house.load(order(of, "at"), [Batch(text(rows), "a.csv")])
        assert done.outcome == "ok", done.problems
        print(of.name, done.generation, number, flush=True)
"""


@pytest.mark.slow
def test_kills_lose_nothing_and_leave_nothing_half_done(tmp_path: Path) -> None:
    number, said = 0, {"up": 0, "swap": 0}
    for kill in range(times(10)):
        process = run(LOADS, str(tmp_path), str(number))
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first, process.stderr.read() if process.stderr else ""
        time.sleep(0.033 * (kill % 10) + 0.0033 * (kill // 10))
        os.kill(process.pid, signal.SIGKILL)
        rest, _ = process.communicate()
        for line in (first + rest).splitlines():
            if len(parts := line.split()) == 3:
                said[parts[0]] = int(parts[1])
                number = max(number, int(parts[2]))
        house = warehouse_in(tmp_path)
        for name in ("up", "swap"):
            standing = house.standing(name)
            if standing is None:
                assert said[name] == 0
                continue
            ((values, rows),) = house.query(f"SELECT count(DISTINCT v), count(*) FROM {house.table(name)}").rows()
            assert (values, rows) == (1, 400)
            assert standing.rows == 400
            assert standing.generation >= said[name], "an acknowledged load is gone"
            said[name] = standing.generation
        assert house.query("SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE '_incoming%'").item() == 0
        ended = [d for d in house.loads(limit=1000) if d.outcome == "failed"]
        assert {d.problem for d in ended} <= {
            "the process ended while it ran (it runs again on its schedule; nothing was changed)"
        }
        number += 1
        house.close()


def test_a_log_that_is_damaged_or_gone_is_said_at_the_start(tmp_path: Path) -> None:
    """DuckDB itself opens such a file without a word, with fewer rows."""
    process = run(LOADS, str(tmp_path / "killed"), "0")
    assert process.stdout is not None
    for _ in range(6):
        assert process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    for harm in ("flip", "cut", "remove", "none"):
        folder = tmp_path / harm
        shutil.copytree(tmp_path / "killed", folder)
        log = folder / "warehouse.duckdb.wal"
        content = bytearray(log.read_bytes())
        content[len(content) // 2] ^= 0x10 if harm == "flip" else 0
        log.write_bytes(content[: len(content) // 3] if harm == "cut" else content)
        if harm == "remove":
            log.unlink()
        house = warehouse_in(folder)
        said = [str(p) for p in house.notices]
        assert said == [] if harm == "none" else "has lost load" in said[0] or "damaged" in said[0], (harm, said)
        rows = {"id": range(400), "at": ["2026-01-05T10:00"] * 400, "v": [-1] * 400}
        for of in (source("up", key=["id"], time="at"), source("swap", time="at")):
            good(house, of, rows, "at")
        house.close()
        again = warehouse_in(folder)
        assert again.notices == (), "it is said once"
        again.close()


def test_a_full_disk_fails_the_load_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    _mounted(folder, "size=8m")
    try:
        house = warehouse_in(folder)
        good(house, source(), {"a": range(1000)})
        before = house.standing("tickets"), rows_of(house)
        (folder / "filler").write_bytes(b"\0" * (folder.stat().st_blksize * 0 + 5_000_000))
        wide = {"a": range(60_000), "b": [f"{n * 7919 % 1_000_003} some text to fill {n**3}" for n in range(60_000)]}
        done, _ = load(house, source(), wide)
        assert done.outcome == "failed"
        assert "the disk is full" in str(done.problem)
        assert (house.standing("tickets"), rows_of(house)) == before
        assert house.loads("tickets", 1)[0] == done
        (folder / "filler").unlink()
        good(house, source(), {"a": range(600)})
        house.close()
        again = warehouse_in(folder)
        assert len(rows_of(again)) == 600
        again.close()
    finally:
        subprocess.run(["umount", str(folder)], check=True)


FAULTY = """
import sys
from pathlib import Path
sys.path.insert(0, ".")
from tests.warehouse_house import *
house = warehouse_in(Path(sys.argv[1]))
for number in range(14):
    done, _ = load(house, source(key=["id"]), {"id": [number]})
    print(done.outcome, len(rows_of(house)), done.problem or "", flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace makes the disk fail, and is not here")
def test_a_disk_that_fails_once_costs_one_load_and_no_reading(tmp_path: Path) -> None:
    fault = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e"]
    when = "inject=fsync,fdatasync:error=EIO:when=30"
    command = [*fault, when, sys.executable, "-c", FAULTY, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr.lower():
        pytest.skip(f"strace may not trace here: {done.stderr.strip()[:100]}")
    told = [line.split(" ", 2) for line in done.stdout.splitlines()]
    assert len(told) == 14, done.stderr
    assert sum(outcome == "failed" for outcome, _, _ in told) <= 1
    rows = [int(count) for _, count, _ in told]
    assert rows == sorted(rows)
    again = warehouse_in(tmp_path)
    assert len(rows_of(again)) == rows[-1] == sum(outcome == "ok" for outcome, _, _ in told)
    again.close()


def test_what_a_killed_process_was_doing_is_said(tmp_path: Path) -> None:
    house = warehouse_in(tmp_path)
    good(house, source(), {"a": [1]})

    def watched() -> Iterator[Batch]:
        seen = house.query("SELECT outcome FROM _loads.history ORDER BY id").rows()
        assert seen == [("ok",), ("running",)]
        assert [d.outcome for d in house.loads()] == ["ok"]
        house.write([("CREATE TABLE main._incoming_tickets (a INT)", [])])
        house.write([("UPDATE _loads.history SET id = 7 WHERE outcome = 'running'", [])])
        yield Batch(text({"a": [2]}), "a.csv")

    house.load(order(source()), watched())
    house.close()
    again = warehouse_in(tmp_path)
    done = again.loads()[0]
    assert (done.id, done.outcome, done.finished_at) == (7, "failed", NOW)
    assert "the process ended while it ran" in str(done.problem)
    again.close()
