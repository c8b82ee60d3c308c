"""The organisation's page: what is off target now and whose it is, then every scorecard, worst first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from scorecard.board.board import Board
from scorecard.board.reading import Reading
from scorecard.book.model.organization import ORGANIZATION
from scorecard.judgement.status import STATUSES
from scorecard.views.address import Address
from scorecard.views.ageing import mark
from scorecard.views.pages.scorecards import card_href, card_link, columns, groups, reviewed
from scorecard.views.rows import Around, row
from scorecard.views.wording import counted

_RANK = {status: place for place, status in enumerate(STATUSES)}


def organization_page(board: Board, address: Address, now: datetime) -> dict[str, Any]:
    """Exceptions first; then the teams with their processes; then what has no owner, deputy or procedure."""
    book = board.book
    names = [n for n in book.scorecards() if n != ORGANIZATION]
    links = {name: card_link(board, name, address, now) for name in names}
    own = board.scorecard(ORGANIZATION, address.period, address.grain, now)
    exceptions = _exceptions(board, names, address, now, own.readings)
    return {
        "kind": "organization",
        "title": book.organization.name,
        "crumbs": [],
        "decks": [link["marks"] for link in links.values()],
        "body": {
            "exceptions": [
                _group(board, status, title, exceptions, address, now) for status, title in _LISTS if exceptions[status]
            ],
            "judged": [mark(reading, counts=True) for found in exceptions.values() for _, reading in found],
            "unloaded": [sum(s.outcome is None for s in board.sources), len(board.sources)],
            "teams": _tree(board, links),
            "groups": groups(board, own, address, now),
            "foundations": _foundations(board, address, now),
            "empty": _empty(board),
        },
    }


_LISTS = (("red", "Off target"), ("amber", "To watch"), ("grey", "Cannot be said"))


def _exceptions(
    board: Board, names: Iterable[str], address: Address, now: datetime, own: Iterable[Reading]
) -> dict[str, list[tuple[str, Reading]]]:
    """Status → (scorecard, reading), each reading once: on the process's card rather than on its team's too."""
    held = [(ORGANIZATION, reading) for reading in own]
    for name in sorted(names, key=lambda n: n not in board.book.processes):
        held.extend((name, r) for r in board.scorecard(name, address.period, address.grain, now).readings)
    once: dict[tuple[str, tuple[str, str] | None], tuple[str, Reading]] = {}
    for name, reading in held:
        once.setdefault((reading.metric, reading.slice), (name, reading))
    found: dict[str, list[tuple[str, Reading]]] = {status: [] for status in STATUSES}
    every = {key: reading for key, (_, reading) in once.items()}
    for name, reading in once.values():
        if not _said_already(board, reading, every):
            found[reading.status].append((name, reading))
    return found


def _said_already(board: Board, part: Reading, every: Mapping[tuple[str, tuple[str, str] | None], Reading]) -> bool:
    """Whether a slice's exception is said by its whole, or by a team below that is as bad: then it is no news."""
    if part.slice is None:
        return False
    whole = every.get((part.metric, None))
    if whole is not None and _RANK[whole.status] <= _RANK[part.status]:
        return True
    kind, name = part.slice
    below = board.book.family(name)[1:] if kind == "team" else ()
    lower = (every.get((part.metric, (kind, team))) for team in below)
    return any(r is not None and _RANK[r.status] <= _RANK[part.status] for r in lower)


def _group(
    board: Board, status: str, title: str, found: dict[str, list[tuple[str, Reading]]], address: Address, now: datetime
) -> dict[str, Any]:
    rows = []
    for name, reading in found[status]:
        kind = "process" if name in board.book.processes else "team" if name in board.book.teams else ORGANIZATION
        shown = row(board, reading, address, now, Around(name))
        part = "" if reading.slice is None else f", {board.title(reading.slice[1])}"
        card = {"text": board.title(name), "href": card_href(kind, name, address)}
        rows.append({**shown, "title": shown["title"] + part, "card": card})
    return {
        "role": status,
        "title": title,
        "hint": counted(len(rows), "metric"),
        "rows": rows,
        **columns([r for _, r in found[status]]),
    }


def _tree(board: Board, links: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Top teams with all that stands below them, worst first; processes without a team at the end."""
    book = board.book

    def worst_first(names: Iterable[str], worst: Callable[[str], int]) -> list[str]:
        return sorted(names, key=lambda name: (worst(name), -_count(links[name], "red"), links[name]["title"]))

    def below(name: str) -> list[str]:
        return [child for child in board.children(name) if child in links]

    def deep(name: str) -> int:
        return min([_RANK[links[name]["status"]], *(deep(child) for child in below(name))])

    def branch(name: str, level: int) -> list[dict[str, Any]]:
        found = []
        for child in worst_first(below(name), deep):
            found.append({**links[child], "level": level})
            found.extend(branch(child, level + 1))
        return found

    top = [team.name for team in book.teams.values() if team.parent is None or team.parent not in book.teams]
    tree = []
    if len(top) == 1 and any(child in book.teams for child in below(top[0])):
        # One team above all others: it stands first, and those below it as cards of their own.
        tree = [
            {
                **links[top[0]],
                "wide": True,
                "below": [{**links[n], "level": 1} for n in below(top[0]) if n not in book.teams],
            }
        ]
        top = [child for child in below(top[0]) if child in book.teams]
    tree += [{**links[name], "below": branch(name, 1)} for name in worst_first(top, deep)]
    loose = [process.name for process in book.processes.values() if process.team is None]
    if loose:
        tree.append(
            {
                "title": "Processes without a team",
                "kind": "",
                "href": None,
                "owner": None,
                "status": "neutral",
                "marks": [],
                "below": [{**links[name], "level": 1} for name in worst_first(loose, deep)],
            }
        )
    return tree


def _count(link: dict[str, Any], status: str) -> int:
    return sum(1 for mark in link["marks"] if mark[0] == status)


def _foundations(board: Board, address: Address, now: datetime) -> list[dict[str, Any]]:
    """What a process needs before it can scale, and lacks: a deputy, a procedure, a review, a number."""
    book, today = board.book, board.calendar.day_of(now)
    sliced = {slice_[1] for _, _, slice_ in board.readings if slice_ is not None and slice_[0] == "process"}
    measured = sliced | {metric.process for metric in book.metrics.values()}
    lacking: list[tuple[str, str, list[str]]] = [
        (
            "without a deputy",
            "one person's absence stops them",
            [p.name for p in book.processes.values() if p.deputy is None],
        ),
        (
            "without a written procedure",
            "only somebody's head knows how",
            [p.name for p in book.processes.values() if p.sop is None],
        ),
        (
            "with an overdue procedure review",
            "the paper may no longer be true",
            [p.name for p in book.processes.values() if (r := reviewed(p, today)) and r["overdue"]],
        ),
        (
            "without a metric",
            "nobody would notice",
            [p.name for p in book.processes.values() if p.name not in measured],
        ),
    ]
    return [
        {
            "title": f"{counted(len(names), 'process', 'processes')} {what}",
            "hint": why,
            "links": [{"text": book.processes[n].title, "href": address.to(f"/processes/{n}")} for n in names],
        }
        for what, why, names in lacking
        if names
    ]


def _empty(board: Board) -> dict[str, str] | None:
    if board.book.metrics:
        return None
    return {
        "title": "No metrics yet",
        "text": "Ten lines in metrics.yaml make the first one; the page shows it as soon as the file is saved. "
        "The command  scorecard init --from FILE.csv  drafts sources and metrics from a file.",
    }
