"""The table of bad CSV files, numbers and dates: each is read as declared, put aside, or refused by name; every row counted."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.registry import pull
from scorecard.book.model.source import Source
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import Load
from tests.pulls import asked, failure, pulled
from tests.warehouse_house import clock, order, rows_of, source, warehouse_in

GOOD = "".join(f"{n},{n}.5,t{n}\n" for n in range(1, 6))
"""Five rows of id, cost and team."""
IDS = [1, 2, 3, 4, 5]


@dataclass(frozen=True)
class Case:
    """A file, how it is declared, and what must come of it: the ids that are loaded and the lines put aside; or a failure
    whose words hold ``says``."""

    name: str
    content: bytes | str
    ids: list[int] = field(default_factory=list)
    aside: list[int] = field(default_factory=list)
    says: str | None = None
    csv: dict[str, Any] = field(default_factory=dict)
    path: str = "t.csv"


FILES = [
    Case("a ragged row", f"id,cost,team\n{GOOD}6,1\n7,1,b,c\n", IDS, [7, 8]),
    Case("an unclosed quote", f'id,cost,team\n6,1,"open\n{GOOD}', IDS, [2]),
    Case("an extra quote", f'id,cost,team\n{GOOD}6,1,"a"b"\n', IDS, [7]),
    Case("the wrong delimiter", "id;cost;team\n1;1.5;a\n", says="no ',' but 2 times ';'", csv={"delimiter": ","}),
    Case("the wrong delimiter, two columns", "id;cost\n1;1.5\n2;2.5\n", says="delimiter", csv={"delimiter": ","}),
    Case("a delimiter that changes", f"id,cost,team\n{GOOD}6;1.5;a\n7;1.5;b\n", IDS, [7, 8]),
    Case("a header twice in one line", f"id,cost,id\n{GOOD}", says="'id' and 'id'"),
    Case("nothing", "", says="the file is empty"),
    Case("a header only", "id,cost,team\n", []),
    Case("no header", GOOD, says="missing"),
    Case("no header, numbers only", "1,2,3\n4,5,6\n", says="numbers where the header should be"),
    Case("two header rows", f"id,cost,team\nnumber,EUR,name\n{GOOD}", IDS, [2]),
    Case("the header again", f"id,cost,team\n{GOOD}id,cost,team\n", IDS, [7]),
    Case("a preamble", f"Report of today\nfor Dana Lee\n\nid,cost,team\n{GOOD}", says="set csv: {skip: 3}"),
    Case("a preamble, skipped", f"Report of today\nfor Dana Lee\n\nid,cost,team\n{GOOD}", IDS, csv={"skip": 3}),
    Case("two tables", f"id,cost,team\n{GOOD}\nteam,head\na,Ana\nb,Ben\n", IDS, [8, 9, 10]),
    Case("UTF-16", f"id,cost,team\n{GOOD}".encode("utf-16"), IDS),
    Case("UTF-16, declared", f"id,cost,team\n{GOOD}".encode("utf-16"), IDS, csv={"encoding": "utf-16"}),
    Case("UTF-16 of the other end", f"id,cost,team\n{GOOD}".encode("utf-16-be"), IDS, csv={"encoding": "utf-16"}),
    Case("UTF-16 nobody declared", f"id,cost,team\n{GOOD}".encode("utf-16-le"), says="looks like UTF-16"),
    Case("UTF-16 declared as another", f"id,cost,team\n{GOOD}".encode("utf-16"), says="the mark of utf-16", csv={"encoding": "latin-1"}),
    Case("Latin-1", f"id,cost,team\n{GOOD}6,1,Zürich\n".encode("latin-1"), IDS, [7]),
    Case("Latin-1, declared", f"id,cost,team\n{GOOD}6,1,Zürich\n".encode("latin-1"), [*IDS, 6], csv={"encoding": "latin-1"}),
    Case("a mark", b"\xef\xbb\xbf" + f"id,cost,team\n{GOOD}".encode(), IDS),
    Case("a mark of UTF-8 on declared Latin-1", b"\xef\xbb\xbfid,cost,team\n1,1,a\n", says="the mark of utf-8", csv={"encoding": "latin-1"}),
    Case("a NUL", f"id,cost,team\n{GOOD}6,1,a\0b\n", IDS, [7]),
    Case("carriage returns", f"id,cost,team\n{GOOD}".replace("\n", "\r"), IDS),
    Case("mixed line ends", f"id,cost,team\n{GOOD}".replace("3\n", "3\r\n"), IDS),
    Case("a cell of ten megabytes", f"id,cost,team\n{GOOD}6,1," + "x" * 10_100_000 + "\n", IDS, [7]),
    Case("ten thousand columns", ",".join(f"c{n}" for n in range(10_000)) + "\n", says="10000 columns"),
    Case("a link to outside", "", says="outside", path="link.csv"),
    Case("another folder", "", says="outside", path="../../../../../../../../etc/passwd"),
]  # fmt: skip


@pytest.fixture
def house(tmp_path: Path) -> Any:
    warehouse = warehouse_in(tmp_path / "house")
    yield warehouse
    warehouse.close()


def loaded(house: DuckWarehouse, of: Source, folder: Path) -> Load:
    """One load as the product makes it. Whatever came of it, every row that was read is accounted for."""
    kinds = {name: column.type for name, column in of.columns.items()}
    request = asked("csv", folder, columns=kinds, scans=True, **of.options)
    done, _ = house.load(order(of), pull(request))
    if done.outcome != "failed":
        assert done.read == done.loaded + done.unchanged + done.duplicate + done.quarantined, done
    return done


@pytest.mark.parametrize("key", [(), ("id",)], ids=["no key", "key"])
@pytest.mark.parametrize("case", FILES, ids=lambda case: case.name)
def test_bad_files(house: DuckWarehouse, tmp_path: Path, case: Case, key: tuple[str, ...]) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (tmp_path / "secret.csv").write_text("id,cost,team\n1,1,a\n")
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    content = case.content.encode() if isinstance(case.content, str) else case.content
    (folder / "t.csv").write_bytes(content)
    os.utime(folder / "t.csv", (1, 1))
    columns: dict[str, Any] = {"id": "integer", "cost": "double", "team": "text"}
    of = source(columns=columns, key=key, quarantine_at_most=0.7, path=case.path, csv=case.csv)
    done = loaded(house, of, folder)
    if case.says is not None:
        assert done.outcome == "failed", done
        assert case.says in str(done.problem)
        assert house.standing("tickets") is None
        return
    assert done.outcome == "ok", done.problems
    assert [id_ for (id_,) in rows_of(house, columns="id")] == case.ids
    assert house.quarantine("tickets")["line"].sort().to_list() == case.aside
    if not case.ids:
        assert "a header and no rows" in str(done.problems)


@pytest.mark.parametrize(
    ("told", "csv_", "written", "read"),
    [
        ("double", {"thousands": ","}, "1,234.56", 1234.56),
        ("double", {}, "1,234.56", None),
        ("double", {"decimal": ",", "thousands": "."}, "1.234,56", 1234.56),
        ("double", {"decimal": ","}, "1.234,56", None),
        ("double", {}, "1.234,56", None),
        ("decimal", {"decimal": ",", "thousands": "."}, "1.234,56", Decimal("1234.56")),
        ("double", {"thousands": ","}, "12,34", None),  # not written so: never guessed
        ("double", {"decimal": ",", "thousands": "."}, "12.34", None),
        ("double", {}, "(12)", None),
        ("double", {}, "12%", None),
        ("double", {}, "$12", None),
        ("double", {}, "NaN", None),
        ("double", {}, "inf", None),
        ("double", {}, "-Infinity", None),
        ("double", {}, "1e999", None),
        ("decimal", {}, "NaN", None),
        ("integer", {}, str(2**63), None),
        ("integer", {}, str(-(2**63)), -(2**63)),
        ("integer", {}, "12.5", None),
        ("integer", {}, "1_000", None),
        ("integer", {}, "0x1F", None),
        ("decimal", {}, str(2**63), Decimal(2**63)),
        ("date", {}, "03/04/2025", None),
        (("date", "%d/%m/%Y"), {}, "03/04/2025", date(2025, 4, 3)),
        (("date", "%m/%d/%Y"), {}, "03/04/2025", date(2025, 3, 4)),
        (("date", "%m/%d/%Y"), {}, "13/04/2025", None),
        (("date", "%d.%m.%y"), {}, "05.01.26", date(2026, 1, 5)),
        (("date", "%d.%m.%y"), {}, "05.01.68", date(2068, 1, 5)),
        (("date", "%d.%m.%y"), {}, "05.01.69", date(1969, 1, 5)),
        ("date", {}, "26-01-05", None),
        ("timestamp", {}, "26-01-05 10:00", None),
        ("timestamp", {}, "26-01-05 10:00:00", None),
        ("timestamp", {}, "2026-01-05 24:00", clock(2026, 1, 5, 23)),  # the midnight that ends the day
        (("timestamp", "%Y-%m-%d %H:%M"), {}, "2026-01-05 24:00", None),
        ("timestamp", {}, "2026-01-05 25:00:00", None),
        ("date", {}, "2026-02-30", None),
        (("date", "%d.%m.%Y"), {}, "30.02.2026", None),
        ("timestamp", {}, "2026-10-25 02:30", clock(2026, 10, 25, 1, 30)),  # doubled: the second is meant
        ("timestamp", {}, "2026-03-29 02:30", clock(2026, 3, 29, 1, 30)),  # missing: an hour later is meant
        ("epoch_s", {}, "1767600000", clock(2026, 1, 5, 8)),
        ("epoch_s", {}, "1767600000000", None),
        ("epoch_ms", {}, "1767600000000", clock(2026, 1, 5, 8)),
    ],
)  # fmt: skip
def test_numbers_and_dates_are_read_as_declared_and_never_guessed(
    house: DuckWarehouse, tmp_path: Path, told: Any, csv_: dict[str, Any], written: str, read: Any
) -> None:
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["id", "v"], ["1", written], ["2", ""]])
    of = source(
        columns={"id": "integer", "v": told}, timezone="Europe/Berlin", path="t.csv", csv={"delimiter": ",", **csv_}
    )
    done = loaded(house, of, tmp_path)
    assert done.outcome == "ok", done.problems
    if read is None:
        assert rows_of(house, columns="id, v") == [(2, None)]
        (row,) = house.quarantine("tickets").to_dicts()
        assert (row["file"], row["line"], row["column_name"], row["value"]) == ("t.csv", 2, "v", written)
    else:
        assert rows_of(house, columns="id, v") == [(1, read), (2, None)]


def test_seconds_declared_as_milliseconds_are_refused(house: DuckWarehouse, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,at\n1,1767600000\n2,1767610000\n3,\n")
    done = loaded(house, source(columns={"at": "epoch_ms"}, path="t.csv"), tmp_path)
    assert "every time in column 'at' lies in January or February 1970" in str(done.problem)
    assert "columns: {at: epoch_s}" in str(done.problem)


@pytest.mark.parametrize("most", [0.01, 1.0])
def test_a_text_column_stays_text_however_much_may_be_put_aside(
    house: DuckWarehouse, tmp_path: Path, most: float
) -> None:
    (tmp_path / "t.csv").write_text("id,code\n" + "".join(f"{n},{'A' if n % 3 else ''}{n}\n" for n in range(1, 40)))
    done = loaded(house, source(path="t.csv", quarantine_at_most=most), tmp_path)
    assert (done.loaded, done.quarantined) == (39, 0)
    standing = house.standing("tickets")
    assert standing is not None
    assert standing.columns["code"] == "VARCHAR"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("region,amount\nid,n\n1,2\n3,4\n", "line 2 holds words in 'region', where all lines below hold numbers: a second header"),
        ("id,n\n#,min\n1,2\n,4\n", "line 2 holds words in 'id'"),
        ("at,n\n2026-01-01,2\n\nteam,head\nb,Ben\n", "line 4, behind a blank line, holds words in 'at'"),
        ("name,city\nAna,Rome\nBen,Oslo\n\nCid,Bern\n", None),
        ("id,team\nx,a\n1,b\n2,c\n7z,c\n", None),
        ("id,team\nNA,a\n1,b\n2,c\n", None),
        ("id,team\n1,b\n\n2,c\n", None),
        ('id,n\n"#",min\n1,2\n3,4\n', None),  # who quotes words means them
    ],
)  # fmt: skip
def test_another_header_is_no_row_where_nobody_declared_types(tmp_path: Path, content: str, says: str | None) -> None:
    (tmp_path / "t.csv").write_text(content)
    options: dict[str, Any] = {"path": "t.csv", "csv": {"nulls": ["NA"]}}
    if says is None:
        assert pulled("csv", tmp_path, **options).rejected == []
    else:
        failed = failure("csv", tmp_path, **options)
        assert says in failed.message
        assert "declare columns: {" in str(failed.hint)


@pytest.mark.parametrize("key", [(), ("id",)], ids=["no key", "key"])
def test_a_header_without_rows_never_empties_a_table_unasked(
    house: DuckWarehouse, tmp_path: Path, key: tuple[str, ...]
) -> None:
    of = source(key=key, columns={"id": "integer"}, path="t.csv")
    (tmp_path / "t.csv").write_text("id,v\n1,a\n")
    loaded(house, of, tmp_path)
    (tmp_path / "t.csv").write_text("id,v\n")
    done = loaded(house, of, tmp_path)
    if key:  # nothing new came; that the file is empty is said
        assert (done.outcome, done.read) == ("unchanged", 0)
        assert "tickets: the file holds a header and no rows" in str(done.problems[0])
    else:
        assert done.outcome == "held"
        assert "no rows came, and the table has 1" in str(done.problem)
        assert "at_least: 0" in str(done.problem)
    assert rows_of(house, columns="id") == [(1,)]


# -- files that others have collected --------------------------------------------------------------------------------

SPECTRUM = Path(os.environ.get("CSV_SPECTRUM", "no-such-folder"))
"""Where the files of csv-spectrum lie, if anywhere: they are not the project's."""


@pytest.mark.skipif(not SPECTRUM.is_dir(), reason="the files of csv-spectrum are not here")
@pytest.mark.parametrize("path", sorted(SPECTRUM.glob("csvs/*.csv")), ids=lambda path: path.stem)
def test_csv_spectrum(path: Path) -> None:
    truth = json.loads((SPECTRUM / "json" / f"{path.stem}.json").read_text(encoding="utf-8"))
    found = pulled("csv", path.parent, path=path.name)
    assert not found.rejected
    if isinstance(truth, dict):  # of this one file only the columns are told
        assert list(found.types) == [name.lower().replace(" ", "_") for name in truth]
        assert len(found.rows) == 1
        return
    assert [{k: v or "" for k, v in row.items()} for row in found.rows] == [
        {name.lower(): value for name, value in row.items()} for row in truth
    ]
