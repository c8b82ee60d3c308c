"""Backtest: counts, runs and flips over the closed periods, against a plain recount."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorecard.board.reading import Reading
from scorecard.desk.backtest import backtest
from scorecard.judgement.status import STATUSES, Status
from tests.desk_house import answer, make, run
from tests.measuring import count, metric, moment

READING = Reading(
    "m", "week", "", None, None, None, moment("2026-01-05"), moment("2026-01-12"), False, False, 1.0, "1", None, None, 1,
    1.0, None, "green", "green", "target", "", None, None, None, None, None, None, moment("2026-01-12"), 1,
)  # fmt: skip


def series(statuses: list[Status]) -> list[Reading]:
    return [replace(READING, period=f"p{i}", status=status) for i, status in enumerate(statuses)]


@given(st.lists(st.sampled_from(STATUSES), max_size=40))
def test_any_series_is_told_whole(statuses: list[Status]) -> None:
    told = backtest(metric("m", count()), series(statuses))
    grouped = [(status, len(list(run))) for status, run in groupby(statuses)]
    assert [(r.status, r.periods) for r in told.runs] == grouped
    assert {s: n for s, n in told.counts.items() if n} == {s: statuses.count(s) for s in set(statuses)}
    for status, longest in told.longest.items():
        assert (0 if longest is None else longest.periods) == max((n for s, n in grouped if s == status), default=0)
    coloured = [s for s in statuses if s not in ("grey", "neutral")]
    assert told.flips == len(list(groupby(coloured))) - bool(coloured)
    assert told.as_json()["periods"] == len(statuses)


def test_the_running_period_and_the_time_before_the_first_value_are_left_out() -> None:
    rows = series(["grey", "grey", "red", "grey", "green", "amber"])
    rows[0], rows[1], rows[3] = (replace(r, value=None) for r in (rows[0], rows[1], rows[3]))
    rows[5] = replace(rows[5], running=True)
    told = backtest(metric("m", count()), rows)
    assert [r.period for r in told.readings] == ["p2", "p3", "p4"]
    assert (told.flips, told.current and told.current.as_json()) == (
        1,
        {"status": "green", "from": "p4", "to": "p4", "periods": 1},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make(tmp_path_factory.mktemp("backtest"))
    assert run(made, "refresh")[0] == 0
    return made


def test_the_command_over_all_closed_periods(folder: Path) -> None:
    told = answer(folder, "backtest", "orders_count")
    # Weeks 29 to 39 by turns red (5 orders) and green (7).
    assert (told["from"], told["to"], told["periods"]) == ("2026-W29", "2026-W39", 11)
    assert told["counts"] == {"green": 5, "amber": 0, "red": 6, "neutral": 0, "grey": 0}
    assert told["flips"] == 10
    assert told["current"] == {"status": "red", "from": "2026-W39", "to": "2026-W39", "periods": 1}
    assert told["longest"]["amber"] is None
    assert told["shares"]["red"] == pytest.approx(6 / 11)
    out = run(folder, "backtest", "orders_count")[1]
    assert "■ red" in out
    assert "its colour turned 10 times" in out


def test_filters_and_formats(folder: Path) -> None:
    told = answer(folder, "backtest", "orders_count", "--team", "north", "--grain", "month")
    assert (told["slice"], told["grain"], told["counts"]["neutral"]) == ({"team": "north"}, "month", told["periods"])
    assert answer(folder, "backtest", "orders_count", "--periods", "4")["flips"] == 3
    rows = list(csv.DictReader(io.StringIO(run(folder, "--format", "csv", "backtest", "per_order")[1])))
    assert [(r["status"], r["periods"]) for r in rows][:3] == [("green", "5"), ("amber", "0"), ("red", "6")]
    assert "nothing could be coloured" in run(folder, "backtest", "revenue")[1]
    status, _, err = run(folder, "backtest", "revenu")
    assert (status, "did you mean 'revenue'?" in err) == (1, True)
