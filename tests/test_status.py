"""The three steps of a status: golden sentences, the order of the steps, and what may never be green."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.judgement.freshness import fresh_until
from scorecard.judgement.pace import Projection, profile, workdays
from scorecard.judgement.status import Evidence, Verdict, verdict
from tests.amounts import times

NOW = datetime(2026, 9, 28, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
GOOD = Evidence(
    value=27.4, now=NOW, better="lower", unit="min", has_target=True, target=30.0, amber=45.0, loaded_at=NOW
)
SHARE = replace(GOOD, unit="percent", better="higher", value=0.86, target=0.85, amber=0.82)
BAND = replace(GOOD, unit="percent", better="within", value=0.72, target=(0.70, 0.85), amber=(0.65, 0.90))
RUNNING = replace(
    GOOD, unit="tickets", value=130, running=True, adds_up=True, paced=True, target=1200.0, amber=1380.0,
    projection=Projection(1260.0),
)  # fmt: skip


def said(evidence: Evidence, **changes: Any) -> tuple[str, str, str]:
    found = verdict(replace(evidence, **changes))
    return found.status, found.reason, found.because.replace("\u202f", " ")


@pytest.mark.parametrize(
    ("evidence", "changes", "expected"),
    [
        (GOOD, {}, ("green", "27.4 min is at or under the target of 30 min")),
        (GOOD, {"value": 30}, ("green", "30 min is at or under the target of 30 min")),
        (
            GOOD,
            {"value": 30.04},
            ("amber", "30.04 min is over the target of 30 min and at or under the amber limit of 45 min"),
        ),
        (
            GOOD,
            {"value": 45},
            ("amber", "45 min is over the target of 30 min and at or under the amber limit of 45 min"),
        ),
        (GOOD, {"value": 45.1}, ("red", "45.1 min is over the amber limit of 45 min (the target is 30 min)")),
        (GOOD, {"value": 31, "amber": None}, ("red", "31 min is over the target of 30 min")),
        (GOOD, {"value": 0}, ("green", "0 min is at or under the target of 30 min")),
        (GOOD, {"running": True}, ("green", "27.4 min so far is at or under the target of 30 min")),
        (SHARE, {}, ("green", "86% is at or over the target of 85%")),
        (
            SHARE,
            {"value": 0.8499},
            ("amber", "84.99% is under the target of 85% and at or over the amber limit of 82%"),
        ),
        (SHARE, {"value": 0.8}, ("red", "80% is under the amber limit of 82% (the target is 85%)")),
        (BAND, {}, ("green", "72% is within the target of 70% to 85%")),
        (BAND, {"value": 0.70}, ("green", "70% is within the target of 70% to 85%")),
        (
            BAND,
            {"value": 0.66},
            ("amber", "66% is outside the target of 70% to 85% and within the amber limit of 65% to 90%"),
        ),
        (BAND, {"value": 0.91}, ("red", "91% is outside the amber limit of 65% to 90% (the target is 70% to 85%)")),
        (BAND, {"value": 0.91, "amber": None}, ("red", "91% is outside the target of 70% to 85%")),
    ],
)
def test_colours_against_a_target(evidence: Evidence, changes: dict[str, Any], expected: tuple[str, str]) -> None:
    status, reason, because = said(evidence, **changes)
    assert (status, because) == expected
    assert reason == "target"


AMBER_SO_FAR = "heading for 1 260 tickets · 130 so far: over the target of 1 200 tickets"


@pytest.mark.parametrize(
    ("changes", "status", "because"),
    [
        ({}, "amber", f"{AMBER_SO_FAR} and at or under the amber limit of 1 380 tickets"),
        ({"amber": None}, "red", AMBER_SO_FAR),
        (
            {"projection": Projection(1200.0)},
            "green",
            "heading for 1 200 tickets · 130 so far: at or under the target of 1 200 tickets",
        ),
        (
            {"projection": Projection(1400.0), "unit": None},
            "red",
            "heading for 1 400 · 130 so far: over the amber limit of 1 380 (the target is 1 200)",
        ),
        (
            {"unit": None, "target": 1300.0},
            "green",
            "heading for 1 260 · 130 so far: at or under the target of 1 300",
        ),
    ],
)
def test_a_running_period_that_adds_up_is_judged_on_its_projection(
    changes: dict[str, Any], status: str, because: str
) -> None:
    assert said(RUNNING, **changes) == (status, "pace", because)


def test_the_projection_is_printed_with_what_is_reached() -> None:
    found = verdict(replace(RUNNING, unit=None))
    assert found.text.replace("\u202f", " ") == "heading for 1 260 · 130 so far"
    assert found.provisional


@pytest.mark.parametrize(
    ("chance", "amber_chance", "amber", "status"),
    [
        (0.51, 0.9, 600.0, "green"),
        (0.5, 0.9, 600.0, "amber"),
        (0.4, 0.2, 600.0, "amber"),
        (0.1, 0.199, 600.0, "red"),
        (0.5, None, None, "red"),
        (0.51, None, None, "green"),
    ],
)
def test_a_profile_decides_by_its_chances(
    chance: float, amber_chance: float | None, amber: float | None, status: str
) -> None:
    heading = Projection(640.0, 560.0, 730.0, chance, amber_chance)
    found = verdict(replace(RUNNING, better="higher", target=650.0, amber=amber, projection=heading))
    assert (found.status, found.reason) == (status, "pace")
    assert "likely to end" in found.because


def test_a_chance_never_reads_as_the_other_side() -> None:
    heading = Projection(640.0, 560.0, 730.0, 0.500001, 0.9)
    found = verdict(replace(RUNNING, better="higher", target=650.0, amber=600.0, projection=heading))
    assert found.status == "green"
    assert "50.0001% likely" in found.because


def test_a_profile_from_shares_reaches_the_verdict() -> None:
    heading = profile(130, [0.2, 0.21, 0.19, 0.22, 0.18, 0.2, 0.2], 600.0, 550.0, "higher")
    assert verdict(replace(RUNNING, better="higher", target=600.0, amber=550.0, projection=heading)).status == "green"


LOST = "load 7 of tickets lost 60% of its rows"
YOUNG = "3 of 7 days have passed"
NOTHING_YET = "no working time of this period lies before its newest data yet"
STALE = {"fresh_until": NOW - HOUR, "loaded_at": NOW - 3 * HOUR}
GREY: list[tuple[str, dict[str, Any], str]] = [
    ("error", {"problem": "no column 'closed'"}, "this metric could not be computed: no column 'closed'"),
    ("held", {"held": LOST, **STALE}, f"a load waits for a person: {LOST}"),
    ("stale", STALE, "no good load since 2026-09-28T05:00:00Z"),
    ("no_data", {"value": None}, "there is no data in this period"),
    ("not_started", {"running": True, "adds_up": True, "paced": True}, NOTHING_YET),
    ("too_young", {"too_young": YOUNG}, YOUNG),
    ("too_few", {"n": 12, "min_sample": 20}, "only 12 of the 20 needed"),
]


@pytest.mark.parametrize(("reason", "changes", "because"), GREY)
def test_what_cannot_be_said_is_grey(reason: str, changes: dict[str, Any], because: str) -> None:
    assert said(GOOD, **changes) == ("grey", reason, because)
    without_target = {"has_target": False, "target": None, **changes}
    assert said(GOOD, **without_target) == ("grey", reason, because), "also where there is nothing to compare with"


def test_the_first_reason_that_applies_decides() -> None:
    for place, (reason, _, _) in enumerate(GREY):
        changes: dict[str, Any] = {}
        for _, later, _ in reversed(GREY[place:]):
            changes.update(later)
        assert said(GOOD, **changes)[1] == reason


@pytest.mark.parametrize(
    ("changes", "reason", "because"),
    [
        ({"loaded": False, "value": None}, "no_data", "its source was never loaded"),
        ({"value": None, "missing": "nothing below the line"}, "no_data", "nothing below the line"),
        ({"value": math.inf}, "no_data", "its value is no finite number"),
        ({"value": math.nan}, "no_data", "its value is no finite number"),
        ({"loaded": False, "held": "its first load waits"}, "held", "a load waits for a person: its first load waits"),
        ({"too_few": "csat: only 3 of the 20 needed"}, "too_few", "csat: only 3 of the 20 needed"),
        (
            {"fresh_until": NOW - HOUR, "quiet_until": NOW - HOUR, "data_until": NOW - 30 * HOUR},
            "stale",
            "no new data since 2026-09-27T02:00:00Z",
        ),
        ({"fresh_until": NOW - HOUR, "loaded_at": None}, "stale", "no good load since ever"),
        (
            {"running": True, "adds_up": True, "paced": True, "projection": Projection(math.inf)},
            "not_started",
            NOTHING_YET,
        ),
    ],
)
def test_more_that_cannot_be_said(changes: dict[str, Any], reason: str, because: str) -> None:
    assert said(GOOD, **changes) == ("grey", reason, because)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"has_target": False, "target": None}, "no_target"),
        ({"better": None}, "no_target"),
        ({"target": None}, "no_comparison"),
        ({"target": math.nan}, "no_comparison"),
        ({"target": (0.0, math.inf)}, "no_comparison"),
    ],
)
def test_nothing_to_compare_with_is_neutral(changes: dict[str, Any], reason: str) -> None:
    status, found, _ = said(GOOD, **changes)
    assert (status, found) == ("neutral", reason)
    assert verdict(replace(GOOD, **changes)).text == "27.4 min"


def test_the_freshness_of_a_moment_ends_after_it() -> None:
    assert verdict(replace(GOOD, fresh_until=NOW)).status == "green"
    assert verdict(replace(GOOD, fresh_until=NOW - timedelta(microseconds=1))).reason == "stale"


def test_a_held_load_does_not_grey_what_is_fresh_without_it() -> None:
    assert verdict(replace(GOOD, held="load 8 waits", fresh_until=NOW + HOUR)).status == "green"
    assert verdict(replace(GOOD, held="load 8 waits", fresh_until=NOW - HOUR)).reason == "held"


def test_a_count_of_nothing_is_no_small_sample() -> None:
    assert said(GOOD, value=0.0, n=0, min_sample=1) == ("green", "target", "0 min is at or under the target of 30 min")


def test_an_amber_limit_that_is_not_finite_is_none() -> None:
    assert said(GOOD, value=31.0, amber=math.nan) == ("red", "target", "31 min is over the target of 30 min")


def test_the_trail_tells_every_step_in_order() -> None:
    def steps(found: Verdict) -> list[tuple[object, object]]:
        return [(step["step"], step["applies"]) for step in found.trail]

    passed = [(reason, False) for reason, _, _ in GREY]
    assert steps(verdict(GOOD)) == [*passed, ("no_target", False), ("no_comparison", False), ("target", True)]
    assert steps(verdict(replace(GOOD, value=None))) == [*passed[:3], ("no_data", True)]
    assert steps(verdict(replace(GOOD, target=None))) == [*passed, ("no_target", False), ("no_comparison", True)]
    for step in verdict(GOOD).trail:
        assert isinstance(step, Mapping)
        assert isinstance(step["detail"], str)
        assert step["detail"]
    assert verdict(GOOD).trail[-1]["detail"] == verdict(GOOD).because


# -- what may never be green ---------------------------------------------------------------------------------------

numbers = st.one_of(st.floats(), st.sampled_from([0.0, 29.9, 30.0, 30.1, 45.0]))
maybe = st.one_of(st.none(), numbers)
hours = st.integers(-72, 72)
evidences = st.builds(
    Evidence,
    value=maybe,
    now=hours.map(lambda n: NOW + n * HOUR),
    better=st.sampled_from(["higher", "lower", "within", None]),
    unit=st.sampled_from([None, "min", "percent"]),
    decimals=st.one_of(st.none(), st.integers(0, 3)),
    n=st.one_of(st.none(), st.integers(0, 40)),
    min_sample=st.sampled_from([1, 20]),
    running=st.booleans(),
    adds_up=st.booleans(),
    paced=st.booleans(),
    loaded=st.booleans(),
    loaded_at=st.one_of(st.none(), hours.map(lambda n: NOW + n * HOUR)),
    fresh_until=st.one_of(st.none(), hours.map(lambda n: NOW + n * HOUR)),
    has_target=st.booleans(),
    target=st.one_of(maybe, st.tuples(numbers, numbers)),
    amber=st.one_of(maybe, st.tuples(numbers, numbers)),
    projection=st.one_of(
        st.none(),
        numbers.map(Projection),
        st.builds(Projection, numbers, maybe, maybe, st.floats(0, 1), st.floats(0, 1)),
    ),
    problem=st.one_of(st.none(), st.just("no such column")),
    held=st.one_of(st.none(), st.just("load 7 waits")),
    too_young=st.one_of(st.none(), st.just("3 of 7 days have passed")),
    too_few=st.one_of(st.none(), st.just("a part is too few")),
)


@settings(deadline=None, max_examples=times(200))
@given(evidences)
def test_nothing_unsure_is_ever_coloured(evidence: Evidence) -> None:
    found = verdict(evidence)
    stale = evidence.fresh_until is not None and evidence.now > evidence.fresh_until
    unsure = (
        evidence.problem is not None
        or stale
        or not evidence.loaded
        or evidence.value is None
        or not math.isfinite(evidence.value)
        or evidence.too_young is not None
        or evidence.too_few is not None
        or (evidence.n is not None and evidence.n < evidence.min_sample > 1)
        or (evidence.running and evidence.adds_up and evidence.paced and evidence.projection is None)
    )
    if unsure:
        assert found.status == "grey"
    if found.status == "grey":
        assert unsure or (evidence.projection is not None and not math.isfinite(evidence.projection.value))
    if found.status in ("green", "amber", "red"):
        assert evidence.has_target
        assert evidence.better is not None
        assert evidence.target is not None
        assert found.reason in ("target", "pace")
    if evidence.held is not None and (stale or not evidence.loaded) and evidence.problem is None:
        assert found.reason == "held"
    assert found.because
    assert found.text
    assert "nan" not in found.text
    assert "inf" not in found.text.replace("min", "")


@settings(deadline=None, max_examples=times(170))
@given(
    value=st.floats(-1e9, 1e9),
    target=st.floats(-1e9, 1e9),
    distance=st.floats(0, 1e6),
    better=st.sampled_from(["higher", "lower"]),
)
def test_colours_are_those_of_the_unrounded_numbers(value: float, target: float, distance: float, better: str) -> None:
    sign = 1 if better == "higher" else -1
    amber = target - sign * distance
    found = verdict(replace(GOOD, value=value, target=target, amber=amber, better=better))  # type: ignore[arg-type]
    by_hand = "green" if value * sign >= target * sign else "amber" if value * sign >= amber * sign else "red"
    assert found.status == by_hand


@settings(deadline=None, max_examples=times(100))
@given(st.floats(0, 1e6), st.floats(0, 6 * 86_400), st.floats(1, 1e6))
def test_working_day_pace_compares_the_projection(value: float, worked: float, target: float) -> None:
    total = 5 * 86_400.0
    heading = workdays(value, worked, total)
    found = verdict(replace(RUNNING, value=value, projection=heading, target=target, amber=None))
    if heading is None:
        assert found.reason == "not_started"
    else:
        assert found.status == ("green" if heading.value <= target else "red")


CALENDAR = Calendar("Europe/Berlin", holidays=frozenset({date(2026, 9, 28)}))
LAST_WEEK, THIS_WEEK = CALENDAR.parse("2026-W39"), CALENDAR.parse("2026-W40")
minutes = st.integers(-8 * 1440, 8 * 1440).map(lambda n: LAST_WEEK.end + timedelta(minutes=n))


@settings(deadline=None, max_examples=times(200))
@given(
    now=minutes,
    loaded_at=st.one_of(st.none(), minutes),
    data_until=st.one_of(st.none(), minutes),
    week=st.sampled_from([LAST_WEEK, THIS_WEEK]),
    fresh_for=st.sampled_from([600, 7200, 86_400]),
    final_after=st.sampled_from([0, 3 * 86_400]),
    quiet_for=st.sampled_from([None, 3600, 2 * 86_400]),
    value=st.one_of(st.none(), st.floats(0, 60)),
    n=st.integers(0, 30),
    adds_up=st.booleans(),
    held=st.booleans(),
    problem=st.booleans(),
)
def test_nothing_stale_missing_thin_held_or_young_is_ever_green(
    now: datetime,
    loaded_at: datetime | None,
    data_until: datetime | None,
    week: Period,
    fresh_for: int,
    final_after: int,
    quiet_for: int | None,
    value: float | None,
    n: int,
    adds_up: bool,
    held: bool,
    problem: bool,
) -> None:
    """From the clock and the last load through freshness and pace to the verdict; expected by the words of the rule."""
    loaded_at = None if loaded_at is None else min(loaded_at, now)
    running = week.start <= now < week.end
    heading = None
    if running and adds_up and value is not None and data_until is not None:
        worked = CALENDAR.working_seconds(week.start, min(data_until, now))
        heading = workdays(value, worked, CALENDAR.working_seconds(week.start, week.end))
    found = verdict(
        Evidence(
            value,
            now,
            "lower",
            n=n,
            min_sample=10,
            running=running,
            adds_up=adds_up,
            paced=adds_up,
            loaded=loaded_at is not None,
            loaded_at=loaded_at,
            has_target=True,
            target=30.0,
            amber=45.0,
            projection=heading,
            fresh_until=fresh_until(week.end, final_after, loaded_at, data_until, fresh_for, quiet_for, CALENDAR),
            held="load 7 waits" if held else None,
            problem="no such column" if problem else None,
        )
    )
    fresh = loaded_at is not None and (
        loaded_at >= week.end + timedelta(seconds=final_after) or now - loaded_at <= timedelta(seconds=fresh_for)
    )
    if quiet_for is not None and data_until is not None and week.end > data_until:
        fresh = fresh and CALENDAR.working_seconds(data_until, now) <= quiet_for
    sure = fresh and value is not None and n >= 10 and not problem and not (running and adds_up and heading is None)
    assert (found.status != "grey") == sure
    if held and not fresh and not problem:
        assert found.reason == "held"
