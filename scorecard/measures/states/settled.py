"""What is settled of long periods: so that a year's median after ten new rows does not cost a year's rows.

A stretch is the rows of some days: the settled ones, whole days that nothing has touched since they were looked at, and a short
tail. Of the settled days a quantile needs only how many values lie below a window around it, and the values in the window; a
distinct count needs only its number, and which of the tail's values were there before. The result is exactly that of all rows;
where it cannot be (the quantile has left its window), there is none, and all rows are read again.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import NamedTuple

import polars as pl

from scorecard.measures.plan import Bag
from scorecard.measures.ranges import column, day_literal, day_of, within
from scorecard.measures.slices import Slice
from scorecard.measures.sql import ROWS, literal
from scorecard.measures.states.additive import finite
from scorecard.measures.states.rows import Piece, Rows, Slices, guarded
from scorecard.warehouse.engine import Engine

Number = tuple[int, int, float | None]
"""(values counted, values not finite, the number)."""
Line = dict[Slice | None, Number]
Lines = dict[tuple[str, "Stretch"], Line]
MARGIN = 0.01
"""How far a window reaches on either side of its quantile, as a share of the values."""
ALL_OF = 10_000
"""Of so few values all are kept."""
LONGEST_TAIL = 8
"""Days after which the settled days are looked at anew."""
FROM_ROWS = 500
"""Periods of fewer rows are read whole: that is quicker."""


class Stretch(NamedTuple):
    """Days from ``first`` to before ``split`` are settled; the tail is from there to before ``until`` (and ``before``)."""

    first: date
    split: date
    until: date
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The settled values of a slice around a quantile: ``below`` lie under the first of them; ``n`` in all."""

    n: int
    bad: int
    below: int
    values: array[float]


@dataclass(slots=True)
class Settled:
    """Remembers settled days of some bags. ``fused``: how this engine rounds between two values (None: not known yet)."""

    engine: Engine
    _windows: dict[tuple[str, date, date], dict[Slice | None, Window]] = field(default_factory=dict)
    _counts: dict[tuple[str, date, date], dict[Slice | None, tuple[int, int]]] = field(default_factory=dict)
    _used: set[tuple[str, date, date]] = field(default_factory=set)
    _fused: bool | None = None

    def forget(self, states: Iterable[str], days: Iterable[date] | None) -> None:
        """Rows of some days (None: any) have changed."""
        names = set(states)
        touched = None if days is None else sorted(days)

        def stays(key: tuple[str, date, date]) -> bool:
            if key[0] not in names:
                return True
            return touched is not None and bisect_left(touched, key[1]) == bisect_left(touched, key[2])

        self._windows = {k: v for k, v in self._windows.items() if stays(k)}
        self._counts = {k: v for k, v in self._counts.items() if stays(k)}

    def tidy(self, states: Iterable[str]) -> None:
        """Forgets what these states were not asked for since the last time."""
        names = set(states)
        self._windows = {k: v for k, v in self._windows.items() if k[0] not in names or k in self._used}
        self._counts = {k: v for k, v in self._counts.items() if k[0] not in names or k in self._used}
        self._used.clear()

    def split_for(self, bag: Bag, first: date, touched: date, today: date) -> date | None:
        """Where the tail should begin: with settled days that are known, else at the first touched one; None: too far back."""
        known = self._windows if bag.q is not None else self._counts
        found = [s for state, begin, s in known if state == bag.id and begin == first and s <= touched]
        best = max(found, default=touched)
        best = best if (today - best).days <= LONGEST_TAIL else touched
        return best if best > first and (today - best).days <= LONGEST_TAIL else None

    def lines(
        self, bags: Sequence[Bag], rows: Rows, slices: Slices, stretches: Mapping[str, Sequence[Stretch]]
    ) -> Lines:
        """Numbers of bags of one axis and split over stretches (bag → its own), as far as they can be said."""
        found: Lines = {}
        groups: dict[tuple[str, str | None, tuple[Stretch, ...]], list[Bag]] = {}
        for bag in bags:
            own = tuple(stretches.get(bag.id, ()))
            if own and bag.q is not None:
                groups.setdefault((bag.value, bag.condition, own), []).append(bag)
            elif own:
                found |= self._distinct(bag, rows, slices, own)
        for (_, _, own), alike in groups.items():
            found |= self._quantiles(alike, rows, slices, own)
        self._used |= {(state, s.first, s.split) for state, s in found}
        return found

    # -- quantiles ---------------------------------------------------------------------------------------------

    def _quantiles(
        self, bags: Sequence[Bag], rows: Rows, slices: Slices, stretches: Sequence[Stretch]
    ) -> dict[tuple[str, Stretch], Line]:
        """Those quantiles of one value that can be said without all rows: (bag, stretch) → slice → number.

        ``bags`` share value, condition and split; ``rows`` gives table, axis and the bound of all rows.
        """
        if self._fused is None and not self._learn():
            return {}
        for stretch in stretches:
            if any((b.id, stretch.first, stretch.split) not in self._windows for b in bags):
                self._settle_windows(bags, rows, slices, stretch.first, stretch.split)
        tails = self._tails(bags[0], rows, slices, stretches)
        found: dict[tuple[str, Stretch], Line] = {}
        for number, stretch in enumerate(stretches):
            for bag in bags:
                windows = self._windows[bag.id, stretch.first, stretch.split]
                line = self._merged(bag.q or 0.0, windows, tails[number])
                if line is not None:
                    found[bag.id, stretch] = line
                else:
                    del self._windows[bag.id, stretch.first, stretch.split]
        return found

    def _learn(self) -> bool:
        """Finds out how this build of the engine rounds between two values; False: in a way that is not known here."""
        low, high, share = 1.1, 1.3, 9 * 0.1  # the two ways differ here in the last digit
        values = ", ".join([repr(low), repr(high), *["1e9"] * 8])
        sql = f"SELECT quantile_cont(x, [0.1])[1] AS q FROM (SELECT unnest([{values}]::DOUBLE[]) AS x)"
        answer = self.engine.query(sql).item()
        for fused in (True, False):
            if between_values(low, high, share, fused=fused) == answer:
                self._fused = fused
                return True
        return False

    def _settle_windows(self, bags: Sequence[Bag], rows: Rows, slices: Slices, first: date, split: date) -> None:
        """Reads all rows of the settled days once: how many there are, and those around each quantile."""
        source = self._source(bags[0], rows, slices, Piece(((first, split),), bucket=first))
        bounds = ", ".join(
            f"quantile_disc(f, {max(0.0, b.q - MARGIN)!r}) AS lo_{i}, quantile_disc(f, {min(1.0, b.q + MARGIN)!r}) AS hi_{i}"
            for i, b in enumerate(bags)
            if b.q is not None
        )
        known = self.engine.query(
            f"SELECT kind, name, count(f) AS n, count(v) - count(f) AS bad, min(f) AS least, max(f) AS most, {bounds} "
            f"FROM (SELECT *, {finite('v')} AS f FROM ({source}) AS s) AS m GROUP BY kind, name"
        )
        for i, bag in enumerate(bags):
            self._windows[bag.id, first, split] = {}
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
                self._windows[bag.id, first, split][(kind, name) if kind else None] = Window(n, bad, below, window)

    def _tails(
        self, bag: Bag, rows: Rows, slices: Slices, stretches: Sequence[Stretch]
    ) -> list[dict[Slice | None, tuple[array[float], int]]]:
        """For each stretch the tail's values by slice, sorted, and how many are not finite."""
        pieces = {
            (s.split, s.until, s.before): Piece(((s.split, s.until),), "day", s.first, s.split, s.before)
            for s in stretches
        }
        places = {key: number for number, key in enumerate(pieces)}
        answer = self.engine.query(self._source(bag, rows, slices, *pieces.values()))
        tails: list[dict[Slice | None, tuple[array[float], int]]] = [{} for _ in pieces]
        answer = answer.drop_nulls("v").sort("v")  # once: a sort for each group costs more than all of the reading
        for (part, kind, name), group in answer.group_by("part", "kind", "name", maintain_order=True):
            v = group["v"]
            usable = _floats(v.filter(v.is_finite()))
            tails[int(str(part))][(str(kind), str(name)) if kind else None] = (usable, len(v) - len(usable))
        return [tails[places[s.split, s.until, s.before]] for s in stretches]

    def _source(self, bag: Bag, rows: Rows, slices: Slices, *pieces: Piece) -> str:
        """Rows as part, kind, name and v: of the whole, and of the slices where the bag is split."""
        values = [f"{guarded(f'CAST({bag.value} AS DOUBLE)', bag.condition)} AS v"]
        reads = [_with(rows, pieces, None, None)]
        if bag.split is not None and slices:
            reads.append(_with(rows, pieces, bag.split.column, slices))
        return " UNION ALL ".join(
            f"SELECT part, kind, name, v FROM ({read.select(values)}) AS r{i}" for i, read in enumerate(reads)
        )

    def _merged(
        self, q: float, windows: dict[Slice | None, Window], tails: dict[Slice | None, tuple[array[float], int]]
    ) -> Line | None:
        line: Line = {}
        nothing = Window(0, 0, 0, array("d"))
        for slice_ in {*windows, *tails}:
            window = windows.get(slice_, nothing)
            tail, bad = tails.get(slice_, (nothing.values, 0))
            n = window.n + len(tail)
            if n == 0:
                line[slice_] = (0, window.bad + bad, None)
                continue
            place = (n - 1) * q
            low, high = math.floor(place), math.ceil(place)
            one, other = _ranked(window, tail, low), _ranked(window, tail, high)
            if one is None or other is None:
                return None
            x = one if low == high else between_values(one, other, place - low, fused=bool(self._fused))
            line[slice_] = (n, window.bad + bad, x)
        return line

    # -- distinct values ---------------------------------------------------------------------------------------

    def _distinct(
        self, bag: Bag, rows: Rows, slices: Slices, stretches: Sequence[Stretch]
    ) -> dict[tuple[str, Stretch], Line]:
        """Distinct counts of stretches: the settled ones and those values of the tail that were not there before."""
        for stretch in stretches:
            if (bag.id, stretch.first, stretch.split) not in self._counts:
                self._settle_counts(bag, rows, slices, stretch.first, stretch.split)
        tails: dict[tuple[date, date, datetime | None], list[Stretch]] = {}
        for stretch in stretches:
            tails.setdefault((stretch.split, stretch.until, stretch.before), []).append(stretch)
        alike = list(tails.values())
        parts = [self._newcomers(bag, rows, slices, same, number) for number, same in enumerate(alike)]
        found: dict[tuple[str, Stretch], Line] = {}
        for stretch in stretches:
            settled = self._counts[bag.id, stretch.first, stretch.split]
            found[bag.id, stretch] = {s: (n, 0, float(d)) for s, (n, d) in settled.items()}
        for number, kind, name, n, new in self.engine.query(" UNION ALL ".join(parts)).rows():
            for stretch, values in zip(alike[number], new, strict=True):
                line = found[bag.id, stretch]
                slice_ = (kind, name) if kind else None
                before, _, known = line.get(slice_, (0, 0, 0.0))
                line[slice_] = (before + n, 0, (known or 0.0) + values)
        return found

    def _settle_counts(self, bag: Bag, rows: Rows, slices: Slices, first: date, split: date) -> None:
        source = self._values(bag, rows, slices, Piece(((first, split),), bucket=first))
        once = f"SELECT kind, name, v, count(*) AS n FROM ({source}) AS s GROUP BY kind, name, v"
        answer = self.engine.query(
            f"SELECT kind, name, CAST(sum(n) AS BIGINT) AS n, count(*) AS d FROM ({once}) AS m GROUP BY kind, name"
        )
        self._counts[bag.id, first, split] = {(k, s) if k else None: (n, d) for k, s, n, d in answer.rows()}

    def _values(self, bag: Bag, rows: Rows, slices: Slices, *pieces: Piece) -> str:
        """Rows that count, as kind, name and v."""
        only = "" if bag.condition is None else f" AND ({bag.condition})"
        reads = [_with(rows, pieces, None, None)]
        if bag.split is not None and slices:
            reads.append(_with(rows, pieces, bag.split.column, slices))
        return " UNION ALL ".join(
            f"SELECT kind, name, v FROM ({read.select([f'{bag.value} AS v'])}{only}) AS r{i} WHERE v IS NOT NULL"
            for i, read in enumerate(reads)
        )

    def _newcomers(self, bag: Bag, rows: Rows, slices: Slices, stretches: Sequence[Stretch], number: int) -> str:
        """SQL for (number, kind, name, rows of the tail, for each stretch its values that no settled day has).

        The stretches end in the same tail; a value is new to one if it was last seen before its first day.
        """
        tail_of, first = stretches[0], min(s.first for s in stretches)
        piece = Piece(((tail_of.split, tail_of.until),), "day", first, tail_of.split, tail_of.before)
        tail = f"SELECT kind, name, v, count(*) AS n FROM ({self._values(bag, rows, slices, piece)}) AS t GROUP BY kind, name, v"
        only = "" if bag.condition is None else f" AND ({bag.condition})"
        raw = "NULL" if bag.split is None else f"CAST({column(bag.split.column)} AS VARCHAR)"
        day = day_of(rows.time)
        near = (
            f"SELECT {bag.value} AS v, {raw} AS raw, max({day}) AS last FROM {rows.table} AS {ROWS} "
            f"WHERE {within(day, ((first, tail_of.split),))}{only} AND {bag.value} IN (SELECT v FROM tail) GROUP BY v, raw"
        )
        seen = "SELECT '' AS kind, '' AS name, v, max(last) AS last FROM near GROUP BY v"
        if bag.split is not None and slices:
            pairs = [
                f"({literal(raw)}, {literal(k)}, {literal(n)})"
                for raw, named in sorted(slices.items())
                for k, n in named
            ]
            named = f"near JOIN (VALUES {', '.join(pairs)}) AS m(raw, kind, name) USING (raw)"
            seen += f" UNION ALL SELECT m.kind, m.name, v, max(last) AS last FROM {named} GROUP BY m.kind, m.name, v"
        new = ", ".join(f"CAST(count_if(last IS NULL OR last < {day_literal(s.first)}) AS BIGINT)" for s in stretches)
        return (
            f"SELECT * FROM (WITH tail AS MATERIALIZED ({tail}), near AS MATERIALIZED ({near}) "
            f"SELECT {number} AS job, kind, name, CAST(sum(n) AS BIGINT) AS n, [{new}] AS new "
            f"FROM tail LEFT JOIN ({seen}) AS seen USING (kind, name, v) GROUP BY kind, name) AS j{number}"
        )


def _with(rows: Rows, pieces: Sequence[Piece], split: str | None, slices: Slices | None) -> Rows:
    return Rows(
        rows.table, rows.time, tuple(pieces), rows.until, rows.timezone, rows.whole_hours, rows.dates, split, slices
    )


def _floats(series: pl.Series) -> array[float]:
    """The values of a series without nulls, compactly."""
    found = array("d")
    chunk = series.rechunk().to_arrow()
    found.frombytes(
        chunk.buffers()[1].to_pybytes()[chunk.offset * 8 : (chunk.offset + len(chunk)) * 8] if len(chunk) else b""
    )
    return found


def between_values(low: float, high: float, share: float, *, fused: bool) -> float:
    """The value a share of the way from one to another, rounded as the engine does: with or without fused multiply-add."""
    if fused:
        return float(Fraction(low) * Fraction(1 - share) + Fraction(high * share))
    return low * (1 - share) + high * share


def _ranked(window: Window, tail: Sequence[float], rank: int) -> float | None:
    """The value of a rank (from 0) among all settled values and the tail; None where it is not near the window."""
    if len(window.values) == window.n:  # all of them are known
        return _merged_rank(window.values, tail, rank)
    first, last = window.values[0], window.values[-1]
    under = bisect_left(tail, first)
    near = tail[under : bisect_right(tail, last)]
    place = rank - window.below - under
    if not 0 <= place < len(window.values) + len(near):
        return None
    return _merged_rank(window.values, near, place)


def _merged_rank(a: Sequence[float], b: Sequence[float], rank: int) -> float:
    """The value of a rank in two sorted sequences together."""
    low, high = max(0, rank + 1 - len(b)), min(len(a), rank + 1)
    while low < high:
        middle = (low + high) // 2
        if a[middle] < b[rank - middle]:
            low = middle + 1
        else:
            high = middle
    taken = rank + 1 - low
    candidates = [s[i - 1] for s, i in ((a, low), (b, taken)) if i > 0]
    return max(candidates)
