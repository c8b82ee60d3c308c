"""Shapes of single values: text, words, numbers, durations, days, people."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo, available_timezones

from scorecard.book.durations import seconds
from scorecard.book.notes import Notes, shown
from scorecard.ground.errors import did_you_mean
from scorecard.ground.paper import hundredth
from scorecard.ground.yamlfile import YamlList, YamlMap, YamlNode, YamlText

Label = tuple[str, str]
"""(key, what it belongs to), for messages: ("grain", "metric 'csat'")."""


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""What a shape gives for a value that it has reported as wrong."""


class Shape(Protocol):
    """Reads one node; reports what is wrong and then gives MISSING. ``schema`` is its JSON Schema."""

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any: ...

    def schema(self) -> dict[str, object]: ...


def named(label: Label) -> str:
    return f"'{label[0]}' of {label[1]}" if label[1] else f"'{label[0]}'"


def kind_of(node: YamlNode) -> str:
    return "a mapping" if isinstance(node, YamlMap) else "a list" if isinstance(node, YamlList) else f"'{shown(node)}'"


def text_of(node: YamlNode, label: Label, notes: Notes, expected: str) -> str | None:
    """The scalar's text, or None after a report (a key without a value is reported by the YAML reader already)."""
    if isinstance(node, YamlText):
        if node.empty:
            return None
        if node.null and label[0] != "nulls":
            notes.error(
                node, f"{named(label)} has no value, expected {expected}", "put it in quotes if the word is meant"
            )
            return None
        return node.text
    notes.error(node, f"{named(label)} is {kind_of(node)}, expected {expected}")
    return None


@dataclass(eq=False, repr=False)
class Text:
    """Any text as it stands: `no`, `010` and `1:30` are text."""

    expected: str = "text"
    pattern: str | None = None
    hint: str | None = None
    blank: bool = False

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        text = text_of(node, label, notes, self.expected)
        if text is None:
            return MISSING
        text = text.strip() if not self.blank else text
        if (not text and not self.blank) or (self.pattern is not None and not re.fullmatch(self.pattern, text)):
            notes.error(node, f"{named(label)} is '{shown(node)}', expected {self.expected}", self.hint)
            return MISSING
        return text

    def schema(self) -> dict[str, object]:
        found: dict[str, object] = (
            {"type": ["string", "number", "boolean"]} if self.pattern is None else {"type": "string"}
        )
        return found if self.pattern is None else {**found, "pattern": f"^(?:{self.pattern})$"}


@dataclass(eq=False, repr=False)
class Link:
    """A web or mail address; nothing else may become a link on a page."""

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        text = text_of(node, label, notes, "a web address")
        if text is None:
            return MISSING
        if not re.fullmatch(r"(https?://|mailto:)[^\s<>\"]+", text.strip()):
            notes.error(
                node,
                f"{named(label)} is '{shown(node)}', expected an address that begins with https://, http:// or mailto:",
            )
            return MISSING
        return text.strip()

    def schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": "^(https?://|mailto:)"}


@dataclass(eq=False, repr=False)
class Choice:
    """One of some words."""

    words: tuple[str, ...]
    hint: str | None = None

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        expected = f"one of {', '.join(self.words)}" if len(self.words) > 1 else f"'{self.words[0]}'"
        text = text_of(node, label, notes, expected)
        if text is None:
            return MISSING
        if text not in self.words:
            notes.error(
                node,
                f"{named(label)} is '{shown(node)}', expected {expected}",
                did_you_mean(text, self.words) or self.hint,
            )
            return MISSING
        return text

    def schema(self) -> dict[str, object]:
        return {"enum": list(self.words)}


@dataclass(eq=False, repr=False)
class Number:
    """A finite number; ``whole`` for integers."""

    low: float | None = None
    high: float | None = None
    whole: bool = False

    @property
    def expected(self) -> str:
        what = "a whole number" if self.whole else "a number"
        if self.low is not None and self.high is not None:
            return f"{what} from {self.low:g} to {self.high:g}"
        return f"{what} of at least {self.low:g}" if self.low is not None else what

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        text = text_of(node, label, notes, self.expected)
        if text is None:
            return MISSING
        value = number(text)
        whole = value is not None and value == math.floor(value)
        low, high = self.low, self.high
        if (
            value is None
            or (self.whole and not whole)
            or (low is not None and value < low)
            or (high is not None and value > high)
        ):
            notes.error(node, f"{named(label)} is '{shown(node)}', expected {self.expected}", number_hint(text))
            return MISSING
        return int(value) if self.whole else value

    def schema(self) -> dict[str, object]:
        found: dict[str, object] = {"type": "integer" if self.whole else "number"}
        if self.low is not None:
            found["minimum"] = self.low
        if self.high is not None:
            found["maximum"] = self.high
        return found


_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)


def number(text: str) -> float | None:
    """A finite number from text, or None."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def number_hint(text: str) -> str | None:
    """What to write instead, where a person's way of writing a number can be guessed."""
    plain = re.sub(r"(?<=\d)[ ,_'](?=\d{3}\b)", "", text.strip())
    return f"write {plain}" if plain != text.strip() and number(plain) is not None else None


@dataclass(eq=False, repr=False)
class Share:
    """A share written as `50%` → 0.5."""

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        text = text_of(node, label, notes, "a share such as 50%")
        if text is None:
            return MISSING
        value = number(text.strip()[:-1]) if text.strip().endswith("%") else None
        if value is None or not 0 <= value <= 100:
            hint = f"write {text.strip()}%" if number(text) is not None else None
            notes.error(node, f"{named(label)} is '{shown(node)}', expected a share from 0% to 100%", hint)
            return MISSING
        return hundredth(value)

    def schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": r"^\d+(\.\d+)?%$", "examples": ["1%", "50%"]}


@dataclass(eq=False, repr=False)
class Flag:
    """`true` or `false`; `yes` and `on` are words."""

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        text = text_of(node, label, notes, "true or false")
        if text is None:
            return MISSING
        if text.lower() not in {"true", "false"}:
            meant = {
                "yes": "true",
                "on": "true",
                "y": "true",
                "1": "true",
                "no": "false",
                "off": "false",
                "n": "false",
                "0": "false",
            }
            hint = f"write {meant[text.lower()]}" if text.lower() in meant else None
            notes.error(node, f"{named(label)} is '{shown(node)}', expected true or false", hint)
            return MISSING
        return text.lower() == "true"

    def schema(self) -> dict[str, object]:
        return {"type": "boolean"}


@dataclass(eq=False, repr=False)
class Duration:
    """`30s 5m 1h 2d 4w` → seconds. ``keep``: the text itself, checked."""

    keep: bool = False
    zero: bool = False

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        expected = "a duration such as 30s, 5m, 1h, 2d or 4w"
        text = text_of(node, label, notes, expected)
        if text is None:
            return MISSING
        value = seconds(text.strip())
        if self.zero and text.strip() == "0":
            value = 0
        if value is None or (value == 0 and not self.zero):
            hint = f"write {text.strip()}s or {text.strip()}m" if text.strip().isdigit() and int(text) else None
            notes.error(node, f"{named(label)} is '{shown(node)}', expected {expected}", hint)
            return MISSING
        return text.strip() if self.keep else value

    def schema(self) -> dict[str, object]:
        found: dict[str, object] = {
            "type": "string",
            "pattern": r"^\d+[smhdw]$",
            "examples": ["30s", "5m", "1h", "2d", "4w"],
        }
        return {"anyOf": [found, {"const": 0}]} if self.zero else found


@dataclass(eq=False, repr=False)
class Day:
    """A date such as 2026-01-31."""

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        text = text_of(node, label, notes, "a date such as 2026-01-31")
        if text is None:
            return MISSING
        found = day(text.strip())
        if found is None:
            notes.error(node, f"{named(label)} is '{shown(node)}', expected a date such as 2026-01-31")
            return MISSING
        return found

    def schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$", "examples": ["2026-01-31"]}


def day(text: str) -> date | None:
    """The date of ``2026-01-31``, or None."""
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) else None
    except ValueError:
        return None


@dataclass(eq=False, repr=False)
class Clock:
    """A time of day such as "09:00"."""

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        text = text_of(node, label, notes, 'a time of day such as "09:00"')
        if text is None:
            return MISSING
        found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip(), re.ASCII)
        if found is None:
            notes.error(node, f"{named(label)} is '{shown(node)}', expected a time of day such as \"09:00\"")
            return MISSING
        return time(int(found[1]), int(found[2]))

    def schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": r"^([01]?\d|2[0-3]):[0-5]\d$", "examples": ["09:00"]}


@dataclass(eq=False, repr=False)
class Timezone:
    """An IANA time zone."""

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        text = text_of(node, label, notes, "an IANA time zone such as Europe/Berlin")
        if text is None:
            return MISSING
        try:
            ZoneInfo(text)
        except (
            ValueError,
            OSError,
            KeyError,
        ):  # ZoneInfoNotFoundError is a KeyError; a path that is a folder is an OSError
            hint = did_you_mean(text, available_timezones())
            notes.error(
                node, f"{named(label)} is '{shown(node)}', expected an IANA time zone such as Europe/Berlin", hint
            )
            return MISSING
        return text

    def schema(self) -> dict[str, object]:
        return {"type": "string", "examples": ["Europe/Berlin", "America/New_York", "UTC"]}


@dataclass(eq=False, repr=False)
class Anything:
    """A plain value of any form (for what a source's own interface takes): mappings, lists, text, numbers, true, false, null."""

    forms: tuple[str, ...] = field(default=())

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        if isinstance(node, YamlText):
            if node.empty:
                return MISSING
            if "text" in self.forms:
                return node.text
            return node.text if node.filled else node.core()
        if self.forms and ("mapping" if isinstance(node, YamlMap) else "list") not in self.forms:
            notes.error(node, f"{named(label)} is {kind_of(node)}, expected {' or '.join(self.forms)}")
            return MISSING
        if isinstance(node, YamlMap):
            return {
                key: value
                for key, (_, inner) in node.entries.items()
                if (value := Anything().read(inner, label, notes)) is not MISSING
            }
        items = node.items if isinstance(node, YamlList) else []
        return [value for item in items if (value := Anything().read(item, label, notes)) is not MISSING]

    def schema(self) -> dict[str, object]:
        return {}
