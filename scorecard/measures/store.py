"""The tables in which states are kept in the warehouse, so that a start need not compute them again.

``meter.additive``: a state's number per bucket and raw split value. ``meter.bags``: quantiles and distinct counts per period
and slice. ``meter.days``: the calendar. ``meter.known``: which states there are, of which generation of their source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Calendar
from scorecard.measures.plan import identity
from scorecard.measures.ranges import moment_literal
from scorecard.measures.sql import literal, quoted
from scorecard.measures.states.additive import SCHEMA, Amount, Part, parts_as_rows
from scorecard.measures.states.stretches import Line
from scorecard.warehouse.engine import Aside, Engine

Statement = tuple[str, Sequence[Any]]
Place = tuple[str, Grain, datetime]
"""(state, grain, bucket)."""
BAGS: dict[str, Any] = {
    "state": pl.String,
    "grain": pl.String,
    "bucket": pl.Datetime("us"),
    "kind": pl.String,
    "name": pl.String,
    "n": pl.Int64,
    "bad": pl.Int64,
    "x": pl.Float64,
}
"""``kind`` and ``name`` are empty for the whole. ``x``: the quantile or the count of distinct values; ``n``: values counted."""
KNOWN: dict[str, Any] = {
    "state": pl.String,
    "source": pl.String,
    "generation": pl.Int64,
    "measured_at": pl.Datetime("us"),
    "future": pl.Boolean,
}
DAYS = dict.fromkeys(("bucket", "week", "month", "quarter", "year"), pl.Date)
_TYPES = {pl.Date: "DATE", pl.String: "VARCHAR", pl.Int64: "BIGINT", pl.Float64: "DOUBLE", pl.Boolean: "BOOLEAN"}


def _created(table: str, schema: Mapping[str, Any]) -> Statement:
    types = {c: "HUGEINT" if c in ("a", "b") else _TYPES.get(t, "TIMESTAMP") for c, t in schema.items()}
    return f"CREATE TABLE IF NOT EXISTS meter.{table} ({', '.join(f'{c} {t}' for c, t in types.items())})", ()


TABLES: tuple[Statement, ...] = (
    ("CREATE SCHEMA IF NOT EXISTS meter", ()),
    _created("additive", SCHEMA),
    _created("bags", BAGS),
    _created("known", KNOWN),
    _created("days", DAYS),
    _created("owner", {"token": pl.String}),
)
UNUSED_FOR = timedelta(days=7)
"""How long states are kept that no metric uses: an edit may be taken back, another plan may be looked at."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a kept state: of which generation of its source, computed when, and whether rows lay in the future."""

    generation: int
    measured_at: datetime
    future: bool


class Drop(NamedTuple):
    """Kept rows of a table: those of some buckets (None: all), of one grain (None: any)."""

    table: str
    bounds: tuple[tuple[datetime, datetime], ...] | None = None
    grain: Grain | None = None

    def sql(self, states: Iterable[str]) -> str:
        where = f"state IN ({', '.join(literal(s) for s in sorted(states))})"
        where += "" if self.bounds is None else f" AND {between(self.bounds)}"
        return f"({where}{'' if self.grain is None else f' AND grain = {literal(self.grain)}'})"

    def holds(self, bucket: datetime) -> bool:
        return self.bounds is None or any(a <= bucket < b for a, b in self.bounds)


class Renewed(NamedTuple):
    """Kept states that hold as of a generation. ``ahead``: rows lie ahead of the clock."""

    states: tuple[str, ...]
    generation: int
    at: datetime
    ahead: bool


@dataclass(slots=True)
class Pending:
    """What measuring writes, in one transaction. All that is added lies in what is dropped before, or is new altogether.

    ``parts``: additive states of single buckets; a bucket is there once for each scan, named by the first of its states.
    ``lines``: bags of running periods, (state, grain, bucket) → what they come to; worked out when they are written.
    """

    additive: list[pl.DataFrame] = field(default_factory=list)
    parts: dict[tuple[str, datetime], Mapping[Part, Amount]] = field(default_factory=dict)
    bags: list[pl.DataFrame] = field(default_factory=list)
    lines: dict[Place, Line] = field(default_factory=dict)
    known: list[dict[str, object]] = field(default_factory=list)
    renewed: dict[tuple[str, ...], Renewed] = field(default_factory=dict)
    drops: dict[Drop, set[str]] = field(default_factory=dict)

    def drop(
        self,
        table: str,
        states: Iterable[str],
        bounds: Sequence[tuple[datetime, datetime]] | None = None,
        grain: Grain | None = None,
    ) -> None:
        """Removes states, all of them or those in buckets between some moments."""
        if named := set(states):
            self.drops.setdefault(Drop(table, None if bounds is None else tuple(bounds), grain), set()).update(named)

    def write(self, engine: Engine) -> None:
        """All of it, or nothing."""
        frames: dict[str, pl.DataFrame] = {}
        dropped: dict[str, list[str]] = {}
        for drop, states in self.drops.items():
            dropped.setdefault(drop.table, []).append(drop.sql(states))
        statements: list[Statement] = [
            (f"DELETE FROM meter.{table} WHERE {' OR '.join(parts)}", ()) for table, parts in dropped.items()
        ]
        bags = [*self.bags, *(as_bags(place, line) for place, line in self.lines.items())]
        additive = [*self.additive, *(parts_as_rows(bucket, parts) for (_, bucket), parts in self.parts.items())]
        for table, schema, parts in (("additive", SCHEMA, additive), ("bags", BAGS, bags)):
            if sum(map(len, parts)):
                frames[f"fresh_{table}"] = pl.concat(parts)
                statements.append(_inserted(table, schema))
        if self.known:
            frames["fresh_known"] = pl.DataFrame(self.known, schema=KNOWN)
            statements.append(_inserted("known", KNOWN))
        for one in self.renewed.values():
            at, ahead = moment_literal(one.at), str(one.ahead).lower()
            names = ", ".join(literal(s) for s in sorted(one.states))
            values = f"generation = {one.generation}, measured_at = {at}, future = {ahead}"
            statements.append((f"UPDATE meter.known SET {values} WHERE state IN ({names})", ()))
        if statements:
            engine.write(statements, frames)


def as_bags(place: Place, line: Line) -> pl.DataFrame:
    """Numbers of one period as they are kept."""
    rows = [(*place, *(slice_ or ("", "")), n, bad, x) for slice_, (n, bad, x) in line.items() if n or bad]
    return pl.DataFrame(rows, schema=BAGS, orient="row")


def _inserted(table: str, schema: Mapping[str, Any]) -> Statement:
    columns = ", ".join(schema)
    values = ", ".join(f"CAST({c} AS HUGEINT)" if c in ("a", "b") else c for c in schema)
    return f"INSERT INTO meter.{table} ({columns}) SELECT {values} FROM fresh_{table}", ()


def between(bounds: Sequence[tuple[datetime, datetime]], bucket: str = "bucket") -> str:
    """A predicate on kept buckets, the later moment exclusive."""
    parts = [f"({bucket} >= {moment_literal(a)} AND {bucket} < {moment_literal(b)})" for a, b in bounds]
    return f"({' OR '.join(parts)})" if parts else "false"


def open_store(engine: Engine, wanted: AbstractSet[str], token: str) -> dict[str, Known]:
    """Makes the tables where they are missing, takes them over, and says which of the wanted states are kept.

    Whoever holds what is kept in memory asks ``owner`` before relying on it: another may have written since.
    """
    engine.write([*TABLES, ("DELETE FROM meter.owner", ()), (f"INSERT INTO meter.owner VALUES ({literal(token)})", ())])
    rows = engine.query("SELECT state, generation, measured_at, future FROM meter.known").rows()
    known = {state: Known(generation, measured_at, future) for state, generation, measured_at, future in rows}
    newest = max((k.measured_at for k in known.values()), default=None)
    pending = Pending()
    for table in ("additive", "bags", "known"):
        pending.drop(
            table, [s for s, k in known.items() if s not in wanted and newest and k.measured_at < newest - UNUSED_FOR]
        )
    pending.write(engine)
    return {s: k for s, k in known.items() if s in wanted}


def take_over(engine: Aside, sources: Iterable[str]) -> None:
    """Copies what the warehouse keeps of some sources into a trial, so that not all of it is counted again."""
    beneath = quoted(engine.beneath)
    kept = engine.query(
        "SELECT table_name AS name, bool_or(column_name = 'state') AS stated FROM duckdb_columns() "
        f"WHERE database_name = {literal(engine.beneath)} AND schema_name = 'meter' GROUP BY table_name"
    ).rows()
    names = ", ".join(literal(s) for s in sources)
    if not names or "known" not in {name for name, _ in kept}:
        return
    known = f"SELECT state FROM {beneath}.meter.known WHERE source IN ({names})"
    copied: list[Statement] = [("CREATE SCHEMA meter", ())]
    for name, stated in kept:
        chosen = f" WHERE state IN ({known})" if stated else ""
        copied.append((f"CREATE TABLE meter.{name} AS SELECT * FROM {beneath}.meter.{name}{chosen}", ()))
    engine.write(copied)


def owner(engine: Engine) -> str | None:
    """Who took the tables over last."""
    rows = engine.query("SELECT token FROM meter.owner").rows()
    return str(rows[0][0]) if rows else None


def write_days(
    engine: Engine, calendar: Calendar, first: date, last: date
) -> dict[date, tuple[date, date, date, date]]:
    """Writes the calendar's days and returns them: day → first days of its week, month, quarter and year."""
    rows = calendar.day_rows(first, last)
    frame = pl.DataFrame(rows, schema=list(DAYS), orient="row")
    engine.write(
        [("DELETE FROM meter.days", ()), ("INSERT INTO meter.days SELECT * FROM fresh_days", ())], {"fresh_days": frame}
    )
    return {row[0]: row[1:] for row in rows}


def calendar_id(calendar: Calendar) -> str:
    """Changes when periods do."""
    c = calendar
    return identity(c.timezone, c.week_starts, c.fiscal_year_starts, c.pattern)
