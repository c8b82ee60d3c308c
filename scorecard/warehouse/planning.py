"""Which type every column gets: declared, else held by the table, else the source's own, else inferred once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from scorecard.book.model.source import Source
from scorecard.warehouse.engine import LoadOrder
from scorecard.warehouse.quoting import quote
from scorecard.warehouse.records import Memory
from scorecard.warehouse.shaping import DECIMAL, NUMBERS, TYPES, Plan, Shape, has_clock, readable, written_as_text

SAMPLE_ROWS = 20_000
CANDIDATES = ("boolean", "integer", "double", "date", "timestamp")
STRAY_AT_MOST = 0.05
"""However much a source may put aside: with more odd values than this, a column is not of the other values' type."""
LEAST_TRIED = 200
"""So many values more than may be odd are tried for every type before a type is tried on all."""
FILLED = "v IS NOT NULL AND trim(v) <> ''"
WORDS = {"boolean": "boolean", "integer": "integer", "double": "double", "date": "date", "timestamp": "timestamp"}


@dataclass(frozen=True, slots=True)
class Raw:
    """Rows as they came, in a relation of their own: its name in SQL, column → DuckDB type, the file of all rows."""

    relation: str
    columns: Mapping[str, str]
    file: str | None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if not name.startswith("_"))


def held_kind(type_: str) -> str:
    """The kind of a column of the live table."""
    if type_.startswith("DECIMAL"):
        return "decimal"
    return {t: k for k, t in TYPES.items() if k not in {"epoch_s", "epoch_ms"}}.get(type_, "text")


def natural(type_: str) -> tuple[str, str] | None:
    """(kind, DuckDB type) of a column whose source has types; None for text and for all-null columns."""
    if type_ in {"VARCHAR", "NULL", '"NULL"'}:
        return None
    if type_ in {"UBIGINT", "HUGEINT", "UHUGEINT"}:
        return "decimal", "DECIMAL(38,0)"
    if type_ in NUMBERS:
        return "integer", "BIGINT"
    if type_.startswith("DECIMAL"):
        scale = int(type_.rstrip(")").split(",")[1])
        return "decimal", DECIMAL if scale <= 10 else f"DECIMAL(38,{scale})"
    if type_ in {"FLOAT", "DOUBLE"}:
        return "double", "DOUBLE"
    if type_ == "DATE" or type_ == "BOOLEAN":
        return type_.lower(), type_
    if type_.startswith("TIMESTAMP"):
        return "timestamp", "TIMESTAMP"
    return "text", "VARCHAR"


def known_shape(source: Source, memory: Memory | None, name: str) -> Shape | None:
    """The declared or held shape; None where the rows must tell."""
    key = name in source.key
    declared = source.columns.get(name)
    held = None if memory is None or name in memory.open else memory.standing.columns.get(name)
    if declared is not None:
        exact = held is not None and held.startswith("DECIMAL") and declared.type == "decimal"
        return Shape(name, declared.type, held if exact and held else TYPES[declared.type], declared.format, key=key)
    if held is not None:
        return Shape(name, held_kind(held), held, key=key)
    return None


def _as_fine(shape: Shape, raws: Sequence[Raw]) -> Shape:
    """A decimal with as many digits behind the point as the source's own have: fewer would round them without a word."""
    if shape.kind != "decimal":
        return shape
    types = [shape.type, *(raw.columns.get(shape.name, "") for raw in raws)]
    scales = [int(type_.rstrip(")").split(",")[1]) for type_ in types if type_.startswith("DECIMAL")]
    return replace(shape, type=f"DECIMAL(38,{max(scales)})") if max(scales) > scales[0] else shape


def is_known(source: Source, memory: Memory | None, raw: Mapping[str, str]) -> bool:
    """Whether rows can be shaped as they stream by, without looking at them first."""
    names = [name for name in raw if not name.startswith("_")]
    return all(known_shape(source, memory, name) is not None or natural(raw[name]) is not None for name in names)


class Planner:
    """Settles every column's type from the rows at hand and keeps it for the rest of the load."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, order: LoadOrder, memory: Memory | None, axes: Sequence[str]
    ) -> None:
        self.cursor = cursor
        self.axes = tuple(axes)
        self.order = order
        self.memory = memory
        self.shapes: dict[str, Shape] = {}
        self.open: set[str] = set()
        csv = order.source.options.get("csv")
        self.comma = isinstance(csv, Mapping) and csv.get("decimal") == ","

    def settle(self, raws: Sequence[Raw]) -> None:
        """Gives every column of these relations a shape, and every held or declared one that they lack."""
        names = list(dict.fromkeys(name for raw in raws for name in raw.names))
        if self.memory is not None:
            names += [name for name in self.memory.standing.columns if name not in names]
        names += [name for name in self.order.source.columns if name not in names]
        unknown = []
        for name in names:
            if name not in self.shapes:
                shape = known_shape(self.order.source, self.memory, name) or self._natural(name, raws)
                if shape is None:
                    unknown.append(name)
                else:
                    self.shapes[name] = _as_fine(shape, raws)
        for name in unknown:
            self.shapes[name] = self._inferred(name, raws, SAMPLE_ROWS)
        self.shapes = {name: self.shapes[name] for name in [*names, *(n for n in self.shapes if n not in names)]}

    def settle_again(self, name: str, raws: Sequence[Raw]) -> bool:
        """After values did not fit an inferred type: look at all of them. True where the type is another now."""
        before = self.shapes[name]
        self.shapes[name] = self._inferred(name, raws, None)
        return self.shapes[name].kind != before.kind

    def plan(self) -> Plan:
        """The plan so far. Axes are the wanted time columns that are there and hold times."""
        axes = [a for a in self.axes if a in self.shapes and self.shapes[a].type in {"TIMESTAMP", "DATE"}]
        source = self.order.source
        return Plan(tuple(self.shapes.values()), tuple(axes), source.timezone, self.order.timezone, self.comma)

    def _natural(self, name: str, raws: Sequence[Raw]) -> Shape | None:
        found = {natural(raw.columns[name]) for raw in raws if raw.columns.get(name, "NULL") not in {"NULL", '"NULL"'}}
        key = name in self.order.source.key
        if not found or found == {None}:
            return None
        kinds = {each for each in found if each is not None}
        if len(found) == 1:
            kind, type_ = kinds.pop()
            return Shape(name, kind, type_, key=key)
        if None not in found and {kind for kind, _ in kinds} <= {"integer", "double"}:
            return Shape(name, "double", "DOUBLE", key=key)
        if None not in found and {kind for kind, _ in kinds} <= {"integer", "decimal"}:
            return Shape(name, "decimal", max((t for k, t in kinds if k == "decimal"), key=len), key=key)
        if None not in found and {kind for kind, _ in kinds} == {"date", "timestamp"}:
            return Shape(name, "timestamp", "TIMESTAMP", key=key)
        return Shape(name, "text", "VARCHAR", key=key)

    def _inferred(self, name: str, raws: Sequence[Raw], limit: int | None) -> Shape:
        """The narrowest type that reads every value, or nearly every value of a column that is no key."""
        key = name in self.order.source.key
        parts = [f"SELECT {quote(name)} AS v FROM {r.relation}" for r in raws if r.columns.get(name) == "VARCHAR"]
        if not parts:
            return self._without_values(name, key=key)
        rows = f"({' UNION ALL '.join(parts)}{'' if limit is None else f' LIMIT {limit}'})"
        kinds = CANDIDATES if self.order.source.kind != "sql" else ("date", "timestamp")
        total = self._count(rows, ())[0]
        if total == 0:
            if limit is not None:
                return self._inferred(name, raws, None)
            return self._without_values(name, key=key)
        allowed = 0 if key else int(min(self.order.source.quarantine_at_most, STRAY_AT_MOST) * total)
        # More misfits than allowed among the first rows rule a type out; what most columns are not need not be tried on all.
        first, *fits = self._count(f"(SELECT v FROM {rows} WHERE {FILLED} LIMIT {LEAST_TRIED + allowed})", kinds)
        left = [kind for kind, fit in zip(kinds, fits, strict=True) if first - fit <= allowed]
        fitting = dict(zip(kinds, fits, strict=True))
        if left and first < total:
            fitting = dict(zip(left, self._count(rows, left)[1:], strict=True))
        self.open.discard(name)
        by_kind = {kind: fitting[kind] if kind in left else 0 for kind in kinds}
        best = next((kind for kind in kinds if by_kind[kind] == total), None)
        if best is None and not key:
            likely = max((k for k in kinds if k != "boolean"), key=lambda k: by_kind[k])
            odd = total - by_kind[likely]
            best = likely if odd <= allowed else None
        if best is None and not key and name == self.order.source.time:
            best = self._time_of_most(rows)
        kind = best or "text"
        return Shape(name, kind, TYPES[kind], inferred=True, key=key)

    def _without_values(self, name: str, *, key: bool) -> Shape:
        """The shape of a column until its first value comes; one that is used as a time can be nothing else."""
        self.open.add(name)
        kind = "timestamp" if name in self.axes and not key else "text"
        return Shape(name, kind, TYPES[kind], inferred=True, key=key)

    def _time_of_most(self, rows: str) -> str | None:
        """What reads at least half of the values of a column that is said to hold times: as text, nobody could use it."""
        kinds = ("date", "timestamp")
        total, *fits = self._count(rows, kinds)
        likely = max(kinds, key=lambda kind: fits[kinds.index(kind)])
        return likely if 2 * fits[kinds.index(likely)] >= total else None

    def _count(self, rows: str, kinds: Sequence[str]) -> tuple[int, ...]:
        """How many values ``v`` of the rows there are, and how many of them fit each kind."""
        plan = Plan((), (), "UTC", "UTC", self.comma)
        tests = "".join(f", count(*) FILTER ({_fits(kind, plan)})" for kind in kinds)
        # All rows are fetched, for an unfinished result would be in the way of whoever unregisters the relation.
        (row,) = self.cursor.execute(f"SELECT count(*){tests} FROM {rows} WHERE {FILLED}").fetchall()
        return tuple(row)


def _fits(kind: str, plan: Plan) -> str:
    """A condition on ``v``: it can be read as this kind, and a person would say it is one."""
    test = f"({readable(Shape('v', kind, TYPES[kind], inferred=True), 'v', 'VARCHAR', plan)}) IS NOT NULL"
    match kind:
        case "boolean":
            return "WHERE lower(trim(v)) IN ('true', 'false')"
        case "date":
            return f"WHERE length(trim(v)) <= 10 AND regexp_matches(v, '^ *[0-9]{{4}}[-/]') AND ({test})"
        case "timestamp":
            return f"WHERE regexp_matches(v, '^ *[0-9]{{4}}[-/]') AND ({test})"
        case _:
            return f"WHERE NOT {written_as_text('v')} AND ({test})"


def whole_days(shape: Shape) -> bool:
    """Whether the column's times are days, so that a row stands for the whole of its day."""
    return shape.type == "DATE" or (shape.format is not None and not has_clock(shape.format))
