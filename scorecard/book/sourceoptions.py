"""A source's own options by its kind, and which of their values must never be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from scorecard.book.files import Entry
from scorecard.book.notes import Notes, shown
from scorecard.book.paths import inside
from scorecard.book.shapes.records import Fields
from scorecard.book.shapes.source import OF_KIND
from scorecard.ground.yamlfile import YamlMap, YamlNode, YamlText

SECRET_KEYS = frozenset({
    "token", "password", "key", "client_secret", "refresh_token", "private_key", "consumer_secret", "token_secret",
    "secret_key", "session_token", "value", "credentials",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a source needs to know of the rest: the organisation's zone and allowed places, the first file's folder."""

    timezone: str
    allowed: tuple[str, ...]
    home: Path


def read_options(kind: str, fields: Fields, entry: Entry, around: Surroundings, notes: Notes) -> dict[str, Any]:
    names = {key.name for key in OF_KIND.get(kind, ())}
    options = {name: _plain(value) for name, value in fields.values.items() if name in names}
    if kind == "csv" and "path" in options:
        options["path"] = _path(fields.nodes["path"], options["path"], entry, around, fields.owner, notes)
    if isinstance(options.get("csv"), dict) and options["csv"].get("delimiter") == "\\t":
        options["csv"]["delimiter"] = "\t"
    if kind == "http":
        _check_http(options, fields, entry, notes)
    if kind == "sql" and "url" in options:
        _check_database(options, fields, notes)
    _check_use_of_cursor(kind, fields, options, notes)
    return options


def _plain(value: Any) -> Any:
    """Fields as a dict, a value with its node as the value."""
    if isinstance(value, Fields):
        return {key: _plain(inner) for key, inner in value.values.items()}
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], YamlNode):
        return _plain(value[1])
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _path(node: YamlNode, text: str, entry: Entry, around: Surroundings, owner: str, notes: Notes) -> str:
    if re.match(r"https?://", text):
        return text
    if re.match(r"[a-z][a-z0-9+.-]+://", text):
        notes.error(node, f"'path' of {owner} is '{shown(node)}', expected a file, a glob or an https address")
        return text
    allowed = [around.home / place for place in around.allowed]
    if not inside(entry.file.folder, text, allowed):
        hint = "move it there, or list its folder in organization.allow_paths"
        notes.error(node, f"'path' of {owner} is '{shown(node)}', which leaves the folder of its file", hint)
        return text
    if entry.file.folder == around.home or Path(text).is_absolute():
        return text
    return (
        str(Path(entry.file.folder).relative_to(around.home) / text)
        if entry.file.folder.is_relative_to(around.home)
        else text
    )


def _check_http(options: dict[str, Any], fields: Fields, entry: Entry, notes: Notes) -> None:
    if "preset" not in fields.nodes and "url" not in fields.nodes:
        notes.error(entry.key, f"{fields.owner} has neither 'url' nor 'preset'", "add 'url: https://…'")
    if "with" in fields.nodes and "preset" not in fields.nodes:
        notes.error(fields.keys["with"], f"'with' of {fields.owner} needs a 'preset'")
    if "body" in options and options.get("method") == "GET":
        notes.error(fields.keys["body"], f"{fields.owner} sends a body with GET", "add 'method: POST'")
    _check_auth(fields.get("auth"), notes)
    url = options.get("url")
    if url is not None and not re.match(r"https?://[^\s/]", url):
        notes.error(
            fields.nodes["url"],
            f"'url' of {fields.owner} is '{shown(fields.nodes['url'])}', expected an address that begins with https://",
        )


def _check_auth(auth: Fields | None, notes: Notes) -> None:
    needed = {"bearer": ("token",), "basic": ("user",), "key": ("key", "value", "token")}
    choices = () if auth is None else needed.get(auth.get("style"), ())
    if auth is not None and choices and not set(choices) & set(auth.nodes):
        hint = f'write {choices[0]}: "${{NAME}}"'
        notes.error(auth.node, f"'auth' of style {auth.get('style')} has no '{choices[0]}'", hint)


def _check_database(options: dict[str, Any], fields: Fields, notes: Notes) -> None:
    if not re.match(r"[a-z][a-z0-9_+]*:", str(options["url"])):
        seen = shown(fields.nodes["url"])
        notes.error(
            fields.nodes["url"],
            f"'url' of {fields.owner} is '{seen}', expected an SQLAlchemy URL such as postgresql://host/name",
        )


def _check_use_of_cursor(kind: str, fields: Fields, options: dict[str, Any], notes: Notes) -> None:
    """`:cursor` and a cursor belong together, or every pull would silently fetch everything (or nothing)."""
    if kind not in {"sql", "http"}:
        return
    used = (
        re.search(r":cursor\b", str([options.get(key) for key in ("query", "url", "params", "body", "headers")]))
        is not None
    )
    if used and "cursor" not in fields.nodes:
        key = (
            "query"
            if kind == "sql"
            else next((k for k in ("params", "url", "body", "headers") if ":cursor" in str(options.get(k))), "url")
        )
        notes.error(
            fields.keys[key],
            f"'{key}' of {fields.owner} uses :cursor, and no cursor is declared",
            "add 'cursor: {column: …}'",
        )
    if "cursor" in fields.nodes and not used and "preset" not in fields.nodes:
        where = "where updated_at > :cursor" if kind == "sql" else 'params: {since: ":cursor"}'
        notes.warn(
            fields.keys["cursor"],
            f"the cursor of {fields.owner} is never used: every pull fetches everything",
            f"write {where}",
        )


def secrets_of(node: YamlNode, fields: Fields, notes: Notes) -> tuple[str, ...]:
    """All values that must not be shown: filled in ones, passwords in addresses, tokens written into the file."""
    found: list[str] = []
    for key, scalar in _keyed_scalars("", node):
        if scalar.filled:
            found.append(scalar.text)
        if "://" in scalar.text and "@" in scalar.text:
            found += _password(scalar.text)
        if (
            key.startswith(("auth.", "with."))
            and key.rsplit(".", 1)[-1] in SECRET_KEYS
            and not scalar.filled
            and scalar.text
        ):
            found.append(scalar.text)
            name = f"{fields.owner.split(chr(39))[1]}_{key.rsplit('.', 1)[-1]}".upper()
            notes.warn(
                scalar,
                f"'{key}' of {fields.owner} is written into the file",
                f'write "${{{name}}}" and put it into a .env',
            )
    found = [text for text in dict.fromkeys(found) if text]
    notes.secrets.update(found)
    return tuple(found)


def _password(url: str) -> list[str]:
    try:
        password = urlsplit(url).password
    except ValueError:
        return []
    return [] if not password else [password, unquote(password)]


def _keyed_scalars(prefix: str, node: YamlNode) -> list[tuple[str, YamlText]]:
    if isinstance(node, YamlText):
        return [(prefix, node)]
    if isinstance(node, YamlMap):
        pairs = [(f"{prefix}.{key}" if prefix else key, value) for key, (_, value) in node.entries.items()]
    else:
        pairs = [(prefix, item) for item in getattr(node, "items", [])]
    return [found for key, value in pairs for found in _keyed_scalars(key, value)]
