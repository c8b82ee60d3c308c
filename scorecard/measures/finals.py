"""The value that each closed period had when it became final, kept in the warehouse, so that a later change can be said.

``meter.finals`` holds one row per series and period. It can be deleted: what is measured next is then final anew.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from scorecard.book.model import Book
from scorecard.book.model.metric import Expression, Metric
from scorecard.book.scope import parts_of, rests_on, sources_of
from scorecard.ground.periods.calendar import Period
from scorecard.measures.plan import identity
from scorecard.measures.ranges import utc_naive
from scorecard.measures.table import GroupKey, grouped, moves_of
from scorecard.measures.values import Cell, Changed, Measured, Series, SeriesKey
from scorecard.warehouse.engine import Engine, Standing

SAME = 1e-9
"""Values that differ by less than this part of them differ by the order of an addition and not by their rows."""
NEVER = datetime.max.replace(tzinfo=UTC)
SCHEMA: dict[str, Any] = {
    "metric": pl.String, "grain": pl.String, "kind": pl.String, "name": pl.String, "period": pl.String, "value": pl.Float64,
    "definition": pl.String, "changed_at": pl.Datetime("us"), "redefined": pl.Boolean,
}  # fmt: skip
_COLUMNS = ", ".join(SCHEMA)
_CREATED = (
    "CREATE SCHEMA IF NOT EXISTS meter",
    """CREATE TABLE IF NOT EXISTS meter.finals (metric VARCHAR, grain VARCHAR, kind VARCHAR, name VARCHAR, period VARCHAR,
    value DOUBLE, definition VARCHAR, changed_at TIMESTAMP, redefined BOOLEAN)""",
)
_KEY = ("metric", "grain", "kind", "name", "period")


class Final(NamedTuple):
    """``changed_at``: when another value was first seen (UTC, aware). ``redefined``: the metric was another one by then."""

    value: float
    definition: str
    changed_at: datetime | None = None
    redefined: bool = False


class Finals:
    """Remembers final values of one book's metrics. ``look`` is called with every measuring, one at a time."""

    def __init__(self, engine: Engine, book: Book) -> None:
        self._engine, self._book = engine, book
        self._known: dict[SeriesKey, dict[str, Final]] | None = None
        self._next: dict[SeriesKey, datetime] = {}
        self._counted: dict[GroupKey, int] = {}
        self._definitions: dict[str, str] = {}
        self._changed: dict[SeriesKey, dict[str, Changed]] = {}

    def look(
        self, measured: Measured, standings: Mapping[str, Standing], now: datetime, *, keep: bool = True
    ) -> Measured:
        """The same with ``restated``: where a final value has changed. ``keep`` False remembers nothing new.

        A period is final ``final_after`` past its end once a good load has come after that: an older load cannot hold all of
        it. Only series that changed, or in which another period became final, are looked at.
        """
        if self._known is None:
            self._known = self._read()
        settled = {name: self._settled(metric, standings, now) for name, metric in self._book.metrics.items()}
        written: dict[tuple[SeriesKey, str], Final] = {}
        for place, group in grouped(measured.series).items():
            until = settled.get(place[0])
            if until is None:
                continue
            moves = None if measured.changed is None else moves_of(measured.changed, place, group)
            count = bisect_right(group.periods, until, key=_end)
            # Only what is final counts here: a tick mostly moves what is running, at all slices at once.
            if moves is not None and self._counted.get(place) == count and all(i >= count for i in moves.any()):
                continue
            self._counted[place] = count
            for slice_ in group.slices:
                key = (*place, slice_)
                self._series(key, group.of(slice_), until, None if moves is None else moves.of(slice_), now, written)
        if keep and written:
            self._write(written)
        return replace(measured, restated=dict(self._changed))  # its own: the next look changes ours

    def _settled(self, metric: Metric, standings: Mapping[str, Standing], now: datetime) -> datetime | None:
        """Periods that end by this moment are final; None where a source was never loaded, or there is none."""
        held = [standings.get(name) for name in sources_of(self._book, metric)]
        loaded = [None if s is None or s.loaded_at is None else _aware(s.loaded_at) for s in held]
        found = [moment for moment in loaded if moment is not None]
        if not found or len(found) < len(loaded):
            return None
        after = max(m.final_after_seconds for m in (metric, *rests_on(self._book, metric)))
        return min(now.astimezone(UTC), *found) - timedelta(seconds=after)

    def _series(
        self,
        key: SeriesKey,
        series: Series,
        until: datetime,
        touched: AbstractSet[int] | None,
        now: datetime,
        written: dict[tuple[SeriesKey, str], Final],
    ) -> None:
        assert self._known is not None  # noqa: S101 - read before
        known = self._known.setdefault(key, {})
        definition = self._definition(key[0])
        ends = len(series.periods)
        count = bisect_right(series.periods, until, key=_end)
        places: Iterable[int] = range(count)
        cells: Sequence[Cell] = series.cells
        changed: dict[str, Changed] = {}
        if touched is not None and len(touched) < ends and key in self._next:  # all others were looked at before
            begun = bisect_left(series.periods, self._next[key], hi=count, key=_end)
            places = {*(i for i in touched if i < count), *range(begun, count)}
            changed = dict(self._changed.get(key, {}))
        else:
            cells = tuple(series.cells)  # all together they cost a fraction of what each costs
        self._next[key] = series.periods[count].end if count < ends else NEVER
        for index in places:
            label = series.periods[index].label
            before = known.get(label)
            value = cells[index].value
            final = before
            if before is None or before[:3] != (value, definition, None):  # nearly always it is what it was
                final = _followed(before, value, definition, now)
            if final is None:
                continue
            if final is not before:
                known[label] = written[key, label] = final
            if final.changed_at is not None:
                changed[label] = Changed(final.value, final.changed_at, final.redefined)
            else:
                changed.pop(label, None)
        if changed:
            self._changed[key] = changed
        else:
            self._changed.pop(key, None)

    def _definition(self, name: str) -> str:
        if name not in self._definitions:
            self._definitions[name] = definition_of(self._book, self._book.metrics[name])
        return self._definitions[name]

    def _read(self) -> dict[SeriesKey, dict[str, Final]]:
        self._engine.write([(statement, ()) for statement in _CREATED])
        found: dict[SeriesKey, dict[str, Final]] = {}
        for row in self._engine.query(f"SELECT {_COLUMNS} FROM meter.finals").rows():
            metric, grain, kind, name, period, value, definition, changed_at, redefined = row
            key = (metric, grain, (kind, name) if kind else None)
            at = None if changed_at is None else _aware(changed_at)
            found.setdefault(key, {})[period] = Final(value, definition, at, redefined)
        return found

    def _write(self, written: Mapping[tuple[SeriesKey, str], Final]) -> None:
        frame = pl.DataFrame(list(_rows(written)), schema=SCHEMA, orient="row")
        same = " AND ".join(f"f.{column} = w.{column}" for column in _KEY)
        self._engine.write(
            [
                (f"DELETE FROM meter.finals AS f USING fresh_finals AS w WHERE {same}", ()),
                (f"INSERT INTO meter.finals ({_COLUMNS}) SELECT {_COLUMNS} FROM fresh_finals", ()),
            ],
            {"fresh_finals": frame},
        )


def _followed(before: Final | None, value: float | None, definition: str, now: datetime) -> Final | None:
    """What is known of a period once its value is seen; None: nothing yet. No value is not final: it may only be late."""
    if before is None:
        return None if value is None else Final(value, definition)
    if value is not None and math.isclose(value, before.value, rel_tol=SAME, abs_tol=1e-12):
        stands = before.changed_at is None and before.definition == definition
        return before if stands else Final(before.value, definition)
    if before.changed_at is not None:
        return before
    at = now.astimezone(UTC).replace(microsecond=0)
    return before._replace(changed_at=at, redefined=before.definition != definition)


def _end(period: Period) -> datetime:
    return period.end


def _rows(written: Mapping[tuple[SeriesKey, str], Final]) -> Iterable[tuple[object, ...]]:
    for ((metric, grain, slice_), period), final in written.items():
        at = None if final.changed_at is None else utc_naive(final.changed_at)
        kind, name = slice_ or ("", "")
        yield metric, grain, kind, name, period, final.value, final.definition, at, final.redefined


def definition_of(book: Book, metric: Metric) -> str:
    """Changes when what is computed does, and not with titles, targets, or the place in the file."""
    source = book.sources.get(metric.source or "")
    read = None if source is None else (source.time, source.timezone, source.options.get("query"))
    parts = tuple(definition_of(book, book.metrics[name]) for name in parts_of(metric) if name in book.metrics)
    where = None if metric.where is None else metric.where.text
    split = None if metric.split is None else (metric.split.kind, metric.split.column)
    return identity("final", _said(metric.measure), where, metric.source, metric.time, metric.unit, split, read, parts)


def _said(value: object) -> object:
    """A measure as plain values, its expressions as their texts."""
    if isinstance(value, Expression):
        return value.text
    if is_dataclass(value):
        return (type(value).__name__, *(_said(getattr(value, one.name)) for one in fields(value)))
    return value


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
