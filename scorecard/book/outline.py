"""The outline of an expression, read without the SQL parser: quick, and only where there is no doubt.

`scorecard check` spends most of its time importing a SQL parser. Nearly every expression is plain, so it is read here by a
small grammar; what this grammar does not know is left to the parser (`book/sqlparse.py`), which has the last word and all
the sentences about mistakes. What is read here, the parser reads too, with the same names at the same places: the tests
hold the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from connectors.names import RESERVED
from scorecard.book.functions import AGGREGATES, FORMULA_FUNCTIONS, FORMULA_WORDS, TYPES, Kind
from scorecard.ground.values import dataclass

Form = Literal[
    "column", "number", "text", "constant", "group", "minus", "arithmetic", "joined", "compare", "in", "between", "like", "is",
    "not", "and", "or", "case", "cast", "interval", "call", "other",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outline:
    """One node. ``name``: the column, function, operator or type, in small letters, or a literal as it stands. ``at``: its
    offset in the text."""

    form: Form
    name: str
    at: int
    parts: tuple[Outline, ...] = ()

    def walk(self) -> Iterator[Outline]:
        """This node and all below it, from left to right."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def bare(self) -> Outline:
        """Without the brackets around it."""
        node = self
        while node.form == "group":
            node = node.parts[0]
        return node


class Doubt(Exception):
    """The text is for the parser: it is wrong, or more than this grammar knows."""


class _Word(NamedTuple):
    sort: str  # word, number, text, sign, end
    text: str
    at: int


_WORDS = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_]\w*)|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])|(?P<text>'(?:[^'\\]|'')*')"
    r"|(?P<sign><=|>=|<>|!=|==|\|\||::|--|/\*|//|\*\*|[-+*/%=<>(),]))",
    re.ASCII,
)
_DEEPEST = 60
_ONE = (
    "abs ceil ceiling floor trunc sign sqrt exp ln lower upper trim ltrim rtrim length year quarter month week day hour minute"
    " second dayofweek isodow dayofyear last_day epoch"
)
_TWO = "power pow mod ifnull nullif left right starts_with ends_with contains regexp_matches date_trunc"
_ARITY = {
    **dict.fromkeys(_ONE.split(), (1, 1)), **dict.fromkeys(_TWO.split(), (2, 2)),
    **dict.fromkeys(("if", "replace", "split_part", "date_diff"), (3, 3)),
    **dict.fromkeys(("greatest", "least", "concat"), (2, 20)),
    "coalesce": (1, 20), "round": (1, 2), "substring": (2, 3), "substr": (2, 3),
}  # fmt: skip
"""Whitelisted functions and how many values they take."""
_AGGREGATE_ARITY = {name: 2 if name == "sum_if" else 1 for name in AGGREGATES}
_FIELDS = frozenset({"year", "quarter", "month", "week", "day", "hour", "minute", "second"})
_UNITS = frozenset({*_FIELDS - {"quarter"}, "years", "months", "weeks", "days", "hours", "minutes", "seconds"})
_OWN = (
    "alter attach begin between cache call comment commit connect connect_by_root copy cross current_catalog current_date"
    " current_time current_timestamp current_user delete detach disconnect drop end escape execute exists explain export false"
    " filter for force from glob grant if ilike import in inner insert install interval is isnull join kill like load localtime"
    " localtimestamp map merge not notnull now null optimize outer over partitioned_by pivot positional pragma prepare regexp"
    " rename reset revoke rlike rollback session_user set tablesample today true truncate uncache unpivot update use vacuum"
    " values xor"
)
STRANGE = RESERVED | frozenset(_OWN.split())
"""Words that are no column here: reserved ones, and those that the parser reads in a way of its own."""
_NO_CONDITION = frozenset({"arithmetic", "minus", "number", "text", "interval", "joined"})


def outline(text: str, kind: Kind) -> Outline:
    """The outline of the text; ``Doubt`` where the parser is to be asked."""
    reader = _Reader(list(_words(text)), kind)
    node = reader.expression()
    reader.expect("end")
    if kind == "condition":
        _check_condition(node)
    elif kind != "row" and not any(_is_counted(part, kind) for part in node.walk()):
        raise Doubt  # numbers, or words for lengths of time, alone
    return node


def _is_counted(part: Outline, kind: Kind) -> bool:
    """Whether a part is one of those that an aggregate or a formula is made of."""
    return part.form == "call" or (part.form == "column" and not (kind == "formula" and part.name in FORMULA_WORDS))


def _words(text: str) -> Iterator[_Word]:
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _WORDS.match(text, at)
        if match is None or match.lastgroup is None:
            raise Doubt
        yield _Word(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))
        at = match.end()
    yield _Word("end", "", end)


def _check_condition(node: Outline) -> None:
    inner = node.bare()
    if inner.form in _NO_CONDITION or (inner.form, inner.name) == ("constant", "null"):
        raise Doubt


class _Reader:
    """Goes through the words once, from left to right; each method reads one step of the operators' order."""

    def __init__(self, words: list[_Word], kind: Kind) -> None:
        self.words = words
        self.kind = kind
        self.next = 0
        self.depth = 0
        self.inside = False  # an aggregate

    def peek(self, ahead: int = 0) -> str:
        """The coming word in small letters; empty for a text in quotes or the end."""
        word = self.words[min(self.next + ahead, len(self.words) - 1)]
        return "" if word.sort in {"text", "end"} else word.text.lower()

    def take(self, *wanted: str) -> _Word | None:
        if self.peek() in wanted:
            self.next += 1
            return self.words[self.next - 1]
        return None

    def expect(self, sort: str) -> _Word:
        word = self.words[self.next]
        if word.sort != sort:
            raise Doubt
        self.next += 1
        return word

    def sign(self, text: str) -> _Word:
        found = self.take(text)
        if found is None:
            raise Doubt
        return found

    @property
    def rows(self) -> bool:
        """Whether one row is read here, so that conditions and functions of rows have a place."""
        return self.kind in {"row", "condition"} or self.inside

    def expression(self) -> Outline:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Doubt
        node = self._either() if self.rows else self._sum()
        self.depth -= 1
        return node

    def _either(self) -> Outline:
        node = self._both()
        while word := self.take("or"):
            node = Outline("or", "or", word.at, (node, self._both()))
        return node

    def _both(self) -> Outline:
        node = self._negated()
        while word := self.take("and"):
            node = Outline("and", "and", word.at, (node, self._negated()))
        return node

    def _negated(self) -> Outline:
        word = self.take("not")
        return self._compared() if word is None else Outline("not", "not", word.at, (self._negated_once(),))

    def _negated_once(self) -> Outline:
        if self.peek() == "not":
            raise Doubt
        return self._compared()

    def _compared(self) -> Outline:
        left = self._sum()
        if word := self.take("=", "==", "<>", "!=", "<", "<=", ">", ">="):
            return Outline("compare", word.text, word.at, (left, self._sum()))
        if word := self.take("is"):
            return self._is(left, word)
        negation = self.take("not")
        word = self.take("in", "between", "like", "ilike")
        if word is None:
            if negation is not None:
                raise Doubt
            return left
        node = self._among(left, word)
        return node if negation is None else Outline("not", f"not {node.form}", negation.at, (node,))

    def _is(self, left: Outline, word: _Word) -> Outline:
        negation = "not " if self.take("not") else ""
        if self.take("distinct"):
            self.sign("from")
            return Outline("is", f"is {negation}distinct from", word.at, (left, self._sum()))
        constant = self.take("null", "true", "false")
        if constant is None:
            raise Doubt
        return Outline("is", f"is {negation}{constant.text.lower()}", word.at, (left,))

    def _among(self, left: Outline, word: _Word) -> Outline:
        if word.text.lower() == "in":
            self.sign("(")
            values = [self._sum()]
            while self.take(","):
                values.append(self._sum())
            self.sign(")")
            return Outline("in", "in", word.at, (left, *values))
        if word.text.lower() == "between":
            low = self._sum()
            self.sign("and")
            return Outline("between", "between", word.at, (left, low, self._sum()))
        return Outline("like", word.text.lower(), word.at, (left, self._sum()))

    def _sum(self) -> Outline:
        node = self._product()
        signs = ("+", "-", "||") if self.rows else ("+", "-")
        while word := self.take(*signs):
            form: Form = "joined" if word.text == "||" else "arithmetic"
            node = Outline(form, word.text, word.at, (node, self._product()))
        return node

    def _product(self) -> Outline:
        node = self._signed()
        signs = ("*", "/", "%") if self.rows else ("*", "/")
        while word := self.take(*signs):
            node = Outline("arithmetic", word.text, word.at, (node, self._signed()))
        return node

    def _signed(self) -> Outline:
        word = self.take("-")
        if word is None:
            return self._typed()
        if self.peek() == "-":
            raise Doubt
        return Outline("minus", "-", word.at, (self._typed(),))

    def _typed(self) -> Outline:
        node = self._operand()
        while self.rows and (word := self.take("::")):
            node = Outline("cast", self._type(), word.at, (node,))
        return node

    def _type(self) -> str:
        name = self.expect("word").text.lower()
        if name not in TYPES:
            raise Doubt
        if name in {"decimal", "numeric"} and self.take("("):
            self.expect("number")
            if self.take(","):
                self.expect("number")
            self.sign(")")
        return name

    def _operand(self) -> Outline:
        word = self.words[self.next]
        self.next += 1
        if word.sort == "number":
            return Outline("number", word.text, word.at)
        if word.sort == "text" and self.rows:
            return Outline("text", word.text[1:-1].replace("''", "'"), word.at)
        if word.text == "(":
            inner = self.expression()
            self.sign(")")
            return Outline("group", "(", word.at, (inner,))
        if word.sort != "word":
            raise Doubt
        return self._named(word, word.text.lower())

    def _named(self, word: _Word, name: str) -> Outline:
        if self.words[self.next].sort == "text":
            return self._literal(word, name)
        if self.peek() == "(":
            return self._call(word, name)
        if self.rows:
            if name in {"true", "false", "null"}:
                return Outline("constant", name, word.at)
            if name == "case":
                return self._case(word)
            if name == "interval":
                return self._interval(word)
        elif self.kind == "aggregate" and name != "rows":
            raise Doubt  # a column outside sum, count, …
        if name in STRANGE or (self.inside and name == "rows"):
            raise Doubt
        return Outline("column", name, word.at)

    def _literal(self, word: _Word, name: str) -> Outline:
        """`date '2026-01-01'`, `interval '2' day`."""
        if not self.rows:
            raise Doubt
        if name == "interval":
            return self._interval(word)
        if name not in {"date", "timestamp"}:
            raise Doubt
        return Outline("cast", name, word.at, (self._operand(),))

    def _interval(self, word: _Word) -> Outline:
        size = self.words[self.next]
        whole = size.text.strip("'").isdecimal()
        self.next += 1
        unit = self.take(*_UNITS)
        if not whole or unit is None:
            raise Doubt
        return Outline("interval", unit.text.lower(), word.at)

    def _case(self, word: _Word) -> Outline:
        parts = [] if self.peek() == "when" else [self.expression()]
        while self.take("when"):
            parts.append(self.expression())
            self.sign("then")
            parts.append(self.expression())
        if len(parts) < 2:
            raise Doubt
        if self.take("else"):
            parts.append(self.expression())
        self.sign("end")
        return Outline("case", "case", word.at, tuple(parts))

    def _call(self, word: _Word, name: str) -> Outline:
        self.sign("(")
        if not self.rows:
            return self._over_rows(word, name)
        if name in {"cast", "try_cast"}:
            inner = self.expression()
            self.sign("as")
            made = Outline("cast", self._type(), word.at, (inner,))
        elif name == "extract":
            if self.take(*_FIELDS) is None:
                raise Doubt
            self.sign("from")
            made = Outline("call", name, word.at, (self._sum(),))
        else:
            fewest, most = _ARITY.get(name, (0, 0))
            made = Outline("call", name, word.at, self._values(fewest, most, conditions=name == "if"))
            if name in {"date_trunc", "date_diff"} and made.parts[0].form != "text":
                raise Doubt
            if name == "if":
                _check_condition(made.parts[0])
        self.sign(")")
        return made

    def _over_rows(self, word: _Word, name: str) -> Outline:
        """An aggregate, or a metric's earlier value."""
        if self.kind == "formula":
            if name not in FORMULA_FUNCTIONS:
                raise Doubt
            metric = self._operand()
            if metric.form != "column" or metric.name in FORMULA_WORDS:
                raise Doubt
            self.sign(")")
            return Outline("call", name, word.at, (metric,))
        wanted = _AGGREGATE_ARITY.get(name, 0)
        self.inside = True
        values = self._values(wanted, wanted, conditions=True)
        self.inside = False
        if name in {"count_if", "sum_if"}:
            _check_condition(values[-1])
        self.sign(")")
        return Outline("call", name, word.at, values)

    def _values(self, fewest: int, most: int, *, conditions: bool) -> tuple[Outline, ...]:
        if not most:
            raise Doubt
        read = self.expression if conditions else self._sum
        values = [read()]
        while len(values) < most and self.take(","):
            values.append(read())
        if len(values) < fewest:
            raise Doubt
        return tuple(values)
