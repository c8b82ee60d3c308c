"""Rows that could not be read: kept within bounds and without secrets, missing until their file is read again, shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Batch, Rejected
from connectors.registry import pull
from scorecard.book.model.source import Source
from scorecard.views.pages.quarantine import advice, rows_put_aside
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import Load, Quarantine, QuarantineGroup, QuarantineRow
from tests.fixtures import northwind
from tests.pulls import asked
from tests.warehouse_house import good, load, order, source, text, warehouse_in

TYPES: dict[str, Any] = {"id": "integer", "n": "double"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[DuckWarehouse]:
    warehouse = warehouse_in(tmp_path / "house")
    yield warehouse
    warehouse.close()


def from_files(house: DuckWarehouse, of: Source, folder: Path, **more: Any) -> Load:
    """One load of the files in a folder, as the product pulls them."""
    standing = house.standing(of.name)
    state = {} if standing is None or more.get("full") else standing.state
    kinds = {name: column.type for name, column in of.columns.items()}
    request = asked("csv", folder, columns=kinds, state=state, scans=True, path="*.csv", mode=of.mode, key=of.key)
    done, _ = house.load(order(of, **more), pull(request))
    assert done.outcome in ("failed", "held") or (
        done.read == done.loaded + done.unchanged + done.duplicate + done.quarantined
    ), done
    return done


def missing(house: DuckWarehouse, name: str = "tickets") -> list[tuple[str | None, int | None]]:
    found = house.quarantines().get(name, Quarantine())
    rows = [(row.file, row.line) for group in found.groups for row in group.first]
    assert found.missing == len(rows)
    return sorted(rows, key=str)


@pytest.mark.parametrize("key", [(), ("id",)], ids=["no key", "key"])
def test_a_row_is_missing_until_its_file_is_read_again_or_gone(
    house: DuckWarehouse, tmp_path: Path, key: tuple[str, ...]
) -> None:
    of = source(key=key, columns=TYPES, quarantine_at_most=0.9)
    one, two = tmp_path / "1.csv", tmp_path / "2.csv"
    one.write_text("id,n\n1,5\n2,x\n3\n")
    two.write_text("id,n\n4,y\n5,6\n")
    assert from_files(house, of, tmp_path).quarantined == 3
    assert missing(house) == [("1.csv", 3), ("1.csv", 4), ("2.csv", 2)]
    again = from_files(house, of, tmp_path)
    assert (again.outcome, again.quarantined) == ("unchanged", 0)
    assert len(missing(house)) == 3  # nothing was mended, whatever the last load says
    one.write_text("id,n\n1,5\n2,7\n3\n")
    assert from_files(house, of, tmp_path).quarantined == 1
    assert missing(house) == [("1.csv", 4), ("2.csv", 2)]
    two.unlink()
    from_files(house, of, tmp_path)
    assert missing(house) == [("1.csv", 4)]
    one.write_text("id,n\n1,5\n2,7\n3,8\n")
    from_files(house, of, tmp_path)
    assert missing(house) == []
    assert set(house.quarantine("tickets")["missing"].to_list()) == {False}  # still there to be looked up


def test_a_load_that_is_held_for_its_rows_shows_them_and_settles_nothing(house: DuckWarehouse, tmp_path: Path) -> None:
    of = source(columns=TYPES, quarantine_at_most=0.4)
    (tmp_path / "1.csv").write_text("id,n\n1,5\n2,x\n3,4\n")
    from_files(house, of, tmp_path)
    (tmp_path / "1.csv").write_text("id,n\n1,u\n2,v\n3,4\n")
    held = from_files(house, of, tmp_path)
    assert (held.outcome, held.quarantined) == ("held", 2)
    assert missing(house) == [("1.csv", 3)]
    found = house.quarantines([held.id])["tickets"]
    assert [(g.failed, g.rows, g.first[0].value) for g in found.groups] == [(held.id, 2, "u"), (None, 1, "x")]
    assert found.missing == 1


def test_rows_that_come_in_parts_are_missing_once_until_a_full_load(house: DuckWarehouse) -> None:
    of = source(kind="sql", key=["id"], cursor="n", columns=TYPES, quarantine_at_most=0.9)
    for _ in range(2):
        good(house, of, {"id": ["1", "x"], "n": [1, 2]}, file=None)
    assert [row[1] for row in missing(house)] == [3]
    good(house, of, {"id": ["2"], "n": [3]}, file=None)
    assert len(missing(house)) == 1
    good(house, of, {"id": ["1", "2"], "n": [1, 3]}, file=None, full=True)
    assert missing(house) == []


def test_what_is_kept_is_bounded_and_holds_no_secret(house: DuckWarehouse) -> None:
    of = replace(source(columns=TYPES, quarantine_at_most=1.0), secrets=("s3cret-value",))
    wide = {f"c{n}": ["y" * 3000] for n in range(70)}
    rejected = Rejected("https://host/s3cret-value/a.csv", 9, "text behind: 's3cret-value'", "s3cret-value," * 500)
    batches = [Batch(text({"id": ["s3cret-value"], "n": ["z" * 3000], **wide}), "a.csv", rejected=(rejected,))]
    done, _ = good(house, of, batches)
    rows = house.quarantine("tickets").to_dicts()
    assert len(rows) == 2
    for row in rows:
        assert len(row["text"]) <= 2000
        assert len(row["value"] or "") <= 200
        assert len(row["reason"]) <= 2000
        assert "s3cret" not in str({**row, "file": ""})
    assert "s3cret" not in "".join(p.message for p in done.problems)


def test_equal_mistakes_are_one_reason_the_largest_first(house: DuckWarehouse) -> None:
    of = source(columns={"id": "integer", "n": "double", "at": ("date", "%d.%m.%Y")}, quarantine_at_most=1.0)
    rows = {"id": [str(n) for n in range(30)], "n": ["x"] * 20 + ["1"] * 10, "at": ["1.1.2026"] * 25 + ["soon"] * 5}
    good(house, of, rows)
    groups = house.quarantines()["tickets"].groups
    assert [(g.kind, g.column, g.rows, len(g.first)) for g in groups] == [
        ("column 'n' is not a double", "n", 20, 10),
        ("column 'at' is not a date like %d.%m.%Y", "at", 5, 5),
    ]
    assert json.loads(groups[1].first[0].text) == {"id": "25", "n": "1", "at": "soon"}


def test_rows_of_forgotten_loads_go_unless_they_are_missing(
    house: DuckWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scorecard.warehouse.records.HISTORY_KEPT", 1)
    monkeypatch.setattr("scorecard.warehouse.records.SWEPT_EVERY", 1)
    of = source(columns=TYPES, quarantine_at_most=0.9)
    load(house, of, {"id": ["1", "x"], "n": ["1", "1"]})
    load(house, of, {"id": ["1", "y"], "n": ["1", "1"]})  # the first one's row is settled
    other = source("other", columns=TYPES)
    for _ in range(3):
        load(house, other, {"id": ["1"], "n": ["1"]})
    assert house.quarantine("tickets")["reason"].to_list() == ["column 'id': 'y' is not an integer"]


# -- shown ---------------------------------------------------------------------------------------------------------


def test_the_page_shows_where_why_and_what_next() -> None:
    (tickets,) = rows_put_aside(northwind.board())
    assert (tickets["source"], tickets["said"], tickets["status"]) == (
        "tickets",
        "6 rows not taken into its table",
        "amber",
    )
    numbers, ragged, key = tickets["groups"]
    assert numbers["why"] == "Column 'minutes' is not a number"
    assert 'nulls: ["n/a", "-"]' in numbers["advice"]
    first = numbers["first"][0]
    assert (first["place"], first["line"]) == ("data/tickets/2026-09.csv", "line 812")
    assert first["cells"][0] == {"name": "minutes", "value": "12m", "wrong": True}
    assert [cell["name"] for cell in first["cells"]].count("minutes") == 1
    assert ragged["first"][0]["written"].startswith("90310,")
    assert "quotes" in ragged["advice"]
    assert key["first"][0]["cells"][0] == {"name": "ticket_id", "value": "", "wrong": True}


@pytest.mark.parametrize(
    ("kind", "column", "words"),
    [
        ("column 'at' is not a timestamp", "at", "columns: {at: {type: …, format: …}}"),
        ("column 'n' is not an integer", "n", "Mend the values in the file"),
        ("column 'b' is not true or false", "b", "columns: {b: text}"),
        ("the key column 'id' is empty", "id", "Give the row its key"),
        ("a quote that opens here is never closed", None, "Close the quote"),
        ("text behind a closing quote", None, "Double a quote"),
        ("bytes that are not utf-8", None, "encoding: cp1252"),
        ("the header once more", None, "Nothing is lost"),
        ("a NUL character", None, "Mend the rows in the file"),
    ],
)
def test_every_reason_has_its_advice(kind: str, column: str | None, words: str) -> None:
    row = QuarantineRow(1, "a.csv", 2, kind, "7 x", "{}")
    assert words in advice(QuarantineGroup(kind, column, 1, None, (row,)), "csv")


def test_a_load_that_failed_is_said_and_a_broken_row_is_shown_as_written() -> None:
    board = northwind.board()
    cut = QuarantineRow(7, None, 3, "column 'n': 'x' is not a double", "x", '{"n":"x","m":"y…')
    group = QuarantineGroup("column 'n' is not a double", "n", 40, 7, (cut,))
    states = tuple(
        replace(s, quarantine=Quarantine(0, 1, (group,))) if s.name == "orders" else s for s in board.sources
    )
    orders = next(s for s in rows_put_aside(replace(board, sources=states)) if s["source"] == "orders")
    assert orders["status"] == "red"
    assert "nothing was changed" in orders["said"]
    assert orders["groups"][0]["more"] == 39
    assert orders["groups"][0]["first"][0] == {
        "place": "", "line": "record 3", "written": '{"n":"x","m":"y…', "cells": [], "said": cut.reason,
    }  # fmt: skip


def test_rows_of_a_load_that_waits_are_not_why_it_waits() -> None:
    board = northwind.board()
    row = QuarantineRow(7, "a.csv", 3, "column 'n': 'x' is not a double", "x", '{"n":"x"}')
    groups = tuple(QuarantineGroup("column 'n' is not a double", "n", 1, of, (row,)) for of in (7, None))
    states = tuple(
        replace(s, quarantine=Quarantine(1, 2, groups), outcome="held") if s.name == "orders" else s
        for s in board.sources
    )
    orders = next(s for s in rows_put_aside(replace(board, sources=states)) if s["source"] == "orders")
    assert orders["said"] == "1 row not taken into its table"
    assert orders["status"] == "amber"
    assert [group["counted"] for group in orders["groups"]] == ["1 row of the load that waits", "1 row"]
