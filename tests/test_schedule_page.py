"""docs/schedule.md is true: its settings are those that there are, with their defaults, and it has every series of the schedule."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from scorecard.ground.settings import Settings
from scorecard.refresh.pulse import Pulse, Turn
from scorecard.refresh.recent import Recent
from scorecard.warehouse.history import DAYS_KEPT, RECENT_KEPT, TOLD_KEPT
from scorecard.web.api.prometheus import schedule_lines, source_lines

PAGE = (Path(__file__).parent.parent / "docs" / "schedule.md").read_text(encoding="utf-8")
NOW = datetime(2026, 9, 28, tzinfo=UTC)


def test_settings_have_the_defaults_that_are_written() -> None:
    written = dict(re.findall(r"^\| `(\w+)` \| `?([\w:]+)`? \|", PAGE, re.MULTILINE))
    assert written == {name: str(getattr(Settings(), name)) for name in written}
    assert {"workers", "per_host", "retry_at_most", "breaker_after"} <= set(written)


def test_every_series_of_the_schedule_is_on_the_page() -> None:
    turn = Turn("s", "h", NOW, running_since=NOW, next_try=NOW)
    recent = {"s": Recent(failing_since=NOW)}
    pulse = Pulse(turns={"s": turn}, recent=recent, counts={("s", "ok"): 1}, seconds={"s": 1.0})
    names = {line.split()[2] for line in [*schedule_lines(pulse), *source_lines(pulse)] if line.startswith("# TYPE")}
    assert len(names) >= 18
    missing = [n for n in names if n not in PAGE and not any(f"`{part}" in PAGE for part in _short(n))]
    assert not missing


def _short(name: str) -> list[str]:
    return [name.removeprefix(f"scorecard_{kind}") for kind in ("schedule", "source") if f"scorecard_{kind}_" in name]


def test_the_history_is_kept_as_long_as_is_written() -> None:
    assert f"newest {RECENT_KEPT} loads" in PAGE
    assert f"{TOLD_KEPT} that changed something" in PAGE
    assert f"{DAYS_KEPT} days" in PAGE
