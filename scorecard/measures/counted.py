"""What days came to when they were last counted, so that a tick moves the periods that hold them without reading them again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple, TypeVar

import polars as pl

from scorecard.measures.plan import Atom, Scan, state_id
from scorecard.measures.slices import Slice
from scorecard.measures.states.additive import NOTHING, Amount, Part

Line = Mapping[Slice | None, Amount]
Change = tuple[Line, Line]
"""(what a day came to before, what it comes to now)."""
SlicesOf = Callable[[Scan, str | None, Mapping[str, set[str]]], Sequence[Slice]]
MOST_DAYS = 40
"""So many days of a scan are remembered; more of them at once are read from what is kept."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Scans that were counted again, each in some days: the rows of their states as they are written (``SCHEMA``)."""

    days: Mapping[Scan, frozenset[date]]
    atoms: Mapping[Scan, Sequence[Atom]]
    rows: Sequence[pl.DataFrame]


class _Known(NamedTuple):
    """What a day comes to: each state by slice, and by raw split value as it is kept. Neither is written again."""

    lines: Mapping[str, Line]
    parts: Mapping[Part, Amount]


Changes = Mapping[Scan, Mapping[date, Mapping[str, Change]]]
Come = Mapping[Scan, Mapping[date, Mapping[Part, Amount]]]
"""What has come to a scan's days."""


@dataclass(slots=True)
class CountedDays:
    """Remembers the days that ticks touch: mostly today, again and again."""

    _days: dict[Scan, dict[date, _Known]] = field(default_factory=dict)

    def forget(self, source: str) -> None:
        """All of a source may be another."""
        self._days = {scan: days for scan, days in self._days.items() if scan.source != source}

    def take(
        self, counted: Counted, kinds: Mapping[str, set[str]], slices_of: SlicesOf
    ) -> dict[Scan, dict[date, dict[str, Change]]]:
        """Notes what was counted; gives the change of each day, for the scans of which all days were known before.

        Not of smallest or largest values: these cannot be taken away again. Hours are not followed.
        """
        now = self._read(counted, kinds, slices_of)
        found: dict[Scan, dict[date, dict[str, Change]]] = {}
        for scan, days in counted.days.items():
            known = self._days.setdefault(scan, {})
            if scan.fine or len(days) > MOST_DAYS:
                del self._days[scan]
                continue
            names = _names(counted, scan)
            if all(day in known for day in days) and all(atom.fold in ("count", "sum") for atom in counted.atoms[scan]):
                found[scan] = {
                    day: {name: (known[day].lines.get(name, {}), now[scan, day].lines.get(name, {})) for name in names}
                    for day in days
                }
            days_known = [*known.items(), *((day, now[scan, day]) for day in days)]
            self._days[scan] = dict(days_known[-MOST_DAYS:])
        return found

    def _read(
        self, counted: Counted, kinds: Mapping[str, set[str]], slices_of: SlicesOf
    ) -> dict[tuple[Scan, date], _Known]:
        """What was counted, by slice and by raw value."""
        scans = {name: scan for scan in counted.days for name in _names(counted, scan)}
        memory: dict[tuple[Scan, str | None], Sequence[Slice | None]] = {}
        lines: dict[tuple[Scan, date], dict[str, dict[Slice | None, Amount]]] = {}
        parts: dict[tuple[Scan, date], dict[Part, Amount]] = {}
        for state, bucket, raw, a, b, n, bad, low, high in (row for frame in counted.rows for row in frame.iter_rows()):
            scan = scans.get(state)
            if scan is None:
                continue
            where = memory.get((scan, raw))
            if where is None:
                where = memory[scan, raw] = (None, *slices_of(scan, raw, kinds))
            place, amount = (scan, bucket.date()), Amount(int(a), int(b), n, bad, low, high)
            parts.setdefault(place, {})[state, raw] = amount
            _add(lines.setdefault(place, {}).setdefault(state, {}), where, amount)
        places = [(scan, day) for scan, days in counted.days.items() for day in days]
        return {place: _Known(lines.get(place, {}), parts.get(place, {})) for place in places}

    # -- rows that have come -----------------------------------------------------------------------------------

    def knows(self, come: Come) -> bool:
        """Whether it is known of all days what they came to before."""
        return all(day in self._days.get(scan, {}) for scan, days in come.items() for day in days)

    def grow(self, come: Come, kinds: Mapping[str, set[str]], slices_of: SlicesOf) -> Changes:
        """Adds what has come; gives the change of each day: what came."""
        found: dict[Scan, dict[date, dict[str, Change]]] = {scan: {} for scan in come}
        for scan, days in come.items():
            memory: dict[str | None, Sequence[Slice | None]] = {}
            for day, parts in days.items():
                known = self._days[scan][day]
                fresh: dict[str, dict[Slice | None, Amount]] = {}
                for (state, raw), amount in parts.items():
                    if raw not in memory:
                        memory[raw] = (None, *slices_of(scan, raw, kinds))
                    _add(fresh.setdefault(state, {}), memory[raw], amount)
                lines = dict(known.lines)
                for state, line in fresh.items():
                    lines[state] = _sum(lines.get(state, {}), line)
                self._days[scan][day] = _Known(lines, _sum(known.parts, parts))
                found[scan][day] = {state: ({}, line) for state, line in fresh.items()}
        return found

    def parts(self, scan: Scan, day: date) -> Mapping[Part, Amount]:
        """What a day comes to, as it is kept."""
        return self._days[scan][day].parts


def exchange(line: dict[Slice | None, Amount], before: Line, now: Line) -> None:
    """Takes away what a day came to before and adds what it comes to now; a slice in which nothing is left is left out."""
    if not before:
        _put(line, now)
        return
    for slice_ in {**before, **now}:
        amount = line.get(slice_, NOTHING).minus(before.get(slice_, NOTHING)).plus(now.get(slice_, NOTHING))
        if amount.n or amount.bad:
            line[slice_] = amount
        else:
            line.pop(slice_, None)


def _names(counted: Counted, scan: Scan) -> list[str]:
    return [state_id(scan, atom) for atom in counted.atoms[scan]]


def _add(line: dict[Slice | None, Amount], slices: Iterable[Slice | None], amount: Amount) -> None:
    for slice_ in slices:
        before = line.get(slice_)
        line[slice_] = amount if before is None else before.plus(amount)


K = TypeVar("K")


def _sum(before: Mapping[K, Amount], more: Mapping[K, Amount]) -> dict[K, Amount]:
    found = dict(before)
    _put(found, more)
    return found


def _put(line: dict[K, Amount], more: Mapping[K, Amount]) -> None:
    for key, amount in more.items():
        known = line.get(key)
        line[key] = amount if known is None else known.plus(amount)
