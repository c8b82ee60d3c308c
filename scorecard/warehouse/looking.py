"""Tables that something else fills: looked at through a view, never copied; which days changed is told by fingerprints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from connectors.contract import Batch
from connectors.names import collisions, normalise
from scorecard.ground.errors import Place, Problem, Refused, did_you_mean
from scorecard.warehouse.changes import Change, live_columns, reporting_day
from scorecard.warehouse.engine import DAY_PREFIX, NOTHING, Touched
from scorecard.warehouse.gates import doubts_of
from scorecard.warehouse.loads import Publishing
from scorecard.warehouse.planning import natural
from scorecard.warehouse.publication import FinishLoad, Result
from scorecard.warehouse.quoting import live_table, quote, quoted
from scorecard.warehouse.records import read_memory, write_memory
from scorecard.warehouse.shaping import ODD, TYPES, Plan, Shape, flagged
from scorecard.warehouse.views import TYPED, is_view, show_days
from scorecard.warehouse.watermarks import remembered

NOW, THEN = "temp._now", "_loads.looked"
"""Fingerprints: per axis and reporting day the number of rows and the sum of their hashes, now and at the last look."""


class Looking(Publishing):
    """One look at an external table, in place of a load. What came since the last one is found day by day."""

    def _run(self, batches: Iterable[Batch], finish: FinishLoad) -> Result:  # noqa: ARG002 (there are none)
        cursor, source = self.cursor, self.source
        self.memory = read_memory(cursor, source.name)
        table, given = self._found()
        plan = self._planned(given)
        rows = ", ".join(f"{quote(raw)} AS {quote(normalise(raw))}" for raw in given)
        typed = flagged(
            replace(plan, axes=()), f"(SELECT {rows} FROM {table})", {normalise(n): t for n, t in given.items()}
        )
        self._fingerprint(typed, plan)
        with self.writing():
            cursor.execute("BEGIN TRANSACTION")
            self._show(typed, plan)
            change = self._compared(plan)
            before = self.memory
            memory = remembered(cursor, self.order, before, plan, change, {}, None)
            # What lies elsewhere cannot wait here: it is refused, and looked at again.
            problems = doubts_of(cursor, source, before, memory, whole=False)
            if problems:
                raise Refused(*problems)
            write_memory(cursor, memory)
            outcome = "unchanged" if change.same else "ok"
            said = (*self.counts.warnings, *self._axis_warnings(plan))
            result = Result(outcome, self.counts, change.touched, said, memory.standing.generation)
            finish(result)
            cursor.execute("COMMIT")
            return result

    # -- what is there -----------------------------------------------------------------------------------------

    def _found(self) -> tuple[str, dict[str, str]]:
        """The table as named in SQL, and its columns → types. Refused where there is none."""
        written = str(self.source.options["table"])
        schema, _, name = written.rpartition(".")
        schema = schema or "main"
        place = self.source.places.get("table", self.source.place)
        if (schema.lower(), name.lower()) == ("main", self.source.name):
            hint = "name the table that something else fills, such as payroll.hours"
            raise Refused(
                Problem(f"{self.source.name}: its table is the one that the source itself becomes", place, hint)
            )
        rows = self.cursor.execute(
            "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = current_database() AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?) "
            "ORDER BY column_index",
            [schema, name],
        ).fetchall()
        if not rows:
            raise Refused(
                Problem(f"{self.source.name}: the warehouse has no table {written}", place, self._near(written))
            )
        columns = {column: type_ for _, _, column, type_ in rows}
        for normal, doubled in collisions(list(columns)).items():
            listed = " and ".join(repr(each) for each in doubled)
            message = f"{self.source.name}: the columns {listed} of {written} both become '{normal}'"
            raise Refused(Problem(message, place, "name a view that gives one of them another name"))
        return f"{quote(rows[0][0])}.{quote(rows[0][1])}", columns

    def _near(self, written: str) -> str:
        rows = self.cursor.execute(
            "SELECT DISTINCT CASE schema_name WHEN 'main' THEN '' ELSE schema_name || '.' END || table_name "
            "FROM duckdb_columns() WHERE database_name = current_database() AND NOT internal "
            "AND NOT starts_with(schema_name, '_') AND NOT starts_with(table_name, '_') ORDER BY 1"
        ).fetchall()
        known = [name for (name,) in rows if name != self.source.name]
        listed = f"it has {', '.join(known[:10])}" if known else "something else must make it first"
        return did_you_mean(written, known) or listed

    def _planned(self, given: Mapping[str, str]) -> Plan:
        """The columns' types: declared, else as they are. Refused where one is not there that is asked for."""
        source, known = self.source, {normalise(name): type_ for name, type_ in given.items()}
        self._check_columns(known)
        shapes = []
        for name, type_ in known.items():
            declared = source.columns.get(name)
            kind, own = natural(type_) or ("text", "VARCHAR")
            if declared is not None:
                kind, own = declared.type, TYPES[declared.type]
            form = None if declared is None else declared.format
            shapes.append(Shape(name, kind, own, form, key=name in source.key))
        times = {shape.name for shape in shapes if shape.type in {"TIMESTAMP", "DATE"}}
        axes = tuple(axis for axis in self.order.axes if axis in times)
        return Plan(tuple(shapes), axes, source.timezone, self.order.timezone)

    def _check_columns(self, known: Mapping[str, str]) -> None:
        source = self.source
        asked: dict[str, tuple[str, Place | None]] = {}
        for name in sorted(self.order.needed or ()):
            asked[name] = "metrics", source.places.get("table", source.place)
        for name, column in source.columns.items():
            asked[name] = "declared", column.place
        for name in source.key:
            asked[name] = "the key", source.places.get(f"key.{name}", source.place)
        if source.time is not None:
            asked[source.time] = "the time", source.places.get("time", source.place)
        problems = [
            Problem(
                f"{source.name}: {source.options['table']} has no column '{name}' ({why})",
                place,
                did_you_mean(name, known) or f"it has {', '.join(known)}",
            )
            for name, (why, place) in asked.items()
            if name not in known
        ]
        if problems:
            raise Refused(*problems)

    # -- what changed ------------------------------------------------------------------------------------------

    def _fingerprint(self, typed: str, plan: Plan) -> None:
        """Reads the rows once an axis. Refused where more cannot be read than may be put aside."""
        cursor, hashed = self.cursor, f"hash({quoted(plan.names)})"
        types = {shape.name: shape.type for shape in plan.shapes}
        cursor.execute("CREATE OR REPLACE TEMP TABLE _now (axis VARCHAR, day DATE, n BIGINT, h HUGEINT, odd BIGINT)")
        for axis in plan.axes or ("",):
            day = reporting_day(axis, types[axis], plan.zone) if axis else "CAST(NULL AS DATE)"
            cursor.execute(
                f"INSERT INTO {NOW} SELECT ?, {day}, count(*), sum({hashed}), count(*) FILTER ({ODD}) "
                f"FROM ({typed}) GROUP BY 2",
                [axis],
            )
        first = (plan.axes or ("",))[0]
        total, odd = self._numbers("sum(n), sum(odd)", first)
        self.counts.read = total
        if odd:
            most = self.source.quarantine_at_most
            said = f"{self.source.name}: {odd} of {total} rows hold a value that cannot be read as its column's type"
            if odd > most * total:
                hint = "declare the columns' types, or mend the table"
                raise Refused(Problem(f"{said}; at most {most:.1%} may (quarantine_at_most)", self.source.place, hint))
            self.counts.warnings = [Problem(f"{said}; such values count as empty", self.source.place, None, "warning")]

    def _numbers(self, what: str, axis: str) -> tuple[int, ...]:
        row = self.cursor.execute(f"SELECT {what} FROM {NOW} WHERE axis = ?", [axis]).fetchone()
        return tuple(int(value or 0) for value in row or ())

    def _compared(self, plan: Plan) -> Change:
        """The days that are not as at the last look, which is then forgotten."""
        cursor, name = self.cursor, self.source.name
        axes = plan.axes or ("",)
        known = {
            axis for (axis,) in cursor.execute(f"SELECT DISTINCT axis FROM {THEN} WHERE source = ?", [name]).fetchall()
        }
        total = self.counts.read
        differing: dict[str, frozenset[object]] = {}
        fresh = gone = 0
        for axis in axes:
            rows = cursor.execute(
                f"SELECT coalesce(n.day, t.day), coalesce(n.n, 0), coalesce(t.n, 0) FROM (FROM {NOW} WHERE axis = $1) n "
                f"FULL JOIN (FROM {THEN} WHERE source = $2 AND axis = $1) t ON n.day IS NOT DISTINCT FROM t.day "
                "WHERE n.n IS DISTINCT FROM t.n OR n.h IS DISTINCT FROM t.h",
                [axis, name],
            ).fetchall()
            differing[axis] = frozenset(day for day, _, _ in rows)
            if axis == axes[0]:
                fresh = sum(now for _, now, _ in rows)
                gone = sum(max(0, then - now) for _, now, then in rows)
        cursor.execute(f"DELETE FROM {THEN} WHERE source = ?", [name])
        cursor.execute(f"INSERT INTO {THEN} SELECT ?, axis, day, n, h FROM {NOW}", [name])
        if self._all_new(plan) or not known.issuperset(axes):
            self.counts.loaded = total
            return Change(Touched(everything=True), rows=total, took_away=True)
        self.counts.loaded, self.counts.unchanged, self.counts.removed = fresh, total - fresh, gone
        if not any(differing.values()):
            return Change(NOTHING, same=True, rows=total)
        days = {axis: frozenset(d for d in found if d is not None) for axis, found in differing.items()}
        return Change(Touched(days), rows=total, took_away=True)  # type: ignore[arg-type]  # DuckDB gives dates

    def _all_new(self, plan: Plan) -> bool:
        if self.memory is None or self.order.full or self.memory.zone != self.order.timezone:
            return True
        return dict(self.memory.standing.columns) != {shape.name: shape.type for shape in plan.shapes}

    # -- how it is shown ---------------------------------------------------------------------------------------

    def _show(self, typed: str, plan: Plan) -> None:
        """The two views: columns as the warehouse has them, and their reporting days beside them."""
        cursor, name = self.cursor, self.source.name
        if live_columns(cursor, name) is not None and not is_view(cursor, name):
            cursor.execute(f"DROP TABLE {live_table(name)}")
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {TYPED}")
        select = f"SELECT {quoted(plan.names)} FROM ({typed})"
        cursor.execute(f"CREATE OR REPLACE VIEW {TYPED}.{quote(name)} AS {select}")
        types = {shape.name: shape.type for shape in plan.shapes}
        held = [
            column.removeprefix(DAY_PREFIX)
            for column in live_columns(cursor, name) or {}
            if column.startswith(DAY_PREFIX)
        ]
        show_days(cursor, name, types, [*plan.axes, *held], plan.zone)
