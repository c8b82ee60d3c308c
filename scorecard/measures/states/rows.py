"""The rows that quantiles and distinct counts read: of several periods or cuts at once, perhaps in slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from scorecard.measures.ranges import Range, column, day_literal, day_of, joined, moment_literal, within
from scorecard.measures.sql import ROWS, literal
from scorecard.measures.states.additive import hour_start

Slices = Mapping[str, Sequence[tuple[str, str]]]
"""Raw split value → the slices its rows count in: its own team or process, and the teams above it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of some days (None: all), in buckets: those of a grain, or one literal for all of them (``bucket``).

    ``before``: of the day ``cut`` only the rows before that moment. ``windows``, instead of ``ranges``: (bucket, first day,
    day after the last), which may overlap: a row counts in every window that its day lies in.
    """

    ranges: tuple[Range, ...] | None
    grain: str = "day"
    bucket: date | None = None
    cut: date | None = None
    before: datetime | None = None
    windows: tuple[tuple[date, date, date], ...] = ()


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows; each piece counts for itself, so a row may count in several. ``until``: a predicate on all rows.

    ``dates``: the time column is a date, so that ``before`` never cuts a day. ``slices``: None reads the whole.
    ``masked``: the whole and all slices at once, told apart by the bits of a number.
    """

    table: str
    time: str
    pieces: tuple[Piece, ...]
    until: str
    timezone: str
    whole_hours: bool
    dates: bool = False
    split: str | None = None
    slices: Slices | None = None
    masked: bool = False

    def select(self, columns: Sequence[str]) -> str:
        """SELECT part (the piece's number), bucket, kind, name and the given columns of each row that counts."""
        part, bucket, joins, where = self._one() if len(self.pieces) == 1 else self._many()
        keys = "'' AS kind, '' AS name"
        if self.slices is not None and self.split is not None:
            pairs = [
                f"({literal(raw)}, {literal(k)}, {literal(n)})"
                for raw, found in sorted(self.slices.items())
                for k, n in found
            ]
            values = f"(VALUES {', '.join(pairs)}) AS m(raw, kind, name)"
            joins += f" JOIN {values} ON CAST({column(self.split)} AS VARCHAR) = m.raw"
            keys = "m.kind AS kind, m.name AS name"
        chosen = ", ".join([f"{part} AS part", f"{bucket} AS bucket", keys, *columns])
        return f"SELECT {chosen} FROM {self.table} AS {ROWS}{joins} WHERE {where} AND {self.until}"

    def select_masked(self, columns: Sequence[str]) -> str:
        """SELECT part, bucket, mask and the given columns: bit 0 of the mask is the whole, bit i the i-th of ``named``."""
        part, bucket, joins, where = self._one() if len(self.pieces) == 1 else self._many()
        bits = {slice_: 2 << number for number, slice_ in enumerate(self.named)}
        pairs = [
            f"({literal(raw)}, {1 + sum(bits[s] for s in set(found))})"
            for raw, found in sorted((self.slices or {}).items())
        ]
        values = f"(VALUES {', '.join(pairs)}) AS m(raw, mask)"
        joins += f" LEFT JOIN {values} ON CAST({column(self.split or '')} AS VARCHAR) = m.raw"
        chosen = ", ".join(
            [f"{part} AS part", f"{bucket} AS bucket", "CAST(coalesce(m.mask, 1) AS BIGINT) AS mask", *columns]
        )
        return f"SELECT {chosen} FROM {self.table} AS {ROWS}{joins} WHERE {where} AND {self.until}"

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """All slices that any raw value counts in."""
        return tuple(sorted({slice_ for found in (self.slices or {}).values() for slice_ in found}))

    def _one(self) -> tuple[str, str, str, str]:
        """A single piece: literals where there is only one bucket, so that nothing is joined."""
        piece, day = self.pieces[0], day_of(self.time)
        if piece.windows:
            return self._windows(piece.windows)
        where = f"{day} IS NOT NULL" if piece.ranges is None else within(day, piece.ranges)
        if piece.before is not None and not self.dates:
            where += f" AND {column(self.time)} < {moment_literal(piece.before)}"
        if piece.bucket is not None:
            return "0", day_literal(piece.bucket), "", where
        if piece.grain == "day":
            return "0", day, "", where
        if piece.grain == "hour":
            return "0", hour_start(column(self.time), self.timezone, whole_hours=self.whole_hours), "", where
        return "0", f"d.{piece.grain}", f" JOIN meter.days AS d ON {day} = d.bucket", where

    def _windows(self, windows: Sequence[tuple[date, date, date]]) -> tuple[str, str, str, str]:
        """Windows as pairs of a day and a bucket, so that rows are joined by equal days."""
        day = day_of(self.time)
        known = ", ".join(f"({', '.join(day_literal(d) for d in window)})" for window in windows)
        pairs = (
            f"SELECT a.bucket AS day, w.bucket AS period FROM meter.days AS a JOIN (VALUES {known}) AS w(bucket, first, until) "
            "ON a.bucket >= w.first AND a.bucket < w.until"
        )
        where = within(day, joined((first, until) for _, first, until in windows))
        return "0", "d.period", f" JOIN ({pairs}) AS d ON {day} = d.day", where

    def _many(self) -> tuple[str, str, str, str]:
        """Several pieces: a row meets every piece that its day lies in."""
        parts = []
        for number, piece in enumerate(self.pieces):
            bucket = piece.grain if piece.grain != "day" else "bucket"
            bucket = bucket if piece.bucket is None else day_literal(piece.bucket)
            before = "CAST(NULL AS TIMESTAMP)"
            if piece.before is not None and piece.cut is not None and not self.dates:
                before = f"CASE WHEN bucket = {day_literal(piece.cut)} THEN {moment_literal(piece.before)} END"
            days = "true" if piece.ranges is None else within("bucket", piece.ranges)
            chosen = f"bucket AS day, CAST({number} AS SMALLINT) AS part, {bucket} AS period, {before} AS before"
            parts.append(f"SELECT {chosen} FROM meter.days WHERE {days}")
        ranges = [piece.ranges for piece in self.pieces]
        day = day_of(self.time)
        known = joined(r for found in ranges if found is not None for r in found)
        where = f"{day} IS NOT NULL" if None in ranges else within(day, known)
        if any(piece.before is not None for piece in self.pieces) and not self.dates:
            where += f" AND (d.before IS NULL OR {column(self.time)} < d.before)"
        return "d.part", "d.period", f" JOIN ({' UNION ALL '.join(parts)}) AS d ON {day} = d.day", where


def guarded(value: str, condition: str | None) -> str:
    """A row's value where the condition holds."""
    return value if condition is None else f"CASE WHEN {condition} THEN {value} END"
