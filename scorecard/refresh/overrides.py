"""The overrides that people have written, as the board needs them: the newest for each reading."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import cast, get_args

from scorecard.board.reading import Overrides, SeriesKey
from scorecard.ground.errors import Refused, Unavailable
from scorecard.ground.periods.calendar import Calendar
from scorecard.journal.journal import Entry, Journal
from scorecard.judgement.override import Override
from scorecard.judgement.status import Status


class OverridesRead:
    """Reads the journal again only where somebody has written an override since, in this process or another."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._newest: str | None = None
        self._entries: tuple[Entry, ...] = ()

    def changed(self) -> bool:
        """Whether there are overrides that ``current`` has not given yet. A journal that cannot be read has none to give."""
        try:
            return self._last() != self._newest
        except Unavailable:
            return False

    def current(self, calendar: Calendar) -> Overrides:
        """All that count. Those that were known stay while the journal cannot be read."""
        try:
            newest = self._last()
            if newest != self._newest:
                self._entries, self._newest = self._journal.entries("override", limit=None), newest
        except Unavailable:
            pass  # it is said where something is written; a board must not wait for it
        return newest_of(self._entries, calendar)

    def _last(self) -> str | None:
        found = self._journal.entries("override", limit=1)
        return found[0].id if found else None


def newest_of(entries: Iterable[Entry], calendar: Calendar) -> Overrides:
    """The newest override of each reading, from entries that come newest first; what takes one back leaves none."""
    found: dict[SeriesKey, dict[str, Override]] = {}
    seen: set[tuple[SeriesKey, str]] = set()
    for entry in entries:
        where = _reading_of(entry, calendar)
        if where is None or where in seen:
            continue
        seen.add(where)
        override = _override(entry)
        if override is not None:
            found.setdefault(where[0], {})[where[1]] = override
    return found


def _reading_of(entry: Entry, calendar: Calendar) -> tuple[SeriesKey, str] | None:
    """(series, period) that an entry is about; None where this organisation's calendar has no such period any more."""
    slice_ = entry.body.get("slice")
    try:
        period = calendar.parse(str(entry.body.get("period")))
    except Refused:
        return None
    kind = next(iter(slice_.items())) if isinstance(slice_, dict) and len(slice_) == 1 else None
    return (str(entry.body.get("metric")), period.grain, kind), period.label


def _override(entry: Entry) -> Override | None:
    status, text, until = (entry.body.get(key) for key in ("status", "text", "until"))
    if status not in get_args(Status) or status == entry.body.get("judged"):
        return None  # taken back: by name, or by saying what was judged anyway
    ends = datetime.fromisoformat(until) if isinstance(until, str) else None
    return Override(cast(Status, status), entry.by, entry.at, text if isinstance(text, str) else None, ends)
