"""Metrics that run up: against plain counting over the rows, in many calendars; what cannot run up is refused."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorecard.book.model.metric import Cumulative
from scorecard.book.model.organization import Organization
from scorecard.book.read import read_book
from scorecard.cli.main import execute
from scorecard.cli.session import Session
from scorecard.ground.errors import Refused
from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.measures.spans import reach, window_first
from tests.amounts import times
from tests.measuring import (
    ANA,
    BY_TEAM,
    World,
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

COLUMNS = {"id": "integer", "created_at": "timestamp", "amount": "double", "team": "text", "customer": "text"}
Row = tuple[datetime, int, str | None, str]
OVER: tuple[tuple[str, Literal["month", "quarter", "year"] | None, int | None], ...] = (
    ("month", "month", None),
    ("quarter", "quarter", None),
    ("year", "year", None),
    ("rolling", None, 4),
)
BASES = (
    metric("n", count(), split=BY_TEAM),
    metric("amount", total("amount")),
    metric("each", ratio("sum(amount)", "rows"), split=BY_TEAM),
    metric("people", distinct("customer"), split=BY_TEAM),
    metric("middle", quantile("amount")),
    metric("per_person", formula("amount / people")),
    metric("per_day", formula("n / days")),
)
RUNNING = tuple(
    metric(
        f"{base.name}_{word}",
        Cumulative(base.name, over, weeks),
        grain="day" if base.name in ("n", "people") else "week",
    )
    for base in BASES
    for word, over, weeks in OVER
)
ORGANIZATION = st.builds(
    lambda starts, month, pattern, zone: Organization(
        "Test", ANA, zone, week_starts=starts, fiscal_year_starts=month, pattern=pattern
    ),
    st.integers(0, 6),
    st.integers(1, 12),
    st.sampled_from(["months", "4-4-5", "4-5-4", "5-4-4"]),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
)
BEGIN = datetime(2025, 12, 1)  # noqa: DTZ001 - the rows say that it is UTC
ROW = st.tuples(
    st.builds(lambda m: BEGIN + timedelta(minutes=m), st.integers(0, 60 * 24 * 45)),
    st.integers(-5, 9),
    st.sampled_from(["support", "sales", "nobody", None]),
    st.sampled_from("abc"),
)


def middle(numbers: Sequence[float]) -> float | None:
    ordered = sorted(numbers)
    half = len(ordered) // 2
    return None if not ordered else ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


COUNTED: dict[str, Callable[[Sequence[Row]], float | None]] = {
    "n": len,
    "amount": lambda rows: sum(r[1] for r in rows),
    "each": lambda rows: sum(r[1] for r in rows) / len(rows) if rows else None,
    "people": lambda rows: len({r[3] for r in rows}),
    "middle": lambda rows: middle([r[1] for r in rows]),
    "per_person": lambda rows: sum(r[1] for r in rows) / len({r[3] for r in rows}) if rows else None,
}


def begins(calendar: Calendar, word: str, last: date) -> date:
    """The first day of the window, by walking back from its last one."""
    if word == "rolling":
        return last - timedelta(days=27)
    day = last
    while calendar.period(day - timedelta(days=1), word) == calendar.period(last, word):
        day -= timedelta(days=1)
    return day


def expected(
    calendar: Calendar, rows: Sequence[Row], base: str, word: str, period: Period, newest: date
) -> float | None:
    last = period.until - timedelta(days=1)
    last = min(last, max(newest, period.first))
    first = begins(calendar, word, last)
    inside = [r for r in rows if first <= calendar.day_of(r[0].replace(tzinfo=UTC)) <= last]
    return COUNTED[base](inside)


def fill(w: World, rows: Sequence[Row]) -> None:
    w.load(
        "tickets",
        [
            {"id": i, "created_at": f"{at.isoformat()}Z", "amount": amount, "team": team, "customer": who}
            for i, (at, amount, team, who) in enumerate(rows)
        ],
    )


@pytest.mark.slow
@settings(max_examples=times(5), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(organization=ORGANIZATION, rows=st.lists(ROW, min_size=1, max_size=25), days=st.integers(0, 30))
def test_the_same_as_counting_the_rows(organization: Organization, rows: list[Row], days: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        w = World(Path(folder), organization)
        w.now = max(r[0] for r in rows).replace(tzinfo=UTC) + timedelta(days=days, hours=3)
        w.source("tickets", COLUMNS)
        w.open(*BASES, *RUNNING)
        fill(w, rows)
        measured, calendar = w.measure(), w.calendar
        w.close()
    newest = calendar.day_of(max(r[0] for r in rows).replace(tzinfo=UTC))
    for one in RUNNING:
        base, _, word = one.name.rpartition("_")
        for grain in ("day", "week", "month", "quarter", "year")[0 if one.grain == "day" else 1 :]:
            for slice_ in (None, ("team", "support")) if base in ("n", "each", "people") else (None,):
                if base not in COUNTED or (one.name, grain, slice_) not in measured.series:
                    continue
                mine = [r for r in rows if slice_ is None or r[2] == slice_[1]]
                series = of(measured, one.name, grain, slice_)
                for period, found in zip(series.periods, series.cells, strict=True):
                    if found.missing is not None and period.until <= calendar.day_of(
                        min(r[0] for r in mine).replace(tzinfo=UTC)
                    ):
                        continue
                    wanted = expected(
                        calendar, mine, base, word, period, newest if period.end > w.now else period.until
                    )
                    assert found.value == pytest.approx(wanted), (one.name, period, slice_)


@given(
    organization=ORGANIZATION,
    day=st.dates(date(2019, 1, 1), date(2027, 1, 1)),
    word=st.sampled_from(OVER),
)
def test_windows_end_before_their_reach(organization: Organization, day: date, word: Any) -> None:
    """A day counts in the windows that end from that day on and before its reach, and in no other."""
    o = organization
    calendar = Calendar(o.timezone, o.week_starts, o.fiscal_year_starts, "end", o.pattern)
    measure = Cumulative("n", word[1], word[2])
    until = reach(calendar, measure, day)
    assert window_first(calendar, measure, day) <= day
    assert window_first(calendar, measure, until - timedelta(days=1)) <= day
    assert window_first(calendar, measure, until) > day


@pytest.fixture
def world(tmp_path: Path) -> Any:
    w = World(tmp_path)
    w.source("tickets", COLUMNS)
    yield w
    w.close()


def test_a_running_period_is_compared_at_the_same_cut(world: World) -> None:
    """The newest row is of Wednesday noon: a week ago counts up to its Wednesday noon, back to the first of the year."""
    world.now = moment("2026-01-15 09:00")
    world.open(
        BASES[0],
        BASES[3],
        metric("n_year", Cumulative("n", "year")),
        metric("people_year", Cumulative("people", "year")),
    )
    times = ["2025-12-30 10:00", "2026-01-02 10:00", "2026-01-07 10:59", "2026-01-07 11:01", "2026-01-14 11:00"]
    fill(world, [(datetime.fromisoformat(t), 1, None, who) for t, who in zip(times, "aabcb", strict=True)])
    measured = world.measure()
    assert values(measured, "n_year") == {"2026-W01": 1, "2026-W02": 3, "2026-W03": 4}
    assert of(measured, "n_year").cuts["previous"].value == 2
    assert of(measured, "people_year").cuts["previous"].value == 2
    # A month ago ends on the 14th of December, where there were no rows yet; a year's cut has no year before it.
    assert of(measured, "n_year", "month").cuts["previous"].value == 0
    assert of(measured, "n_year", "year").cuts["year_ago"].value == 0


def test_a_week_across_the_years_end_reads_its_last_day(world: World) -> None:
    """2025-12-29 to 2026-01-04: closed it is of the new year, running it is of the year of the newest row."""
    world.now = moment("2025-12-31 09:00")
    world.open(BASES[0], metric("n_year", Cumulative("n", "year"), grain="day"))
    rows: list[Row] = [(datetime(2025, 12, d, 8), 1, None, "a") for d in (15, 29, 30)]  # noqa: DTZ001
    fill(world, rows)
    assert values(world.measure(), "n_year")["2026-W01"] == 3
    assert values(world.measure("2026-01-01 09:00", {}), "n_year")["2026-W01"] == 3
    touched = world.load("tickets", [{"id": 9, "created_at": "2026-01-02T08:00Z"}], at=moment("2026-01-02 09:00"))
    measured = world.measure("2026-01-02 09:00", {"tickets": touched})
    assert values(measured, "n_year")["2026-W01"] == 1
    assert values(measured, "n_year", "day")["2025-12-31"] == 3
    assert cell(measured, "n_year", "2026", "year").n == 1


def test_a_late_row_moves_the_window_and_nothing_after_it(world: World) -> None:
    world.now = moment("2026-04-10 09:00")
    world.open(BASES[0], metric("n_quarter", Cumulative("n", "quarter"), grain="day"))
    fill(world, [(datetime(2026, m, 5, 8), 1, None, "a") for m in (1, 2, 3, 4)])  # noqa: DTZ001
    world.measure()
    touched = world.load("tickets", [{"id": 77, "created_at": "2026-02-20T08:00Z"}])
    measured = world.measure(None, {"tickets": touched})
    assert measured.changed is not None
    days = of(measured, "n_quarter", "day").periods
    moved = {days[i].label for i in measured.changed["n_quarter", "day", None]} - {days[-1].label}  # it is running
    assert moved == {(date(2026, 2, 20) + timedelta(days=n)).isoformat() for n in range(40)}
    assert values(measured, "n_quarter", "day")["2026-03-31"] == 4


def test_explain_says_what_runs_up_and_over_what(tmp_path: Path) -> None:
    """Also on a day, where the metric that runs up has no reading of its own."""
    config = Path(__file__).parent / "scenarios" / "cumulative" / "metrics.yaml"
    said = io.StringIO()
    line = ["--config", str(config), "--data", str(tmp_path), "--now", "2026-05-06T08:00:00Z", "--format", "json"]
    assert execute(Session(out=io.StringIO(), err=io.StringIO()), [*line, "refresh"]) == 0
    session = Session(out=said, err=io.StringIO())
    assert execute(session, [*line, "explain", "revenue_this_year", "--period", "2026-04-05"]) == 0
    answer = json.loads(said.getvalue())
    assert answer["reading"]["value"] == 3
    assert (answer["inputs"][0]["metric"], answer["inputs"][0]["period"]) == ("revenue", "2026-W14")
    assert answer["states"] == [{"cumulative": "revenue", "over": "year", "until": "the period's last day"}]
    assert any("sum(" in sql.lower() for sql in answer["sql"])


REFUSED = """\
version: 1
organization: {name: X, timezone: UTC}
sources: {s: {kind: csv, path: s.csv, every: 1m, time: t}}
defaults: {source: s, role: lagging, better: lower}
metrics:
  n: {count: rows}
  open: {stock: {opened: t, closed: u}}
  open_year: {cumulative: {of: open, over: year}}
  each: {formula: n / open}
  each_year: {cumulative: {of: each, over: year}}
  back: {formula: n - previous(n)}
  back_year: {cumulative: {of: back, over: year}}
  grown: {change: {of: n, versus: previous}}
  grown_year: {cumulative: {of: grown, over: year}}
  n_year: {cumulative: {of: n, over: year}}
  twice: {cumulative: {of: n_year, over: month}}
  hourly: {grain: hour, cumulative: {of: n, over: month}}
  around: {cumulative: {of: about, over: month}}
  about: {formula: around / n}
"""


def test_what_cannot_run_up_is_said_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "metrics.yaml"
    path.write_text(REFUSED)
    with pytest.raises(Refused) as refused:
        read_book(path)
    said = {p.place.line: p.message for p in refused.value.problems if p.place and p.severity == "error"}
    assert "'open', a stock" in said[8]
    assert "'open' (in 'each'), a stock" in said[10]
    assert "'back', a formula with previous()" in said[12]
    assert "'grown', a change" in said[14]
    assert "'n_year', which runs up itself" in said[16]
    assert "by hour" in said[17]
    assert "a circle" in said[18]
    assert set(said) == {8, 10, 12, 14, 16, 17, 18}


JUDGED = """\
version: 1
organization: {name: X, timezone: UTC}
sources: {s: {kind: csv, path: s.csv, every: 1m, time: t}}
defaults: {source: s, role: lagging, better: higher}
metrics:
  good_year: {cumulative: {of: good, over: year}, target: TARGET, tolerance: 2pp}
  good: {ratio: {of: count_if(ok), to: rows}, unit: percent, decimals: 2}
"""


def test_a_target_is_in_the_unit_of_what_runs_up(tmp_path: Path) -> None:
    path = tmp_path / "metrics.yaml"
    path.write_text(JUDGED.replace("TARGET", "95%"))
    book = read_book(path)
    (target,) = book.metrics["good_year"].targets
    assert (target.aim, book.metrics["good_year"].unit, book.metrics["good_year"].decimals) == (0.95, "percent", 2)
    assert list(book.metrics) == ["good_year", "good"]
    path.write_text(JUDGED.replace("TARGET", "95"))
    with pytest.raises(Refused, match="a bare number on a percent metric"):
        read_book(path)
    path.write_text(JUDGED.replace("TARGET", "95%").replace("of: good,", "of: godo,"))
    with pytest.raises(Refused) as refused:
        read_book(path)
    (problem,) = [p for p in refused.value.problems if p.severity == "error"]  # and none about the target
    assert "godo" in problem.message
