"""Bodies into records: strict JSON, a small JSONPath, and nested objects flattened into columns."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator
from typing import Any

from connectors.contract import SourceFailed
from connectors.names import normalise

DEPTH = 100
STEP = re.compile(
    r"""\.(?P<name>[^.\[\]'"*\s]+)|\[(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<index>-?\d+)|(?P<all>\*))\]|\.(?P<star>\*)"""
)
SURROGATE = re.compile("[\ud800-\udfff]")
ALL = object()


class BrokenJsonError(ValueError):
    """Text that is no JSON as the standard has it."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise BrokenJsonError(f"the key {doubled[:60]!r} stands twice in one object")
    return found


def _constant(name: str) -> Any:
    raise BrokenJsonError(f"{name} is no JSON number")


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BrokenJsonError(f"the number {text[:40]} is too large")
    return value


def read_json(body: bytes, charset: str | None = None) -> Any:
    """A JSON document: no NaN, no double keys, no number beyond all bounds, at most 100 levels. Raises BrokenJsonError.

    ``charset`` is what the server says; JSON's own rule (UTF-8, or UTF-16 and 32 by their first bytes) where it says nothing.
    """
    try:
        text = body.decode(_known_charset(charset) or json.detect_encoding(body))
    except UnicodeDecodeError as problem:
        raise BrokenJsonError(f"byte {problem.start + 1} is not {problem.encoding}") from None
    try:
        found = json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_number)
    except json.JSONDecodeError as problem:
        raise BrokenJsonError(f"{problem.msg}, line {problem.lineno} column {problem.colno}") from None
    except RecursionError:
        raise BrokenJsonError("it is nested too deeply") from None
    except ValueError as problem:
        raise BrokenJsonError(str(problem).split(";")[0]) from None
    _check_depth(found)
    return found


def _known_charset(written: str | None) -> str | None:
    try:
        name = codecs.lookup(written).name if written else None
    except (LookupError, ValueError):
        return None  # JSON's own rule then decides
    return None if name is None or name.startswith("utf") or name == "ascii" else name


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise BrokenJsonError(f"it is nested more than {DEPTH} levels deep")


def read_path(path: str) -> list[Any]:
    """The steps of ``$.a['b'][0][*]``. Raises SourceFailed."""
    steps: list[Any] = []
    rest = path.strip()
    position = 1 if rest.startswith("$") else 0
    if not rest.startswith(("$", ".", "[")):
        rest = "." + rest
    while position < len(rest):
        match = STEP.match(rest, position)
        if match is None:
            hint = "such as $.data[*], $.items, $['a name'][0]"
            raise SourceFailed(f"the path {path!r} is not understood from {rest[position:]!r} on", hint=hint)
        if match["all"] or match["star"]:
            steps.append(ALL)
        elif match["index"] is not None:
            steps.append(int(match["index"]))
        else:
            steps.append(next(name for name in (match["name"], match["single"], match["double"]) if name is not None))
        position = match.end()
    return steps


def _walk(document: Any, steps: list[Any]) -> Iterator[Any]:
    if not steps:
        yield document
        return
    step, rest = steps[0], steps[1:]
    if step is ALL:
        items = (
            document if isinstance(document, list) else list(document.values()) if isinstance(document, dict) else []
        )
        for item in items:
            yield from _walk(item, rest)
    elif isinstance(step, int):
        if isinstance(document, list) and -len(document) <= step < len(document):
            yield from _walk(document[step], rest)
    elif isinstance(document, dict) and step in document:
        yield from _walk(document[step], rest)


def find_one(document: Any, path: str) -> Any:
    """The first value at a path (of several, split by ``|``, at the first that leads somewhere), None where there is none."""
    return next((value for part in path.split(" | ") for value in _walk(document, read_path(part))), None)


def find_all(document: Any, path: str) -> list[Any]:
    """Every value at a path."""
    return list(_walk(document, read_path(path)))


def find_records(document: Any, path: str | None) -> list[Any]:
    """The records of a document. Raises SourceFailed where the path leads nowhere."""
    if path is None:
        return _obvious(document)
    steps = there(document, path)
    if steps is None:
        return []
    until = next((place for place, step in enumerate(steps) if step is ALL), len(steps))
    if not any(True for _ in _walk(document, steps[:until])):
        raise SourceFailed(f"records: {path} is not in the answer, which {_contents(document)}", hint="check the path")
    for reached in _walk(document, steps[:until]):
        if until < len(steps) and reached is not None and not isinstance(reached, list | dict):
            raise SourceFailed(f"records: {path} leads to {_named(reached)}, not to a list", hint="check the path")
    found = list(_walk(document, steps))
    if until == len(steps) and len(found) == 1:
        if isinstance(found[0], list):
            return found[0]
        return [] if found[0] is None else found
    return found


def there(document: Any, path: str) -> list[Any] | None:
    """The steps of the alternative that leads somewhere, else of the last; None where a path ending in ``?`` leads nowhere."""
    parts = path.removesuffix("?").split(" | ")
    for part in parts:
        steps = read_path(part)
        until = next((place for place, step in enumerate(steps) if step is ALL), len(steps))
        if any(True for _ in _walk(document, steps[:until])):
            return steps
    return None if path.endswith("?") else read_path(parts[-1])


def _obvious(document: Any) -> list[Any]:
    """Where no path is given: the document itself, or the one list of objects in it."""
    if isinstance(document, list):
        return document
    lists = [value for value in document.values() if isinstance(value, list)] if isinstance(document, dict) else []
    if len(lists) == 1 and all(isinstance(item, dict) for item in lists[0]):
        return lists[0]
    raise SourceFailed(
        f"which part of the answer are the rows? It {_contents(document)}", hint="set records, such as $.data[*]"
    )


def _contents(document: Any) -> str:
    if isinstance(document, dict):
        said = document.get("error") or document.get("errors") or document.get("message")
        tail = f" and says {json.dumps(said, ensure_ascii=False)[:200]}" if said else ""
        return f"has the keys {', '.join(map(repr, list(document)[:20]))}{tail}" if document else "is an empty object"
    return f"is {_named(document)}"


def _named(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "null")


class Flattening:
    """Records into rows: ``{"a": {"b": 1}}`` becomes ``a_b``; lists become JSON text; names are normalised."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, ...], str] = {}
        self._owners: dict[str, tuple[str, ...]] = {}

    def row(self, record: dict[str, Any]) -> dict[str, Any]:
        """One row. Raises SourceFailed where two keys become the same column."""
        found: dict[str, Any] = {}
        self._take(record, (), found)
        return found

    def _take(self, part: dict[str, Any], path: tuple[str, ...], found: dict[str, Any]) -> None:
        for key, value in part.items():
            here = (*path, key)
            if isinstance(value, dict):
                self._take(value, here, found)
            else:
                found[self._names.get(here) or self._name(here)] = (
                    clean_text(value) if isinstance(value, str) else value
                )

    def _name(self, path: tuple[str, ...]) -> str:
        name = normalise("_".join(path), len(self._names) + 1)
        owner = self._owners.setdefault(name, path)
        if owner != path or name == "_line":
            both = " and ".join(repr(".".join(keys)) for keys in (owner, path))
            raise SourceFailed(f"the keys {both} both become the column '{name}'", hint="leave one out in the request")
        self._names[path] = name
        return name


def clean_text(text: str) -> str:
    """Half characters, which JSON can spell and no table can hold, become the replacement character."""
    return text if text.isascii() else SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
