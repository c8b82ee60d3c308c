"""How files and times are written: what cannot be meant is said at its place before anything is read."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from scorecard.book.dialects import SIGNS, format_mistake
from scorecard.book.read import read_book
from scorecard.ground.errors import Refused
from tests.bookfiles import write

BOOK = """version: 1
organization: {name: Test}
sources:
  s: {kind: csv, path: s.csv, %s}
"""


def mistakes(folder: Path, more: str) -> list[str]:
    path = write(folder, BOOK % more)
    try:
        read_book(path)
    except Refused as refused:
        return [str(p).removeprefix(f"{path}:") for p in refused.problems]
    return []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("every: 1h, csv: {encoding: cp-1252}", "4:58: 'encoding' of 'csv' of source 's' is 'cp-1252', which is not known"),
        ("every: 1h, csv: {encoding: rot13}", "which is not known"),
        ("every: 1h, csv: {encoding: latin-1}", None),
        ("every: 1h, csv: {thousands: '.'}", "4:59: 'thousands' of 'csv' of source 's' is '.', and so is 'decimal', which nobody declared"),
        ("every: 1h, csv: {decimal: ',', thousands: ','}", "and so is 'decimal'"),
        ("every: 1h, csv: {decimal: ',', thousands: '.'}", None),
        ("every: 1h, csv: {delimiter: ';', quote: ';'}", "4:71: 'quote' of 'csv' of source 's' is ';', and so is 'delimiter'"),
        ("every: 1h, csv: {delimiter: '|', comment: '|'}", "'comment' of 'csv' of source 's' is '|', and so is 'delimiter'"),
        ("every: 1h, csv: {delimiter: ',', decimal: ','}", None),  # "1,5" in quotes
        ("every: 1h, csv: {delimiter: ';', quote: ''}", None),
        ('every: 1h, columns: {at: {type: date, format: "%d.%m."}}', "4:77: 'format' of column 'at' of source 's' is '%d.%m.', which has no year"),
        ('every: 1h, columns: {at: {type: timestamp, format: "%H:%M"}}', "has no year"),
        ('every: 1h, columns: {at: {type: timestamp, format: "%Y-%m-%d %Q"}}', "has the unknown sign '%Q'"),
        ('every: 1h, columns: {at: {type: timestamp, format: "%s"}}', "type epoch_s, without a format"),
        ("every: 1h, columns: {at: {type: date, format: YYYY-MM-DD}}", "has no signs such as %Y"),
        ('every: 1h, columns: {at: {type: date, format: "%-d/%b/%y"}}', None),
        ('cron: "0 6 30 2 *"', "4:42: 'cron' of source 's' is '0 6 30 2 *': none of these months has a day '30', so it never runs"),
        ('cron: "0 6 31 4,jun *"', "it never runs"),
        ('cron: "0 6 29 2 *"', None),
        ('cron: "0 6 31 */2 *"', None),
        ('cron: "0 6 30 feb mon"', None),  # on Mondays
    ],
)  # fmt: skip
def test_what_cannot_be_meant(more: str, said: str | None, tmp_path: Path) -> None:
    found = mistakes(tmp_path, more)
    assert (found == []) if said is None else [said in text for text in found] == [True], found


def test_the_signs_are_those_that_the_warehouse_reads() -> None:
    def reads(sign: str) -> bool:
        try:
            duckdb.execute("SELECT try_strptime('x', ?)", [f"%{sign}"]).fetchall()
        except duckdb.Error:
            return False
        return True

    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%"
    assert {sign for sign in letters if reads(sign)} == SIGNS
    assert format_mistake("%") is not None
    assert format_mistake("%Y-") is None
