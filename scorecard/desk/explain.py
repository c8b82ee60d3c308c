"""Explaining a metric: from its definition to its colour, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from scorecard.board.board import Board
from scorecard.board.reading import Reading
from scorecard.book.model.metric import Change, Metric
from scorecard.book.scope import parts_of, sources_of
from scorecard.desk.definitions import measure_key
from scorecard.ground.clock import utc_text
from scorecard.ground.periods import GRAINS
from scorecard.measures.compare import compared, versus_name


def explain(
    board: Board,
    metric: str,
    grain: str | None = None,
    period: str | None = None,
    slice_: tuple[str, str] | None = None,
    now: datetime | None = None,
) -> dict[str, object]:
    """Definition and its place, SQL, inputs (sources and metrics, how fresh), the steps of the status, the reading.

    The filters are those of ``Board.select``: the slice of a team or process if the metric has it, else what stands on
    its card; without a period the last closed one. Raises NotFound for an unknown metric or card, Refused for a label
    or grain that does not fit.
    """
    wanted, moment = board.book.metric(metric), now or board.as_of
    where = {} if slice_ is None else {slice_[0]: slice_[1]}
    (reading,) = board.select((metric,), where.get("team"), where.get("process"), grain, period, now=moment)
    owner = board.book.owner_of(wanted)
    explanation = board.explanation(metric)
    problem = board.problems.get(metric)
    return {
        "metric": metric,
        "title": wanted.title,
        "describe": wanted.describe,
        "owner": None if owner is None else owner.name,
        "place": None if wanted.place is None else str(wanted.place),
        "definition": wanted.definition,
        "measure": measure_key(wanted),
        "unit": wanted.unit,
        "better": wanted.better,
        "sql": list(_texts(explanation.get("sql"))),
        "states": explanation.get("states", []),
        "problem": None if problem is None else problem.as_json(),
        "inputs": [*_parts(board, wanted, reading, moment), *_sources(board, wanted)],
        "steps": [dict(step) for step in reading.trail],
        "because": reading.because,
        "reading": reading.as_json(),
    }


def _parts(board: Board, wanted: Metric, reading: Reading, now: datetime) -> Iterator[dict[str, object]]:
    """The metrics it is made of, in its own period and slice, and what a change compares with."""
    for name in parts_of(wanted):
        yield _part(board, name, _period(board, name, reading), reading.slice, now)
    if isinstance(wanted.measure, Change):
        versus = wanted.measure.versus
        for other in compared(board.calendar, board.period(reading.period), versus) or ():
            yield {
                **_part(board, wanted.measure.of, other.label, reading.slice, now),
                "compared": versus_name(versus),
            }


def _period(board: Board, part: str, reading: Reading) -> str:
    """The period of a part: the reading's own, or the longer one around it where the part has none so short."""
    grain = board.book.metric(part).grain
    if GRAINS.index(reading.grain) >= GRAINS.index(grain):
        return reading.period
    return board.calendar.period(reading.start, grain).label


def _part(board: Board, name: str, period: str, slice_: tuple[str, str] | None, now: datetime) -> dict[str, object]:
    part = board.reading(name, None, period, slice_ if _has(board, name, slice_) else None, now)
    return {
        "metric": name,
        "period": part.period,
        "value": part.value,
        "text": part.text,
        "n": part.n,
        "previous": part.previous,
        "year_ago": part.year_ago,
        "status": part.status,
        "because": part.because,
    }


def _has(board: Board, name: str, slice_: tuple[str, str] | None) -> bool:
    return (name, board.book.metric(name).grain, slice_) in board.readings


def _sources(board: Board, wanted: Metric) -> Iterator[dict[str, object]]:
    """The sources whose rows it reads, through all its parts, and how fresh they are."""
    states = {s.name: s for s in board.sources}
    for name in sources_of(board.book, wanted):
        state = states.get(name)
        yield {
            "source": name,
            "rows": None if state is None else state.rows,
            "future_rows": None if state is None else state.future_rows,
            "undated_rows": None if state is None else state.undated_rows,
            "loaded_at": None if state is None else utc_text(state.loaded_at),
            "data_until": None if state is None else utc_text(state.data_until),
            "problem": None if state is None else state.problem,
        }


def _texts(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list | tuple) else [] if value is None else [str(value)]
