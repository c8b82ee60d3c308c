"""The run history: bounded for each source, quiet loads first to go, and asked for in several ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scorecard.ground.clock import FixedClock
from scorecard.warehouse import history
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import Load
from scorecard.warehouse.records import write_load

NOW = datetime(2026, 9, 28, 8, tzinfo=UTC)


def load(id_: int, source: str, outcome: str, days: float = 0) -> Load:
    at = NOW - timedelta(days=days)
    return Load(id_, source, outcome, "schedule", at, at, 1)


def test_each_source_keeps_its_newest_loads_and_what_was_worth_telling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "RECENT_KEPT", 5)
    monkeypatch.setattr(history, "TOLD_KEPT", 8)
    engine = DuckWarehouse.open(tmp_path, FixedClock(NOW))
    with engine._writing(), engine._cursor() as cursor:
        ids = iter(range(1, 1000))
        write_load(cursor, load(next(ids), "rare", "ok", days=400))
        write_load(cursor, load(next(ids), "often", "ok", days=100))
        for n in range(60):
            write_load(cursor, load(next(ids), "often", "failed" if n % 5 == 0 else "unchanged"))
        history.prune(cursor, NOW)
    often = engine.loads("often", 1000)
    assert [x.outcome for x in often[:5]] == ["unchanged"] * 4 + ["failed"]
    assert [x.outcome for x in often[5:]] == ["failed"] * 7, "eight that say something, the hundred days old one not"
    assert len(engine.loads("rare")) == 1, "the only load of a source is never forgotten"
    assert {x.outcome for x in engine.loads(None, 100, "failed")} == {"failed"}
    assert engine.loads("often", 1, "failed")[0].id == often[4].id
    engine.close()


def test_what_is_remembered_at_the_start_reaches_back_to_the_last_good_load(tmp_path: Path) -> None:
    engine = DuckWarehouse.open(tmp_path, FixedClock(NOW))
    with engine._writing(), engine._cursor() as cursor:
        write_load(cursor, load(1, "s", "ok"))
        for n in range(2, 30):
            write_load(cursor, load(n, "s", "failed"))
        for n in range(30, 40):
            write_load(cursor, load(n, "t", "unchanged"))
    recent = engine.recent_loads(3)
    assert [x.id for x in recent if x.source == "s"] == list(range(1, 30)), (
        "failing since when is known after a restart"
    )
    assert [x.id for x in recent if x.source == "t"] == [37, 38, 39]
    engine.close()


def test_no_load_comes_from_the_future(tmp_path: Path) -> None:
    engine = DuckWarehouse.open(tmp_path, FixedClock(NOW))
    later, moment = NOW + timedelta(hours=1), NOW.replace(tzinfo=None)
    body = "INSERT INTO _loads.standing VALUES (?, ?, ?, '{}')"
    naive = later.replace(tzinfo=None)
    engine.write([(body, ["a", naive, naive]), (body, ["b", moment - timedelta(1), moment - timedelta(2)])])
    engine.write(history.no_later_than(NOW))
    rows = engine.query("SELECT source, loaded_at, data_until FROM _loads.standing ORDER BY source").rows()
    assert rows == [("a", moment, moment), ("b", moment - timedelta(1), moment - timedelta(2))]
    engine.close()
