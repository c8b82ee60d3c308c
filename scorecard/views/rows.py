"""A reading as a row of a page: everything the component draws, already in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from scorecard.board.board import Board
from scorecard.board.cards import standing_on
from scorecard.board.reading import Reading, Scorecard
from scorecard.book.model.metric import Metric
from scorecard.book.scope import adds_up
from scorecard.ground.numbers import print_value
from scorecard.views.address import Address
from scorecard.views.ageing import Mark, mark, standing
from scorecard.views.theme import word
from scorecard.views.wording import (
    change,
    clock_text,
    counted,
    limit_text,
    nothing_to_draw,
    person,
    plain,
    range_text,
    reading_span,
    split_text,
    unsaid,
    value_text,
)

HISTORY = 13


def spark(board: Board, reading: Reading, metric: Metric, now: datetime, last: int = HISTORY) -> dict[str, Any]:
    """The last periods up to the reading's own: values, targets, statuses and a sentence for screen readers."""
    zone = board.book.organization.timezone
    series = list(board.series(metric.name, reading.grain, reading.slice, now, last, reading.period))
    if not series or series[-1].period != reading.period:
        series = [*series, reading][-last:]
    known = [r for r in series if r.value is not None]
    label = f"{counted(len(series), reading.grain)} to {reading.period}: "
    if known:
        first, final = known[0].value or 0.0, known[-1].value or 0.0
        label += f"from {value_text(metric, first)} to {value_text(metric, final)}"
    else:
        label += "no values"
    aim = limit_text(metric, reading.target, reading.value)
    return {
        "points": [_point(r, adds_up(board.book, metric), zone, now) for r in series],
        "label": label + (f", target {aim}" if aim else ""),
    }


def _point(reading: Reading, paced: bool, zone: str, now: datetime) -> dict[str, Any]:
    target, aged = reading.target, standing(reading, zone, now)
    # A few days beside whole periods would look like a collapse: what adds up is drawn where it is heading, if anywhere.
    said = "no value" if reading.value is None else reading.text
    value = reading.value if reading.projected is None else reading.projected.value
    if (reading.running and paced and reading.projected is None) or nothing_to_draw(reading):
        value = None
    return {
        "value": value,
        "target": None if target is None else list(target) if isinstance(target, tuple) else [target],
        **{key: aged[key] for key in ("status", "fresh", "until", "judged", "thin")},
        "running": reading.running,
        "unsaid": unsaid(reading),
        "label": f"{reading.period}: {said}, {word(reading.status, reading.reason)}",
    }


@dataclass(frozen=True, slots=True)
class Around:
    """What the page around a row says already: its scorecard and its period, so that the row need not repeat them."""

    card: str | None = None
    period: str | None = None


def row(board: Board, reading: Reading, address: Address, now: datetime, around: Around = Around()) -> dict[str, Any]:
    """One indicator on a page."""
    metric, zone = board.book.metric(reading.metric), board.book.organization.timezone
    number, unit = (None, "") if reading.value is None else split_text(metric, _so_far(metric, reading))
    aim = limit_text(metric, reading.target, reading.value)
    kept = replace(address, period=address.period and reading.period, grain=address.grain and reading.grain)
    return {
        "key": ".".join([metric.name, reading.grain, *(reading.slice or ())]),
        "metric": metric.name,
        "title": metric.title,
        "slice": None if reading.slice is None else board.title(reading.slice[1]),
        "href": kept.to(f"/metrics/{metric.name}", reading.slice),
        **(aged := standing(reading, zone, now)),
        "tags": [*_tags(reading), *aged["tags"]],
        "under": _under(board, metric, reading, around),
        "owner": person(board.book.owner_of(metric)),
        "number": number,
        "unit": unit,
        "tight": unit == "%",
        "text": reading.text,
        "heading": None if reading.projected is None else f"heading for {value_text(metric, reading.projected.value)}",
        "range": None if reading.projected is None else range_text(metric, reading.projected),
        "target": None if aim is None else {"text": aim, "title": f"Target {aim}"},
        "change": change(metric, reading),
        "spark": spark(board, reading, metric, now),
        "period": reading.period,
        "dates": reading_span(reading),
        "running": reading.running,
        "facts": _facts(metric, reading, zone, now),
    }


def _so_far(metric: Metric, reading: Reading) -> str:
    """The value itself; on pace the printed text also says where it is heading, which stands apart here."""
    if reading.projected is None or reading.value is None:
        return reading.text
    return value_text(metric, reading.value)


def _tags(reading: Reading) -> list[dict[str, str]]:
    tags = []
    if reading.running:
        tags.append(
            {"text": "running", "kind": "running", "title": "The period has not ended: this number still moves"}
        )
    elif reading.provisional:
        tags.append(
            {
                "text": "provisional",
                "kind": "running",
                "title": "The period has ended; late data may still change this number",
            }
        )
    return tags


def _under(board: Board, metric: Metric, reading: Reading, around: Around) -> str:
    """Where it belongs and what period it is of, as far as the page around it does not say so."""
    where, title = None, None
    if reading.slice is not None:
        where = reading.slice[1]
        title = board.title(where)
    elif metric.process is not None:
        where, title = metric.process, board.book.processes[metric.process].title
    elif metric.team is not None:
        where, title = metric.team, board.book.teams[metric.team].title
    period = None if reading.period == around.period else reading.period
    return " · ".join(part for part in (None if where == around.card else title, period) if part)


def _facts(metric: Metric, reading: Reading, zone: str, now: datetime) -> list[tuple[str, str]]:
    facts = [("Period", f"{reading.period} ({reading_span(reading)})")]
    if (aim := limit_text(metric, reading.target, reading.value)) is not None:
        facts.append(("Target", aim))
    if (limit := limit_text(metric, reading.amber, reading.value)) is not None:
        facts.append(("Limit of amber", limit))
    if reading.projected is not None:
        facts.append(("Heading for", value_text(metric, reading.projected.value)))
        if (between := range_text(metric, reading.projected)) is not None:
            facts.append(("Nine times of ten", between))
        if reading.projected.chance is not None:
            facts.append(("Chance of the target", print_value(reading.projected.chance, "percent")))
    if reading.n is not None:
        facts.append(("Observations", plain(reading.n)))
    if reading.previous is not None:
        facts.append(
            ("Same point before" if reading.running else "Period before", value_text(metric, reading.previous))
        )
    if reading.year_ago is not None:
        facts.append(("A year ago", value_text(metric, reading.year_ago)))
    if (until := clock_text(reading.data_until, zone, now)) is not None:
        facts.append(("Data until", until))
    if (loaded := clock_text(reading.loaded_at, zone, now)) is not None:
        facts.append(("Loaded", loaded))
    return facts


def marks(board: Board, card: Scorecard) -> list[Mark]:
    """The marks of a card's readings; a whole beside the card's own slice and what has no weight do not count."""
    counting = {
        (s.metric.name, s.slice): s.rolls_up and s.metric.weight > 0
        for s in standing_on(board.book, card.name, board.readings)
    }
    return [mark(r, counting.get((r.metric, r.slice), True)) for r in card.readings]


def beside(board: Board, card: Scorecard) -> set[tuple[str, tuple[str, str] | None]]:
    """(metric, slice) of the wholes that stand beside the card's own slices."""
    return {(s.metric.name, s.slice) for s in standing_on(board.book, card.name, board.readings) if not s.rolls_up}


def rows(
    board: Board, card: Scorecard, held: Iterable[Reading], address: Address, now: datetime
) -> list[dict[str, Any]]:
    """The rows of some of a card's readings. A whole that stands beside the card's own slice is said in the slice's row."""
    aside, around = beside(board, card), Around(card.name, card.period)
    wholes = {r.metric: r for r in card.readings if (r.metric, r.slice) in aside}
    shown = [r for r in held if (r.metric, r.slice) not in aside]
    return [
        {**row(board, r, address, now, around), "whole": _whole(board, wholes.get(r.metric), r, address, now)}
        for r in shown
    ]


def _whole(
    board: Board, reading: Reading | None, part: Reading, address: Address, now: datetime
) -> dict[str, Any] | None:
    """All of it together, in short, beside a slice; nothing where the slice is all there is."""
    if reading is None or (reading.text, reading.status) == (part.text, part.status):
        return None
    full = row(board, reading, address, now)
    kept = (
        "text",
        "status",
        "word",
        "reason",
        "because",
        "stale",
        "fresh",
        "until",
        "judged",
        "by",
        "thin",
        "tags",
        "href",
    )
    return {key: full[key] for key in kept}
