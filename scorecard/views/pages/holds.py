"""What a source's card says of loads that wait and of generations that can be put back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scorecard.board.board import Board
from scorecard.board.holds import Shelf
from scorecard.landings.landing import Stock
from scorecard.views.wording import clock_text, counted, local_moments, milliseconds, plain
from scorecard.warehouse.engine import Decision, Kept, Load, Move, Waiting

MOVES = 12


def holds_of(board: Board, source: str, now: datetime) -> dict[str, Any]:
    """``hold`` (None: nothing waits), ``pinned`` (a sentence or None), ``kept`` (generations, newest first), ``shelf`` and
    ``raw``, a line each."""
    held, zone = board.held, board.book.organization.timezone
    stock = held.raw.get(source)
    waiting, pin, shelf = held.waiting.get(source), held.pinned.get(source), held.shelves.get(source, Shelf())
    return {
        "hold": None if waiting is None else _hold(board, waiting, zone, now),
        "pinned": None if pin is None else _pinned(pin, zone, now),
        "kept": [_kept(kept, zone, now) for kept in shelf.newest],
        "shelf": f"{counted(shelf.count, 'earlier generation')} kept, {size_text(shelf.size_bytes)}"
        if shelf.count
        else None,
        "raw": None if stock is None else raw_text(stock, zone, now),
    }


def raw_text(stock: Stock, zone: str, now: datetime) -> str:
    """``What it gave in 14 loads since 12 Nov is kept as it came, 3.2 MB``; and why the last one is not."""
    said = []
    if stock.landings:
        since, size = clock_text(stock.since, zone, now), size_text(stock.size_bytes)
        said.append(f"What it gave in {counted(stock.landings, 'load')} since {since} is kept as it came, {size}")
    if stock.problem is not None:
        said.append(f"What it gave last is not kept: {stock.problem}")
    return ". ".join(said)


def _hold(board: Board, waiting: Waiting, zone: str, now: datetime) -> dict[str, Any]:
    load = waiting.load
    counts = f"{plain(load.read)} rows pulled; the table would have {plain(waiting.rows)}"
    if waiting.instead_of is not None:
        counts += f". It came in place of load {waiting.instead_of}, which had waited"
    return {
        "load": load.id,
        "at": milliseconds(waiting.at),
        "at_text": clock_text(waiting.at, zone, now),
        "counts": counts,
        "reasons": [
            local_moments(p.message.removeprefix(f"{load.source}: "), zone, now)
            for p in load.problems
            if p.severity == "error"
        ],
        "moves": [_move(board, move) for move in load.moves[:MOVES]],
        "more": max(0, len(load.moves) - MOVES),
    }


def _move(board: Board, move: Move) -> dict[str, Any]:
    metric = board.book.metrics.get(move.metric)
    return {
        "title": move.metric if metric is None else metric.title,
        "href": f"/metrics/{move.metric}?period={move.period}",
        "where": " · ".join([move.period, *([] if move.slice is None else [move.slice[1]])]),
        "text": move.text,
    }


def _pinned(decision: Decision, zone: str, now: datetime) -> str:
    why = f": {decision.why}" if decision.why else ""
    goal = "" if decision.to is None else f" to load {decision.to}"
    at = clock_text(decision.at, zone, now)
    return f"{decision.by} rolled it back{goal} ({at}){why}. Its loads wait until one is approved."


def _kept(kept: Kept, zone: str, now: datetime) -> dict[str, Any]:
    return {
        "generation": kept.generation,
        "load": kept.load,
        "loaded": clock_text(kept.loaded_at, zone, now),
        "until": clock_text(kept.until, zone, now),
        "rows": plain(kept.rows),
        "size": size_text(kept.size_bytes),
    }


def decided_text(load: Load, zone: str, now: datetime) -> str | None:
    """``approved by Dana Lee, 10:12: the archive moved``; None where nobody has decided anything."""
    decision = load.decision
    if decision is None:
        return None
    if decision.what == "supersede":
        return f"superseded by load {decision.to}"
    done = {"approve": "approved", "reject": "rejected", "rollback": f"rolled back to load {decision.to}"}[
        decision.what
    ]
    why = f": {decision.why}" if decision.why else ""
    return f"{done} by {decision.by}, {clock_text(decision.at, zone, now)}{why}"


def size_text(size: int) -> str:
    """``912 bytes``, ``3.2 MB``."""
    for unit, least in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= least:
            number = size / least
            return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"
    return counted(size, "byte")
