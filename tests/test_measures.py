"""Every measure on small tables, with values computed by hand; zeros, gaps, faults and what they do not disturb."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scorecard.book.expressions import expression
from scorecard.book.model.metric import Age, Change, Count, Measure, Stock
from scorecard.ground.errors import NotFound
from scorecard.judgement.targets import Versus
from scorecard.warehouse.engine import Touched
from tests.measuring import (
    BY_TEAM,
    World,
    average,
    cell,
    count,
    distinct,
    formula,
    metric,
    moment,
    of,
    quantile,
    ratio,
    total,
    values,
)

COLUMNS = {
    "id": "integer",
    "created_at": "timestamp",
    "resolved_at": "timestamp",
    "minutes": "double",
    "cost": "decimal",
    "score": "integer",
    "team": "text",
    "customer": "text",
}
# Monday 2 March 2026 begins week 10; the clock stands at Wednesday 1 April, in week 14.
ROWS = [
    {"id": 1, "created_at": "2026-03-02T09:00:00Z", "resolved_at": "2026-03-02T11:00:00Z", "minutes": 20, "cost": "1.10",
     "score": 5, "team": "support", "customer": "a"},
    {"id": 2, "created_at": "2026-03-03T09:00:00Z", "resolved_at": "2026-03-10T09:00:00Z", "minutes": 40, "cost": "2.20",
     "score": 2, "team": "Support DE ", "customer": "a"},
    {"id": 3, "created_at": "2026-03-05T09:00:00Z", "minutes": None, "cost": "0.05", "team": "NIGHT SHIFT", "customer": "b"},
    {"id": 4, "created_at": "2026-03-17T09:00:00Z", "resolved_at": "2026-03-31T09:00:00Z", "minutes": 10, "cost": "-3.30",
     "score": 4, "team": "sales", "customer": "c"},
    {"id": 5, "created_at": "2026-03-18T09:00:00Z", "minutes": 90, "cost": "10.00", "team": "nobody", "customer": None},
    {"id": 6, "created_at": "2026-03-31T12:00:00Z", "minutes": 50, "cost": "5.00", "score": 5, "team": None, "customer": "a"},
]  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.source("tickets", COLUMNS)
    yield made
    made.close()


def weeks(world: World, **measures: object) -> dict[str, list[float | None]]:
    """The values of some measures in weeks 10 to 14."""
    world.open(*(m if hasattr(m, "measure") else metric(n, m) for n, m in measures.items()))  # type: ignore[arg-type]
    world.load("tickets", ROWS)
    measured = world.measure()
    assert measured.problems == {}
    return {n: list(values(measured, n).values()) for n in measures}


def test_counts_sums_and_means(world: World) -> None:
    found = weeks(
        world,
        rows=count(),
        scored=count("score"),
        cost=total("cost"),
        double=total("minutes * 2"),
        mean=average("minutes"),
        dear=metric("dear", total("cost"), where="cost > 2 and customer is not null"),
    )
    assert found == {
        "rows": [3, 0, 2, 0, 1],
        "scored": [2, 0, 1, 0, 1],
        "cost": [3.35, 0, 6.7, 0, 5],
        "double": [120, 0, 200, 0, 100],
        "mean": [30, None, 50, None, 50],
        "dear": [2.2, 0, 0, 0, 5],
    }


def test_quantiles_and_distinct_values(world: World) -> None:
    found = weeks(
        world,
        median=quantile("minutes"),
        p90=quantile("minutes", 0.9),
        least=quantile("minutes", 0.0),
        customers=distinct("customer"),
        dear=metric("dear", distinct("customer"), where="cost > 2"),
    )
    assert found["median"] == [30, None, 50, None, 50]
    assert found["p90"] == [pytest.approx(38), None, pytest.approx(82), None, 50]
    assert found["least"] == [20, None, 10, None, 50]
    assert found["customers"] == [2, 0, 1, 0, 1]
    assert found["dear"] == [1, 0, 0, 0, 1]


def test_ratios_are_sums_over_sums(world: World) -> None:
    found = weeks(
        world,
        good=ratio("count_if(score >= 4)", "count(score)"),
        per_mille=ratio("sum(cost)", "rows", 1000),
        spread=ratio("max(minutes) - min(minutes)", "mean(minutes)"),
        above=ratio("sum_if(cost, score > 3) + 1", "count(id)"),
    )
    assert found["good"] == [0.5, None, 1, None, 1]
    assert found["per_mille"] == [pytest.approx(3350 / 3), None, 3350, None, 5000]
    assert found["spread"] == [pytest.approx(20 / 30), None, 80 / 50, None, 0]
    assert found["above"] == [pytest.approx(0.7), None, pytest.approx(-1.15), None, 6]


def test_a_ratio_shows_what_is_above_and_below(world: World) -> None:
    weeks(world, good=ratio("count_if(score >= 4)", "count(score)"))
    measured = world.measure(None, {})
    assert cell(measured, "good", "2026-W10") == cell(measured, "good", "2026-W10")
    first, none = cell(measured, "good", "2026-W10"), cell(measured, "good", "2026-W11")
    assert (first.numerator, first.denominator, first.n) == (1, 2, 2)
    assert (none.value, none.numerator, none.denominator, none.n) == (None, 0, 0, 0)
    assert none.missing == "nothing is below the line in this period"


def test_a_stock_is_what_is_open_at_the_end_of_the_period(world: World) -> None:
    found = weeks(
        world,
        open=Stock("created_at", "resolved_at"),
        cost=Stock("created_at", "resolved_at", expression("cost")),
    )
    # Week 14 is running: at the watermark, Tuesday 31 March 12:00, row 4 is closed and row 6 is open.
    assert found["open"] == [2, 1, 3, 3, 3]
    assert found["cost"] == [2.25, 0.05, 6.75, 6.75, 15.05]


def test_a_row_that_closes_before_it_opens_was_never_open(world: World) -> None:
    world.open(metric("open", Stock("created_at", "resolved_at"), grain="day"))
    odd = {**ROWS[0], "created_at": "2026-03-05T09:00:00Z", "resolved_at": "2026-03-03T09:00:00Z"}
    unopened = {**ROWS[0], "id": 2, "created_at": None}
    other = {**ROWS[2], "created_at": "2026-03-03T09:00:00Z"}
    world.load("tickets", [odd, unopened, other])
    assert set(values(world.measure("2026-03-08 12:00"), "open", "day").values()) == {1}


def test_formulas_and_changes(world: World) -> None:
    found = weeks(
        world,
        n=count(),
        cost=total("cost"),
        each=formula("cost / n"),
        step=formula("n - previous(n)"),
        daily=formula("n / days"),
        growth=Change("n", Versus("previous")),
        points=Change("n", Versus("back", 2), "points"),
        norm=Change("n", Versus("mean_of", 2), "points"),
        twice=formula("each * 2 + growth"),
    )
    assert found["each"] == [pytest.approx(3.35 / 3), None, 3.35, None, 5]
    # In the running week 14, up to Tuesday 14:00 local time, week 13 is read up to its own Tuesday 14:00.
    assert found["step"] == [None, -3, 2, -2, 1]
    elapsed = 1 + 14 / 24
    assert found["daily"] == [3 / 7, 0, 2 / 7, 0, pytest.approx(1 / elapsed)]
    assert found["growth"] == [None, -1, None, -1, None]
    # Week 12 at the same cut (Tuesday 14:00) had one row: 17 March 10:00 local time.
    assert found["points"] == [None, None, -1, 0, 0]
    assert found["norm"] == [None, None, 0.5, -1, 0.5]
    assert found["twice"] == [None, None, None, None, None]


def test_the_cut_of_the_other_period(world: World) -> None:
    weeks(world, n=count(), median=quantile("minutes"), d=distinct("customer"), open=Stock("created_at", "resolved_at"))
    measured = world.measure(None, {})
    # Watermark: 31 March 14:00 local. Week 13 up to Tuesday 14:00 has no rows; the stock there is that of week 12.
    cuts = {n: of(measured, n).cuts["previous"].value for n in ("n", "median", "d", "open")}
    assert cuts == {"n": 0, "median": None, "d": 0, "open": 3}
    # In April nothing has come yet: the watermark lies before the month, and so does its cut of March.
    assert of(measured, "n", "month").cuts["previous"].value == 0
    assert of(measured, "n").cuts["year_ago"].value is None


def test_cuts_count_rows_up_to_the_same_time_of_the_week(world: World) -> None:
    world.open(metric("n", count()), metric("m", quantile("minutes")), metric("b", Change("n", Versus("back", 1))))
    week = [{**ROWS[0], "id": i, "minutes": i, "created_at": f"2026-03-{16 + i:02d}T12:00:00Z"} for i in range(7)]
    now = [{**r, "id": 10 + i, "created_at": f"2026-03-{23 + i:02d}T11:00:00Z"} for i, r in enumerate(week[:3])]
    world.load("tickets", [*week, *now])
    measured = world.measure("2026-03-25 16:00")
    # The newest row is of Wednesday 11:00: of the week before that leaves Monday and Tuesday at 12:00.
    assert of(measured, "n").cuts["previous"].value == 2
    assert of(measured, "n").cuts["back:1"] == of(measured, "n").cuts["back"] == of(measured, "n").cuts["previous"]
    assert of(measured, "m").cuts["previous"].value == 0.5
    assert values(measured, "b")["2026-W13"] == 0.5


def test_sums_are_exact(world: World) -> None:
    world.open(
        metric("tenths", total("minutes")),
        metric("money", total("cost")),
        metric("open", Stock("created_at", "resolved_at", expression("minutes"))),
    )
    rows = [
        {
            "id": i,
            "created_at": "2026-03-02T09:00:00Z",
            "resolved_at": "2026-03-12T09:00:00Z",
            "minutes": 0.1,
            "cost": "0.1",
        }
        for i in range(1000)
    ]
    big = [{"id": 2000, "created_at": "2026-03-03T09:00:00Z", "resolved_at": "2026-03-30T09:00:00Z", "minutes": 1e15}]
    world.load("tickets", [*rows, *big, {**big[0], "id": 2001, "minutes": -1e15}])
    measured = world.measure()
    assert values(measured, "tenths")["2026-W10"] == 100.0
    assert values(measured, "money")["2026-W10"] == 100.0
    assert values(measured, "open")["2026-W10"] == 100.0
    assert values(measured, "open")["2026-W11"] == 0.0


def test_a_value_that_is_not_finite_gives_no_number(world: World) -> None:
    huge = "case when id = 2 then power(10.0, 200) * power(10.0, 200) else minutes end"
    found_in: dict[str, Measure] = {
        "sum": total(huge),
        "mean": average(huge),
        "median": quantile(huge),
        "low": ratio(f"min({huge})", "rows"),
        "nan": total("case when id = 2 then cast('nan' as double) else minutes end"),
    }
    world.open(*(metric(n, m) for n, m in found_in.items()), metric("n", count()), metric("big", quantile("id * 1e30")))
    world.load("tickets", ROWS)
    measured = world.measure()
    assert measured.problems == {}
    for name in found_in:
        bad, good = cell(measured, name, "2026-W10"), cell(measured, name, "2026-W14")
        assert bad.value is None
        assert str(bad.missing).startswith("a value in this period is not a finite number")
        assert good.value == 50
    assert cell(measured, "n", "2026-W10").value == 3
    assert cell(measured, "big", "2026-W10").value == 2e30


def test_nothing_counted_is_zero_only_where_a_good_load_covers_the_period(world: World) -> None:
    world.open(metric("n", count(), grain="day"), metric("mean", average("minutes")))
    world.load("tickets", ROWS[:1], at=moment("2026-03-04 12:00"))
    measured = world.measure("2026-03-06 12:00")
    assert values(measured, "n", "day") == {
        "2026-03-02": 1, "2026-03-03": 0, "2026-03-04": 0, "2026-03-05": None, "2026-03-06": None,
    }  # fmt: skip
    assert cell(measured, "n", "2026-03-05", "day").missing == "the period began after the last good load"
    world.load("tickets", [], at=moment("2026-03-06 11:00"))
    later = world.measure("2026-03-06 12:00", {"tickets": Touched()})
    assert list(values(later, "n", "day").values()) == [1, 0, 0, 0, 0]
    assert later.changed is not None
    assert later.changed["n", "day", None] >= {3, 4}


def test_a_source_that_was_never_loaded_has_an_empty_series(world: World) -> None:
    world.source("surveys", COLUMNS)
    world.open(metric("n", count()), metric("s", count(), source="surveys"), metric("both", formula("n + s")))
    world.load("tickets", ROWS)
    measured = world.measure()
    assert measured.problems == {}
    assert of(measured, "s").periods == of(measured, "both").periods == ()
    assert of(measured, "n").periods != ()
    world.load("surveys", ROWS)
    after = world.measure(None, {"surveys": Touched(everything=True)})
    assert values(after, "both")["2026-W10"] == 6


def test_a_metric_that_fails_disturbs_no_other(world: World) -> None:
    world.open(
        metric("good", count()),
        metric("cast", total("cast(team as integer)")),
        metric("lost", count("nowhere")),
        metric("text", average("team")),
        metric("time", total("created_at")),
        metric("unitless", average("resolved_at - created_at")),
        metric("quantile", quantile("cast(team as double)")),
        metric("of_lost", formula("good / lost")),
        metric("ageless", Age("created_at", "resolved_at")),
    )
    world.load("tickets", ROWS)
    measured = world.measure()
    assert values(measured, "good")["2026-W10"] == 3
    problems = {name: problem.message for name, problem in measured.problems.items()}
    assert set(problems) == {"cast", "lost", "text", "time", "unitless", "quantile", "of_lost", "ageless"}
    assert "Could not convert string" in problems["cast"]
    assert problems["lost"] == "metric 'lost': source 'tickets' has no column 'nowhere'"
    assert "a text, where a number is needed" in problems["text"]
    assert "a time, where a number is needed" in problems["time"]
    assert "difference of two times" in problems["unitless"]
    assert problems["of_lost"] == "metric 'of_lost': its part 'lost' could not be computed"
    assert "an age is a length of time" in problems["ageless"]
    assert not any(key[0] in problems for key in measured.series)


def test_a_fault_that_only_some_rows_show_goes_away_with_them(world: World) -> None:
    world.open(metric("n", count()), metric("cast", total("cast(customer as integer)")))
    world.load("tickets", [{**ROWS[0], "customer": "12"}])
    assert values(world.measure(), "cast")["2026-W10"] == 12
    touched = world.load("tickets", [{**ROWS[1], "customer": "many"}])
    broken = world.measure(None, {"tickets": touched})
    assert set(broken.problems) == {"cast"}
    assert values(broken, "n")["2026-W10"] == 2
    assert set(world.measure(None, {}).problems) == {"cast"}
    touched = world.load("tickets", [{**ROWS[1], "customer": "30"}])
    mended = world.measure(None, {"tickets": touched})
    assert mended.problems == {}
    assert values(mended, "cast")["2026-W10"] == 42


def test_explain_shows_the_statements(world: World) -> None:
    world.open(
        metric("fast", ratio("count_if(minutes <= 30)", "count(minutes)"), split=BY_TEAM),
        metric("median", quantile("minutes")),
        metric("each", formula("fast / median")),
    )
    world.load("tickets", ROWS)
    world.measure()
    shown = world.meter.explain("fast")
    statements = shown["sql"]
    assert isinstance(statements, list)
    assert 'r."minutes" <= 30' in statements[0]
    assert 'main."tickets"' in statements[0]
    each = world.meter.explain("each")
    assert isinstance(each["sql"], list)
    assert len(each["sql"]) == 2
    with pytest.raises(NotFound):
        world.meter.explain("fats")


def test_the_same_rows_in_another_order_give_the_same_numbers(tmp_path: Path) -> None:
    seen = []
    for name, rows in (("one", ROWS), ("other", list(reversed(ROWS)))):
        made = World(tmp_path / name)
        made.source("tickets", COLUMNS)
        made.open(metric("sum", total("minutes / 7")), metric("mean", average("minutes / 7")), metric("n", Count()))
        for row in rows:
            made.load("tickets", [row])
        seen.append(made.measure().series)
        made.close()
    assert seen[0] == seen[1]
