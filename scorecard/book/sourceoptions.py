"""A source's own options by its kind, and which of their values must never be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from connectors.sql.statement import statement_mistake
from scorecard.book.files import Entry
from scorecard.book.notes import Notes, shown
from scorecard.book.paths import inside
from scorecard.book.presets import Preset, merged
from scorecard.book.shapes.records import Fields
from scorecard.book.shapes.scalars import named
from scorecard.book.shapes.source import OF_KIND, PAGING
from scorecard.ground.errors import did_you_mean
from scorecard.ground.values import dataclass
from scorecard.ground.yamlfile import YamlMap, YamlNode, YamlText

SECRET_KEYS = frozenset({
    "token", "password", "key", "client_secret", "refresh_token", "private_key", "consumer_secret", "token_secret",
    "secret_key", "session_token", "value", "credentials",
})  # fmt: skip


KEY_FILE = re.compile(r"[^\n]{1,300}\.(pem|key|json|p8)")
"""A key that stands in a file of its own: its path is no secret."""
GRANTS = ("client_credentials", "refresh_token", "jwt")
TIME_NAME = re.compile(r"(^|_)(at|on|date|day|time|timestamp|modified|updated|changed|created)$")
ASKING = ("query", "url", "params", "body", "variables", "headers")
NEEDED_OF_STYLE: dict[str, tuple[tuple[str, ...], ...]] = {
    "bearer": (("token",),), "basic": (("user",),), "key": (("key", "value", "token"),),
    "oauth1": (("consumer_key",), ("consumer_secret",), ("token",), ("token_secret",)),
    "oauth2": (("token_url",), ("client_id",)),
    "sigv4": (("access_key",), ("secret_key",), ("region",), ("service",)),
    "google": (("credentials",), ("scope",)), "session": (("login_url",),),
}  # fmt: skip
"""Per style of signing in, what it cannot do without; one of each group."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a source needs to know of the rest: the organisation's zone and allowed places, the first file's folder."""

    timezone: str
    allowed: tuple[str, ...]
    home: Path


def read_options(
    kind: str, fields: Fields, entry: Entry, around: Surroundings, usual: Mapping[str, Any], notes: Notes
) -> dict[str, Any]:
    """The kind's own options; ``usual`` are those of the source's preset, which its own go before."""
    names = {key.name for key in OF_KIND.get(kind, ())}
    options = {name: _plain(value) for name, value in fields.values.items() if name in names}
    if kind == "csv" and "path" in options:
        options["path"] = _path(fields.nodes["path"], options["path"], entry, around, fields.owner, notes)
    if isinstance(options.get("csv"), dict) and options["csv"].get("delimiter") == "\\t":
        options["csv"]["delimiter"] = "\t"
    if kind == "http":
        _check_http(options, fields, entry, notes)
    if kind == "external" and "table" in options:
        _check_external(options["table"], fields, notes)
    if kind == "sql" and "url" in options:
        _check_database(options, fields, notes)
    if kind == "sql" and "query" in options and (wrong := statement_mistake(options["query"])) is not None:
        notes.error(fields.nodes["query"], f"'query' of {fields.owner} {wrong[0]}", wrong[1])
    options = merged(options, {key: value for key, value in usual.items() if key in names})
    auth = options.get("auth") if isinstance(options.get("auth"), dict) else {}
    if auth and (auth.get("style") == "google" or "private_key" in auth):
        from connectors.http.assertions import INSTALL, can_sign  # with pyarrow, which no other check needs

        if not can_sign():
            at = fields.nodes.get("auth") or fields.nodes.get("preset")
            notes.warn(at, f"{fields.owner} signs with a private key, which needs pyjwt and cryptography", INSTALL)
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
    for key in ("body", "query"):
        if key in options and options.get("method") == "GET":
            notes.error(fields.keys[key], f"{fields.owner} sends a body with GET", "add 'method: POST'")
    if "body" in options and "query" in options:
        notes.error(
            fields.keys["body"], f"{fields.owner} has both 'query' and 'body'", "the query is the body: keep one"
        )
    if "variables" in options and "query" not in options and "preset" not in fields.nodes:
        notes.error(fields.keys["variables"], f"'variables' of {fields.owner} need a GraphQL 'query'")
    _check_paging(fields.get("paging"), options, fields, notes)
    _check_paths(fields, notes)
    if "window" in options and not re.search(r":(from|until)\b", str([options.get(key) for key in ASKING])):
        notes.warn(
            fields.keys["window"], f"the window of {fields.owner} is never used", 'write params: {since: ":from"}'
        )
    _check_auth(fields.get("auth"), notes)
    url = options.get("url")
    if url is not None and not re.match(r"https?://[^\s/]", url):
        notes.error(
            fields.nodes["url"],
            f"'url' of {fields.owner} is '{shown(fields.nodes['url'])}', expected an address that begins with https://",
        )


def _check_auth(auth: Fields | None, notes: Notes) -> None:
    if auth is None or auth.get("style") is None:
        return
    style, grant = auth.get("style"), auth.get("grant", "client_credentials")
    needed = list(NEEDED_OF_STYLE[style])
    if style == "oauth2":
        signed = "private_key" in auth.nodes or grant == "jwt"
        needed.append(
            ("private_key",) if signed else ("refresh_token",) if grant == "refresh_token" else ("client_secret",)
        )
        if grant not in GRANTS:
            hint = did_you_mean(grant, GRANTS) or f"one of {', '.join(GRANTS)}"
            notes.error(auth.nodes["grant"], f"'grant' of {auth.owner} is '{shown(auth.nodes['grant'])}'", hint)
    if style == "session" and "body" not in auth.nodes:
        needed += [("user",), ("password",)]
    for choices in needed:
        if not set(choices) & set(auth.nodes):
            plain = choices[0] in {"scope", "region", "service"} or choices[0].endswith("_url")
            hint = f"write {choices[0]}: …" if plain else f'write {choices[0]}: "${{NAME}}"'
            notes.error(auth.node, f"'auth' of style {style} has no '{choices[0]}'", hint)


def _check_paging(paging: Fields | None, options: Mapping[str, Any], fields: Fields, notes: Notes) -> None:
    if paging is None or paging.get("style") is None:
        return
    style = paging.get("style")
    needed = {"cursor": ("next",), "graphql": ("next",), "keyset": ("column",)}.get(style, ())
    for key in needed:
        if key not in paging.nodes:
            notes.error(
                paging.node, f"'paging' of style {style} has no '{key}'", f"add '{key}': {PAGING.index[key].describe}"
            )
    if style == "graphql" and not {"query", "body"} & set(options) and "preset" not in fields.nodes:
        notes.error(paging.node, f"{fields.owner} pages through GraphQL without a 'query'", "add 'query: ...'")
    asked = str([options.get(key) for key in ("url", "params", "body", "variables")])
    if style == "keyset" and ":after" not in asked and "preset" not in fields.nodes:
        hint = "write where id > :after order by id"
        notes.error(paging.node, f"{fields.owner} pages by key, and :after stands nowhere in its request", hint)


def _check_paths(fields: Fields, notes: Notes) -> None:
    """Paths into the answer are read once here, so that a bracket too few does not wait for the first pull."""
    paging, rows = fields.get("paging"), fields.get("rows")
    nodes = [(fields, "records"), (fields, "errors")]
    nodes += [(paging, key) for key in ("next", "more", "total", "ready") if isinstance(paging, Fields)]
    nodes += [(rows, key) for key in ("names", "values") if isinstance(rows, Fields)]
    nodes = [(owner, key) for owner, key in nodes if owner.get(key) is not None]
    if not nodes:
        return
    from connectors.contract import SourceFailed  # with pyarrow, which a check without such paths does not need
    from connectors.http.records import read_path

    for owner, key in nodes:
        written = owner.get(key)
        for path in written if isinstance(written, tuple) else (written,):
            for part in path.removesuffix("?").split(" | "):
                try:
                    read_path(part)
                except SourceFailed as problem:
                    message = f"{named((key, owner.owner))} is '{shown(owner.nodes[key])}': {problem.message}"
                    notes.error(owner.nodes[key], message, problem.hint)


def _check_database(options: dict[str, Any], fields: Fields, notes: Notes) -> None:
    if not re.match(r"[a-z][a-z0-9_+]*:", str(options["url"])):
        seen = shown(fields.nodes["url"])
        notes.error(
            fields.nodes["url"],
            f"'url' of {fields.owner} is '{seen}', expected an SQLAlchemy URL such as postgresql://host/name",
        )


def _check_external(table: str, fields: Fields, notes: Notes) -> None:
    if not re.fullmatch(r"([A-Za-z]\w*\.)?[A-Za-z]\w*", table):
        seen = shown(fields.nodes["table"])
        notes.error(
            fields.nodes["table"],
            f"'table' of {fields.owner} is '{seen}', expected a table of the warehouse such as payroll.hours",
        )
    elif fields.owner == f"source '{table.removeprefix('main.')}'":
        hint = "name the table that something else fills, such as payroll.hours"
        notes.error(fields.nodes["table"], f"'table' of {fields.owner} is the source itself", hint)
    for key in ("key", "mode", "cursor", "full_every", "deleted"):
        if key in fields.keys:
            message = f"'{key}' of {fields.owner} does nothing: an external table is looked at, not copied"
            notes.warn(fields.keys[key], message, f"delete '{key}'")


def _check_use_of_cursor(kind: str, fields: Fields, options: dict[str, Any], notes: Notes) -> None:
    """`:cursor` and a cursor belong together, or every pull would silently fetch everything (or nothing)."""
    if kind not in {"sql", "http"}:
        return
    used = re.search(r":cursor\b", str([options.get(key) for key in ASKING])) is not None
    if used and "cursor" not in fields.nodes:
        key = (
            "query"
            if kind == "sql"
            else next((k for k in ASKING if ":cursor" in str(options.get(k)) and k in fields.keys), "url")
        )
        notes.error(
            fields.keys[key],
            f"'{key}' of {fields.owner} uses :cursor, and no cursor is declared",
            "add 'cursor: {column: …}'",
        )
    if "cursor" in fields.nodes and not used:
        where = "where updated_at > :cursor" if kind == "sql" else 'params: {since: ":cursor"}'
        notes.warn(
            fields.keys["cursor"],
            f"the cursor of {fields.owner} is never used: every pull fetches everything",
            f"write {where}",
        )
    cursor = fields.get("cursor")
    if kind == "sql" and used and cursor is not None and "lookback" not in cursor.nodes and _is_a_time(cursor, fields):
        message = f"the cursor of {fields.owner} looks back by nothing: rows that commit late, or tie with the newest, are missed"
        notes.warn(
            fields.keys["cursor"], message, "add lookback: 5m, longer than the longest transaction (or 0s to say so)"
        )


def _is_a_time(cursor: Fields, fields: Fields) -> bool:
    """Whether the cursor's column is declared as a time, or begins with a date, or is called like one."""
    column, columns = cursor.get("column"), fields.get("columns")
    node = columns.entries[column][1] if isinstance(columns, YamlMap) and column in columns.entries else None
    if isinstance(node, YamlMap) and "type" in node.entries:
        node = node.entries["type"][1]
    if isinstance(node, YamlText):
        return node.text in {"timestamp", "date", "epoch_s", "epoch_ms"}
    dated = re.match(r"\d{4}-\d\d", str(cursor.get("start") or "")) is not None
    return dated or TIME_NAME.search(str(column)) is not None


def secrets_of(node: YamlNode, fields: Fields, preset: Preset | None, notes: Notes) -> tuple[str, ...]:
    """All values that must not be shown: filled in ones, passwords in addresses, tokens written into the file."""
    found: list[str] = []
    secret = SECRET_KEYS | (frozenset() if preset is None else preset.secrets)
    for key, scalar in _keyed_scalars("", node):
        if scalar.filled:
            found += [scalar.text, *scalar.values]  # a value comes back alone too, in what a server answers
        if "://" in scalar.text and "@" in scalar.text:
            found += _password(scalar.text)
        if (
            key.startswith(("auth.", "with."))
            and key.rsplit(".", 1)[-1] in secret
            and not scalar.filled
            and scalar.text
            and not KEY_FILE.fullmatch(scalar.text)
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
