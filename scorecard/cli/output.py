"""Printing: aligned tables for people, JSON and CSV for programs."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence

from scorecard.cli.session import Session

SIGNS = {"green": "●", "amber": "▲", "red": "■", "grey": "◌", "neutral": "○"}
COLOURING = re.compile(r"\x1b\[[0-9;]*m")
LEAST_ROOM = 20
"""Columns under which a last column is not cut any more: too little would be left to read."""
COLOURS = {"green": "36", "amber": "33", "red": "31", "grey": "90", "neutral": "0"}


def print_json(session: Session, value: object) -> None:
    session.say(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


def print_rows(
    session: Session, headings: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str] = ()
) -> None:
    """Rows as CSV or as an aligned table, whichever was asked for; numbers (and the columns ``right``) to the right.

    A table wider than the terminal loses the end of its last column, never in a pipe.
    """
    if session.options.format == "csv":
        session.out.write(as_csv(headings, rows))
        return
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max([len(h), *(visible(row[i]) for row in texts)]) for i, h in enumerate(headings)]
    to_right = [
        h in right or (bool(rows) and all(isinstance(row[i], int | float) or row[i] is None for row in rows))
        for i, h in enumerate(headings)
    ]
    room = None if session.width is None else session.width - sum(w + 2 for w in widths[:-1])

    def line(cells: Sequence[str]) -> str:
        last = cells[-1]
        if room is not None and LEAST_ROOM <= room < visible(last) and "\x1b" not in last:
            last = last[: room - 1] + "…"
        aligned = (
            " " * (w - visible(c)) + c if r else c + " " * (w - visible(c))
            for c, w, r in zip([*cells[:-1], last], widths, to_right, strict=True)
        )
        return "  ".join(aligned).rstrip()

    session.say(line(list(headings)))
    for row in texts:
        session.say(line(row))


def visible(text: str) -> int:
    """How many columns a text takes: colours take none, and wide characters two."""
    import unicodedata

    plain = COLOURING.sub("", text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in plain)


def say_wrapped(session: Session, text: str, indent: str = "  ") -> None:
    """A sentence, on a terminal in lines no longer than it is wide."""
    if session.width is None:
        session.say(text)
        return
    import textwrap

    for line in textwrap.wrap(text, max(LEAST_ROOM, session.width), subsequent_indent=indent):
        session.say(line)


def as_csv(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """CSV; a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    import csv

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    for row in rows:
        writer.writerow([_harmless(cell) for cell in row])
    return text.getvalue()


def _harmless(cell: object) -> object:
    return "'" + cell if isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


def status(session: Session, name: str) -> str:
    """A status as shape and word; coloured on a terminal. ``none``: there is no reading."""
    if name not in SIGNS:
        return name
    text = f"{SIGNS[name]} {name}"
    if not session.coloured:
        return text
    return f"\x1b[{COLOURS[name]}m{text}\x1b[0m"
