"""A source that is loaded in time and whose rows are old: page, wall, API and Prometheus say what the readings say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scorecard.cli.product import open_product
from scorecard.ground.clock import FixedClock
from scorecard.views.shell import Frame, page_for
from scorecard.web.api.prometheus import board_lines
from scorecard.web.api.shapes import source_json

BOOK = """version: 1
organization: {name: Test, timezone: Europe/Berlin, holidays: days.csv}
sources:
  calls: {kind: csv, path: calls.csv, every: 1m, key: [id], time: at, quiet_for: 4h, fresh_for: 1h}
teams:
  desk: {title: Desk, owner: Ana Ruiz <ana@example.com>}
panels: {floor: {show: [{team: desk}]}}
metrics:
  taken: {team: desk, role: leading, grain: day, source: calls, count: rows, better: higher, target: 1}
"""
LOADED = datetime(2026, 9, 29, 8, tzinfo=UTC)  # a Tuesday; 10:00 in Berlin
NEWEST = datetime(2026, 9, 28, 22, tzinfo=UTC)  # midnight there, so that only the hours of Tuesday count


def seen(folder: Path, now: datetime) -> dict[str, Any]:
    """What everybody says of the source at a moment, asked of a board that was published at ``LOADED``."""
    product = open_product(folder / "metrics.yaml", folder / "data", FixedClock(LOADED))
    try:
        product.refresher.pull(cause="command")
        board = product.refresher.publish()
    finally:
        product.close()
    (state,) = board.sources
    (reading,) = board.select(["taken"], period="2026-09-29", now=now)
    lines = board_lines(board, now)
    (on_page,) = page_for(board, "/data", Frame(now)).page["body"]["sources"]
    (on_wall,) = page_for(board, "/wall/floor", Frame(now)).page["body"]["sources"]
    return {
        "api": source_json(state, board.held, now),
        "reading": reading,
        "prometheus": 'scorecard_source_fresh{source="calls"} 1' in lines,
        "until": next(x for x in lines if x.startswith("scorecard_source_fresh_until_seconds{")),
        "page": on_page,
        "wall": on_wall,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "metrics.yaml").write_text(BOOK)
    (tmp_path / "days.csv").write_text("day\n2026-10-03\n")
    (tmp_path / "calls.csv").write_text(
        f"id,at\n1,{NEWEST - timedelta(days=1):%Y-%m-%dT%H:%MZ}\n2,{NEWEST:%Y-%m-%dT%H:%MZ}\n"
    )
    return tmp_path


def test_a_quiet_source_is_not_fresh_for_anybody(folder: Path) -> None:
    quiet_until = NEWEST + timedelta(hours=4)
    found = seen(folder, LOADED)
    assert (found["reading"].status, found["reading"].reason) == ("grey", "stale")
    assert found["api"]["fresh"] is False
    assert found["api"]["fresh_until"] == found["api"]["quiet_until"] == "2026-09-29T02:00:00Z"
    assert not found["prometheus"]
    assert float(found["until"].split()[-1]) == quiet_until.timestamp()
    assert (found["page"]["status"], found["page"]["word"]) == ("grey", "No new rows")
    assert found["page"]["remarks"][0].startswith("no new rows since 00:00")
    assert (found["wall"]["quiet"], found["wall"]["newest"]) == (
        quiet_until.timestamp() * 1e3,
        NEWEST.timestamp() * 1e3,
    )


def test_within_quiet_for_and_without_it_the_loads_age_decides(folder: Path) -> None:
    book = folder / "metrics.yaml"
    book.write_text(BOOK.replace("quiet_for: 4h", "quiet_for: 10h"))
    found = seen(folder, LOADED)
    assert (found["reading"].reason, found["api"]["fresh"], found["prometheus"]) == ("not_started", True, True)
    assert (found["page"]["word"], found["api"]["fresh_until"]) == ("Fresh", "2026-09-29T08:00:00Z")
    assert "No new rows since 00:00" in found["page"]["stale"]
    book.write_text(BOOK.replace("quiet_for: 4h, ", ""))
    found = seen(folder, LOADED + timedelta(minutes=61))
    assert (found["page"]["word"], found["api"]["fresh"], found["api"]["quiet_until"]) == ("Stale", False, None)


def test_working_time_is_that_of_the_metrics_team(folder: Path) -> None:
    (folder / "metrics.yaml").write_text(BOOK.replace("desk: {title: Desk", "desk: {title: Desk, holidays: own.csv"))
    (folder / "own.csv").write_text("day\n2026-09-29\n")
    found = seen(folder, LOADED)
    assert (found["reading"].reason, found["api"]["fresh"]) == ("not_started", True), (
        "the team does not work on that Tuesday"
    )
