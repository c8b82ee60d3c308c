"""What days came to when they were last counted, so that a tick moves the periods that hold them without reading them again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from scorecard.measures.plan import Atom, Scan, state_id
from scorecard.measures.slices import Slice
from scorecard.measures.states.additive import NOTHING, Amount

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


@dataclass(slots=True)
class CountedDays:
    """Remembers the days that ticks touch: mostly today, again and again."""

    _days: dict[Scan, dict[date, dict[str, Line]]] = field(default_factory=dict)

    def forget(self, source: str) -> None:
        """All of a source may be another."""
        self._days = {scan: days for scan, days in self._days.items() if scan.source != source}

    def take(
        self, counted: Counted, kinds: Mapping[str, set[str]], slices_of: SlicesOf
    ) -> dict[Scan, dict[date, dict[str, Change]]]:
        """Notes what was counted; gives the change of each day, for the scans of which all days were known before.

        Hours and smallest or largest values are not followed: these cannot be taken away again.
        """
        lines = self._lines(counted, kinds, slices_of)
        found: dict[Scan, dict[date, dict[str, Change]]] = {}
        for scan, days in counted.days.items():
            names = _names(counted, scan)
            known = self._days.setdefault(scan, {})
            if scan.fine or len(days) > MOST_DAYS or any(atom.fold in ("low", "high") for atom in counted.atoms[scan]):
                del self._days[scan]
                continue
            now: dict[date, dict[str, Line]] = {
                day: {name: lines.get((name, day), {}) for name in names} for day in days
            }
            if all(day in known for day in days):
                found[scan] = {
                    day: {name: (known[day].get(name, {}), line) for name, line in states.items()}
                    for day, states in now.items()
                }
            days_known: list[tuple[date, dict[str, Line]]] = [*known.items(), *now.items()]
            self._days[scan] = dict(days_known[-MOST_DAYS:])
        return found

    def _lines(
        self, counted: Counted, kinds: Mapping[str, set[str]], slices_of: SlicesOf
    ) -> dict[tuple[str, date], dict[Slice | None, Amount]]:
        scans = {name: scan for scan in counted.days for name in _names(counted, scan)}
        memory: dict[tuple[Scan, str | None], Sequence[Slice | None]] = {}
        found: dict[tuple[str, date], dict[Slice | None, Amount]] = {}
        for state, bucket, raw, a, b, n, bad, low, high in (row for frame in counted.rows for row in frame.iter_rows()):
            scan = scans.get(state)
            if scan is None:
                continue
            where = memory.get((scan, raw))
            if where is None:
                where = memory[scan, raw] = (None, *slices_of(scan, raw, kinds))
            _add(found.setdefault((state, bucket.date()), {}), where, Amount(int(a), int(b), n, bad, low, high))
        return found


def exchange(line: dict[Slice | None, Amount], before: Line, now: Line) -> None:
    """Takes away what a day came to before and adds what it comes to now; a slice in which nothing is left is left out."""
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
