"""How each source stands, for a board: what was loaded when, what became of the last load, until when it is fresh."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from scorecard.board.reading import NO_ROWS, SourceState
from scorecard.book.calendars import Calendars
from scorecard.book.model import Book
from scorecard.book.model.source import Source
from scorecard.ground.periods.calendar import Calendar
from scorecard.judgement.freshness import default_fresh_for, quiet_until
from scorecard.measures.values import Measured
from scorecard.warehouse.engine import Load, Quarantine, Standing


def states_of(
    book: Book,
    calendar: Calendar,
    standings: Mapping[str, Standing],
    latest: Mapping[str, Load],
    asides: Mapping[str, Quarantine],
    measured: Measured,
    next_run: Callable[[str], datetime | None],
) -> tuple[SourceState, ...]:
    """Of every source of the book, in its order. ``latest``: the newest load of each."""
    unassigned: dict[str | None, set[str]] = {}
    working: dict[str | None, dict[int, Calendar]] = {}
    calendars = Calendars(book, calendar)
    for metric in book.metrics.values():
        unassigned.setdefault(metric.source, set()).update(measured.unassigned.get(metric.name, ()))
        theirs = calendars.of(metric, None)
        working.setdefault(metric.source, {})[id(theirs)] = theirs
    return tuple(
        _state(
            source,
            calendar,
            tuple(working.get(name, {}).values()) or (calendar,),
            standings.get(name),
            latest.get(name),
            asides.get(name, NO_ROWS),
            measured,
            next_run(name),
            unassigned.get(name, ()),
        )
        for name, source in book.sources.items()
    )


def _state(
    source: Source,
    calendar: Calendar,
    working: Iterable[Calendar],
    standing: Standing | None,
    last: Load | None,
    aside: Quarantine,
    measured: Measured,
    next_run: datetime | None,
    unassigned: Iterable[str],
) -> SourceState:
    name, rhythm = source.name, source.schedule
    loaded_at = None if standing is None else standing.loaded_at
    fresh_for = source.fresh_for_seconds or default_fresh_for(rhythm.every_seconds, rhythm.cron, loaded_at, calendar)
    data_until = None if standing is None else standing.data_until
    problem = next((p for p in last.problems if p.severity == "error"), None) if last is not None else None
    return SourceState(
        name=name,
        kind=source.kind,
        outcome=None if last is None else last.outcome,
        loaded_at=loaded_at,
        data_until=data_until,
        good_until=None if loaded_at is None else loaded_at + timedelta(seconds=fresh_for),
        next_run=next_run,
        problem=None if problem is None else str(problem),
        hint=None if problem is None else problem.hint,
        rows=None if standing is None else standing.rows,
        generation=None if standing is None else standing.generation,
        quarantined=aside.missing,
        quarantine=aside,
        future_rows=measured.future_rows.get(name, 0),
        undated_rows=measured.undated_rows.get(name, 0),
        unassigned=tuple(sorted(unassigned)),
        quiet_until=_quiet_until(source, data_until, working),
    )


def _quiet_until(source: Source, data_until: datetime | None, working: Iterable[Calendar]) -> datetime | None:
    """When the first of its metrics finds it quiet for too long: the readings of what runs now turn grey with it."""
    if data_until is None:
        return None
    after = data_until + timedelta.resolution
    moments = (quiet_until(after, data_until, source.quiet_for_seconds, calendar) for calendar in working)
    return min((moment for moment in moments if moment is not None), default=None)
