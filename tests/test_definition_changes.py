"""An edit of metrics.yaml: states are kept by definition, so only what it touches is computed from the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scorecard.board.publish import Publisher
from scorecard.book.model.metric import Metric
from scorecard.book.model.organization import Organization, Team
from scorecard.ground.clock import FixedClock
from scorecard.journal.journal import Journal
from scorecard.judgement.targets import Target
from scorecard.refresh.run import Refresher
from tests.measuring import ANA, BY_TEAM, TEAMS, World, count, distinct, metric, moment, quantile, total

COLUMNS = {"id": "integer", "created_at": "timestamp", "minutes": "double", "cost": "decimal", "team": "text"}
METRICS = (
    metric("n", count(), split=BY_TEAM, grain="day"),
    metric("cost", total("cost")),
    metric("median", quantile("minutes"), split=BY_TEAM),
    metric("values", distinct("minutes")),
)


class Edited:
    """A published board whose book is changed; ``rows`` are the statements that have read the source's rows since."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = World(folder, Organization("Test", ANA, "Europe/Berlin"))
        self.world.now = moment("2026-03-16 15:30")
        self.world.source("tickets", COLUMNS)
        self.world.open(*METRICS)
        self.world.load(
            "tickets",
            [
                {"id": i, "created_at": f"2026-03-{1 + i % 15:02d}T23:{i % 60:02d}:00Z", "minutes": i % 7, "cost": f"{i}.10",
                 "team": ("support", "sales", "x")[i % 3]}
                for i in range(200)
            ],
        )  # fmt: skip
        clock = FixedClock(self.world.now)
        self.journal = Journal.open(str(folder / "journal.sqlite"), clock)
        self.publisher = Publisher(folder)
        engine = self.world.engine
        self.refresher = Refresher(self.world.book, folder, engine, self.journal, self.publisher, clock)
        self.refresher.publish()
        self.rows: list[str] = []
        query = engine.query

        def spy(sql: str, parameters: Any = (), **more: Any) -> pl.DataFrame:
            if 'main."tickets"' in sql and "LIMIT 0" not in sql and not sql.startswith("SELECT (SELECT count(*)"):
                self.rows.append(sql)
            return query(sql, parameters, **more)

        monkeypatch.setattr(engine, "query", spy)

    def edit(self, *metrics: Metric, **more: Any) -> None:
        """Another book takes over; what it gives must be what computing everything gives."""
        found = {m.name: m for m in metrics or METRICS}
        self.rows.clear()
        board = self.refresher.replace_book(replace(self.world.book, metrics=found, **more))
        seen = list(self.rows)
        whole = self.refresher.publish(recompute=True)
        assert board.readings.keys() == whole.readings.keys()
        for key, readings in board.readings.items():
            assert [r.value for r in readings] == [r.value for r in whole.readings[key]], key
            assert [r.status for r in readings] == [r.status for r in whole.readings[key]], key
        self.rows = seen

    def states_read(self) -> list[str]:
        """The statements that compute kept states: those that only cut the running period's comparisons are no states, nor is a
        look at how long numbers are, whatever their days."""
        states = [s for s in self.rows if "make_timestamp" not in s and "DATE '1970-01-01'" not in s]
        return [s for s in states if '"_day_' in s]


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edited]:
    made = Edited(tmp_path, monkeypatch)
    yield made
    made.publisher.close()
    made.world.close()
    made.journal.close()


def test_a_target_and_a_title_compute_no_state(edited: Edited) -> None:
    aim = Target(30.0)
    edited.edit(replace(METRICS[0], targets=(aim,), title="Another"), *METRICS[1:])
    assert edited.states_read() == []
    reading = edited.publisher.current().reading("n", "day", "2026-03-10")
    assert reading.target is not None


def test_a_changed_measure_computes_its_own_state_alone(edited: Edited) -> None:
    edited.edit(METRICS[0], metric("cost", total("cost * 2")), *METRICS[2:])
    (scan,) = edited.states_read()
    assert "* 2" in scan
    assert "minutes" not in scan


def test_a_changed_quantile_computes_no_sum_and_no_other_quantile(edited: Edited) -> None:
    edited.edit(*METRICS[:2], metric("median", quantile("minutes", 0.9), split=BY_TEAM), METRICS[3])
    (read,) = edited.states_read()
    assert read.count('"minutes"') == 1, "one column of values, of the one state"
    assert "cost" not in read
    assert "GROUP BY" not in read, "no sums"


def test_shorter_periods_than_before_are_counted(edited: Edited) -> None:
    """Distinct values, quantiles and ages are kept by period: those of days are not there while weeks are the shortest."""
    assert METRICS[2].grain != "day"
    edited.edit(*(replace(m, grain="day") for m in METRICS))
    assert edited.publisher.current().reading("values", "day", "2026-03-10").value


def test_a_new_name_for_a_team_reads_no_sums_again(edited: Edited) -> None:
    """Sums are kept by raw value; a quantile or a distinct count has to be read in the new slice."""
    teams = {**TEAMS, "extra": Team("extra", "X", ANA)}
    edited.edit(teams=teams)
    (read,) = edited.states_read()
    assert '"minutes"' in read
    assert "cost" not in read
    assert "GROUP BY" not in read, "no sums"
    assert edited.publisher.current().readings["n", "day", ("team", "extra")]


def test_another_time_zone_moves_the_days_at_once(edited: Edited) -> None:
    """23:00 UTC is the next day in Berlin and the same in New York."""
    rows = edited.publisher.current().readings["n", "day", None]
    assert rows[0].period == "2026-03-02"
    edited.edit(organization=Organization("Test", ANA, "America/New_York"))
    rows = edited.publisher.current().readings["n", "day", None]
    assert (rows[0].period, rows[0].value) == ("2026-03-01", 14.0)


def test_another_week_start_reads_no_sums_again(edited: Edited) -> None:
    edited.edit(organization=Organization("Test", ANA, "Europe/Berlin", week_starts=6))
    assert all("GROUP BY bucket, slice" not in s for s in edited.states_read())
