"""Rows of single days in memory: what the end of a long stretch is, when nearly all of it is settled.

Only the columns that quantiles and distinct counts read, each row with the slices it counts in as the bits of numbers. A day is
read once and kept until its rows change, so that a cut that moves on within it, or a tick that touches another day, costs no
statement. What has been handed out is never written again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import reduce

import polars as pl

from scorecard.book.model.metric import Split
from scorecard.ground.errors import Refused
from scorecard.measures.place import Here
from scorecard.measures.plan import Bag
from scorecard.measures.ranges import DAY, column, day_of, moment_literal, runs, within
from scorecard.measures.slices import Slice
from scorecard.measures.sql import ROWS, literal
from scorecard.measures.states.additive import raw_value
from scorecard.measures.states.arrivals import Arrived
from scorecard.measures.states.dayrows import BITS, MOST_CHUNKS, Day, Tail, counted, word_of
from scorecard.measures.states.rows import Rows, Slices, guarded
from scorecard.warehouse.engine import Engine

PLAIN = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT", "VARCHAR", "BOOLEAN",
    "DATE", "TIMESTAMP", "DOUBLE", "FLOAT", "DECIMAL")  # fmt: skip
"""Types whose values are the same in memory; others are compared as texts."""
Columns = tuple[str, ...]
Axis = tuple[str, str, Split | None]
"""(source, time column, split)."""


@dataclass(slots=True)
class Tails:
    """Remembers days of rows. ``bags``: all that may be asked for; their columns are read together."""

    engine: Engine
    bags: Sequence[Bag]
    _days: dict[Axis, dict[date, Day]] = field(default_factory=dict)
    _bits: dict[Axis, dict[Slice | None, int]] = field(default_factory=dict)
    _columns: dict[Axis, dict[tuple[str, str | None, bool], str]] = field(default_factory=dict)
    _texts: dict[tuple[str, str], bool] = field(default_factory=dict)
    _used: set[tuple[Axis, date]] = field(default_factory=set)
    _grown: dict[tuple[Axis, date], Day] = field(default_factory=dict)
    _sure: set[Day] = field(default_factory=set)

    def forget(self, source: str, days: Iterable[date] | None, *, grown: bool = False) -> None:
        """Rows of some days (None: any) have changed. ``grown``: all that were there are there as they were."""
        touched = None if days is None else set(days)
        self._grown = {place: day for place, day in self._grown.items() if place[0][0] != source}
        for axis in [a for a in self._days if a[0] == source]:
            if grown and touched is not None:
                self._grown |= {(axis, d): day for d, day in self._days[axis].items() if d in touched}
            kept = {} if touched is None else {d: day for d, day in self._days[axis].items() if d not in touched}
            self._days[axis] = kept

    def tidy(self, sources: Iterable[str]) -> None:
        """Forgets the days that were not asked for since the last time."""
        names = set(sources)
        for axis in [a for a in self._days if a[0] in names]:
            self._days[axis] = {d: day for d, day in self._days[axis].items() if (axis, d) in self._used}
        self._used = {used for used in self._used if used[0][0] not in names}
        self._sure &= {day for days in self._days.values() for day in days.values()}

    # -- rows that have come -----------------------------------------------------------------------------------

    def read_of(self, here: Here) -> list[str]:
        """What of a row is in a day, of any axis, as SQL."""
        found: dict[str, None] = {}
        for bag in self.bags:
            if bag.source == here.source:
                found[raw_value(None if bag.split is None else bag.split.column)] = None
                found[self.value(bag, here.table)] = None
        return list(found)

    def vouch(self, source: str) -> None:
        """All days that are known of a source are of the generation that is measured."""
        self._sure |= {day for axis, days in self._days.items() if axis[0] == source for day in days.values()}

    def grow(self, here: Here, arrived: Arrived, slices_of: Callable[[Split | None], Slices]) -> None:
        """Adds rows that have come to the days that were forgotten as grown; what is not known for sure is left to be read."""
        for place, before in list(self._grown.items()):
            axis, day = place
            if axis[0] == here.source and before in self._sure:
                bags = {self.name_of(bag): bag for bag in self.bags if _axis(bag) == axis}
                first = next(iter(bags.values()))
                slices = slices_of(axis[2])
                found = self._columns_in(arrived, here, bags, self.bits(first, slices), slices)
                come = arrived.rows.filter(pl.col(arrived.layout.names[day_of(axis[1])]) == day)
                rows = come.select(found[name] for name in before.frame.columns)
                masks = {name for name in found if name.startswith("m_")}
                if rows.schema == before.frame.schema and masks <= set(rows.columns):
                    del self._grown[place]
                    self._days[axis][day] = now = before.grown(rows, len(self.bits(first, slices)))
                    self._sure.add(now)

    def _columns_in(
        self, arrived: Arrived, here: Here, bags: Mapping[str, Bag], bits: Mapping[Slice | None, int], slices: Slices
    ) -> dict[str, pl.Expr]:
        """The columns of a day, of rows that have come."""
        names, first = arrived.layout.names, next(iter(bags.values()))
        found = {name: pl.col(names[self.value(bag, here.table)]).alias(name) for name, bag in bags.items()}
        found["t"] = pl.col(names[column(first.time)]).alias("t")
        raw = pl.col(names[raw_value(None if first.split is None else first.split.column)])
        masks = {text: reduce(lambda m, s: m | 1 << bits[s], named, 1) for text, named in slices.items()}
        for word in range(-(-len(bits) // BITS)):
            part = {text: mask >> BITS * word & (1 << BITS) - 1 for text, mask in masks.items()}
            whole = pl.lit(int(word == 0), pl.Int64)
            mask = raw.replace_strict(part, default=whole, return_dtype=pl.Int64) if part else whole
            found[word_of(word * BITS)] = mask.alias(word_of(word * BITS))
        return found

    def name_of(self, bag: Bag) -> str:
        """The column of a bag's values; in a ``Day`` only where they can be read."""
        return self._columns_of(bag)[bag.value, bag.condition, bag.q is not None]

    def tail(self, bag: Bag, rows: Rows, slices: Slices, ranges: tuple[date, date], before: datetime | None) -> Tail:
        """The rows of some days for the bags of an axis and split like this one's. ``rows``: table, axis and a bound of all."""
        axis, (first, until) = _axis(bag), ranges
        wanted = [first + DAY * n for n in range((until - first).days)]
        known = self._days.setdefault(axis, {})
        missing = [day for day in wanted if day not in known]
        if missing:
            self._read(bag, rows, slices, missing)
        self._used.update((axis, day) for day in wanted)
        return Tail(tuple(known[day] for day in wanted), self.bits(bag, slices), before)

    def bits(self, bag: Bag, slices: Slices) -> Mapping[Slice | None, int]:
        """Slice → its bit: the same one for good, whatever comes later."""
        bits = dict(self._bits.get(_axis(bag), {None: 0}))
        for slice_ in sorted({slice_ for named in slices.values() for slice_ in named} - bits.keys()):
            bits[slice_] = len(bits)
        self._bits[_axis(bag)] = bits
        return bits

    def masked(
        self, bag: Bag, rows: Rows, slices: Slices, ranges: Iterable[tuple[date, date]], columns: Columns
    ) -> str:
        """SQL for rows of some days with their masks, ``m_0`` …, and some columns."""
        bits = self.bits(bag, slices)
        words = -(-len(bits) // BITS)
        chosen = ["1" if word == 0 else "0" for word in range(words)]
        joins = ""
        if bag.split is not None and slices:
            named = ", ".join(
                f"({literal(raw)}, {_masks(bits, found, words)})" for raw, found in sorted(slices.items())
            )
            masks = ", ".join(f"m_{word}" for word in range(words))
            joins = (
                f" LEFT JOIN (VALUES {named}) AS m(raw, {masks}) ON CAST({column(bag.split.column)} AS VARCHAR) = m.raw"
            )
            chosen = [f"coalesce(m.m_{word}, {default})" for word, default in enumerate(chosen)]
        shown = [*(f"CAST({mask} AS BIGINT) AS m_{word}" for word, mask in enumerate(chosen)), *columns]
        days = within(day_of(rows.time), ranges)
        return f"SELECT {', '.join(shown)} FROM {rows.table} AS {ROWS}{joins} WHERE {days} AND {rows.until}"

    def value(self, bag: Bag, table: str) -> str:
        """SQL for what a bag counts of a row: a double, or a value that is told from others in memory as it is there."""
        if bag.q is not None:
            return guarded(f"CAST({bag.value} AS DOUBLE)", bag.condition)
        value = guarded(bag.value, bag.condition)
        if (table, value) not in self._texts:
            kind = self.engine.query(f"SELECT typeof({value}) AS kind FROM {table} AS {ROWS} LIMIT 1")
            self._texts[table, value] = bool(len(kind)) and not str(kind.item()).startswith(PLAIN)
        return f"CAST({value} AS VARCHAR)" if self._texts[table, value] else value

    def _columns_of(self, bag: Bag) -> dict[tuple[str, str | None, bool], str]:
        found = self._columns.get(_axis(bag))
        if found is None:
            alike = dict.fromkeys((b.value, b.condition, b.q is not None) for b in self.bags if _axis(b) == _axis(bag))
            found = self._columns[_axis(bag)] = {key: f"v_{number}" for number, key in enumerate(alike)}
        return found

    def _read(self, bag: Bag, rows: Rows, slices: Slices, days: Sequence[date]) -> None:
        axis, ranges = _axis(bag), runs(days)
        if len(days) == 1:
            before = self._grown.pop((axis, days[0]), None)
            grown = None if before is None else self._with_new_rows(before, bag, rows, slices, days[0])
            if grown is not None:
                self._days[axis][days[0]] = grown
                return
        keys = [] if rows.dates else [f"{column(rows.time)} AS t"]
        if len(days) > 1:  # mostly it is one day, again and again
            keys.append(f"{day_of(rows.time)} AS day")
        bags = {self.name_of(b): b for b in self.bags if _axis(b) == axis}

        def read(names: Sequence[str]) -> pl.DataFrame:
            values = [f"{self.value(bags[name], rows.table)} AS {name}" for name in names]
            return self.engine.query(self.masked(bag, rows, slices, ranges, (*keys, *values)))

        try:
            frame = read(list(bags))
        except Refused:  # some row does not go with some value: the others must not suffer
            frame = read([name for name in bags if _goes(read, name)])
        parts, empty = {days[0]: frame}, frame.head(0)
        if len(days) > 1:
            parts = {key[0]: part.drop("day") for key, part in frame.partition_by("day", as_dict=True).items()}
            empty = empty.drop("day")
        bits = range(len(self.bits(bag, slices)))
        for day in days:
            own = parts.get(day, empty)
            self._days[axis][day] = Day(own, tuple(counted(own, bits).values()))

    def _with_new_rows(self, before: Day, bag: Bag, rows: Rows, slices: Slices, day: date) -> Day | None:
        """A day to which rows have come, where all of them came at its end: no others are read. None: they did not."""
        axis, newest = _axis(bag), before.newest()
        values = {self.name_of(b): b for b in self.bags if _axis(b) == axis}
        if newest is None or not values.keys() <= set(before.frame.columns):
            return None
        ranges, since = ((day, day + DAY),), f"{column(rows.time)} >= {moment_literal(newest)}"
        whole = f"{within(day_of(rows.time), ranges)} AND {rows.until}"
        chosen = (
            f"{column(rows.time)} AS t",
            *(f"{self.value(b, rows.table)} AS {name}" for name, b in values.items()),
            f"(SELECT count(*) FROM {rows.table} AS {ROWS} WHERE {whole}) AS all_rows",
        )
        try:
            come = self.engine.query(
                self.masked(bag, replace(rows, until=f"{rows.until} AND {since}"), slices, ranges, chosen)
            )
        except Refused:
            return None
        earlier = before.frame.filter(pl.col("t") < newest)
        all_there = len(come) and come["all_rows"][0] == len(earlier) + len(come)
        if not all_there or come.drop("all_rows").schema != earlier.schema:
            return None
        frame = pl.concat([earlier, come.drop("all_rows")], rechunk=earlier.n_chunks() > MOST_CHUNKS)
        return Day(frame, tuple(counted(frame, range(len(self.bits(bag, slices)))).values()), before.lineage)


def _goes(read: Callable[[Sequence[str]], object], name: str) -> bool:
    try:
        read([name])
    except Refused:
        return False
    return True


def _axis(bag: Bag) -> Axis:
    return bag.source, bag.time, bag.split


def _masks(bits: Mapping[Slice | None, int], named: Iterable[Slice], words: int) -> str:
    """The masks of rows that count in the whole and some slices."""
    mask = reduce(lambda m, slice_: m | 1 << bits[slice_], named, 1)
    return ", ".join(str(mask >> BITS * word & (1 << BITS) - 1) for word in range(words))
