"""What the measures hand to the board: the small dense grid of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from math import isfinite
from typing import NamedTuple

from scorecard.ground.errors import Problem
from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Period
from scorecard.judgement.scaling import Elasticity
from scorecard.judgement.targets import FromSource, Looked
from scorecard.measures.place import key_of
from scorecard.warehouse.engine import Standing

SeriesKey = tuple[str, str, tuple[str, str] | None]
"""(metric, grain, slice): slice is None for the whole, else ("team", name) or ("process", name)."""


Few = tuple[str, int, int]
"""A metric with too few observations: its name, how many there are, and how many it needs (its ``min_sample``)."""


class Cell(NamedTuple):
    """One value; a tuple, because there are very many.

    All None is no data; ``missing`` may say why. Values are finite or None, shares are fractions.

    ``n``: observations (non-null values, or the denominator), None where it means nothing. ``squares``: the sum of the
    squared scores above the line, for ratios that are sampled as scores. ``told``: where a value comes from that nobody
    counted, for its sentence. ``elasticity``: what a scaling metric has found. ``few``: the part of it that has too few
    observations where it was looked at, if any.
    """

    value: float | None = None
    numerator: float | None = None
    denominator: float | None = None
    n: int | None = None
    missing: str | None = None
    squares: float | None = None
    told: str | None = None
    elasticity: Elasticity | None = None
    few: Few | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What people have said about one value: the newest that counts (None: none does yet), and ``at`` what moment it was
    last spoken of. ``told``: by whom and when. ``waiting``: a sentence on a newer value that does not count yet."""

    metric: str
    period: Period
    slice: tuple[str, str] | None
    value: float | None
    at: datetime
    told: str = ""
    waiting: str | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """A metric's values over consecutive periods of one grain, oldest first, no gaps; the last may be running.

    ``cuts``: for the running period, the compared values at the same cut: versus name (``previous``, ``year_ago``, …) → Cell.
    """

    periods: tuple[Period, ...]
    cells: Sequence[Cell]
    cuts: Mapping[str, Cell] = field(default_factory=dict)


GoalTable = Mapping[tuple[tuple[str, str] | None, date], Looked]
"""(slice, key of the period) → (target, amber limit) as a source's rows give them."""


@dataclass(frozen=True, slots=True)
class Goals:
    """Targets that are rows of sources, per table of a target and grain. A table that did not change is the same object."""

    tables: Mapping[tuple[FromSource, Grain], GoalTable] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def of(self, aim: FromSource, period: Period, slice_: tuple[str, str] | None) -> Looked | None:
        """The target of one slice in a period; None where no row names it, or its value is no finite number."""
        found = self.tables.get((aim, period.grain), {}).get((slice_, key_of(period)))
        return found if found is not None and found[0] is not None and isfinite(found[0]) else None


@dataclass(frozen=True, slots=True)
class Changed:
    """A final value that is another one by now. ``value``: what it was; ``at``: when that was first seen (aware);
    ``redefined``: the metric's definition had changed by then."""

    value: float
    at: datetime
    redefined: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything computed. ``changed``: series → the indexes of its periods whose cell may differ from the last time
    (None: all of it). ``problems``: metrics that could not be computed. ``unassigned``: metric → slice values that match no
    team or process. ``future_rows``/``undated_rows``: source → rows dated after now, rows without a time. ``shares``: series
    that is paced by profile → the shares of their final values that earlier periods had at the running one's cut, newest first.
    ``restated``: series → period → what its final value was. ``people``: metric whose values people give → (when the last
    was given, the end of the newest period that has one). ``standings``: what was measured, source by source.
    """

    series: Mapping[SeriesKey, Series]
    problems: Mapping[str, Problem] = field(default_factory=dict)
    changed: Mapping[SeriesKey, frozenset[int]] | None = None
    unassigned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    future_rows: Mapping[str, int] = field(default_factory=dict)
    undated_rows: Mapping[str, int] = field(default_factory=dict)
    goals: Goals = field(default_factory=Goals)
    shares: Mapping[SeriesKey, tuple[float, ...]] = field(default_factory=dict)
    restated: Mapping[SeriesKey, Mapping[str, Changed]] = field(default_factory=dict)
    people: Mapping[str, tuple[datetime, datetime]] = field(default_factory=dict)
    standings: Mapping[str, Standing] = field(default_factory=dict)
