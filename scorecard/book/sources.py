"""Sources from their fields: schedule, key and cursor, checks, and the kind's own options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from scorecard.book.cron import cron_mistake
from scorecard.book.dialects import check_csv, format_mistake
from scorecard.book.durations import seconds
from scorecard.book.files import Entry
from scorecard.book.model.source import Check, Column, Keep, KeepRaw, Schedule, Source, SourceCursor
from scorecard.book.notes import Notes, shown
from scorecard.book.presets import Preset, filled, preset_of
from scorecard.book.shapes.names import check_name
from scorecard.book.shapes.records import Fields
from scorecard.book.shapes.scalars import MISSING, day, named, number
from scorecard.book.shapes.source import ANY_SOURCE, COLUMN, KINDS, SOURCE_OF_KIND
from scorecard.book.sourceoptions import Surroundings, read_options, secrets_of
from scorecard.ground.errors import Place, suggest
from scorecard.ground.yamlfile import YamlMap, YamlNode, YamlText


def build_source(entry: Entry, around: Surroundings, notes: Notes) -> Source | None:
    """The source, or None after all its mistakes are noted."""
    check_name(entry.key, "source", notes, dashes=False)
    owner = f"source '{entry.name}'"
    kind = _kind_of(entry.node)
    meant = kind if kind in KINDS else suggest(kind or "", KINDS)  # a misspelt kind hides no other mistake
    shape = SOURCE_OF_KIND.get(meant or "", ANY_SOURCE)
    fields = shape.fields(entry.node, owner, notes, entry.key)
    if fields is MISSING:
        return None
    preset = preset_of(fields, notes)
    usual = {} if preset is None else filled(preset, fields, notes)
    columns = {**_usual_columns(usual, fields), **_columns(fields, notes)}
    cursor = _cursor(fields, columns, notes)
    key = tuple(name for _, name in fields.get("key", ()))
    if not {"key", "mode"} & set(fields.nodes):
        key = tuple(usual.get("key", ()))
    mode = _mode(fields, cursor, bool(key), notes)
    deleted = _deleted(fields, key, notes)
    schedule, full, checks = _schedule(fields, entry, notes), _full(fields, notes), _checks(fields, notes)
    if preset is not None:
        _check_rhythm(preset, schedule, fields, notes)
    if isinstance(written := fields.get("csv"), Fields):
        check_csv(written, notes)
    options = read_options(meant or "", fields, entry, around, usual, notes)
    hidden = secrets_of(entry.node, fields, preset, notes)
    if kind is None or kind not in KINDS:
        return None
    if kind == "external":
        mode, key, full, deleted = "replace", (), None, None
    return Source(
        name=entry.name, kind=cast(Any, kind), options=options, schedule=schedule, key=key, mode=mode,
        time=fields.get("time", usual.get("time")), deleted=deleted, columns=columns,
        timezone=fields.get("timezone", around.timezone), cursor=cursor,
        fresh_for_seconds=fields.get("fresh_for"), quiet_for_seconds=fields.get("quiet_for"),
        full_schedule=full, quarantine_at_most=fields.get("quarantine_at_most", 0.01),
        checks=checks, keep=_keep(fields), keep_raw=_keep_raw(fields, kind, notes),
        secrets=hidden, place=entry.key.place, places=_places(fields),
    )  # fmt: skip


def _usual_columns(usual: Mapping[str, Any], fields: Fields) -> dict[str, Column]:
    """The types that a preset declares."""
    at = fields.place("preset")
    pairs = [
        (name, {"type": given} if isinstance(given, str) else given) for name, given in usual.get("columns", {}).items()
    ]
    return {name: Column(name, name, cast(Any, given["type"]), given.get("format"), at) for name, given in pairs}


def _check_rhythm(preset: Preset, schedule: Schedule, fields: Fields, notes: Notes) -> None:
    if preset.every_at_least is None or schedule.every_seconds is None:
        return
    least, why = preset.every_at_least
    if schedule.every_seconds < (seconds(least) or 0):
        message = f"{fields.owner} is pulled often for preset {preset.name}: {why}"
        notes.warn(fields.nodes["every"], message, f"write every: {least}")


def _kind_of(node: YamlNode) -> str | None:
    if isinstance(node, YamlMap) and "kind" in node.entries:
        value = node.entries["kind"][1]
        return value.text if isinstance(value, YamlText) else None
    return None


def _places(fields: Fields) -> dict[str, Place]:
    found = fields.places()
    for node, name in fields.get("key", ()):
        found[f"key.{name}"] = node.place
    cursor = fields.get("cursor")
    if cursor is not None:
        found.update({f"cursor.{name}": place for name, place in cursor.places().items()})
    for node, check in fields.get("checks", ()):
        for kind in ("not_null", "unique"):
            for column, name in check.get(kind, ()):
                found[f"checks.{node.line}.{node.column}.{name}"] = column.place
    return found


def _schedule(fields: Fields, entry: Entry, notes: Notes) -> Schedule:
    asked = [key for key in ("every", "cron") if key in fields.nodes]
    if len(asked) == 2:
        notes.error(fields.keys["cron"], f"{fields.owner} has both 'every' and 'cron'", "keep one of the two")
    elif not asked:
        notes.error(
            entry.key, f"{fields.owner} has neither 'every' nor 'cron'", "add 'every: 5m', or 'cron: \"0 6 * * *\"'"
        )
    cron = fields.get("cron")
    if cron is not None:
        _check_cron("cron", cron, fields, notes)
    return Schedule(every_seconds=fields.get("every"), cron=cron)


def _check_cron(key: str, text: str, fields: Fields, notes: Notes) -> None:
    wrong = cron_mistake(text)
    if wrong is not None:
        offset, message = wrong
        node = fields.nodes[key]
        place = node.place_of(offset) if isinstance(node, YamlText) else node.place
        hint = "minute hour day month weekday, such as */5 * * * *"
        notes.error(place, f"{named((key, fields.owner))} is '{shown(node)}': {message}", hint)


def _full(fields: Fields, notes: Notes) -> Schedule | None:
    text = fields.get("full_every")
    if text is None:
        return None
    length = seconds(text)
    if length:
        return Schedule(every_seconds=length)
    if len(text.split()) == 5:
        _check_cron("full_every", text, fields, notes)
        return Schedule(cron=text)
    seen = shown(fields.nodes["full_every"])
    notes.error(
        fields.nodes["full_every"],
        f"'full_every' of {fields.owner} is '{seen}', expected a duration such as 1d, or a cron of five fields",
    )
    return None


def _columns(fields: Fields, notes: Notes) -> dict[str, Column]:
    node = fields.get("columns")
    found: dict[str, Column] = {}
    if not isinstance(node, YamlMap):
        return found
    from connectors.names import normalise

    for written, (key, value) in node.entries.items():
        read = COLUMN.read(value, (written, f"'columns' of {fields.owner}"), notes)
        name = normalise(written)
        if name in found:
            message = f"columns '{found[name].written}' and '{written}' of {fields.owner} are both called {name}"
            notes.error(key, message, "rename one of them in the source")
            continue
        if read is MISSING:
            continue
        type_, form = (read.get("type"), read.get("format")) if isinstance(read, Fields) else (read, None)
        if form is not None and type_ not in {None, "timestamp", "date"}:
            notes.error(
                read.nodes["format"],
                f"column '{written}' of {fields.owner} is no timestamp or date, so it takes no 'format'",
            )
        elif form is not None and (wrong := format_mistake(form)) is not None:
            seen = shown(read.nodes["format"])
            message = f"'format' of column '{written}' of {fields.owner} is '{seen}', which has {wrong[0]}"
            notes.error(read.nodes["format"], message, wrong[1])
        if type_ is not None:
            found[name] = Column(name, written, type_, form, key.place)
    return found


def _cursor(fields: Fields, columns: dict[str, Column], notes: Notes) -> SourceCursor | None:
    read = fields.get("cursor")
    if read is None or "column" not in read:
        return None
    start = read.get("start")
    declared = columns.get(read.get("column"))
    value = None if start is None else _start(start, None if declared is None else declared.type)
    if start is not None and value is None:
        kind = declared.type if declared is not None else "date or number"
        notes.error(
            read.nodes["start"], f"'start' of {read.owner} is '{shown(read.nodes['start'])}', expected a {kind}"
        )
    form = read.get("format")
    if form is not None and form not in {"iso", "epoch_s", "epoch_ms"} and "%" not in form:
        seen = shown(read.nodes["format"])
        notes.error(
            read.nodes["format"],
            f"'format' of {read.owner} is '{seen}', expected iso, epoch_s, epoch_ms or a pattern such as %Y-%m-%d",
        )
    return SourceCursor(read.get("column"), value, read.get("lookback", 0), form)


def _start(text: str, type_: str | None) -> Any:
    """The first value of a cursor, in its column's type where that is declared."""
    if type_ == "text":
        return text
    if (found := day(text)) is not None:
        return found if type_ in {None, "date"} else datetime(found.year, found.month, found.day, tzinfo=UTC)
    value = number(text)
    if value is not None and type_ not in {"timestamp", "date"}:
        return int(value) if value == int(value) else value
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _mode(fields: Fields, cursor: SourceCursor | None, has_key: bool, notes: Notes) -> Any:
    mode, keyed = fields.get("mode"), has_key or "key" in fields.nodes
    if cursor is not None and not keyed and mode != "append":
        hint = "add 'key: [column]' to update rows, or 'mode: append' to add them"
        notes.error(fields.keys["cursor"], f"{fields.owner} has a cursor without 'key' or 'mode: append'", hint)
    if mode == "append" and "cursor" not in fields.nodes:
        notes.error(
            fields.nodes["mode"],
            f"{fields.owner} appends without a cursor",
            "add 'cursor: {column: …}', or every load doubles its rows",
        )
    if mode == "append" and keyed:
        notes.error(
            fields.nodes["mode"],
            f"{fields.owner} has both a key and 'mode: append'",
            "with a key, loads update: delete 'mode'",
        )
    if mode == "upsert" and not keyed:
        notes.error(fields.nodes["mode"], f"{fields.owner} updates rows without a key", "add 'key: [column]'")
    if mode == "replace" and keyed:
        notes.error(
            fields.nodes["mode"],
            f"{fields.owner} has a key and 'mode: replace'",
            "with a key, loads update: delete one of the two",
        )
    return "append" if mode == "append" else "upsert" if keyed else "replace"


def _deleted(fields: Fields, key: tuple[str, ...], notes: Notes) -> str | None:
    column = fields.get("deleted")
    if column is not None and not key and "key" not in fields.nodes:
        hint = "add 'key: [column]': it says which row of the table is meant"
        notes.error(fields.keys["deleted"], f"{fields.owner} has 'deleted' without a key", hint)
    if column is not None and column in key:
        hint = "name the column that is true, or holds a time, where the row is gone"
        notes.error(fields.nodes["deleted"], f"'deleted' of {fields.owner} is '{column}', a part of its key", hint)
    return None if column is None else str(column)


def _newest(value: Fields, place: Place, fields: Fields, notes: Notes) -> Check:
    if not value.nodes:
        hint = "add back_at_most: 1d or within: 2d"
        notes.error(value.node, f"'newest' of a check of {fields.owner} says nothing", hint)
    if "time" not in fields.nodes and "preset" not in fields.nodes:
        notes.error(
            place, f"a check of {fields.owner} asks for the newest time, and it has no 'time'", "add 'time: COLUMN'"
        )
    return Check("newest", back_at_most=value.get("back_at_most"), within=value.get("within"), place=place)


_SIZES = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}


def _keep(fields: Fields) -> Keep:
    """A number of generations, a length of time, or both and a size."""
    told, usual = fields.get("keep"), Keep()
    if isinstance(told, str):
        length = seconds(told)
        return Keep(generations=int(told)) if length is None else Keep(for_seconds=length)
    if not isinstance(told, Fields):
        return usual
    size = _bytes(told)
    return Keep(
        told.get("generations"),
        told.get("for", usual.for_seconds),
        usual.at_most if size is None else size,
    )


def _bytes(told: Fields) -> int | None:
    size = re.fullmatch(r"([0-9.]+)\s?(\w+)", told.get("at_most", ""))
    return None if size is None else int(float(size[1]) * _SIZES[size[2].upper()])


def _keep_raw(fields: Fields, kind: str, notes: Notes) -> KeepRaw | None:
    """A length of time, or that and a size."""
    told = fields.get("keep_raw")
    if told is None:
        return None
    if kind == "external":
        message = f"{fields.owner} is looked at where it lies, not copied: there is nothing to keep as it came"
        notes.error(fields.keys["keep_raw"], message, "delete 'keep_raw'")
        return None
    if not isinstance(told, Fields):
        return KeepRaw(int(told))
    size = _bytes(told)
    if "for" not in told:
        return None
    return KeepRaw(told.get("for")) if size is None else KeepRaw(told.get("for"), size)


def _checks(fields: Fields, notes: Notes) -> tuple[Check, ...]:
    found = []
    for node, read in fields.get("checks", ()):
        kinds = [kind for kind in ("rows", "newest", "not_null", "unique", "sql") if kind in read.nodes]
        if len(kinds) != 1:
            message = f"a check of {fields.owner} has {' and '.join(kinds) or 'nothing to check'}"
            notes.error(node, message, "one of rows, newest, not_null, unique, sql each; begin another with '- '")
            continue
        kind = kinds[0]
        if kind not in read:
            continue
        value = read.get(kind)
        if kind == "rows":
            if not value.node.entries:
                notes.error(
                    value.node,
                    f"'rows' of a check of {fields.owner} says nothing",
                    "add drop_at_most: 50% or at_least: 1",
                )
            found.append(
                Check("rows", drop_at_most=value.get("drop_at_most"), at_least=value.get("at_least"), place=node.place)
            )
        elif kind == "newest":
            found.append(_newest(value, node.place, fields, notes))
        elif kind == "sql":
            from scorecard.book.checksql import may_run_away, names_in, read_check

            text = read_check(value[0], fields.owner, notes)
            apart = may_run_away(text)
            tables, named = names_in(text) if apart else ((), None)
            found.append(
                Check("sql", text=text, apart=apart, tables=tables, named=named, place=node.place, node=value[0])
            )
        else:
            found.append(Check(kind, columns=tuple(name for _, name in value), place=node.place))  # type: ignore[arg-type]  # the shape has checked the word
    return tuple(found)
