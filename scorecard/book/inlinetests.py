"""The entries of ``tests:``, which analysts write about their own definitions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scorecard.book.files import BookFile
from scorecard.book.model import Expectation, InlineTest
from scorecard.book.model.metric import Metric
from scorecard.book.notes import Notes, shown
from scorecard.book.paths import inside
from scorecard.book.shapes.metric import TEST
from scorecard.book.shapes.records import Fields
from scorecard.book.shapes.scalars import MISSING
from scorecard.book.units import read_limit
from scorecard.ground.yamlfile import YamlMap, YamlNode, YamlText

SELECTS = frozenset({"metric", "period", "grain", "team", "process"})
COMPARED = ("value", "n", "status", "reason", "because")


def build_test(node: YamlNode, file: BookFile, metrics: Mapping[str, Metric], notes: Notes) -> InlineTest | None:
    """One test. None where it cannot be run; what is wrong is in the notes."""
    notes.subject = ("tests", f"{file.name}:{node.line}")
    fields = TEST.fields(node, "a test", notes)
    if fields is MISSING:
        return None
    before = len(notes.found)
    given = _given(fields.get("given"), file, notes)
    expect = tuple(_expectation(each, metrics, notes) for each in fields.get("expect", ()))
    sound = len(notes.found) == before and not {"name", "given", "at", "expect"} - fields.values.keys()
    notes.subject = None
    if not sound:
        return None
    places = {name: key.place for name, (key, _) in fields.get("given").entries.items()}
    return InlineTest(
        fields.get("name"), given, fields.get("at"), expect, str(file.folder), fields.place("name"), places,
        fields.place("at"),
    )  # fmt: skip


def _given(sources: Any, file: BookFile, notes: Notes) -> dict[str, str]:
    given: dict[str, str] = {}
    if sources is not None and not isinstance(sources, YamlMap):
        notes.error(
            sources, "'given' of a test takes sources and their files", "write given: {surveys: fixtures/surveys.csv}"
        )
    for name, (key, value) in sources.entries.items() if isinstance(sources, YamlMap) else ():
        notes.refer(key, "source", name)
        if not isinstance(value, YamlText):
            notes.error(value, f"'{name}' of a test is '{shown(value)}', expected the path of a CSV file")
        elif value.text and not inside(file.folder, value.text):
            notes.error(value, f"'{name}' of a test leaves the folder of its file")
        elif value.text and not (file.folder / value.text).is_file():
            notes.error(value, f"there is no file '{value.text}'", f"looked in {file.folder}")
        else:
            given[name] = value.text
    return given


def _expectation(fields: Fields, metrics: Mapping[str, Metric], notes: Notes) -> Expectation:
    name = _plain(fields.get("metric"))
    metric = metrics.get(name)
    wanted: dict[str, object] = {key: fields.get(key) for key in COMPARED if key in fields}
    node = fields.nodes.get("value")
    if node is not None and "value" in fields and metric is not None:
        wanted["value"] = _value(node, metric, notes)
    kinds = [kind for kind in ("team", "process") if kind in fields]
    if len(kinds) == 2:
        notes.error(fields.nodes["process"], "an expectation names a team and a process", "leave out one of the two")
    if not set(COMPARED) & set(fields.nodes):
        hint = f"add one of {', '.join(COMPARED)}"
        notes.error(fields.node, f"nothing is expected of '{name}' here", hint)
    return Expectation(
        metric=name,
        period=str(fields.get("period", "")),
        grain=fields.get("grain"),
        slice=(kinds[0], _plain(fields.get(kinds[0]))) if kinds else None,
        wanted=wanted,
        decimals=0 if node is None else _decimals(node, metric),
        places={key: node.place for key, node in fields.nodes.items()},
        place=fields.node.place,
    )


def _plain(spotted: Any) -> str:
    """A name that was read together with its node."""
    return str(spotted[1]) if isinstance(spotted, tuple) else ""


def _value(node: YamlNode, metric: Metric, notes: Notes) -> float | None:
    """A value in the metric's unit, which may stand behind it; a share is written with a percent sign. null: no value."""
    if isinstance(node, YamlText):
        if node.null:
            return None
        if metric.unit and not metric.percent:
            bare = re.sub(rf"\s*{re.escape(metric.unit)}$", "", node.text.strip())
            if re.fullmatch(r"[-+]?[0-9][0-9_.eE+-]*", bare):
                return float(bare)
    return read_limit(node, "value", f"the expectation of metric '{metric.name}'", metric.percent, notes)


def _decimals(node: YamlNode, metric: Metric | None) -> int:
    """How many digits behind the point the value is written with, as a fraction where it is a share."""
    text = node.text if isinstance(node, YamlText) else ""
    found = re.match(r"\s*[-+]?\d*\.(\d+)", text)
    digits = len(found[1]) if found is not None else 0
    return digits + 2 if digits and metric is not None and metric.percent else digits
