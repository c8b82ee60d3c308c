"""Columns of doubles that are summed with less work, because all of their values are small and finite."""

from __future__ import annotations

import re
from collections.abc import Iterable

from scorecard.measures.plan import Atom
from scorecard.measures.sql import ROWS
from scorecard.warehouse.engine import Engine

LARGEST_TAME = 2.0**42
"""Below this a double in units of 2^-20 is a number of 64 bits."""
_COLUMN = re.compile(re.escape(ROWS) + r'\."[^"]+"')


def tame_among(engine: Engine, table: str, atoms: Iterable[Atom]) -> frozenset[str]:
    """Those of the columns that are summed (SQL). That can be seen at their ends, mostly without a look at any row."""
    doubles = (a.value for a in atoms if a.fold == "sum" and a.digits is None and a.value is not None)
    columns = [value for value in dict.fromkeys(doubles) if _COLUMN.fullmatch(value)]
    if not columns:
        return frozenset()
    ends = ", ".join(
        f"CAST(min({c}) AS DOUBLE) AS a_{n}, CAST(max({c}) AS DOUBLE) AS b_{n}" for n, c in enumerate(columns)
    )
    found = engine.query(f"SELECT {ends} FROM {table} AS {ROWS}").row(0)
    ends_of = zip(columns, found[::2], found[1::2], strict=True)
    return frozenset(c for c, low, high in ends_of if low is not None and -LARGEST_TAME < low <= high < LARGEST_TAME)
