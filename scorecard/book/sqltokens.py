"""Mistakes that the words of an expression show before any grammar: each stands at its own character."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot.tokenizer_core import Token, TokenType

from connectors.names import RESERVED, normalise
from scorecard.book.functions import AGGREGATES, ALLOWED, OTHER_NAMES, ROW_FUNCTIONS, TYPES, Kind
from scorecard.ground.errors import did_you_mean
from scorecard.ground.values import dataclass


@dataclass(frozen=True, slots=True)
class Mistake:
    """``offset`` counts characters from 0 in the expression."""

    offset: int
    message: str
    hint: str | None = None


_OPERATORS = frozenset({
    "and", "or", "not", "in", "between", "like", "ilike", "case", "when", "then", "else", "end", "is", "distinct", "from",
    "interval", "as", "escape", "null", "true", "false", "for", "both", "leading", "trailing",
})  # fmt: skip
_STATEMENTS = frozenset({
    "select", "with", "insert", "update", "delete", "create", "drop", "alter", "copy", "attach", "install", "load", "set", "pragma",
    "call", "export", "import", "values", "union", "except", "intersect", "pivot", "unpivot", "exists", "lambda",
})  # fmt: skip
_SIGNS = {
    ";": "write one expression, without ';'", "[": "lists are not read here", "]": "lists are not read here",
    "{": "an unquoted '{'? only ( ) are read here", "}": "only ( ) are read here",
    "?": None, "$": None, ":": None, "@": None, "#": None, "->": None, "->>": None, ":=": None, "=>": None, "~": None, "&": None,
    "|": None, "^": "use power(x, y)", "**": "use power(x, y)", "<<": None, ">>": None, "@>": None, "<@": None,
    "&&": "use and", "^@": None, "!": None,
    "//": "use floor(x / y)", "~~": None, "!~": None,
}  # fmt: skip
_CLOCKS = frozenset(
    {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_user", "now", "today"}
)
_WORD = re.compile(r"[A-Za-z_]\w*")
_NO_NAMES = frozenset({
    "between", "escape", "exclude", "glob", "ilike", "interval", "is", "isnull", "like", "notnull", "regexp", "rlike", "xor",
}) | RESERVED | _OPERATORS | _CLOCKS  # fmt: skip
_QUOTED = frozenset({TokenType.STRING, TokenType.IDENTIFIER})
_GOES_ON = frozenset({"and", "or", "not", "in", "between", "like", "ilike", "when", "then", "else", "end", "is", "as"})


def stands_as_name(token: Token, after: Token | None) -> bool:
    """Whether a word that begins a statement elsewhere (``comment``, ``load``, ``set``) is a column's or metric's name here: what
    follows goes on with the expression, or ends it."""
    if token.token_type in _QUOTED or token.text.lower() in _NO_NAMES or not _WORD.fullmatch(token.text):
        return False
    if after is None or (after.token_type in _PLAIN and after.token_type not in {TokenType.L_PAREN, TokenType.NUMBER}):
        return True
    return after.text.lower() in _GOES_ON and after.token_type not in _QUOTED


def token_mistakes(tokens: list[Token], text: str, kind: Kind) -> Iterator[Mistake]:
    """Everything wrong that single words, signs and brackets show, in order."""
    yield from _brackets(tokens)
    opened: list[str] = []
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else None
        after = tokens[at + 1] if at + 1 < len(tokens) else None
        if token.token_type == TokenType.L_PAREN:
            opened.append("" if before is None else before.text.lower())
        elif token.token_type == TokenType.R_PAREN and opened:
            opened.pop()
        if token.comments:
            found = text.find("--") if "--" in text else text.find("/*")
            yield Mistake(
                max(found, 0), "a comment cuts the expression off", "put notes in 'describe', or after # in the YAML"
            )
        if token.token_type == TokenType.IDENTIFIER:
            yield _quoted(token)
        elif token.token_type == TokenType.STRING:
            if kind == "formula":
                yield Mistake(token.start, "a text has no place", "a formula is arithmetic over metric names")
        elif token.text in _SIGNS:
            yield Mistake(token.start, f"'{token.text}' is not allowed", _SIGNS[token.text])
        elif token.token_type == TokenType.STAR and (before is None or before.text in {"(", ",", "+", "-", "*", "/"}):
            yield Mistake(token.start, "'*' stands for no column", "count rows with 'rows'")
        elif token.token_type == TokenType.DOT:
            yield Mistake(token.start, "'.' is not allowed: a metric reads one source", "write the column's name alone")
        elif token.text.lower() == "as" and (not opened or opened[-1] not in {"cast", "try_cast"}):
            yield Mistake(
                token.start, "unexpected 'as'", "an expression takes no name; 'as' belongs into cast(x as type)"
            )
        elif _WORD.fullmatch(token.text):
            yield from _word(token, before, after, kind)
        elif token.token_type not in _PLAIN:
            yield Mistake(token.start, f"'{token.text or text[token.start : token.end + 1]}' is not allowed")


_PLAIN = frozenset({
    TokenType.NUMBER, TokenType.L_PAREN, TokenType.R_PAREN, TokenType.COMMA, TokenType.PLUS, TokenType.DASH, TokenType.STAR,
    TokenType.SLASH, TokenType.MOD, TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE,
    TokenType.DPIPE, TokenType.DCOLON,
})  # fmt: skip


def _brackets(tokens: list[Token]) -> Iterator[Mistake]:
    opened: list[Token] = []
    for token in tokens:
        if token.token_type == TokenType.L_PAREN:
            opened.append(token)
        elif token.token_type == TokenType.R_PAREN:
            if opened:
                opened.pop()
            else:
                yield Mistake(token.start, "')' closes no bracket")
    for token in opened:
        yield Mistake(token.start, "'(' is not closed", "an unquoted comma? quote the whole value")


def _quoted(token: Token) -> Mistake:
    fitting = normalise(token.text)
    hint = f"text takes single quotes: '{token.text}'; a column is written {fitting}"
    return Mistake(token.start, f'"{token.text}" in double quotes', hint)


def _word(token: Token, before: Token | None, after: Token | None, kind: Kind) -> Iterator[Mistake]:
    word = token.text.lower()
    called = after is not None and after.token_type == TokenType.L_PAREN
    begins = before is not None and before.token_type == TokenType.SEMICOLON
    typed = before is not None and (before.token_type == TokenType.DCOLON or before.token_type == TokenType.ALIAS)
    if typed:
        if word not in TYPES:
            yield Mistake(
                token.start,
                f"unknown type '{token.text}'",
                did_you_mean(word, TYPES) or f"one of {', '.join(sorted(TYPES))}",
            )
    elif word in _STATEMENTS and (begins or not stands_as_name(token, after)):
        hint = "one expression over one source; sources meet in formulas over metrics"
        yield Mistake(token.start, f"'{token.text}' is not allowed", hint)
    elif word in {"over", "filter"} and called:
        hint = (
            "use count_if(c) or sum_if(x, c)" if word == "filter" else "window functions belong in the source's query"
        )
        yield Mistake(token.start, f"'{token.text}' is not allowed", hint)
    elif word in _CLOCKS:
        yield Mistake(
            token.start, f"'{token.text}' is not allowed", "the same rows must give the same number at any time"
        )
    elif called and word not in _OPERATORS:
        yield from _call(token, word, kind)
    elif not called and kind == "formula" and word in _OPERATORS:
        yield Mistake(token.start, f"'{token.text}' is not allowed", "a formula is arithmetic over metric names")
    elif not called and word in RESERVED and word not in _OPERATORS and word not in {"cast", "try_cast"}:
        yield Mistake(
            token.start, f"'{token.text}' is a reserved SQL word", f"a column of that name is written {word}_"
        )


def _call(token: Token, word: str, kind: Kind) -> Iterator[Mistake]:
    known = ALLOWED[kind]
    if word in known:
        return
    if word in AGGREGATES and kind in {"row", "condition"}:
        yield Mistake(
            token.start, f"'{token.text}' sums up many rows; here one row is read", "use it in ratio: {of: …, to: …}"
        )
    elif word in ROW_FUNCTIONS and kind == "formula":
        yield Mistake(token.start, f"'{token.text}' is not for formulas", "a formula is arithmetic over metric names")
    else:
        meant = OTHER_NAMES.get(word)
        hint = f"did you mean '{meant}'?" if meant in known else did_you_mean(word, known)
        yield Mistake(token.start, f"unknown function '{token.text}'", hint or "`scorecard schema` lists the functions")
