"""Shapes made of shapes: mappings with known keys, lists, mappings from names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scorecard.book.notes import Notes
from scorecard.book.shapes.scalars import MISSING, Label, Shape, kind_of, named
from scorecard.ground.errors import Place, did_you_mean
from scorecard.ground.yamlfile import YamlList, YamlMap, YamlNode, YamlText


@dataclass(eq=False, repr=False)
class Key:
    """A key of a record: what it takes, and the sentence that editors and the reference show."""

    name: str
    shape: Shape
    describe: str
    required: bool = False
    example: object = None


class Fields:
    """What was read of one mapping. ``values`` holds what was sound; ``nodes`` also what was not."""

    __slots__ = ("keys", "node", "nodes", "owner", "values")

    def __init__(self, node: YamlMap, owner: str) -> None:
        self.node = node
        self.owner = owner
        self.values: dict[str, Any] = {}
        self.keys: dict[str, YamlText] = {}
        self.nodes: dict[str, YamlNode] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def place(self, key: str) -> Place:
        """Where the key's value stands, or where the whole record does."""
        return self.nodes.get(key, self.node).place

    def places(self) -> dict[str, Place]:
        return {key: node.place for key, node in self.nodes.items()}


@dataclass(eq=False, repr=False)
class Record:
    """A mapping with known keys. ``also`` are words for keys that are known elsewhere: unknown keys get their hint."""

    keys: tuple[Key, ...]
    also: tuple[tuple[str, str], ...] = ()
    index: dict[str, Key] = field(init=False)

    def __post_init__(self) -> None:
        self.index = {key.name: key for key in self.keys}

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        return self.fields(node, named(label), notes)

    def fields(self, node: YamlNode, owner: str, notes: Notes, at: YamlNode | None = None) -> Any:
        """``owner`` names the record in messages; ``at`` is where a missing key is reported (default: the record)."""
        if not isinstance(node, YamlMap):
            if not (isinstance(node, YamlText) and node.empty):
                notes.error(node, f"{owner} is {kind_of(node)}, expected keys and values")
            return MISSING
        found = Fields(node, owner)
        index = self.index
        for name, (key, value) in node.entries.items():
            known = index.get(name)
            if known is None:
                self._unknown(key, value, owner, notes)
                continue
            found.keys[name] = key
            found.nodes[name] = value
            read = known.shape.read(value, (name, owner), notes)
            if read is not MISSING:
                found.values[name] = read
        for known in self.keys:
            if known.required and known.name not in node.entries:
                notes.error(at or node, f"{owner} has no '{known.name}'", f"add '{known.name}': {known.describe}")
        return found

    def _unknown(self, key: YamlText, value: YamlNode, owner: str, notes: Notes) -> None:
        if isinstance(value, YamlText) and value.empty:
            return  # a key without a value is reported already, usually a value cut at its comma
        hint = dict(self.also).get(key.text) or did_you_mean(key.text, self.index)
        notes.error(
            key, f"unknown key '{key.text}' in {owner}", hint or f"known keys: {', '.join(list(self.index)[:30])}"
        )

    def schema(self) -> dict[str, object]:
        properties: dict[str, object] = {}
        for key in self.keys:
            properties[key.name] = {**key.shape.schema(), "description": key.describe}
            if key.example is not None:
                properties[key.name] = {**key.shape.schema(), "description": key.describe, "examples": [key.example]}
        found: dict[str, object] = {"type": "object", "additionalProperties": False, "properties": properties}
        required = [key.name for key in self.keys if key.required]
        return {**found, "required": required} if required else found


@dataclass(eq=False, repr=False)
class ListOf:
    """A list of one shape. ``single``: one value may stand without brackets."""

    shape: Shape
    single: bool = False
    at_least: int = 0

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        if isinstance(node, YamlText) and node.empty:
            return MISSING
        if not isinstance(node, YamlList):
            if self.single:
                one = self.shape.read(node, label, notes)
                return MISSING if one is MISSING else (one,)
            notes.error(
                node, f"{named(label)} is {kind_of(node)}, expected a list", "write [one, two], or one '- ' line each"
            )
            return MISSING
        if len(node.items) < self.at_least:
            notes.error(node, f"{named(label)} is an empty list")
            return MISSING
        read = [self._item(item, label, notes) for item in node.items]
        return MISSING if any(item is MISSING for item in read) else tuple(read)

    def _item(self, item: YamlNode, label: Label, notes: Notes) -> Any:
        if isinstance(item, YamlText) and item.empty:
            notes.error(item, f"an entry of {named(label)} has no value")
            return MISSING
        return self.shape.read(item, label, notes)

    def schema(self) -> dict[str, object]:
        found: dict[str, object] = {"type": "array", "items": self.shape.schema()}
        return {"anyOf": [found, self.shape.schema()]} if self.single else found


@dataclass(eq=False, repr=False)
class MapOf:
    """A mapping from names chosen by the analyst; read as a list of (key node, value) pairs by the caller."""

    shape: Shape
    dashes: bool = False

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        if isinstance(node, YamlText) and node.empty:
            return MISSING
        if not isinstance(node, YamlMap):
            notes.error(node, f"{named(label)} is {kind_of(node)}, expected names with what they mean under them")
            return MISSING
        return node

    def schema(self) -> dict[str, object]:
        pattern = "^[a-z][a-z0-9_-]*$" if self.dashes else "^[a-z][a-z0-9_]*$"
        return {"type": "object", "propertyNames": {"pattern": pattern}, "additionalProperties": self.shape.schema()}


@dataclass(eq=False, repr=False)
class Either:
    """A scalar form or a mapping (or list) form; which, the YAML decides. A form that is not given is refused by the scalar's."""

    scalar: Shape
    mapping: Shape | None = None
    items: Shape | None = None

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        if isinstance(node, YamlMap) and self.mapping is not None:
            return self.mapping.read(node, label, notes)
        if isinstance(node, YamlList) and self.items is not None:
            return self.items.read(node, label, notes)
        return self.scalar.read(node, label, notes)

    def schema(self) -> dict[str, object]:
        return {"anyOf": [s.schema() for s in (self.scalar, self.mapping, self.items) if s is not None]}


@dataclass(eq=False, repr=False)
class Spot:
    """Keeps the node beside the value, where a later check needs the place."""

    shape: Shape

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        value = self.shape.read(node, label, notes)
        return MISSING if value is MISSING else (node, value)

    def schema(self) -> dict[str, object]:
        return self.shape.schema()


@dataclass(eq=False, repr=False)
class Raw:
    """The node itself, for what can only be read with the rest of its record known (targets need the unit)."""

    described: dict[str, object] = field(default_factory=dict)

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:  # noqa: ARG002 - the protocol's shape
        return MISSING if isinstance(node, YamlText) and node.empty else node

    def schema(self) -> dict[str, object]:
        return dict(self.described)
