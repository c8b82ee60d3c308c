"""The JSON Schema of metrics.yaml, from the same shapes that read it; editors complete and explain keys with it."""

from __future__ import annotations

from scorecard.book.functions import AGGREGATES, FORMULA_FUNCTIONS, FORMULA_WORDS, ROW_FUNCTIONS, TYPES
from scorecard.book.presets import Preset, presets
from scorecard.book.shapes import metric, organization, source
from scorecard.book.shapes.include import INCLUDE
from scorecard.book.shipped import FIXED

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, object]:
    """JSON Schema (draft 2020-12) of the file; the functions that expressions may call are under ``x-functions``."""
    return {
        "$schema": DIALECT,
        "$id": "https://scorecard.example/metrics.schema.json",
        "title": "metrics.yaml, version 1",
        "description": "Sources, teams, processes and metrics of a scorecard. First line for editors: "
        "# yaml-language-server: $schema=metrics.schema.json",
        "type": "object",
        "additionalProperties": False,
        "properties": _top(),
        "$defs": _definitions(),
        "x-functions": functions(),
    }


def functions() -> dict[str, object]:
    """What expressions may call, by kind of expression."""
    return {
        "row": dict(ROW_FUNCTIONS),
        "aggregate": {"rows": "the number of rows", **AGGREGATES},
        "formula": {**FORMULA_FUNCTIONS, **FORMULA_WORDS},
        "types": sorted(TYPES),
    }


NAMES = "A name is small letters, digits and _{}, and begins with a letter."
"""What editors say instead of the pattern."""


def _top() -> dict[str, object]:
    def named(reference: str, describe: str, *, dashes: bool) -> dict[str, object]:
        pattern = "^[a-z][a-z0-9_-]*$" if dashes else "^[a-z][a-z0-9_]*$"
        return {
            "type": "object",
            "description": describe,
            "propertyNames": {"pattern": pattern, "patternErrorMessage": NAMES.format(" or -" if dashes else "")},
            "additionalProperties": {"$ref": f"#/$defs/{reference}"},
        }

    include: dict[str, object] = {"type": "string", "examples": ["metrics/*.yaml", "pack:contact-centre"]}
    pack = {"$ref": "#/$defs/include"}
    return {
        "version": {"enum": [1, "1"], "description": "the version of this format: 1"},
        "include": {
            "description": "other files of the same shape, relative to this one, or shipped packs",
            "anyOf": [{"type": "array", "items": {"anyOf": [include, pack]}}, include, pack],
        },
        "organization": {"$ref": "#/$defs/organization"},
        "sources": named("source", "where rows come from; each becomes a table of its name", dashes=False),
        "teams": named("team", "who works; each has a scorecard", dashes=True),
        "processes": named("process", "what is done, by whom, documented where; each has a scorecard", dashes=True),
        "panels": named("panel", "walls and embeds", dashes=True),
        "reviews": named("review", "meetings over scorecards", dashes=True),
        "defaults": {"$ref": "#/$defs/defaults"},
        "metrics": named("metric", "one number each, with an owner, a direction and a role", dashes=False),
        "tests": {"type": "array", "description": "tests of these definitions", "items": {"$ref": "#/$defs/test"}},
    }


def _definitions() -> dict[str, object]:
    return {
        "organization": {**organization.ORGANIZATION.schema(), "description": "the organisation and its calendar"},
        "source": _source(),
        "team": organization.TEAM.schema(),
        "process": organization.PROCESS.schema(),
        "panel": organization.PANEL.schema(),
        "review": organization.REVIEW.schema(),
        "defaults": {
            **metric.DEFAULTS.schema(),
            "description": "for every metric of this file that does not say otherwise",
        },
        "metric": _metric(),
        "test": metric.TEST.schema(),
        "include": {**INCLUDE.schema(), "description": "a shipped pack, and how it is taken"},
        "adjusted": {**_without(metric.METRIC.schema(), FIXED), "description": "what of a pack's metric is yours"},
    }


def _without(schema: dict[str, object], names: frozenset[str]) -> dict[str, object]:
    properties = schema["properties"]
    assert isinstance(properties, dict)  # noqa: S101 - a record's schema
    return {**schema, "properties": {name: told for name, told in properties.items() if name not in names}}


def _source() -> dict[str, object]:
    """All keys at once, so that editors complete them; what a kind needs and may not have is said by condition."""
    every = source.ANY_SOURCE.schema()
    conditions: list[object] = [{"oneOf": [{"required": ["every"]}, {"required": ["cron"]}]}]
    for kind, keys in source.OF_KIND.items():
        own = {key.name for key in keys}
        strange = sorted({key.name for others in source.OF_KIND.values() for key in others} - own)
        then: dict[str, object] = {"properties": dict.fromkeys(strange, False)}
        needed = [key.name for key in source.SOURCE_OF_KIND[kind].keys if key.required and key.name in own]
        if needed:
            then["required"] = needed
        conditions.append({"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": then})
    every["properties"]["preset"]["enum"] = list(presets())  # type: ignore[index]  # the record's own schema
    return {**every, "allOf": [*conditions, *map(_preset, presets().values())]}


_FORMS: dict[str, dict[str, object]] = {
    "text": {"type": ["string", "number", "boolean"]}, "number": {"type": "integer", "minimum": 0},
    "list": {"type": "array"}, "mapping": {"type": "object"},
}  # fmt: skip


def _preset(preset: Preset) -> dict[str, object]:
    """What a source under a preset gives it."""
    properties: dict[str, object] = {}
    for name, parameter in preset.parameters.items():
        said = (
            parameter.describe if parameter.default is None else f"{parameter.describe} (default {parameter.default})"
        )
        shown = {} if parameter.example is None else {"examples": [parameter.example]}
        properties[name] = {**_FORMS[parameter.form], "description": said, **shown}
    needed = [name for name, parameter in preset.parameters.items() if parameter.required]
    described = f"{preset.title}: {preset.describe}"
    given: dict[str, object] = {
        "type": "object", "description": described, "additionalProperties": False, "properties": properties, "required": needed,
    }  # fmt: skip
    if preset.one_of:
        given["oneOf"] = [{"required": list(group)} for group in preset.one_of]
    condition = {"properties": {"preset": {"const": preset.name}}, "required": ["preset"]}
    return {"if": condition, "then": {"properties": {"with": given}, "required": ["with"]}}


def _metric() -> dict[str, object]:
    only_one = [{"required": [name]} for name in metric.MEASURE_NAMES]
    unruled: list[object] = [
        {"not": {"required": ["process", "team"]}},
        {"not": {"required": ["amber", "tolerance"]}},
        {"not": {"required": ["target", "targets"]}},
    ]
    return {**metric.METRIC.schema(), "oneOf": only_one, "allOf": unruled}
