"""What a test expects of readings, and what is seen instead."""

from __future__ import annotations

import math
from collections.abc import Iterator

from scorecard.board.board import Board
from scorecard.board.reading import Reading
from scorecard.book.model import Expectation
from scorecard.ground.errors import Problem, Refused
from scorecard.ground.numbers import NOTHING, print_against, print_value


def unmet(board: Board, test: str, expected: Expectation) -> Iterator[Problem]:
    """An error for each key of an expectation that its reading does not meet, at the key's own place."""
    try:
        reading = _reading(board, expected)
    except Refused as refused:
        for problem in refused.problems:
            place = expected.places.get("period", expected.place)
            yield Problem(f"test '{test}': {problem.message}", place, problem.hint)
        return
    for key, wanted in expected.wanted.items():
        seen = getattr(reading, key)
        if _meets(key, seen, wanted, expected.decimals):
            continue
        said = _value_texts(board, reading, wanted) if key == "value" else (_said(seen), _said(wanted))
        where = "" if expected.slice is None else f" {expected.slice[0]} {expected.slice[1]}"
        yield Problem(
            f"test '{test}': {key} of {expected.metric} in {expected.period}{where} is {said[0]}, expected {said[1]}",
            expected.places.get(key, expected.place),
            f"{reading.status}, {reading.reason}: {reading.because}" if key != "because" else None,
        )


def _reading(board: Board, expected: Expectation) -> Reading:
    """Exactly the slice that is named: the whole beside it would be another number."""
    if expected.slice is None:
        return board.reading(expected.metric, expected.grain, expected.period)
    kind, name = expected.slice
    grain = board.period(expected.period).grain
    if (expected.metric, grain, expected.slice) not in board.readings:
        known = sorted(s[1] for m, g, s in board.readings if m == expected.metric and g == grain and s is not None)
        hint = f"it has {', '.join(known)}" if known else "it has none: no row given names one, or it has no 'split'"
        raise Refused(Problem(f"{expected.metric} has no slice for {kind} '{name}'", hint=hint))
    return board.reading(expected.metric, expected.grain, expected.period, expected.slice)


def _meets(key: str, seen: object, wanted: object, decimals: int) -> bool:
    if key != "value" or seen is None or wanted is None:
        return seen == wanted
    if not isinstance(seen, int | float) or not isinstance(wanted, int | float):
        return False
    if math.isclose(seen, wanted, rel_tol=1e-9, abs_tol=1e-12):
        return True
    # What is written with digits behind the point is meant to so many digits.
    return decimals > 0 and abs(seen - wanted) <= 0.5 * 10.0**-decimals * (1 + 1e-9)


def _value_texts(board: Board, reading: Reading, wanted: object) -> tuple[str, str]:
    """Seen and expected, with as many digits as it takes to tell them apart."""
    metric = board.book.metric(reading.metric)
    if isinstance(wanted, int | float) and reading.value is not None:
        seen, expected = print_against(reading.value, (float(wanted),), metric.unit, metric.decimals)
        return seen, expected
    texts = [
        print_value(v, metric.unit, metric.decimals)
        for v in (reading.value, wanted)
        if v is None or isinstance(v, int | float)
    ]
    return (texts[0].replace(NOTHING, "nothing"), texts[1].replace(NOTHING, "nothing"))


def _said(value: object) -> str:
    return "nothing" if value is None else f"'{value}'" if isinstance(value, str) else str(value)
