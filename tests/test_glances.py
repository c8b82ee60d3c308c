"""Files that have not changed: told at once, written down together, and never instead of anything that came."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.csv import looks
from connectors.registry import pull
from scorecard.book.read import read_book
from scorecard.ground.errors import Conflict
from scorecard.refresh.pull import order_of, pull_source
from scorecard.warehouse import history
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import NOTHING, Decision, Load, LoadOrder
from scorecard.warehouse.glances import APART_SECONDS
from tests.pulls import asked, pulled

NOW = datetime(2026, 9, 28, 8, tzinfo=UTC)
BOOK = """
version: 1
organization: {name: N, timezone: Europe/Berlin}
sources:
  a: {kind: csv, path: 'a/*.csv', time: at, key: [id], columns: {n: integer}, quarantine_at_most: 50%, every: 5s}
  b: {kind: csv, path: b.csv, every: 5s}
"""
HEAD = "id,n,at\n"


class House:
    """A warehouse, its book and its files. The clock goes on by a minute with each pull, and what waits is written by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.at, self.steadily = folder, NOW, 0.0
        (folder / "metrics.yaml").write_text(BOOK)
        self.book = read_book(folder / "metrics.yaml")
        self.engine = DuckWarehouse.open(folder, self)

    def now(self) -> datetime:
        return self.at

    def steady(self) -> float:
        return self.steadily

    def write(self, name: str, rows: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(HEAD + rows)
        os.utime(path, (1, 1))  # long ago: nobody waits for the file to be still

    def pull(self, source: str = "a", *, full: bool = False) -> Load:
        self.at += timedelta(minutes=1)
        made, touched = pull_source(
            self.engine, self.book, self.book.sources[source], self.folder, self, cause="command", full=full
        )
        assert made.outcome != "unchanged" or touched == NOTHING
        return made

    def order(self, source: str) -> LoadOrder:
        return order_of(self.book, self.book.sources[source], self.at, "command")

    def load_whole(self) -> Load:
        """The same in the usual way, statement by statement."""
        self.at += timedelta(minutes=1)
        standing = self.engine.standing("a")
        assert standing is not None
        request = asked("csv", self.folder, state=standing.state, path="a/*.csv", columns={"n": "integer"})
        return self.engine.load(replace(self.order("a"), at_hand=False), pull(request))[0]

    def rows(self) -> list[tuple[Any, ...]]:
        return self.engine.query(f"SELECT id, n FROM {self.engine.table('a')} ORDER BY id").rows()

    def written(self) -> list[tuple[Any, ...]]:
        """What the file says of loads."""
        return self.engine.query("SELECT id, outcome FROM _loads.history ORDER BY id").rows()

    def close(self) -> None:
        self.engine.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.write("a/1.csv", "1,5,2026-09-01\n2,6,2026-09-02\n")
    made.write("b.csv", "1,5,2026-09-01\n")
    yield made
    made.close()


def test_what_is_only_looked_at_is_told_at_once_and_written_down_soon(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "STEP_SECONDS", 0.0)
    time.sleep(0.01)
    first = house.pull()
    looks_ = [house.pull() for _ in range(3)]
    assert [x.outcome for x in (first, *looks_)] == ["ok", *["unchanged"] * 3]
    assert [(x.read, x.unchanged, x.generation) for x in looks_] == [(2, 2, 1)] * 3
    assert house.written() == [(1, "ok"), (2, "unchanged")], "the first at once, the others wait"
    standing = house.engine.standing("a")
    assert standing is not None
    assert standing.loaded_at == house.at
    assert "looks" in standing.state["files"]["a/1.csv"]
    assert house.engine.standings()["a"] == standing
    assert house.engine.latest()["a"] == looks_[-1]
    assert house.engine.loads("a") == (*looks_[::-1], first)
    assert house.engine.loads("a", 2, "unchanged") == tuple(looks_[:0:-1])
    assert house.engine.recent_loads()[-1] == looks_[-1]
    house.steadily += APART_SECONDS
    house.engine.write_down()
    assert house.written() == [(1, "ok"), *((n, "unchanged") for n in (2, 3, 4))]
    assert house.engine.loads("a") == (*looks_[::-1], first), "each once, and the same"
    house.pull()
    house.close()
    again = DuckWarehouse.open(house.folder, house)
    assert [x.id for x in again.loads()] == [5, 4, 3, 2, 1], "closing writes what waits"
    found = again.standing("a")
    assert found is not None
    assert (found.loaded_at, found.generation, found.state) == (house.at, 1, standing.state)
    again.close()


def test_a_look_says_what_a_whole_load_says(house: House) -> None:
    house.write("a/1.csv", "1,5,2026-09-01\n2,six,2026-09-02\n3,7,2026-09-03\n")
    house.pull()
    quick, before, aside = house.pull(), house.engine.standing("a"), house.engine.quarantines()
    slow, after = house.load_whole(), house.engine.standing("a")
    assert before is not None
    assert after is not None
    assert after == replace(before, loaded_at=house.at)
    same = replace(slow, id=quick.id, started_at=quick.started_at, finished_at=quick.finished_at, seconds=quick.seconds)
    assert same == quick
    assert aside["a"].missing == 1
    assert house.engine.quarantines() == aside, "what could not be read is still missing"


def test_a_change_is_loaded_and_what_is_known_is_never_of_before_it(house: House) -> None:
    house.pull()
    house.pull()
    house.pull()
    house.write("a/1.csv", "1,5,2026-09-01\n2,9,2026-09-02\n")
    changed = house.pull()
    assert (changed.outcome, changed.loaded, changed.unchanged, changed.generation) == ("ok", 1, 1, 2)
    assert house.written()[-2:] == [(3, "unchanged"), (4, "ok")], "what waited is written before"
    assert [(x.outcome, x.generation, x.read) for x in (house.pull(), house.pull())] == [("unchanged", 2, 2)] * 2
    house.write("a/2.csv", "3,1,2026-09-03\n")
    assert house.pull().loaded == 1
    (house.folder / "a" / "2.csv").unlink()
    assert house.pull().outcome == "unchanged", "with a key what is gone from the files stays"
    (house.folder / "a" / "1.csv").unlink()
    gone = house.pull()
    assert (gone.outcome, house.written()[-1]) == ("failed", (gone.id, "failed"))
    assert "no file" in str(gone.problem)
    house.write("a/1.csv", "1,5,2026-09-01\n2,9,2026-09-02\n")
    assert house.pull(full=True).removed == 1


def test_a_killed_process_loses_looks_and_nothing_else(house: House) -> None:
    for _ in range(3):
        house.pull()
        house.pull("b")
    house.write("b.csv", "1,5,2026-09-01\n2,5,2026-09-01\n")
    house.pull("b")
    for _ in range(3):
        house.pull()
    known = {x.id for x in house.engine.loads() if x.outcome == "ok"}
    left = house.folder / "left"
    left.mkdir()
    for path in house.folder.glob("warehouse*"):
        if path.is_file():
            shutil.copy(path, left)
    again = DuckWarehouse.open(left, house)
    assert again.notices == (), "nothing is said to be lost"
    assert known <= {x.id for x in again.loads()}
    assert {x.outcome for x in again.loads()} == {"ok", "unchanged"}
    standing, now = again.standing("b"), house.engine.standing("b")
    assert standing == now
    again.close()


def test_a_person_may_decide_on_what_was_only_just_looked_at(house: House) -> None:
    house.pull()
    house.write("a/1.csv", "1,5,2026-09-01\n2,9,2026-09-02\n")
    house.pull()
    house.pull()
    same = house.pull()
    assert same.id not in dict(house.written())
    wrong = Decision("1", "rollback", "a", 0, "Dana", "wrong", house.at, to=same.id)
    with pytest.raises(Conflict, match="is what load 4 made it already"):
        house.engine.holds.roll_back(house.order("a"), wrong)
    back, _ = house.engine.holds.roll_back(house.order("a"), replace(wrong, to=1))
    assert (back.outcome, back.generation) == ("ok", 3)
    assert house.rows() == [(1, 5), (2, 6)]
    assert [x.id for x in house.engine.loads("a")][:2] == [back.id, same.id]
    assert house.pull().generation == 3, "what is known is of the generation that was put back"


def test_a_new_axis_is_not_forgotten_by_a_look_of_before(house: House) -> None:
    for _ in range(3):
        house.pull("b")
    assert house.engine.prepare_axes("b", ["at"], "Europe/Berlin")
    house.pull("b")
    house.steadily += APART_SECONDS
    house.engine.write_down()
    standing = house.engine.standing("b")
    assert standing is not None
    assert list(standing.first_day) == ["at"]
    house.close()
    again = DuckWarehouse.open(house.folder, house)
    assert again.standing("b") == standing
    again.close()


def test_a_clock_that_is_set_back_leaves_no_age_ahead(house: House) -> None:
    for _ in range(4):
        house.pull()
    house.engine.write(history.no_later_than(NOW))
    standing = house.engine.standing("a")
    assert standing is not None
    assert standing.loaded_at == NOW
    assert house.engine.standings()["a"].loaded_at == NOW


def test_while_the_file_refuses_them_looks_are_told_all_the_same_and_written_later(house: House) -> None:
    house.pull()
    house.engine.write([("ALTER TABLE _loads.history RENAME TO elsewhere", [])])
    house.steadily += APART_SECONDS
    for _ in range(3):
        assert house.pull().outcome == "unchanged"
    house.engine.write([("ALTER TABLE _loads.elsewhere RENAME TO history", [])])
    house.steadily += APART_SECONDS
    house.engine.write_down()
    assert house.written() == [(1, "ok"), (2, "unchanged"), (3, "unchanged"), (4, "unchanged")]


# -- how a file is known again ---------------------------------------------------------------------------------


def test_a_file_is_read_until_it_is_old_enough_to_be_known_by_its_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    time.sleep(0.05)
    state = pulled("csv", tmp_path, path="t.csv").state
    for number in range(20):  # the same size within the same step of the clock, as far as the clock can tell
        path.write_text(f"a\n{number % 2 + 5}\n")
        found = pulled("csv", tmp_path, path="t.csv", state=state)
        assert found.column("a") == [str(number % 2 + 5)]
        state = pulled("csv", tmp_path, path="t.csv", state=found.state).state
        assert "looks" not in state["files"]["t.csv"]
    monkeypatch.setattr(looks, "STEP_SECONDS", 0.0)
    time.sleep(0.01)
    noted = pulled("csv", tmp_path, path="t.csv", state=state).state
    assert noted["files"]["t.csv"]["looks"][0] == 4
    assert pulled("csv", tmp_path, path="t.csv", state=noted).state == noted


@pytest.mark.parametrize("how", ["written", "written with old times", "replaced", "long ago", "clock set back"])
def test_what_looks_as_it_did_is_read_again_where_that_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(looks, "STEP_SECONDS", 0.0)
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    os.utime(path, (1, 1))
    time.sleep(0.01)
    state = pulled("csv", tmp_path, path="t.csv").state
    state = pulled("csv", tmp_path, path="t.csv", state=state).state
    entry = state["files"]["t.csv"]
    if how in {"long ago", "clock set back"}:  # then even what has the same looks is read: no write is needed to see it
        away = looks.BELIEVED_SECONDS if how == "long ago" else -60.0
        entry["looks"][-1] -= away
        entry["digest"] = "of something else"
        assert pulled("csv", tmp_path, path="t.csv", state=state).column("a") == ["1"]
        return
    if how == "replaced":
        (tmp_path / "new").write_text("a\n2\n")
        os.utime(tmp_path / "new", (1, 1))
        (tmp_path / "new").replace(path)
    else:
        path.write_text("a\n2\n")
        if how == "written with old times":
            os.utime(path, (1, 1))
    time.sleep(0.01)
    assert pulled("csv", tmp_path, path="t.csv", state=state).column("a") == ["2"]


def test_a_file_that_looks_the_same_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "STEP_SECONDS", 0.0)
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    time.sleep(0.05)
    state = pulled("csv", tmp_path, path="t.csv").state
    state = pulled("csv", tmp_path, path="t.csv", state=state).state
    state["files"]["t.csv"]["digest"] = "of something else"
    assert pulled("csv", tmp_path, path="t.csv", state=state).unchanged == 1
