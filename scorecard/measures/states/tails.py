"""Rows of single days in memory: what the end of a long stretch is, when nearly all of it is settled.

Only the columns that quantiles and distinct counts read, each row with the slices it counts in as the bits of numbers. A day is
read once and kept until its rows change, so that a cut that moves on within it, or a tick that touches another day, costs no
statement. What has been handed out is never written again.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache, reduce

import polars as pl

from scorecard.book.model.metric import Split
from scorecard.ground.errors import Refused
from scorecard.measures.plan import Bag
from scorecard.measures.ranges import DAY, column, day_of, moment_literal, runs, utc_naive, within
from scorecard.measures.slices import Slice
from scorecard.measures.sql import ROWS, literal
from scorecard.measures.states.rows import Rows, Slices, guarded
from scorecard.warehouse.engine import Engine

BITS = 62
"""So many slices (the whole among them) go into one number."""
PLAIN = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT", "VARCHAR", "BOOLEAN",
    "DATE", "TIMESTAMP", "DOUBLE", "FLOAT", "DECIMAL")  # fmt: skip
"""Types whose values are the same in memory; others are compared as texts."""
MOST_CHUNKS = 16
"""Rows that came in more pieces than this are put together."""
Columns = tuple[str, ...]
Axis = tuple[str, str, Split | None]
"""(source, time column, split)."""


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """A day's rows: ``t`` (none where times are dates), ``m_0`` …, and a column for each value as far as it can be read.

    ``counts``: rows by bit. ``lineage``: the same where rows have only been added.
    """

    frame: pl.DataFrame
    counts: tuple[int, ...]
    lineage: object = field(default_factory=object)

    def newest(self) -> datetime | None:
        """The time of the last row."""
        found = self.frame["t"].max() if "t" in self.frame.columns else None
        return found if isinstance(found, datetime) else None


@dataclass(slots=True)
class Values:
    """Values as ``v``, sorted and without nulls, with the masks of their rows. ``odd``: some are not finite."""

    rows: pl.DataFrame
    odd: bool
    _once: pl.DataFrame | None = None
    _parts: list[tuple[tuple[int, ...], pl.Series]] | None = None
    _counts: dict[int, int] | None = None

    def in_slice(self, bit: int) -> pl.Series:
        """The values of a slice's rows: mostly those of one team or process, which lie together."""
        if self._parts is None:
            parts = self.rows.partition_by(self.rows.columns[1:], as_dict=True, include_key=False)
            self._parts = [(tuple(int(str(mask)) for mask in key), part["v"]) for key, part in parts.items()]
        word, own = bit // BITS, 1 << bit % BITS
        met = [v for key, v in self._parts if word < len(key) and key[word] & own]
        if len(met) == 1:
            return met[0]
        if len(met) == len(self._parts):
            return self.rows["v"]
        return self.rows.filter(has(bit))["v"] if met else self.rows["v"].head(0)

    def once(self) -> pl.DataFrame:
        """Each value once, with all slices that have it."""
        found = self._once
        if found is None:
            words = [pl.col(word).bitwise_or() for word in self.rows.columns[1:]]
            found = self._once = self.rows.group_by("v").agg(words)
        return found

    def counts(self, bits: Iterable[int]) -> dict[int, int]:
        """How many there are in the slices of some bits, always the same ones."""
        if self._counts is None:
            self._counts = counted(self.rows, bits)
        return self._counts


def counted(rows: pl.DataFrame, bits: Iterable[int]) -> dict[int, int]:
    """How many rows count in the slices of some bits."""
    wanted = tuple(bits)
    known = tuple(bit for bit in wanted if word_of(bit) in rows.columns)
    found = rows.select(_counting(known)).row(0) if known else ()
    return {**dict.fromkeys(wanted, 0), **dict(zip(known, found, strict=True))}


@lru_cache(maxsize=1000)
def _counting(bits: tuple[int, ...]) -> list[pl.Expr]:
    return [has(bit).sum().alias(str(bit)) for bit in bits]


@dataclass(slots=True)
class Tail:
    """The rows of some days, of the last only those before a moment; slices go by their bits."""

    days: tuple[Day, ...]
    bits: Mapping[Slice | None, int]
    before: datetime | None
    _rows: pl.DataFrame | None = None
    _known: dict[str, Values] = field(default_factory=dict)
    _numbers: dict[tuple[str, Slice | None], tuple[array[float], int]] = field(default_factory=dict)

    def rows(self) -> pl.DataFrame:
        found = self._rows
        if found is None:
            found = pl.concat([day.frame for day in self.days], how="diagonal")
            if self.before is not None and "t" in found.columns:
                found = found.filter(pl.col("t") < utc_naive(self.before))
            self._rows = found
        return found

    def most(self, slice_: Slice | None) -> int:
        """No more rows than these are of a slice."""
        bit = self.bits.get(slice_)
        return 0 if bit is None else sum(day.counts[bit] for day in self.days if bit < len(day.counts))

    def numbers(self, name: str, slice_: Slice | None) -> tuple[array[float], int]:
        """The finite values of a slice, sorted, and how many are not finite."""
        found = self._numbers.get((name, slice_))
        if found is None:
            values = self.values(name)
            v = values.in_slice(self.bits[slice_])
            finite = v.filter(v.is_finite()) if values.odd else v
            found = self._numbers[name, slice_] = _floats(finite), len(v) - len(finite)
        return found

    def values(self, name: str) -> Values:
        """A column's values of all slices."""
        found = self._known.get(name)
        if found is None:
            rows = self.rows() if self.days else pl.DataFrame(schema={name: pl.Float64, word_of(0): pl.Int64})
            words = [word_of(bit) for bit in range(0, len(self.bits), BITS)]
            chosen = (
                rows.select(pl.col(name).alias("v"), *(w for w in words if w in rows.columns)).drop_nulls("v").sort("v")
            )
            found = self._known[name] = Values(
                chosen, chosen["v"].dtype.is_float() and not chosen["v"].is_finite().all()
            )
        return found

    def knows(self, name: str) -> bool:
        """Whether a column could be read of all its days."""
        return all(name in day.frame.columns for day in self.days)


def word_of(bit: int) -> str:
    """The column that holds a bit."""
    return f"m_{bit // BITS}"


@lru_cache(maxsize=1000)
def has(bit: int) -> pl.Expr:
    """Whether a row counts in the slice of a bit."""
    return (pl.col(word_of(bit)) & (1 << bit % BITS)) != 0


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

    def value(self, bag: Bag, rows: Rows) -> str:
        """SQL for what a bag counts of a row: a double, or a value that is told from others in memory as it is there."""
        if bag.q is not None:
            return guarded(f"CAST({bag.value} AS DOUBLE)", bag.condition)
        value = guarded(bag.value, bag.condition)
        if (rows.table, value) not in self._texts:
            kind = self.engine.query(f"SELECT typeof({value}) AS kind FROM {rows.table} AS {ROWS} LIMIT 1")
            self._texts[rows.table, value] = bool(len(kind)) and not str(kind.item()).startswith(PLAIN)
        return f"CAST({value} AS VARCHAR)" if self._texts[rows.table, value] else value

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
            values = [f"{self.value(bags[name], rows)} AS {name}" for name in names]
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
            *(f"{self.value(b, rows)} AS {name}" for name, b in values.items()),
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


def _floats(series: pl.Series) -> array[float]:
    """The values of a series without nulls, compactly."""
    found = array("d")
    chunk = series.rechunk().to_arrow()
    found.frombytes(
        chunk.buffers()[1].to_pybytes()[chunk.offset * 8 : (chunk.offset + len(chunk)) * 8] if len(chunk) else b""
    )
    return found
