"""The types of row expressions: asked for all at once, and one that does not compile spoils nobody else's."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from scorecard.ground.errors import ScorecardError
from scorecard.measures.types import Types
from scorecard.warehouse.duck import DuckWarehouse
from tests.warehouse_house import good as loaded
from tests.warehouse_house import source, warehouse_in


class Asked:
    """A real warehouse that counts the questions."""

    def __init__(self, warehouse: DuckWarehouse) -> None:
        self.warehouse = warehouse
        self.questions = 0

    def table(self, source: str) -> str:
        return self.warehouse.table(source)

    def query(self, sql: str) -> pl.DataFrame:
        self.questions += 1
        return self.warehouse.query(sql)


def test_many_are_asked_for_at_once_and_a_wrong_one_is_found_among_them(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    try:
        of = source(columns={"minutes": "double", "n": "integer", "kind": "text"})
        loaded(warehouse, of, {"minutes": ["1.5"], "n": ["2"], "kind": ["a"]})
        good = [f"r.n + {i}" for i in range(40)]
        asked = Asked(warehouse)
        types = Types(asked)  # type: ignore[arg-type]  # only what it asks
        for value in good:
            assert types.note("tickets", (value, "r.minutes"))[0].is_numeric()
        types.ask()
        assert [types.of("tickets", (v, "r.minutes", "r.n"))[1] for v in good] == [pl.Float64()] * 40
        assert asked.questions == 2  # all that was noted; and r.n, which was not
        types.note("tickets", ("r.kind / r.n[1]", "upper(r.kind)"))
        types.ask()
        assert types.of("tickets", ("upper(r.kind)", good[7])) == (pl.String(), types.of("tickets", (good[0],))[0])
        assert asked.questions < 20
        with pytest.raises(ScorecardError):
            types.of("tickets", ("r.kind / r.n[1]",))
    finally:
        warehouse.close()
