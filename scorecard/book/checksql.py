"""The SQL of a source's check: one SELECT over loaded tables, and nothing that reaches a file."""

from __future__ import annotations

from collections.abc import Iterator

import sqlglot.expressions as exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, SqlglotError

from scorecard.book.notes import Notes
from scorecard.ground.errors import Place
from scorecard.ground.yamlfile import YamlText

_DUCKDB = DuckDB()
_ENDING = frozenset({
    "Count", "CountIf", "Sum", "Min", "Max", "Avg", "Median", "Quantile", "PercentileCont", "Stddev", "StddevPop", "StddevSamp",
    "Variance", "VariancePop", "LogicalAnd", "LogicalOr", "AnyValue", "ApproxDistinct", "ArgMax", "ArgMin", "First", "Last",
    "And", "Or", "Xor", "Not", "Case", "If", "Coalesce", "Nullif", "Greatest", "Least", "Cast", "TryCast", "Exists", "Between",
    "Abs", "Ceil", "Floor", "Round", "Trunc", "Sign", "Sqrt", "Exp", "Ln", "Log", "Pow", "Mod", "IsNan", "IsInf",
    "Lower", "Upper", "Trim", "Length", "Left", "Right", "Substring", "StartsWith", "EndsWith", "Contains", "SplitPart",
    "RegexpLike", "TimestampTrunc", "DateTrunc", "Extract", "DateDiff", "DateAdd", "DateSub", "Year", "Quarter", "Month", "Week",
    "Day", "Hour", "Minute", "Second", "DayOfWeek", "DayOfWeekIso", "DayOfYear", "LastDay", "TimeToUnix", "CurrentDate",
    "CurrentTimestamp", "CurrentTime", "RowNumber", "Rank", "DenseRank", "Lag", "Lead", "FirstValue", "LastValue",
})  # fmt: skip
_ENDING_NAMES = frozenset(
    {"now", "today", "isodow", "dayofweek", "epoch_ms", "bool_and", "bool_or", "count_if", "date_part"}
)
"""Functions whose values are no longer than what goes in."""


def read_check(node: YamlText, owner: str, notes: Notes) -> str:
    """The text, after its mistakes are noted at their characters."""
    text = node.text.strip()
    shift = len(node.text) - len(node.text.lstrip())
    tree = _parse(node, text, shift, owner, notes)
    if tree is None:
        return text
    if not isinstance(tree, exp.Query):
        notes.error(
            node, f"'sql' of a check of {owner} is no SELECT", "write one SELECT that gives true when all is well"
        )
        return text
    made = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for found in tree.walk():
        if isinstance(found, exp.Table) and not isinstance(found.this, exp.Identifier):
            notes.error(
                _place(node, found, shift),
                f"'sql' of a check of {owner} reads '{found.sql('duckdb')[:40]}'",
                "read loaded tables only",
            )
        elif isinstance(found, exp.Table) and _is_path(found):
            notes.error(
                _place(node, found, shift),
                f"'sql' of a check of {owner} reads the file '{found.name}'",
                "read loaded tables only",
            )
        elif isinstance(found, exp.Table) and found.db in {"", "main"} and found.name.lower() not in made:
            notes.refer(_place(node, found, shift), "source", found.name.lower())
    return text


def _is_path(table: exp.Table) -> bool:
    return bool(table.this.args.get("quoted")) and any(sign in table.name for sign in "./\\*:")


def _parse(node: YamlText, text: str, shift: int, owner: str, notes: Notes) -> exp.Expr | None:
    try:
        tokens = _DUCKDB.tokenize(text)
        trees = _DUCKDB.parser().parse(list(tokens), text)
    except ParseError as wrong:
        found = wrong.errors[0] if wrong.errors else {}
        at = next((t for t in tokens if t.line == found.get("line") and t.col == found.get("col")), None)
        place = node.place_of(at.start + shift) if at is not None else node.place
        seen = f"unexpected '{at.text}'" if at is not None else "this is no SQL"
        notes.error(place, f"{seen} in 'sql' of a check of {owner}")
        return None
    except SqlglotError:
        notes.error(node, f"'sql' of a check of {owner} is no SQL", "is a quote not closed?")
        return None
    if len(trees) != 1 or trees[0] is None:
        notes.error(node, f"'sql' of a check of {owner} is not one statement", "write one SELECT, without ';'")
        return None
    return trees[0]


def _place(node: YamlText, found: exp.Expr, shift: int) -> Place:
    offsets = [int(inner.meta["start"]) for inner in found.walk() if "start" in inner.meta]
    return node.place_of(min(offsets) + shift) if offsets else node.place


def may_run_away(text: str) -> bool:
    """Whether the SELECT calls anything but what is known to end, or to look at its limit, after every portion of rows.

    Joins, groups and sorts of whatever size do, and the memory that they take is counted. What makes values longer, row by
    row, does not: `repeat`, `lpad`, lists, texts joined in subqueries or recursion.
    """
    tree = _tree(text)
    if tree is None:
        return True
    for node in tree.walk():
        name = type(node).__name__
        if isinstance(node, exp.DPipe | exp.Lambda) or (isinstance(node, exp.With) and node.recursive):
            return True
        if isinstance(node, exp.Anonymous) and node.name.lower() in _ENDING_NAMES:
            continue
        if isinstance(node, exp.Func) and name not in _ENDING:
            return True
    return False


def names_in(text: str) -> tuple[tuple[str, ...], frozenset[str] | None]:
    """The tables that are read, and all names that may be columns; None for these where a star asks for all."""
    tree = _tree(text)
    if tree is None:
        return (), None
    made = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    tables = dict.fromkeys(table.name.lower() for table in tree.find_all(exp.Table))
    stars = [star for star in tree.find_all(exp.Star) if not isinstance(star.parent, exp.Count)]
    named = frozenset(found.name.lower() for found in tree.find_all(exp.Identifier))
    return tuple(name for name in tables if name not in made), None if stars else named


def _tree(text: str) -> exp.Expr | None:
    try:
        return _DUCKDB.parser().parse(_DUCKDB.tokenize(text), text)[0]
    except SqlglotError:
        return None


def columns_read(text: str, source: str) -> Iterator[tuple[str, int]]:
    """(column, offset) of every column that a check over this one source reads; nothing where other tables take part."""
    try:
        tree = _DUCKDB.parser().parse(_DUCKDB.tokenize(text), text)[0]
    except SqlglotError:
        return
    if (
        tree is None
        or {table.name.lower() for table in tree.find_all(exp.Table)} != {source}
        or tree.find(exp.Subquery, exp.CTE, exp.Alias)
    ):
        return
    for column in tree.find_all(exp.Column):
        if isinstance(column.this, exp.Identifier) and "start" in column.this.meta:
            yield column.name.lower(), int(column.this.meta["start"])
