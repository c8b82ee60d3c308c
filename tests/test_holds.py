"""Loads that wait for a person: staged, approved, rejected, superseded; through kill -9, on the terminal and in the browser's API."""

from __future__ import annotations

import getpass
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors import csv_files
from connectors.contract import Batch
from scorecard.cli.product import open_product
from scorecard.ground.clock import FixedClock, SystemClock
from scorecard.ground.errors import Conflict
from scorecard.journal.journal import Journal
from scorecard.views.pages.holds import holds_of
from scorecard.warehouse.duck import DuckWarehouse
from scorecard.warehouse.engine import Decision
from tests.served import command, inside, served
from tests.slow_servers import Asked, Given
from tests.slow_servers import served as upstream
from tests.test_generations import approve, roll_back
from tests.warehouse_house import NOW, day, good, load, order, rows_of, source, text, warehouse_in

MANY: dict[str, list[Any]] = {"id": list(range(30)), "at": [f"2026-01-{n % 28 + 1:02}" for n in range(30)]}
FEW: dict[str, list[Any]] = {"id": [1, 2, 3], "at": ["2026-01-28"] * 3}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[DuckWarehouse]:
    warehouse = warehouse_in(tmp_path)
    yield warehouse
    warehouse.close()


def reject(house: DuckWarehouse, number: int) -> None:
    house.holds.reject(Decision(f"d{number}", "reject", "tickets", number, "Dana", "half an export", NOW))


@pytest.mark.parametrize("mode", ["replace", "full"])
def test_what_was_held_is_published_as_it_was_staged(house: DuckWarehouse, mode: str) -> None:
    of = source(key=["id"] if mode == "full" else [], time="at")
    good(house, of, MANY, "at")
    before = house.standing("tickets"), rows_of(house)
    held, touched = load(house, of, FEW, "at", full=True)
    assert (held.outcome, held.loaded, touched.days) == ("held", 0, {})
    assert "drop from 30 to 3 rows (90%); 50% is allowed where no check says otherwise" in str(held.problem)
    assert f"`scorecard approve {held.id}` or `scorecard reject {held.id}`" in str(held.problem)
    assert (house.standing("tickets"), rows_of(house)) == before
    (waiting,) = house.holds.waiting()
    assert (waiting.load.id, waiting.rows, waiting.base) == (held.id, 3, 1)
    done, touched = approve(house, of, held.id, "at")
    assert (done.outcome, done.generation) == ("ok", 2)
    assert done.read == done.loaded + done.unchanged + done.duplicate + done.quarantined
    assert rows_of(house, columns="id") == [(1,), (2,), (3,)]
    assert touched.days["at"] == waiting.touched.days["at"] >= {day("2026-01-28"), day("2026-01-05")}
    assert house.holds.waiting() == ()
    with pytest.raises(Conflict, match="Dana has decided on it"):
        approve(house, of, held.id, "at")
    roll_back(house, of, None, "at")
    assert len(rows_of(house)) == 30


def test_a_newer_load_supersedes_and_the_same_one_does_not(house: DuckWarehouse) -> None:
    of = source(time="at")
    good(house, of, MANY, "at")
    first, _ = load(house, of, FEW, "at")
    again, _ = load(house, of, FEW, "at")
    assert "same rows as load 2, which waits" in str(again.problem)
    assert [w.load.id for w in house.holds.waiting()] == [first.id]
    with pytest.raises(Conflict, match="same rows as load 2"):
        approve(house, of, again.id, "at")
    other, _ = load(house, of, {"id": [1], "at": ["2026-01-28"]}, "at")
    assert [w.load.id for w in house.holds.waiting()] == [other.id]
    old = house.holds.load(first.id)
    assert old is not None
    assert old.decision is not None
    assert (old.outcome, old.decision.what, old.decision.to) == ("superseded", "supersede", other.id)
    with pytest.raises(Conflict, match=f"load {other.id} is newer"):
        approve(house, of, first.id, "at")
    good(house, of, MANY, "at")
    assert house.holds.waiting() == (), "the source has taken it back"


def test_rejected_rows_are_not_staged_again_by_the_schedule(house: DuckWarehouse) -> None:
    of = source(time="at")
    good(house, of, MANY, "at")
    held, _ = load(house, of, FEW, "at")
    reject(house, held.id)
    assert (house.holds.waiting(), len(rows_of(house))) == ((), 30)
    again, _ = house.load(replace(order(of, "at"), cause="schedule"), [Batch(text(FEW), "a.csv")])
    assert again.outcome == "failed"
    assert "still gives the rows of load 2, which Dana rejected" in str(again.problem)
    assert "half an export" in str(again.problem)
    asked, _ = load(house, of, FEW, "at")
    assert asked.outcome == "held", "a person asked for it"


def test_what_waits_is_not_read_again_while_the_files_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company(tmp_path)
    assert inside(tmp_path, "--now", "2026-09-28T06:00:00Z", "refresh").returncode == 0
    company(tmp_path, tickets=3)
    (held,) = said(tmp_path, "28T06:30", "refresh", "tickets", status=1)["loads"]
    read: list[str] = []
    prepare = csv_files._prepare

    def spy(pin: Any, request: Any, dialect: Any) -> Any:
        read.append(pin.name)
        return prepare(pin, request, dialect)

    monkeypatch.setattr(csv_files, "_prepare", spy)
    (again,) = said(tmp_path, "28T07:00", "refresh", "tickets", status=1)["loads"]
    assert read == [], "nothing of it was read"
    assert again["outcome"] == "held"
    assert f"the same rows as load {3}, which waits" in again["problem"]
    assert again["read"] == held["read"] == 3
    company(tmp_path, tickets=2)
    said(tmp_path, "28T07:30", "refresh", "tickets", status=1)
    assert set(read) == {"tickets.csv"}, "something is new"
    product = open_product(tmp_path / "metrics.yaml", tmp_path / "data", FixedClock(NOW))
    (waiting,) = product.engine.holds.waiting()
    page = holds_of(product.refresher.look(), "tickets", NOW)
    product.close()
    assert (waiting.load.id, waiting.rows, waiting.instead_of) == (5, 2, 3)
    assert (
        page["hold"]["counts"] == "2 rows pulled; the table would have 2. It came in place of load 3, which had waited"
    )
    said(tmp_path, "28T08:00", "approve", "5", "--by", "Dana")
    (done,) = said(tmp_path, "28T08:30", "refresh", "tickets")["loads"]
    assert (done["outcome"], done["read"]) == ("unchanged", 2)


def test_a_server_that_knows_what_waits_does_not_send_it_again(tmp_path: Path) -> None:
    rows = [{"id": n, "at": f"2026-09-{n % 27 + 1:02}"} for n in range(40)]

    def answer(asked: Asked) -> Given:
        tag = f'"{len(rows)}"'
        if asked.headers.get("If-None-Match") == tag:
            return Given(status=304, headers={"ETag": tag})
        return Given(rows, headers={"ETag": tag})

    with upstream(answer) as server:
        source_ = f"  tickets: {{kind: http, url: '{server.url}/t', time: at, columns: {{at: date}}, every: 1h}}\n"
        metrics = "metrics:\n  made: {role: leading, source: tickets, count: rows, better: higher}\n"
        head = "version: 1\norganization: {name: N, owner: D <d@example.com>, timezone: UTC}\nsources:\n"
        (tmp_path / "metrics.yaml").write_text(head + source_ + metrics)
        said(tmp_path, "28T06:00", "refresh")
        del rows[5:]
        outcomes = [said(tmp_path, f"28T{h}:00", "refresh", status=1)["loads"][0]["outcome"] for h in ("07", "08")]
        assert outcomes == ["held", "held"]
        assert "If-None-Match" in server.asked[-1].headers
        assert server.asked[-1].headers["If-None-Match"] == '"5"', "asked by what waits, not by what is shown"
        said(tmp_path, "28T08:30", "reject", "2", "--by", "Dana")
        assert said(tmp_path, "28T09:00", "refresh", status=1)["loads"][0]["outcome"] == "held", "a person asked again"
        rows += [{"id": n, "at": "2026-09-27"} for n in range(100, 140)]
        assert said(tmp_path, "28T10:00", "refresh")["loads"][0]["outcome"] == "ok"
        assert said(tmp_path, "28T11:00", "refresh")["loads"][0]["outcome"] == "unchanged"


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, ".")
from scorecard.warehouse import publication
from tests.test_holds import *
house = warehouse_in(Path(sys.argv[1]))
of = source(time="at")
moment = sys.argv[2]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if moment == "held":
    die()
real = publication.Publication._remember
def remember(self, memory):
    real(self, memory)
    die()
if moment == "inside":
    publication.Publication._remember = remember
(waiting,) = house.holds.waiting()
approve(house, of, waiting.load.id, "at")
die()
"""


@pytest.mark.parametrize(("moment", "rows"), [("held", 30), ("inside", 30), ("after", 3)])
def test_a_decision_is_done_or_not_done_whenever_the_process_dies(tmp_path: Path, moment: str, rows: int) -> None:
    house, of = warehouse_in(tmp_path), source(time="at")
    good(house, of, MANY, "at")
    load(house, of, FEW, "at")
    house.close()
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), moment], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    again = warehouse_in(tmp_path)
    assert len(rows_of(again)) == rows
    if rows == 30:
        assert [w.load.id for w in again.holds.waiting()] == [2]
        approve(again, of, 2, "at")
    else:
        assert [d.load for d in again.holds.unsaid()] == [2], "the journal has still to hear of it"
    assert [r[0] for r in rows_of(again)] == [1, 2, 3]
    again.close()


# -- the whole product -----------------------------------------------------------------------------------------

METRICS = """version: 1
organization: {name: Northwind, owner: Dana Lee <dana@example.com>, timezone: Europe/Berlin}
sources:
  tickets: {kind: csv, path: tickets.csv, time: created_at, every: 1h, fresh_for: 90m}
  orders: {kind: csv, path: orders.csv, key: [id], time: at, every: 1h}
metrics:
  created: {role: leading, source: tickets, count: rows, better: higher, target: 1}
  revenue: {role: lagging, source: orders, sum: amount, better: higher, target: 10, unit: EUR, materiality: 5%}
  twice: {role: lagging, formula: revenue * 2, better: higher, materiality: 100}
"""


def company(folder: Path, tickets: int = 60, fifth: int = 6) -> None:
    folder.mkdir(exist_ok=True)
    days = [date(2026, 9, 1) + timedelta(days=n % 27) for n in range(60)]
    (folder / "metrics.yaml").write_text(METRICS)
    (folder / "tickets.csv").write_text("id,created_at\n" + "".join(f"{n},{days[n]}\n" for n in range(tickets)))
    rows = (f"{n},{days[n]},{fifth if n == 5 else n + 1}\n" for n in range(60))
    (folder / "orders.csv").write_text("id,at,amount\n" + "".join(rows))


def said(folder: Path, now: str, *words: str, status: int = 0) -> Any:
    done = inside(folder, "--now", f"2026-09-{now}:00Z", "--format", "json", *words)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def test_held_on_the_terminal_from_refresh_to_the_journal(tmp_path: Path) -> None:
    company(tmp_path)
    said(tmp_path, "27T21:30", "refresh")
    company(tmp_path, tickets=2, fifth=600)
    loads = {x["source"]: x for x in said(tmp_path, "27T22:30", "refresh", status=1)["loads"]}
    assert {x["outcome"] for x in loads.values()} == {"held"}
    assert "revenue 2026-W36 549 EUR → 1\u202f143 EUR" in loads["orders"]["problem"]
    assert "twice 2026-W36 1\u202f098 → 2\u202f286" in loads["orders"]["problem"]
    (fresh,) = said(tmp_path, "27T22:30", "values", "created", "--period", "2026-W39")["readings"]
    assert (fresh["value"], fresh["status"]) == (14, "green"), "within fresh_for nothing is hidden"
    (stale,) = said(tmp_path, "28T09:00", "values", "created", "--period", "2026-W39")["readings"]
    assert (stale["status"], stale["reason"], stale["value"]) == ("grey", "held", 14)
    assert "of tickets: the table would drop from 60 to 2 rows" in stale["because"]
    orders = next(x for x in said(tmp_path, "28T09:00", "loads", "orders")["loads"] if x["outcome"] == "held")
    assert [(m["metric"], m["from"], m["to"]) for m in orders["moves"]] == [
        ("revenue", 549, 1143),
        ("twice", 1098, 2286),
    ]
    said(tmp_path, "28T09:01", "approve", str(orders["id"]), "--by", "Ana", "--why", "a late invoice")
    (moved,) = said(tmp_path, "28T09:02", "values", "revenue", "--period", "2026-W36")["readings"]
    assert moved["value"] == 1143
    back = said(tmp_path, "28T09:03", "rollback", "orders", "--by", "Ben", "--why", "it was not ours")
    assert (back["decision"]["what"], back["decision"]["by"], back["generation"]) == ("rollback", "Ben", 3)
    (restored,) = said(tmp_path, "28T09:04", "values", "revenue", "--period", "2026-W36")["readings"]
    assert restored["value"] == 549
    assert said(tmp_path, "28T09:05", "refresh", "orders", status=1)["loads"][0]["outcome"] == "held"
    again = said(tmp_path, "28T09:06", "refresh", "--recompute")
    assert again["differences"] == 0, "what was kept equals what the rows give"
    wrong = command(tmp_path, "approve", "99", "--by", "Ana")
    assert (wrong.returncode, wrong.stderr.strip()) == (1, "there is no load 99 (`scorecard loads` lists them)")
    journal = Journal.open(str(tmp_path / "data" / "journal.sqlite"), SystemClock())
    entries = journal.entries("decision")
    journal.close()
    assert [(e.by, e.body["what"], e.body["text"]) for e in entries] == [
        ("Ben", "rollback", "it was not ours"),
        ("Ana", "approve", "a late invoice"),
    ]


def test_held_in_a_running_process_and_decided_through_it(tmp_path: Path) -> None:
    company(tmp_path)
    said(tmp_path, "28T08:00", "refresh")
    company(tmp_path, tickets=2)
    with served(tmp_path, "--now", "2026-09-28T09:00:00Z") as site:
        until = time.monotonic() + 20
        while not (waiting := [s for s in site.get("/api/v1/sources")["sources"] if s["waiting"]]):
            assert time.monotonic() < until
            time.sleep(0.05)
        (tickets,) = waiting
        assert (tickets["name"], tickets["outcome"], tickets["rows"]) == ("tickets", "held", 60)
        notices = [n["message"] for n in site.get("/api/v1/sources")["notices"]]
        assert any(n.startswith(f"load {tickets['waiting']} of tickets waits for a person") for n in notices)
        with urllib.request.urlopen(site.address + "/-/metrics", timeout=10) as answer:
            assert 'scorecard_source_held{source="tickets"} 1' in answer.read().decode()
        address = f"/api/v1/loads/{tickets['waiting']}"
        assert site.post(f"{address}/approve", {"why": "x"})[0] == 400
        status, done = site.post(f"{address}/approve", {"by": "Ana", "why": "archived"})
        assert (status, done["outcome"], done["decision"]["by"]) == (200, "ok", "Ana")
        assert site.post(f"{address}/reject", {"by": "Ana"})[0] == 409
        assert [s["rows"] for s in site.get("/api/v1/sources")["sources"]] == [2, 60]
        back = command(tmp_path, "--format", "json", "rollback", "tickets")
        assert (back.returncode, json.loads(back.stdout)["decision"]["by"]) == (0, getpass.getuser())
        assert [s["rows"] for s in site.get("/api/v1/sources")["sources"]] == [60, 60]
        assert site.post("/api/v1/sources/tickets/rollback", {"by": "Ana", "to": 77})[0] == 404
