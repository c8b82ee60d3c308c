"""A small organisation for tests of measures: a book built by hand, a real warehouse, rows loaded as a connector gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from connectors.contract import Batch
from scorecard.book.expressions import expression
from scorecard.book.model import Book
from scorecard.book.model.metric import (
    Cohort,
    Count,
    Distinct,
    Formula,
    Mean,
    Measure,
    Metric,
    Quantile,
    Ratio,
    Split,
    Sum,
)
from scorecard.book.model.organization import Organization, Person, Process, Team
from scorecard.book.model.source import Check, Column, Schedule, Source
from scorecard.ground.clock import FixedClock
from scorecard.ground.periods.calendar import Calendar
from scorecard.measures.plan import axes
from scorecard.measures.run import Meter
from scorecard.measures.values import Cell, Measured, Series
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import NOTHING, Decision, LoadOrder, Touched

ANA = Person("Ana Ruiz")


def moment(text: str) -> datetime:
    """A moment in UTC: ``2026-03-02 09:00`` or ``2026-03-02``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def metric(name: str, measure: Measure, **more: Any) -> Metric:
    """A metric of the source ``tickets`` by ``created_at``, unless it says otherwise."""
    given: dict[str, Any] = {"source": "tickets", "time": "created_at", **more}
    if isinstance(measure, Formula) or type(measure).__name__ in ("Change", "Cumulative"):
        given = {**more, "source": None, "time": None}
    if isinstance(given.get("where"), str):
        given["where"] = expression(given["where"], "condition")
    return Metric(name, name, measure, "leading", "higher", **given)


def count(of: str | None = None) -> Count:
    return Count(None if of is None else expression(of))


def total(of: str) -> Sum:
    return Sum(expression(of))


def average(of: str) -> Mean:
    return Mean(expression(of))


def quantile(of: str, q: float = 0.5) -> Quantile:
    return Quantile(expression(of), q)


def distinct(of: str) -> Distinct:
    return Distinct(expression(of))


def ratio(of: str, to: str, per: float = 1.0) -> Ratio:
    return Ratio(expression(of, "aggregate"), expression(to, "aggregate"), per)


def cohort(of: str, to: str, matures_after_days: int = 7) -> Cohort:
    return Cohort(expression(of, "aggregate"), expression(to, "aggregate"), matures_after_days * 86_400)


def formula(text: str) -> Formula:
    return Formula(expression(text, "formula"))


TEAMS = {
    "operations": Team("operations", "Operations", ANA),
    "support": Team("support", "Support", ANA, parent="operations", aliases=("Support DE",)),
    "night-shift": Team("night-shift", "Night shift", ANA, parent="operations"),
    "sales": Team("sales", "Sales", ANA),
}
PROCESSES = {"returns": Process("returns", "Returns", "sales", ANA, aliases=("RMA",))}
BY_TEAM = Split("team", "team")


@dataclass(slots=True)
class World:
    """A warehouse in a folder, sources with typed columns, and a meter over some metrics."""

    folder: Path
    organization: Organization = field(default_factory=lambda: Organization("Test", ANA, "Europe/Berlin"))
    sources: dict[str, Source] = field(default_factory=dict)
    book: Book = field(init=False)
    engine: DuckWarehouse = field(init=False)
    calendar: Calendar = field(init=False)
    meter: Meter = field(init=False)
    now: datetime = field(default_factory=lambda: moment("2026-04-01 12:00"))

    def source(
        self, name: str, columns: Mapping[str, str], *, key: Sequence[str] = ("id",), time: str = "created_at"
    ) -> None:
        """Declares a source; all its times carry UTC."""
        typed = {c: Column(c, c, t) for c, t in columns.items()}  # type: ignore[arg-type]
        mode: Literal["upsert", "replace"] = "upsert" if key else "replace"
        self.sources[name] = Source(
            name,
            "csv",
            {},
            Schedule(60),
            tuple(key),
            mode,
            time or None,
            typed,
            "UTC",
        )

    def open(self, *metrics: Metric) -> World:
        o = self.organization
        self.calendar = Calendar(
            o.timezone, o.week_starts, o.fiscal_year_starts, o.fiscal_year_named, o.pattern, o.workdays, o.holidays
        )
        self.engine = DuckWarehouse.open(self.folder, FixedClock(self.now))
        self.use(*metrics)
        return self

    def use(self, *metrics: Metric) -> None:
        """Other metrics over the same warehouse, as after an edit of metrics.yaml."""
        self.book = Book(self.organization, self.sources, TEAMS, PROCESSES, metrics={m.name: m for m in metrics})
        self.meter = Meter(self.engine, self.book, self.calendar)

    def load(
        self, name: str, rows: Sequence[Mapping[str, object]], *, at: datetime | None = None, full: bool = False
    ) -> Touched:
        """Loads rows given as texts (or None), as a CSV file would. What is held for a person is approved."""
        source = self.sources[name]
        names = list(source.columns)
        texts = {c: [None if r.get(c) is None else str(r[c]) for r in rows] for c in names}
        table = pa.table({c: pa.array(v, pa.string()) for c, v in texts.items()})
        when = at or self.now
        order = LoadOrder(source, axes(self.book, name), self.organization.timezone, when, when, full=full)
        load, touched = self.engine.load(order, [Batch(table)])
        if load.outcome == "held":
            decision = Decision(f"d{load.id}", "approve", name, load.id, "Ana", "", when)
            load, touched = self.engine.holds.approve(order, decision)
        assert load.outcome in {"ok", "unchanged"}, load.problems
        assert load.quarantined == 0, load.problems
        return touched

    def propose(self, name: str, rows: Sequence[Mapping[str, object]], at: datetime, what: str) -> Touched:
        """A load that a check does not let through, and a person's decision on it: ``approve`` or ``reject``."""
        source = self.sources[name]
        self.sources[name] = replace(source, checks=(Check("rows", at_least=10**9),))
        texts = {c: [None if r.get(c) is None else str(r[c]) for r in rows] for c in source.columns}
        batch = Batch(pa.table({c: pa.array(v, pa.string()) for c, v in texts.items()}))
        order = LoadOrder(self.sources[name], axes(self.book, name), self.organization.timezone, at, at)
        self.sources[name] = source
        load, touched = self.engine.load(order, [batch])
        if load.outcome != "held":
            assert load.outcome == "unchanged", load.problems
            return touched
        assert touched == NOTHING
        decision = Decision(f"d{load.id}", what, name, load.id, "Ana", "", at)
        if what == "approve":
            return self.engine.holds.approve(order, decision)[1]
        self.engine.holds.reject(decision)
        return NOTHING

    def roll_back(self, name: str, nth: int, at: datetime) -> tuple[int, Touched] | None:
        """One of the earlier generations put back: (which, what that touched). None where none is kept."""
        kept = [one for one in self.engine.holds.kept(name) if one.load is not None]
        if not kept:
            return None
        to = kept[nth % len(kept)]
        order = LoadOrder(self.sources[name], axes(self.book, name), self.organization.timezone, at, at)
        decision = Decision(f"r{at.isoformat()}{nth}", "rollback", name, 0, "Ana", "", at, to=to.load)
        return to.generation, self.engine.holds.roll_back(order, decision)[1]

    def generation(self, name: str) -> int:
        standing = self.engine.standing(name)
        return 0 if standing is None else standing.generation

    def measure(self, at: str | datetime | None = None, touched: Mapping[str, Touched] | None = None) -> Measured:
        when = self.now if at is None else moment(at) if isinstance(at, str) else at
        self.now = max(self.now, when)
        return self.meter.measure(when, touched)

    def fresh(self) -> Meter:
        """Another meter, as in a new process."""
        return Meter(self.engine, self.book, self.calendar)

    def close(self) -> None:
        self.engine.close()


def of(measured: Measured, name: str, grain: str = "week", slice_: tuple[str, str] | None = None) -> Series:
    assert name not in measured.problems, measured.problems[name]
    return measured.series[name, grain, slice_]


def values(
    measured: Measured, name: str, grain: str = "week", slice_: tuple[str, str] | None = None
) -> dict[str, float | None]:
    """label → value."""
    series = of(measured, name, grain, slice_)
    return {p.label: c.value for p, c in zip(series.periods, series.cells, strict=True)}


def cell(measured: Measured, name: str, label: str, grain: str = "week", slice_: tuple[str, str] | None = None) -> Cell:
    series = of(measured, name, grain, slice_)
    return {p.label: c for p, c in zip(series.periods, series.cells, strict=True)}[label]
