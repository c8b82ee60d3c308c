"""The SQL of sources' checks: what cannot be run is an error of `scorecard check`, not of the next load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.desk_house import run

BOOK = """\
version: 1
organization: {name: Northwind, timezone: UTC}
sources:
  visits: {kind: csv, path: visits.csv, every: 1h, key: [id], time: day}
  pages:
    kind: csv
    path: visits.csv
    every: 1h
    checks:
      - sql: "CONDITION"
"""
GOOD = "select count(*) > 0 from pages"


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("select count(*) > 0 from pages join visits using (id)", ""),
        ("with few as (select * from Visits) select count(*) = 2 from few", ""),
        ("select count(*) from visits", "gives BIGINT (write one SELECT that gives one true or false"),
        ("select true, false from pages, visits", "gives BOOLEAN, BOOLEAN"),
        ("select max(p.gone) > 0 from pages p, visits", "cannot be run"),
        ("select count(*) > 0 from pages order by", "unexpected"),
    ],
)
def test_a_check_that_cannot_be_run_is_said_before_a_load(tmp_path: Path, condition: str, said: str) -> None:
    (tmp_path / "visits.csv").write_text("id,day\n1,2026-03-02\n2,2026-03-03\n")
    (tmp_path / "metrics.yaml").write_text(BOOK.replace("CONDITION", GOOD))
    assert run(tmp_path, "refresh")[0] == 0
    (tmp_path / "metrics.yaml").write_text(BOOK.replace("CONDITION", condition))
    status, out, err = run(tmp_path, "check")
    assert (status, said in err) == (1 if said else 0, True), out + err
    if said:
        assert "metrics.yaml:10:" in err
