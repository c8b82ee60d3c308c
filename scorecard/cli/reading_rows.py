"""How readings are printed: as rows for people, as JSON and CSV for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scorecard.cli.output import print_json, print_rows, status
from scorecard.cli.session import Session
from scorecard.ground.numbers import NOTHING, print_against, print_value

if TYPE_CHECKING:
    from datetime import datetime

    from scorecard.board.reading import Reading
    from scorecard.ground.periods.calendar import Calendar
    from scorecard.judgement.targets import Limit

READING_COLUMNS = (
    "metric", "grain", "period", "slice", "value", "text", "status", "reason", "target", "amber", "n", "because",
    "previous", "year_ago", "loaded_at", "data_until", "fresh_until",
)  # fmt: skip


def print_readings(session: Session, readings: Sequence[Reading]) -> None:
    """Readings in the format asked for; JSON is the API's own answer."""
    if session.options.format == "json":
        print_json(session, {"readings": [r.as_json() for r in readings]})
        return
    if session.options.format == "csv":
        print_rows(session, READING_COLUMNS, [reading_cells(r) for r in readings])
        return
    rows = [
        (r.metric, r.period, "" if r.slice is None else r.slice[1], r.text, status(session, r.status), r.because)
        for r in readings
    ]
    print_rows(session, ("metric", "period", "slice", "value", "status", "because"), rows)


def reading_cells(reading: Reading) -> list[object]:
    """A reading's values in the order of READING_COLUMNS."""
    told = reading.as_json()
    cells: list[object] = []
    for name in READING_COLUMNS:
        cell = told[name]
        if isinstance(cell, dict):
            cell = next(iter(cell.values()))
        cells.append(" to ".join(map(str, cell)) if isinstance(cell, list) else cell)
    return cells


def reading_texts(reading: Reading, unit: str | None, decimals: int | None) -> tuple[str, str, str]:
    """(value, target, amber limit) as printed beside each other, with as many digits as it takes to compare them.

    Of a running period that has a pace: what was reached, and where that is heading.
    """
    limits = [_edges(reading.target), _edges(reading.amber)]
    heading = reading.projected
    judged = reading.value if heading is None else heading.value
    value, *printed = print_against(judged, [*limits[0], *limits[1]], unit, decimals)
    if heading is not None:
        value = f"{print_value(reading.value, None if unit != 'percent' else unit, decimals)} → {value}"
    target, amber = printed[: len(limits[0])], printed[len(limits[0]) :]
    return value, " to ".join(target), " to ".join(amber)


def _edges(limit: Limit | None) -> tuple[float, ...]:
    return () if limit is None else limit if isinstance(limit, tuple) else (limit,)


def local_text(calendar: Calendar, moment: datetime | None) -> str:
    """A moment as the organisation's clocks show it: ``2026-09-28 09:58``."""
    return NOTHING if moment is None else f"{calendar.at(moment):%Y-%m-%d %H:%M}"
