"""`tests:` in metrics.yaml: what analysts expect of their own definitions, run by check."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.desk_house import run

BOOK = """version: 1
organization: {name: Test, timezone: Europe/Berlin}
sources:
  surveys:
    kind: http
    url: http://127.0.0.1:9/never-asked
    records: $.data[*]
    cursor: {column: answered_at, format: iso}
    params: {since: ":cursor"}
    key: [survey_id]
    time: answered_at
    columns: {answered_at: timestamp, sent_at: timestamp, score: integer}
    every: 1m
  hours: {kind: sql, url: "${ERP_URL}", query: select 1, time: day, every: 1h}
teams:
  north: {title: North, owner: Ana Ruiz}
  south: {title: South, owner: Ana Ruiz}
metrics:
  csat:
    role: lagging
    source: surveys
    ratio: {of: count_if(score >= 4), to: count(score)}
    split: {team: team}
    unit: percent
    better: higher
    target: 60%
  answers: {role: leading, source: surveys, count: rows, better: higher, grain: day}
  paid: {role: leading, source: hours, sum: hours, where: "kind = 'paid' and approved", unit: h, better: lower}
  per_answer: {role: leading, formula: paid / answers, unit: h, better: lower}
tests:
  - name: half of the ratings are good
    given: {surveys: fixtures/week.csv}
    at: 2026-03-10T09:00:00Z
    expect:
"""
ROWS = """survey_id,answered_at,score,team
1,2026-03-02T10:00:00Z,5,North
2,2026-03-03T10:00:00Z,4,South
3,2026-03-04T10:00:00Z,1,North
4,2026-03-05T10:00:00Z,2,South
5,2026-03-06T10:00:00Z,,South
6,2026-03-06T11:00:00Z,4,North
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERP_URL", "postgresql://nobody@127.0.0.1:9/none")


def checked(folder: Path, *expect: str, rows: str = ROWS, book: str = BOOK) -> tuple[int, list[dict[str, Any]]]:
    """(exit status, problems) of check with these expectations."""
    (folder / "fixtures").mkdir(exist_ok=True)
    (folder / "fixtures" / "week.csv").write_text(rows)
    (folder / "metrics.yaml").write_text(book + "".join(f"      - {{{each}}}\n" for each in expect))
    status, out, err = run(folder, "--format", "json", "check")
    assert err == ""
    return status, json.loads(out)["problems"]


def test_what_comes_out_as_expected_is_silent_and_leaves_nothing_behind(tmp_path: Path) -> None:
    expect = (
        "metric: csat, period: 2026-W10, value: 60%, n: 5, status: green, reason: target",
        "metric: csat, period: 2026-W10, team: north, value: 66.7%, n: 3",
        "metric: csat, period: 2026-W09, value: null, status: grey, reason: no_data",
        "metric: csat, period: 2026-03, value: 60%",
        "metric: answers, period: 2026-03-06, value: 2",
        "metric: answers, period: 2026-W10, grain: week, value: 6, because: no target is in force",
        # Not given: empty and fresh, whatever types its columns would have.
        "metric: paid, period: 2026-W10, reason: no_data, value: null",
        "metric: per_answer, period: 2026-W10, value: null",
    )
    assert checked(tmp_path, *expect) == (0, [])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fixtures", "metrics.yaml"]


@pytest.mark.parametrize(
    ("expect", "key", "message", "hint"),
    [
        ("value: 61%", "61%", "value of csat in 2026-W10 is 60%, expected 61%", "green, target: 60% is at or over"),
        ("value: null", "null", "value of csat in 2026-W10 is 60%, expected nothing", "green, target"),
        ("n: 6", "6", "n of csat in 2026-W10 is 5, expected 6", "green"),
        ("status: red", "red", "status of csat in 2026-W10 is 'green', expected 'red'", "green, target"),
        ("reason: pace", "pace", "reason of csat in 2026-W10 is 'target', expected 'pace'", "green"),
        ("because: never", "never", "because of csat in 2026-W10 is '60% is at or over the target of 60%", None),
        ("team: south, value: 60%", "60%}", "value of csat in 2026-W10 team south is 50%, expected 60%", "red"),
    ],
)
def test_what_does_not_is_said_where_it_is_written(
    tmp_path: Path, expect: str, key: str, message: str, hint: str | None
) -> None:
    status, (problem,) = checked(tmp_path, f"metric: csat, period: 2026-W10, {expect}")
    assert status == 1
    row = next(csv.DictReader(io.StringIO(run(tmp_path, "--format", "csv", "check")[1])))
    assert (row["line"], row["message"]) == (str(problem["line"]), problem["message"])
    assert problem["message"].startswith("test 'half of the ratings are good': ")
    assert message in problem["message"]
    assert hint is None or problem["hint"].startswith(hint)
    line = (tmp_path / "metrics.yaml").read_text().splitlines()[problem["line"] - 1]
    assert line[problem["column"] - 1 :].startswith(key)


def test_digits_behind_the_point_are_compared_as_written(tmp_path: Path) -> None:
    north = "metric: csat, period: 2026-W10, team: north, value:"
    for value, status in (("66.7%", 0), ("66.67%", 0), ("66.6%", 1), ("67%", 1)):
        assert checked(tmp_path, f"{north} {value}")[0] == status, value


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ("metric: csat, period: 2026-W10", "nothing is expected of 'csat' here"),
        ("metric: csat, period: 2026-W10, value: 0.6", "a bare number on a percent metric"),
        ("metric: csat, period: 2026-W77, n: 1", "2026-W77"),
        ("metric: csat, period: 2026-W10, team: nroth, n: 1", "nroth"),
        ("metric: answers, period: 2026-W10, team: north, n: 1", "answers has no slice for team 'north'"),
        ("metric: csta, period: 2026-W10, n: 1", "csta"),
        ("metric: csat, period: 2026-03-02, n: 1", "cannot be shown by day"),
    ],
)
def test_an_expectation_that_makes_no_sense_is_a_mistake(tmp_path: Path, expect: str, message: str) -> None:
    status, problems = checked(tmp_path, expect)
    assert status == 1
    assert any(message in p["message"] for p in problems), problems
    assert all(p["line"] >= 30 for p in problems)


def test_what_is_expected_wrongly_is_not_said_to_be_missing(tmp_path: Path) -> None:
    _, problems = checked(tmp_path, "metric: csat, period: 2026-W10, status: purple")
    assert [p["message"].split(",")[0] for p in problems] == ["'status' of 'expect' of a test is 'purple'"]


def test_rows_that_cannot_be_read_and_metrics_in_error_are_said(tmp_path: Path) -> None:
    expect = "metric: csat, period: 2026-W10, n: 5"
    status, problems = checked(tmp_path, expect, rows=ROWS.replace(",1,North", ",one,North"))
    assert status == 1
    assert any(p["severity"] == "warning" and "week.csv" in p["message"] for p in problems)
    status, problems = checked(tmp_path, expect, rows=ROWS.replace("survey_id", "id"))
    assert status == 1
    assert any("survey_id" in p["message"] and p["line"] == 32 for p in problems), problems
    status, problems = checked(tmp_path, expect, book=BOOK.replace("count(score)", "cuont(score)"))
    assert status == 1
    assert any(p["severity"] == "warning" and "not run for 'csat'" in p["message"] for p in problems)


def test_tests_of_an_included_file_find_their_rows_beside_it(tmp_path: Path) -> None:
    head, tests = BOOK.split("tests:\n")
    (tmp_path / "more" / "fixtures").mkdir(parents=True)
    (tmp_path / "more" / "fixtures" / "week.csv").write_text(ROWS)
    (tmp_path / "more" / "a.yaml").write_text(f"tests:\n{tests}      - {{metric: csat, period: 2026-W10, n: 6}}\n")
    (tmp_path / "metrics.yaml").write_text(head.replace("version: 1\n", "version: 1\ninclude: more/a.yaml\n"))
    status, out, _ = run(tmp_path, "--format", "json", "check")
    (problem,) = json.loads(out)["problems"]
    assert (status, problem["file"].endswith("more/a.yaml"), problem["line"]) == (1, True, 6)
