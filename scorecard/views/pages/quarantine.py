"""Rows that could not be read: which, where, why, and what to do about them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from scorecard.board.board import Board
from scorecard.board.reading import SourceState
from scorecard.book.model.source import Source
from scorecard.views.wording import counted, plain
from scorecard.warehouse.engine import QuarantineGroup, QuarantineRow

CELLS = 7
"""Cells of a row beside the one that is wrong: enough to know it again."""
CELL_LENGTH, LINE_LENGTH = 60, 240
_NUMBERS = re.compile(r"is not (an? (integer|double|decimal)|a number)")
_TIMES = re.compile(r"is not a (timestamp|date)")


def rows_put_aside(board: Board) -> list[dict[str, Any]]:
    """The sources that have such rows, in the order of the book."""
    return [_source(state, board.book.sources.get(state.name)) for state in board.sources if state.quarantine.groups]


def _source(state: SourceState, declared: Source | None) -> dict[str, Any]:
    found, waits = state.quarantine, state.outcome == "held"
    failed = not waits and any(group.failed is not None for group in found.groups)
    said = [f"{counted(found.missing, 'row')} not taken into its table"] if found.missing else []
    if failed:
        said.append("the last load failed because of these rows: nothing was changed")
    return {
        "source": state.name,
        "said": "; ".join(said),
        "status": "red" if failed else "amber",
        "more_reasons": found.reasons - len(found.groups),
        "groups": [_group(group, state, declared) for group in found.groups],
    }


def _group(group: QuarantineGroup, state: SourceState, declared: Source | None) -> dict[str, Any]:
    unread, waits = group.failed is not None, state.outcome == "held"
    return {
        "why": _said(group.kind),
        "rows": plain(group.rows),
        "counted": counted(group.rows, "row") + (" of the load that waits" if unread and waits else ""),
        "status": "red" if unread and not waits else "amber",
        "advice": advice(group, state.kind),
        "more": group.rows - len(group.first),
        "command": f"scorecard loads {state.name} --rows",
        "first": [_row(row, group.column, declared) for row in group.first],
    }


def _said(kind: str) -> str:
    """The reason as a heading; the names of types are for metrics.yaml."""
    words = (
        _NUMBERS.sub("is not a number", kind) if "integer" not in kind else kind.replace("an integer", "a whole number")
    )
    return words[:1].upper() + words[1:]


def _row(row: QuarantineRow, column: str | None, declared: Source | None) -> dict[str, Any]:
    place = row.file or ""
    line = "" if row.line is None else f"line {row.line}" if row.file else f"record {row.line}"
    cells = _cells(row.text) if column is not None else None
    if cells is None:
        return {"place": place, "line": line, "written": _cut(row.text, LINE_LENGTH), "cells": [], "said": row.reason}
    first = [*(() if declared is None else declared.key), *([declared.time] if declared and declared.time else [])]
    names = list(dict.fromkeys([*(n for n in first if n in cells), *cells]))
    shown = [name for name in names if name != column][:CELLS]
    wrong = {"name": column, "value": _value(row.value), "wrong": True}
    others = [{"name": name, "value": _value(cells[name]), "wrong": False} for name in shown]
    return {"place": place, "line": line, "written": "", "cells": [wrong, *others], "said": row.reason}


def _cells(text: str) -> dict[str, Any] | None:
    """The row by column; None where it is kept as it was written, or was too long to be kept whole."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _value(value: Any) -> str:
    return "" if value is None else _cut(str(value), CELL_LENGTH)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def advice(group: QuarantineGroup, kind: str) -> str:
    """What to do next about rows that were put aside for one reason."""
    where = "in the file" if any(row.file for row in group.first) else "where they come from"
    column, why = group.column, group.kind
    if "is empty" in why:
        return f"Give the row its key {where}, or choose another key in metrics.yaml."
    if column is not None and _TIMES.search(why):
        return f"Mend the values {where}, or say how they are written: columns: {{{column}: {{type: …, format: …}}}}."
    if column is not None and _NUMBERS.search(why):
        words = ", ".join(f'"{word}"' for word in _words(row.value for row in group.first))
        marks = ', or the marks of its numbers: csv: {decimal: ",", thousands: "."}' if kind == "csv" else ""
        listed = f" If they mean that there is no value, list them: csv: {{nulls: [{words}]}}{marks}." if words else ""
        return f"Mend the values {where}." + (listed if kind == "csv" else "")
    if column is not None:
        return f"Mend the values {where}, or declare another type: columns: {{{column}: text}}."
    for sign, said in _OF_LINES:
        if sign in why:
            return said
    return f"Mend the rows {where}."


_OF_LINES = (
    ("values where the header has", "Put values that hold the delimiter into quotes; the header names one column for each value."),
    ("quote that opens", 'Close the quote, or double it within a value (""). Where quotes mean nothing: csv: {quote: ""}.'),
    ("closing quote", 'Double a quote within a value (""). Where quotes mean nothing: csv: {quote: ""}.'),
    ("bytes that are not", "Say in which encoding the file is: csv: {encoding: cp1252} is the usual one of Windows."),
    ("header once more", "Nothing is lost: these are header lines of files that were glued together."),
)  # fmt: skip


def _words(values: Iterable[str | None]) -> list[str]:
    """Short values that look like words for nothing."""
    found = dict.fromkeys(v.strip() for v in values if v is not None and len(v.strip()) <= 8)
    return [word for word in found if word and not any(c.isdigit() or c in '"\\' for c in word)][:4]
