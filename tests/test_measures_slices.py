"""Slices: values matched to teams and processes, parents recomputed from their children's rows, what matches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scorecard.book.model.metric import Split, Stock
from tests.measuring import (
    BY_TEAM,
    World,
    count,
    distinct,
    formula,
    metric,
    of,
    quantile,
    ratio,
    total,
    values,
)

SUPPORT, NIGHT, OPERATIONS, SALES = (("team", n) for n in ("support", "night-shift", "operations", "sales"))
TYPES = {
    "id": "integer", "created_at": "timestamp", "closed_at": "timestamp", "team": "text", "process": "text",
    "good": "integer", "minutes": "double", "customer": "text",
}  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.source("tickets", TYPES)
    yield made
    made.close()


def rows(*given: tuple[str | None, int, float]) -> list[dict[str, object]]:
    """(team, whether it is good, minutes), all in week 10."""
    return [
        {"id": i, "created_at": "2026-03-03T10:00:00Z", "team": t, "good": g, "minutes": m, "customer": f"c{i % 3}"}
        for i, (t, g, m) in enumerate(given)
    ]


def test_a_parent_is_recomputed_from_rows_not_averaged(world: World) -> None:
    """Support 956 of 1,000 and night shift 1 of 10: together 94.7 %; the mean of the two shares would be 52.8 %."""
    world.open(
        metric("share", ratio("sum(good)", "rows"), split=BY_TEAM), metric("m", quantile("minutes"), split=BY_TEAM)
    )
    many = [("support", int(i < 956), 10.0) for i in range(1000)] + [
        ("night-shift", int(i < 1), 90.0) for i in range(10)
    ]
    world.load("tickets", rows(*many))
    measured = world.measure()
    share = {s: values(measured, "share", "week", s)["2026-W10"] for s in (SUPPORT, NIGHT, OPERATIONS)}
    assert share == {SUPPORT: 0.956, NIGHT: 0.1, OPERATIONS: pytest.approx(957 / 1010)}
    assert round(share[OPERATIONS] or 0, 3) == 0.948
    assert values(measured, "m", "week", OPERATIONS)["2026-W10"] == 10


def test_values_match_names_titles_and_aliases_without_case_and_spaces(world: World) -> None:
    world.open(metric("n", count(), split=BY_TEAM))
    written = [
        "support",
        "SUPPORT",
        " Support ",
        "support de",
        "Night Shift",
        "night-shift",
        "Operations",
        "nobody",
        "",
        None,
    ]
    world.load("tickets", rows(*((w, 1, 1.0) for w in written)))
    measured = world.measure()
    found = {s: values(measured, "n", "week", s)["2026-W10"] for s in (SUPPORT, NIGHT, OPERATIONS)}
    assert found == {SUPPORT: 4, NIGHT: 2, OPERATIONS: 7}
    assert values(measured, "n")["2026-W10"] == 10
    assert ("n", "week", SALES) not in measured.series
    assert "nobody" in measured.unassigned["n"]
    assert "(none)" in measured.unassigned["n"]
    assert set(measured.unassigned["n"]) <= {"nobody", "", "(none)"}


def test_processes_have_slices_of_their_own(world: World) -> None:
    by_process = Split("process", "process")
    world.open(
        metric("n", count(), split=by_process),
        metric("d", distinct("customer"), split=by_process),
        metric("t", count(), split=BY_TEAM),
    )
    given = rows(("sales", 1, 1.0), ("sales", 1, 1.0), ("support", 1, 1.0))
    world.load("tickets", [{**r, "process": p} for r, p in zip(given, ("Returns", "rma", "other"), strict=True)])
    measured = world.measure()
    assert values(measured, "n", "week", ("process", "returns"))["2026-W10"] == 2
    assert values(measured, "d", "week", ("process", "returns"))["2026-W10"] == 2
    assert values(measured, "t", "week", SALES)["2026-W10"] == 2
    assert measured.unassigned == {"n": ("other",), "d": ("other",)}


def test_a_slice_begins_with_its_own_first_row(world: World) -> None:
    world.open(metric("n", count(), split=BY_TEAM), metric("s", Stock("created_at", "closed_at"), split=BY_TEAM))
    first, second = rows(("support", 1, 1.0), ("sales", 1, 1.0))
    world.load("tickets", [first, {**second, "created_at": "2026-03-17T10:00:00Z"}])
    measured = world.measure("2026-03-25 12:00")
    for name in ("n", "s"):
        later = values(measured, name, "week", SALES)
        assert list(later) == ["2026-W10", "2026-W11", "2026-W12", "2026-W13"]
        assert list(later.values())[:2] == [None, None]
        assert later["2026-W12"] == 1
    assert values(measured, "n", "week", SUPPORT)["2026-W12"] == 0
    earlier = world.load("tickets", [{**second, "id": 7, "created_at": "2026-03-04T10:00:00Z"}])
    again = world.measure("2026-03-25 12:00", {"tickets": earlier})
    assert list(values(again, "n", "week", SALES).values()) == [1, 0, 1, 0]
    assert again.changed is not None
    assert again.changed["n", "week", SALES] >= {0, 1}


def test_a_formula_has_the_slices_that_every_part_has(world: World) -> None:
    world.open(
        metric("n", count(), split=BY_TEAM),
        metric("minutes", total("minutes"), split=BY_TEAM, where="team <> 'sales'"),
        metric("whole", count()),
        metric("each", formula("minutes / n")),
        metric("share", formula("n / whole")),
    )
    world.load("tickets", rows(("support", 1, 10.0), ("support", 1, 30.0), ("sales", 1, 50.0)))
    measured = world.measure()
    assert values(measured, "each", "week", SUPPORT)["2026-W10"] == 20
    assert values(measured, "each", "week", SALES)["2026-W10"] == 0
    assert values(measured, "each")["2026-W10"] == pytest.approx(40 / 3)
    assert {k[2] for k in measured.series if k[0] == "share"} == {None}
    assert {k[2] for k in measured.series if k[0] == "each"} == {None, SUPPORT, OPERATIONS, SALES}


def test_cuts_of_slices(world: World) -> None:
    world.open(
        metric("n", count(), split=BY_TEAM),
        metric("m", quantile("minutes"), split=BY_TEAM),
        metric("d", distinct("customer"), split=BY_TEAM),
    )
    base = {"good": 1, "customer": "a"}
    times = {1: "2026-03-09T10:00:00Z", 2: "2026-03-09T15:00:00Z", 3: "2026-03-11T10:00:00Z", 4: "2026-03-17T11:00:00Z"}
    world.load(
        "tickets",
        [
            {**base, "id": i, "created_at": t, "team": "night-shift" if i == 2 else "support", "minutes": i}
            for i, t in times.items()
        ],
    )
    measured = world.measure("2026-03-18 12:00")
    # The newest row is of Tuesday 11:00: a week earlier rows 1 and 2 had come.
    assert {s: of(measured, "n", "week", s).cuts["previous"].value for s in (None, SUPPORT, NIGHT, OPERATIONS)} == {
        None: 2, SUPPORT: 1, NIGHT: 1, OPERATIONS: 2,
    }  # fmt: skip
    assert of(measured, "m", "week", OPERATIONS).cuts["previous"].value == 1.5
    assert of(measured, "d", "week", OPERATIONS).cuts["previous"].value == 1


def test_a_slice_that_loses_its_last_row_goes(world: World) -> None:
    world.open(metric("n", count(), split=BY_TEAM), metric("d", distinct("customer"), split=BY_TEAM))
    both = rows(("support", 1, 1.0), ("sales", 1, 1.0))
    world.load("tickets", both)
    assert ("n", "week", SALES) in world.measure().series
    touched = world.load("tickets", both[:1], full=True)
    measured = world.measure(None, {"tickets": touched})
    assert {k[2] for k in measured.series} == {None, SUPPORT, OPERATIONS}
    assert values(measured, "n")["2026-W10"] == 1


def test_sums_that_are_larger_than_a_machine_word_stay_exact(world: World) -> None:
    """The exact sum of doubles is kept in units of 2^-20, so these need more than 64 bits beside ones that do not."""
    world.open(metric("sum", total("minutes"), split=BY_TEAM))
    given = [("support", 0, 1e18), ("support", 0, 0.25), ("night-shift", 0, -4e17), ("sales", 0, 1.5), (None, 0, 2e17)]
    world.load("tickets", rows(*given))
    measured = world.measure()
    found = {s: values(measured, "sum", "week", s)["2026-W10"] for s in (SUPPORT, NIGHT, OPERATIONS, SALES)}
    assert found == {SUPPORT: 1e18 + 0.25, NIGHT: -4e17, OPERATIONS: 6e17 + 0.25, SALES: 1.5}
    assert values(measured, "sum")["2026-W10"] == 8e17 + 1.75
