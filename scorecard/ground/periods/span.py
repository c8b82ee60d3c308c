"""Period, the value everything else is about, and the bounds of the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from scorecard.ground.errors import Problem, Refused
from scorecard.ground.periods import Grain

FIRST_YEAR, LAST_YEAR = 1000, 9000
"""Years outside are refused, so that no arithmetic on days can leave what ``date`` can hold."""


@dataclass(frozen=True, slots=True)
class Period:
    """A dated span. ``first``/``until``: local days, until exclusive (for hours: the day it lies in and the next).

    ``start``/``end``: aware, in the organisation's zone, end exclusive.
    """

    grain: Grain
    label: str
    first: date
    until: date
    start: datetime
    end: datetime


def beyond(what: str) -> Refused:
    """The error for a span that no calendar here reaches."""
    return Refused(Problem(f"{what} lies outside the years {FIRST_YEAR} to {LAST_YEAR}", hint="choose a nearer period"))
