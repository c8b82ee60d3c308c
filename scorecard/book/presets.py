"""Presets: sources that are known already, as data beside the connectors; a source names one and gives what it needs.

A preset's file holds ``title``, ``describe``, ``parameters``, ``one_of`` (groups of parameters, one of which must be
given whole), ``every_at_least`` and ``source``: the options of an HTTP source, and its usual ``key``, ``time`` and ``columns``.
In it ``<name>`` stands for a parameter, and what names one that is not given is left out; ``<name|slug>`` writes it in small
letters with dashes, ``<name|constant>`` in capitals with underscores. ``{choose: [{when: name, value: …}]}`` takes the first
value whose parameter is given. ``with_cursor`` holds what joins in where the source declares a cursor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import connectors
from scorecard.book.notes import Notes, shown
from scorecard.book.shapes.records import Fields
from scorecard.book.shapes.scalars import Anything, kind_of
from scorecard.ground.errors import did_you_mean
from scorecard.ground.values import dataclass
from scorecard.ground.yamlfile import YamlList, YamlMap, YamlNode, YamlText, parse

PARAMETER = re.compile(r"<([a-z][a-z0-9_]*)(?:\|(slug|constant))?>")
WRITTEN = {
    "slug": lambda text: text.lower().replace("_", "-"), "constant": lambda text: text.upper().replace("-", "_"),
    "": lambda text: text,
}  # fmt: skip
FORMS = {"text": "text", "number": "a whole number", "list": "a list", "mapping": "keys and values"}
MERGED = ("params", "headers", "variables", "paging", "rows", "window", "limits")
"""Options that a source may add to; the others it replaces."""
ABSENT = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a preset is given. ``form`` is a key of FORMS; ``pattern`` holds for the whole text."""

    name: str
    describe: str
    required: bool = False
    secret: bool = False
    form: str = "text"
    default: Any = None
    pattern: str | None = None
    expected: str | None = None
    example: Any = None


@dataclass(frozen=True, slots=True)
class Preset:
    """``source`` is plain and still has its ``<parameters>``. ``every_at_least``: (duration, why)."""

    name: str
    title: str
    describe: str
    parameters: Mapping[str, Parameter]
    source: Mapping[str, Any]
    one_of: tuple[tuple[str, ...], ...] = ()
    every_at_least: tuple[str, str] | None = None

    @property
    def secrets(self) -> frozenset[str]:
        return frozenset(name for name, parameter in self.parameters.items() if parameter.secret)


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by name, in order."""
    folder = Path(connectors.__file__).parent / "presets"
    names = sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))
    return {name: read_preset(name, (folder / f"{name}.yaml").read_text(encoding="utf-8")) for name in names}


def read_preset(name: str, text: str) -> Preset:
    """A preset from its file, which is ours: a mistake in it is a ValueError."""
    root, problems = parse(text, f"{name}.yaml")
    if root is None or problems:
        raise ValueError(f"preset {name}: {problems}")
    plain = Anything().read(root, ("preset", name), Notes())
    parameters = {key: Parameter(key, **given) for key, given in plain["parameters"].items()}
    used = {match[0] for value in _texts([plain["source"], plain["parameters"]]) for match in PARAMETER.findall(value)}
    named = {*used, *(member for group in plain.get("one_of", ()) for member in group)}
    if strange := named - set(parameters):
        raise ValueError(f"preset {name}: no parameter is called {', '.join(sorted(strange))}")
    least = plain.get("every_at_least")
    return Preset(
        name, plain["title"], plain["describe"], parameters, plain["source"],
        tuple(tuple(group) for group in plain.get("one_of", ())), None if least is None else (least["every"], least["why"]),
    )  # fmt: skip


def preset_of(fields: Fields, notes: Notes) -> Preset | None:
    """The preset that a source names; a name that is not known is noted."""
    written = fields.get("preset")
    if written is None:
        return None
    node, name = written
    found = presets().get(name)
    if found is None:
        hint = did_you_mean(name, presets()) or f"presets: {', '.join(presets())}"
        notes.error(node, f"'preset' of {fields.owner} is '{shown(node)}', which is not known", hint)
    return found


def filled(preset: Preset, fields: Fields, notes: Notes) -> dict[str, Any]:
    """The preset's source with the parameters of ``with`` put in; mistakes in ``with`` are noted at their places."""
    return filled_with(preset, _given(preset, fields, notes), cursor="cursor" in fields.nodes)


def filled_with(preset: Preset, given: Mapping[str, Any], *, cursor: bool) -> dict[str, Any]:
    """The preset's source with these parameters put in. ``cursor``: whether the source declares one."""
    source = dict(preset.source)
    more = source.pop("with_cursor", {})
    found = _filled(merged(more, source) if cursor else source, given)
    return found if isinstance(found, dict) else {}


def merged(options: Mapping[str, Any], filled_in: Mapping[str, Any]) -> dict[str, Any]:
    """The source's own options over those of its preset."""
    found = {**filled_in, **options}
    for key in MERGED:
        if isinstance(options.get(key), dict) and isinstance(filled_in.get(key), dict):
            found[key] = {**filled_in[key], **options[key]}
    found.pop("with", None)
    return found


def _given(preset: Preset, fields: Fields, notes: Notes) -> dict[str, Any]:
    node = fields.nodes.get("with")
    entries = node.entries if isinstance(node, YamlMap) else {}
    at = node if node is not None else fields.nodes["preset"]
    found = {name: p.default for name, p in preset.parameters.items() if p.default is not None}
    for name, (key, value) in entries.items():
        parameter = preset.parameters.get(name)
        if parameter is None:
            if not (isinstance(value, YamlText) and value.empty):
                hint = did_you_mean(name, preset.parameters) or f"it takes: {', '.join(preset.parameters)}"
                notes.error(key, f"unknown key '{name}' in 'with' of {fields.owner} (preset {preset.name})", hint)
            continue
        read = _read(parameter, value, fields.owner, notes)
        if read is not ABSENT:
            found[name] = read
    for name, parameter in preset.parameters.items():
        if parameter.required and name not in entries:
            message = f"preset {preset.name} of {fields.owner} needs '{name}' in 'with'"
            notes.error(at, message, f"{name}: {parameter.describe}" + _for_example(parameter))
    _check_groups(preset, entries, fields, at, notes)
    # What is usual may be made of what was given; what was given stands as it is.
    usual = {name: _filled(value, found) for name, value in found.items() if name not in entries}
    return {name: value for name, value in {**found, **usual}.items() if value is not ABSENT}


def _check_groups(preset: Preset, entries: Mapping[str, Any], fields: Fields, at: YamlNode, notes: Notes) -> None:
    """One group of ``one_of`` must be there whole."""
    if not preset.one_of:
        return
    started = [group for group in preset.one_of if any(name in entries for name in group)]
    groups = " or ".join(", ".join(group) for group in preset.one_of)
    if not started:
        notes.error(at, f"preset {preset.name} of {fields.owner} needs more in 'with'", f"give {groups}")
    if len(started) > 1:
        notes.error(at, f"'with' of {fields.owner} says the same in two ways", f"keep one of: {groups}")
    for group in started[:1]:
        for name in group:
            if name not in entries and preset.parameters[name].default is None:
                message = f"preset {preset.name} of {fields.owner} needs '{name}' in 'with'"
                notes.error(
                    at, message, f"{name}: {preset.parameters[name].describe}" + _for_example(preset.parameters[name])
                )


def _read(parameter: Parameter, node: YamlNode, owner: str, notes: Notes) -> Any:
    """A parameter's value, ABSENT after a report."""
    label = f"'{parameter.name}' in 'with' of {owner}"
    expected = parameter.expected or FORMS[parameter.form]
    if isinstance(node, YamlText) and node.empty:
        return ABSENT
    fitting = {"list": YamlList, "mapping": YamlMap}.get(parameter.form, YamlText)
    if not isinstance(node, fitting) or (isinstance(node, YamlText) and node.null):
        notes.error(node, f"{label} is {kind_of(node)}, expected {expected}")
        return ABSENT
    if not isinstance(node, YamlText):
        return Anything().read(node, (parameter.name, owner), notes)
    text = node.text if parameter.secret else node.text.strip()
    pattern = r"\d{1,9}" if parameter.form == "number" else parameter.pattern
    if not text or (pattern is not None and not re.fullmatch(pattern, text)):
        seen = "not of that form" if parameter.secret else f"'{shown(node)}'"
        notes.error(node, f"{label} is {seen}, expected {expected}" + _for_example(parameter))
        return ABSENT
    return int(text) if parameter.form == "number" else text


def _for_example(parameter: Parameter) -> str:
    return "" if parameter.example is None or parameter.secret else f", such as {parameter.example}"


def _filled(value: Any, given: Mapping[str, Any]) -> Any:
    """The value with its parameters put in, or ABSENT."""
    if isinstance(value, dict) and set(value) == {"choose"}:
        chosen = next(
            (choice["value"] for choice in value["choose"] if "when" not in choice or choice["when"] in given), ABSENT
        )
        return _filled(chosen, given)
    if isinstance(value, dict):
        pairs = {key: _filled(inner, given) for key, inner in value.items()}
        kept = {key: inner for key, inner in pairs.items() if inner is not ABSENT}
        return ABSENT if value and not kept else kept
    if isinstance(value, list):
        items = [_filled(inner, given) for inner in value]
        return [item for item in items if item is not ABSENT]
    if not isinstance(value, str):
        return value
    if any(name not in given for name, _ in PARAMETER.findall(value)):
        return ABSENT
    whole = PARAMETER.fullmatch(value)
    if whole and not whole[2]:
        return given[whole[1]]
    return PARAMETER.sub(lambda match: WRITTEN[match[2] or ""](str(given[match[1]])), value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (f"<{choice['when']}>" for choice in value.get("choose", ()) if "when" in choice)
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
