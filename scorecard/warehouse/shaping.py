"""From what a source gave to what the table holds: one SELECT that types, dates and sorts out rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scorecard.warehouse.engine import day_column
from scorecard.warehouse.quoting import literal, quote
from scorecard.warehouse.zones import instant, local_day, moved_count, without_zone

BAD, LINE, FILE, MOVED = "_bad", "_line", "_file", "_moved"
"""Columns of a prepared table beside the source's own: why a row is put aside, where it stood, clock changes."""

ODD = "_odd"
"""Of a row that streams by: whether it is to be put aside."""

DECIMAL = "DECIMAL(38,10)"
TYPES: Mapping[str, str] = {
    "timestamp": "TIMESTAMP",
    "epoch_s": "TIMESTAMP",
    "epoch_ms": "TIMESTAMP",
    "date": "DATE",
    "double": "DOUBLE",
    "integer": "BIGINT",
    "decimal": DECIMAL,
    "text": "VARCHAR",
    "boolean": "BOOLEAN",
}
CLOCK_PARTS = ("%H", "%I", "%M", "%S", "%f", "%g", "%n", "%c", "%X", "%-H", "%-I", "%-M", "%-S")
NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
)
TYPICAL = (
    "CASE strlen({x}) WHEN 19 THEN {x}[-3] = ':' WHEN 16 THEN {x}[14] = ':' AND {x}[16] <> 'Z' AND {x}[16] <> 'z' END"
)
WITH_ZONE = r"([Zz]|[+-][0-9]{1,2}(:?[0-9]{2}){0,2}|[A-Za-z]{3,}(/[A-Za-z_]+)*)\s*$"


@dataclass(frozen=True, slots=True)
class Shape:
    """How one column becomes typed. ``kind``: as in metrics.yaml; ``type``: DuckDB's, of the live table.

    ``inferred``: nobody declared it, so a value that does not fit may be the inference's fault. ``key``: never empty.
    """

    name: str
    kind: str
    type: str
    format: str | None = None
    inferred: bool = False
    key: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """All columns of a load in order, and what reading them needs. ``axes`` are those that get a reporting day."""

    shapes: tuple[Shape, ...]
    axes: tuple[str, ...]
    source_zone: str
    zone: str
    comma: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(shape.name for shape in self.shapes)

    @property
    def days(self) -> tuple[str, ...]:
        return tuple(day_column(axis) for axis in self.axes)

    @property
    def columns(self) -> dict[str, str]:
        """Every column of the live table and its type, without the file."""
        own = {shape.name: shape.type for shape in self.shapes}
        return own | dict.fromkeys(self.days, "DATE")


@dataclass(frozen=True, slots=True)
class Reading:
    """SQL of one column. ``local``: where not None, a naive local TIMESTAMP, and ``value`` is for the rest.

    ``cast``: an expression that ``value`` and ``local`` name ``CAST``; DuckDB would compute it again in every branch.
    """

    value: str
    local: str | None = None
    cast: str | None = None


CAST = "\x00cast\x00"


def shaped(plan: Plan, relation: str, given: Mapping[str, str], file: str | None, *, lines: bool = True) -> str:
    """The SELECT: typed columns, reporting days, and the columns that sort rows out.

    ``given``: column → DuckDB type of the relation. ``lines``: whether the line is wanted, to tell the later of two rows.
    """
    last, source = _typed(plan, relation, given)
    last.append(f"{'r.' + quote(FILE) if FILE in given else literal(file)}::VARCHAR AS {quote(FILE)}")
    last.append(f"{'r.' + quote(LINE) if LINE in given and lines else 'NULL'}::BIGINT AS {quote(LINE)}")
    last.append(f"{_bad(given, file)} AS {quote(BAD)}")
    return f"SELECT {', '.join(last)} FROM (SELECT *, {_why(plan, given)} AS _why FROM {source}) r"


def flagged(plan: Plan, relation: str, given: Mapping[str, str]) -> str:
    """The SELECT without a word about rows that cannot be read: they are only flagged, as ODD."""
    last, source = _typed(plan, relation, given)
    lost = " OR ".join(each for each, _, _ in _losses(plan, given))
    sure = " OR ".join(f"({each}{blank})" for each, blank, _ in _losses(plan, given))
    odd = f"CASE WHEN {lost} THEN {sure} ELSE FALSE END" if lost else "FALSE"
    return f"SELECT {', '.join([*last, f'{odd} AS {quote(ODD)}'])} FROM {source}"


def _typed(plan: Plan, relation: str, given: Mapping[str, str]) -> tuple[list[str], str]:
    """What to select of the columns, days and clock changes, and what from: the relation ``r`` with typed columns beside."""
    casts, locals_, typed, moved = [], [], [], []
    for shape in plan.shapes:
        name, naive = shape.name, quote("_n_" + shape.name)
        if name not in given:
            typed.append(f"CAST(NULL AS {shape.type}) AS {quote('_t_' + name)}")
            continue
        reading = read(shape, f"r.{quote(name)}", given[name], plan)
        cast = quote("_c_" + name)
        if reading.cast is not None:
            casts.append(f"{reading.cast} AS {cast}")
        value = reading.value.replace(CAST, cast)
        if reading.local is not None:
            locals_.append(f"{reading.local.replace(CAST, cast)} AS {naive}")
            at = instant(naive, plan.source_zone)
            value = at if value == "NULL" else f"CASE WHEN {naive} IS NOT NULL THEN {at} ELSE {value} END"
            count = moved_count(naive, quote("_t_" + name), plan.source_zone)
            moved += [] if count is None else [count]
        typed.append(f"{value} AS {quote('_t_' + name)}")
    source = relation + " r"
    for level in (casts, locals_, typed):
        source = f"(SELECT *, {', '.join(level)} FROM {source}) r" if level else source
    last = [f"{quote('_t_' + s.name)} AS {quote(s.name)}" for s in plan.shapes]
    last += [axis_day(plan, axis) for axis in plan.axes]
    return [*last, f"{' + '.join(moved) or '0'} AS {quote(MOVED)}"], source


def axis_day(plan: Plan, axis: str) -> str:
    """The reporting day of a typed time column, under its name: a date is its own."""
    shape, typed = next(s for s in plan.shapes if s.name == axis), quote("_t_" + axis)
    return f"{typed if shape.type == 'DATE' else local_day(typed, plan.zone)} AS {quote(day_column(axis))}"


def _losses(plan: Plan, given: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Per way in which a row cannot be read: a cheap condition, what makes it exact, and column and value as SQL."""
    found = []
    for shape in plan.shapes:
        raw, typed, name = f"r.{quote(shape.name)}", quote("_t_" + shape.name), literal(shape.name)
        if shape.name in given and not _always_read(shape, given[shape.name]):
            blank = f" AND trim({raw}) <> ''" if given[shape.name] == "VARCHAR" else ""
            found.append((f"({typed} IS NULL AND {raw} IS NOT NULL)", blank, f"[{name}, CAST({raw} AS VARCHAR)]"))
        if shape.key:
            empty = f"({typed} IS NULL OR {typed} = '')" if shape.type == "VARCHAR" else f"{typed} IS NULL"
            found.append((empty, "", f"[{name}, NULL]"))
    return found


def _always_read(shape: Shape, given: str) -> bool:
    """Whether every value of that type can be read as the shape's."""
    if shape.kind == "text":
        return True
    return shape.type == given == "BOOLEAN" or (
        shape.kind == "integer" and given in NUMBERS and "HUGE" not in given and given != "UBIGINT"
    )


def _why(plan: Plan, given: Mapping[str, str]) -> str:
    """NULL for a good row, else the first column that cannot be read and its value; an empty key has no value."""
    losses = _losses(plan, given)
    if not losses:
        return "CAST(NULL AS VARCHAR[])"
    some = " OR ".join(lost for lost, _, _ in losses)
    cases = " ".join(f"WHEN {lost}{blank} THEN {entry}" for lost, blank, entry in losses)
    return f"CASE WHEN {some} THEN CASE {cases} END ELSE CAST(NULL AS VARCHAR[]) END"


def _bad(given: Mapping[str, str], file: str | None) -> str:
    """NULL for a good row, else [column, value, file, line, whole row]."""
    whole = ", ".join(f"{quote(name)} := r.{quote(name)}" for name in given if name not in {FILE, LINE})
    where = [
        f"r.{quote(FILE)}" if FILE in given else literal(file),
        f"CAST(r.{quote(LINE)} AS VARCHAR)" if LINE in given else "NULL",
        f"CAST(to_json(struct_pack({whole})) AS VARCHAR)" if whole else "NULL",
    ]
    return f"CASE WHEN _why IS NOT NULL THEN list_concat(_why, [{', '.join(where)}]) ELSE CAST(NULL AS VARCHAR[]) END"


def read(shape: Shape, x: str, given: str, plan: Plan) -> Reading:
    """How a column of DuckDB type ``given`` becomes the shape's type; what cannot be read becomes NULL."""
    match shape.kind:
        case "text":
            return Reading(_text(x, given))
        case "timestamp":
            return _timestamp(shape, x, given, plan)
        case "date":
            return _date(shape, x, given, plan)
        case "epoch_s" | "epoch_ms":
            return _epoch(shape.kind, x, given, plan)
        case "boolean":
            return Reading(f"TRY_CAST({x} AS BOOLEAN)")
        case "integer":
            return _integer(shape, x, given, plan)
        case _:
            return _number(shape, x, given, plan)


def readable(shape: Shape, x: str, given: str, plan: Plan) -> str:
    """The whole expression of a column, for a table that is there already."""
    reading = read(shape, x, given, plan)
    value = reading.value
    if reading.local is not None:
        value = f"coalesce({instant(reading.local, plan.source_zone)}, {reading.value})"
    return value if reading.cast is None else value.replace(CAST, f"({reading.cast})")


def _text(x: str, given: str) -> str:
    if given == "VARCHAR":
        return x
    nested = given.endswith("]") or given.startswith(("STRUCT", "MAP", "UNION", "VARIANT"))
    return f"CAST(to_json({x}) AS VARCHAR)" if nested else f"CAST({x} AS VARCHAR)"


def _is_no_number(given: str) -> bool:
    return given == "BOOLEAN" or given.startswith(("DATE", "TIME", "INTERVAL"))


def _number_text(x: str, comma: bool) -> str:
    """Text with a decimal comma as DuckDB reads numbers; a point is then no decimal sign and nothing is guessed."""
    return f"CASE WHEN contains({x}, '.') THEN NULL ELSE replace({x}, ',', '.') END" if comma else x


def _number(shape: Shape, x: str, given: str, plan: Plan) -> Reading:
    """A double or an exact number."""
    if _is_no_number(given):
        return Reading(f"CAST(NULL AS {shape.type})")
    conditions = [f"isfinite({CAST})"] if shape.type == "DOUBLE" else []
    if given != "VARCHAR":
        if given == shape.type == "DOUBLE":
            return Reading(_finite(x))
        cast = f"TRY_CAST({x} AS {shape.type})"
        return Reading(f"CASE WHEN {conditions[0]} THEN {CAST} END", cast=cast) if conditions else Reading(cast)
    conditions.append(f"NOT contains({x}, '_')")  # DuckDB reads '1_000' as a thousand
    if shape.inferred:
        conditions.append(f"NOT {written_as_text(x)} AND NOT {too_long(x)}")
    cast = f"TRY_CAST({_number_text(x, plan.comma)} AS {shape.type})"
    return Reading(f"CASE WHEN {' AND '.join(conditions)} THEN {CAST} END", cast=cast)


def _epoch(kind: str, x: str, given: str, plan: Plan) -> Reading:
    number = _number(Shape("", "double", "DOUBLE"), x, given, plan)
    per = 1_000_000 if kind == "epoch_s" else 1_000
    first, last = -62135596800 * 1_000_000 // per, 253402300799 * 1_000_000 // per
    return Reading(
        f"CASE WHEN {CAST} BETWEEN {first} AND {last} THEN make_timestamp(CAST(round({CAST} * {per}) AS BIGINT)) END",
        cast=number.value if number.cast is None else number.value.replace(CAST, f"({number.cast})"),
    )


def _integer(shape: Shape, x: str, given: str, plan: Plan) -> Reading:
    if given in NUMBERS:
        return Reading(f"TRY_CAST({x} AS BIGINT)")
    if _is_no_number(given):
        return Reading("CAST(NULL AS BIGINT)")
    if given != "VARCHAR":
        return Reading(f"CASE WHEN {x} = trunc({x}) THEN TRY_CAST({x} AS BIGINT) END")
    text = _number_text(x, plan.comma)
    # DuckDB rounds '1.5' and reads '0x1F' and '1_000'. A double tells the first two; long digits need the exact type.
    exact = f"TRY_CAST({text} AS {DECIMAL})"
    whole = f"CASE WHEN strlen({x}) <= 15 THEN {CAST} = TRY_CAST({text} AS DOUBLE) ELSE {CAST} = {exact} END"
    odd = f"contains({x}, '_')" + (f" OR {written_as_text(x)}" if shape.inferred else "")
    plain = f"CAST({CAST} AS VARCHAR) = {x}"  # nearly always, and the cheapest proof
    value = f"CASE WHEN {plain} THEN {CAST} WHEN {whole} AND NOT ({odd}) THEN {CAST} END"
    return Reading(value, cast=f"TRY_CAST({text} AS BIGINT)")


def written_as_text(x: str) -> str:
    """Whether digits are a code rather than a number: a leading zero or plus. Texts compare byte by byte, by far the quickest."""
    return f"(({x} >= '00' AND {x} < '0:') OR ({x} >= '+' AND {x} < ','))"


def too_long(x: str) -> str:
    """Whether a whole number has more digits than a double holds, so that reading it as one would change it."""
    return f"CASE WHEN strlen({x}) > 15 THEN NOT contains({x}, '.') ELSE FALSE END"


def has_clock(pattern: str) -> bool:
    """Whether a strptime pattern holds a time of day."""
    return any(part in pattern for part in CLOCK_PARTS)


def has_offset(pattern: str) -> bool:
    return "%z" in pattern or "%Z" in pattern


def _timestamp(shape: Shape, x: str, given: str, plan: Plan) -> Reading:
    if given.startswith("TIMESTAMP WITH TIME ZONE"):
        return Reading(without_zone(_finite(x)))
    if given == "TIMESTAMP":
        return Reading("NULL", _finite(x))
    if given.startswith("TIMESTAMP"):
        return Reading("NULL", _finite(CAST), f"TRY_CAST({x} AS TIMESTAMP)")
    if given == "DATE":
        return Reading(instant(_finite(CAST), plan.zone), cast=f"TRY_CAST({x} AS TIMESTAMP)")
    if given != "VARCHAR":
        return Reading("CAST(NULL AS TIMESTAMP)")
    if shape.format is not None:
        parsed = f"try_strptime(trim({x}), {literal(shape.format)})"
        if has_offset(shape.format):
            return Reading(without_zone(parsed))
        return Reading("NULL", parsed) if has_clock(shape.format) else Reading(instant(parsed, plan.zone))
    # DuckDB drops the offset when text is cast to TIMESTAMP, so text that ends in one is read as TIMESTAMPTZ.
    zoned = f"regexp_matches({x}, {literal(WITH_ZONE)})"
    at = without_zone(_four_digits(f"TRY_CAST({x} AS TIMESTAMPTZ)", "TIMESTAMPTZ"))
    typed = _four_digits(CAST, "TIMESTAMP")
    local = f"CASE WHEN {TYPICAL.format(x=x)} THEN {CAST} WHEN contains({x}, ':') AND NOT {zoned} THEN {typed} END"
    rest = f"CASE WHEN NOT contains({x}, ':') THEN {instant(typed, plan.zone)} WHEN {zoned} THEN {at} END"
    return Reading(rest, local, f"TRY_CAST({x} AS TIMESTAMP)")


def _date(shape: Shape, x: str, given: str, plan: Plan) -> Reading:
    if given.startswith("TIMESTAMP WITH TIME ZONE"):
        return Reading(local_day(without_zone(_finite(x)), plan.zone))
    if given == "VARCHAR" and shape.format is not None:
        parsed = f"try_strptime(trim({x}), {literal(shape.format)})"
        zoned = has_offset(shape.format)
        return Reading(local_day(without_zone(parsed), plan.zone) if zoned else f"CAST({parsed} AS DATE)")
    if given == "VARCHAR":
        return Reading(_four_digits(CAST, "DATE"), cast=f"TRY_CAST({x} AS DATE)")
    if given == "DATE" or given.startswith("TIMESTAMP"):
        return Reading(_finite(CAST), cast=f"TRY_CAST({x} AS DATE)")
    return Reading("CAST(NULL AS DATE)")


def _four_digits(expression: str, type_: str) -> str:
    """NULL for `infinity`, and for a year of two digits, which DuckDB takes for one of the first century."""
    return f"CASE WHEN {expression} BETWEEN {type_} '1000-01-01' AND {type_} '9999-12-31' THEN {expression} END"


def _finite(expression: str) -> str:
    """NULL for `infinity`, which no calendar holds."""
    return f"CASE WHEN isfinite({expression}) THEN {expression} END"
