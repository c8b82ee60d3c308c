"""Explain: from the definition to the colour, for what reads rows and for what is made of other metrics."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.desk_house import BOOK, answer, make, run

MORE = """  growth: {title: Growth, team: sales, role: lagging, change: {of: revenue, versus: previous}, unit: percent, better: higher}
  step: {title: Step, team: sales, role: lagging, formula: revenue - previous(revenue), unit: EUR, better: higher}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make(tmp_path_factory.mktemp("explain"), BOOK + MORE)
    assert run(made, "refresh")[0] == 0
    return made


def test_a_metric_of_rows(folder: Path) -> None:
    told = answer(folder, "explain", "orders_count", "--period", "2026-W38")
    assert told["place"].endswith("metrics.yaml:10:3")
    assert (told["measure"], told["better"], told["problem"]) == ("count", "higher", None)
    assert "count: rows" in told["definition"]
    assert "COUNT(*)" in told["sql"][0]
    (source,) = told["inputs"]
    assert (source["source"], source["rows"], source["future_rows"]) == ("orders", 68, 1)
    last = told["steps"][-1]
    assert (last["step"], last["applies"], last["detail"]) == ("target", True, told["because"])
    assert [s["applies"] for s in told["steps"][:-1]] == [False] * (len(told["steps"]) - 1)
    assert (told["reading"]["period"], told["reading"]["value"]) == ("2026-W38", 7)


def test_formulas_and_changes_tell_their_parts(folder: Path) -> None:
    told = answer(folder, "explain", "per_order")
    parts = {i["metric"]: i["value"] for i in told["inputs"] if "metric" in i}
    assert told["reading"]["value"] == parts["revenue"] / parts["orders_count"]
    assert [i["source"] for i in told["inputs"] if "source" in i] == ["orders"]
    assert len(told["sql"]) == 2
    (now, before) = [i for i in answer(folder, "explain", "growth")["inputs"] if "metric" in i]
    assert (before["period"], before["compared"]) == ("2026-W38", "previous")
    growth = answer(folder, "explain", "growth")["reading"]["value"]
    assert growth == pytest.approx((now["value"] - before["value"]) / before["value"])
    (part,) = [i for i in answer(folder, "explain", "step")["inputs"] if "metric" in i]
    assert answer(folder, "explain", "step")["reading"]["value"] == part["value"] - part["previous"]


def test_slices_grains_and_cards(folder: Path) -> None:
    told = answer(folder, "explain", "orders_count", "--team", "north", "--grain", "month")
    assert (told["reading"]["slice"], told["reading"]["grain"], told["reading"]["period"]) == (
        {"team": "north"},
        "month",
        "2026-08",
    )
    # No slice of its own, but it stands on the card of sales.
    assert answer(folder, "explain", "revenue", "--team", "sales")["reading"]["slice"] is None
    for words, hint in (
        (("revenue", "--team", "nroth"), "did you mean 'north'?"),
        (("revenue", "--team", "north"), "neither stands on the card of 'north'"),
        (("orders_count", "--grain", "day"), "choose a coarser grain"),
        (("orders_count", "--team", "north", "--process", "x"), "both given"),
        (("revenu",), "did you mean 'revenue'?"),
    ):
        status, _, err = run(folder, "explain", *words)
        assert status == 1
        assert hint in err


def test_for_people_and_as_csv(folder: Path) -> None:
    out = run(folder, "explain", "per_order")[1]
    for said in (
        "2026-W39: 48 EUR  ■ red",
        "because 48 EUR is under the target of 50 EUR",
        "metric revenue 2026-W39: 240 EUR",
        "loaded 2026-09-30 10:00",
        " target: 48 EUR is under the target of 50 EUR",
    ):
        assert said in out
    rows = list(csv.DictReader(io.StringIO(run(folder, "--format", "csv", "explain", "per_order")[1])))
    assert (rows[-1]["step"], rows[-1]["applies"]) == ("target", "True")
