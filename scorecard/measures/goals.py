"""Targets that are rows of a source: read when that source has a new load, and looked up by period and slice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from scorecard.book.model import Book
from scorecard.book.model.metric import Metric
from scorecard.book.scope import inherits_target
from scorecard.ground.errors import Place, Problem, Refused, did_you_mean
from scorecard.ground.periods import Grain
from scorecard.ground.periods.calendar import Calendar
from scorecard.judgement.targets import FromSource, Looked
from scorecard.measures.place import key_of
from scorecard.measures.slices import NONE, Slicing
from scorecard.measures.sql import NOTHING_YET, ROWS, column_kind, quoted
from scorecard.measures.values import Goals, GoalTable
from scorecard.warehouse.engine import Engine, Standing

Row = tuple[date | datetime, float | None, float | None, str | None, str | None]
"""(time, value, amber, team, process) of a row that has a time."""
Slice = tuple[str, str] | None


@dataclass(slots=True)
class GoalReader:
    """Reads the targets of a book from its sources. What was read stays until the source has another load."""

    engine: Engine
    book: Book
    calendar: Calendar
    slicing: Slicing
    _read: dict[FromSource, tuple[int, Mapping[Grain, GoalTable], tuple[Problem, ...]]] = field(default_factory=dict)

    def read(self, standings: Mapping[str, Standing], attempt: Callable[[Callable[[], None]], Problem | None]) -> Goals:
        """All targets as the sources stand. A table that cannot be read gives none, and says why."""
        tables: dict[tuple[FromSource, Grain], GoalTable] = {}
        problems: list[Problem] = []
        for aim, (grains, place) in self._aims().items():
            standing = standings.get(aim.source)
            if standing is None:
                continue  # never loaded: no rows yet
            known = self._read.get(aim)
            if known is None or known[0] != standing.generation or set(known[1]) != set(grains):
                failed = attempt(lambda a=aim, s=standing, g=grains: self._remember(a, s, g))  # type: ignore[misc]
                if failed is not None:
                    self._read.pop(aim, None)
                    message = f"the targets of source '{aim.source}' could not be read: {failed.message}"
                    problems.append(Problem(message, failed.place or place, failed.hint, "warning"))
                    continue
                known = self._read[aim]
            tables.update({(aim, grain): table for grain, table in known[1].items()})
            problems += [replace(p, place=place) for p in known[2]]
        return Goals(tables, tuple(problems))

    def _aims(self) -> dict[FromSource, tuple[tuple[Grain, ...], Place | None]]:
        """Each table that targets are looked up in: at which grains, and where that is written first."""
        found: dict[FromSource, tuple[tuple[Grain, ...], Place | None]] = {}
        for metric in self.book.metrics.values():
            for target in metric.targets:
                if isinstance(target.aim, FromSource):
                    grains = self._grains(metric, target.grain)
                    before, place = found.get(target.aim, ((), target.place))
                    found[target.aim] = (tuple(dict.fromkeys((*before, *grains))), place)
        return found

    def _grains(self, metric: Metric, grain: str | None) -> tuple[Grain, ...]:
        """Where a target holds: at the grain it names, else at the metric's own and at those that inherit it."""
        if grain is not None:
            return tuple(g for g in self.calendar.coarser(metric.grain) if g == grain)
        held = (g for g in self.calendar.coarser(metric.grain) if inherits_target(metric, self.book, g, None))
        return tuple(dict.fromkeys((metric.grain, *held)))

    def _remember(self, aim: FromSource, standing: Standing, grains: tuple[Grain, ...]) -> None:
        rows = list(self._rows(aim, standing))
        problems: list[Problem] = []
        tables = {grain: self._table(aim, grain, rows, problems) for grain in grains}
        problems = list(dict.fromkeys((*problems, *self._unmatched(aim, rows))))
        self._read[aim] = (standing.generation, tables, tuple(problems))

    def _rows(self, aim: FromSource, standing: Standing) -> Iterator[Row]:
        time = self.book.sources[aim.source].time
        problem = _unfit(aim, time, standing.columns)
        if problem is not None:
            raise Refused(problem)
        assert time is not None  # noqa: S101 - looked at just now
        wanted = [f"{ROWS}.{quoted(time)}"]
        wanted += [
            f"CAST({ROWS}.{quoted(c)} AS DOUBLE)" if c else "CAST(NULL AS DOUBLE)" for c in (aim.value, aim.amber)
        ]
        wanted += [
            f"CAST({ROWS}.{quoted(c)} AS VARCHAR)" if c else "CAST(NULL AS VARCHAR)" for c in (aim.team, aim.process)
        ]
        chosen = ", ".join(f"{text} AS c_{i}" for i, text in enumerate(wanted))
        source = f"{self.engine.table(aim.source)} AS {ROWS}"
        for row in self.engine.query(f"SELECT {chosen} FROM {source} WHERE {wanted[0]} IS NOT NULL").iter_rows():
            yield row[0], row[1], row[2], row[3], row[4]

    def _table(self, aim: FromSource, grain: Grain, rows: Iterable[Row], problems: list[Problem]) -> GoalTable:
        """(slice, key of the period) → (target, amber). Of several rows the newest counts; of those the highest."""
        best: dict[tuple[Slice, date], tuple[tuple[datetime, bool, float, float], Looked]] = {}
        doubled: dict[tuple[Slice, date], str] = {}
        for time, value, amber, team, process in rows:
            known, where = self._slice(team, process)
            if not known:
                continue
            moment = time.replace(tzinfo=UTC) if isinstance(time, datetime) else time
            period = self.calendar.period(moment, grain)
            begins = moment if isinstance(moment, datetime) else datetime.combine(moment, datetime.min.time(), UTC)
            rank = (begins, value is not None, value or 0.0, amber or 0.0)
            key = (where, key_of(period))
            before = best.get(key)
            if before is not None and before[0][0] == begins and before[1] != (value, amber):
                doubled[key] = f"{period.label}{'' if where is None else f', {where[1]}'}"
            if before is None or rank > before[0]:
                best[key] = rank, (value, amber)
        if doubled:
            some = "; ".join(sorted(doubled.values())[:3])
            message = (
                f"source '{aim.source}' has targets of the same time that differ, in {len(doubled)} {grain}s: {some}"
            )
            problems.append(Problem(message, None, "the highest one counts: keep one row", "warning"))
        return {key: looked for key, (_, looked) in best.items()}

    def _slice(self, team: str | None, process: str | None) -> tuple[bool, Slice]:
        """(whether it is known whose target a row is, whose); a row that names nobody is the whole's."""
        for kind, name in (("process", process), ("team", team)):
            if name is not None and name.strip():
                found = self.slicing.slices_of(kind, name)
                return (True, found[0]) if found else (False, None)
        return True, None

    def _unmatched(self, aim: FromSource, rows: Iterable[Row]) -> Iterator[Problem]:
        for kind, place in (("team", 3), ("process", 4)):
            names = {str(row[place]).strip() for row in rows if row[place] is not None and str(row[place]).strip()}
            lost = sorted(name for name in names if not self.slicing.slices_of(kind, name) and name != NONE)
            if lost:
                known = self.book.teams if kind == "team" else self.book.processes
                message = f"source '{aim.source}' has targets of no known {kind}: {', '.join(lost[:5])}"
                hint = did_you_mean(lost[0], known) or "use a name, title or alias"
                yield Problem(message, None, hint, "warning")


def _unfit(aim: FromSource, time: str | None, columns: Mapping[str, str]) -> Problem | None:
    """What keeps a table from holding targets."""
    if time is None:
        return Problem(f"source '{aim.source}' has no 'time', and the row's time picks the period")
    for name in (time, aim.value, aim.amber, aim.team, aim.process):
        if name is not None and name not in columns:
            return Problem(f"it has no column '{name}'", hint=did_you_mean(name, columns))
    if column_kind(columns[time]) not in ("instant", "date"):
        return Problem(f"'{time}' is {columns[time].lower()}, not a time")
    for name in (aim.value, aim.amber):
        if name is not None and columns[name] != NOTHING_YET and column_kind(columns[name]) != "number":
            hint = f"declare it in the source: columns: {{{name}: double}}"
            return Problem(f"'{name}' is {columns[name].lower()}, not a number", hint=hint)
    return None
