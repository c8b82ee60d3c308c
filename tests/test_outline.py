"""Expressions are read twice: quickly, and by the SQL parser. What the quick reader takes, the parser takes in the same way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlglot.expressions as exp
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.names import RESERVED
from scorecard.book.expressions import expression, parse
from scorecard.book.functions import Kind
from scorecard.book.outline import STRANGE, Doubt, Outline, outline
from scorecard.book.sqlparse import judge
from tests.amounts import times
from tests.test_expressions import GOOD

NAMES = st.sampled_from(
    ["minutes", "score", "created_at", "status", "a", "date", "value", "hours", "Left_Over", "text", "day"]
)
NUMBERS = st.sampled_from(["0", "4", "1.5", "2e3", "100"])
TEXTS = st.sampled_from(["'done'", "'it''s'", "''", "'a b'", "'%x_'"])


def sides(inner: st.SearchStrategy[str], signs: list[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda a, s, b: f"{a} {s} {b}", inner, st.sampled_from(signs), inner)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """One step more of everything that a row expression may be."""
    one = st.sampled_from(["abs({})", "lower({})", "-{}", "({})", "year({})", "cast({} as double)", "{}::date", "trim({})",
                           "extract(hour from {})", "date_trunc('month', {})", "{} is null", "{} is not true", "not {}",
                           "epoch({})", "round({}, 2)", "try_cast({} as decimal(10, 2))", "({}) in (1, 2)"])  # fmt: skip
    two = st.sampled_from(["coalesce({}, {})", "nullif({}, {})", "date_diff('day', {}, {})", "{} is distinct from {}",
                           "case when {} then {} end", "{} like {}", "({}) not in ({}, 3)", "starts_with({}, {})"])  # fmt: skip
    three = st.sampled_from(
        ["case when {} then {} else {} end", "if({}, {}, {})", "({}) between {} and {}", "case {} when {} then {} end"]
    )
    return st.one_of(
        sides(inner, ["+", "-", "*", "/", "%", "=", "<", ">=", "<>", "and", "or", "||", "=="]),
        st.builds(lambda form, a: form.format(a), one, inner),
        st.builds(lambda form, a, b: form.format(a, b), two, inner, inner),
        st.builds(lambda form, a, b, c: form.format(a, b, c), three, inner, inner, inner),
    )


ROWS = st.recursive(
    st.one_of(NAMES, NUMBERS, TEXTS, st.sampled_from(["true", "null", "interval 8 hour", "date '2026-01-31'"])),
    grown,
    max_leaves=8,
)
AGGREGATES = st.recursive(
    st.one_of(
        st.just("rows"), NUMBERS, st.builds(lambda name, x: f"{name}({x})", st.sampled_from(["sum", "count", "max", "mean", "count_if"]), ROWS),
        st.builds(lambda x, c: f"sum_if({x}, {c})", ROWS, ROWS),
    ),
    lambda inner: st.one_of(sides(inner, ["+", "-", "*", "/"]), inner.map(lambda x: f"({x})"), inner.map(lambda x: f"-{x}")), max_leaves=4,
)  # fmt: skip
FORMULAS = st.recursive(
    st.one_of(NAMES, NUMBERS, NAMES.map(lambda n: f"previous({n})"), NAMES.map(lambda n: f"year_ago({n})"), st.just("days")),
    lambda inner: st.one_of(sides(inner, ["+", "-", "*", "/"]), inner.map(lambda x: f"({x})"), inner.map(lambda x: f"-{x}")), max_leaves=6,
)  # fmt: skip
JUNK = st.text(alphabet=" ab1.'\"()+-*/%<>=,:|;[]{}$?@!~^#\\\n_", max_size=12)
ANY: st.SearchStrategy[tuple[Kind, str]] = st.one_of(
    st.tuples(st.sampled_from(["row", "condition"]), ROWS), st.tuples(st.just("aggregate"), AGGREGATES),
    st.tuples(st.just("formula"), FORMULAS), st.tuples(st.sampled_from(["row", "condition", "aggregate", "formula"]), JUNK),
)  # fmt: skip


def read(text: str, kind: Kind) -> Outline | None:
    try:
        return outline(text, kind)
    except Doubt:
        return None


@settings(max_examples=times(500), deadline=None)
@given(ANY)
@example(("row", "1.a"))
@example(("row", "a--b"))
@example(("row", "x'ab'"))
@example(("row", "'a' 'b'"))
@example(("condition", "a = b = c"))
@example(("condition", "not not a"))
def test_what_the_quick_reader_takes_the_parser_takes_with_the_same_names(given: tuple[Kind, str]) -> None:
    kind, text = given
    found = read(text, kind)
    if found is None:
        return
    judged = judge(text, kind)
    assert judged.mistakes == (), text
    assert judged.tree is not None
    assert tuple((node.name, node.at) for node in found.walk() if node.form == "column") == judged.spots


@settings(max_examples=times(200), deadline=None)
@given(FORMULAS)
def test_every_formula_that_the_parser_takes_is_read_quickly(text: str) -> None:
    """What a formula's outline decides (does it add up, is it a division) never rests on the parser."""
    judged = judge(text, "formula")
    found = read(text, "formula")
    assert (found is not None) == (not judged.mistakes) or "- -" in text or "--" in text, text
    if found is not None and judged.tree is not None:
        assert (found.bare().name == "/") == isinstance(judged.tree.unnest(), exp.Div)


@pytest.mark.parametrize("word", sorted(STRANGE - RESERVED))
def test_words_that_the_parser_reads_in_its_own_way_are_left_to_it(word: str) -> None:
    for text in (f"1 + {word}", f"{word} = 1", f"coalesce({word}, 1)"):
        assert read(text, "row") is None or word == "interval"


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in GOOD.items() for text in texts])
def test_nearly_everything_people_write_is_read_quickly(kind: Kind, text: str) -> None:
    slow = {"name like 'a!%' escape '!'", "timestamp '2026-01-01 00:00'"}
    assert read(text, kind) is not None or text in slow


def test_a_share_is_one_whoever_has_read_it() -> None:
    """`binomial` rests on the outermost call, which both readers tell."""
    for text in ("count_if(a > 1)", "count_if(name like 'a!%' escape '!')"):
        found = expression(text, "aggregate").outline
        assert (found.form, found.name) == ("call", "count_if")
    assert parse("a.b", "row").outline is None


def test_a_check_loads_no_sql_parser_and_no_engine(tmp_path: Path) -> None:
    """Their imports are most of the time that a check takes."""
    code = (
        "import sys; from scorecard.cli.main import execute; from scorecard.cli.session import Session\n"
        "status = execute(Session(), ['--config', sys.argv[1], '--data', sys.argv[2], 'check'])\n"
        "slow = {'sqlglot', 'duckdb', 'polars', 'sqlalchemy', 'dash', 'requests', 'pyarrow', 'statistics', 'logging', 'decimal',"
        " 'scorecard.judgement.status', 'scorecard.cli.serve'} & set(sys.modules)\n"
        "print(status, sorted(slow))"
    )
    book = Path(__file__).parent / "fixtures" / "quick.yaml"
    done = subprocess.run(
        [sys.executable, "-c", code, str(book), str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "0 []", done.stdout + done.stderr


def test_a_preview_loads_nothing_that_only_loads_and_pages_need() -> None:
    code = (
        "import sys, scorecard.cli.product, scorecard.cli.preview, scorecard.desk.preview\n"
        "print(sorted({'pyarrow.compute', 'requests', 'dash', 'flask', 'apscheduler', 'plotly'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "[]\n", done.stdout + done.stderr
