"""What is allowed and probably not meant: warnings."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping

import sqlglot.expressions as exp

from scorecard.book.model import Book
from scorecard.book.model.metric import Cohort, Expression, Metric, Ratio
from scorecard.book.model.organization import Team
from scorecard.book.notes import Notes

MOST_ON_A_CARD = 15


def lint(book: Book, notes: Notes) -> None:
    """Every warning about a book without errors in these definitions."""
    for metric in book.metrics.values():
        for expression in _conditions(metric):
            _warn_of_not(expression, metric, notes)
    _warn_of_processes(book, notes)
    _warn_of_full_cards(book, notes)
    _warn_of_near_names(book.teams, notes)


def _conditions(metric: Metric) -> Iterator[Expression]:
    if metric.where is not None:
        yield metric.where
    if isinstance(metric.measure, Ratio | Cohort):
        yield from (metric.measure.of, metric.measure.to)


def _warn_of_not(expression: Expression, metric: Metric, notes: Notes) -> None:
    """`NOT flag` is null where flag is, and null does not count: rows vanish without a word."""
    if "not" not in expression.text.lower():
        return
    spots = dict(reversed(expression.spots))
    for found in expression.tree.find_all(exp.Not):
        inner = found.this.unnest()
        if isinstance(inner, exp.Column):
            message = f"'not {inner.name}' of metric '{metric.name}' leaves out the rows where {inner.name} is empty"
            notes.warn(spots.get(inner.name, expression.place), message, f"write {inner.name} is not true")


def _warn_of_processes(book: Book, notes: Notes) -> None:
    roles: dict[str, set[str]] = {name: set() for name in book.processes}
    for metric in book.metrics.values():
        if metric.process in roles:
            roles[metric.process].add(metric.role)
    for process in book.processes.values():
        missing = {"leading", "lagging"} - roles[process.name]
        if process.name in {broken.process for broken in book.broken.values()}:
            missing = set()
        if len(missing) == 2:
            notes.warn(
                process.place, f"process '{process.name}' has no metric", "measure it with a leading and a lagging one"
            )
        elif missing:
            notes.warn(
                process.place,
                f"process '{process.name}' has no {next(iter(missing))} metric",
                "what comes early, and what comes out",
            )
        if process.sop is None:
            notes.warn(process.place, f"process '{process.name}' has no 'sop'", "add the address of its documentation")


def _warn_of_full_cards(book: Book, notes: Notes) -> None:
    cards: dict[str, int] = {}
    for metric in book.metrics.values():
        for card in {metric.process, book.team_of(metric)} - {None}:
            cards[str(card)] = cards.get(str(card), 0) + 1
    for name, count in cards.items():
        if count > MOST_ON_A_CARD:
            place = (book.teams.get(name) or book.processes[name]).place
            notes.warn(
                place,
                f"{count} metrics stand on the scorecard '{name}'",
                f"more than {MOST_ON_A_CARD} are not looked at",
            )


def _warn_of_near_names(teams: Mapping[str, Team], notes: Notes) -> None:
    plain = {team.name: re.sub(r"[^a-z0-9]", "", team.name) for team in teams.values()}
    for one, other in itertools.combinations(teams.values(), 2):
        if abs(len(plain[one.name]) - len(plain[other.name])) < 2 and _near(plain[one.name], plain[other.name]):
            hint = "if they are one, make the other an alias"
            notes.warn(other.place, f"team '{other.name}' is spelled almost like team '{one.name}'", hint)


def _near(a: str, b: str) -> bool:
    """The same but for signs between words, or one letter left out, doubled or swapped; `team-a` and `team-b` are not near."""
    if a == b:
        return True
    if min(len(a), len(b)) < 5 or re.sub(r"\D", "", a) != re.sub(r"\D", "", b):
        return False
    if len(a) == len(b):
        return b in _swapped(a)
    long, short = (a, b) if len(a) > len(b) else (b, a)
    return len(long) == len(short) + 1 and any(long[:at] + long[at + 1 :] == short for at in range(len(long)))


def _swapped(word: str) -> Iterable[str]:
    return (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1))
