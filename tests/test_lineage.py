"""Lineage: source, columns, metric, metrics made of it, cards, panels and reviews, by the working file alone."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from tests.desk_house import BOOK, answer, edit, make, run

MORE = """panels:
  wall: {show: [{team: north}, {metric: revenue}]}
reviews:
  weekly: {cadence: weekly, day: monday, scorecards: [sales]}
"""


def test_one_metric_from_columns_to_reviews(tmp_path: Path) -> None:
    make(tmp_path, BOOK.replace("metrics:\n", MORE + "metrics:\n"))
    (told,) = answer(tmp_path, "lineage", "orders_count")["metrics"]
    (source,) = told["sources"]
    assert (source["source"], source["kind"]) == ("orders", "csv")
    assert source["place"].endswith("metrics.yaml:4:3")
    uses = {c["column"]: c["used_as"] for c in source["columns"]}
    assert uses == {"region": ["split by team"], "ordered_at": ["time"]}
    assert (told["made_of"], told["used_by"], told["scorecards"]) == ([], ["per_order"], ["sales"])
    # A slice may stand on north's card, which the wall shows.
    assert (told["split"], told["panels"], told["reviews"]) == ("team", ["wall"], ["weekly"])
    (above,) = answer(tmp_path, "lineage", "per_order")["metrics"]
    assert (above["sources"], above["made_of"], above["panels"]) == ([], ["orders_count", "revenue"], [])
    assert not (tmp_path / "data").exists()


def test_what_is_made_of_slices_alone_has_slices(tmp_path: Path) -> None:
    book = BOOK.replace("metrics:\n", MORE + "metrics:\n")
    make(
        tmp_path,
        f"{book}  twice: {{role: leading, formula: orders_count * 2 + previous(orders_count), better: higher}}\n",
    )
    (told,) = answer(tmp_path, "lineage", "twice")["metrics"]
    assert (told["split"], told["panels"]) == ("team", ["wall"])  # north's slice of it stands there
    assert answer(tmp_path, "lineage", "per_order")["metrics"][0]["split"] is None  # one of its parts has no slices


def test_the_tree_goes_down_to_the_columns(tmp_path: Path) -> None:
    make(tmp_path)
    status, out, _ = run(tmp_path, "lineage", "per_order")
    assert status == 0
    assert "├─ made of revenue  Revenue" in out
    assert "│     ├─ amount      sum" in out
    assert out.rstrip().endswith("└─ on the scorecard sales")
    whole = run(tmp_path, "lineage")[1]
    assert whole.count("on the scorecard") == 3
    rows = list(csv.reader(io.StringIO(run(tmp_path, "--format", "csv", "lineage")[1])))
    assert ["column", "orders.amount", "metric", "revenue", "sum"] in rows
    assert ["metric", "revenue", "metric", "per_order", "part"] in rows


def test_every_measure_tells_its_columns(tmp_path: Path) -> None:
    make(tmp_path)
    more = """  quick: {role: leading, source: orders, p90: paid_at - ordered_at, where: "region = 'North'", unit: d, better: lower}
  open: {role: leading, source: orders, stock: {opened: ordered_at, closed: paid_at, sum: amount}, better: lower}
  share: {role: leading, source: orders, ratio: {of: count_if(amount > 50), to: rows}, unit: percent, better: higher}
"""
    (tmp_path / "metrics.yaml").write_text(BOOK + more)
    told = {m["metric"]: m["sources"][0]["columns"] for m in answer(tmp_path, "lineage")["metrics"] if m["sources"]}
    uses = {name: {c["column"]: c["used_as"] for c in columns} for name, columns in told.items()}
    assert uses["quick"] == {"ordered_at": ["p90", "time"], "paid_at": ["p90"], "region": ["where"]}
    assert uses["open"]["paid_at"] == ["closed"]
    assert uses["open"]["amount"] == ["stock"]
    assert uses["share"]["amount"] == ["ratio"]


def test_mistakes_are_said(tmp_path: Path) -> None:
    make(tmp_path)
    edit(tmp_path, "sum: amount", "smu: amount")
    status, out, err = run(tmp_path, "lineage")
    assert status == 1
    assert "smu" in err
    assert "orders_count" in out
    status, _, err = run(tmp_path, "lineage", "order_count")
    assert status == 1
    assert "did you mean 'orders_count'?" in err
