"""Numbers with grouped thousands lose the signs between them; the decimal sign stays, for the warehouse knows it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from connectors.csv.dialect import Dialect

NUMERIC = {"double", "integer", "decimal"}


class Ungrouping:
    """Takes the thousands signs out of cells that are numbers written exactly as declared; any other cell stays as it is."""

    def __init__(self, dialect: Dialect, declared: Mapping[str, str]) -> None:
        self._sign = dialect.thousands or ""
        self._declared = declared
        group, point = re.escape(self._sign), re.escape(dialect.decimal)
        self._pattern = rf"\s*[+-]?[0-9]{{1,3}}(?:{group}[0-9]{{3}})+(?:{point}[0-9]*)?\s*"
        self._number = re.compile(self._pattern)

    def concerns(self, column: str) -> bool:
        """Whether a column may hold numbers: one declared as text or time is left alone."""
        return bool(self._sign) and self._declared.get(column, "double") in NUMERIC

    def cell(self, text: str) -> str:
        return text.replace(self._sign, "") if self._sign in text and self._number.fullmatch(text) else text

    def sql(self, cell: str) -> str:
        """The same as an expression of DuckDB."""
        pattern, sign = (value.replace("'", "''") for value in (self._pattern, self._sign))
        return f"CASE WHEN regexp_full_match({cell}, '{pattern}') THEN replace({cell}, '{sign}', '') ELSE {cell} END"
