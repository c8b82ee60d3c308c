"""Expressions: what is read, what is refused, and at which character."""

from __future__ import annotations

import duckdb
import pytest
import sqlglot.expressions as exp

from scorecard.book.expressions import expression, parse
from scorecard.book.functions import AGGREGATES, ROW_FUNCTIONS, Kind
from scorecard.ground.errors import Refused

GOOD: dict[Kind, tuple[str, ...]] = {
    "row": (
        "minutes", "first_reply_at - created_at", "amount * (1 - discount / 100)", "-x", "case when a > 1 then 2 else 0 end",
        "case kind when 'a' then 1 end", "cast(a as decimal(10, 2))", "a::date", "try_cast(a as integer)", "if(a > 1, 2, 3)",
        "coalesce(a, b, 0)", "round(a, 2)", "extract(hour from created_at)", "date_diff('day', a, b)", "date_trunc('month', a)",
        "a || '-' || b", "interval 8 hour", "interval '2' day", "timestamp '2026-01-01 00:00'", "date '2026-01-01' - a", "left(name, 3)",
        "year(a) * 100 + month(a)", "1.5e3", "value", "date", "hours", "left_over", "a % 7",
    ),
    "condition": (
        "flag", "not done", "status = 'done'", "status in ('a', 'b')", "status not in ('a')", "a between 1 and 2", "name like 'x%'",
        "name not ilike '%y'", "a is null", "a is not null", "flag is not true", "a is distinct from b", "a <> b and (c or d)",
        "first_reply_at - created_at <= interval 8 hour", "true", "contains(name, 'x')", "a == 1", "name like 'a!%' escape '!'",
    ),
    "aggregate": (
        "rows", "count(score)", "count_if(score >= 4)", "sum(a) - sum(b)", "sum_if(a, b > 1)", "max(a)", "min(a)", "mean(a)", "100 * count_if(a) / rows",
        "sum(case when a then b else 0 end)", "-(rows - count(a))", "count_if(first_reply_at - created_at <= interval 8 hour)",
    ),
    "formula": ("a", "a / b", "(a - b) / previous(b)", "year_ago(a) * days", "a / workdays", "100 * a", "-a + 2"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in GOOD.items() for text in texts])
def test_good_ones_are_read(kind: Kind, text: str) -> None:
    found = expression(text, kind)
    assert found == expression(f"  {text} ", kind)


@pytest.mark.parametrize("name", [*ROW_FUNCTIONS, *AGGREGATES])
def test_every_listed_function_exists_in_duckdb(name: str) -> None:
    """The list promises nothing that the engine would refuse."""
    own = {"cast", "try_cast", "extract", "if", "coalesce", "nullif", "ifnull", "sum_if"}
    found = (
        duckdb.connect().execute("select count(*) from duckdb_functions() where function_name = ?", [name]).fetchone()
    )
    assert name in own or (found is not None and found[0] > 0)


@pytest.mark.parametrize(
    ("kind", "text", "at", "word"),
    [
        ("row", "a + foo(b)", 4, "unknown function 'foo'"),
        ("row", "lenght(a)", 0, "did you mean 'length'?"),
        ("row", "avg(a)", 0, "unknown function"),
        ("row", "count(a)", 0, "sums up many rows"),
        ("row", "read_csv('/etc/passwd')", 0, "unknown function"),
        ("row", "getenv('HOME')", 0, "unknown function"),
        ("row", "(select max(a) from t)", 1, "'select' is not allowed"),
        ("row", "a in (select b)", 6, "'select' is not allowed"),
        ("row", "exists (select 1)", 0, "'exists' is not allowed"),
        ("row", "minutes over (partition by b)", 8, "'over' is not allowed"),
        ("row", "a; drop table t", 1, "';' is not allowed"),
        ("row", "a -- and the rest", 2, "a comment"),
        ("row", "a /* and */ + b", 2, "a comment"),
        ("row", "*", 0, "count rows with 'rows'"),
        ("row", "t.a", 1, "reads one source"),
        ("row", "a[1]", 1, "'[' is not allowed"),
        ("row", "{'a': 1}", 0, "'{' is not allowed"),
        ("row", "x -> x + 1", 2, "'->' is not allowed"),
        ("row", ":cursor", 0, "':' is not allowed"),
        ("row", "$1", 0, "is not allowed"),
        ("row", "?", 0, "'?' is not allowed"),
        ("row", "lower(a", 5, "'(' is not closed"),
        ("row", "lower a)", 7, "closes no bracket"),
        ("row", "a +", 2, "something is missing"),
        ("row", "'open", 0, "is not closed"),
        ("row", "a b", 2, "unexpected 'b'"),
        ("row", "a as b", 2, "unexpected 'as'"),
        ("row", '"Created Date"', 0, "a column is written created_date"),
        ("row", "current_timestamp", 0, "at any time"),
        ("row", "random()", 0, "unknown function"),
        ("row", "a::json", 3, "unknown type 'json'"),
        ("row", "order", 0, "reserved SQL word"),
        ("row", "a ** 2", 2, "power(x, y)"),
        ("row", "a.b.c", 1, "'.' is not allowed"),
        ("condition", "minutes + 1", 0, "expected a condition"),
        ("condition", "status = \"done\"", 9, "single quotes"),
        ("condition", "a = 1 and", 6, "something is missing"),
        ("aggregate", "score", 0, "stands outside"),
        ("aggregate", "count(a) + score", 11, "stands outside"),
        ("aggregate", "sum(count(a))", 4, "an aggregate inside another"),
        ("aggregate", "count(distinct a)", 6, "use the measure 'distinct'"),
        ("aggregate", "sum(a, b)", 8, "unexpected ')'"),
        ("aggregate", "sum_if(a)", 0, "1 values"),
        ("aggregate", "count_if(a + 1)", 9, "expected a condition"),
        ("aggregate", "sum(rows)", 4, "stands alone"),
        ("aggregate", "12", 0, "nothing is counted"),
        ("aggregate", "round(sum(a))", 0, "no arithmetic of aggregates"),
        ("aggregate", "sum(a) filter (where b)", 7, "'filter' is not allowed"),
        ("formula", "sum(a)", 0, "unknown function"),
        ("formula", "abs(a)", 0, "not for formulas"),
        ("formula", "previous(a + b)", 0, "takes one metric's name"),
        ("formula", "previous(days)", 0, "takes a metric"),
        ("formula", "days", 0, "no metric is named"),
        ("formula", "workdays * 2 / days", 0, "no metric is named"),
        ("formula", "a and b", 2, "'and' is not allowed"),
        ("formula", "a > b", 0, "is not allowed"),
        ("formula", "'a'", 0, "a text"),
        ("formula", "1 + 2", 0, "no metric is named"),
    ],
)  # fmt: skip
def test_mistakes_stand_at_their_character(kind: Kind, text: str, at: int, word: str) -> None:
    mistakes = parse(text, kind).mistakes
    assert mistakes, f"{text} was read"
    first = min(mistakes, key=lambda m: m.offset)
    assert (first.offset, word in f"{first.message} ({first.hint})") == (at, True), mistakes


def test_names_are_in_small_letters_and_know_their_places() -> None:
    parsed = parse("Minutes > 5 and lower(Status) = 'X'", "condition")
    assert parsed.spots == (("minutes", 0), ("status", 22))
    assert expression("Minutes > 5", "condition").columns == frozenset({"minutes"})


def test_words_of_the_format_are_no_columns() -> None:
    assert expression("sum(a) / rows", "aggregate").columns == frozenset({"a"})
    assert expression("a / days * workdays", "formula").columns == frozenset({"a"})
    assert expression("rows", "row").columns == frozenset({"rows"})


def test_words_that_begin_statements_are_columns_too(caplog: pytest.LogCaptureFixture) -> None:
    parsed = parse("comment = 'set' and load > 3", "condition")
    assert parsed.spots == (("comment", 0), ("load", 20))
    for name, text in (("load", "load - 1"), ("map", "map"), ("if", "2 * if"), ("comment", "comment || 'drop'")):
        assert expression(text, "row").columns == {name}
    for name, text in (("execute", "execute like 'x%'"), ("comment", "not comment is null"), ("exists", "exists > 1")):
        assert expression(text, "condition").columns == {name}
    assert expression("values / call", "formula").columns == frozenset({"values", "call"})
    for statement in (
        "load 'x'",
        "set a = 1",
        "copy t to 'x'",
        "call f(1)",
        "delete from t",
        "values (1)",
        "comment on t",
    ):
        with pytest.raises(Refused):
            expression(statement)
    assert not caplog.records


def test_mean_is_an_average_and_sum_if_keeps_its_name() -> None:
    assert isinstance(expression("mean(a)", "aggregate").tree, exp.Avg)
    tree = expression("SUM_IF(a, b)", "aggregate").tree
    assert isinstance(tree, exp.Anonymous)
    assert tree.name == "sum_if"


def test_equal_texts_are_equal_whatever_their_spaces() -> None:
    assert expression("a  +\n b") == expression("a + b")
    assert expression("a || ' x'") != expression("a || '  x'")
    assert len({expression("a"), expression(" a "), expression("b")}) == 2


def test_a_long_or_deep_expression_is_refused_not_crashed() -> None:
    for text in ("(" * 900 + "a" + ")" * 900, "a + " * 5000 + "a"):
        with pytest.raises(Refused):
            expression(text)


def test_a_refusal_says_all_mistakes() -> None:
    with pytest.raises(Refused) as refused:
        expression("foo(a) + bar(b)")
    assert [problem.place.column for problem in refused.value.problems if problem.place] == [1, 10]
