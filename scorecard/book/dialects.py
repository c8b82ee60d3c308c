"""How files and times are written: what no reader could make sense of is said where it stands, before a file is read."""

from __future__ import annotations

import codecs
import re

from scorecard.book.notes import Notes, shown
from scorecard.book.shapes.records import Fields

SIGNS = frozenset("aAbBcdfgGhHIjmMnpSTuUVwWxXyYzZ%")
"""Behind a `%`, with or without a `-` that lets the leading zero go: what the warehouse can read."""
YEARS = frozenset("cgGxyY")
MARKS = ("delimiter", "quote", "comment")


def check_csv(options: Fields, notes: Notes) -> None:
    """The options under `csv`, one by one and against each other."""
    owner, known = options.owner, options.values
    encoding = known.get("encoding")
    if encoding is not None and not _known_encoding(encoding):
        hint = "utf-8, utf-16, cp1252 (Windows, western Europe) and latin-1 are the usual ones"
        seen = shown(options.nodes["encoding"])
        notes.error(options.nodes["encoding"], f"'encoding' of {owner} is '{seen}', which is not known", hint)
    decimal, thousands = known.get("decimal", "."), known.get("thousands")
    if thousands and (thousands == decimal or thousands in "0123456789+-"):
        advice = "the sign between thousands is then '.' or a space" if decimal == "," else None
        said = f"'thousands' of {owner} is '{thousands}', and so is 'decimal'"
        if thousands != decimal:
            said = f"'thousands' of {owner} is '{thousands}', which stands in every number"
        elif "decimal" not in options.nodes:
            said, advice = f"{said}, which nobody declared otherwise", 'declare decimal: ","'
        notes.error(options.nodes["thousands"], said, advice)
    taken: dict[str, str] = {'"': "quote"} if "quote" not in options.nodes else {}
    for name in MARKS:
        mark = known.get(name)
        if mark and name in options.nodes:
            if mark in taken:
                message = f"'{name}' of {owner} is '{shown(options.nodes[name])}', and so is '{taken[mark]}'"
                notes.error(options.nodes[name], message, "each sign can mean one thing only")
            taken.setdefault(mark, name)


def _known_encoding(name: str) -> bool:
    try:
        "".encode(codecs.lookup(name).name)
    except (LookupError, ValueError):  # unknown, or no encoding of texts
        return False
    return True


def format_mistake(pattern: str) -> tuple[str, str | None] | None:
    """(what is wrong, what to write) of how a column's times are written; None where it can be read."""
    signs = re.findall(r"%(-?.?)", pattern, re.DOTALL)
    if not signs:
        return "no signs such as %Y", "year, month and day of 2026-09-28 are written %Y-%m-%d"
    for sign in signs:
        if sign.removeprefix("-") not in SIGNS or sign == "-":
            hint = "of seconds since 1970: type epoch_s, without a format" if sign == "s" else None
            return f"the unknown sign '%{sign}'", hint or "see strptime: %Y %m %d %H %M %S %b %z …"
    if not YEARS & {sign.removeprefix("-") for sign in signs}:
        return (
            "no year",
            "every value would be of 1900: put the date together in the file, or declare the column as text",
        )
    return None
