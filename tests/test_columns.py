"""Rows of Python values gathered in stretches: columns have one type for all of them, however late the first value comes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from connectors.columns import ROWS_HELD, Gathering

LATE = ROWS_HELD + 10


@pytest.mark.parametrize(
    ("value", "other", "kind"),
    [
        (None, 7, pa.int64()),
        (None, 1.5, pa.float64()),
        (3, 1.5, pa.float64()),
        (3, Decimal("1.25"), pa.decimal128(38, 2)),
        (3, "x", pa.string()),
        (None, "x", pa.string()),
        (None, True, pa.bool_()),
        (None, None, pa.null()),
    ],
)
def test_a_value_that_comes_late(value: Any, other: Any, kind: pa.DataType) -> None:
    with Gathering(lambda *_: pytest.fail("nothing is odd")) as gathering:
        for line in range(LATE + 5):
            gathering.add_mapping(line, {"a": value if line < LATE else other, "n": line})
        gathering.finish()
        (table,) = gathering.tables()
    assert table.schema.field("a").type == kind
    found = table.column("a").to_pylist()
    same = str if kind == pa.string() else Decimal if pa.types.is_decimal(kind) else lambda seen: seen
    assert found == [None if v is None else same(v) for v in [value] * LATE + [other] * 5]
    assert table.column("n").to_pylist() == list(range(LATE + 5))


def test_a_column_that_comes_late() -> None:
    with Gathering(lambda *_: pytest.fail("nothing is odd")) as gathering:
        for line in range(LATE):
            gathering.add_mapping(line, {"n": line} if line < LATE - 2 else {"late": "x", "n": line})
        gathering.finish()
        (table,) = gathering.tables()
    assert table.column("late").to_pylist() == [None] * (LATE - 2) + ["x", "x"]
