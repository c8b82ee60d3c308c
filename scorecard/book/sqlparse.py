"""Expressions read by the SQL parser: the last word on what is allowed, and the trees that measures are made of.

In trees, ``rows``, ``days`` and ``workdays`` are columns of that name, ``sum_if``, ``previous`` and ``year_ago`` are
``exp.Anonymous``, ``mean`` is ``exp.Avg``, ``count_if`` is ``exp.CountIf``. All identifiers are in small letters.
"""

from __future__ import annotations

from functools import lru_cache

import sqlglot.expressions as exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from scorecard.book.functions import Kind
from scorecard.book.outline import Outline
from scorecard.book.sqltokens import Mistake, stands_as_name, token_mistakes
from scorecard.book.sqltrees import tree_mistakes
from scorecard.ground.values import dataclass

_DUCKDB = DuckDB()


@dataclass(frozen=True, slots=True)
class Judged:
    """``spots``: the offset of every column (or metric) name in the text. With mistakes, ``tree`` is not to be used."""

    tree: exp.Expression | None
    spots: tuple[tuple[str, int], ...] = ()
    mistakes: tuple[Mistake, ...] = ()


@lru_cache(maxsize=4096)
def judge(text: str, kind: Kind) -> Judged:
    """The text as a tree, or all that is wrong with it."""
    try:
        tokens = _tokens(text)
    except SqlglotError:
        return Judged(None, (), (_unfinished(text),))
    if mistakes := tuple(token_mistakes(tokens, text, kind)):
        return Judged(None, (), mistakes)
    return _parse_tokens(_named(tokens), text, kind)


def _tokens(text: str) -> list[Token]:
    """The words of the text; the first one too where it is a command elsewhere that would swallow the rest (``show``)."""
    tokens = _DUCKDB.tokenize(text)
    if len(tokens) > 1 and tokens[0].token_type in _DUCKDB.tokenizer_class.COMMANDS:
        rest = tokens[0].start + len(tokens[0].text)
        return [tokens[0], *_DUCKDB.tokenize(" " * rest + text[rest:])]
    return tokens


def _named(tokens: list[Token]) -> list[Token]:
    """The words, names among them as names, whatever statements begin with them."""
    return [
        Token(TokenType.IDENTIFIER, token.text, token.line, token.col, token.start, token.end, token.comments)
        if stands_as_name(token, tokens[place + 1] if place + 1 < len(tokens) else None)
        else token
        for place, token in enumerate(tokens)
    ]


def tree_of(text: str, kind: Kind) -> exp.Expression:
    """The tree of an expression that was read without a mistake. Shared between equal texts: copy before changing it."""
    tree = judge(text, kind).tree
    if tree is None:
        raise ValueError(f"no {kind}: {text}")
    return tree


def outline_of(tree: exp.Expression) -> Outline:
    """What the outermost node is, for texts that only the parser could read."""
    if isinstance(tree, exp.Column):
        return Outline("column", tree.name, 0)
    if isinstance(tree, exp.CountIf | exp.Count):
        return Outline("call", "count_if" if isinstance(tree, exp.CountIf) else "count", 0)
    return Outline("other", type(tree).__name__.lower(), 0)


def texts_of(node: exp.Expression) -> Outline:
    """The whole tree as far as it says how long texts can become."""
    parts = tuple(texts_of(part) for part in node.iter_expressions() if isinstance(part, exp.Expression))
    at = int(node.meta.get("start", 0)) or next((part.at for part in parts if part.at), 0)
    if isinstance(node, exp.Literal):
        return Outline("text" if node.is_string else "number", node.name, at)
    if isinstance(node, exp.Column):
        return Outline("column", node.name, at)
    if isinstance(node, exp.Replace):
        old, new = node.args.get("expression"), node.args.get("replacement")
        three = (node.this, old, new or exp.Literal.string(""))
        return Outline(
            "call", "replace", at, tuple(texts_of(part) for part in three if isinstance(part, exp.Expression))
        )
    if isinstance(node, exp.Length | exp.Predicate):
        return Outline("other", "", at, parts)
    return Outline("group", "", at, parts)


def _parse_tokens(tokens: list[Token], text: str, kind: Kind) -> Judged:
    try:
        trees = _DUCKDB.parser().parse(list(tokens), text)
    except ParseError as wrong:
        return Judged(None, (), (_parse_mistake(wrong, tokens, text),))
    except SqlglotError:
        return Judged(None, (), (Mistake(0, "this is no expression"),))
    except RecursionError:
        return Judged(None, (), (Mistake(0, "the expression is nested too deeply"),))
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Expression):
        return Judged(None, (), (Mistake(0, "this is no single expression"),))
    tree = tree.transform(_mean, copy=False)
    spots = []
    for column in tree.find_all(exp.Column):
        identifier = column.this
        if isinstance(identifier, exp.Identifier):
            identifier.set("this", identifier.name.lower())
            identifier.set("quoted", False)  # as every other name
            spots.append((identifier.name, int(identifier.meta.get("start", 0))))
    spots.sort(key=lambda spot: spot[1])
    return Judged(tree, tuple(spots), tuple(tree_mistakes(tree, tokens, kind)))


def _mean(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.Anonymous) and node.name.lower() == "mean" and len(node.expressions) == 1:
        mean = exp.Avg(this=node.expressions[0])
        mean.meta.update(node.meta)
        return mean
    if isinstance(node, exp.Anonymous):
        node.set("this", node.name.lower())
    return node


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
