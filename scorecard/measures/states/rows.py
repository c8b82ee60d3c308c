"""The rows of some periods, as quantiles and distinct counts read them: in a period, perhaps in a slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scorecard.measures.ranges import Range, column, day_of, within
from scorecard.measures.sql import ROWS, literal
from scorecard.measures.states.additive import hour_start

Slices = Mapping[str, Sequence[tuple[str, str]]]
"""Raw split value → the slices its rows count in: its own team or process, and the teams above it."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows, in which buckets. ``bucket``: one literal for all, or None: each row's period of ``grain``.

    ``until``: a predicate (rows not after a moment). ``slices``: None reads the whole, without regard to slices.
    """

    table: str
    time: str
    grain: str
    ranges: tuple[Range, ...] | None
    until: str
    timezone: str
    whole_hours: bool
    bucket: str | None = None
    split: str | None = None
    slices: Slices | None = None

    def select(self, columns: Sequence[str]) -> str:
        """SELECT bucket, kind, name and the given columns of each row (one per slice it counts in)."""
        joins, keys = "", "'' AS kind, '' AS name"
        bucket = self.bucket
        if bucket is None and self.grain == "day":
            bucket = day_of(self.time)
        elif bucket is None and self.grain == "hour":
            bucket = hour_start(column(self.time), self.timezone, whole_hours=self.whole_hours)
        elif bucket is None:
            bucket = f"d.{self.grain}"
            joins += f" JOIN meter.days AS d ON {day_of(self.time)} = d.bucket"
        if self.slices is not None and self.split is not None:
            pairs = [
                f"({literal(raw)}, {literal(kind)}, {literal(name)})"
                for raw, found in sorted(self.slices.items())
                for kind, name in found
            ]
            values = ", ".join(pairs) if pairs else "(NULL, NULL, NULL)"
            joins += f" JOIN (VALUES {values}) AS m(raw, kind, name) ON CAST({column(self.split)} AS VARCHAR) = m.raw"
            keys = "m.kind AS kind, m.name AS name"
        days = f"{day_of(self.time)} IS NOT NULL" if self.ranges is None else within(day_of(self.time), self.ranges)
        chosen = ", ".join([f"{bucket} AS bucket", keys, *columns])
        return f"SELECT {chosen} FROM {self.table} AS {ROWS}{joins} WHERE {days} AND {self.until}"


def guarded(value: str, condition: str | None) -> str:
    """A row's value where the condition holds."""
    return value if condition is None else f"CASE WHEN {condition} THEN {value} END"


def as_kept(states: str, source: str, grain: str) -> str:
    """A statement in the shape in which bags are kept, from one with columns bucket, kind, name and a list of structs ``u``."""
    counted = f"SELECT bucket, kind, name, unnest([{states}]) AS u FROM {source} GROUP BY bucket, kind, name"
    chosen = f"u.state, '{grain}' AS grain, CAST(bucket AS TIMESTAMP) AS bucket, kind, name, u.n, u.bad, u.x"
    return f"SELECT {chosen} FROM ({counted}) AS g WHERE u.n > 0 OR u.bad > 0"


def kept_struct(state: str, n: str, bad: str, x: str) -> str:
    """One state's fields as an SQL struct."""
    typed = {"n": f"CAST({n} AS BIGINT)", "bad": f"CAST({bad} AS BIGINT)", "x": f"CAST({x} AS DOUBLE)"}
    fields = ", ".join(f"'{key}': {value}" for key, value in typed.items())
    return f"{{'state': {literal(state)}, {fields}}}"
