"""The demo's metrics.yaml: what it promises to a stranger, and the colours it shows at several clocks."""

from __future__ import annotations

import io
import json
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from scorecard.book.read import read_book
from scorecard.cli.main import execute
from scorecard.cli.session import Session
from scorecard.demo import FEED_URL, generate, start_feed
from scorecard.ground.clock import FixedClock

CONFIG = Path(__file__).parent.parent / "metrics.yaml"


def test_it_is_an_example_to_learn_from() -> None:
    book = read_book(CONFIG)
    assert book.warnings == ()
    assert 12 <= len(book.metrics) <= 24
    assert CONFIG.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=")
    assert {source.kind for source in book.sources.values()} == {"csv", "sql", "http"}
    assert len(book.panels) == 2
    assert {metric.better for metric in book.metrics.values()} == {"higher", "lower", "within"}
    assert {metric.grain for metric in book.metrics.values()} == {"day", "week", "month"}
    measures = {type(metric.measure).__name__ for metric in book.metrics.values()}
    read = {"Count", "Sum", "Mean", "Quantile", "Distinct", "Ratio", "Stock", "Age", "Cohort"}
    assert read | {"Formula", "Change", "Cumulative"} == measures


def test_every_process_is_owned_written_down_and_measured() -> None:
    book = read_book(CONFIG)
    overdue = []
    for process in book.processes.values():
        roles = {metric.role for metric in book.metrics.values() if metric.process == process.name}
        assert roles == {"leading", "lagging"}, process.name
        assert process.deputy is not None
        assert process.sop is not None
        assert process.sop_reviewed is not None
        assert process.sop_review_months is not None
        due = process.sop_reviewed.year * 12 + process.sop_reviewed.month + process.sop_review_months
        if due < 2026 * 12 + 9:
            overdue.append(process.name)
    assert overdue == ["order-delivery"]
    assert all(team.owner is not None for team in book.teams.values())


def scorecard(folder: Path, now: str, *words: str) -> Any:
    session = Session(out=io.StringIO(), err=io.StringIO())
    line = ["--config", str(folder / "metrics.yaml"), "--data", str(folder / "data"), "--now", now, "--format", "json"]
    status = execute(session, [*line, *words])
    assert isinstance(session.out, io.StringIO)
    assert isinstance(session.err, io.StringIO)
    assert status == 0, session.err.getvalue()
    return json.loads(session.out.getvalue())


@pytest.mark.slow
@pytest.mark.parametrize("now", ["2026-11-23T15:30:00Z"])
def test_all_five_statuses_are_there(tmp_path: Path, now: str) -> None:
    """At the last closed week, whatever the clock; more green than anything, and the late bank is never green."""
    clock = FixedClock(datetime.fromisoformat(now))
    (tmp_path / "data").mkdir()
    generate(tmp_path / "data", clock.now())
    with start_feed(0, 7, clock) as feed:
        text = CONFIG.read_text(encoding="utf-8").replace(FEED_URL, feed.url)
        (tmp_path / "metrics.yaml").write_text(text, encoding="utf-8")
        loads = scorecard(tmp_path, now, "refresh")["loads"]
    assert {load["outcome"] for load in loads} == {"ok"}
    assert sum(load["quarantined"] for load in loads) == 0
    readings = {reading["metric"]: reading for reading in scorecard(tmp_path, now, "values")["readings"]}
    colours = Counter(reading["status"] for reading in readings.values())
    assert set(colours) == {"green", "amber", "red", "neutral", "grey"}, colours
    assert 7 <= colours["green"] <= 14, colours
    grey = {name: reading["reason"] for name, reading in readings.items() if reading["status"] == "grey"}
    assert grey == {"cash_collected": "stale", "within_five_days": "too_young"}
    assert all(r["reason"] in {"target", "no_target"} for name, r in readings.items() if name not in grey)
    (night,) = scorecard(tmp_path, now, "values", "csat", "--team", "night-shift")["readings"]
    assert (night["status"], night["reason"]) == ("grey", "too_few")
    running = label_of_week(clock.now().date())
    walls = scorecard(tmp_path, now, "values", "tickets_resolved", "shop_visits", "open_tickets", "--period", running)
    assert all(reading["running"] and reading["value"] > 0 for reading in walls["readings"])


def label_of_week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"
