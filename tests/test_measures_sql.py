"""Expressions compiled from their trees: local clocks, instants, durations, and what has no meaning."""

from __future__ import annotations

import duckdb
import pytest

from scorecard.book.expressions import expression
from scorecard.ground.errors import Refused
from scorecard.measures.sql import Compiler, literal, quoted

COLUMNS = {
    "opened": "TIMESTAMP", "closed": "TIMESTAMP", "day": "DATE", "due": "DATE", "minutes": "DOUBLE", "n": "BIGINT",
    "team": "VARCHAR", "late": "BOOLEAN", "order_": "VARCHAR",
}  # fmt: skip
# Sunday 29 March 2026, when Berlin's clocks go forward: 00:30 UTC is 01:30, 01:30 UTC is 03:30 local time.
ROW = """SELECT TIMESTAMP '2026-03-29 00:30:00' AS opened, TIMESTAMP '2026-03-29 01:30:00' AS closed, DATE '2026-03-28' AS day,
    DATE '2026-03-31' AS due, 0.0::DOUBLE AS minutes, 7::BIGINT AS n, 'North' AS team, true AS late, 'x' AS order_"""


def result(text: str, kind: str = "row", unit: str | None = "h") -> object:
    """The value of an expression on the row, in Berlin."""
    compiler = Compiler("tickets", COLUMNS, "Europe/Berlin", unit)
    parsed = expression(text, kind)  # type: ignore[arg-type]
    sql = compiler.condition(parsed) if kind == "condition" else compiler.value(parsed)
    found = duckdb.connect().execute(f"SELECT {sql} FROM ({ROW}) AS r").fetchone()
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("closed - opened", 1.0),
        ("(closed - opened) * 2", 2.0),
        ("(closed - opened) / interval 15 minute", 4.0),
        ("(closed - opened) + interval 30 minute", 1.5),
        ("closed - opened + 1", 2.0),
        ("coalesce(closed, opened) - opened", 1.0),
        ("greatest(closed, opened) - least(closed, opened)", 1.0),
        ("case when late then closed else opened end - opened", 1.0),
        ("abs(opened - closed)", 1.0),
        ("due - day", 72.0),
        ("opened - day", 25.5),
        ("closed - '2026-03-29 00:00'", 3.5),
        ("hour(closed)", 3),
        ("hour(opened)", 1),
        ("extract(minute from closed)", 30),
        ("date_part('hour', closed)", 3),
        ("date_diff('day', day, closed)", 1),
        ("date_diff('hour', opened, closed)", 1),
        ("epoch(closed) - epoch(opened)", 3600.0),
        ("n / minutes", None),
        ("n % 0", None),
        ("n / 2", 3.5),
        ("if(late, n, 0)", 7),
        ("upper(team) || '!'", "NORTH!"),
        ("cast(closed as date) = day", False),
        ("nullif(n, 7)", None),
        ("-n + 1", -6),
    ],
)
def test_values(text: str, expected: object) -> None:
    found = result(text)
    assert found == (pytest.approx(expected) if isinstance(expected, float) else expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("closed - opened <= interval 1 hour", True),
        ("closed - opened > interval 59 minute", True),
        ("closed - opened < 1", False),
        ("closed - opened between 0.5 and 1", True),
        ("closed <= opened + interval 1 hour", True),
        ("closed > opened", True),
        ("closed >= '2026-03-29 03:30'", True),
        ("opened < '2026-03-29 01:00'", False),
        ("closed between '2026-03-29 03:00' and '2026-03-29 04:00'", True),
        ("hour(closed) in (2, 3)", True),
        ("cast(opened as date) > day", True),
        ("closed is null", False),
        ("closed is not null and not late", False),
        ("team like 'n%' or team ilike 'n%'", True),
        ("date_trunc('day', closed) = date_trunc('day', opened)", True),
        ("day < due and due - day > interval 2 day", True),
        ("minutes / 0 > 1", None),
    ],
)
def test_conditions(text: str, expected: object) -> None:
    assert result(text, "condition") is expected


@pytest.mark.parametrize(("unit", "expected"), [("s", 3600), ("min", 60), ("h", 1), ("d", 1 / 24), ("minutes", 60)])
def test_a_difference_of_times_is_converted_to_the_unit(unit: str, expected: float) -> None:
    assert result("closed - opened", unit=unit) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("closed - opened", None, "difference of two times, and the metric has no unit"),
        ("closed - opened", "EUR", "the metric's unit is 'EUR'"),
        ("closed - opened > 5", None, "difference of two times"),
        ("closed - opened > interval 1 month", "h", "no fixed length"),
        ("opned", "h", "has no column 'opned'"),
        ("team", "h", "a text, where a number is needed"),
        ("opened", "h", "a time, where a number is needed"),
    ],
)
def test_what_has_no_meaning_is_refused(text: str, unit: str | None, message: str) -> None:
    kind = "condition" if ">" in text else "row"
    compiler = Compiler("tickets", COLUMNS, "Europe/Berlin", unit)
    parsed = expression(text, kind)  # type: ignore[arg-type]
    with pytest.raises(Refused, match=message):
        _ = compiler.condition(parsed) if kind == "condition" else compiler.number(parsed)


def test_a_misspelt_column_gets_a_suggestion() -> None:
    with pytest.raises(Refused) as caught:
        Compiler("tickets", COLUMNS, "UTC").number(expression("minuts + 1"))
    assert caught.value.problems[0].hint == "did you mean 'minutes'?"


def test_booleans_count_as_numbers_and_names_are_quoted() -> None:
    compiler = Compiler("tickets", COLUMNS, "UTC")
    assert compiler.number(expression("late")) == 'CAST(r."late" AS INT)'
    assert compiler.value(expression("order_")) == 'r."order_"'
    assert (quoted('a"b'), literal("it's")) == ('"a""b"', "'it''s'")
