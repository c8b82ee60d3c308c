"""Wall displays and embeds: a panel's scorecards in turn, the running period with the last closed one beside it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scorecard.board.board import Board
from scorecard.board.cards import standing_on
from scorecard.board.reading import Reading
from scorecard.book.model.metric import Metric
from scorecard.book.model.organization import ORGANIZATION, Shown
from scorecard.book.scope import sources_of
from scorecard.ground.errors import NotFound, Problem, did_you_mean
from scorecard.judgement.status import STATUSES
from scorecard.views.address import Address
from scorecard.views.ageing import mark, standing
from scorecard.views.rows import row
from scorecard.views.wording import milliseconds

_RANK = {status: place for place, status in enumerate(STATUSES)}


def wall_page(board: Board, name: str, address: Address, now: datetime, *, embedded: bool) -> dict[str, Any]:
    """The panel: its screens, how long each stands, and the sources whose age the wall must tell."""
    panel = board.book.panels.get(name)
    if panel is None:
        raise NotFound(Problem(f"no panel is called '{name}'", hint=did_you_mean(name, board.book.panels)))
    screens = [_screen(board, shown, address, now) for shown in panel.show]
    metrics = {tile["metric"] for screen in screens for tile in screen["tiles"]}
    return {
        "kind": "wall",
        "title": panel.title,
        "crumbs": [],
        "body": {
            "embedded": embedded,
            "rotate": max(3, panel.rotate_seconds) * 1000,
            "screens": [{**screen, "title": screen["title"] or panel.title} for screen in screens],
            "sources": _sources(board, metrics),
            "theme": panel.theme,
        },
    }


Held = tuple[Metric, tuple[str, str] | None, bool]
"""(metric, slice, whether it counts in the headline)."""


def _screen(board: Board, shown: Shown, address: Address, now: datetime) -> dict[str, Any]:
    """One turn of the rotation: a title, the tiles, and the marks that its headline counts."""
    if shown.kind == "metric":
        metric = board.book.metric(shown.name)
        owner = board.book.owner_of(metric)
        return _filled(board, "", owner.name if owner else None, [(metric, None, True)], address, now)
    name = ORGANIZATION if shown.kind == "organization" else shown.name
    card = board.scorecard(name, None, None, now)
    standing = [s for s in standing_on(board.book, name, board.readings) if s.rolls_up]
    held: list[Held] = [(s.metric, s.slice, s.metric.weight > 0) for s in standing]
    if name == ORGANIZATION:
        held.extend((m, None, m.weight > 0) for m in board.book.metrics.values() if all(m is not h[0] for h in held))
        screen = _filled(board, card.title, card.owner, held, address, now)
        # The whole organisation would take minutes to turn through: its wall shows what needs somebody.
        wanting = [
            t for t in screen["tiles"] if t["status"] in ("red", "amber", "grey") or t["closed"]["status"] == "red"
        ]
        return {**screen, "tiles": wanting or screen["tiles"]}
    return _filled(board, card.title, card.owner, held, address, now)


def _filled(
    board: Board, title: str, owner: str | None, held: list[Held], address: Address, now: datetime
) -> dict[str, Any]:
    tiles = _tiles(board, held, address, now)
    return {"title": title, "owner": owner, "tiles": tiles, "marks": [tile.pop("mark") for tile in tiles]}


def _tiles(board: Board, held: list[Held], address: Address, now: datetime) -> list[dict[str, Any]]:
    found = []
    for metric, part, counts in held:
        running, closed = pair(board, metric, part, now)
        tile = row(board, running, address, now)
        tile["closed"] = _closed(board, closed, now)
        _say_a_long_unit_once(tile, metric.unit)
        tile["mark"] = mark(running, counts)
        found.append((_RANK[running.status], _RANK[closed.status], metric.role != "leading", tile))
    return [tile for *_, tile in sorted(found, key=lambda item: item[:3])]


def _say_a_long_unit_once(tile: dict[str, Any], unit: str | None) -> None:
    """The big number says `tickets`; the target and the closed period need the room for their figures."""
    if unit is None or len(unit) <= 3 or unit == "percent":
        return
    tile["closed"]["text"] = tile["closed"]["text"].removesuffix(f" {unit}")
    if tile["target"] is not None:
        tile["target"] = {**tile["target"], "text": tile["target"]["text"].replace(f" {unit}", "")}


def pair(board: Board, metric: Metric, part: tuple[str, str] | None, now: datetime) -> tuple[Reading, Reading]:
    """(running, last closed) of a metric at its own grain."""
    closed = board.latest_closed(metric.grain, now)
    running = board.calendar.shift(closed, 1)
    return (
        board.reading(metric.name, metric.grain, running.label, part, now),
        board.reading(metric.name, metric.grain, closed.label, part, now),
    )


def _closed(board: Board, closed: Reading, now: datetime) -> dict[str, Any]:
    """The last closed period in short."""
    return {
        "text": "–" if closed.value is None else closed.text,
        **standing(closed, board.book.organization.timezone, now),
        "period": closed.period,
    }


def _sources(board: Board, shown: set[str]) -> list[dict[str, Any]]:
    """The sources that the shown metrics rest on, through all their parts."""
    needed = {name for metric in shown for name in sources_of(board.book, board.book.metric(metric))}
    return [
        {
            "name": s.name,
            "loaded": milliseconds(s.loaded_at),
            "next": milliseconds(s.next_run),
            "fresh": milliseconds(s.good_until),
            "quiet": milliseconds(s.quiet_until),
            "newest": milliseconds(s.data_until),
            "failed": s.outcome == "failed",
        }
        for s in board.sources
        if s.name in needed
    ]
