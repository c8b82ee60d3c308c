"""Names and values as they stand in SQL text."""

from __future__ import annotations

from collections.abc import Iterable


def quote(name: str) -> str:
    """An identifier in double quotes: some plain words (`at`, `window`, `limit`) are not allowed bare."""
    return '"' + name.replace('"', '""') + '"'


def quoted(names: Iterable[str], prefix: str = "") -> str:
    """Identifiers separated by commas, each behind ``prefix`` (an alias with its dot)."""
    return ", ".join(prefix + quote(name) for name in names)


def literal(text: str | None) -> str:
    """A text value; None is NULL."""
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def live_table(source: str) -> str:
    """The qualified name of a source's live table."""
    return "main." + quote(source)


def incoming_table(source: str) -> str:
    """Where a whole new table is prepared beside the live one; no source can have this name."""
    return "main." + quote(INCOMING_PREFIX + source)


INCOMING_PREFIX = "_incoming_"
