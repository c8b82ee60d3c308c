"""Rows of single days, and of some days up to a moment, as quantiles and distinct counts ask for them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

import polars as pl

from scorecard.measures.ranges import utc_naive
from scorecard.measures.slices import Slice

BITS = 62
"""So many slices (the whole among them) go into one number."""
MOST_CHUNKS = 16
"""Rows that came in more pieces than this are put together."""


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """A day's rows: ``t`` (none where times are dates), ``m_0`` …, and a column for each value as far as it can be read.

    ``counts``: rows by bit. ``lineage``: the same where rows have only been added.
    """

    frame: pl.DataFrame
    counts: tuple[int, ...]
    lineage: object = field(default_factory=object)
    _ordered: dict[str, tuple[int, pl.DataFrame]] = field(default_factory=dict)
    """By value: of how many of the first rows, and what ``ordered`` gives of them; the same for what the day grows to."""

    def ordered(self, name: str) -> pl.DataFrame:
        """A column's values that are there as ``v``, sorted, with the masks of their rows. Only rows that have come since the last
        time are put in their places: what is sorted already sorts in a quarter of the time."""
        size, known = self._ordered.get(name, (0, None))
        if size > self.frame.height:  # a board of earlier asks
            size, known = 0, None
        if known is None or size < self.frame.height:
            more = _there(self.frame.slice(size), name)
            known = (more if known is None else pl.concat([known, more])).sort("v")
            self._ordered[name] = self.frame.height, known
        return known

    def grown(self, rows: pl.DataFrame, bits: int) -> Day:
        """The day with more rows."""
        known = (*self.counts, *[0] * (bits - len(self.counts)))
        come = counted(rows, range(bits)).values()
        frame = pl.concat([self.frame, rows], rechunk=self.frame.n_chunks() > MOST_CHUNKS)
        return Day(frame, tuple(n + more for n, more in zip(known, come, strict=True)), self.lineage, self._ordered)

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
    _most: dict[Slice | None, int] = field(default_factory=dict)

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
        found = self._most.get(slice_)  # asked for each quantile of each period
        if found is None:
            bit = self.bits.get(slice_)
            found = 0 if bit is None else sum(day.counts[bit] for day in self.days if bit < len(day.counts))
            self._most[slice_] = found
        return found

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
            chosen = self._chosen(name)
            found = self._known[name] = Values(
                chosen, chosen["v"].dtype.is_float() and not chosen["v"].is_finite().all()
            )
        return found

    def _chosen(self, name: str) -> pl.DataFrame:
        if not self.days:
            return pl.DataFrame(schema={"v": pl.Float64, word_of(0): pl.Int64})
        if self.before is None or "t" not in self.rows().columns:
            parts = [day.ordered(name) for day in self.days]
            return parts[0] if len(parts) == 1 else pl.concat(parts, how="diagonal").sort("v")
        return _there(self.rows(), name).sort("v")

    def knows(self, name: str) -> bool:
        """Whether a column could be read of all its days."""
        return all(name in day.frame.columns for day in self.days)


def _there(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """A column's values that are there as ``v``, with the masks of their rows."""
    masks = [column for column in rows.columns if column.startswith("m_")]
    return rows.select(pl.col(name).alias("v"), *masks).drop_nulls("v")


def word_of(bit: int) -> str:
    """The column that holds a bit."""
    return f"m_{bit // BITS}"


@lru_cache(maxsize=1000)
def has(bit: int) -> pl.Expr:
    """Whether a row counts in the slice of a bit."""
    return (pl.col(word_of(bit)) & (1 << bit % BITS)) != 0


def _floats(series: pl.Series) -> array[float]:
    """The values of a series without nulls, compactly."""
    found = array("d")
    chunk = series.rechunk().to_arrow()
    found.frombytes(
        chunk.buffers()[1].to_pybytes()[chunk.offset * 8 : (chunk.offset + len(chunk)) * 8] if len(chunk) else b""
    )
    return found
