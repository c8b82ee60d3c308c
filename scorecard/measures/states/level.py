"""Levels that rows state themselves, as rows that can be added up by day.

Of daily snapshots only the last row of each key and day counts. Of a change log every row adds its level on its own day, and
takes the level of the row before it away on that day too: what is left up to a moment is the last level of every key. Of
two rows of a key at the same moment the larger counts as the later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from scorecard.measures.place import Here
from scorecard.measures.plan import STATED, Line, Scan
from scorecard.measures.ranges import Range, column, covering, day_literal, day_of, runs, until_moment, within
from scorecard.measures.sql import ROWS, quoted
from scorecard.measures.states.rows import guarded

MOST_RANGES = 4
"""Of a change log at most so many runs of days are read for themselves: each looks up the rows before it."""
LOOKING_BACK = (timedelta(days=32), timedelta(days=400))
"""How far the row before is looked for at first: most keys change again and again, few cost the whole history."""


def table_of(here: Here, scan: Scan, ranges: Sequence[Range] | None) -> str:
    """What a scan of some days (None: all) reads: the source's rows, or for a level the rows that count for it."""
    if scan.line is None:
        return here.table
    if not scan.line.carry:
        return _last_of_days(here, scan, scan.line, ranges)
    spans = [None] if ranges is None else covering(tuple(ranges), MOST_RANGES)
    return f"({' UNION ALL '.join(_replaced(here, scan, scan.line, span) for span in spans)})"


def replacing_days(here: Here, scan: Scan, days: frozenset[date]) -> str:
    """SQL for the days on which rows of a change log replace one of the given days: where a late row's level ends."""
    line, first = scan.line, min(days)
    assert line is not None  # noqa: S101 - only asked of a change log
    ranges = covering(runs(days))
    touched = f"SELECT DISTINCT {_keys(line)} FROM {_rows(here, scan, line)} AND {_within(scan, ranges)}"
    follows = f"lead(d) OVER (PARTITION BY {_names(line)} ORDER BY s)"
    source = (
        f"SELECT {_chosen(scan, line)} FROM {_rows(here, scan, line)} AND {day_of(scan.time)} >= {day_literal(first)}"
    )
    only = within("d", ranges)
    return (
        f"WITH touched AS MATERIALIZED ({touched}) SELECT DISTINCT n FROM (SELECT d, {follows} AS n FROM "
        f"(SELECT a.* FROM ({source}) AS a SEMI JOIN touched AS b ON {_same(line)}) AS c) AS e WHERE n IS NOT NULL AND {only}"
    )


def _last_of_days(here: Here, scan: Scan, line: Line, ranges: Sequence[Range] | None) -> str:
    only = "" if ranges is None else f" AND {_within(scan, ranges)}"
    rows = f"SELECT {_chosen(scan, line)} FROM {_rows(here, scan, line)}{only}"
    last = f"SELECT d, {_names(line)}, max(s) AS s FROM ({rows}) AS a GROUP BY d, {_names(line)}"
    return f"(SELECT {_as_rows(scan, 's')} FROM ({last}) AS l)"


def _replaced(here: Here, scan: Scan, line: Line, span: Range | None) -> str:
    """Rows of some days, each with the level and split value of its key's row before it; those without one are left out."""
    before = f"lag(s) OVER (PARTITION BY {_names(line)} ORDER BY s) AS p"
    inside = "" if span is None else f" AND {_within(scan, (span,))}"
    rows = f"SELECT {_chosen(scan, line)}, true AS own FROM {_rows(here, scan, line)}{inside}"
    known = ""
    if span is not None:
        bounds = _looking_back(here, scan, span[0])
        known = f"WITH {', '.join(_looked_up(here, scan, line, rows, span, bounds))} "
        found = " UNION ALL ".join(f"SELECT d, {_names(line)}, s FROM found_{n}" for n in range(len(bounds)))
        rows = f"SELECT * FROM inside UNION ALL SELECT d, {_names(line)}, s, false FROM ({found}) AS f"
    pairs = f"SELECT d, s, own, {before} FROM ({rows}) AS a"
    return f"(SELECT {_as_rows(scan, 'p')} FROM ({known}{pairs}) AS b WHERE own AND p IS NOT NULL)"


def _looking_back(here: Here, scan: Scan, day: date) -> list[date | None]:
    """From which days on rows before a day are looked for, one after the other; None: from the first one on. That is soon the
    same where the source has not been there for long."""
    first = here.standing.first_day.get(scan.time)
    nearby = [day - back for back in LOOKING_BACK]
    return [*(begin for begin in nearby if first is None or begin > first), None]


def _looked_up(
    here: Here, scan: Scan, line: Line, rows: str, span: Range, bounds: Sequence[date | None]
) -> Iterator[str]:
    """Common tables: the rows of a span, its keys, and the last row before the span of each, first looked for nearby."""
    yield f"inside AS MATERIALIZED ({rows})"
    yield f"keys_0 AS MATERIALIZED (SELECT DISTINCT {_names(line)} FROM inside)"
    until = span[0]
    for number, first in enumerate(bounds):
        days = f"{day_of(scan.time)} < {day_literal(until)}"
        if first is not None:
            days += f" AND {day_of(scan.time)} >= {day_literal(first)}"
        found = (
            f"SELECT a.* FROM (SELECT {_chosen(scan, line)} FROM {_rows(here, scan, line)} AND {days}) AS a "
            f"SEMI JOIN keys_{number} AS b ON {_same(line)}"
        )
        last = f"SELECT max(d) AS d, {_names(line)}, max(s) AS s FROM ({found}) AS f GROUP BY {_names(line)}"
        yield f"found_{number} AS MATERIALIZED ({last})"
        left = f"SELECT a.* FROM keys_{number} AS a ANTI JOIN found_{number} AS b ON {_same(line)}"
        yield f"keys_{number + 1} AS MATERIALIZED ({left})"
        until = first or until


def _chosen(scan: Scan, line: Line) -> str:
    """Of each row its day, its key, and a struct whose order is that of the rows of a key: time, then level."""
    value = guarded(line.value, line.condition)
    raw = "CAST(NULL AS VARCHAR)" if scan.split is None else f"CAST({column(scan.split)} AS VARCHAR)"
    packed = f"t := {column(scan.time)}, p := ({value}) IS NOT NULL, v := {value}, q := {raw} IS NOT NULL, r := {raw}"
    return f"{day_of(scan.time)} AS d, {_keys(line)}, struct_pack({packed}) AS s"


def _as_rows(scan: Scan, packed: str) -> str:
    """A struct's level under the names of the source's columns; of a replaced row at the moment of the one that replaces it."""
    split = [] if scan.split is None else [f"{packed}.r AS {quoted(scan.split)}"]
    day = quoted("_day_" + scan.time)
    return ", ".join([f"s.t AS {quoted(scan.time)}", f"d AS {day}", *split, f"{packed}.v AS {quoted(STATED)}"])


def _rows(here: Here, scan: Scan, line: Line) -> str:
    """The rows that have come, and count."""
    until = until_moment(scan.time, here.columns[scan.time], here.now, here.today)
    only = "" if line.condition is None else f" AND ({line.condition})"
    return f"{here.table} AS {ROWS} WHERE {day_of(scan.time)} IS NOT NULL AND {until}{only}"


def _within(scan: Scan, ranges: Sequence[Range]) -> str:
    return within(day_of(scan.time), ranges)


def _keys(line: Line) -> str:
    keys = [f"{column(key)} AS k_{number}" for number, key in enumerate(line.keys)]
    return ", ".join(keys or ["0 AS k_0"])


def _names(line: Line) -> str:
    return ", ".join(f"k_{number}" for number in range(max(1, len(line.keys))))


def _same(line: Line) -> str:
    return " AND ".join(f"a.k_{n} IS NOT DISTINCT FROM b.k_{n}" for n in range(max(1, len(line.keys))))
