"""What would run, or grow, for as long as it likes: refused where it is written, or ended whatever it is doing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from scorecard.book.checksql import may_run_away, names_in
from scorecard.book.expressions import parse
from scorecard.book.model.source import Check, Source
from scorecard.warehouse import apart, gates
from scorecard.warehouse.duck import DuckWarehouse
from tests.served import inside
from tests.warehouse_house import good, load, rows_of, source, warehouse_in

LONG = "a" * 60
ENDLESS = "select length(repeat('x', 2000000000) || repeat('y', 2000000000) || max(v)) > 0 from tickets"


@pytest.mark.parametrize(
    "text",
    [
        f"length(replace(replace(a, 'a', '{LONG}'), 'a', '{LONG}')) > 3",
        f"length(replace(upper(replace(a, 'a', '{LONG}')) || 'x\\ny', 'A', '{LONG}')) > 3",
        f"length(replace(replace(replace('a', 'a', '{LONG}'), 'a', '{LONG}'), 'a', '{LONG}')) > 3",
        f"contains(case when b = 1 then replace(replace(a, 'a', '{LONG}'), 'a', '{LONG}') else '' end, 'x')",
        "replace(a, 'a', b) = 'x'",
        "replace(a, 'a', lower(b) || 'x') = 'x'",
    ],
)
def test_expressions_that_make_texts_ever_longer_are_refused_at_their_place(text: str) -> None:
    found = parse(text, "condition")
    assert found.outline is None
    (mistake,) = found.mistakes
    assert "replace" in mistake.message
    assert text[mistake.offset :].startswith("replace") or mistake.offset > text.index("replace")


@pytest.mark.parametrize(
    "text",
    [
        "replace(a, ',', '') = ''",
        "replace(replace(replace(a, '&', '&amp;'), '<', '&lt;'), '-', '') = 'x'",
        "replace(a, b, '') = 'x'",
        f"replace(a, 'a', '{LONG}') = 'x'",
    ],
)
def test_and_the_usual_ones_are_not(text: str) -> None:
    assert parse(text, "condition").outline is not None


def test_every_function_that_is_allowed_keeps_texts_short(tmp_path: Path) -> None:
    """A function that comes to the whitelist has to be measured here: with 1 kB in, not more than 100 kB out."""
    from scorecard.book.functions import ROW_FUNCTIONS

    calls = {
        "concat": "concat(a, a)", "replace": f"replace(a, 'a', '{LONG}')", "left": "left(a, 1000000000)", "right": "right(a, 1000000000)",
        "substring": "substring(a, 1, 1000000000)", "substr": "substr(a, 1, 1000000000)", "split_part": "split_part(a, 'b', 1)",
        "coalesce": "coalesce(a, a)", "ifnull": "ifnull(a, a)", "nullif": "nullif(a, 'x')", "if": "if(true, a, a)",
        "greatest": "greatest(a, a)", "least": "least(a, a)", "cast": "cast(a as varchar)", "try_cast": "try_cast(a as varchar)",
    }  # fmt: skip
    numbers = {"power": "power(9, 300)", "pow": "power(9, 300)", "round": "round(1.5, 1000)", "trunc": "trunc(1.5)"}
    connection = duckdb.connect()
    for name in ROW_FUNCTIONS:
        for call in (calls.get(name), numbers.get(name), f"{name}(a)"):
            if call is None:
                continue
            try:
                row = connection.execute(
                    f"SELECT strlen(CAST({call} AS VARCHAR)) FROM (SELECT string_agg('a', '') AS a FROM range(1000))"
                ).fetchone()
            except duckdb.Error:
                continue  # it takes no text
            assert row is not None
            assert (row[0] or 0) <= 100_000, name
    connection.close()


# -- checks in SQL ---------------------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path: Path) -> Iterator[DuckWarehouse]:
    warehouse = warehouse_in(tmp_path)
    yield warehouse
    warehouse.close()


def checked(text: str) -> Source:
    tables, named = names_in(text)
    return replace(source(), checks=(Check("sql", text=text, apart=may_run_away(text), tables=tables, named=named),))


@pytest.mark.parametrize(
    ("text", "apart_"),
    [
        ("select count(*) = 0 from tickets where v < 0", False),
        ("select max(at) > now() - interval 2 day from tickets", False),
        ("select not exists (select 1 from tickets a join other b using (id) where a.v <> b.v)", False),
        ("with n as (select id, row_number() over (partition by id) k from tickets) select max(k) < 2 from n", False),
        (ENDLESS, True),
        ("select max(length(lpad(v, 2000000000, 'x'))) > 0 from tickets", True),
        ("select count(*) > 0 from (select v || v as v from (select v || v as v from tickets))", True),
        ("with recursive n as (select 1 as k union all select k + 1 from n) select max(k) > 1 from n", True),
        ("select max(list_reduce([v, v], (x, y) -> concat(x, y))) > '' from tickets", True),
        ("select max(some_new_function(v)) > 0 from tickets", True),
    ],
)
def test_what_is_asked_in_a_process_of_its_own(text: str, apart_: bool) -> None:
    assert may_run_away(text) is apart_


def test_asked_apart_it_says_the_same_of_the_table_as_it_would_be(house: DuckWarehouse) -> None:
    fine = (
        "select max(length(rpad(v, 10, 'x'))) = 10 and count(*) = 3 and max(_day_at) = date '2026-01-03' from tickets"
    )
    rows = {"id": [1, 2, 3], "v": ["a", "b", "c"], "at": ["2026-01-01", "2026-01-02", "2026-01-03"]}
    of = replace(checked(fine), time="at")
    assert good(house, of, rows, "at")[0].outcome == "ok"
    done, _ = load(house, of, {"id": [1], "v": ["a"], "at": ["2026-01-01"]}, "at")
    assert done.outcome == "held", "that is seen before anything is published"
    assert "the check does not hold" in str(done.problem)
    assert len(rows_of(house)) == 3
    row = {"id": [1], "v": ["a"], "at": ["2026-01-01"]}
    wrong, _ = load(house, checked("select max(nosuch(v)) > 0 from tickets"), row)
    assert "could not be run" in str(wrong.problem)
    for reaching in (
        "select max(length(repeat(content, 1))) > 0 from read_text('/etc/passwd')",
        "select repeat('x', 1) = 'x'",
    ):
        asked, _ = load(house, checked(reaching), row)
        assert "root:" not in str(asked.problems)


def test_a_check_that_runs_away_is_ended_and_nothing_else_waits_longer(
    house: DuckWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "SQL_SECONDS", 1.5)
    monkeypatch.setattr(apart, "CHILD_MEMORY", 60_000_000_000)
    good(house, source(), {"id": [1], "v": ["a"]})
    answers: list[float] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            began = time.monotonic()
            assert rows_of(house, columns="v") == [("a",)]
            answers.append(time.monotonic() - began)
            time.sleep(0.05)

    reader = threading.Thread(target=read)
    reader.start()
    began = time.monotonic()
    done, _ = load(house, checked(ENDLESS), {"id": [2], "v": ["b"]})
    took = time.monotonic() - began
    over.set()
    reader.join()
    assert done.outcome == "failed"
    assert "ran longer than 1.5 s and was stopped" in str(done.problem)
    assert took < 15, "where it stood in the middle of one value, an interruption would wait for its end"
    assert len(answers) >= 5
    assert rows_of(house, columns="v") == [("a",)]
    good(house, source(), {"id": [3], "v": ["c"]})


def test_a_check_that_takes_all_memory_takes_only_its_own(
    house: DuckWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "CHILD_MEMORY", 300_000_000)
    done, _ = load(house, checked(ENDLESS), {"id": [1], "v": ["a"]})
    assert done.outcome == "failed"
    assert "emory" in str(done.problem)
    good(house, source(), {"id": [1], "v": ["a"]})


# -- a metric that takes too much ------------------------------------------------------------------------------

BOOK = """
version: 1
organization: {name: N, owner: A <a@example.com>, timezone: UTC}
sources:
  tickets: {kind: csv, path: tickets.csv, time: at, every: 1h}
metrics:
  wide: {role: leading, source: tickets, distinct: "METRIC", better: lower, grain: day}
  counted: {role: leading, source: tickets, count: rows, better: lower, grain: day}
"""


@pytest.mark.slow
def test_a_metric_that_takes_more_memory_than_there_is_breaks_only_its_own_cell(tmp_path: Path) -> None:
    (tmp_path / "metrics.yaml").write_text(BOOK.replace("METRIC", "id"))
    text = "lorem ipsum dolor " * 20
    rows = "".join(f"{n},2026-09-01,{n * 7919} {text}{n}\n" for n in range(40_000))
    (tmp_path / "tickets.csv").write_text("id,at,note\n" + rows)
    now = ["--now", "2026-09-02T08:00:00Z"]
    assert inside(tmp_path, *now, "refresh").returncode == 0
    (tmp_path / "settings.toml").write_text('memory_limit = "30MB"\nthreads = 1\n')
    (tmp_path / "metrics.yaml").write_text(BOOK.replace("METRIC", "note || note || note || note || note || note"))
    done = inside(tmp_path, *now, "refresh")
    assert done.returncode == 0, done.stderr
    assert "emory" in done.stderr
    assert "wide" in done.stderr
    values = inside(tmp_path, *now, "values", "--period", "2026-09-01")
    wide, counted = (
        next(line for line in values.stdout.splitlines() if line.startswith(n)) for n in ("wide", "counted")
    )
    assert "this metric could not be computed: metric 'wide': not enough memory" in wide
    assert "40" in counted
    assert "could not" not in counted
