"""Shipped definitions: which metrics of a pack are taken, over which sources and columns, and with which targets.

A pack holds metrics over sources that it does not define: `needs` describes them and their columns. An include says what is
taken; names are changed in the parsed file before anything is built, so that a pack's metric is one like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path

from scorecard.book.functions import Kind
from scorecard.book.notes import Notes, shown
from scorecard.book.outline import outline
from scorecard.book.shapes.include import INCLUDE
from scorecard.book.shapes.metric import MEASURE_NAMES
from scorecard.book.shapes.records import Fields
from scorecard.book.shapes.scalars import MISSING
from scorecard.ground.errors import did_you_mean
from scorecard.ground.values import dataclass
from scorecard.ground.yamlfile import YamlList, YamlMap, YamlNode, YamlText

PACKS = Path(__file__).parent / "packs"
FIXED = frozenset({*MEASURE_NAMES, "source", "time", "where", "unit", "better"})
_TARGETS = frozenset({"target", "amber", "tolerance", "targets"})
_SQL: Mapping[str, Kind] = {
    "where": "condition", **{name: "row" for name in MEASURE_NAMES if name != "formula"},
    "ratio.of": "aggregate", "ratio.to": "aggregate", "cohort.of": "aggregate", "cohort.to": "aggregate", "quantile.of": "row",
    "stock.sum": "row", "stock.level": "row",
}  # fmt: skip
_COLUMNS = frozenset(
    {"time", "stock.opened", "stock.closed", "stock.key", "age.opened", "age.closed", "split.team", "split.process"}
)


@dataclass(frozen=True, slots=True)
class PackUse:
    """One include of a pack. ``node``: the include. ``sources``: the pack's names → the user's."""

    name: str
    node: YamlNode
    fields: Fields | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def names(self, key: str) -> Mapping[str, tuple[YamlText, YamlNode]]:
        """What stands under ``sources``, ``columns`` or ``adjust``."""
        found = None if self.fields is None else self.fields.get(key)
        return found.entries if isinstance(found, YamlMap) else {}


def shipped() -> tuple[str, ...]:
    """The names of all packs."""
    return tuple(sorted(path.stem for path in PACKS.glob("*.yaml")))


def pack_of(node: YamlNode, notes: Notes) -> PackUse | None:
    """The pack that an include names, as `pack:NAME` or as a mapping; None after a report."""
    fields = None
    if isinstance(node, YamlMap):
        read = INCLUDE.fields(node, "an include", notes)
        if read is MISSING or "pack" not in read:
            return None
        fields, name, at = read, read.get("pack").strip(), read.nodes["pack"]
        for key in ("sources", "columns", "defaults", "adjust"):
            if key in fields.nodes and not isinstance(fields.nodes[key], YamlMap):
                notes.error(fields.nodes[key], f"'{key}' of pack '{name}' takes names with what they mean under them")
    else:
        name, at = (node.text.strip().removeprefix("pack:").strip() if isinstance(node, YamlText) else ""), node
    if name not in shipped():
        hint = did_you_mean(name, shipped()) or f"shipped packs: {', '.join(shipped())}"
        notes.error(at, f"no pack '{name}' is shipped", hint)
        return None
    use = PackUse(name, node, fields)
    sources = {key: value.text for key, (_, value) in use.names("sources").items() if isinstance(value, YamlText)}
    return PackUse(name, node, fields, sources)


def take(root: YamlMap, use: PackUse, notes: Notes) -> None:
    """Changes the parsed pack to what the include asks for; what it asks for and the pack has not is reported."""
    metrics = _entries(root, "metrics")
    known, needs = set(metrics), _entries(root, "needs")
    _check_names(use, known, needs, notes)
    taken = _taken(use, metrics)
    renamed = {s: _columns(use, s) for s in needs}
    for name in known - taken:
        del metrics[name]
    for name, (_, node) in metrics.items():
        if not isinstance(node, YamlMap):
            continue
        source = node.entries.get("source")
        if source is not None and isinstance(source[1], YamlText):
            if renamed.get(source[1].text):
                _rename_columns(node, "", renamed[source[1].text])
            _replace(source[1], use.sources.get(source[1].text, source[1].text))
        _drop_left_out(node, known - taken)
        _adjust(node, name, use, notes)
    _own_defaults(root, use)


def needs_of(root: YamlMap) -> dict[str, dict[str, str]]:
    """Source → column → what it holds, as a pack describes them."""
    found: dict[str, dict[str, str]] = {}
    for source, (_, node) in _entries(root, "needs").items():
        columns = _entries(node, "columns") if isinstance(node, YamlMap) else {}
        found[source] = {name: value.text for name, (_, value) in columns.items() if isinstance(value, YamlText)}
    return found


def missing_source(root: YamlMap, use: PackUse, source: str, metrics: Iterable[str]) -> tuple[str, str]:
    """(message, hint) where the user has not defined a source that the taken metrics read. ``source``: the user's name."""
    own = next((theirs for theirs, mine in use.sources.items() if mine == source), source)
    columns = ", ".join(needs_of(root).get(own, {}))
    names = sorted(metrics)
    listed = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    message = f"pack '{use.name}' needs the source '{source}' for {listed}, and none is defined"
    hint = (
        f"define it with the columns {columns}; or name yours: {{pack: {use.name}, sources: {{{own}: YOURS}}}};"
        f" or leave its metrics out: {{pack: {use.name}, without: [{', '.join(names)}]}}"
    )
    return message, hint


def _entries(node: YamlMap, key: str) -> dict[str, tuple[YamlText, YamlNode]]:
    found = node.entries.get(key)
    return found[1].entries if found is not None and isinstance(found[1], YamlMap) else {}


def _check_names(use: PackUse, known: set[str], needs: Mapping[str, object], notes: Notes) -> None:
    if use.fields is None:
        return
    if "only" in use.fields and "without" in use.fields:
        notes.error(
            use.fields.keys["without"], f"pack '{use.name}' is taken with 'only' and 'without'", "keep one of the two"
        )
    for key in ("only", "without"):
        node = use.fields.nodes.get(key)
        for item in node.items if isinstance(node, YamlList) else [] if node is None else [node]:
            if isinstance(item, YamlText) and item.text not in known:
                _unknown(item, "metric", item.text, use, known, notes)
    for name, (at, _) in use.names("adjust").items():
        if name not in known:
            _unknown(at, "metric", name, use, known, notes)
    for key in ("sources", "columns"):
        for name, (at, value) in use.names(key).items():
            if name not in needs:
                _unknown(at, "source", name, use, needs, notes)
            elif (key == "sources") != isinstance(value, YamlText):
                expected = "your source's name" if key == "sources" else "the pack's columns with yours"
                notes.error(value, f"'{name}' in '{key}' of pack '{use.name}' is '{shown(value)}', expected {expected}")


def _unknown(at: YamlNode, what: str, name: str, use: PackUse, known: Iterable[str], notes: Notes) -> None:
    hint = did_you_mean(name, known) or f"it has {', '.join(sorted(known))}"
    notes.error(at, f"pack '{use.name}' has no {what} '{name}'", hint)


def _taken(use: PackUse, metrics: Mapping[str, tuple[YamlText, YamlNode]]) -> set[str]:
    """The metrics that are asked for, and all that their formulas are made of."""
    left = set() if use.fields is None else set(use.fields.get("without", ()))
    waiting = list(metrics) if use.fields is None or "only" not in use.fields else list(use.fields.get("only", ()))
    taken: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in metrics and name not in taken and name not in left:
            taken.add(name)
            waiting += _made_of(metrics[name][1])
    return {name for name in taken if not set(_made_of(metrics[name][1])) & left}


def _made_of(node: YamlNode) -> list[str]:
    found: list[str] = []
    for key, (_, value) in node.entries.items() if isinstance(node, YamlMap) else ():
        if key == "formula" and isinstance(value, YamlText):
            found += [part.name for part in outline(value.text, "formula").walk() if part.form == "column"]
        elif key in {"change", "cumulative", "scaling"} and isinstance(value, YamlMap):
            parts = (value.entries.get(part) for part in ("of", "output", "input", "quality"))
            found += [part[1].text for part in parts if part is not None and isinstance(part[1], YamlText)]
    return found


def _columns(use: PackUse, source: str) -> dict[str, str]:
    given = use.names("columns").get(source)
    if given is None or not isinstance(given[1], YamlMap):
        return {}
    return {name: value.text for name, (_, value) in given[1].entries.items() if isinstance(value, YamlText)}


def _replace(node: YamlText, text: str) -> None:
    if node.text != text:
        node.text, node.filled = text, True  # its place is the pack's word, whatever is read there


def _rename_columns(node: YamlMap, above: str, renamed: Mapping[str, str]) -> None:
    for name, (_, value) in node.entries.items():
        key = f"{above}{name}"
        if isinstance(value, YamlMap):
            _rename_columns(value, f"{key}.", renamed)
        elif isinstance(value, YamlText) and key in _SQL:
            text = value.text
            for part in sorted(outline(text, _SQL[key]).walk(), key=lambda part: -part.at):
                if part.form == "column" and part.name in renamed:
                    text = text[: part.at] + renamed[part.name] + text[part.at + len(part.name) :]
            _replace(value, text)
        elif key in _COLUMNS:
            for item in value.items if isinstance(value, YamlList) else [value]:
                if isinstance(item, YamlText):
                    _replace(item, renamed.get(item.text, item.text))


def _drop_left_out(node: YamlMap, left: set[str]) -> None:
    """Counter and later metrics that are not taken are not named either."""
    for key in ("counter", "leads"):
        value = node.entries[key][1] if key in node.entries else None
        if not isinstance(value, YamlList):
            continue
        value.items = [item for item in value.items if _named(item) not in left]
        if not value.items:
            del node.entries[key]


def _named(item: YamlNode) -> str | None:
    if isinstance(item, YamlMap) and "metric" in item.entries:
        item = item.entries["metric"][1]
    return item.text if isinstance(item, YamlText) else None


def _adjust(node: YamlMap, name: str, use: PackUse, notes: Notes) -> None:
    _, own = use.names("adjust").get(name, (None, None))
    if own is None:
        return
    if not isinstance(own, YamlMap):
        notes.error(own, f"'{name}' in 'adjust' of pack '{use.name}' is '{shown(own)}', expected keys of a metric")
        return
    for key in own.entries:
        if key in FIXED:
            hint = f"leave it out (without: [{name}]) and define a metric of your own"
            notes.error(own.entries[key][0], f"'{key}' of metric '{name}' is what pack '{use.name}' defines", hint)
    if _TARGETS & own.entries.keys():
        for key in _TARGETS:
            node.entries.pop(key, None)
    if {"process", "team"} & own.entries.keys():
        for key in ("process", "team"):
            node.entries.pop(key, None)
    node.entries.update({key: found for key, found in own.entries.items() if key not in FIXED})


def _own_defaults(root: YamlMap, use: PackUse) -> None:
    given = None if use.fields is None else use.fields.get("defaults")
    if use.fields is None or not isinstance(given, YamlMap):
        return
    pack = root.entries.get("defaults")
    if pack is not None and isinstance(pack[1], YamlMap):
        pack[1].entries.update(given.entries)
    else:
        root.entries["defaults"] = use.fields.keys["defaults"], given
