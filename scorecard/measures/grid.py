"""The small grid in memory: each state's number in each period, for the whole and for each slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

import polars as pl

from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Calendar
from scorecard.measures.counted import Change, Changes, Counted, CountedDays, exchange
from scorecard.measures.folding import Answer, fold, read_whole
from scorecard.measures.keeping import Keeping
from scorecard.measures.place import Key, key_of
from scorecard.measures.plan import ALL_ROWS, Plan, Scan, state_id
from scorecard.measures.ranges import DAY, Range, joined, utc_naive, within
from scorecard.measures.slices import NONE, Slice, Slicing
from scorecard.measures.sql import literal
from scorecard.measures.states.additive import Amount
from scorecard.measures.store import BAGS, Place, between

Value = Amount | tuple[int, int, float | None]
"""An additive amount, or of a bag: (values counted, values not finite, its number)."""
Line = Mapping[Slice | None, Any]
Cells = Mapping[Key, Line]
"""Never written again once it is in the grid: whoever has taken one out keeps what was there."""
Touched = Mapping[Grain, tuple[Range, ...]] | None
"""Which periods to read again, as days; None: all."""
ByAxis = Mapping[str, Mapping[Grain, tuple[Range, ...]]]
_Fresh = dict[tuple[str, Grain], dict[Key, dict[Slice | None, Any]]]
_SUMS = (
    "CAST(sum(s.a) AS HUGEINT) AS a, CAST(sum(s.b) AS HUGEINT) AS b, CAST(sum(s.n) AS BIGINT) AS n, "
    "CAST(sum(s.bad) AS BIGINT) AS bad, min(s.low) AS low, max(s.high) AS high"
)


@dataclass(slots=True)
class Grid:
    """What is read from the kept states. ``first_days``: per split scan's time column and slice, the first day with a row."""

    keeping: Keeping
    plan: Plan
    slicing: Slicing
    calendar: Calendar
    amounts: dict[tuple[str, Grain], Cells] = field(default_factory=dict)
    bags: dict[tuple[str, Grain], Cells] = field(default_factory=dict)
    first_days: dict[Scan, dict[Slice, date]] = field(default_factory=dict)
    raws: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    nameless: set[Scan] = field(default_factory=set)
    raw_firsts: dict[Scan, dict[str | None, date]] = field(default_factory=dict)
    unsettled: set[str] = field(default_factory=set)
    days: CountedDays = field(default_factory=CountedDays)
    _lines: dict[tuple[str, Grain, Slice | None], tuple[Cells, Mapping[Key, Any]]] = field(default_factory=dict)

    def line(self, state: str, grain: Grain, slice_: Slice | None) -> Mapping[Key, Any]:
        """An additive state's numbers in the periods of a grain, of one slice."""
        cells = self.amounts.get((state, grain), {})
        known = self._lines.get((state, grain, slice_))
        if known is None or known[0] is not cells:
            line = {key: line[slice_] for key, line in cells.items() if slice_ in line}
            known = self._lines[state, grain, slice_] = cells, line
        return known[1]

    def reload(
        self,
        source: str,
        touched: Touched,
        by_axis: ByAxis | None = None,
        fresh: Sequence[pl.DataFrame] = (),
        lines: Mapping[Place, Line] | None = None,
        counted: Counted | None = None,
        answers: Sequence[Answer] = (),
        changes: Changes | None = None,
    ) -> None:
        """Reads a source's states again, in the touched periods only (``touched``: of all axes).

        Of bags ``fresh`` and ``lines`` are what they now are in the periods of ``by_axis``: time column → its touched periods.
        ``counted``: what was counted again of additive states, ``answers``: those that were counted from all rows, ``changes``:
        what has come to others.
        """
        kinds = self.kinds(source)
        known: dict[Scan, Mapping[date, Mapping[str, Change]]] = dict(changes or {})
        if counted is not None and touched is not None:
            known |= self.days.take(counted, kinds, self.slices_of)
        if touched is None:
            self.days.forget(source)
        by_grain: dict[Grain, dict[str, Scan]] = {}
        for scan in self.plan.scans:
            if scan.source != source:
                continue
            if scan in known:
                self._move(scan, known[scan])
                continue
            for grain, own in self.plan.states_at(scan).items():
                by_grain.setdefault(grain, {}).update(dict.fromkeys(own, scan))
        if touched is None:
            self._read_whole(by_grain, kinds, answers)
        else:
            self._read_touched(by_grain, touched, kinds)
        self._reload_bags(source, touched, by_axis or {}, fresh, lines or {})
        if touched is None or self._may_begin_elsewhere(source, touched):
            self._reload_first_days(source, kinds)

    def _read_whole(
        self, by_grain: Mapping[Grain, Mapping[str, Scan]], kinds: Mapping[str, set[str]], answers: Sequence[Answer]
    ) -> None:
        """All periods of all states: from what was just counted, or from what is kept."""
        scans = {n: s for states in by_grain.values() for n, s in states.items()}

        def slices_of(state: str, raw: str) -> Sequence[Slice]:
            return self.slices_of(scans[state], raw, kinds)

        known = set[str]()
        for answer in answers:
            folded = fold(answer, by_grain, self.calendar, slices_of)
            if folded is not None:
                self.amounts.update(folded)
                known.update(answer.states)
        asked = {grain: [s for s in states if s not in known] for grain, states in by_grain.items()}
        asked = {grain: states for grain, states in asked.items() if states}
        self.amounts.update(read_whole(self.keeping, asked, slices_of))

    def _read_touched(
        self,
        by_grain: Mapping[Grain, Mapping[str, Scan]],
        touched: Mapping[Grain, tuple[Range, ...]],
        kinds: Mapping[str, set[str]],
    ) -> None:
        for grain, states in by_grain.items():
            self._drop(self.amounts, states, grain, touched)
        parts = self._folds(by_grain, touched)
        if parts:
            rows = self.keeping.query(" UNION ALL ".join(parts)).rows()
            self._place_amounts(rows, {n: s for states in by_grain.values() for n, s in states.items()}, kinds)

    def _move(self, scan: Scan, days: Mapping[date, Mapping[str, Change]]) -> None:
        """Puts what came and went on some days into all periods that hold them: exact, as these are sums of whole numbers."""
        for grain, own in self.plan.states_at(scan).items():
            fresh: _Fresh = {}
            asked = set(own)
            for day, states in days.items():
                key = key_of(self.calendar.period(day, grain))
                for state, (before, now) in states.items():
                    if state not in asked:
                        continue
                    lines = fresh.setdefault((state, grain), {})
                    if key not in lines:
                        lines[key] = dict(self.amounts.get((state, grain), {}).get(key, {}))
                    exchange(lines[key], before, now)
            _take(self.amounts, fresh)

    def _folds(self, by_grain: Mapping[Grain, Mapping[str, Scan]], touched: Touched) -> list[str]:
        """Statements that add kept buckets up to periods: one for all grains that the calendar's days give."""
        parts = [
            _listed(states, grain, self._bounds(grain, touched))
            for grain, states in by_grain.items()
            if grain in ("hour", "day")
        ]
        joined_days = {g: states for g, states in by_grain.items() if g not in ("hour", "day")}
        groups: dict[frozenset[str], list[Grain]] = {}
        for grain, states in joined_days.items():
            groups.setdefault(frozenset(states), []).append(grain)
        for names, grains in groups.items():
            parts.append(_folded(names, {g: None if touched is None else touched.get(g, ()) for g in grains}))
        return parts

    def _may_begin_elsewhere(self, source: str, touched: Mapping[Grain, tuple[Range, ...]]) -> bool:
        """Whether touched days hold a slice's first row, or may hold a new slice's."""
        first = min((a for a, _ in touched.get("day", ())), default=None)
        if first is None or source in self.unsettled:
            return True
        return any(
            first <= day for scan, days in self.raw_firsts.items() if scan.source == source for day in days.values()
        )

    def knows(self, scan: Scan, raws: AbstractSet[str | None]) -> bool:
        """Whether raw values of its split column have been there before."""
        firsts = self.raw_firsts.get(scan)
        if firsts is not None:
            return raws <= firsts.keys()
        return scan.split is None or raws - {None} <= self.raws.get((scan.source, scan.split), set())

    def kinds(self, source: str) -> dict[str, set[str]]:
        """Split column → what its values name."""
        kinds: dict[str, set[str]] = {}
        for one in self.plan.lowered.values():
            split = one.metric.split
            if one.metric.source == source and split is not None:
                kinds.setdefault(split.column, set()).add(split.kind)
        return kinds

    def slices_of(self, scan: Scan, raw: str | None, kinds: Mapping[str, set[str]]) -> list[Slice]:
        """The slices of a raw value of the scan's split column."""
        if scan.split is None or raw is None:
            return []
        return [s for kind in kinds.get(scan.split, ()) for s in self.slicing.slices_of(kind, raw)]

    def _place_amounts(
        self, rows: Sequence[tuple[Any, ...]], scans: Mapping[str, Scan], kinds: Mapping[str, set[str]]
    ) -> None:
        memory: dict[tuple[str, str | None], list[Slice | None]] = {}
        fresh: _Fresh = {}
        for grain, state, bucket, raw, a, b, n, bad, low, high in rows:
            amount = Amount(int(a), int(b), n, bad, low, high)
            key = bucket if grain == "hour" else bucket.date()
            where = memory.get((state, raw))
            if where is None:
                where = memory[state, raw] = [None, *self.slices_of(scans[state], raw, kinds)]
            line = fresh.setdefault((state, grain), {}).setdefault(key, {})
            for slice_ in where:
                before = line.get(slice_)
                line[slice_] = amount if before is None else before.plus(amount)
        _take(self.amounts, fresh)

    def renew_ages(self, source: str, since: Mapping[Grain, Key], fresh: Sequence[pl.DataFrame]) -> None:
        """Takes over ages counted again from the period of some keys on (grain → first key)."""
        for one, grains in self.plan.ages.items():
            for grain in grains if one.source == source else ():
                known = self.bags.get((one.id, grain), {})
                self.bags[one.id, grain] = {key: line for key, line in known.items() if key < since[grain]}
        self._place_bags(fresh)

    def _reload_bags(
        self,
        source: str,
        touched: Touched,
        by_axis: ByAxis,
        fresh: Sequence[pl.DataFrame],
        lines: Mapping[Place, Line],
    ) -> None:
        for bag, grains in self.plan.bags.items():
            for grain in grains if bag.source == source else ():
                self._drop(self.bags, {bag.id}, grain, None if touched is None else by_axis.get(bag.time, {}))
        for one, grains in self.plan.ages.items():
            for grain in grains if one.source == source and touched is None else ():
                self.bags.pop((one.id, grain), None)
        frames = list(fresh)
        mine = [bag.id for bag in self.plan.bags if bag.source == source]
        mine += [ages.id for ages in self.plan.ages if ages.source == source]
        if touched is None and mine:
            names = ", ".join(literal(name) for name in mine)
            frames = [self.keeping.query(f"SELECT {', '.join(BAGS)} FROM meter.bags WHERE state IN ({names})")]
        self._place_bags(frames)
        if touched is not None:
            for (state, grain, bucket), line in lines.items():
                self.bags[state, grain] = {**self.bags.get((state, grain), {}), bucket.date(): line}

    def _place_bags(self, frames: Iterable[pl.DataFrame]) -> None:
        fresh: _Fresh = {}
        for frame in frames:
            for state, grain, bucket, kind, name, n, bad, x in frame.rows():
                key = bucket if grain == "hour" else bucket.date()
                line = fresh.setdefault((state, grain), {}).setdefault(key, {})
                line[(kind, name) if kind else None] = (n, bad, x)
        _take(self.bags, fresh)

    def reload_raws(self, source: str) -> None:
        """Reads which split values there are."""
        self._reload_first_days(source, self.kinds(source))

    def _reload_first_days(self, source: str, kinds: Mapping[str, set[str]]) -> None:
        scans = {
            state_id(scan, ALL_ROWS): scan
            for scan, atoms in self.plan.scans.items()
            if scan.source == source and scan.split is not None and not scan.fine and ALL_ROWS in atoms
        }
        if not scans:
            return
        names = ", ".join(literal(s) for s in scans)
        rows = self.keeping.query(
            f"SELECT state, slice, min(bucket) AS first FROM meter.additive WHERE state IN ({names}) GROUP BY state, slice"
        ).rows()
        self.unsettled.discard(source)
        for scan in scans.values():
            self.first_days[scan] = {}
            self.raw_firsts[scan] = {}
            self.nameless.discard(scan)
            self.raws[source, scan.split or ""] = set()
        for state, raw, first in rows:
            scan = scans[state]
            self.raw_firsts[scan][raw] = first.date()
            if raw is None:
                self.nameless.add(scan)
                continue
            self.raws[source, scan.split or ""].add(raw)
            days = self.first_days[scan]
            for slice_ in self.slices_of(scan, raw, kinds):
                days[slice_] = min(first.date(), days.get(slice_, first.date()))

    def unassigned(self, scan: Scan, kind: str) -> tuple[str, ...]:
        """Raw values that name nothing, as they are written."""
        raws = self.raws.get((scan.source, scan.split or ""), set())
        unknown = sorted(raw for raw in raws if not self.slicing.slices_of(kind, raw))
        return (*unknown, *([NONE] if scan in self.nameless else []))

    def _bounds(self, grain: Grain, touched: Touched) -> list[tuple[datetime, datetime]] | None:
        if touched is None:
            return None
        ranges = touched.get(grain, ())
        if grain == "hour":
            midnight = self.calendar.midnight
            return [(utc_naive(midnight(a)), utc_naive(midnight(b))) for a, b in ranges]
        return [(datetime.combine(a, time()), datetime.combine(b, time())) for a, b in ranges]

    def _drop(
        self,
        grid: dict[tuple[str, Grain], Cells],
        states: Mapping[str, object] | set[str],
        grain: Grain,
        touched: Touched,
    ) -> None:
        if touched is None:
            for state in states:
                grid.pop((state, grain), None)
            return
        days = [(first, until - DAY) for first, until in touched.get(grain, ())]
        keys = [key_of(p) for first, last in days for p in self.calendar.between(grain, first, last)]
        for state in states if keys else ():
            cells = dict(grid.get((state, grain), {}))
            for key in keys:
                cells.pop(key, None)
            grid[state, grain] = cells


def _take(grid: dict[tuple[str, Grain], Cells], fresh: _Fresh) -> None:
    """Puts periods in their places; what was taken out of the grid before stays as it is."""
    for place, lines in fresh.items():
        grid[place] = {**grid.get(place, {}), **lines}


def _listed(states: Iterable[str], grain: Grain, bounds: Sequence[tuple[datetime, datetime]] | None) -> str:
    """SQL for kept buckets that are themselves periods of a grain."""
    only = "" if bounds is None else f" AND {between(bounds)}"
    names = ", ".join(literal(s) for s in sorted(states))
    columns = "state, bucket, slice, a, b, n, bad, low, high"
    return f"SELECT '{grain}' AS grain, {columns} FROM meter.additive WHERE state IN ({names}){only}"


def _folded(states: Iterable[str], touched: Mapping[Grain, tuple[Range, ...] | None]) -> str:
    """SQL that adds kept days up to the periods of some grains (None: all of them)."""
    names = ", ".join(literal(s) for s in sorted(states))
    pieces = " UNION ALL ".join(
        f"SELECT bucket AS day, '{grain}' AS grain, {grain} AS period FROM meter.days"
        + ("" if ranges is None else f" WHERE {within('bucket', ranges)}")
        for grain, ranges in touched.items()
    )
    known = [ranges for ranges in touched.values() if ranges is not None]
    days = ""
    if len(known) == len(touched):
        bounds = [
            (datetime.combine(a, time()), datetime.combine(b, time())) for a, b in joined(r for k in known for r in k)
        ]
        days = f" AND {between(bounds, 's.bucket')}"
    return (
        f"SELECT d.grain, s.state, CAST(d.period AS TIMESTAMP) AS bucket, s.slice, {_SUMS} FROM meter.additive AS s "
        f"JOIN ({pieces}) AS d ON CAST(s.bucket AS DATE) = d.day WHERE s.state IN ({names}){days} "
        "GROUP BY s.state, d.grain, d.period, s.slice"
    )
