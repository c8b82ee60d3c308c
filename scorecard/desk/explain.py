"""Explaining a metric: from its definition to its colour, step by step."""

from __future__ import annotations

from datetime import datetime

from scorecard.board.board import Board
from scorecard.book.scope import parts_of, sources_of
from scorecard.ground.clock import utc_text
from scorecard.ground.errors import NotFound, Problem


def explain(
    board: Board,
    metric: str,
    grain: str | None = None,
    period: str | None = None,
    slice_: tuple[str, str] | None = None,
    now: datetime | None = None,
) -> dict[str, object]:
    """Definition and its place, SQL, inputs (sources and metrics, how fresh), the steps of the status, the reading.

    Raises NotFound for an unknown metric or slice, Refused for a label or grain that does not fit.
    """
    wanted, moment = board.book.metric(metric), now or board.as_of
    if slice_ is not None and (metric, wanted.grain, slice_) not in board.readings:
        raise NotFound(Problem(f"'{metric}' has no slice for {slice_[0]} '{slice_[1]}'"))
    label = period or board.latest_closed(grain or wanted.grain, moment).label
    reading = board.reading(metric, grain, label, slice_, moment)
    states = {s.name: s for s in board.sources}
    inputs: list[dict[str, object]] = []
    for name in parts_of(wanted):
        part = board.reading(
            name, None, label, slice_ if (name, wanted.grain, slice_) in board.readings else None, moment
        )
        inputs.append({"metric": name, "period": label, "value": part.value, "text": part.text, "status": part.status})
    for name in sources_of(board.book, wanted):
        state = states.get(name)
        inputs.append(
            {
                "source": name,
                "rows": None if state is None else state.rows,
                "future_rows": None if state is None else state.future_rows,
                "undated_rows": None if state is None else state.undated_rows,
                "loaded_at": None if state is None else utc_text(state.loaded_at),
                "data_until": None if state is None else utc_text(state.data_until),
                "problem": None if state is None else state.problem,
            }
        )
    owner = board.book.owner_of(wanted)
    explanation = board.explanation(metric)
    return {
        "metric": metric,
        "title": wanted.title,
        "describe": wanted.describe,
        "owner": None if owner is None else owner.name,
        "place": None if wanted.place is None else str(wanted.place),
        "definition": wanted.definition,
        "sql": list(_texts(explanation.get("sql"))),
        "inputs": inputs,
        "steps": [dict(step) for step in reading.trail],
        "because": reading.because,
        "reading": reading.as_json(),
    }


def _texts(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list | tuple) else [] if value is None else [str(value)]
