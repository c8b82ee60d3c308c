"""Whether the first lines of a CSV file are one table: a second header below the first one would count as a row, and make its
columns texts."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from connectors.contract import SourceFailed
from connectors.csv.dialect import Dialect

AMOUNT = re.compile(r"[+-]?[0-9][0-9.,:/TZ +-]*%?", re.ASCII)
"""A number, a date or a time, however it is written."""
DIGIT = re.compile(r"[0-9]")
FEW = 2


@dataclass(frozen=True, slots=True)
class Rows:
    """The header line and those behind it, with their numbers; blank lines are left out.

    Nothing is said of ``declared`` columns: what does not fit their types is put aside and counted.
    """

    numbers: Sequence[int]
    lines: Sequence[str]
    delimiter: str
    dialect: Dialect
    columns: Sequence[str]
    declared: Container[str]

    def must_be_one_table(self, name: str) -> None:
        """Refused: a row of words right below the header, or behind a blank line, where all others hold numbers."""
        quote = self.dialect.quote
        if quote and any(quote in line for line in self.lines):
            return
        header, *rows = (line.split(self.delimiter) for line in self.lines)
        if any(len(row) != len(self.columns) for row in rows):
            return
        for at, row in enumerate(rows):
            apart = self.numbers[at + 1] - self.numbers[at] > 1
            others = rows[1:] if not at else rows[:at]
            if row == header or not (apart if at else len(others) >= FEW):
                continue
            if not self._words(row) or not self._amounts(others):
                continue
            number, column = self.numbers[at + 1], self._amounts(others)[0]
            words = f"if these are values, declare columns: {{{column}: text}}"
            if at:
                said = (
                    f"line {number}, behind a blank line, holds words in '{column}', where the lines above hold numbers"
                )
                raise SourceFailed(f"{said}: a second table?", hint=f"one table a file; {words}", place=name)
            said = f"line {number} holds words in '{column}', where all lines below hold numbers"
            hint = f"if it is the header, set csv: {{skip: {number - 1}}}; {words}"
            raise SourceFailed(f"{said}: a second header?", hint=hint, place=name)

    def _amounts(self, rows: Sequence[Sequence[str]]) -> list[str]:
        """The columns that hold nothing but numbers, dates and times in these rows, and that nobody declared."""
        found = []
        for place, column in enumerate(self.columns):
            cells = [cell for row in rows if (cell := row[place].strip()) and cell not in self.dialect.nulls]
            if cells and column not in self.declared and all(AMOUNT.fullmatch(cell) for cell in cells):
                found.append(column)
        return found

    def _words(self, row: Iterable[str]) -> bool:
        """Whether every cell holds something, and none a digit."""
        return all(cell.strip() and cell not in self.dialect.nulls and not DIGIT.search(cell) for cell in row)
