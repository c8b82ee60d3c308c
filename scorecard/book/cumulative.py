"""What can run up: metrics whose value over a longer window can be computed from days, or from its rows."""

from __future__ import annotations

from collections.abc import Mapping

from scorecard.book.model.metric import (
    Age,
    Change,
    Cohort,
    Cumulative,
    Formula,
    Level,
    Manual,
    Metric,
    Scaling,
    Stock,
)
from scorecard.book.notes import Notes
from scorecard.ground.errors import Place

_REFUSED: tuple[tuple[type | tuple[type, ...], str, str], ...] = (
    ((Stock, Level), "a stock, which does not add up", "show the stock itself: it is the level at each period's end"),
    (Age, "the age of open items, which does not add up", "show the age itself"),
    (
        Cohort,
        "a cohort, whose values wait until they are old enough",
        "write its two aggregates as a 'ratio' and run that up",
    ),
    (Change, "a change, which does not add up", "make a 'change' of the cumulative metric"),
    (Cumulative, "which runs up itself", "run up what it is of"),
    (Scaling, "an elasticity, which does not add up", "show it as it stands"),
    (
        Manual,
        "whose values people give for whole periods",
        "use its 'fold': a longer period is made of the shorter ones",
    ),
)


def check_cumulative(metric: Metric, metrics: Mapping[str, Metric], place: Place | None, notes: Notes) -> None:
    """Notes what a cumulative metric cannot run up, through the parts of formulas, and hours."""
    assert isinstance(metric.measure, Cumulative)  # noqa: S101 - the caller has looked
    of, seen = metric.measure.of, set()
    waiting = [of]
    while waiting:
        name = waiting.pop(0)
        part = metrics.get(name)
        if part is None or name in seen or part is metric:
            continue
        seen.add(name)
        why = next(((what, hint) for kinds, what, hint in _REFUSED if isinstance(part.measure, kinds)), None)
        if why is not None:
            through = "" if name == of else f" (in '{of}')"
            notes.error(place, f"metric '{metric.name}' runs up '{name}'{through}, {why[0]}", why[1])
        if isinstance(part.measure, Formula):
            looks_back = next((n for n in part.measure.expression.outline.walk() if n.form == "call"), None)
            if looks_back is not None:
                message = f"metric '{metric.name}' runs up '{name}', a formula with {looks_back.name}()"
                notes.error(place, message, "write the formula over cumulative metrics instead")
            waiting += sorted(part.measure.expression.columns)
    if metric.grain == "hour":
        message = f"metric '{metric.name}' is by hour, and a cumulative metric runs up by days"
        notes.error(metric.places.get("grain", place), message, "write grain: day")
