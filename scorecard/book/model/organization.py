"""The organisation, its teams and processes, panels and reviews, as the rest of the product sees them."""

from __future__ import annotations

from datetime import date, time
from typing import Literal

from scorecard.ground.errors import Place
from scorecard.ground.values import dataclass

ORGANIZATION = "organization"


@dataclass(frozen=True, slots=True)
class Person:
    """A named person; ``email`` is None where only a name was given."""

    name: str
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Organization:
    """``timezone`` is an IANA name; months and weekdays are as in the calendar (Monday = 0); ``holidays`` are local days."""

    name: str
    owner: Person | None
    timezone: str = "UTC"
    week_starts: int = 0
    fiscal_year_starts: int = 1
    fiscal_year_named: Literal["start", "end"] = "end"
    pattern: Literal["months", "4-4-5", "4-5-4", "5-4-4"] = "months"
    workdays: frozenset[int] = frozenset({0, 1, 2, 3, 4})
    holidays: frozenset[date] = frozenset()
    allow_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Team:
    name: str
    title: str
    owner: Person | None
    parent: str | None = None
    aliases: tuple[str, ...] = ()
    holidays: frozenset[date] | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """``sop_review_months``: how often the procedure should be reviewed, in months."""

    name: str
    title: str
    team: str | None
    owner: Person
    deputy: Person | None = None
    sop: str | None = None
    sop_reviewed: date | None = None
    sop_review_months: int | None = None
    aliases: tuple[str, ...] = ()
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One scorecard (or one metric) on a panel."""

    kind: Literal["team", "process", "organization", "metric"]
    name: str


@dataclass(frozen=True, slots=True)
class Panel:
    name: str
    title: str
    show: tuple[Shown, ...]
    rotate_seconds: int = 20
    theme: Literal["light", "dark"] = "dark"
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Review:
    name: str
    cadence: Literal["weekly", "monthly", "quarterly"]
    scorecards: tuple[str, ...]
    weekday: int | None = None
    at: time | None = None
    minutes: int = 45
    place: Place | None = None
