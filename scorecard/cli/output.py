"""Printing: aligned tables for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from scorecard.cli.session import Session

if TYPE_CHECKING:
    from scorecard.board.reading import Reading

SIGNS = {"green": "●", "amber": "▲", "red": "■", "grey": "◌", "neutral": "○"}
COLOURS = {"green": "36", "amber": "33", "red": "31", "grey": "90", "neutral": "0"}
READING_COLUMNS = (
    "metric", "grain", "period", "slice", "value", "text", "status", "reason", "target", "amber", "n", "because",
    "previous", "year_ago", "loaded_at", "data_until", "fresh_until",
)  # fmt: skip


def print_json(session: Session, value: object) -> None:
    session.say(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


def print_rows(session: Session, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Rows as CSV or as an aligned table, whichever was asked for; numbers to the right."""
    if session.options.format == "csv":
        session.out.write(as_csv(headings, rows))
        return
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max([len(h), *(len(row[i]) for row in texts)]) for i, h in enumerate(headings)]
    right = [
        bool(rows) and all(isinstance(row[i], int | float) or row[i] is None for row in rows)
        for i in range(len(headings))
    ]

    def line(cells: Sequence[str]) -> str:
        aligned = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
        return "  ".join(aligned).rstrip()

    session.say(line(list(headings)))
    for row in texts:
        session.say(line(row))


def as_csv(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """CSV; a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    for row in rows:
        writer.writerow([_harmless(cell) for cell in row])
    return text.getvalue()


def _harmless(cell: object) -> object:
    return "'" + cell if isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


def print_readings(session: Session, readings: Sequence[Reading]) -> None:
    """Readings in the format asked for; JSON is the API's own answer."""
    if session.options.format == "json":
        print_json(session, {"readings": [r.as_json() for r in readings]})
        return
    if session.options.format == "csv":
        print_rows(session, READING_COLUMNS, [_flat(r.as_json()) for r in readings])
        return
    rows = [
        (r.metric, r.period, "" if r.slice is None else r.slice[1], r.text, status(session, r.status), r.because)
        for r in readings
    ]
    print_rows(session, ("metric", "period", "slice", "value", "status", "because"), rows)


def _flat(reading: Mapping[str, object]) -> list[object]:
    cells: list[object] = []
    for name in READING_COLUMNS:
        cell = reading[name]
        if isinstance(cell, dict):
            cell = next(iter(cell.values()))
        cells.append(" to ".join(map(str, cell)) if isinstance(cell, list) else cell)
    return cells


def status(session: Session, name: str) -> str:
    """A status as shape and word; coloured on a terminal."""
    text = f"{SIGNS[name]} {name}"
    if session.inside or not session.out.isatty():
        return text
    return f"\x1b[{COLOURS[name]}m{text}\x1b[0m"


FORMATS_HELP = "Exit status: 0 fine, 1 your input or a source is at fault, 2 wrong usage, 70 our own fault."
