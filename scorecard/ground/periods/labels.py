"""Period labels: the accepted forms, and taking one apart. Which span a label means is the calendar's business."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scorecard.ground.errors import Problem, Refused
from scorecard.ground.periods import Grain
from scorecard.ground.periods.span import FIRST_YEAR, LAST_YEAR

_FORMS: tuple[tuple[Grain, re.Pattern[str]], ...] = tuple(
    (grain, re.compile(form, re.ASCII))  # type: ignore[misc]
    for grain, form in (
        ("hour", r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)T(?P<number>\d\d)(?P<offset>[+\- ]\d\d:\d\d(:\d\d)?)?"),
        ("day", r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"),
        ("week", r"(?P<year>\d{4})-W(?P<number>\d\d)"),
        ("month", r"(?P<year>\d{4})-(?P<number>\d\d)"),
        ("month", r"(?P<fiscal>FY)(?P<year>\d{4})-P(?P<number>\d\d)"),
        ("quarter", r"(?P<fiscal>FY)?(?P<year>\d{4})-Q(?P<number>\d)"),
        ("year", r"(?P<fiscal>FY)?(?P<year>\d{4})"),
    )
)
_MOST = {"hour": 23, "week": 53, "month": 12, "quarter": 4}


@dataclass(frozen=True, slots=True)
class Parts:
    """A label taken apart. ``number``: hour 0–23; week, month or quarter from 1. ``offset``: of hours, ``+02:00``."""

    grain: Grain
    year: int
    month: int = 0
    day: int = 0
    number: int = 0
    fiscal: bool = False
    offset: str | None = None


def accepted(fiscal: bool, pattern: bool) -> str:
    """The forms an organisation's labels have, for hints."""
    month = "FY2026-P09" if pattern else "2026-09"
    quarter, year = ("FY2026-Q3", "FY2026") if fiscal or pattern else ("2026-Q3", "2026")
    forms = (
        "hour 2026-09-28T14",
        "day 2026-09-28",
        "week 2026-W39",
        f"month {month}",
        f"quarter {quarter}",
        f"year {year}",
    )
    return "write " + ", ".join(forms[:-1]) + " or " + forms[-1]


def refused(label: str, why: str, hint: str) -> Refused:
    """The error for a label that means no period."""
    return Refused(Problem(f"'{label.strip()[:60]}' {why}", hint=hint))


def taken_apart(label: str, hint: str) -> Parts:
    """The parts of a label of any form, upper or lower case; Refused, naming the accepted forms, for anything else."""
    text = label.strip().upper()
    for grain, form in _FORMS:
        found = form.fullmatch(text)
        if found is None:
            continue
        groups = {"month": None, "day": None, "number": None, "fiscal": None, "offset": None, **found.groupdict()}
        year, number = int(found["year"]), int(groups["number"] or 0)
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise refused(label, f"lies outside the years {FIRST_YEAR} to {LAST_YEAR}", hint)
        least = 0 if grain == "hour" or groups["number"] is None else 1
        if not least <= number <= _MOST.get(grain, 0):
            raise refused(label, f"is no {grain}: {number} is not {least} to {_MOST[grain]}", hint)
        # An address that was not escaped turns the sign of a plus into a space.
        offset = None if groups["offset"] is None else groups["offset"].replace(" ", "+")
        month, day = int(groups["month"] or 0), int(groups["day"] or 0)
        return Parts(grain, year, month, day, number, groups["fiscal"] is not None, offset)
    raise refused(label, "is no period", hint)
