"""YAML with a place for every key and value; text stays text until somebody asks for a number.

Only what YAML 1.2's core needs is read: no tags, no merge keys, few and shallow aliases, one document, 5 MB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from scorecard.ground.errors import Place, Problem
from scorecard.ground.yamlwords import QUOTE, translate


def _fast_parser() -> Any:
    """The C parser, which is ten times faster with the same events and marks; None where PyYAML was built without it."""
    try:
        return import_module("yaml._yaml").CParser
    except ImportError:  # pragma: no cover
        return None


_CParser = _fast_parser()

MOST_BYTES: Final = 5 * 1024 * 1024
MOST_DEPTH: Final = 30
MOST_REPEATED: Final = 20_000
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff\ud800-\udfff]")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


class YamlFile:
    """A file's name as shown to people, its text, and its words: every scalar and every opening and closing, in order."""

    __slots__ = ("name", "text", "words")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.words: list[str] = []


class YamlNode:
    """Anything in the file. ``line`` and ``column`` count from 1; ``start`` and ``end`` are offsets in the file's text."""

    __slots__ = ("column", "end", "file", "line", "start")

    def __init__(self, file: YamlFile, event: Any) -> None:
        mark = event.start_mark
        self.file = file
        self.line: int = mark.line + 1
        self.column: int = mark.column + 1
        self.start: int = mark.index
        self.end: int = event.end_mark.index

    @property
    def place(self) -> Place:
        return Place(self.file.name, self.line, self.column)

    def written(self) -> str:
        """The node as the file writes it."""
        return self.file.text[self.start : self.end].rstrip()


class YamlText(YamlNode):
    """A scalar. ``style`` is '' for plain, else one of ' " | >. ``filled``: the text came from the environment; ``values``:
    what of it did, where only parts of it did."""

    __slots__ = ("filled", "style", "text", "values")

    def __init__(self, file: YamlFile, event: Any) -> None:
        super().__init__(file, event)
        self.text: str = event.value
        self.style: str = event.style or ""
        self.filled = False
        self.values: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """A key without a value."""
        return not self.text and not self.style

    @property
    def null(self) -> bool:
        return not self.style and self.text in {"", "~", "null", "Null", "NULL"}

    def core(self) -> str | int | float | bool | None:
        """The value by the core rules of YAML 1.2: plain numbers, true, false and null; everything else is text."""
        if self.style:
            return self.text
        if self.null:
            return None
        if self.text in {"true", "True", "TRUE", "false", "False", "FALSE"}:
            return self.text[0] in "tT"
        if _INTEGER.fullmatch(self.text):
            return int(self.text)
        return float(self.text) if _FLOAT.fullmatch(self.text) else self.text

    def place_of(self, offset: int) -> Place:
        """Where the value's character at ``offset`` stands in the file, in every style of writing it."""
        if not self.filled and self.end - self.start == len(self.text):
            return Place(self.file.name, self.line, self.column + offset)
        if self.filled:
            return self.place
        spots = _spots(self)
        at = spots[min(offset, len(spots) - 1)] if spots else self.start
        before = self.file.text.rfind("\n", 0, at) + 1
        return Place(self.file.name, self.file.text.count("\n", 0, at) + 1, at - before + 1)


class YamlMap(YamlNode):
    """Keys in the file's order; of a doubled key the first counts."""

    __slots__ = ("entries", "flow")

    def __init__(self, file: YamlFile, event: Any) -> None:
        super().__init__(file, event)
        self.entries: dict[str, tuple[YamlText, YamlNode]] = {}
        self.flow = bool(event.flow_style)


class YamlList(YamlNode):
    __slots__ = ("items",)

    def __init__(self, file: YamlFile, event: Any) -> None:
        super().__init__(file, event)
        self.items: list[YamlNode] = []


def _spots(node: YamlText) -> list[int]:
    """The offset in the file of each character of a quoted, folded or block scalar: its visible characters in order."""
    raw, at, spots = node.file.text, node.start, []
    if node.style in {"|", ">"}:
        at = raw.find("\n", at) + 1
    elif node.style:
        at += 1
    for character in node.text:
        if node.style == '"' and raw[at : at + 1] == "\\" and raw[at + 1 : at + 2] not in {"\n", "\r"}:
            spots.append(at)
            at += {"x": 4, "u": 6, "U": 10}.get(raw[at + 1 : at + 2], 2)
            continue
        if character.isspace():
            spots.append(at)
            if raw[at : at + 1] == character and character != "\n":
                at += 1
            continue
        while at < node.end and raw[at] != character:
            at += 1
        spots.append(at)
        at += 2 if node.style == "'" and character == "'" else 1
    return spots


def read_text(path: Path, name: str) -> tuple[str | None, list[Problem]]:
    """The file as text, or None and why not."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return None, [Problem("the file is larger than 5 MB", Place(name), "split it, and include the parts")]
        return path.read_bytes().decode("utf-8-sig"), []
    except FileNotFoundError:
        return None, [Problem("there is no such file", Place(name))]
    except IsADirectoryError:
        return None, [Problem("this is a folder, a file was expected", Place(name))]
    except UnicodeDecodeError as wrong:
        line = wrong.object.count(b"\n", 0, wrong.start) + 1
        return None, [Problem("the file is not UTF-8 text", Place(name, line), "save it as UTF-8")]
    except OSError as wrong:
        return None, [Problem(f"the file cannot be read: {wrong.strerror}", Place(name))]


def parse(text: str, name: str) -> tuple[YamlNode | None, list[Problem]]:
    """The file's tree and every problem of its writing. A syntax error ends the reading: then the tree is None."""
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        return None, [Problem("the file is larger than 5 MB", Place(name), "split it, and include the parts")]
    text = text.removeprefix("\ufeff")
    found = _CONTROL.search(text)
    if found is not None:
        place = Place(name, text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start()))
        return None, [Problem(f"an invisible control character (U+{ord(found[0]):04X})", place, "delete it")]
    builder = _Builder(YamlFile(name, text))
    try:
        return builder.build(_events(text)), builder.problems
    except yaml.MarkedYAMLError as wrong:
        seen = translate(wrong, text, name)
        lines = {problem.place.line for problem in builder.problems if problem.place is not None}
        follows = seen.place is not None and seen.place.line in lines  # what an alias or a tag has already spoilt
        return None, builder.problems if follows else [*builder.problems, seen]


def _events(text: str) -> Iterator[Any]:
    if _CParser is None:  # pragma: no cover
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
        return
    take = _CParser(text).get_event
    while True:
        event = take()
        yield event
        if type(event) is StreamEndEvent:
            return


class _TooDeepError(Exception):
    """Ends the reading at once; the problem is noted already."""


class _Builder:
    """Turns events into nodes, without recursion, so that no nesting can exhaust the stack."""

    def __init__(self, file: YamlFile) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.root: YamlNode | None = None
        self.stack: list[YamlMap | YamlList] = []
        self.keys: list[YamlText | None] = []
        self.anchors: dict[str, tuple[YamlNode, int, bool]] = {}  # node, its size, whether it holds an alias
        self.opened: list[tuple[str | None, int]] = []
        self.seen = 0
        self.repeated = 0
        self.aliased_at = -1

    def wrong(self, event: Any, message: str, hint: str | None = None) -> None:
        mark = event.start_mark
        self.problems.append(Problem(message, Place(self.file.name, mark.line + 1, mark.column + 1), hint))

    def build(self, events: Iterator[Any]) -> YamlNode | None:
        documents = 0
        words = self.file.words
        try:
            for event in events:
                kind = type(event)
                if kind is ScalarEvent:
                    words.append(event.value)
                    self.scalar(event)
                elif kind is MappingStartEvent or kind is SequenceStartEvent:
                    words.append("\x01{" if kind is MappingStartEvent else "\x01[")
                    self.open(event)
                elif kind is MappingEndEvent or kind is SequenceEndEvent:
                    words.append("\x01}")
                    self.close(event)
                elif kind is AliasEvent:
                    words.append(f"\x01*{event.anchor}")
                    self.alias(event)
                elif kind is DocumentStartEvent:
                    documents += 1
                    if documents > 1:
                        self.wrong(
                            event, "a second document begins here", "one file holds one document; delete the '---'"
                        )
                        return self.root
        except _TooDeepError:
            return None
        return self.root

    def scalar(self, event: Any) -> None:
        self.tag(event)
        node = YamlText(self.file, event)
        if event.anchor is not None or event.tag is not None:
            skipped = re.compile(r"(?:[&!]\S*\s*)*").match(self.file.text, node.start, node.end)
            moved = 0 if skipped is None else skipped.end() - node.start
            node.start, node.column = node.start + moved, node.column + moved
        self.add(node, event)
        if event.anchor is not None:
            self.anchors[event.anchor] = (node, 1, False)

    def open(self, event: Any) -> None:
        self.tag(event)
        node: YamlMap | YamlList = (
            YamlMap(self.file, event) if type(event) is MappingStartEvent else YamlList(self.file, event)
        )
        self.add(node, event)
        if len(self.stack) >= MOST_DEPTH:
            self.wrong(event, f"nested more than {MOST_DEPTH} levels deep")
            raise _TooDeepError
        self.stack.append(node)
        self.keys.append(None)
        self.opened.append((event.anchor, self.seen))

    def close(self, event: Any) -> None:
        node = self.stack.pop()
        node.end = event.end_mark.index
        self.keys.pop()
        anchor, since = self.opened.pop()
        if anchor is not None:
            self.anchors[anchor] = (node, self.seen - since + 1, self.aliased_at > since)

    def alias(self, event: Any) -> None:
        if event.anchor not in self.anchors:
            self.wrong(
                event, f"'*{event.anchor}' is an alias that nothing above defines; a value cannot begin with '*'", QUOTE
            )
            self.add(YamlText(self.file, _Blank(event)), event, broken=True)
            return
        node, size, holds_alias = self.anchors[event.anchor]
        self.repeated += size
        if holds_alias:
            self.wrong(event, f"the alias '*{event.anchor}' repeats a value that holds an alias itself", "write it out")
            raise _TooDeepError
        if self.repeated > MOST_REPEATED:
            self.wrong(event, "aliases repeat too much of this file", "write it out, or use 'defaults'")
            raise _TooDeepError
        self.add(node, event)
        self.aliased_at = self.seen

    def tag(self, event: Any) -> None:
        if event.tag is not None:
            self.wrong(event, f"a value cannot begin with '!' (the tag '{event.tag}')", QUOTE)

    def add(self, node: YamlNode, event: Any, *, broken: bool = False) -> None:
        self.seen += 1
        if not self.stack:
            self.root = node
            return
        parent = self.stack[-1]
        if isinstance(parent, YamlList):
            parent.items.append(node)
            return
        key = self.keys[-1]
        if key is None:
            self.key(node, event)
            return
        self.keys[-1] = None
        if key.text in parent.entries:
            first = parent.entries[key.text][0]
            message = f"duplicate key '{key.text}'; it stands on line {first.line} already"
            self.problems.append(Problem(message, key.place, "keep one of the two"))
            return
        parent.entries[key.text] = (key, node)
        if isinstance(node, YamlText) and node.empty and not broken and event.tag is None:
            hint = "an unquoted comma? quote the whole value" if parent.flow else "write a value, or delete the key"
            self.problems.append(Problem(f"key '{key.text}' has no value", key.place, hint))

    def key(self, node: YamlNode, event: Any) -> None:
        if not isinstance(node, YamlText):
            self.wrong(event, "a list or mapping cannot be a key", "quote any value that holds a bracket or brace")
            node = YamlText(self.file, _Blank(event))
        elif node.text == "<<" and not node.style:
            self.wrong(event, "'<<' (merge keys) is not read", "write the keys out, or use 'defaults'")
        self.keys[-1] = node


class _Blank:
    """Stands in for an event whose value cannot be had."""

    def __init__(self, event: Any) -> None:
        self.start_mark = event.start_mark
        self.end_mark = event.end_mark
        self.value = ""
        self.style = None
        self.tag = None
