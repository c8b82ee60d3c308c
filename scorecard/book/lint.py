"""What is allowed and probably not meant: warnings about the organisation, its teams and its processes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from scorecard.book.lint_metrics import lint_metric
from scorecard.book.model import Book
from scorecard.book.model.organization import Process, Team
from scorecard.book.notes import Notes
from scorecard.ground.errors import Problem

MOST_ON_A_CARD = 15


def lint(book: Book, notes: Notes) -> None:
    """Every warning about a book without errors in these definitions."""
    for metric in book.metrics.values():
        lint_metric(metric, book, notes)
    _warn_of_processes(book, notes)
    _warn_of_full_cards(book, notes)
    _warn_of_near_names("team", book.teams, notes)
    _warn_of_near_names("process", book.processes, notes)


def overdue_reviews(book: Book, today: date) -> tuple[Problem, ...]:
    """Processes whose documentation should have been reviewed again before ``today``."""
    return tuple(
        Problem(
            f"the 'sop' of process '{process.name}' was due for review on {due}",
            process.place,
            "review it, and write the day into 'sop_reviewed'",
            "warning",
        )
        for process in book.processes.values()
        if (due := _due(process)) is not None and due < today
    )


def _due(process: Process) -> date | None:
    """The day by which the documentation is to be reviewed again: the same day of the month, or the month's last."""
    if process.sop_reviewed is None or process.sop_review_months is None:
        return None
    months = process.sop_reviewed.month - 1 + process.sop_review_months
    year, month = process.sop_reviewed.year + months // 12, months % 12 + 1
    last = (date(year + month // 12, month % 12 + 1, 1) - date(year, month, 1)).days
    return date(year, month, min(process.sop_reviewed.day, last))


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


def _warn_of_near_names(what: str, named: Mapping[str, Team] | Mapping[str, Process], notes: Notes) -> None:
    """Each pair once, at the later of the two; names, titles and aliases are all what data may be spelled like."""
    seen: dict[str, list[tuple[str, str]]] = {}
    told: set[frozenset[str]] = set()
    for one in named.values():
        for word in dict.fromkeys((one.name, one.title, *one.aliases)):
            plain = _plain(word)
            for key in _neighbours(plain):
                for other, spelled in seen.get(key, ()):
                    pair = frozenset((one.name, other))
                    if other != one.name and pair not in told and near(word, spelled):
                        told.add(pair)
                        message = f"{what} '{one.name}' is spelled almost like {what} '{other}'"
                        if (word, spelled) != (one.name, other):
                            message += f": '{word}', '{spelled}'"
                        notes.warn(one.place, message, "if they are one, make the other an alias")
        for word in dict.fromkeys((one.name, one.title, *one.aliases)):
            for key in _neighbours(_plain(word)):
                seen.setdefault(key, []).append((one.name, word))


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.casefold())


def _neighbours(plain: str) -> set[str]:
    """The word, and it with one letter left out: what two near words share."""
    return {plain, *(plain[:at] + plain[at + 1 :] for at in range(len(plain)))} if plain else set()


def near(one: str, other: str) -> bool:
    """The same but for signs between words, or one letter left out, doubled or swapped; `team-a` and `team-b` are not near."""
    a, b = _plain(one), _plain(other)
    if a == b:
        return bool(a)
    if min(len(a), len(b)) < 5 or re.sub(r"\D", "", a) != re.sub(r"\D", "", b):
        return False
    if len(a) == len(b):
        return b in _swapped(a)
    long, short = (a, b) if len(a) > len(b) else (b, a)
    return len(long) == len(short) + 1 and any(long[:at] + long[at + 1 :] == short for at in range(len(long)))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that this one is spelled almost like."""
    return next((other for other in known if near(word, other)), None)


def _swapped(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1))
