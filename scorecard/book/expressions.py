"""SQL expressions of metrics.yaml: parsed, whitelisted, and every mistake at its character.

A row expression and a condition read one row; an aggregate is arithmetic of ``rows``, ``count(x)``, ``count_if(c)``, ``sum(x)``,
``sum_if(x, c)``, ``min``, ``max``, ``mean``; a formula is arithmetic over metric names, ``previous(m)``, ``year_ago(m)``,
``days`` and ``workdays``. In trees, ``rows``, ``days`` and ``workdays`` are columns of that name (not in ``columns``),
``sum_if``, ``previous`` and ``year_ago`` are ``exp.Anonymous``, ``mean`` is ``exp.Avg``, ``count_if`` is ``exp.CountIf``.
All identifiers are in small letters. Trees are shared between equal texts: copy before changing one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import sqlglot.expressions as exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from scorecard.book.functions import AGGREGATES, FORMULA_WORDS, Kind
from scorecard.book.model.metric import Expression
from scorecard.book.notes import Notes
from scorecard.book.sqltokens import Mistake, token_mistakes
from scorecard.book.sqltrees import tree_mistakes
from scorecard.ground.errors import Place, Problem, Refused
from scorecard.ground.yamlfile import YamlText

_DUCKDB = DuckDB()
_NAME = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
LONGEST = 10_000


@dataclass(frozen=True, slots=True)
class Parsed:
    """``spots``: the offset of every column (or metric) name in the text. With mistakes, ``tree`` is not to be used."""

    text: str
    tree: exp.Expression | None
    spots: tuple[tuple[str, int], ...] = ()
    mistakes: tuple[Mistake, ...] = ()


def read_expression(node: YamlText, kind: Kind, owner: str, notes: Notes) -> Expression | None:
    """The node's expression; None after reporting each mistake at its own character. ``owner``: ``'where' of metric 'csat'``."""
    parsed = parse(node.text, kind)
    for mistake in parsed.mistakes:
        notes.error(node.place_of(mistake.offset), f"{mistake.message} in {owner}", mistake.hint)
    if parsed.tree is None or parsed.mistakes:
        return None
    spots = tuple((name, node.place_of(offset)) for name, offset in parsed.spots)
    return _expression(parsed, parsed.tree, kind, node.place, spots)


def expression(text: str, kind: Kind = "row") -> Expression:
    """An expression from text alone; ``Refused`` with all its mistakes (column = character, from 1)."""
    parsed = parse(text, kind)
    if parsed.tree is None or parsed.mistakes:
        raise Refused(*(Problem(m.message, Place("", 1, m.offset + 1), m.hint) for m in parsed.mistakes))
    return _expression(parsed, parsed.tree, kind, None, ())


def _expression(
    parsed: Parsed, tree: exp.Expression, kind: Kind, place: Place | None, spots: tuple[tuple[str, Place], ...]
) -> Expression:
    words = {"rows"} if kind == "aggregate" else set(FORMULA_WORDS) if kind == "formula" else set()
    columns = frozenset(name for name, _ in parsed.spots) - words
    return Expression(parsed.text, tree, columns, place, tuple(s for s in spots if s[0] not in words))


@lru_cache(maxsize=4096)
def parse(text: str, kind: Kind) -> Parsed:
    """The text as a tree, or all that is wrong with it."""
    plain = text.strip()
    if (
        _NAME.fullmatch(plain)
        and kind in {"row", "condition"}
        and plain not in {"true", "false", "null", "current_date", "current_time"}
    ):
        column = exp.Column(this=exp.Identifier(this=plain, quoted=False))
        if not (mistakes := _reserved(text, plain)):
            return Parsed(plain, column, ((plain, text.index(plain)),))
        return Parsed(plain, None, (), mistakes)
    if not plain:
        return Parsed("", None, (), (Mistake(0, "an expression is missing"),))
    if len(text) > LONGEST:
        return Parsed(plain, None, (), (Mistake(0, f"the expression is longer than {LONGEST} characters"),))
    try:
        tokens = _DUCKDB.tokenize(text)
    except SqlglotError:
        return Parsed(plain, None, (), (_unfinished(text),))
    mistakes = tuple(token_mistakes(tokens, text, kind))
    if mistakes:
        return Parsed(plain, None, (), mistakes)
    return _parse_tokens(tokens, text, kind)


def _reserved(text: str, plain: str) -> tuple[Mistake, ...]:
    try:
        tokens = _DUCKDB.tokenize(plain)
    except SqlglotError:  # pragma: no cover - a bare name always has tokens
        tokens = []
    at = text.index(plain)
    return tuple(Mistake(m.offset + at, m.message, m.hint) for m in token_mistakes(tokens, plain, "row"))


def _parse_tokens(tokens: list[Token], text: str, kind: Kind) -> Parsed:
    plain = _tidy(text)
    try:
        trees = _DUCKDB.parser().parse(list(tokens), text)
    except ParseError as wrong:
        return Parsed(plain, None, (), (_parse_mistake(wrong, tokens, text),))
    except SqlglotError:
        return Parsed(plain, None, (), (Mistake(0, "this is no expression"),))
    except RecursionError:
        return Parsed(plain, None, (), (Mistake(0, "the expression is nested too deeply"),))
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Expression):
        return Parsed(plain, None, (), (Mistake(0, "this is no single expression"),))
    tree = tree.transform(_mean, copy=False)
    spots = []
    for column in tree.find_all(exp.Column):
        identifier = column.this
        if isinstance(identifier, exp.Identifier):
            identifier.set("this", identifier.name.lower())
            spots.append((identifier.name, int(identifier.meta.get("start", 0))))
    spots.sort(key=lambda spot: spot[1])
    return Parsed(plain, tree, tuple(spots), tuple(tree_mistakes(tree, tokens, kind)))


def _mean(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.Anonymous) and node.name.lower() == "mean" and len(node.expressions) == 1:
        mean = exp.Avg(this=node.expressions[0])
        mean.meta.update(node.meta)
        return mean
    if isinstance(node, exp.Anonymous):
        node.set("this", node.name.lower())
    return node


def _tidy(text: str) -> str:
    """One way to write what differs in spaces only, so that equal expressions share their state."""
    return text.strip() if "'" in text else " ".join(text.split())


def _unfinished(text: str) -> Mistake:
    """Where the text that could not be cut into words opens a quote that it does not close."""
    opened = None
    for at, character in enumerate(text):
        if opened is None and character in "'\"":
            opened = at
        elif opened is not None and character == text[opened]:
            opened = None
    if opened is None:
        return Mistake(0, "this is no SQL expression")
    return Mistake(opened, f"the quote {text[opened]} is not closed", "end the text with the same quote")


def _parse_mistake(wrong: ParseError, tokens: list[Token], text: str) -> Mistake:
    found = wrong.errors[0] if wrong.errors else {}
    at = next((t for t in tokens if t.line == found.get("line") and t.col == found.get("col")), None)
    description = str(found.get("description", ""))
    last = tokens[-1] if tokens else None
    if "missing for" in description or (at is not None and at is last and "Expect" in description):
        offset = at.start if at is not None else max(0, len(text.rstrip()) - 1)
        word = at.text if at is not None else text[offset : offset + 1]
        return Mistake(offset, f"something is missing at '{word}'", "is the value cut off? quote the whole value")
    if at is None:
        return Mistake(0, "this is no SQL expression")
    word = f"'{at.text}'" if at.token_type != TokenType.STRING else "this text"
    return Mistake(at.start, f"unexpected {word}")


__all__ = ["AGGREGATES", "Parsed", "expression", "parse", "read_expression"]
