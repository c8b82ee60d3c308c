"""Shapes of names: columns, people, and what is defined elsewhere in the book."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from connectors.names import RESERVED, normalise
from scorecard.book.model.organization import ORGANIZATION, Person
from scorecard.book.notes import Notes, shown
from scorecard.book.shapes.scalars import MISSING, Label, named, text_of
from scorecard.ground.yamlfile import YamlList, YamlNode, YamlText

ENGINES_OWN = frozenset({
    "duckdb_columns", "duckdb_constraints", "duckdb_databases", "duckdb_indexes", "duckdb_logs", "duckdb_schemas",
    "duckdb_tables", "duckdb_types", "duckdb_views", "pragma_database_list", "sqlite_master", "sqlite_schema",
    "sqlite_temp_master", "sqlite_temp_schema",
})  # fmt: skip
"""Names of the engine's own tables: no source can have one of them."""


@dataclass(eq=False, repr=False)
class PersonShape:
    """`Dana Lee <dana@example.com>`, exactly one person."""

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        expected = "one person, such as Dana Lee <dana@example.com>"
        if isinstance(node, YamlList):
            notes.error(node, f"{named(label)} is a list, expected {expected}", "exactly one person answers")
            return MISSING
        text = text_of(node, label, notes, expected)
        if text is None:
            return MISSING
        found = re.fullmatch(
            r"([^<>@]*[^<>@\s])(?:\s*<([^<>@\s,;]+@[^<>@\s,;]+)>)?|()([^<>@\s,;]+@[^<>@\s,;]+)", text.strip()
        )
        name = "" if found is None else found[1] or found[4]
        if found is None or re.search(r"[,;/&+]|\s(and|und|et|y|or)\s", name):
            hint = "exactly one person answers" if found is not None or text.count("@") > 1 else "write Name <address>"
            notes.error(node, f"{named(label)} is '{shown(node)}', expected {expected}", hint)
            return MISSING
        return Person(name, found[2] or found[4])

    def schema(self) -> dict[str, object]:
        return {"type": "string", "examples": ["Dana Lee <dana@example.com>"]}


@dataclass(eq=False, repr=False)
class ColumnName:
    """A column, as the source writes it or normalised; read as normalised."""

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        text = text_of(node, label, notes, "a column's name")
        if text is None:
            return MISSING
        text = text.strip()
        if re.search(r"[()*/=<>;\"]|\s[-+]\s|\|\|", text):
            notes.error(node, f"{named(label)} is '{shown(node)}', expected a column's name, not an expression")
            return MISSING
        return normalise(text)

    def schema(self) -> dict[str, object]:
        return {"type": "string", "examples": ["created_at"]}


@dataclass(eq=False, repr=False)
class Name:
    """A reference to something named elsewhere in the book; whether it exists is checked when all is read."""

    what: str

    def read(self, node: YamlNode, label: Label, notes: Notes) -> Any:
        text = text_of(node, label, notes, f"the name of a {self.what}")
        if text is None:
            return MISSING
        notes.refer(node, self.what, text.strip())
        return text.strip()

    def schema(self) -> dict[str, object]:
        return {"type": "string", "description": f"The name of a {self.what}"}


def check_name(node: YamlText, what: str, notes: Notes, *, dashes: bool) -> bool:
    """Whether a defined name is allowed; reports it otherwise."""
    text = node.text
    pattern = r"[a-z][a-z0-9_-]*" if dashes else r"[a-z][a-z0-9_]*"
    if not re.fullmatch(pattern, text, re.ASCII):
        allowed = "small letters, digits, _ and -" if dashes else "small letters, digits and _"
        fitting = normalise(text)
        hint = f"write {fitting.replace('_', '-') if dashes and '_' not in text else fitting}"
        notes.error(node, f"the {what} name '{shown(node)}' is not allowed: {allowed}, beginning with a letter", hint)
        return False
    if not dashes and text in RESERVED:
        notes.error(node, f"the {what} name '{text}' is a reserved SQL word", f"write {text}_ or another name")
        return False
    if what == "source" and text in ENGINES_OWN:
        notes.error(node, f"the source name '{text}' is that of a table of the engine's own", f"write {text}_")
        return False
    if dashes and text == ORGANIZATION:
        notes.error(node, f"the {what} name '{ORGANIZATION}' is the organisation's own", "choose another name")
        return False
    return True
