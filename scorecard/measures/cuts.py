"""States up to a moment inside a period: what a running period is compared with, and a stock at the watermark.

Whole days come from the kept states, the last, cut day from the rows of that day alone. Quantiles and distinct values are read
from the rows up to the cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, NamedTuple

from scorecard.measures.counting import bag_statements
from scorecard.measures.grid import Grid
from scorecard.measures.place import Here
from scorecard.measures.plan import Atom, Bag, Plan, Scan, state_id
from scorecard.measures.ranges import (
    DAY,
    before_moment,
    column,
    event_before,
    event_days_within,
    moment_literal,
    utc_naive,
)
from scorecard.measures.slices import Slice, Slicing
from scorecard.measures.sql import literal
from scorecard.measures.states.additive import Amount, event_moment, scan_sql
from scorecard.measures.states.rows import Rows
from scorecard.measures.store import between
from scorecard.warehouse.engine import Engine


class Cut(NamedTuple):
    """From the beginning of ``first`` (for hours: from ``start``; None: from ever) up to, not including, ``moment``."""

    fine: bool
    first: date | None
    start: datetime | None
    moment: datetime


Line = dict[Slice | None, Any]


@dataclass(slots=True)
class Cuts:
    """Numbers up to a moment, computed together when they are first asked for and remembered while nothing moves."""

    engine: Engine
    plan: Plan
    slicing: Slicing
    grid: Grid
    _known: dict[tuple[str, Cut], Line] = field(default_factory=dict)

    def forget(self, source: str) -> None:
        """A source's rows have changed."""
        names = set(self.plan.states(source))
        self._known = {k: v for k, v in self._known.items() if k[0] not in names}

    def keep_only(self, wanted: Iterable[Cut]) -> None:
        """Forgets cuts at moments that have passed."""
        kept = set(wanted)
        self._known = {k: v for k, v in self._known.items() if k[1] in kept}

    def amounts(self, here: Here, scan: Scan, name: str, cut: Cut) -> Line:
        """An additive state up to a cut: slice → Amount."""
        if (name, cut) not in self._known:
            self.prepare(here, {scan: [cut]})
        return self._known.get((name, cut), {})

    def bag(self, here: Here, bag: Bag, cut: Cut) -> Line:
        """A quantile or distinct count up to a cut: slice → (n, bad, number)."""
        if (bag.id, cut) not in self._known:
            self.prepare_bags(here, {bag: [cut]})
        return self._known.get((bag.id, cut), {})

    # -- additive states ---------------------------------------------------------------------------------------

    def prepare(self, here: Here, wanted: Mapping[Scan, Sequence[Cut]]) -> None:
        """All states of some scans up to some cuts, in one statement."""
        parts: list[str] = []
        targets: list[tuple[Scan, list[Cut]]] = []
        for scan, cuts in wanted.items():
            named = {state_id(scan, atom): atom for atom in self.plan.scans[scan]}
            missing = [c for c in dict.fromkeys(cuts) if any((n, c) not in self._known for n in named)]
            for cut in missing:
                self._known.update({(name, cut): {} for name in named})
                kept = self._kept_days(here, cut, named)
                if kept is not None:
                    parts.append(_numbered(kept, len(targets)))
                    targets.append((scan, [cut]))
            for moment, start, alike in _by_moment(missing):
                parts.append(_numbered(self._cut_day(here, scan, named, moment, start), len(targets)))
                targets.append((scan, alike))
        if not parts:
            return
        kinds = self.grid.kinds(here.source)
        for number, state, raw, a, b, n, bad, low, high in self.engine.query(" UNION ALL ".join(parts)).rows():
            scan, cuts = targets[number]
            amount = Amount(int(a), int(b), n, bad, low, high)
            for cut in cuts:
                line = self._known[state, cut]
                for slice_ in (None, *self.grid.slices_of(scan, raw, kinds)):
                    before = line.get(slice_)
                    line[slice_] = amount if before is None else before.plus(amount)

    def _kept_days(self, here: Here, cut: Cut, named: Iterable[str]) -> str | None:
        """The kept numbers of all whole days (for hours of a stock: hours of all whole days) before the cut."""
        day = here.calendar.day_of(cut.moment)
        if cut.first is not None and (cut.fine or cut.first >= day):
            return None
        first = datetime.combine(cut.first or date(1, 1, 1), time())
        end = utc_naive(here.calendar.midnight(day)) if cut.fine else datetime.combine(day, time())
        names = ", ".join(literal(s) for s in sorted(named))
        return (
            "SELECT state, slice, CAST(sum(a) AS HUGEINT) AS a, CAST(sum(b) AS HUGEINT) AS b, "
            "CAST(sum(n) AS BIGINT) AS n, CAST(sum(bad) AS BIGINT) AS bad, min(low) AS low, max(high) AS high "
            f"FROM meter.additive WHERE state IN ({names}) AND {between([(first, end)])} GROUP BY state, slice"
        )

    def _cut_day(
        self, here: Here, scan: Scan, named: Mapping[str, Atom], moment: datetime, start: datetime | None
    ) -> str:
        """The rows of the cut day that lie before the cut."""
        day = here.calendar.day_of(moment)
        at_midnight = here.calendar.midnight(day) == moment
        rows = event_days_within(scan, ((day, day + DAY),))
        rows += f" AND {event_before(scan, here.columns, moment, day, at_midnight=at_midnight)}"
        if scan.fine and start is not None:
            rows += f" AND {event_moment(scan)} >= {moment_literal(start)}"
        return scan_sql(scan, named, here.table, rows, "TIMESTAMP '1970-01-01'")

    # -- quantiles and distinct values -------------------------------------------------------------------------

    def prepare_bags(self, here: Here, wanted: Mapping[Bag, Sequence[Cut]]) -> None:
        """Quantiles and distinct counts up to some cuts, in one statement."""
        groups: dict[tuple[str, Cut], list[Bag]] = {}
        for bag, cuts in wanted.items():
            for cut in dict.fromkeys(cuts):
                if (bag.id, cut) not in self._known:
                    groups.setdefault((bag.time, cut), []).append(bag)
                    self._known[bag.id, cut] = {}
        numbered = list(groups)
        raws = {split: raws for (source, split), raws in self.grid.raws.items() if source == here.source}
        parts = [
            f"SELECT {number} AS cut, s.* FROM ({write(states)}) AS s"
            for number, (axis, cut) in enumerate(numbered)
            for states, write in bag_statements(self.slicing, raws, groups[axis, cut], self._rows(here, axis, cut))
        ]
        if parts:
            frame = self.engine.query(" UNION ALL ".join(parts))
            for number, state, _, _, kind, name, n, bad, x in frame.rows():
                self._known[state, numbered[number][1]][(kind, name) if kind else None] = (n, bad, x)

    def _rows(self, here: Here, axis: str, cut: Cut) -> Rows:
        day = here.calendar.day_of(cut.moment)
        at_midnight = here.calendar.midnight(day) == cut.moment
        before = before_moment(axis, here.columns[axis], cut.moment, day, at_midnight=at_midnight)
        if cut.fine and cut.start is not None:
            before += f" AND {column(axis)} >= {moment_literal(cut.start)}"
        ranges = ((cut.first or day, day + DAY),)
        zone, bucket = here.calendar.timezone, "DATE '1970-01-01'"
        return Rows(here.table, axis, "day", ranges, before, zone, here.whole_hours, bucket)


def _numbered(sql: str, number: int) -> str:
    columns = "s.state, s.slice, s.a, s.b, s.n, s.bad, s.low, s.high"
    return f"SELECT {number} AS cut, {columns} FROM ({sql}) AS s"


def _by_moment(cuts: Iterable[Cut]) -> list[tuple[datetime, datetime | None, list[Cut]]]:
    """Cuts that end alike need the same rows of their last day (for hours also the same beginning)."""
    found: dict[tuple[datetime, datetime | None], list[Cut]] = {}
    for cut in cuts:
        found.setdefault((cut.moment, cut.start), []).append(cut)
    return [(moment, start, alike) for (moment, start), alike in found.items()]
