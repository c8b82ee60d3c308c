"""Rows typed where they are read come to the same table, counts and quarantine as rows that come in batches of text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.contract import Batch, SourceFailed
from connectors.registry import pull
from scorecard.book.model.source import Source
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.shaping import too_long, written_as_text
from tests.pulls import asked
from tests.warehouse_house import order, source, warehouse_in

COLUMNS: dict[str, Any] = {"id": "integer", "at": "timestamp", "cost": "double", "team": "text"}
LINES = [f"{n},2026-03-29 {n % 24:02}:30:00,{n}.5,team {n % 3}" for n in range(1, 400)]
ODD = [
    *LINES[:50],
    "x,2026-01-01 10:00:00,1,a",
    *LINES[50:90],
    "51,never,2,b",
    "52,2026-01-01 10:00:00,1_0,c",
    *LINES[90:],
]
FILES = {
    "clean": LINES,
    "odd values": ODD,
    "blanks": [*LINES, "1000,  ,  ,", "1001,2026-01-01,1e3, x ", ' 1002 ,2026-01-01T10:00:00Z,-0.5,"a, b"'],
    "a line short": [*LINES[:60], "7,2026-01-01", *LINES[60:], "x,,,"],
    "a line long": [*LINES[:60], "7,2026-01-01,1,a,b", *LINES[60:]],
    "the header again": [*LINES[:60], "id,at,cost,team", *LINES[60:]],
    "blank lines": [*LINES[:60], "", *LINES[60:], "x,,,", ""],
    "a row over two lines": [*LINES[:60], '900,2026-01-01,1,"two\nlines"', *LINES[60:], "x,,,"],
    "an open quote": [*LINES[:60], '900,2026-01-01,1,"never closed', *LINES[60:]],
    "keys twice": [*LINES[:60], *LINES[40:80], *LINES[90:]],
    "keys missing": [*LINES[:60], ",2026-01-01,1,a", *LINES[60:]],
    "a key twice in turn": [*LINES[:60], LINES[59].replace("team", "other"), *LINES[60:]],
    "late values": [*(f"{n},,,{n}" for n in range(100)), "x,y,z,w"],
    "unusual ways": [
        *LINES,
        *(
            f"{n},{at},{cost},{n}"
            for n, at, cost in (
                (" 900 ", "2026-03-29T02:30", "+5"),
                ("901.0", "2026-03-29 10:00:00+02:00", "1e3"),
                ("902", "2026-03-29", "nan"),
                ("9e2", "26-03-29 10:00:00", "5"),
                ("0903", "infinity", "5"),
                ("904", "2026-03-29 24:00", "-.5"),
                ("0x1F", "2026-03-29 10:00:00", "5"),
                ("905.5", "2026-03-29 10:00:00", "inf"),
                ("", "2026-03-29 10:00:00.123456", "_1"),
            )
        ),
    ],
    "mostly unusual ways": [line.replace(" ", "T", 1).replace("00,", "00Z,", 1) for line in LINES],
    "no rows": [],
    "only odd ones": ["x,y,z,a", "v,w,,b"],
}


def come_to(warehouse: DuckWarehouse, of: Source, folder: Path, way: str) -> tuple[Any, ...]:
    state = standing.state if (standing := warehouse.standing(of.name)) is not None else {}
    kinds = {name: column.type for name, column in of.columns.items()}
    request = asked(
        "csv", folder, columns=kinds, state=state, path="*.csv", mode=of.mode, key=of.key,
        scans=way == "scan", small_bytes=2**20 if way == "by hand" else 0,
    )  # fmt: skip
    done, touched = warehouse.load(order(of, "at"), pull(request))
    counts = (
        done.outcome, done.read, done.loaded, done.unchanged, done.duplicate, done.quarantined, done.removed,
        done.times_doubled, done.times_missing, tuple(map(str, done.problems)), touched,
    )  # fmt: skip
    held = warehouse.standing(of.name)
    if held is None:
        return counts
    table = warehouse.query(f"SELECT * FROM {warehouse.table(of.name)} ORDER BY ALL")
    aside = warehouse.quarantine(of.name).drop("load")
    schema = {
        name: type_ for name, type_ in table.schema.items() if name != "_file"
    }  # a lone file's name is one of one
    shown = [(held.rows, held.columns, held.state, held.data_until, held.first_day), schema, table.rows()]
    return counts, shown, aside.rows()


def write(folder: Path, name: str, lines: list[str]) -> None:
    (folder / name).write_text("\n".join(["id,at,cost,team", *lines, ""]), encoding="utf-8")


# Every file both ways; those where a key and what is declared may meddle with each other in all four.
WAYS = [
    (case, declared, key)
    for case in FILES
    for declared in (True, False)
    for key in ((), ("id",))
    if declared == bool(key) or case in ("odd values", "keys twice", "unusual ways")
]


@pytest.mark.parametrize(("case", "declared", "key"), WAYS)
def test_comes_to_the_same(tmp_path: Path, case: str, declared: bool, key: tuple[str, ...]) -> None:
    columns = COLUMNS if declared else {}
    of = source(columns=columns, key=key, time="at", timezone="Europe/Berlin" if declared else "UTC")
    found = []
    for way in ("scan", "batches" if key else "by hand"):
        files = tmp_path / f"files of {way}"
        files.mkdir()
        write(files, "b.csv", FILES[case])
        warehouse = warehouse_in(tmp_path / f"house of {way}")
        loads = [come_to(warehouse, of, files, way)]
        write(files, "a.csv", ODD[20:60])
        loads.append(come_to(warehouse, of, files, way))
        write(files, "b.csv", [*FILES[case][:30], "77,2026-05-05 10:00:00,1,new"])
        loads.append(come_to(warehouse, of, files, way))
        warehouse.close()
        found.append(loads)
    assert found[0] == found[1]


def test_a_scan_is_kept_only_where_every_row_came(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", LINES)
    batches = pull(asked("csv", tmp_path, scans=True, path="a.csv"))
    scan = next(batches).scan
    assert scan is not None
    assert scan.alone
    assert scan.first_line == 2
    assert not scan.keep()
    assert scan.look("SELECT max(_line) FROM _scan").read_all().column(0).to_pylist() == [len(LINES) + 1]
    assert scan.stream("SELECT id FROM _scan").read_all().num_rows == len(LINES)
    assert scan.keep()
    assert [batch.rows.schema.names for batch in batches] == [["id", "at", "cost", "team", "_line"]]


def test_a_scan_that_is_not_kept_comes_in_batches(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", FILES["a line short"])
    batches = list(pull(asked("csv", tmp_path, scans=True, path="a.csv")))
    assert sum(len(batch.rejected) for batch in batches) == 1
    assert [batch.scan is not None for batch in batches] == [True, *([False] * (len(batches) - 1))]


def test_nobody_who_does_not_ask_is_offered_a_scan(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", LINES)
    assert all(batch.scan is None for batch in pull(asked("csv", tmp_path, path="a.csv")))


def test_a_large_file_written_into_behind_a_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.csv.pinned.COPIED_BYTES", 0)
    write(tmp_path, "a.csv", LINES)
    batches = pull(asked("csv", tmp_path, scans=True, path="a.csv"))
    scan = next(batches).scan
    assert scan is not None
    scan.stream("SELECT id FROM _scan").read_all()
    assert scan.keep()
    write(tmp_path, "a.csv", LINES[:-1])
    with pytest.raises(SourceFailed, match="changed while it was read"):
        list(batches)


@pytest.mark.parametrize(
    ("early", "late"), [("text", "2026-01-05"), ("2026-01-05", "text"), (None, "text"), ("text", None)]
)
def test_a_database_s_stream_comes_to_what_its_table_does(tmp_path: Path, early: str | None, late: str | None) -> None:
    count = 25_000
    rows = pa.table({
        "id": pa.array(range(count), pa.int64()),
        "told": pa.array(["a", "b"] * (count // 2), pa.string()),
        "open": pa.array([early] * 22_000 + [late] * (count - 22_000), pa.string()),
    })  # fmt: skip
    found = []
    for way in ("stream", "table"):
        warehouse = warehouse_in(tmp_path / way)
        of = source(kind="sql", mode="replace", quarantine_at_most=0.2)
        done, _ = warehouse.load(order(of), [Batch(rows.to_reader(5_000) if way == "stream" else rows)])
        held = warehouse.standing("tickets")
        assert held is not None, done.problems
        counts = (done.read, done.loaded, done.quarantined)
        found.append((counts, held.columns, warehouse.query("SELECT * FROM main.tickets ORDER BY id").rows()))
        warehouse.close()
    assert found[0] == found[1]
    assert found[0][0][0] == count


def test_what_a_stream_raises_is_said_by_the_load(tmp_path: Path) -> None:
    def broken(schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        yield from pa.Table.from_pylist([{"id": 1, "name": "a"}], schema).to_batches()
        raise SourceFailed("the database went away")

    warehouse = warehouse_in(tmp_path)
    for more in ([], [pa.field("name", pa.string())]):  # told by its type, and looked at first
        schema = pa.schema([pa.field("id", pa.int64()), *more])
        reader = pa.RecordBatchReader.from_batches(schema, broken(schema))
        done, _ = warehouse.load(order(source(kind="sql", mode="replace")), [Batch(reader)])
        assert done.outcome == "failed"
        assert "the database went away" in str(done.problem)
    warehouse.close()


def test_which_digits_are_a_code(tmp_path: Path) -> None:
    marks = ["0", "1", "9", "+", "-", ".", "a", ":", "/", ",", " ", "²", "é"]
    texts = ["", *("".join(each) for n in (1, 2, 3) for each in product(marks, repeat=n)), "1" * 15, "1" * 16, "1." * 9]
    sql = f"SELECT x, {written_as_text('x')}, {too_long('x')} FROM (SELECT unnest(?::VARCHAR[]) AS x)"
    warehouse = warehouse_in(tmp_path)
    found = warehouse.query(sql, [texts]).rows()
    warehouse.close()
    assert found == [(x, bool(re.match(r"0[0-9]|\+", x, re.ASCII)), len(x) > 15 and "." not in x) for x in texts]
