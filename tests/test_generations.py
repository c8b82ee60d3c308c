"""Earlier generations: kept within limits, and put back exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorecard.book.model.source import Check, Keep, Source
from scorecard.ground.errors import Refused
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import Decision, Load, Touched
from tests.amounts import times
from tests.warehouse_house import NOW, day, good, load, order, rows_of, source, warehouse_in

ANYTHING = [Check("rows", drop_at_most=1.0), Check("newest", back_at_most=10**9)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[DuckWarehouse]:
    warehouse = warehouse_in(tmp_path)
    yield warehouse
    warehouse.close()


def roll_back(house: DuckWarehouse, of: Source, to: int | None = None, *axes: str) -> tuple[Load, Touched]:
    decision = Decision(uuid4().hex, "rollback", of.name, 0, "Dana", "wrong export", NOW, to=to)
    return house.holds.roll_back(order(of, *axes), decision)


def approve(house: DuckWarehouse, of: Source, number: int, *axes: str) -> tuple[Load, Touched]:
    return house.holds.approve(order(of, *axes), Decision(uuid4().hex, "approve", of.name, number, "Dana", "ok", NOW))


@pytest.mark.parametrize("mode", ["replace", "upsert", "append"])
def test_the_generation_before_comes_back_as_a_new_one(house: DuckWarehouse, mode: str) -> None:
    key = ["id"] if mode == "upsert" else []
    cursor = None if mode == "replace" else "at"
    of = source(mode=mode, key=key, time="at", cursor=cursor)
    good(house, of, {"id": [1, 2], "n": [1, 2], "at": ["2026-01-01", "2026-01-02"]}, "at")
    first, standing = _image(house, "tickets"), house.standing("tickets")
    good(house, of, {"id": [2, 3], "n": [9, 3], "at": ["2026-01-03", "2026-01-04"]}, "at")
    second = _image(house, "tickets")
    done, touched = roll_back(house, of, None, "at")
    assert (done.outcome, done.cause, done.generation) == ("ok", "rollback", 3)
    assert _image(house, "tickets") == first
    now = house.standing("tickets")
    assert now is not None
    assert standing is not None
    assert replace(now, generation=1) == standing
    days = {"replace": ("01", "02", "03", "04"), "upsert": ("02", "03", "04"), "append": ("03", "04")}[mode]
    assert touched.days["at"] == {day(f"2026-01-{d}") for d in days}
    assert house.holds.pinned()["tickets"].to == 1
    back, _ = roll_back(house, of, 2, "at")
    assert (_image(house, "tickets"), back.generation) == (second, 4)


def test_after_a_rollback_loads_wait_until_one_is_let_in(house: DuckWarehouse) -> None:
    of = source(key=["id"], time="at", cursor="at")
    good(house, of, {"id": [1], "at": ["2026-01-01"]}, "at")
    good(house, of, {"id": [2], "at": ["2026-01-02"]}, "at")
    roll_back(house, of, None, "at")
    standing = house.standing("tickets")
    assert standing is not None
    assert standing.cursor == day("2026-01-01"), "what came since is pulled again"
    done, _ = load(house, of, {"id": [2], "at": ["2026-01-02"]}, "at")
    assert done.outcome == "held"
    assert "Dana rolled it back to load 1" in str(done.problem)
    assert "wrong export" in str(done.problem)
    assert f"scorecard approve {done.id}" in str(done.problems[0].hint)
    same, _ = load(house, of, {"id": [1], "at": ["2026-01-01"]}, "at")
    assert same.outcome == "unchanged", "what is there already needs nobody"
    again, _ = load(house, of, {"id": [2], "at": ["2026-01-02"]}, "at")
    approve(house, of, again.id, "at")
    assert rows_of(house, columns="id") == [(1,), (2,)]
    good(house, of, {"id": [3], "at": ["2026-01-03"]}, "at")
    assert house.holds.pinned() == {}


def test_columns_that_came_go_again(house: DuckWarehouse) -> None:
    of = source(key=["id"])
    good(house, of, {"id": [1, 2], "a": ["x", "y"]})
    good(house, of, {"id": [2], "a": ["z"]})
    second = rows_of(house)
    good(house, of, {"id": [3], "a": ["w"], "b": [5]})
    good(house, of, {"id": [1], "a": ["v"], "b": [6]})
    roll_back(house, of, 2)
    assert rows_of(house) == second
    roll_back(house, of, 1)
    assert rows_of(house) == [(1, "x"), (2, "y")]


def test_limits(house: DuckWarehouse) -> None:
    for keep, left in ((Keep(generations=2), 2), (Keep(generations=0), 0), (Keep(at_most=60), 1), (Keep(), 5)):
        name = f"t{len(house.loads())}"
        of = replace(source(name, key=["id"]), keep=keep)
        for n in range(6):
            good(house, of, {"id": [1, 2], "n": [n, n]})
        found = house.holds.kept(name)
        assert len(found) == left, keep
        assert [k.generation for k in found] == [5, 4, 3, 2, 1][:left]
        assert all((k.rows, k.changes, k.size_bytes) == (2, 2, 32) for k in found)
    of = replace(source("old", key=["id"]), keep=Keep(for_seconds=3600))
    for n in range(4):
        good(house, of, {"id": [1], "n": [n]}, now=NOW + timedelta(minutes=40 * n))
    assert [k.generation for k in house.holds.kept("old")] == [3, 2]
    with pytest.raises(Refused, match="generation 1 is not kept"):
        roll_back(house, of, house.loads("old")[-1].id)


def test_wrong_goals_say_what_they_are(house: DuckWarehouse) -> None:
    of = source()
    with pytest.raises(Refused, match="never loaded"):
        roll_back(house, of)
    good(house, of, {"n": range(30)})
    load(house, of, {"n": [1]})
    for to, said in ((1, "what load 1 made it already"), (2, "never published: it is held"), (7, "has no load 7")):
        with pytest.raises(Refused, match=said):
            roll_back(house, of, to)
    with pytest.raises(Refused, match="generation 0 is not kept"):
        roll_back(house, of)


ROWS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("12345"), st.sampled_from([None, "x"])), max_size=6)
STEP = st.one_of(
    st.tuples(st.just("load"), ROWS, st.booleans()), st.tuples(st.just("back"), st.integers(0, 20), st.booleans())
)


@settings(max_examples=times(4), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mode=st.sampled_from(["replace", "upsert", "append"]), steps=st.lists(STEP, min_size=3, max_size=6))
def test_any_generation_comes_back_as_it_was(
    house: DuckWarehouse, mode: str, steps: list[tuple[str, Any, bool]]
) -> None:
    """Whatever was loaded, with columns that come and types that change, and put back before."""
    name = f"t{house.loads(limit=1)[0].id if house.loads(limit=1) else 0}"
    of = source(name, mode=mode, key=["id"] if mode == "upsert" else [], time="at", checks=ANYTHING)
    images: dict[int, list[dict[str, Any]]] = {}
    first: dict[int, int] = {}
    for kind, told, wide in [("load", [("a", "1", None)], False), *steps]:
        before = images[max(images)] if images else None
        if kind == "load":
            rows = {
                "id": [f"{r[0]}{i if mode == 'append' else ''}" for i, r in enumerate(told)],
                "at": [f"2026-01-0{r[1]}" for r in told],
                "v": [r[2] for r in told],
            }
            if wide:
                rows["w"] = ["7" if len(told) % 2 else "seven" for _ in told]
            done, touched = load(house, of, rows, "at", full=mode != "append" and wide)
            if done.outcome == "held":  # after a rollback
                done, touched = approve(house, of, done.id, "at")
        else:
            kept = house.holds.kept(name)
            if not kept:
                continue
            goal = kept[told % len(kept)]
            done, touched = roll_back(house, of, first[goal.generation], "at")
            assert _image(house, name) == images[goal.generation], (goal, kept)
        if done.outcome == "failed":
            continue
        images[done.generation] = _image(house, name)
        first.setdefault(done.generation, done.id)
        if before is not None and not touched.everything:
            now = images[done.generation]
            differing = {d for d in range(1, 6) if _of_day(before, d) != _of_day(now, d)}
            assert {day(f"2026-01-0{d}") for d in differing} <= touched.days.get("at", frozenset())
    standing = house.standing(name)
    assert standing is not None
    assert standing.rows == len(_image(house, name))


def _image(house: DuckWarehouse, name: str) -> list[dict[str, Any]]:
    frame = house.query(f"SELECT * EXCLUDE (_day_at) FROM {house.table(name)}")
    rows = [{k: v for k, v in row.items() if k != "_file"} for row in frame.to_dicts()]
    return sorted(rows, key=str)


def _of_day(image: list[dict[str, Any]], number: int) -> list[str]:
    return [str(row) for row in image if row["at"] == day(f"2026-01-0{number}")]
