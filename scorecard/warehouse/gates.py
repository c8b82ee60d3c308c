"""Declared checks, on the table as it would be after the load."""

from __future__ import annotations

import re

import duckdb

from scorecard.book.model.source import Check, Source
from scorecard.ground.errors import Problem
from scorecard.warehouse.changes import DELETED
from scorecard.warehouse.faults import first_lines
from scorecard.warehouse.limits import limited
from scorecard.warehouse.quoting import live_table, quote, quoted

SQL_SECONDS = 30.0


def failed_checks(
    cursor: duckdb.DuckDBPyConnection, source: Source, rows_before: int | None, known: frozenset[str]
) -> list[Problem]:
    """A problem for every declared check that the live table, as this transaction sees it, does not pass.

    ``rows_before``: None for a first load. ``known``: columns that are there. What is found would be held for a person.
    """
    problems = _emptied(cursor, source, rows_before)
    for check in source.checks:
        try:
            found = _run(cursor, source, check, rows_before, known)
        except duckdb.Error as error:
            # The transaction may be void after an error, so nothing further can be asked of it.
            found = [
                Problem(
                    f"{source.name}: the check '{check.text or check.kind}' could not be run: {first_lines(error)}",
                    check.place,
                )
            ]
            return problems + found
        problems += found
    return problems


def _emptied(cursor: duckdb.DuckDBPyConnection, source: Source, before: int | None) -> list[Problem]:
    """An export that failed often leaves a file with nothing but a header: no reason to throw all rows away unasked."""
    if source.kind != "csv" or not before or any(check.kind == "rows" for check in source.checks):
        return []
    (after,) = _number(cursor, f"SELECT count(*) FROM {live_table(source.name)}")
    if after or (source.deleted and _number(cursor, f"SELECT count(*) FROM temp.{DELETED}")[0]):
        return []
    message = f"{source.name}: no rows came, and the table has {before}: it would be empty"
    hint = "if that can be right, say so: checks: [{rows: {at_least: 0}}]"
    return [Problem(message, source.place, hint)]


def _run(
    cursor: duckdb.DuckDBPyConnection, source: Source, check: Check, before: int | None, known: frozenset[str]
) -> list[Problem]:
    absent = [name for name in check.columns if name not in known]
    if absent:
        return [
            Problem(
                f"{source.name}: the check '{check.kind}' names columns that are not there: {', '.join(absent)}",
                check.place,
            )
        ]
    match check.kind:
        case "rows":
            return _rows(cursor, source, check, before)
        case "not_null":
            return _not_null(cursor, source, check)
        case "unique":
            return _unique(cursor, source, check)
        case "sql":
            return _sql(cursor, source, check)


def _number(cursor: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    row = cursor.execute(sql).fetchone()
    return tuple(int(value or 0) for value in row or ())


def _rows(cursor: duckdb.DuckDBPyConnection, source: Source, check: Check, before: int | None) -> list[Problem]:
    (after,) = _number(cursor, f"SELECT count(*) FROM {live_table(source.name)}")
    problems = []
    if check.at_least is not None and after < check.at_least:
        said = f"{source.name}: the table would have {after} rows; the check asks for at least {check.at_least}"
        problems.append(Problem(said, check.place))
    if check.drop_at_most is not None and before and after < before * (1 - check.drop_at_most):
        said = f"{source.name}: the table would drop from {before} to {after} rows ({(before - after) / before:.0%})"
        problems.append(
            Problem(
                f"{said}; the check allows {check.drop_at_most:.0%}",
                check.place,
                "look at the source before letting it in",
            )
        )
    return problems


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
        return [Problem(f"{source.name}: {complaint}: {text}", check.place)]
    with limited(cursor, SQL_SECONDS):
        rows = cursor.execute(text).fetchmany(2)
    if len(rows) != 1 or len(rows[0]) != 1 or not (rows[0][0] is None or isinstance(rows[0][0], bool)):
        return [
            Problem(f"{source.name}: a check must give one true or false, and this one does not: {text}", check.place)
        ]
    return [] if rows[0][0] else [Problem(f"{source.name}: the check does not hold: {text}", check.place)]


def not_one_select(cursor: duckdb.DuckDBPyConnection, text: str) -> str | None:
    """Why the text is not one SELECT that only reads; None where it is."""
    if not re.match(r"\s*\(*\s*select\b", text, re.IGNORECASE):
        return "only a statement that begins with select is run"
    try:
        statements = cursor.extract_statements(text)
    except duckdb.Error as error:
        return first_lines(error)
    if len(statements) != 1:
        return f"one statement is run, and here are {len(statements)}"
    if statements[0].type != duckdb.StatementType.SELECT:
        return "only a select is run"
    return None
