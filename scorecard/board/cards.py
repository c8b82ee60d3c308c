"""What stands on which scorecard, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scorecard.board.reading import Reading, SeriesKey
from scorecard.book.model import Book
from scorecard.book.model.metric import Metric
from scorecard.book.model.organization import ORGANIZATION
from scorecard.ground.errors import NotFound, Problem, did_you_mean
from scorecard.judgement.status import STATUSES

Slice = tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Standing:
    """One row of a card. ``rolls_up`` is false for a whole that stands beside the card's own slice of it."""

    metric: Metric
    slice: Slice
    rolls_up: bool = True


def kind_of(book: Book, name: str) -> Literal["organization", "team", "process"]:
    """Which kind of scorecard has that name; NotFound with a suggestion otherwise."""
    if name == ORGANIZATION:
        return "organization"
    if name in book.teams:
        return "team"
    if name in book.processes:
        return "process"
    raise NotFound(Problem(f"no team or process is called '{name}'", hint=did_you_mean(name, book.scorecards())))


def standing_on(book: Book, name: str, readings: Mapping[SeriesKey, Sequence[Reading]]) -> list[Standing]:
    """The rows of a card in the file's order: its slices, and the metrics that belong to it."""
    kind = kind_of(book, name)
    rows: list[Standing] = []
    for metric in book.metrics.values():
        own = _belongs(book, metric, kind, name)
        sliced = kind != ORGANIZATION and (metric.name, metric.grain, (kind, name)) in readings
        if sliced:
            rows.append(Standing(metric, (kind, name)))
        if own:
            rows.append(Standing(metric, None, rolls_up=not sliced))
    return rows


def _belongs(book: Book, metric: Metric, kind: str, name: str) -> bool:
    if kind == "process":
        return metric.process == name
    if kind == "team":
        return book.team_of(metric) == name
    return metric.process is None and metric.team is None


def slice_of(
    book: Book, metric: Metric, card: str, readings: Mapping[SeriesKey, Sequence[Reading]]
) -> tuple[bool, Slice]:
    """(whether the metric has anything for that card, the slice to show): its slice if it has one, else the whole."""
    kind = kind_of(book, card)
    if (metric.name, metric.grain, (kind, card)) in readings:
        return True, (kind, card)
    return _belongs(book, metric, kind, card), None


def worst_first(rows: Iterable[tuple[Standing, Reading]]) -> tuple[Reading, ...]:
    """Leading before lagging; within a role the worst first, then by weight, then as the file has them."""
    order = {status: place for place, status in enumerate(STATUSES)}
    ranked = sorted(
        enumerate(rows),
        key=lambda item: (
            item[1][0].metric.role != "leading",
            order[item[1][1].status] + (10 if not item[1][0].rolls_up else 0),
            -item[1][0].metric.weight,
            item[0],
        ),
    )
    return tuple(reading for _, (_, reading) in ranked)
