"""The small grid in memory: each state's number in each period, for the whole and for each slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Calendar
from scorecard.measures.place import Key, key_of
from scorecard.measures.plan import ALL_ROWS, Plan, Scan, state_id
from scorecard.measures.ranges import DAY, Range, utc_naive
from scorecard.measures.slices import NONE, Slice, Slicing
from scorecard.measures.sql import literal
from scorecard.measures.states.additive import Amount
from scorecard.measures.store import between
from scorecard.warehouse.engine import Engine

Value = Amount | tuple[int, int, float | None]
"""An additive amount, or of a bag: (values counted, values not finite, its number)."""
Cells = dict[Slice | None, dict[Key, Any]]
Touched = Mapping[Grain, tuple[Range, ...]] | None
"""Which periods to read again, as days; None: all."""
_SUMS = (
    "CAST(sum(s.a) AS HUGEINT) AS a, CAST(sum(s.b) AS HUGEINT) AS b, CAST(sum(s.n) AS BIGINT) AS n, "
    "CAST(sum(s.bad) AS BIGINT) AS bad, min(s.low) AS low, max(s.high) AS high"
)


@dataclass(slots=True)
class Grid:
    """What is read from the kept states. ``first_days``: per split scan's time column and slice, the first day with a row."""

    engine: Engine
    plan: Plan
    slicing: Slicing
    calendar: Calendar
    amounts: dict[tuple[str, Grain], Cells] = field(default_factory=dict)
    bags: dict[tuple[str, Grain], Cells] = field(default_factory=dict)
    first_days: dict[Scan, dict[Slice, date]] = field(default_factory=dict)
    raws: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    nameless: set[Scan] = field(default_factory=set)

    def of(self, scan: Scan, atom_id: str, grain: Grain) -> Cells:
        """A state's cells at a grain."""
        return self.amounts.get((atom_id, grain), {})

    def reload(self, source: str, touched: Touched) -> None:
        """Reads a source's states again, in the touched periods only."""
        by_grain: dict[Grain, dict[str, Scan]] = {}
        for scan, atoms in self.plan.scans.items():
            if scan.source == source:
                for grain in self.plan.grains[scan]:
                    by_grain.setdefault(grain, {}).update({state_id(scan, atom): scan for atom in atoms})
        kinds = self.kinds(source)
        for grain, states in by_grain.items():
            self._drop(self.amounts, states, grain, touched)
        parts = [_folded(states, grain, self._bounds(grain, touched)) for grain, states in by_grain.items()]
        if parts:
            rows = self.engine.query(" UNION ALL ".join(parts)).rows()
            self._place_amounts(rows, {n: s for states in by_grain.values() for n, s in states.items()}, kinds)
        self._reload_bags(source, touched)
        self._reload_first_days(source, kinds)

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
        for grain, state, bucket, raw, a, b, n, bad, low, high in rows:
            amount = Amount(int(a), int(b), n, bad, low, high)
            key = bucket if grain == "hour" else bucket.date()
            where = memory.get((state, raw))
            if where is None:
                where = memory[state, raw] = [None, *self.slices_of(scans[state], raw, kinds)]
            cells = self.amounts.setdefault((state, grain), {})
            for slice_ in where:
                line = cells.setdefault(slice_, {})
                before = line.get(key)
                line[key] = amount if before is None else before.plus(amount)

    def _reload_bags(self, source: str, touched: Touched) -> None:
        mine = [bag for bag in self.plan.bags if bag.source == source]
        parts = []
        for grain in dict.fromkeys(g for bag in mine for g in self.plan.bags[bag]):
            states = {bag.id for bag in mine if grain in self.plan.bags[bag]}
            self._drop(self.bags, states, grain, touched)
            bounds = self._bounds(grain, touched)
            within = "" if bounds is None else f" AND {between(bounds)}"
            names = ", ".join(literal(s) for s in sorted(states))
            parts.append(f"SELECT * FROM meter.bags WHERE grain = '{grain}' AND state IN ({names}){within}")
        for state, grain, bucket, kind, name, n, bad, x in (
            self.engine.query(" UNION ALL ".join(parts)).rows() if parts else ()
        ):
            cells = self.bags.setdefault((state, grain), {})
            key = bucket if grain == "hour" else bucket.date()
            cells.setdefault((kind, name) if kind else None, {})[key] = (n, bad, x)

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
        rows = self.engine.query(
            f"SELECT state, slice, min(bucket) AS first FROM meter.additive WHERE state IN ({names}) GROUP BY state, slice"
        ).rows()
        for scan in scans.values():
            self.first_days[scan] = {}
            self.nameless.discard(scan)
            self.raws[source, scan.split or ""] = set()
        for state, raw, first in rows:
            scan = scans[state]
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
        for state in states:
            for line in grid.get((state, grain), {}).values():
                for key in keys:
                    line.pop(key, None)


def _folded(states: Mapping[str, object], grain: Grain, bounds: Sequence[tuple[datetime, datetime]] | None) -> str:
    """SQL that adds kept buckets up to periods of a grain."""
    names = ", ".join(literal(s) for s in sorted(states))
    within = "" if bounds is None else f" AND {between([(a, b) for a, b in bounds]).replace('bucket', 's.bucket')}"
    where = f"WHERE s.state IN ({names}){within}"
    if grain in ("hour", "day"):
        columns = "s.state, s.bucket, s.slice, s.a, s.b, s.n, s.bad, s.low, s.high"
        return f"SELECT '{grain}' AS grain, {columns} FROM meter.additive AS s {where}"
    period = f"CAST(d.{grain} AS TIMESTAMP)"
    return (
        f"SELECT '{grain}' AS grain, s.state, {period} AS bucket, s.slice, {_SUMS} FROM meter.additive AS s "
        f"JOIN meter.days AS d ON CAST(s.bucket AS DATE) = d.bucket {where} GROUP BY s.state, d.{grain}, s.slice"
    )
