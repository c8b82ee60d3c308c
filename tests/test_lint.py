"""What `scorecard check` warns of: allowed, and probably not meant. Each warning has its case, and a neighbour that is fine."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path

import pytest

from scorecard.book.lint import near, overdue_reviews
from scorecard.book.read import read_book
from scorecard.cli.main import execute
from scorecard.cli.session import Session
from tests.bookfiles import write

HEAD = """version: 1
organization: {name: Lint, timezone: Europe/Berlin}
sources:
  tickets:
    kind: csv
    path: tickets.csv
    every: 1m
    key: [ticket_id]
    time: created_at
    columns: {amount: double, price: decimal, status: text, minutes: integer}
teams:
  support: {title: Support, owner: Ana Ruiz}
processes:
  repair: {title: Repair, team: support, owner: Ben Ito, sop: https://example.com/1}
metrics:
  opened: {process: repair, role: leading, source: tickets, count: rows, better: lower}
  closed: {process: repair, role: lagging, source: tickets, count: closed_at, better: higher}
"""
TWO_MEANS = """  a: {role: leading, source: tickets, better: higher, mean: minutes}
  b: {role: leading, source: tickets, better: higher, mean: price}
"""
RATIO = "ratio: {of: count_if(score >= 4), to: count(score)}, unit: percent"


def warnings_of(folder: Path, more: str, head: str = HEAD) -> list[str]:
    path = write(folder, head + more)
    return [str(problem).removeprefix(f"{path}:") for problem in read_book(path).warnings]


def one(measure: str, more: str = "") -> str:
    return f"  one: {{team: support, role: leading, source: tickets, better: higher, {measure}{more}}}\n"


def test_a_clean_book_is_clean(tmp_path: Path) -> None:
    assert warnings_of(tmp_path, "") == []


@pytest.mark.parametrize(
    ("metric", "word"),
    [
        (one("count: rows", ", where: not flagged"), "18:96: warning: 'not flagged' of metric 'one' leaves out the rows where flagged is empty (write flagged is not true)"),
        (one("count: rows", ", where: flagged is not true"), None),
        (one("ratio: {of: count_if(not flagged), to: rows}"), "leaves out the rows where flagged"),
        (one("sum: case when not (flagged) then minutes else 0 end"), "leaves out the rows where flagged"),
        (one("count: rows", ", where: status not in ('a')"), None),
        (one("sum: amount", ", unit: EUR"), "10:15: warning: metric 'one' sums 'amount' in EUR, and its column is declared double (sums of decimals are exact to the cent: amount: decimal)"),
        (one("sum: amount", ", unit: $"), "declared double"),
        (one("sum: price", ", unit: EUR"), None),
        (one("sum: amount", ", unit: kg"), None),
        (one("mean: amount", ", unit: EUR"), None),
        (one("stock: {opened: created_at, closed: closed_at, sum: amount}", ", unit: EUR"), "declared double"),
        (one("mean: conversion_rate"), "averages 'conversion_rate', which is an average itself"),
        (one("mean: minutes"), None),
        (one("mean: rate_of_climb"), None),
        (one("count: rows", ", where: status = 5"), "compares 'status', declared text, with the number 5 (write '5' in quotes)"),
        (one("count: rows", ", where: \"status in ('a', 7)\""), "with the number 7"),
        (one("count: rows", ", where: minutes > 'many'"), "declared integer, with the text 'many'"),
        (one("count: rows", ", where: minutes > '5'"), None),
        (one("count: rows", ", where: status = 'done' and minutes > 5"), None),
        (one(RATIO, ", target: 105%"), "a target of metric 'one' is 105%, and no share is over 100%"),
        (one(RATIO, ", target: 100%"), None),
        (one("ratio: {of: sum(price), to: sum(amount)}, unit: percent", ", target: 120%"), None),
        (one("ratio: {of: sum(price), to: sum(amount)}, unit: percent", ", target: 8500%"), "is 8500% (is 85% meant?)"),
        (one(RATIO, ", target: {glide: {from: 80%, since: 2026-01-01, to: 120%, by: 2026-12-31}}"), "is 120%"),
        (one("ratio: {of: sum(price), to: rows, sampling: binomial}"), "'sampling' of metric 'one' is binomial, and it has a sum: that is the noise of counted rows"),
        (one("ratio: {of: sum(price), to: rows}"), None),
        (one("ratio: {of: count_if(price > 4), to: rows, per: 1000, sampling: binomial}"), "binomial, and with 'per' its number is no share any more"),
        (one("ratio: {of: count_if(price > 4) + count_if(price < 2), to: rows, sampling: binomial}"), None),
        (one("ratio: {of: count_if(price > 4), to: rows, per: 1000}"), None),
        (one("count: rows", ", targets: [{target: 5}, {since: 2026-07-01, target: 5}]"), "the one that was in force before it"),
        (one("count: rows", ", targets: [{target: 5}, {since: 2026-07-01, target: 6}, {since: 2026-09-01, target: 5}]"), None),
        (one("count: rows", ", targets: [{target: 5}, {grain: week, target: 6}]"), "is never used: the one for the week"),
        (one("count: rows", ", targets: [{target: 5}, {grain: month, target: 6}]"), None),
        (one(RATIO, ", targets: [{target: 50%}, {grain: week, target: 60%}]"), None),
        (one("count: rows", ", counter: one"), "is its own counter metric"),
        (one("count: rows", ", leads: [{metric: one, lag: 1w, sign: same}]"), "leads itself"),
        (TWO_MEANS + "  c: {role: leading, better: higher, formula: (a + b) / 2}\n", "metric 'c' averages a, b: each counts alike"),
        ("  c: {role: leading, better: higher, formula: (opened + closed) / 2}\n", None),
    ],
)  # fmt: skip
def test_metrics(metric: str, word: str | None, tmp_path: Path) -> None:
    found = [text for text in warnings_of(tmp_path, metric) if "not computed yet" not in text]
    assert (found == []) if word is None else [word in text for text in found] == [True], found


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("teams:\n", "teams:\n  suport: {title: Other}\n", "team 'support' is spelled almost like team 'suport'"),
        ("teams:\n", "teams:\n  helpdesk: {title: Other, aliases: [Supprot]}\n", "'support', 'Supprot'"),
        ("teams:\n", "teams:\n  night-shift: {title: Night}\n  night_shift: {title: Late}\n", "spelled almost like"),
        ("teams:\n", "teams:\n  team-a: {title: A1}\n  team-b: {title: B1}\n  line-11: {title: L11}\n  line-1: {title: L1}\n", None),
        ("processes:\n", "processes:\n  repairs: {title: More, owner: Ben Ito, sop: https://example.com/2}\n", "process 'repair' is spelled almost like process 'repairs'"),
        (", sop: https://example.com/1", "", "process 'repair' has no 'sop'"),
        ("role: lagging", "role: leading", "process 'repair' has no lagging metric"),
        ("role: leading", "role: lagging", "process 'repair' has no leading metric"),
    ],
)  # fmt: skip
def test_names_and_processes(old: str, new: str, word: str | None, tmp_path: Path) -> None:
    assert old in HEAD
    found = [text for text in warnings_of(tmp_path, "", HEAD.replace(old, new, 1)) if "has no metric" not in text]
    assert (found == []) if word is None else [word in text for text in found] == [True], found


def test_no_organization_is_said_at_the_beginning(tmp_path: Path) -> None:
    head = HEAD.replace("organization: {name: Lint, timezone: Europe/Berlin}\n", "")
    (found,) = warnings_of(tmp_path, "", head)
    assert found.startswith("1:1: warning: there is no 'organization': every period begins at midnight UTC")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("Support", "Suport", True), ("Support", "Supprot", True), ("night-shift", "night_shift", True), ("Team A", "Team B", False),
     ("line 1", "line 11", False), ("HR", "PR", False), ("Élan", "Elan", False), ("x", "", False)],
)  # fmt: skip
def test_near(one: str, other: str, expected: bool) -> None:
    assert near(one, other) == near(other, one) == expected


@pytest.mark.parametrize(
    ("reviewed", "every", "today", "overdue"),
    [("2025-03-17", "12 months", "2026-03-17", False), ("2025-03-17", "12 months", "2026-03-18", True), ("2026-08-31", "6 months", "2027-02-28", False),
     ("2026-08-31", "6 months", "2027-03-01", True), ("2025-12-31", "1 month", "2026-01-31", False)],
)  # fmt: skip
def test_reviews_of_documentation_come_due(
    reviewed: str, every: str, today: str, overdue: bool, tmp_path: Path
) -> None:
    text = HEAD.replace(
        "sop: https://example.com/1", f"sop: https://example.com/1, sop_reviewed: {reviewed}, sop_review_every: {every}"
    )
    assert len(overdue_reviews(read_book(write(tmp_path, text)), date.fromisoformat(today))) == overdue


def check(folder: Path, *words: str) -> tuple[int, list[dict[str, str]]]:
    session = Session(out=io.StringIO(), err=io.StringIO())
    line = [
        "--config",
        str(folder / "metrics.yaml"),
        "--data",
        str(folder / "data"),
        "--now",
        "2026-09-28T08:00:00Z",
        "--format",
        "json",
    ]
    status = execute(session, [*line, *words])
    assert isinstance(session.out, io.StringIO)
    text = session.out.getvalue()
    return status, json.loads(text)["problems"] if words == ("check",) else []


def test_check_knows_the_day_and_the_values_in_the_tables(tmp_path: Path) -> None:
    text = HEAD.replace(
        "sop: https://example.com/1",
        "sop: https://example.com/1, sop_reviewed: 2025-09-01, sop_review_every: 12 months",
    )
    text = text.replace("count: rows, better", "count: rows, split: {team: team_name}, better")
    write(tmp_path, text)
    rows = "ticket_id,created_at,closed_at,team_name\n1,2026-09-01,,Suport\n2,2026-09-02,, SUPPORT \n3,2026-09-02,,Sales\n4,2026-09-02,,\n"
    write(tmp_path, rows, "tickets.csv")
    write(tmp_path, text.replace(", columns: {amount: double, price: decimal, status: text, minutes: integer}", ""))
    write(tmp_path, "\n".join(line for line in text.splitlines() if "columns:" not in line) + "\n")
    status, found = check(tmp_path, "check")
    assert (status, [p["message"] for p in found]) == (
        0,
        ["the 'sop' of process 'repair' was due for review on 2026-09-01"],
    )
    assert check(tmp_path, "refresh")[0] == 0
    status, found = check(tmp_path, "check")
    assert status == 0
    assert [p["message"] for p in found][1:] == ["'Suport' in column 'team_name' of source 'tickets' matches no team"]
    assert found[1]["hint"] == "did you mean 'support'? add it to the aliases"
