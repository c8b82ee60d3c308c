"""Mistakes that only the parsed tree of an expression shows: what may stand where, and what may not be there at all."""

from __future__ import annotations

from collections.abc import Iterator

import sqlglot.expressions as exp
from sqlglot.tokenizer_core import Token

from scorecard.book.functions import ALLOWED, FORMULA_WORDS, Kind
from scorecard.book.sqltokens import Mistake

# Every kind of node that the whitelisted operators and functions parse to. What is not here is not an expression of ours,
# whatever a newer parser makes of its words.
_NODES = frozenset({
    "Column", "Identifier", "Literal", "Boolean", "Null", "Paren", "Neg", "Not", "And", "Or", "Add", "Sub", "Mul", "Div", "Mod",
    "EQ", "NEQ", "GT", "GTE", "LT", "LTE", "Is", "NullSafeEQ", "NullSafeNEQ", "Between", "In", "Like", "ILike", "Escape",
    "Case", "If", "Cast", "TryCast", "DataType", "DataTypeParam", "Interval", "Var", "DPipe", "Distinct",
    "Abs", "Ceil", "Floor", "Round", "Trunc", "Sign", "Sqrt", "Exp", "Ln", "Log", "Pow", "Greatest", "Least", "Coalesce", "Nullif",
    "Lower", "Upper", "Trim", "Length", "Left", "Right", "Substring", "Replace", "Concat", "StartsWith", "EndsWith", "Contains",
    "SplitPart", "RegexpLike", "TimestampTrunc", "DateTrunc", "Extract", "DateDiff", "Year", "Quarter", "Month", "Week", "Day",
    "Hour", "Minute", "Second", "DayOfWeek", "DayOfWeekIso", "DayOfYear", "LastDay", "TimeToUnix",
    "Anonymous", "Count", "CountIf", "Sum", "Min", "Max", "Avg", "Tuple",
})  # fmt: skip
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Paren)
_AGGREGATES = (exp.Count, exp.CountIf, exp.Sum, exp.Min, exp.Max, exp.Avg)
_NO_CONDITION = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.Literal, exp.Interval, exp.DPipe, exp.Null)


def tree_mistakes(tree: exp.Expr, tokens: list[Token], kind: Kind) -> Iterator[Mistake]:
    """Everything wrong that the tree shows."""
    known = ALLOWED[kind]
    for node in tree.walk():
        name = type(node).__name__
        if isinstance(node, exp.Alias):
            yield Mistake(
                start(node.args["alias"], tokens), f"unexpected '{node.alias}'", "is an operator or a comma missing?"
            )
            return
        if name not in _NODES:
            yield Mistake(start(node, tokens), f"{_words(node)} is not allowed")
            return
        if isinstance(node, exp.Anonymous) and node.name.lower() not in known:
            yield Mistake(start(node, tokens), f"unknown function '{node.name}'")
        if isinstance(node, exp.Column) and node.table:
            yield Mistake(start(node, tokens), "a table's name in front of a column is not allowed")
    if kind == "aggregate":
        yield from _aggregate(tree, tokens)
    elif kind == "formula":
        yield from _formula(tree, tokens)
    elif kind == "condition":
        yield from _condition(tree, tokens)


def start(node: exp.Expr, tokens: list[Token]) -> int:
    """The offset of the first character of a node, as well as the parser tells."""
    offsets = [int(inner.meta["start"]) for inner in node.walk() if "start" in inner.meta]
    if offsets:
        return min(offsets)
    words = {str(inner.this) for inner in node.walk() if isinstance(inner, exp.Literal | exp.Var)}
    return next((token.start for token in tokens if token.text in words), tokens[0].start if tokens else 0)


def _words(node: exp.Expr) -> str:
    return f"'{node.sql('duckdb')[:40]}'"


def _condition(tree: exp.Expr, tokens: list[Token]) -> Iterator[Mistake]:
    inner = tree.unnest()
    if isinstance(inner, _NO_CONDITION):
        yield Mistake(
            start(tree, tokens), "this is a value, expected a condition", "compare it: status = 'done', minutes > 5"
        )


def _is_aggregate(node: exp.Expr) -> bool:
    return isinstance(node, _AGGREGATES) or (isinstance(node, exp.Anonymous) and node.name.lower() == "sum_if")


def _aggregate(tree: exp.Expr, tokens: list[Token]) -> Iterator[Mistake]:
    """Arithmetic over aggregates and numbers; columns only inside aggregates, aggregates never inside each other."""
    pending = [tree]
    found = False
    while pending:
        node = pending.pop()
        if isinstance(node, _ARITHMETIC):
            pending.extend(inner for inner in (node.args.get("expression"), node.this) if isinstance(inner, exp.Expr))
        elif _is_aggregate(node):
            found = True
            yield from _inside(node, tokens)
        elif isinstance(node, exp.Column):
            if node.name == "rows":
                found = True
            else:
                hint = f"write sum({node.name}), count({node.name}) or count_if(…)"
                yield Mistake(start(node, tokens), f"column '{node.name}' stands outside sum, count, …", hint)
                found = True
        elif not (isinstance(node, exp.Literal) and not node.is_string):
            hint = "arithmetic of rows, count(x), count_if(c), sum(x), sum_if(x, c), min, max, mean"
            yield Mistake(start(node, tokens), "this is no arithmetic of aggregates", hint)
            found = True
    if not found:
        yield Mistake(0, "nothing is counted here", "arithmetic of rows, count(x), count_if(c), sum(x), …")


def _inside(node: exp.Expr, tokens: list[Token]) -> Iterator[Mistake]:
    name = node.name.lower() if isinstance(node, exp.Anonymous) else type(node).__name__.lower()
    wanted = 2 if name == "sum_if" else 1
    arguments = (
        node.expressions
        if isinstance(node, exp.Anonymous)
        else [a for a in [node.this, *node.expressions] if a is not None]
    )
    if len(arguments) != wanted:
        takes = "a value and a condition" if wanted == 2 else "one value"
        yield Mistake(start(node, tokens), f"{len(arguments)} values are given where {takes} is taken")
        return
    for inner in node.walk():
        if inner is node:
            continue
        if _is_aggregate(inner):
            yield Mistake(start(inner, tokens), "an aggregate inside another")
        elif isinstance(inner, exp.Distinct):
            at = next((token.start for token in tokens if token.text.lower() == "distinct"), start(inner, tokens))
            yield Mistake(at, "'distinct' is not allowed here", "use the measure 'distinct'")
        elif isinstance(inner, exp.Column) and inner.name == "rows":
            yield Mistake(start(inner, tokens), "'rows' stands alone", "write rows, without count(…)")
    if isinstance(node, exp.CountIf):
        yield from _condition(node.this, tokens)
    elif wanted == 2:
        yield from _condition(arguments[1], tokens)


def _formula(tree: exp.Expr, tokens: list[Token]) -> Iterator[Mistake]:
    named = False
    for node in tree.walk():
        if isinstance(node, exp.Column) and node.name not in FORMULA_WORDS:
            named = True
        if isinstance(node, (*_ARITHMETIC, exp.Column, exp.Identifier)) or (
            isinstance(node, exp.Literal) and not node.is_string
        ):
            continue
        if isinstance(node, exp.Anonymous):
            if len(node.expressions) != 1 or not isinstance(node.expressions[0], exp.Column):
                yield Mistake(
                    start(node, tokens), f"'{node.name}' takes one metric's name", f"write {node.name}(tickets_created)"
                )
            elif node.expressions[0].name in FORMULA_WORDS:
                yield Mistake(start(node, tokens), f"'{node.name}' takes a metric, not '{node.expressions[0].name}'")
            continue
        yield Mistake(
            start(node, tokens), f"{_words(node)} is not allowed", "a formula is arithmetic (+ - * /) over metric names"
        )
        return
    if not named:
        yield Mistake(0, "no metric is named here", "a formula is arithmetic over metric names")
