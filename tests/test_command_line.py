"""The command line as a program sees it: options, exit statuses, words instead of tracebacks."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.served import inside as scorecard

BOOK = """
version: 1
organization: {name: Test, timezone: UTC}
sources:
  orders: {kind: csv, path: orders.csv, every: 1m, key: [order_id], time: ordered_at}
teams:
  sales: {title: Sales, owner: Ana Ruiz}
metrics:
  orders_count: {title: Orders, team: sales, role: lagging, source: orders, count: rows, better: higher, target: 3, amber: 2}
  revenue: {title: Revenue, team: sales, role: lagging, source: orders, sum: amount, unit: EUR, better: higher}
"""
ROWS = """order_id,ordered_at,amount
1,2026-09-21T10:00:00Z,10.50
2,2026-09-22T10:00:00Z,20.25
3,2026-09-23T10:00:00Z,30.00
4,2026-09-15T10:00:00Z,1.00
"""
NOW = "2026-09-28T08:00:00Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "metrics.yaml").write_text(BOOK)
    (tmp_path / "orders.csv").write_text(ROWS)
    return tmp_path


def process(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command as a shell runs it."""
    command = [sys.executable, "-m", "scorecard", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_refresh_then_values_in_every_format(folder: Path) -> None:
    done = process(folder, "--now", NOW, "--format", "json", "refresh")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    load = report["loads"][0]
    assert report["version"] >= 1
    assert (load["source"], load["outcome"], load["read"], load["loaded"], load["problem"]) == (
        "orders",
        "ok",
        4,
        4,
        None,
    )
    answered = process(folder, "values", "--format", "json", "--now", NOW)
    readings = {r["metric"]: r for r in json.loads(answered.stdout)["readings"]}
    assert (readings["orders_count"]["period"], readings["orders_count"]["value"]) == ("2026-W39", 3)
    assert (readings["orders_count"]["status"], readings["orders_count"]["reason"]) == ("green", "target")
    assert readings["revenue"]["value"] == 60.75
    assert (readings["revenue"]["status"], readings["revenue"]["reason"]) == ("neutral", "no_target")
    before = scorecard(folder, "--now", NOW, "values", "orders_count", "--period", "2026-W38", "--format=json")
    assert json.loads(before.stdout)["readings"][0]["status"] == "red"
    rows = list(csv.DictReader(io.StringIO(scorecard(folder, "--now", NOW, "--format", "csv", "values").stdout)))
    assert [r["metric"] for r in rows] == ["orders_count", "revenue"]
    table = scorecard(folder, "--now", NOW, "values", "--periods", "2").stdout
    assert table.count("2026-W38") == 2
    assert "● green" in table


def test_wrong_usage_is_2_and_wrong_input_is_1(folder: Path) -> None:
    assert process(folder, "valeus").returncode == 2
    assert scorecard(folder, "values", "--format", "xml").returncode == 2
    scorecard(folder, "--now", NOW, "refresh")
    unknown = process(folder, "--now", NOW, "values", "orders_cuont")
    assert unknown.returncode == 1
    assert "no metric is called 'orders_cuont' (did you mean 'orders_count'?)" in unknown.stderr
    label = scorecard(folder, "--now", NOW, "values", "--period", "2026-W99")
    assert label.returncode == 1
    missing = scorecard(folder, "--config", "metrix.yaml", "check")
    assert missing.returncode == 1
    assert "metrix.yaml" in missing.stderr
    clock = scorecard(folder, "--now", "yesterday", "values")
    assert clock.returncode == 1
    assert "yesterday" in clock.stderr
    for failed in (unknown, label, missing, clock):
        assert "Traceback" not in failed.stderr + failed.stdout


def test_check_says_every_mistake_and_json_carries_places(folder: Path) -> None:
    good = scorecard(folder, "check")
    assert good.returncode == 0, good.stderr
    (folder / "metrics.yaml").write_text(BOOK.replace("count: rows", "cuont: rows").replace("every: 1m", "every: soon"))
    bad = scorecard(folder, "--format", "json", "check")
    assert bad.returncode == 1
    problems = json.loads(bad.stdout)["problems"]
    assert {"file", "line", "column", "message", "hint", "severity"} == set(problems[0])
    assert [p["line"] for p in problems if p["severity"] == "error"][:2] == [5, 9]
    assert any("cuont" in p["message"] for p in problems)


def test_check_looks_at_the_loaded_tables(folder: Path) -> None:
    scorecard(folder, "--now", NOW, "refresh")
    (folder / "metrics.yaml").write_text(BOOK.replace("sum: amount", "sum: amuont"))
    checked = scorecard(folder, "check")
    assert checked.returncode == 1
    assert "metrics.yaml:10:" in checked.stderr
    assert "amount" in checked.stderr
    # A mistake in one metric does not hide the column that another one misses.
    (folder / "metrics.yaml").write_text(BOOK.replace("sum: amount", "sum: amuont").replace("target: 3", "taget: 3"))
    both = scorecard(folder, "check").stderr
    assert "metrics.yaml:9:" in both
    assert "metrics.yaml:10:" in both


def test_a_failed_source_is_exit_1_and_changes_no_value(folder: Path) -> None:
    scorecard(folder, "--now", NOW, "refresh")
    before = scorecard(folder, "--now", NOW, "--format", "json", "values").stdout
    (folder / "orders.csv").write_text(ROWS.replace("amount", "amuont"))
    failed = scorecard(folder, "--now", NOW, "--format", "json", "refresh")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["loads"][0]["outcome"] == "failed"
    after = scorecard(folder, "--now", NOW, "--format", "json", "values").stdout

    def bare(text: str) -> list[tuple[object, ...]]:
        return [(r["metric"], r["value"], r["status"], r["because"]) for r in json.loads(text)["readings"]]

    assert bare(before) == bare(after)
    history = json.loads(scorecard(folder, "--format", "json", "loads", "orders").stdout)["loads"]
    assert [x["outcome"] for x in history] == ["failed", "ok"]


def test_loads_tells_which_rows_were_put_aside(folder: Path) -> None:
    many = "".join(f"{n},2026-09-24T10:00:00Z,5.00\n" for n in range(10, 210))
    (folder / "orders.csv").write_text(ROWS + many + "300,2026-09-24T10:00:00Z,5 EUR\n")
    refreshed = scorecard(folder, "--now", NOW, "refresh")
    assert refreshed.returncode == 0
    assert "orders.csv:206: " in refreshed.stderr
    said = scorecard(folder, "loads", "orders").stdout
    assert "1 rows are put aside and not counted:" in said
    assert "    orders.csv:206: column 'amount': '5 EUR' is not a double" in said
    (row,) = csv.DictReader(io.StringIO(scorecard(folder, "loads", "orders", "--rows", "--format", "csv").stdout))
    assert (row["file"], row["line"], row["value"], row["missing"]) == ("orders.csv", "206", "5 EUR", "yes")
    assert json.loads(row["row"])["order_id"] == "300"
    assert scorecard(folder, "loads", "--rows").returncode == 2


CLOCKS_CHANGE = """
version: 1
organization: {name: Test, timezone: Europe/Berlin}
sources:
  visits: {kind: csv, path: visits.csv, every: 1m, time: came_at, columns: {came_at: timestamp}}
metrics:
  visitors: {role: leading, source: visits, count: rows, better: higher, grain: hour}
"""


def test_times_that_the_clock_doubles_or_skips_are_counted_and_hours_can_be_asked_for(tmp_path: Path) -> None:
    # 02:30 comes twice on 25 October (the second is meant) and not at all on 29 March (an hour later is meant).
    times = [
        "2026-03-29 02:30",
        "2026-10-25 01:10",
        "2026-10-25 02:30",
        "2026-10-25 03:10",
        "2026-10-30 10:00",
    ]  # and one to come
    (tmp_path / "metrics.yaml").write_text(CLOCKS_CHANGE)
    (tmp_path / "visits.csv").write_text("came_at,by\n" + "".join(f"{t},a\n" for t in [*times, ""]))
    now = ["--now", "2026-10-26T12:00:00Z", "--format", "json"]
    assert scorecard(tmp_path, *now, "refresh").returncode == 0
    (load,) = json.loads(scorecard(tmp_path, *now, "loads").stdout)["loads"]
    assert (load["times_doubled"], load["times_missing"]) == (1, 1)
    hours = scorecard(tmp_path, *now, "values", "--from", "2026-10-25T01", "--to", "2026-10-25T03").stdout
    assert [(r["period"], r["value"]) for r in json.loads(hours)["readings"]] == [
        ("2026-10-25T01", 1),
        ("2026-10-25T02+02:00", 0),
        ("2026-10-25T02+01:00", 1),
        ("2026-10-25T03", 1),
    ]
    inputs = json.loads(scorecard(tmp_path, *now, "explain", "visitors").stdout)["inputs"]
    assert (inputs[0]["rows"], inputs[0]["future_rows"], inputs[0]["undated_rows"]) == (6, 1, 1)


def test_a_damaged_warehouse_is_said_and_begun_anew(folder: Path) -> None:
    scorecard(folder, "--now", NOW, "refresh")
    (folder / "data" / "warehouse.duckdb").write_bytes(b"garbage" * 1000)
    again = scorecard(folder, "--now", NOW, "--format", "json", "refresh")
    assert again.returncode == 0
    assert json.loads(again.stdout)["loads"][0]["loaded"] == 4
    assert "the warehouse file was damaged" in again.stderr
    assert "damaged" not in scorecard(folder, "--now", NOW, "refresh").stderr


def test_explain_gives_definition_sql_and_steps(folder: Path) -> None:
    scorecard(folder, "--now", NOW, "refresh")
    answer = json.loads(scorecard(folder, "--now", NOW, "--format", "json", "explain", "orders_count").stdout)
    assert answer["place"].startswith("metrics.yaml:9")
    assert answer["sql"]
    assert answer["steps"]
    assert answer["reading"]["value"] == 3
    assert "orders" in scorecard(folder, "--now", NOW, "explain", "orders_count").stdout


def test_schema_is_json(folder: Path) -> None:
    assert json.loads(scorecard(folder, "schema").stdout)["$schema"].startswith("https://json-schema.org/")


def test_a_read_only_data_folder_is_said(folder: Path) -> None:
    (folder / "file").write_text("")
    refused = scorecard(folder, "--data", "file/data", "refresh")
    assert refused.returncode == 1
    assert "data folder" in refused.stderr


def test_check_finds_expressions_that_do_not_fit_the_columns(folder: Path) -> None:
    scorecard(folder, "--now", NOW, "refresh")
    (folder / "metrics.yaml").write_text(BOOK.replace("sum: amount", "sum: ordered_at"))
    checked = scorecard(folder, "check")
    assert checked.returncode == 1
    assert "metrics.yaml:10:" in checked.stderr
    assert "is a time, where a number is needed" in checked.stderr
    (folder / "metrics.yaml").write_text(
        BOOK.replace("time: ordered_at}", "time: ordered_at, timezone: Europe/Berlin}")
    )
    redefined = scorecard(folder, "check")
    assert redefined.returncode == 0
    assert "loaded under another definition" in redefined.stderr


def test_refresh_names_a_metric_that_could_not_be_computed_and_publishes_the_others(folder: Path) -> None:
    (folder / "metrics.yaml").write_text(BOOK.replace("sum: amount", "sum: ordered_at"))
    done = scorecard(folder, "--now", NOW, "refresh")
    assert done.returncode == 0
    assert "metrics.yaml:10:" in done.stderr
    assert "is a time, where a number is needed" in done.stderr
    readings = json.loads(scorecard(folder, "--now", NOW, "--format", "json", "values").stdout)["readings"]
    assert [(r["metric"], r["status"], r["reason"]) for r in readings] == [
        ("orders_count", "green", "target"),
        ("revenue", "grey", "error"),
    ]


def test_tokens_for_the_refresh_of_a_source(folder: Path) -> None:
    made = scorecard(folder, "--format", "json", "token", "create", "--source", "orders", "--expires", "1d")
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout)
    assert set(found) == {"id", "source", "token", "url", "expires"}
    assert found["url"].endswith(f"/api/v1/sources/orders/refresh?token={found['token']}")
    listed = json.loads(scorecard(folder, "--format", "json", "token", "list").stdout)["tokens"]
    assert [(one["id"], one["source"], one["panel"], one["revoked"]) for one in listed] == [
        (found["id"], "orders", None, None)
    ]
    assert "is revoked" in scorecard(folder, "token", "revoke", found["id"]).stdout
    wrong = scorecard(folder, "token", "create", "--source", "order")
    assert (wrong.returncode, "did you mean 'orders'?" in wrong.stderr) == (1, True)
    assert scorecard(folder, "token", "create").returncode == 2
    assert scorecard(folder, "token", "create", "floor", "--source", "orders").returncode == 2
