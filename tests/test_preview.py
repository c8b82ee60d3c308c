"""Preview: the working file's numbers, and nobody else notices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from scorecard.board.board import Board
from scorecard.book.read import read_book
from scorecard.book.scope import narrowed
from scorecard.cli.doors import opened_here
from scorecard.cli.product import Product
from scorecard.cli.session import Options, Session
from scorecard.desk.spark import spark
from tests.desk_house import BOOK, NOW, answer, edit, make, run

LATE = "  paid: {role: lagging, source: orders, count: paid_at, time: paid_at, better: higher}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make(tmp_path)
    status, _, err = run(tmp_path, "refresh")
    assert status == 0, err
    return tmp_path


def kept(product: Product) -> dict[str, pl.DataFrame]:
    """Everything in the warehouse file, but for the calendar's days."""
    tables = product.engine.query(
        "SELECT schema_name || '.\"' || table_name || '\"' FROM duckdb_tables() WHERE table_name <> 'days' ORDER BY 1"
    ).rows()
    return {name: product.engine.query(f"SELECT * FROM {name}") for (name,) in tables}


def same(before: dict[str, pl.DataFrame], after: dict[str, pl.DataFrame]) -> None:
    assert before.keys() == after.keys()
    for name, frame in before.items():
        assert frame.sort(frame.columns).equals(after[name].sort(frame.columns)), name


def test_a_trial_leaves_no_trace_and_the_serving_meter_goes_on_from_where_it_was(folder: Path) -> None:
    session = Session(Options(folder / "metrics.yaml", folder / "data", NOW))
    with opened_here(session) as product:
        refresher = product.refresher
        refresher.publish()
        before, board = kept(product), refresher.publisher.current()
        seen = {key: tuple(rows) for key, rows in board.readings.items()}
        # Another definition, and a time column for which the table has no reporting days.
        (folder / "other.yaml").write_text(BOOK.replace("sum: amount", "sum: amount * 2") + LATE)
        with refresher.trial(read_book(folder / "other.yaml")) as tried:
            (reading,) = tried.select(["revenue"])
            (paid,) = tried.select(["paid"], period="2026-W39")
            assert reading.value == 2 * _value(board, "revenue")
            # Paid nine days after: of the orders from 12 to 18 September, of which there are 5 in week 37 up to Friday.
            assert paid.value == 5
        same(before, kept(product))
        assert refresher.publisher.current() is board
        # The next board takes over what it had: were the states taken from it, every reading would be a new one.
        after = refresher.publish()
        assert all(
            new is old
            for key, rows in seen.items()
            for old, new in zip(rows[:-3], after.readings[key][:-3], strict=True)
        )
        assert product.engine.query("SELECT count(*) FROM duckdb_databases() WHERE NOT internal").item() == 1


def test_another_time_zone_moves_the_days_of_the_trial_alone(folder: Path) -> None:
    session = Session(Options(folder / "metrics.yaml", folder / "data", NOW))
    with opened_here(session) as product:
        product.refresher.publish()
        before = kept(product)
        west = BOOK.replace("Europe/Berlin", "Pacific/Honolulu")
        (folder / "west.yaml").write_text(west)
        with product.refresher.trial(read_book(folder / "west.yaml")) as tried:
            (there,) = tried.select(["orders_count"], grain="month", period="2026-08")
        (here,) = product.refresher.publisher.current().select(["orders_count"], grain="month", period="2026-08")
        same(before, kept(product))
        # Nine in the morning (UTC) on 1 September is still August there, and on 1 August, a Saturday, nobody ordered.
        assert here.value is not None
        assert there.value == here.value + 1
        assert there.start.utcoffset() != here.start.utcoffset()


def _value(board: Board, metric: str) -> float:
    (reading,) = board.select([metric])
    assert reading.value is not None
    return reading.value


def test_thirteen_periods_and_the_running_one_from_the_working_file(folder: Path) -> None:
    edit(folder, "target: 7, amber: 6", "target: 5, amber: 4")
    told = answer(folder, "preview", "orders_count")
    assert (told["metric"], told["grain"], told["slice"], told["better"]) == ("orders_count", "week", None, "higher")
    assert len(told["readings"]) == len(told["sparkline"]) == 14
    closed, running = told["readings"][-2], told["readings"][-1]
    assert (closed["period"], closed["value"], closed["target"], closed["status"]) == ("2026-W39", 5, 5, "green")
    assert told["because"] == closed["because"]
    assert (running["period"], running["running"], running["reason"]) == ("2026-W40", True, "pace")
    # What is published still has the old target.
    edit(folder, "target: 5, amber: 4", "target: 7, amber: 6")
    (published,) = answer(folder, "values", "orders_count")["readings"]
    assert (published["target"], published["status"]) == (7, "red")


def test_plain_in_a_pipe_and_coloured_where_asked_for(folder: Path) -> None:
    status, out, err = run(folder, "preview", "orders_count")
    assert (status, err) == (0, "")
    assert "\x1b" not in out
    assert "■ red" in out
    assert "● green" in out
    assert "2026-W40 (running)" in out
    assert "heading for" in out
    assert "data until 2026-09-29 11:00 (Europe/Berlin)" in out
    narrow = run(folder, "--width", "80", "preview", "orders_count")[1].splitlines()
    assert max(len(line) for line in narrow if "metrics.yaml" not in line) <= 80
    assert "\x1b[31m■ red\x1b[0m" in run(folder, "--color", "always", "preview", "orders_count")[1]


def test_a_new_metric_a_changed_one_and_mistakes_elsewhere(folder: Path) -> None:
    edit(
        folder,
        "metrics:\n",
        "metrics:\n" + LATE + "  broken: {role: leading, source: orders, cuont: rows, better: higher}\n",
    )
    status, out, err = run(folder, "preview", "paid", "--periods", "2")
    assert status == 0
    assert "2026-W39" in out
    assert "2 mistakes elsewhere in the file, the first at" in err
    status, _, err = run(folder, "preview", "broken")
    assert status == 1
    assert "cuont" in err
    status, _, err = run(folder, "preview", "paidd")
    assert status == 1
    assert "did you mean 'paid'?" in err


def test_what_the_tables_do_not_hold_is_said_at_its_place(folder: Path) -> None:
    edit(folder, "sum: amount", "sum: amuont")
    status, out, err = run(folder, "preview", "revenue")
    assert (status, out) == (1, "")
    assert "metrics.yaml:11:" in err
    assert "amuont" in err


def test_slices_grains_and_chosen_periods(folder: Path) -> None:
    told = answer(folder, "preview", "orders_count", "--team", "north", "--grain", "month", "--periods", "2")
    assert told["slice"] == {"team": "north"}
    assert [r["period"] for r in told["readings"]] == ["2026-07", "2026-08", "2026-09"]
    told = answer(folder, "preview", "orders_count", "--period", "2026-W38")
    assert [(r["period"], r["value"]) for r in told["readings"]] == [("2026-W38", 7)]
    status, _, err = run(folder, "preview", "revenue", "--team", "nroth")
    assert status == 1
    assert "did you mean 'north'?" in err


def test_spark() -> None:
    assert spark([1, 2, 3, None, 8]) == "▁▂▃·█"
    assert spark([5, 5]) == "▅▅"
    assert spark([]) == ""
    assert spark([None, float("nan")]) == "··"
    assert spark([-1.7e308, 1.7e308]) == "▁█"


SCENARIOS = Path(__file__).parent / "scenarios"


@pytest.mark.parametrize(
    "name", ["quantiles", "stock-at-the-end", "distinct-customers", "ratio-over-teams", "targets-by-team"]
)
def test_a_trial_of_the_same_book_gives_the_same_readings(tmp_path: Path, name: str) -> None:
    config = SCENARIOS / name / "metrics.yaml"
    now = next(
        line.split("now:")[1].split("#")[0].strip().strip("'\"")
        for line in (SCENARIOS / name / "expected.yaml").read_text().splitlines()
        if line.startswith("now:")
    )
    with opened_here(Session(Options(config, tmp_path, now))) as product:
        product.refresher.pull(cause="command")
        board = product.refresher.publish()
        for book in (product.book, narrowed(product.book, product.book.metrics)):
            with product.refresher.trial(book) as tried:
                assert tried.readings.keys() == board.readings.keys()
                for key, rows in board.readings.items():
                    assert tuple(tried.shown(r) for r in tried.readings[key]) == tuple(
                        replace(board.shown(r), version=tried.version) for r in rows
                    )
