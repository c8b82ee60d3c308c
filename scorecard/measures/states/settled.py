"""What is settled of long periods: so that a year's median after ten new rows does not cost a year's rows.

A stretch is the rows of some days: the settled ones, whole days that nothing has touched since they were looked at, and a short
tail. Of the settled days a quantile needs only how many values lie below a window around it, and the values in the window; a
distinct count needs only its number, and which of the tail's values were there before. The result is exactly that of all rows;
where it cannot be (the quantile has left its window), there is none, and all rows are read again.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

import polars as pl

from scorecard.measures.plan import Bag
from scorecard.measures.ranges import Range, day_of, within
from scorecard.measures.slices import Slice
from scorecard.measures.sql import ROWS, literal
from scorecard.measures.states.additive import finite
from scorecard.measures.states.dayrows import Day, Tail, counted, has, word_of
from scorecard.measures.states.rows import Piece, Rows, Slices, guarded
from scorecard.measures.states.stretches import NOTHING, Distinct, Line, Quantile, Seen, Window, between_values
from scorecard.measures.states.tails import Tails
from scorecard.warehouse.engine import Engine

Place = tuple[str, date, date]
"""(bag, first day, day after the last settled one)."""
Lines = dict[tuple[str, "Stretch"], Line]
Most = Mapping[Slice | None, int]
"""Slice → so many values come now, or fewer."""
Asked = Mapping[Bag, Mapping[Range, Most]]
"""Bag → days of which its window is asked for (first, day after the last) → what comes to them."""
Around = Mapping[Place, Mapping[Slice | None, Window]]
"""Windows as far as they could be looked for."""
MARGIN = 0.01
"""How far a window reaches on either side of its quantile, as a share of the values."""
ALL_OF = 10_000
"""Of so few values all are kept."""
ROOM = 8
"""For so many times as many values as come now a window has room: rows come to a day again and again."""
LONGEST_IDLE = 500
"""Changes of a source after which what none of them has asked for is forgotten."""
LONGEST_TAIL = 8
"""Days after which the settled days are looked at anew."""
MOST_CLOSED = 2 * LONGEST_TAIL
"""Days that are added to those that were settled before; where more have closed, all are looked at anew."""
FROM_ROWS = 500
"""Periods of fewer rows are read whole: that is quicker."""


class Stretch(NamedTuple):
    """Days from ``first`` to before ``split`` are settled; the tail is from there to before ``until`` (and ``before``)."""

    first: date
    split: date
    until: date
    before: datetime | None = None


@dataclass(slots=True)
class Settled:
    """Remembers settled days of some bags. ``fused``: how this engine rounds between two values (None: not known yet)."""

    engine: Engine
    tails: Tails
    _windows: dict[Place, Mapping[Slice | None, Window]] = field(default_factory=dict)
    _seen: dict[Place, Seen] = field(default_factory=dict)
    _idle: dict[Place, int] = field(default_factory=dict)
    _rooms: dict[tuple[Place, Slice | None], tuple[Window, tuple[object, ...], int]] = field(default_factory=dict)
    _fused: bool | None = None

    def forget(self, states: Iterable[str], days: Iterable[date] | None) -> None:
        """Rows of some days (None: any) have changed."""
        names = set(states)
        touched = None if days is None else sorted(days)

        def stays(key: Place) -> bool:
            if key[0] not in names:
                return True
            return touched is not None and bisect_left(touched, key[1]) == bisect_left(touched, key[2])

        self._windows = {k: v for k, v in self._windows.items() if stays(k)}
        self._seen = {k: v for k, v in self._seen.items() if stays(k)}

    def tidy(self, sources: Mapping[str, Iterable[str]]) -> None:
        """Forgets what the states of some sources were not asked for since the last time, but that more settled days are asked
        for by now; and what was not asked for for long. (A tick may touch one time column and not another.)"""
        names = {name for states in sources.values() for name in states}
        newest: dict[tuple[str, date], date] = {}
        for (state, first, split), idle in self._idle.items():
            if state in names and not idle:
                newest[state, first] = max(split, newest.get((state, first), split))

        def stays(key: Place) -> bool:
            idle = self._idle.get(key, LONGEST_IDLE)
            return key[0] not in names or idle == 0 or (idle < LONGEST_IDLE and key[2] >= newest.get(key[:2], key[2]))

        self._windows = {k: v for k, v in self._windows.items() if stays(k)}
        self._seen = {k: v for k, v in self._seen.items() if stays(k)}
        self._rooms = {k: v for k, v in self._rooms.items() if k[0] in self._windows}
        known = self._windows.keys() | self._seen.keys()
        self._idle = {k: n + (k[0] in names) for k, n in self._idle.items() if k in known}
        self.tails.tidy(sources)

    def split_for(self, bag: Bag, first: date, touched: date, today: date) -> date | None:
        """Where the tail should begin: with settled days that are known, else at the first touched one; None: too far back."""
        known = self._windows if bag.q is not None else self._seen
        found = [s for state, begin, s in known if state == bag.id and begin == first and s <= touched]
        best = max(found, default=touched)
        best = best if (today - best).days <= LONGEST_TAIL else touched
        return best if best > first and (today - best).days <= LONGEST_TAIL else None

    def take(self, windows: Around) -> None:
        """Remembers what was found elsewhere of settled days, at least until it might have been asked for."""
        self._windows.update(windows)
        self._idle |= dict.fromkeys(windows, 0)

    def lines(
        self,
        bags: Sequence[Bag],
        rows: Rows,
        slices: Slices,
        stretches: Mapping[str, Sequence[Stretch]],
        look: Callable[[Asked], Around],
    ) -> Lines:
        """Numbers of bags of one axis and split over stretches (bag → its own), as far as they can be said.

        ``look``: reads the rows of all windows that are not known, together; those that it leaves out are asked for one by
        one."""
        found: Lines = {}
        if self.fused() is None:
            return found
        tails: dict[tuple[date, date, datetime | None], Tail] = {}
        alike: dict[tuple[str, str | None, Stretch], list[Bag]] = {}
        for bag in bags:
            for stretch in stretches.get(bag.id, ()):
                if bag.q is not None:
                    alike.setdefault((bag.value, bag.condition, stretch), []).append(bag)
                place = (stretch.split, stretch.until, stretch.before)
                if place not in tails:
                    tails[place] = self.tails.tail(bag, rows, slices, place[:2], stretch.before)
                if bag.q is None and tails[place].knows(self.tails.name_of(bag)):
                    seen = self._seen_of(bag, rows, slices, stretch, tails[place])
                    found[bag.id, stretch] = Distinct(seen, tails[place], self.tails.name_of(bag))
        lost: list[tuple[list[Bag], Stretch, Tail, str]] = []
        for (_, _, stretch), some in alike.items():
            tail, name = tails[stretch[1:]], self.tails.name_of(some[0])
            if tail.knows(name):
                made = self._known_quantiles(some, rows, slices, stretch, tail, name)
                if made is None:
                    lost.append((some, stretch, tail, name))
                else:
                    found |= made
        if lost:
            asked: dict[Bag, dict[Range, Most]] = {}
            for some, stretch, tail, _ in lost:
                most = {slice_: tail.most(slice_) for slice_ in tail.bits}
                for bag in some:
                    asked.setdefault(bag, {})[stretch.first, stretch.split] = most
            self._windows.update(look(asked))
            for some, stretch, tail, name in lost:
                found |= self._quantiles(some, rows, slices, stretch, tail, name)
        self._idle |= {(state, s.first, s.split): 0 for state, s in found}
        return found

    def fused(self) -> bool | None:
        """How this build of the engine rounds between two values; None: in a way that is not known here."""
        if self._fused is not None:
            return self._fused
        low, high, share = 1.1, 1.3, 9 * 0.1  # the two ways differ here in the last digit
        values = ", ".join([repr(low), repr(high), *["1e9"] * 8])
        sql = f"SELECT quantile_cont(x, [0.1])[1] AS q FROM (SELECT unnest([{values}]::DOUBLE[]) AS x)"
        answer = self.engine.query(sql).item()
        for fused in (True, False):
            if between_values(low, high, share, fused=fused) == answer:
                self._fused = fused
        return self._fused

    # -- quantiles ---------------------------------------------------------------------------------------------

    def _quantiles(
        self, bags: Sequence[Bag], rows: Rows, slices: Slices, stretch: Stretch, tail: Tail, name: str
    ) -> Lines:
        """Quantiles of one value, worked out when they are asked for: their windows must hold whatever part of the tail that is.
        Where they may not, the settled rows are asked for at once."""
        found = self._known_quantiles(bags, rows, slices, stretch, tail, name)
        if found is None:
            self._settle_windows(bags, rows, slices, stretch, {slice_: tail.most(slice_) for slice_ in tail.bits})
            found = dict(self._made(bags, stretch, tail, name))
        return found

    def _known_quantiles(
        self, bags: Sequence[Bag], rows: Rows, slices: Slices, stretch: Stretch, tail: Tail, name: str
    ) -> Lines | None:
        """The same where their windows are known, or follow from earlier ones, and hold."""
        places = [(bag.id, stretch.first, stretch.split) for bag in bags]
        if not all(place in self._windows for place in places):
            self._extend(bags, rows, slices, stretch, name)
        if not all(place in self._windows for place in places):
            return None
        whole = stretch.before is None
        for bag, place in zip(bags, places, strict=True):
            if not all(self._inside(bag.q or 0.0, place, s, tail, name, whole=whole) for s in tail.bits):
                return None
        return dict(self._made(bags, stretch, tail, name))

    def _inside(self, q: float, place: Place, slice_: Slice | None, tail: Tail, name: str, *, whole: bool) -> bool:
        """Whether a quantile lies in its window, of any part of the tail; ``whole``: of all of it. Then it is remembered how many
        more rows can change nothing in that."""
        window, most = self._windows[place].get(slice_, NOTHING), tail.most(slice_)
        if window.holds(q, most):
            return True
        if not whole:
            return False
        lineage = tuple(day.lineage for day in tail.days)
        known = self._rooms.get((place, slice_))
        if known is not None and known[0] is window and known[1] == lineage and most <= known[2]:
            return True
        room = window.room(q, tail.numbers(name, slice_)[0])
        self._rooms[place, slice_] = window, lineage, most + room
        return room >= 0

    def _made(
        self, bags: Sequence[Bag], stretch: Stretch, tail: Tail, name: str
    ) -> dict[tuple[str, Stretch], Quantile]:
        """From the windows that are known."""
        windows = [self._windows[bag.id, stretch.first, stretch.split] for bag in bags]
        return {
            (bag.id, stretch): Quantile(bag.q or 0.0, around, tail, name, fused=bool(self._fused))
            for bag, around in zip(bags, windows, strict=True)
        }

    def _extend(self, bags: Sequence[Bag], rows: Rows, slices: Slices, stretch: Stretch, name: str) -> None:
        """Takes the days that have closed since into the windows of some days before them: none of their rows is read again."""
        first, split = stretch.first, stretch.split
        begun = [{s for state, begin, s in self._windows if (state, begin) == (bag.id, first)} for bag in bags]
        before = max((s for s in set.intersection(*begun) if s < split), default=None)
        if before is None or (split - before).days > MOST_CLOSED:
            return
        closed = self.tails.tail(bags[0], rows, slices, (before, split), None)
        if closed.knows(name):
            for bag in bags:
                old = self._windows[bag.id, first, before]
                self._windows[bag.id, first, split] = {
                    slice_: old.get(slice_, NOTHING).extended(*closed.numbers(name, slice_)) for slice_ in closed.bits
                }

    def _settle_windows(
        self, bags: Sequence[Bag], rows: Rows, slices: Slices, stretch: Stretch, most: Mapping[Slice | None, int]
    ) -> None:
        """Reads all rows of the settled days once: how many there are, and those around each quantile.

        ``most``: slice → so many values come now. There is room for many times as many, and for some days of as many as there
        were: a day that goes on must not leave it with every tick.
        """
        first, split = stretch.first, stretch.split
        source = self._source(bags[0], rows, slices, Piece(((first, split),), bucket=first))
        sizes = self.engine.query(f"SELECT kind, name, count(v) AS n FROM ({source}) AS s GROUP BY kind, name").rows()
        coming = [ROOM * most.get((k, s) if k else None, 0) / n for k, s, n in sizes if n > ALL_OF]
        total = max((n for _, _, n in sizes), default=0)
        margin = max(margin_of((split - first).days, total), min(1.0, MARGIN + max(coming, default=0.0)))
        bounds = ", ".join(
            f"quantile_disc(f, {max(0.0, b.q - margin)!r}) AS lo_{i}, quantile_disc(f, {min(1.0, b.q + margin)!r}) AS hi_{i}"
            for i, b in enumerate(bags)
            if b.q is not None
        )
        known = self.engine.query(
            f"SELECT kind, name, count(f) AS n, count(v) - count(f) AS bad, min(f) AS least, max(f) AS most, {bounds} "
            f"FROM (SELECT *, {finite('v')} AS f FROM ({source}) AS s) AS m GROUP BY kind, name"
        )
        for i, bag in enumerate(bags):
            made: dict[Slice | None, Window] = {}
            limits = [
                (r["kind"], r["name"], r["least"], r["most"])
                if r["n"] <= ALL_OF
                else (r["kind"], r["name"], r[f"lo_{i}"], r[f"hi_{i}"])
                for r in known.to_dicts()
                if r["n"]
            ]
            values = ", ".join(
                f"({literal(k)}, {literal(n)}, CAST('{lo!r}' AS DOUBLE), CAST('{hi!r}' AS DOUBLE))"
                for k, n, lo, hi in limits
            )
            windows = {} if not limits else {
                (kind, name): (below, array("d", window))
                for kind, name, below, window in self.engine.query(
                    "SELECT s.kind, s.name, CAST(count_if(s.v < w.lo) AS BIGINT) AS below, "
                    "list(s.v ORDER BY s.v) FILTER (WHERE s.v >= w.lo AND s.v <= w.hi) AS near "
                    f"FROM ({source}) AS s JOIN (VALUES {values}) AS w(kind, name, lo, hi) ON s.kind = w.kind AND s.name = w.name "
                    f"WHERE {finite('s.v')} IS NOT NULL GROUP BY s.kind, s.name"
                ).rows()
            }  # fmt: skip
            for kind, name, n, bad in known.select("kind", "name", "n", "bad").rows():
                below, window = windows.get((kind, name), (0, array("d")))
                made[(kind, name) if kind else None] = Window(n, bad, below, window)
            self._windows[bag.id, first, split] = made

    def _source(self, bag: Bag, rows: Rows, slices: Slices, *pieces: Piece) -> str:
        """Rows as part, kind, name and v: of the whole, and of the slices where the bag is split."""
        values = [f"{guarded(f'CAST({bag.value} AS DOUBLE)', bag.condition)} AS v"]
        reads = [_with(rows, pieces, None, None)]
        if bag.split is not None and slices:
            reads.append(_with(rows, pieces, bag.split.column, slices))
        return " UNION ALL ".join(
            f"SELECT part, kind, name, v FROM ({read.select(values)}) AS r{i}" for i, read in enumerate(reads)
        )

    # -- distinct values ---------------------------------------------------------------------------------------

    def _seen_of(self, bag: Bag, rows: Rows, slices: Slices, stretch: Stretch, tail: Tail) -> Seen:
        """The settled values. Of a day that is over only those that its rows ask for are kept; where rows still come, all."""
        place = (bag.id, stretch.first, stretch.split)
        known = self._seen.get(place)
        if known is None or (known.only is not None and known.only != tail.days):
            whole = known is not None or stretch.before is None
            counts = None if whole else self._counts_before(bag, rows, slices, stretch)
            if counts is None:
                known = self._settle_values(bag, rows, slices, stretch, None if whole else tail.days)
            else:
                known = Seen(self._values_again(bag, rows, slices, stretch), counts, tail.days)
            self._seen[place] = known
        return known

    def _counts_before(
        self, bag: Bag, rows: Rows, slices: Slices, stretch: Stretch
    ) -> dict[Slice | None, tuple[int, int]] | None:
        """Slice → (values, distinct ones) of the settled days, where it was known what the ones closed last would add."""
        begun = [s for state, begin, s in self._seen if (state, begin) == (bag.id, stretch.first) and s < stretch.split]
        before = max(begun, default=None)
        if before is None or (stretch.split - before).days > MOST_CLOSED:
            return None
        seen = self._seen[bag.id, stretch.first, before]
        closed = self.tails.tail(bag, rows, slices, (before, stretch.split), None)
        if not closed.knows(self.tails.name_of(bag)) or seen.only not in (None, closed.days):
            return None
        line = Distinct(seen, closed, self.tails.name_of(bag))
        return {slice_: (n, int(x or 0)) for slice_, (n, _, x) in line.items()}

    def _values_again(self, bag: Bag, rows: Rows, slices: Slices, stretch: Stretch) -> pl.DataFrame:
        """Which values of the cut day were there on the settled days, and in which slices."""
        value, days = self.tails.value(bag, rows.table), ((stretch.first, stretch.split),)
        source = self.tails.masked(bag, rows, slices, days, (f"{value} AS v",))
        asked = within(day_of(rows.time), ((stretch.split, stretch.until),))
        words = dict.fromkeys(word_of(bit) for bit in self.tails.bits(bag, slices).values())
        masks = ", ".join(f"bit_or({word}) AS {word}" for word in words)
        return self.engine.query(
            f"SELECT v, {masks} FROM ({source}) AS s WHERE v IN (SELECT {value} FROM {rows.table} AS {ROWS} WHERE {asked}) "
            "GROUP BY v"
        ).sort("v")

    def _settle_values(
        self, bag: Bag, rows: Rows, slices: Slices, stretch: Stretch, only: tuple[Day, ...] | None
    ) -> Seen:
        source = self.tails.masked(
            bag, rows, slices, ((stretch.first, stretch.split),), (f"{self.tails.value(bag, rows.table)} AS v",)
        )
        bits = self.tails.bits(bag, slices)
        words = list(dict.fromkeys(word_of(bit) for bit in bits.values()))
        n = self.engine.query(
            f"SELECT {', '.join(words)}, count(*) AS n FROM ({source}) AS s WHERE v IS NOT NULL GROUP BY ALL"
        )
        masks = ", ".join(f"bit_or({word}) AS {word}" for word in words)
        each = f"SELECT v, {masks} FROM ({source}) AS s WHERE v IS NOT NULL GROUP BY v"
        values = self.engine.query(each, many=True)
        d = counted(values, bits.values())
        rows_of = n.select(pl.col("n").filter(has(bit)).sum().alias(str(bit)) for bit in bits.values()).row(0)
        counts = {slice_: (rows_of[number], d[bit]) for number, (slice_, bit) in enumerate(bits.items())}
        if only is not None:
            name = self.tails.name_of(bag)
            asked = [day.frame.select(pl.col(name).alias("v")) for day in only]
            values = values.join(pl.concat(asked), on="v", how="semi") if asked else values.head(0)
        return Seen(values.sort("v"), counts, only)


def margin_of(days: int, total: int) -> float:
    """How far a window reaches on either side of its quantile, as a share of the values: of a stretch of so many days in which
    no slice has more values than ``total``. A day that goes on must not leave it with every tick."""
    return min(1.0, MARGIN + (max(3 / days, ALL_OF / total) if total else 0.0))


def _with(rows: Rows, pieces: Sequence[Piece], split: str | None, slices: Slices | None) -> Rows:
    return Rows(
        rows.table, rows.time, tuple(pieces), rows.until, rows.timezone, rows.whole_hours, rows.dates, split, slices
    )
