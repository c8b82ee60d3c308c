"""The page of a team or a process."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from scorecard.board.board import Board
from scorecard.board.reading import Reading, Scorecard
from scorecard.book.model.organization import Process
from scorecard.views.address import Address, outside
from scorecard.views.rows import HISTORY, marks, rows
from scorecard.views.wording import PREVIOUS, counted, day_text, person

ROLES = (
    ("leading", "Leading indicators", "what we can still change"),
    ("lagging", "Lagging indicators", "what has come of it"),
)


def scorecard_page(board: Board, card: Scorecard, address: Address, now: datetime) -> dict[str, Any]:
    """The body, crumbs and marks of a team's or process's page."""
    home = {"text": board.book.organization.name, "href": address.to("/")}
    crumbs = [home, *_above(board, card, address)]
    return {
        "kind": "scorecard",
        "title": card.title,
        "crumbs": crumbs,
        "marks": marks(board, card),
        "rolls": True,
        "body": {
            "card": _card(board, card, address, now),
            "children": [card_link(board, name, address, now) for name in board.children(card.name)],
            "groups": groups(board, card, address, now),
            "empty": None
            if card.readings or board.children(card.name)
            else {
                "title": "No metrics yet",
                "text": f"Give a metric the line  {card.kind}: {card.name}  in metrics.yaml "
                "and it stands here as soon as the file is saved.",
            },
        },
    }


def card_href(kind: str, name: str, address: Address) -> str:
    if kind == "organization":
        return address.to("/")
    return address.to(f"/{'teams' if kind == 'team' else 'processes'}/{name}")


def card_link(board: Board, name: str, address: Address, now: datetime) -> dict[str, Any]:
    """A scorecard in short: title, counts and owner, linked."""
    card = board.scorecard(name, address.period, address.grain, now)
    return {
        "title": card.title,
        "kind": card.kind,
        "href": card_href(card.kind, name, address),
        "owner": card.owner,
        "status": card.status,
        "marks": marks(board, card),
    }


def groups(board: Board, card: Scorecard, address: Address, now: datetime) -> list[dict[str, Any]]:
    """Leading, then lagging indicators, each worst first."""
    found = []
    for role, title, hint in ROLES:
        held = [r for r in card.readings if board.book.metric(r.metric).role == role]
        if held:
            found.append(
                {
                    "role": role,
                    "title": title,
                    "hint": hint,
                    **columns(held),
                    "rows": rows(board, card, held, address, now),
                }
            )
    return found


def columns(readings: list[Reading]) -> dict[str, str]:
    """Headings of the two columns that depend on the grain."""
    grains = {r.grain for r in readings}
    if len(grains) != 1:
        return {"versus": "vs previous", "span": f"{HISTORY} periods"}
    grain = grains.pop()
    return {"versus": "vs " + PREVIOUS[grain].removeprefix("the "), "span": counted(HISTORY, grain)}


def _above(board: Board, card: Scorecard, address: Address) -> list[dict[str, str]]:
    """The teams above, outermost first."""
    book = board.book
    found: list[tuple[str, dict[str, str]]] = []
    name = book.teams[card.name].parent if card.kind == "team" else book.processes[card.name].team
    while name is not None and name in book.teams and all(name != seen for seen, _ in found):
        found.append((name, {"text": book.teams[name].title, "href": address.to(f"/teams/{name}")}))
        name = book.teams[name].parent
    return [crumb for _, crumb in reversed(found)]


def _card(board: Board, card: Scorecard, address: Address, now: datetime) -> dict[str, Any]:
    book = board.book
    if card.kind != "process":
        team = book.teams[card.name]
        return {
            "process": False,
            "owner": person(team.owner or book.organization.owner),
            "parent": _parent(board, team.parent, "Part of", address),
        }
    process = book.processes[card.name]
    sop = outside(process.sop)
    return {
        "process": True,
        "owner": person(process.owner),
        "deputy": person(process.deputy),
        "sop": None if process.sop is None else {"href": sop, "text": "Open the procedure" if sop else process.sop},
        "reviewed": reviewed(process, board.calendar.day_of(now)),
        "parent": _parent(board, process.team, "Team", address),
    }


def _parent(board: Board, name: str | None, term: str, address: Address) -> dict[str, str] | None:
    return (
        None
        if name is None
        else {"term": term, "text": board.book.teams[name].title, "href": address.to(f"/teams/{name}")}
    )


def reviewed(process: Process, today: date) -> dict[str, Any] | None:
    """When the procedure was last reviewed, and whether the next review is overdue."""
    if process.sop is None:
        return None
    if process.sop_reviewed is None:
        return {"text": "never", "overdue": True}
    due = None if process.sop_review_months is None else _months_later(process.sop_reviewed, process.sop_review_months)
    if due is None:
        return {"text": day_text(process.sop_reviewed), "overdue": False}
    if due < today:
        return {"text": f"{day_text(process.sop_reviewed)} · overdue since {day_text(due)}", "overdue": True}
    return {"text": f"{day_text(process.sop_reviewed)} · next by {day_text(due)}", "overdue": False}


def _months_later(day: date, months: int) -> date:
    """The same day so many months later; the month's last day where it has no such day."""
    years, month = divmod(day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(day.year + years, month + 1, last)
        except ValueError:
            continue  # the month is shorter
    raise AssertionError("every month has a 28th")
