"""The rules of targets and the promise of grey, over many cases: printed colours, inheritance, and what is never green."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scorecard.board.board import Board
from scorecard.board.build import Ingredients, build
from scorecard.book.expressions import expression
from scorecard.book.model import Book
from scorecard.book.model.metric import (
    Age,
    Change,
    Cohort,
    Count,
    Cumulative,
    Distinct,
    Level,
    Manual,
    Mean,
    Measure,
    Metric,
    Quantile,
    Ratio,
    Stock,
    Sum,
)
from scorecard.book.model.organization import Organization, Person, Process, Team
from scorecard.book.model.source import Schedule, Source
from scorecard.book.scope import inherits_target
from scorecard.ground.periods.calendar import Calendar
from scorecard.judgement.colour import by_value, colour_of
from scorecard.judgement.freshness import fresh_until
from scorecard.judgement.override import Override
from scorecard.judgement.pace import Projection
from scorecard.judgement.rollup import worst
from scorecard.judgement.samples import wilson
from scorecard.judgement.status import Evidence, Status, verdict
from scorecard.judgement.targets import Target, Versus
from scorecard.measures.values import Cell, Measured, Series
from scorecard.warehouse.engine import Standing
from tests.amounts import times
from tests.measuring import formula

NOW = datetime(2026, 9, 28, 8, tzinfo=UTC)  # a Monday
CALENDAR = Calendar("Europe/Berlin")
WEEKS = CALENDAR.between("week", date(2026, 9, 7), date(2026, 9, 28))
ANA = Person("Ana Ruiz")

# -- a printed number never contradicts its colour ---------------------------------------------------------------------

NEAR = st.one_of(
    st.floats(-1e6, 1e6),
    st.sampled_from(
        [0.0, -0.0, 1.0, -1.0, 0.85, 0.8499999, 0.8500001, 30.0, 30.0004, 1e-7, -1e-7, 1199.96, 1e15, 1e-12]
    ),
)
LIMITS = st.lists(NEAR, min_size=4, max_size=4).map(sorted)


def parsed(text: str, unit: str | None) -> float:
    """The number that somebody reads."""
    plain = text.replace("\u202f", "").replace("−", "-")
    if unit is not None and unit not in ("percent", "%"):
        plain = plain.removesuffix(f" {unit}")
    return float(plain.removesuffix("%"))


@settings(deadline=None, max_examples=times(250))
@given(
    value=NEAR,
    limits=LIMITS,
    better=st.sampled_from(["higher", "lower", "within"]),
    watched=st.booleans(),
    near=st.sampled_from([None, 0, 1, 2, 3]),
    unit=st.sampled_from([None, "min", "percent", "%", "EUR"]),
    decimals=st.sampled_from([None, 0, 1, 4]),
)
def test_who_compares_the_printed_numbers_sees_the_colour(
    value: float,
    limits: list[float],
    better: Any,
    watched: bool,
    near: int | None,
    unit: str | None,
    decimals: int | None,
) -> None:
    if near is not None:  # so close to a limit that usual digits do not tell the two apart
        value = limits[near] + (abs(limits[near]) or 1.0) * 1e-6
    target: Any = (limits[1], limits[2]) if better == "within" else limits[2] if better == "higher" else limits[1]
    amber: Any = None
    if watched:
        amber = (limits[0], limits[3]) if better == "within" else limits[1] if better == "higher" else limits[2]
    ruling = by_value(value, target, amber, better, (unit, decimals))
    assert ruling.colour == colour_of(value, target, amber, better)
    number = r"−?[\d\u202f.]+(?:e−?\d+)?%?"
    said = [parsed(text, None) for text in re.findall(number, ruling.because)]
    shown, rest = said[0], said[1:]
    count = 2 if better == "within" else 1
    first, second = (rest[:count], rest[count:]) if len(rest) > count else (rest, [])
    if ruling.colour == "red" and watched:  # the amber limit is named first, then the target
        first, second = second, first

    def limit(edges: list[float]) -> Any:
        return (edges[0], edges[1]) if better == "within" else edges[0]

    read = colour_of(shown, limit(first), limit(second) if second else None, better)
    assert read == ruling.colour, ruling.because


# -- where a target holds ----------------------------------------------------------------------------------------------

X = expression("minutes")
AGGREGATE = expression("rows", "aggregate")
HOLDS: list[tuple[Measure, bool, bool]] = [
    # (measure, at other grains, in slices)
    (Count(), False, False),
    (Sum(X), False, False),
    (Distinct(X), False, False),
    (Mean(X), True, True),
    (Quantile(X, 0.9), True, True),
    (Ratio(AGGREGATE, AGGREGATE), True, True),
    (Cohort(AGGREGATE, AGGREGATE, 86_400), True, True),
    (Age("opened", "closed", 0.9), True, True),
    (Age("opened", "closed", None, 86_400), True, True),
    (Stock("opened", "closed"), True, False),
    (Level(X), True, False),
    (Manual("last"), True, False),
    (Manual("mean"), True, False),
    (Manual("sum"), False, False),
    (formula("added / counted"), True, True),
    (formula("(added / counted)"), True, True),
    (formula("added + counted"), False, False),
    (formula("added / counted * 100"), False, False),
    (formula("added"), False, False),
    (Change("added", Versus("previous"), "percent"), True, True),
    (Change("added", Versus("previous"), "points"), False, False),
    (Change("averaged", Versus("previous"), "points"), True, True),
    (Change("open", Versus("previous"), "points"), True, False),
    (Cumulative("added", "month"), True, False),
    (Cumulative("counted", "year"), True, False),
]


def of(name: str, measure: Measure, **more: Any) -> Metric:
    return Metric(name, name.title(), measure, "leading", "higher", source="tickets", time="at", **more)


def book(*metrics: Metric) -> Book:
    return Book(
        Organization("Test", ANA, "Europe/Berlin"),
        {"tickets": Source("tickets", "csv", {}, Schedule(every_seconds=60), time="at")},
        {"support": Team("support", "Support", ANA), "night": Team("night", "Night", ANA, parent="support")},
        {"desk": Process("desk", "Desk", "support", ANA)},
        metrics={m.name: m for m in metrics},
    )


@pytest.mark.parametrize(
    ("measure", "grains", "slices"), HOLDS, ids=[f"{n}-{type(h[0]).__name__}" for n, h in enumerate(HOLDS)]
)
def test_where_a_target_without_grain_and_slice_holds(measure: Measure, grains: bool, slices: bool) -> None:
    made = of("made", measure)
    parts = (
        of("added", Sum(X)),
        of("counted", Count()),
        of("averaged", Mean(X)),
        of("open", Stock("opened", "closed")),
    )
    whole = book(made, *parts)
    assert inherits_target(made, whole, "month", None) is grains
    assert inherits_target(made, whole, "week", ("team", "support")) is slices
    assert inherits_target(made, whole, "month", ("team", "support")) is (grains and slices)


# -- never green -------------------------------------------------------------------------------------------------------

MINUTES = st.integers(-3 * 1440, 3 * 1440).map(lambda n: NOW + timedelta(minutes=n))
WEIRD = st.one_of(st.none(), st.floats(0, 60), st.sampled_from([math.inf, -math.inf, math.nan, 30.0]))
CHANCE = st.one_of(st.none(), st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0, math.nan, math.inf]))


@settings(deadline=None, max_examples=times(500))
@given(data=st.data())
def test_nothing_stale_missing_thin_held_or_young_is_green_whatever_the_clock_and_whoever_says(
    data: st.DataObject,
) -> None:
    """Clock × last load × value × limits × sample × maturity × held × error × projection × override × when it is shown."""
    draw = data.draw
    now, loaded = draw(MINUTES), draw(st.one_of(st.none(), MINUTES))
    loaded = None if loaded is None else min(loaded, now)
    value, target, amber = draw(WEIRD), draw(WEIRD), draw(WEIRD)
    n, hits = draw(st.integers(0, 30)), draw(st.integers(0, 30))
    running, adds_up = draw(st.booleans()), draw(st.booleans())
    until = fresh_until(
        NOW, draw(st.sampled_from([0, 86_400])), loaded, loaded, draw(st.sampled_from([600, 86_400])), None, CALENDAR
    )
    evidence = Evidence(
        value, now, draw(st.sampled_from(["higher", "lower", "within", None])), n=n, min_sample=draw(st.sampled_from([1, 10])),
        running=running, adds_up=adds_up, paced=adds_up, loaded=loaded is not None, loaded_at=loaded, fresh_until=until,
        has_target=draw(st.booleans()), target=target, amber=amber,
        projection=draw(st.one_of(st.none(), st.builds(Projection, st.sampled_from([10.0, 40.0, math.inf, math.nan]), chance=CHANCE, amber_chance=CHANCE))),
        problem=draw(st.sampled_from([None, "no such column"])), held=draw(st.sampled_from([None, "load 7 waits"])),
        too_young=draw(st.sampled_from([None, None, "3 of 7 days"])), too_few=draw(st.sampled_from([None, None, "a part is too few"])),
        sampled=wilson(min(n, hits), n) if n else None,
    )  # fmt: skip
    said = verdict(evidence)
    stale = until is not None and now > until
    unsure = (
        evidence.problem is not None or loaded is None or stale or value is None or not math.isfinite(value)
        or evidence.too_young is not None or evidence.too_few is not None or n < evidence.min_sample > 1
    )  # fmt: skip
    if unsure:
        assert said.status == "grey"
    if said.status in ("green", "amber", "red"):
        assert target is not None
        assert math.isfinite(target)
    else:
        assert said.conclusive is None
    assert not re.search(r"\b(nan|inf)\b", said.because + said.text, re.IGNORECASE)
    assert said.trail[-1]["applies"] or said.trail[-1]["step"] == "conclusive"
    for step in said.trail:
        assert {"step", "applies", "detail"} <= set(step)
        for number in step.values():
            assert not isinstance(number, float) or math.isfinite(number), step


def judged(values: list[float | None], now: datetime, loaded: datetime | None, said: dict[str, Override]) -> Board:
    """Weeks of one metric, target 100, amber 90."""
    made = of("solved", Count(), process="desk", targets=(Target(100.0, amber=90.0),), pace="none")
    standing = {} if loaded is None else {"tickets": Standing("tickets", loaded, loaded, 3, 9, {"at": "TIMESTAMP"})}
    made_of = Ingredients(book(made), CALENDAR, now, 7, standing, overrides={("solved", "week", None): said})
    return build(made_of, Measured({("solved", "week", None): Series(WEEKS, tuple(Cell(v) for v in values))}))


STATUS = st.sampled_from(get_args(Status))
MOMENT = st.integers(0, 400).map(lambda n: NOW + timedelta(minutes=n))


@settings(deadline=None, max_examples=times(100))
@example([None, None, None, 100.0], NOW, "grey", None, None, NOW + timedelta(minutes=11), WEEKS[-1].label)
@given(
    values=st.lists(st.one_of(st.none(), st.floats(50, 150)), min_size=len(WEEKS), max_size=len(WEEKS)),
    loaded=st.one_of(st.none(), st.integers(-20_000, 0).map(lambda n: NOW + timedelta(minutes=n))),
    status=STATUS,
    until=st.one_of(st.none(), MOMENT),
    why=st.sampled_from([None, "why"]),
    shown_at=MOMENT,
    period=st.sampled_from([p.label for p in WEEKS]),
)
def test_a_reading_shown_later_is_what_would_be_judged_then(
    values: list[float | None], loaded: datetime | None, status: Status, until: datetime | None, why: str | None,
    shown_at: datetime, period: str,
) -> None:  # fmt: skip
    said = {period: Override(status, "Ana", NOW - timedelta(hours=1), why, until)}
    early, late = (judged(values, at, loaded, said) for at in (NOW, shown_at))
    for label in (p.label for p in WEEKS):
        shown = early.reading("solved", None, label, None, shown_at)
        anew = late.reading("solved", None, label, None, shown_at)
        assert shown.status == anew.status, (label, shown.because, anew.because)
        assert shown.override == anew.override
        if shown.status != "grey":
            assert (shown.reason, shown.because) == (anew.reason, anew.because)
        if loaded is None or shown.value is None:
            assert shown.status == "grey"
        if shown.fresh_until is not None and shown_at > shown.fresh_until:
            assert shown.status == "grey"
    card = early.scorecard("desk", now=shown_at)
    assert card.status == worst((r.status, 1.0) for r in card.readings)


# -- roll-up -----------------------------------------------------------------------------------------------------------

VALUES = {"green": 120.0, "amber": 95.0, "red": 10.0, "grey": None, "neutral": 5.0}


@pytest.mark.parametrize(
    ("children", "status", "counted"),
    [
        ([("green", 1), ("green", 1)], "green", {"green": 2}),
        ([("green", 1), ("neutral", 1)], "green", {"green": 1, "neutral": 1}),
        ([("green", 1), ("grey", 1)], "grey", {"green": 1, "grey": 1}),
        ([("green", 9), ("grey", 1), ("amber", 0.5)], "amber", {"green": 1, "grey": 1, "amber": 1}),
        ([("amber", 1), ("red", 0.1), ("grey", 1)], "red", {"amber": 1, "red": 1, "grey": 1}),
        ([("red", 0), ("green", 1)], "green", {"green": 1}),
        ([("grey", 0), ("green", 1)], "green", {"green": 1}),
        ([("neutral", 1)], "neutral", {"neutral": 1}),
        ([("red", 0)], "neutral", {}),
    ],
)
def test_a_card_has_the_colour_of_its_worst_child_that_counts(
    children: list[tuple[Status, float]], status: Status, counted: dict[Status, int]
) -> None:
    metrics, series = [], {}
    for number, (colour, weight) in enumerate(children):
        targets = () if colour == "neutral" else (Target(100.0, amber=90.0),)
        metrics.append(of(f"m{number}", Count(), process="desk", weight=weight, targets=targets))
        series[f"m{number}", "week", None] = Series(WEEKS, (Cell(VALUES[colour]),) * len(WEEKS))
    standing = Standing("tickets", NOW, NOW, 3, 9, {"at": "TIMESTAMP"})
    made = build(Ingredients(book(*metrics), CALENDAR, NOW, 1, {"tickets": standing}), Measured(series))  # type: ignore[arg-type]
    for name in ("desk", "support"):  # a process's metrics also stand on its team's card
        card = made.scorecard(name, now=NOW)
        assert card.status == status
        assert {s: n for s, n in card.counts.items() if n} == counted
        assert len(card.readings) == len(children), "what has no weight is shown"
    whole = made.scorecard("organization", now=NOW)
    assert whole.status is None
    assert whole.counts[status] == 2 + (status == "neutral"), "of three scorecards; the night's has nothing"
    assert sum(whole.counts.values()) == 3
