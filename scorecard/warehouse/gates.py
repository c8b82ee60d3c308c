"""Gates: declared checks and those that every load passes, on the table as it would be after the load.

What a gate finds holds the load for a person; a check that cannot be run at all fails it.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import duckdb

from scorecard.book.model.source import Check, Source
from scorecard.ground.clock import utc_text
from scorecard.ground.errors import Problem, ScorecardError
from scorecard.warehouse.apart import ask_apart
from scorecard.warehouse.changes import DELETED
from scorecard.warehouse.faults import first_lines
from scorecard.warehouse.limits import limited
from scorecard.warehouse.quoting import live_table, quote, quoted
from scorecard.warehouse.records import Memory

SQL_SECONDS = 30.0
USUAL_ROWS = Check("rows", drop_at_most=0.5)
USUAL_NEWEST = Check("newest", back_at_most=86_400)
"""Gates of every load that brings the whole table, unless the source has a check of that kind."""
FEW_ROWS = 20
"""Of a table that is smaller, only losing all rows is remarkable by itself."""


def doubts_of(
    cursor: duckdb.DuckDBPyConnection, source: Source, before: Memory | None, after: Memory, *, whole: bool
) -> tuple[Problem, ...]:
    """A problem for every gate that the live table, as this transaction sees it, does not pass.

    ``whole``: the load brings all of the table. Raises ScorecardError for checks that cannot be run.
    """
    problems: list[Problem] = []
    for check in source.checks:
        try:
            problems += _run(cursor, source, check, before, after)
        except duckdb.Error as error:
            # The transaction may be void after an error, so nothing further can be asked of it.
            said = f"{source.name}: the check '{check.text or check.kind}' could not be run: {first_lines(error)}"
            raise ScorecardError(*problems, Problem(said, check.place)) from error
    return (*problems, *(_usual(cursor, source, before, after) if whole and before is not None else ()))


def _usual(cursor: duckdb.DuckDBPyConnection, source: Source, before: Memory, after: Memory) -> list[Problem]:
    """What nobody has to declare: rows do not vanish, and the newest time does not go back."""
    declared = {check.kind for check in source.checks}
    rows, left = before.standing.rows, after.standing.rows
    found = []
    if source.deleted and _number(cursor, f"SELECT count(*) FROM temp.{DELETED}")[0]:
        declared.add("rows")  # rows said of themselves that they are gone
    if "rows" not in declared and rows and (rows >= FEW_ROWS or not left):
        # An export that failed often leaves a file with nothing but a header.
        said = f"{source.name}: no rows came, and the table has {rows}: it would be empty"
        emptied = Problem(f"{said} (where that is right, say so: checks: [{{rows: {{at_least: 0}}}}])")
        found += _dropped(source, USUAL_ROWS, rows, left) if left else [emptied]
    if "newest" not in declared and rows >= FEW_ROWS and left:
        found += _back(source, USUAL_NEWEST, before.standing.data_until, after.standing.data_until)
    place = source.places.get("checks", source.place)
    return [Problem(p.message, place) for p in found]


def _run(
    cursor: duckdb.DuckDBPyConnection, source: Source, check: Check, before: Memory | None, after: Memory
) -> list[Problem]:
    absent = [name for name in check.columns if name not in after.standing.columns]
    if absent:
        said = f"{source.name}: the check '{check.kind}' names columns that are not there: {', '.join(absent)}"
        raise ScorecardError(Problem(said, check.place))
    match check.kind:
        case "rows":
            return _rows(source, check, None if before is None else before.standing.rows, after.standing.rows)
        case "newest":
            return _newest(source, check, None if before is None else before.standing.data_until, after)
        case "not_null":
            return _not_null(cursor, source, check)
        case "unique":
            return _unique(cursor, source, check)
        case "sql":
            return _sql(cursor, source, check)


def _number(cursor: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    row = cursor.execute(sql).fetchone()
    return tuple(int(value or 0) for value in row or ())


def _rows(source: Source, check: Check, before: int | None, after: int) -> list[Problem]:
    problems = []
    if check.at_least is not None and after < check.at_least:
        said = f"{source.name}: the table would have {after} rows; the check asks for at least {check.at_least}"
        problems.append(Problem(said, check.place))
    return problems + (_dropped(source, check, before, after) if before else [])


def _dropped(source: Source, check: Check, before: int, after: int) -> list[Problem]:
    if check.drop_at_most is None or after >= before * (1 - check.drop_at_most):
        return []
    said = f"{source.name}: the table would drop from {before} to {after} rows ({(before - after) / before:.0%})"
    return [Problem(f"{said}; {_allowed(check, f'{check.drop_at_most:.0%}')}", check.place)]


def _newest(source: Source, check: Check, before: datetime | None, after: Memory) -> list[Problem]:
    standing = after.standing
    problems = _back(source, check, before, standing.data_until)
    if check.within is not None and standing.loaded_at is not None:
        least = standing.loaded_at - timedelta(seconds=check.within)
        if standing.data_until is None or standing.data_until < least:
            seen = (
                "no row has a time"
                if standing.data_until is None
                else f"the newest row is of {utc_text(standing.data_until)}"
            )
            said = f"{source.name}: {seen}; the check asks for one of {utc_text(least)} or later"
            problems.append(Problem(said, check.place))
    return problems


def _back(source: Source, check: Check, before: datetime | None, after: datetime | None) -> list[Problem]:
    if check.back_at_most is None or before is None:
        return []
    if after is not None and after >= before - timedelta(seconds=check.back_at_most):
        return []
    went = "nothing" if after is None else utc_text(after)
    said = f"{source.name}: the newest row would go back from {utc_text(before)} to {went}"
    return [Problem(f"{said}; {_allowed(check, f'{check.back_at_most / 3600:g} h')}", check.place)]


def _allowed(check: Check, limit: str) -> str:
    usual = check is USUAL_ROWS or check is USUAL_NEWEST
    return f"{limit} is allowed where no check says otherwise" if usual else f"the check allows {limit}"


def _not_null(cursor: duckdb.DuckDBPyConnection, source: Source, check: Check) -> list[Problem]:
    counts = ", ".join(f"count(*) - count({quote(name)})" for name in check.columns)
    empty = _number(cursor, f"SELECT {counts} FROM {live_table(source.name)}")
    return [
        Problem(f"{source.name}: {n} rows have no '{name}'; the check not_null allows none", check.place)
        for name, n in zip(check.columns, empty, strict=True)
        if n
    ]


def _unique(cursor: duckdb.DuckDBPyConnection, source: Source, check: Check) -> list[Problem]:
    if check.columns == source.key:
        return []  # a load keeps one row a key, so there is nothing to find
    names = quoted(check.columns)
    (double,) = _number(
        cursor,
        f"SELECT count(*) FROM (SELECT {names} FROM {live_table(source.name)} "
        f"WHERE {' AND '.join(f'{quote(n)} IS NOT NULL' for n in check.columns)} GROUP BY {names} HAVING count(*) > 1)",
    )
    if not double:
        return []
    return [
        Problem(
            f"{source.name}: {double} values of {', '.join(check.columns)} stand in more than one row; "
            "the check unique allows none",
            check.place,
        )
    ]


def _sql(cursor: duckdb.DuckDBPyConnection, source: Source, check: Check) -> list[Problem]:
    text = check.text or ""
    complaint = not_one_select(cursor, text)
    if complaint is not None:
        raise ScorecardError(Problem(f"{source.name}: {complaint}: {text}", check.place))
    if check.apart:
        rows = _asked_apart(cursor, source, check)
    else:
        with limited(cursor, SQL_SECONDS):
            rows = cursor.execute(text).fetchmany(2)
    if len(rows) != 1 or len(rows[0]) != 1 or not (rows[0][0] is None or isinstance(rows[0][0], bool)):
        said = f"{source.name}: a check must give one true or false, and this one does not: {text}"
        raise ScorecardError(Problem(said, check.place))
    return [] if rows[0][0] else [Problem(f"{source.name}: the check does not hold: {text}", check.place)]


def _asked_apart(cursor: duckdb.DuckDBPyConnection, source: Source, check: Check) -> list[tuple[Any, ...]]:
    try:
        return ask_apart(cursor, check, SQL_SECONDS)
    except ScorecardError as error:
        said = f"{source.name}: the check '{check.text}' could not be run: {error.problems[0].message}"
        raise ScorecardError(Problem(said, check.place, error.problems[0].hint)) from error


def not_one_select(cursor: duckdb.DuckDBPyConnection, text: str) -> str | None:
    """Why the text is not one SELECT that only reads; None where it is."""
    if not re.match(r"\s*\(*\s*(select|with)\b", text, re.IGNORECASE):
        return "only a statement that begins with select or with is run"
    try:
        statements = cursor.extract_statements(text)
    except duckdb.Error as error:
        return first_lines(error)
    if len(statements) != 1:
        return f"one statement is run, and here are {len(statements)}"
    if statements[0].type != duckdb.StatementType.SELECT:
        return "only a select is run"
    return None
