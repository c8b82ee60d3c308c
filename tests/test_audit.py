"""The nightly audit: what is kept is compared with what the rows give; a difference is mended, published and said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scorecard.board.publish import Publisher
from scorecard.book.model.metric import Age, Stock
from scorecard.book.model.organization import Organization
from scorecard.ground.clock import FixedClock
from scorecard.ground.periods.calendar import Calendar
from scorecard.journal.journal import Journal
from scorecard.refresh.rhythm import At, Moment
from scorecard.refresh.run import Refresher
from scorecard.refresh.schedule import Schedule
from scorecard.web.api.prometheus import audit_lines
from tests.measuring import ANA, BY_TEAM, World, average, count, distinct, metric, moment, quantile, ratio, total

COLUMNS = {
    "id": "integer", "created_at": "timestamp", "resolved_at": "timestamp", "minutes": "double", "cost": "decimal",
    "team": "text",
}  # fmt: skip
METRICS = (
    metric("n", count(), split=BY_TEAM, grain="day"),
    metric("by_hour", count("resolved_at"), time="resolved_at", grain="hour"),
    metric("cost", total("cost"), split=BY_TEAM),
    metric("minutes", total("minutes")),
    metric("mean", average("minutes")),
    metric("range", ratio("max(minutes) - min(minutes)", "count(minutes)")),
    metric("median", quantile("minutes"), split=BY_TEAM),
    metric("values", distinct("minutes"), split=BY_TEAM),
    metric("open", Stock("created_at", "resolved_at"), split=BY_TEAM),
    metric("age", Age("created_at", "resolved_at"), unit="h", split=BY_TEAM),
    metric("old", Age("created_at", "resolved_at", None, 86_400), grain="day"),
)


class Night:
    """A published board over a warehouse that can be tampered with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World(folder, Organization("Test", ANA, "Europe/Berlin"))
        self.world.now = moment("2026-03-16 15:30")
        self.world.source("tickets", COLUMNS)
        self.world.open(*METRICS)
        self.load(0, 300)
        self.clock = FixedClock(self.world.now)
        self.journal = Journal.open(str(folder / "journal.sqlite"), self.clock)
        self.publisher = Publisher(folder)
        self.refresher = self.started()
        self.refresher.publish()

    def started(self) -> Refresher:
        return Refresher(
            self.world.book, self.folder, self.world.engine, self.journal, self.publisher, self.clock
        )  # fmt: skip

    def load(self, first: int, until: int) -> None:
        self.world.load("tickets", [row(i) for i in range(first, until)])

    def tamper(self, sql: str) -> None:
        self.world.engine.write([(sql, ())])

    def value(self, name: str, period: str) -> float | None:
        return self.publisher.current().reading(name, None, period).value

    def said(self) -> list[str]:
        return [p.message for p in self.publisher.current().notices]


def row(i: int) -> dict[str, object]:
    at = datetime(2026, 3, 1 + i % 16, i % 15, i % 60)  # noqa: DTZ001 - the texts say that it is UTC
    closed = None if i % 5 == 0 else f"{(at + timedelta(hours=i % 40)).isoformat()}Z"
    return {"id": i, "created_at": f"{at.isoformat()}Z", "resolved_at": closed, "minutes": (i % 11) / 3,
            "cost": f"{i}.10", "team": ("support", "sales", "x", None)[i % 4]}  # fmt: skip


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    made = Night(tmp_path)
    yield made
    made.publisher.close()
    made.world.close()
    made.journal.close()


def test_nothing_differs_after_loads_of_all_kinds(night: Night) -> None:
    night.load(100, 350)
    night.world.load("tickets", [row(i) for i in range(200)], full=True)
    night.refresher._pending = {}  # what came is measured anew
    (audited,) = night.refresher.audit()
    assert (audited.differences, audited.moved) == (0, False)
    assert audited.numbers > 300
    assert audited.states == len(night.refresher._meter._desk.plan.states("tickets"))  # type: ignore[union-attr]
    assert night.said() == []


TAMPERED = {
    "n": "UPDATE meter.additive SET n = n + 1 WHERE state = '{}' AND bucket = TIMESTAMP '2026-03-05'",
    "cost": "UPDATE meter.additive SET a = a + 1 WHERE state = '{}' AND bucket = TIMESTAMP '2026-03-05'",
    "minutes": "UPDATE meter.additive SET b = b + 1 WHERE state = '{}' AND bucket = TIMESTAMP '2026-03-05'",
    "by_hour": "DELETE FROM meter.additive WHERE state = '{}' AND bucket < TIMESTAMP '2026-03-05'",
    "range": "UPDATE meter.additive SET high = high + 1e-9 WHERE state = '{}' AND high IS NOT NULL",
    "median": "UPDATE meter.bags SET x = x + 1e-9 WHERE state = '{}' AND bucket = TIMESTAMP '2026-03-02' AND kind = ''",
    "values": "INSERT INTO meter.bags SELECT * FROM meter.bags WHERE state = '{}' AND grain = 'week'",
    "open": "INSERT INTO meter.additive SELECT * FROM meter.additive WHERE state = '{}' AND bucket = TIMESTAMP '2026-03-05'",
    "age": "UPDATE meter.bags SET x = x + 1e-9 WHERE state = '{}' AND grain = 'week' AND kind = ''",
    "old": "DELETE FROM meter.bags WHERE state = '{}' AND grain = 'day' AND bucket = TIMESTAMP '2026-03-05'",
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_kept_number_that_is_wrong_is_found_mended_and_said(night: Night, name: str) -> None:
    desk = night.refresher._meter._desk
    assert desk is not None
    before = night.publisher.current().readings
    for state in desk.plan.states_of(desk.plan.lowered[name]):
        night.tamper(TAMPERED[name].format(state))
    (audited,) = night.refresher.audit()
    assert audited.differences > 0
    (said,) = night.said()
    assert said.startswith("tickets: kept numbers were not those of its rows at 2026-03-16 15:30 UTC: ")
    assert f"'{name}'" in said
    assert "it was never audited before" in said
    assert {k: [r.value for r in v] for k, v in night.publisher.current().readings.items()} == {
        k: [r.value for r in v] for k, v in before.items()
    }
    (again,) = night.refresher.audit()
    assert again.differences == 0
    assert night.said() == []


def test_a_wrong_number_that_was_shown_is_replaced_on_the_board(night: Night) -> None:
    right = night.value("cost", "2026-W10")
    desk = night.refresher._meter._desk
    assert desk is not None
    (state,) = desk.plan.states_of(desk.plan.lowered["cost"])
    night.tamper(f"UPDATE meter.additive SET a = a + 100000 WHERE state = '{state}' AND slice = 'sales'")
    night.refresher = night.started()  # a start takes over what is kept
    night.refresher.publish()
    assert night.value("cost", "2026-W10") != right
    night.refresher.audit()
    assert night.value("cost", "2026-W10") == right
    assert night.started().audits["tickets"].differences > 0  # the alarm outlives a restart
    assert "kept" in night.said()[0]
    assert "from the rows" in night.said()[0]


def test_the_alarm_names_the_last_clean_night_and_operators_can_count_it(night: Night) -> None:
    night.refresher.audit()
    night.refresher.clock = night.clock = FixedClock(night.world.now + timedelta(days=1))
    night.tamper("UPDATE meter.additive SET n = n + 1")
    (audited,) = night.refresher.audit()
    assert audited.clean_at == night.world.now
    assert "the audit of 2026-03-16 15:30 UTC was clean" in night.said()[0]
    lines = audit_lines(night.publisher.current())
    assert 'scorecard_audits_total{source="tickets",outcome="different"} 1' in lines
    assert 'scorecard_audits_total{source="tickets",outcome="clean"} 1' in lines
    assert f'scorecard_audit_differences{{source="tickets"}} {audited.differences}' in lines


def test_a_load_in_the_middle_of_an_audit_is_no_alarm(night: Night) -> None:
    """Rows that come between two parts are measured first; the audit goes on with them."""
    meter = night.refresher._meter
    done = 0

    def load() -> None:
        nonlocal done
        done += 1
        if done == 3:
            night.refresher._pending["tickets"] = night.world.load("tickets", [{**row(1), "minutes": 99}, row(900)])

    audited = meter.audit("tickets", night.refresher.publish, load)
    assert audited is not None
    assert done > 3
    assert (audited.differences, audited.moved) == (0, False)


def test_it_runs_once_a_night_also_where_the_clocks_change() -> None:
    calendar = Calendar("Europe/Berlin")
    nightly, runs = At("30 2 * * *", calendar), []
    nightly.wait_for_line(Moment(0, datetime(2026, 10, 24, 12, tzinfo=UTC)))
    for _ in range(3):
        assert nightly.at is not None
        runs.append(calendar.day_of(nightly.at).isoformat())
        nightly.passed(Moment(0, nightly.at + timedelta(minutes=1)))
    assert runs == ["2026-10-25", "2026-10-26", "2026-10-27"]


def test_the_schedule_knows_its_hour() -> None:
    schedule = Schedule(lambda *_: None, lambda: None, FixedClock(moment("2026-03-16")), audit_at="03:30")
    schedule.start({}, Calendar("Europe/Berlin"))
    try:
        at = schedule.next_audit()
        assert at is not None
        assert Calendar("Europe/Berlin").at(at).strftime("%H:%M") == "03:30"
    finally:
        schedule.stop()
