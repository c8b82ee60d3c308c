"""Additive states: one scan gives all counts, exact sums, smallest and largest values of its buckets.

Sums do not depend on the order of rows or on threads: integers and decimals are summed as they are; a double is cut into two
integers (units of 2^-20 and 2^-80) whose sums are exact, so that a week is the exact sum of its rows, rounded once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate, compress
from operator import itemgetter
from typing import Any, NamedTuple

import polars as pl

from scorecard.measures.plan import Atom, Scan
from scorecard.measures.ranges import column, event_day
from scorecard.measures.sql import ROWS

FEW_ROWS = 100
"""Answers of up to so many rows are taken apart value by value."""
LARGEST_SUMMED = 1e24
"""From here on the exact sum of doubles would not fit: they are treated as not finite."""
LARGEST = sys.float_info.max
HIGH, LOW = 20, 80
LARGEST_EXACT = 2**90
"""Of whole numbers up to this more can be added than there are rows."""
_TWO_HIGH, _TWO_REST = f"{2**HIGH}.0", f"{2 ** (LOW - HIGH)}.0"
SCHEMA: dict[str, Any] = {
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
        if self.low is other.low is self.high is other.high is None:  # a sum or count: by far the most
            return Amount(self.a + other.a, self.b + other.b, self.n + other.n, self.bad + other.bad)
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
Part = tuple[str, str | None]
"""(state, raw split value) of a bucket."""


class Totals:
    """Sums or counts of consecutive buckets (None: nothing in it), so that any stretch of them is one subtraction, and exact."""

    __slots__ = ("_parts",)

    def __init__(self, amounts: Iterable[Amount | None]) -> None:
        known = [amount or NOTHING for amount in amounts]
        self._parts = [
            list(accumulate(map(itemgetter(place), known), initial=0))
            for place in range(4)  # a, b, n, bad
        ]

    def between(self, first: int, until: int) -> Amount:
        """The buckets from one place to before another."""
        a, b, n, bad = self._parts
        return Amount(a[until] - a[first], b[until] - b[first], n[until] - n[first], bad[until] - bad[first])


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
    if scan.closed is not None:
        return f"greatest({column(scan.time)}, {column(scan.closed)})"
    return column(scan.time)


def bucket_of(scan: Scan, timezone: str, *, whole_hours: bool) -> str:
    """SQL for the bucket of a row: a local day, or the beginning of a local hour in UTC."""
    return hour_start(event_moment(scan), timezone, whole_hours=whole_hours) if scan.fine else event_day(scan)


def scan_sql(
    scan: Scan, atoms: Sequence[Atom], rows: str, bucket: str, number: int = 0, tame: Container[str] = ()
) -> str:
    """One statement for all atoms: job (``number``), bucket, slice (raw) and ``a_i`` … ``high_i`` as far as atom i has them.

    ``rows``: FROM and WHERE. ``tame``: columns of small doubles (``states.tame``). Statements of several scans can be put
    together with UNION ALL BY NAME.
    """
    values, levels = _levels(atoms, tame)
    outer = [f"{number} AS job", "CAST(bucket AS TIMESTAMP) AS bucket", "slice"]
    for i, atom in enumerate(atoms):
        outer += _tame_sum(i, values[i]) if _is_tame(atom, tame) else _aggregates(atom, i, values[i])
    source = nested([f"{bucket} AS bucket", f"{raw_value(scan.split)} AS slice"], levels, rows)
    return f"SELECT {', '.join(outer)} FROM ({source}) AS m GROUP BY bucket, slice"


def raw_value(split: str | None) -> str:
    """SQL for the raw value of a split column."""
    return f"CAST({column(split)} AS VARCHAR)" if split is not None else "CAST(NULL AS VARCHAR)"


def each_sql(atoms: Sequence[Atom], shown: Sequence[str], rows: str) -> str:
    """The rows themselves: some columns as ``c_0`` …, and of every row what ``scan_sql`` adds up of it.

    That is, by the number i of an atom's value: ``v_i`` (a test or an exact number) or ``k_i`` (whether there is a value);
    of doubles also ``f_i``, and where they are summed ``h_i`` and ``r_i``, by the number of the atom.
    """
    places, levels = _levels(atoms)
    names: dict[str, None] = {}
    for i, atom in enumerate(atoms):
        v = places[i]
        exact = _is_test(atom) or (atom.fold == "sum" and not _is_double(atom))
        names[f"v_{v}" if exact else f"v_{v} IS NOT NULL AS k_{v}"] = None
        if _is_double(atom):
            names |= dict.fromkeys((f"f_{i}", *((f"h_{i}", f"{_rest(i)} AS r_{i}") if atom.fold == "sum" else ())))
    inner = [f"{sql} AS c_{number}" for number, sql in enumerate(shown)]
    outer = [f"c_{number}" for number in range(len(shown))]
    return f"SELECT {', '.join([*outer, *names])} FROM ({nested(inner, levels, rows)}) AS m"


def each_summed(atoms: tuple[Atom, ...], numbers: tuple[int, ...], rows: pl.DataFrame) -> Sequence[pl.Expr] | None:
    """Adds up what ``each_sql`` gives, as ``a_i`` … ``high_i`` of some atoms. None: their values are not such as can be added
    here."""
    places = value_places(atoms)
    exact = [(f"v_{places[i]}", atoms[i]) for i in numbers if atoms[i].fold == "sum" and not _is_double(atoms[i])]
    tests = [f"v_{places[i]}" for i in numbers if _is_test(atoms[i])]
    fits = all(_is_exact(rows[v], atom.digits or 0) for v, atom in exact)
    return _sums(atoms, numbers) if fits and all(rows.schema[v] == pl.Boolean for v in tests) else None


@lru_cache(maxsize=100)
def _sums(atoms: tuple[Atom, ...], numbers: tuple[int, ...]) -> list[pl.Expr]:
    places = value_places(atoms)
    found: list[pl.Expr] = []
    for i in numbers:
        atom, v, there = atoms[i], f"v_{places[i]}", pl.col(f"k_{places[i]}").sum().cast(pl.Int64)
        if _is_test(atom):
            found.append(pl.col(v).sum().cast(pl.Int64).alias(f"n_{i}"))
        elif atom.fold == "count":
            found.append(there.alias(f"n_{i}"))
        elif _is_double(atom):
            counted = pl.col(f"f_{i}").count().cast(pl.Int64)
            found += [counted.alias(f"n_{i}"), (there - counted).alias(f"bad_{i}")]
            if atom.fold == "sum":
                found.append(pl.col(f"h_{i}").cast(pl.Int128).sum().alias(f"a_{i}"))
                found.append(pl.col(f"r_{i}").cast(pl.Int128).sum().alias(f"b_{i}"))
            elif atom.fold == "low":
                found.append(pl.col(f"f_{i}").min().alias(f"low_{i}"))
            else:
                found.append(pl.col(f"f_{i}").max().alias(f"high_{i}"))
        else:
            found.append(pl.col(v).to_physical().cast(pl.Int128).sum().alias(f"a_{i}"))
            found.append(pl.col(v).count().cast(pl.Int64).alias(f"n_{i}"))
    return found


def _is_exact(values: pl.Series, digits: int) -> bool:
    """Whether these are numbers of so many digits after the point, and small enough for any number of them to be added up."""
    type_ = values.dtype
    if isinstance(type_, pl.Decimal):
        largest = values.to_physical().abs().max()
        return type_.scale == digits and (not isinstance(largest, int) or largest < LARGEST_EXACT)
    return type_.is_integer() and type_ not in (pl.Int128, pl.UInt128) and digits == 0


def value_places(atoms: Sequence[Atom]) -> list[int]:
    """Of each atom the number i of its values ``v_i``: what is asked twice is counted once."""
    return _levels(atoms)[0]


def _levels(
    atoms: Sequence[Atom], tame: Container[str] = ()
) -> tuple[list[int], tuple[list[str], list[str], list[str]]]:
    """The numbers of the atoms' values, and what is chosen of rows, one SELECT within the other."""
    inner: list[str] = []
    middle, scaled = ["*"], ["*"]
    known: dict[str, int] = {}
    places = []
    for i, atom in enumerate(atoms):
        value = _row_value(atom)
        v = known.setdefault(value, i)
        places.append(v)
        if v == i:
            inner.append(f"{value} AS v_{v}")
        if _is_tame(atom, tame):
            scaled.append(f"v_{v} * {_TWO_HIGH} AS s_{i}, round(v_{v} * {_TWO_HIGH}) AS h_{i}")
        elif _is_double(atom):  # NaN and the infinities are outside
            middle.append(f"{finite(f'v_{v}', LARGEST_SUMMED if atom.fold == 'sum' else LARGEST)} AS f_{i}")
            if atom.fold == "sum":
                scaled.append(f"f_{i} * {_TWO_HIGH} AS s_{i}, round(f_{i} * {_TWO_HIGH}) AS h_{i}")
    return places, (inner, middle, scaled)


def nested(shown: Sequence[str], levels: tuple[list[str], list[str], list[str]], rows: str) -> str:
    """The SELECTs of ``_levels``, with some columns beside."""
    inner, middle, scaled = levels
    source = f"SELECT {', '.join([*shown, *inner])} {rows}"
    for level in (middle, scaled):
        if len(level) > 1:
            source = f"SELECT {', '.join(level)} FROM ({source}) AS i"
    return source


def finite(value: str, largest: float = LARGEST) -> str:
    """SQL for a double where it is a number of a size that can be used, else NULL (NaN is above all numbers)."""
    return f"CASE WHEN {value} >= -{largest!r} AND {value} <= {largest!r} THEN {value} END"


def _is_double(atom: Atom) -> bool:
    return atom.fold != "count" and atom.digits is None


def _is_tame(atom: Atom, tame: Container[str]) -> bool:
    return atom.fold == "sum" and _is_double(atom) and atom.value in tame


def _row_value(atom: Atom) -> str:
    if _is_test(atom):
        return f"({atom.condition})"  # counted as it is: half the work of a CASE whose rows are counted
    value = atom.value or "1"
    if _is_double(atom):
        value = f"CAST({value} AS DOUBLE)"
    return value if atom.condition is None else f"CASE WHEN {atom.condition} THEN {value} END"


def _is_test(atom: Atom) -> bool:
    """Whether it counts the rows for which a condition holds."""
    return atom.fold == "count" and atom.value is None and atom.condition is not None


def _aggregates(atom: Atom, i: int, v: int) -> list[str]:
    """What is added up of the i-th atom; ``v`` is the number of its rows' values, so that what is asked twice is counted once."""
    if _is_test(atom):
        return [f"CAST(count_if(v_{v}) AS BIGINT) AS n_{i}"]
    if atom.fold == "count":
        return [f"count(v_{v}) AS n_{i}"]
    if atom.digits is not None:
        total = f"sum(v_{v})" if atom.digits == 0 else f"replace(CAST(sum(v_{v}) AS VARCHAR), '.', '')"
        return [f"CAST({total} AS HUGEINT) AS a_{i}", f"count(v_{v}) AS n_{i}"]
    counts = [f"count(f_{i}) AS n_{i}", f"count(v_{v}) - count(f_{i}) AS bad_{i}"]
    if atom.fold in ("low", "high"):
        return [f"{'min' if atom.fold == 'low' else 'max'}(f_{i}) AS {atom.fold}_{i}", *counts]
    return [f"sum(CAST(h_{i} AS HUGEINT)) AS a_{i}", f"CAST(sum({_rest(i)}) AS HUGEINT) AS b_{i}", *counts]


def _tame_sum(i: int, v: int) -> list[str]:
    """The same of a sum where half as wide numbers hold what a row adds to it, and all is finite."""
    sums = (("a", f"CAST(h_{i} AS BIGINT)"), ("b", _rest(i)))
    return [*(f"CAST(sum({part}) AS HUGEINT) AS {key}_{i}" for key, part in sums), f"count(v_{v}) AS n_{i}"]


def _rest(i: int) -> str:
    """What is left of the i-th atom's value beyond units of 2^-20, in those of 2^-80."""
    return f"CAST((s_{i} - h_{i}) * {_TWO_REST} AS BIGINT)"


def as_rows(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The wide answer of ``scan_sql`` as one row per state, bucket and slice; rows that say nothing are left out."""
    if len(frame) <= FEW_ROWS:
        return _listed(frame, names)
    parts = [pl.LazyFrame(schema=SCHEMA)]
    for index, name in enumerate(names):
        rows = frame.lazy().select(
            pl.lit(name).alias("state"),
            pl.col("bucket").cast(SCHEMA["bucket"]),
            pl.col("slice").cast(pl.String),
            *(_stored(frame, key, index) for key in ("a", "b", "n", "bad", "low", "high")),
        )
        parts.append(rows.filter((pl.col("n") > 0) | (pl.col("bad") > 0)))
    made = pl.concat(parts).collect()  # all at once: a plan for each state costs more than its rows
    assert isinstance(made, pl.DataFrame)  # noqa: S101 - tells mypy
    return made


def _listed(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The same, value by value: for the few rows of a tick much quicker than to plan it."""
    height = len(frame)
    columns: dict[str, list[Any]] = {
        "state": [name for name in names for _ in range(height)],
        "bucket": frame["bucket"].to_list() * len(names),
        "slice": frame["slice"].to_list() * len(names),
    }
    for key in ("a", "b", "n", "bad", "low", "high"):
        found = columns.setdefault(key, [])
        whole: Callable[[Any], Any] | None = {"a": Decimal, "b": Decimal, "n": int, "bad": int}.get(key)
        for index in range(len(names)):
            given = frame[f"{key}_{index}"].to_list() if f"{key}_{index}" in frame.columns else [None] * height
            found += given if whole is None else [whole(value or 0) for value in given]
    kept = [bool(n or bad) for n, bad in zip(columns["n"], columns["bad"], strict=True)]
    return pl.DataFrame({key: list(compress(values, kept)) for key, values in columns.items()}, schema=SCHEMA)


def parts_as_rows(bucket: datetime, parts: Mapping[Part, Amount]) -> pl.DataFrame:
    """Amounts of one bucket as they are kept."""
    rows = [
        (state, bucket, raw, Decimal(amount.a), Decimal(amount.b), *amount[2:])
        for (state, raw), amount in parts.items()
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def small(rows: pl.DataFrame) -> pl.DataFrame:
    """The same with sums as whole numbers: to Python that is far quicker than as decimals."""
    return rows.with_columns(pl.col("a", "b").cast(pl.Int128))


def _stored(frame: pl.DataFrame, key: str, index: int) -> pl.Expr:
    """One column of a state, with what its atom does not have filled in."""
    given = pl.col(f"{key}_{index}") if f"{key}_{index}" in frame.columns else pl.lit(None)
    stored = given.cast(SCHEMA[key])
    return (stored if key in ("low", "high") else stored.fill_null(0)).alias(key)


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
