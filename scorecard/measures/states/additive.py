"""Additive states: one scan gives all counts, exact sums, smallest and largest values of its buckets.

Sums do not depend on the order of rows or on threads: integers and decimals are summed as they are; a double is cut into two
integers (units of 2^-20 and 2^-80) whose sums are exact, so that a week is the exact sum of its rows, rounded once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from scorecard.measures.plan import Atom, Scan
from scorecard.measures.ranges import column, event_day
from scorecard.measures.sql import ROWS, literal

LARGEST = "1e24"
"""Doubles from here on are treated as not finite: their exact sum would not fit."""
HIGH, LOW = 20, 80
_TWO_HIGH, _TWO_REST = f"{2**HIGH}.0", f"{2 ** (LOW - HIGH)}.0"
SCHEMA = {
    "state": pl.String,
    "bucket": pl.Datetime("us"),
    "slice": pl.String,
    "a": pl.Decimal(38, 0),
    "b": pl.Decimal(38, 0),
    "n": pl.Int64,
    "bad": pl.Int64,
    "low": pl.Float64,
    "high": pl.Float64,
}
"""``a``, ``b``: the sum in units of 10^-digits, or 2^-20 and 2^-80. ``n``: values counted. ``bad``: values not finite."""


class Amount(NamedTuple):
    """One state in one bucket; adds to others of the same state."""

    a: int = 0
    b: int = 0
    n: int = 0
    bad: int = 0
    low: float | None = None
    high: float | None = None

    def plus(self, other: Amount) -> Amount:
        lows = [v for v in (self.low, other.low) if v is not None]
        highs = [v for v in (self.high, other.high) if v is not None]
        return Amount(
            self.a + other.a,
            self.b + other.b,
            self.n + other.n,
            self.bad + other.bad,
            min(lows) if lows else None,
            max(highs) if highs else None,
        )

    def minus(self, other: Amount) -> Amount:
        """What is left of a sum or count when a part of it has gone."""
        return Amount(self.a - other.a, self.b - other.b, self.n - other.n, self.bad - other.bad)


NOTHING = Amount()


def number(atom: Atom, amount: Amount) -> float | None:
    """The state's number: None for the smallest, largest or a not finite one of nothing. Sums are rounded once, here."""
    if amount.bad:
        return None
    if atom.fold == "count":
        return amount.n
    if atom.fold == "low":
        return amount.low
    if atom.fold == "high":
        return amount.high
    if atom.digits is None:
        return float(((amount.a << (LOW - HIGH)) + amount.b) / (1 << LOW))
    return float(amount.a / 10**atom.digits) if atom.digits else amount.a


def hour_start(time: str, timezone: str, *, whole_hours: bool) -> str:
    """SQL for the moment (UTC) at which the local hour of an instant began, also where zones are half an hour off."""
    if whole_hours:
        return f"date_trunc('hour', {time})"
    local = f"({time} AT TIME ZONE 'UTC' AT TIME ZONE '{timezone}')"
    return f"({time} - ({local} - date_trunc('hour', {local})))"


def event_moment(scan: Scan) -> str:
    """The moment at which a row counts."""
    if scan.event == "closed" and scan.closed is not None:
        return f"greatest({column(scan.time)}, {column(scan.closed)})"
    return column(scan.time)


def bucket_of(scan: Scan, timezone: str, *, whole_hours: bool) -> str:
    """SQL for the bucket of a row: a local day, or the beginning of a local hour in UTC."""
    return hour_start(event_moment(scan), timezone, whole_hours=whole_hours) if scan.fine else event_day(scan)


def scan_sql(scan: Scan, atoms: Mapping[str, Atom], table: str, rows: str, bucket: str) -> str:
    """One statement for all atoms (name → atom): a row per state, bucket and raw split value, as in ``SCHEMA``."""
    slices = f"CAST({column(scan.split)} AS VARCHAR)" if scan.split is not None else "CAST(NULL AS VARCHAR)"
    inner = [f"{bucket} AS bucket", f"{slices} AS slice"]
    middle = ["*"]
    outer = []
    for index, atom in enumerate(atoms.values()):
        inner.append(f"{_row_value(atom)} AS v_{index}")
        if _is_double(atom):  # NaN and the infinities are outside
            finite = f"v_{index} > -{LARGEST} AND v_{index} < {LARGEST}"
            middle.append(f"CASE WHEN {finite} THEN v_{index} END AS f_{index}")
        outer.append(f"{{'state': {literal(list(atoms)[index])}, {_aggregates(atom, index)}}}")
    of_rows = f"SELECT {', '.join(inner)} FROM {table} AS {ROWS} WHERE {rows}"
    finite_rows = f"SELECT {', '.join(middle)} FROM ({of_rows}) AS i"
    counted = (
        f"SELECT bucket, slice, unnest([{', '.join(outer)}]) AS u FROM ({finite_rows}) AS m GROUP BY bucket, slice"
    )
    chosen = "u.state, CAST(bucket AS TIMESTAMP) AS bucket, slice, u.a, u.b, u.n, u.bad, u.low, u.high"
    return f"SELECT {chosen} FROM ({counted}) AS g WHERE u.n > 0 OR u.bad > 0"


def _is_double(atom: Atom) -> bool:
    return atom.fold != "count" and atom.digits is None


def _row_value(atom: Atom) -> str:
    value = atom.value or "1"
    if _is_double(atom):
        value = f"CAST({value} AS DOUBLE)"
    return value if atom.condition is None else f"CASE WHEN {atom.condition} THEN {value} END"


def _aggregates(atom: Atom, i: int) -> str:
    """The fields of a state, as those of an SQL struct."""
    v, f = f"v_{i}", f"f_{i}"
    given = {"a": "0", "b": "0", "n": f"count({v})", "bad": "0", "low": "NULL", "high": "NULL"}
    if atom.fold != "count" and atom.digits is not None:
        given["a"] = f"sum({v})" if atom.digits == 0 else f"replace(CAST(sum({v}) AS VARCHAR), '.', '')"
    elif _is_double(atom):
        given |= {"n": f"count({f})", "bad": f"count({v}) - count({f})"}
        if atom.fold in ("low", "high"):
            given[atom.fold] = f"{'min' if atom.fold == 'low' else 'max'}({f})"
        else:
            scaled = f"({f} * {_TWO_HIGH})"
            given["a"] = f"sum(CAST(round({scaled}) AS HUGEINT))"
            given["b"] = f"sum(CAST(({scaled} - round({scaled})) * {_TWO_REST} AS BIGINT))"
    types = {"a": "HUGEINT", "b": "HUGEINT", "n": "BIGINT", "bad": "BIGINT", "low": "DOUBLE", "high": "DOUBLE"}
    fields = {
        k: f"coalesce(CAST({x} AS {types[k]}), 0)" if k in ("a", "b") else f"CAST({x} AS {types[k]})"
        for k, x in given.items()
    }
    return ", ".join(f"'{key}': {expression}" for key, expression in fields.items())


def readable(scan: Scan, atoms: Sequence[Atom], table: str, rows: str, bucket: str) -> str:
    """How one metric's numbers are counted, for people: the same rows, values and conditions, without the exactness."""
    shown = [f"{bucket} AS {'hour' if scan.fine else 'day'}"]
    if scan.split is not None:
        shown.append(f"{column(scan.split)} AS slice")
    for number_, atom in enumerate(atoms):
        function = {"count": "count", "sum": "sum", "low": "min", "high": "max"}[atom.fold]
        only = f" FILTER (WHERE {atom.condition})" if atom.condition else ""
        shown.append(f"{function}({atom.value or '*'}){only} AS value_{number_ + 1}")
    return f"SELECT {', '.join(shown)} FROM {table} AS {ROWS} WHERE {rows} GROUP BY ALL ORDER BY 1"
