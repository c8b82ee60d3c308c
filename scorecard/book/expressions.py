"""SQL expressions of metrics.yaml: read, whitelisted, and every mistake at its character.

A row expression and a condition read one row; an aggregate is arithmetic of ``rows``, ``count(x)``, ``count_if(c)``, ``sum(x)``,
``sum_if(x, c)``, ``min``, ``max``, ``mean``; a formula is arithmetic over metric names, ``previous(m)``, ``year_ago(m)``,
``days`` and ``workdays``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from scorecard.book.functions import AGGREGATES, FORMULA_WORDS, Kind
from scorecard.book.growth import growing
from scorecard.book.model.metric import Expression
from scorecard.book.notes import Notes
from scorecard.book.outline import Doubt, Outline, outline
from scorecard.ground.errors import Place, Problem, Refused
from scorecard.ground.values import dataclass
from scorecard.ground.yamlfile import YamlText

if TYPE_CHECKING:
    from scorecard.book.sqltokens import Mistake

LONGEST = 10_000


@dataclass(frozen=True, slots=True)
class Parsed:
    """``spots``: the offset of every column (or metric) name in the text. With mistakes there is no outline."""

    text: str
    outline: Outline | None
    spots: tuple[tuple[str, int], ...] = ()
    mistakes: tuple[Mistake, ...] = ()


def read_expression(node: YamlText, kind: Kind, owner: str, notes: Notes) -> Expression | None:
    """The node's expression; None after reporting each mistake at its own character. ``owner``: ``'where' of metric 'csat'``."""
    parsed = parse(node.text, kind)
    for mistake in parsed.mistakes:
        notes.error(node.place_of(mistake.offset), f"{mistake.message} in {owner}", mistake.hint)
    if parsed.outline is None:
        return None
    spots = tuple((name, node.place_of(offset)) for name, offset in parsed.spots)
    return _expression(parsed, parsed.outline, kind, node.place, spots)


def expression(text: str, kind: Kind = "row") -> Expression:
    """An expression from text alone; ``Refused`` with all its mistakes (column = character, from 1)."""
    parsed = parse(text, kind)
    if parsed.outline is None:
        raise Refused(*(Problem(m.message, Place("", 1, m.offset + 1), m.hint) for m in parsed.mistakes))
    return _expression(parsed, parsed.outline, kind, None, ())


def _expression(
    parsed: Parsed, outline: Outline, kind: Kind, place: Place | None, spots: tuple[tuple[str, Place], ...]
) -> Expression:
    words = {"rows"} if kind == "aggregate" else set(FORMULA_WORDS) if kind == "formula" else set()
    columns = frozenset(name for name, _ in parsed.spots) - words
    return Expression(parsed.text, kind, outline, columns, place, tuple(s for s in spots if s[0] not in words))


@lru_cache(maxsize=4096)
def parse(text: str, kind: Kind) -> Parsed:
    """The text's outline, or all that is wrong with it."""
    if len(text) <= LONGEST:
        try:
            found = outline(text, kind)
        except Doubt:
            pass
        else:
            if long := _too_long(text, found):
                return Parsed(_tidy(text), None, (), long)
            return Parsed(_tidy(text), found, tuple((n.name, n.at) for n in found.walk() if n.form == "column"))
    return _judged(text, kind)


def _judged(text: str, kind: Kind) -> Parsed:
    """As the SQL parser reads it; the parser is loaded only where a text needs it."""
    from scorecard.book.sqlparse import judge, outline_of, texts_of
    from scorecard.book.sqltokens import Mistake

    plain = _tidy(text)
    if not plain:
        return Parsed("", None, (), (Mistake(0, "an expression is missing"),))
    if len(text) > LONGEST:
        return Parsed(plain, None, (), (Mistake(0, f"the expression is longer than {LONGEST} characters"),))
    judged = judge(text, kind)
    if judged.tree is None or judged.mistakes:
        return Parsed(plain, None, (), judged.mistakes)
    if long := _too_long(text, texts_of(judged.tree)):
        return Parsed(plain, None, (), long)
    return Parsed(plain, outline_of(judged.tree), judged.spots)


def _too_long(text: str, found: Outline) -> tuple[Mistake, ...]:
    if "replace" not in text.lower() or (long := growing(found)) is None:
        return ()
    from scorecard.book.sqltokens import Mistake

    return (Mistake(*long),)


def _tidy(text: str) -> str:
    """One way to write what differs in spaces only, so that equal expressions share their state."""
    return text.strip() if "'" in text else " ".join(text.split())


__all__ = ["AGGREGATES", "Parsed", "expression", "parse", "read_expression"]
