"""One process that pulls, computes and serves: schedule, commands handed over, reload, kill and restart."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from tests.amounts import times
from tests.served import Served, command, free_port, served

BOOK = """
version: 1
organization: {name: Test, timezone: UTC}
sources:
  orders: {kind: csv, path: orders.csv, every: 1s, key: [order_id], time: ordered_at}
teams:
  sales: {title: Sales, owner: Ana Ruiz}
panels:
  floor: {show: [{team: sales}]}
metrics:
  orders_count: {title: Orders, team: sales, role: lagging, source: orders, count: rows, better: higher, target: 3, amber: 2}
  revenue: {title: Revenue, team: sales, role: lagging, source: orders, sum: amount, unit: EUR, better: higher}
"""
HEADER = "order_id,ordered_at,amount\n"


def write_orders(folder: Path, count: int) -> None:
    rows = (f"{i},2026-09-2{1 + i % 5}T10:00:00Z,{10 + i}.5\n" for i in range(count))
    aside = folder / "orders.new"
    aside.write_text(HEADER + "".join(rows))
    aside.replace(folder / "orders.csv")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "metrics.yaml").write_text(BOOK)
    write_orders(tmp_path, 4)
    return tmp_path


WEEK = {"period": "2026-W39"}


def test_a_changed_file_reaches_the_api_within_two_seconds(folder: Path) -> None:
    with served(folder) as server:
        server.wait_for("orders_count", 4, **WEEK)
        write_orders(folder, 9)
        began = time.monotonic()
        assert server.wait_for("orders_count", 9, **WEEK)["status"] == "green"
        assert time.monotonic() - began < 2.5  # the schedule's second, and the load


def test_commands_are_done_by_the_running_process_with_the_same_output(folder: Path) -> None:
    with served(folder) as server:
        server.wait_for("orders_count", 4, **WEEK)
        inside = command(folder, "--format", "json", "values", "--period", "2026-W39")
        assert inside.returncode == 0, inside.stderr
        api = server.get("/api/v1/metrics/orders_count/readings?period=2026-W39")["readings"][0]
        mine = json.loads(inside.stdout)["readings"][0]
        assert {k: mine[k] for k in ("value", "status", "because", "period")} == {
            k: api[k] for k in ("value", "status", "because", "period")
        }
        assert command(folder, "values", "nothing").returncode == 1
        refreshed = command(folder, "refresh", "orders")
        assert refreshed.returncode == 0, refreshed.stderr
        assert command(folder, "check").returncode == 0
        assert oct((folder / "data" / "running.json").stat().st_mode)[-3:] == "600"
    assert not (folder / "data" / "running.json").exists()
    outside = command(folder, "--format", "json", "values", "--period", "2026-W39")
    assert json.loads(outside.stdout)["readings"][0]["value"] == 4


def test_a_port_in_use_and_a_second_process_are_said(folder: Path) -> None:
    with served(folder) as server:
        port = server.address.rsplit(":", 1)[1]
        second = command(folder, "serve", "--port", str(free_port()))
        assert second.returncode == 1
        assert f"process {server.process.pid} serves the data folder" in second.stderr
        taken = command(folder, "--data", "other", "serve", "--port", port)
        assert taken.returncode == 1
        assert port in taken.stderr
        assert "Traceback" not in second.stderr + taken.stderr


def test_a_good_file_is_taken_over_and_a_bad_one_never(folder: Path) -> None:
    with served(folder) as server:
        server.wait_for("orders_count", 4, **WEEK)
        (folder / "metrics.yaml").write_text(BOOK.replace("target: 3, amber: 2", "target: 5, amber: 4"))
        until = time.monotonic() + 10
        while server.reading("orders_count", **WEEK)["status"] != "amber":
            assert time.monotonic() < until
            time.sleep(0.1)
        (folder / "metrics.yaml").write_text(BOOK.replace("count: rows", "cuont: rows"))
        until = time.monotonic() + 10
        while "cuont" not in json.dumps(server.get("/api/v1/sources")["notices"]):
            assert time.monotonic() < until
            time.sleep(0.1)
        assert server.reading("orders_count", **WEEK)["status"] == "amber"


@pytest.mark.slow
def test_kill_9_loses_no_note_and_a_restart_goes_on(folder: Path) -> None:
    acknowledged = []
    for round_ in range(times(2)):
        with served(folder) as server:
            server.wait_for("orders_count", 4, **WEEK)
            for i in range(3):
                status, note = server.post(
                    "/api/v1/notes",
                    {
                        "metric": "orders_count",
                        "grain": "week",
                        "period": "2026-W39",
                        "slice": None,
                        "text": f"{round_}.{i}",
                        "by": "Ana Ruiz",
                    },
                )
                assert status == 201, note
                acknowledged.append(note["id"])
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
    for name in ("warehouse.duckdb", "warehouse.duckdb.wal"):
        (folder / "data" / name).unlink(missing_ok=True)
    with served(folder) as server:
        kept = [n["id"] for n in server.get("/api/v1/notes?metric=orders_count")["notes"]]
        assert set(acknowledged) == set(kept)
        server.wait_for("orders_count", 4, **WEEK)


def test_versions_grow_across_restarts_and_a_stop_is_quick(folder: Path) -> None:
    with served(folder) as server:
        server.wait_for("orders_count", 4, **WEEK)
        first = server.version()
        events = urllib.request.urlopen(server.address + "/api/v1/events", timeout=10)
        assert b"version" in events.readline() + events.readline() + events.readline()
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(10)
        assert time.monotonic() - began < 3
        events.close()
    with served(folder) as again:
        assert again.version() > first


def test_a_source_that_is_gone_changes_no_value_and_is_named(folder: Path) -> None:
    with served(folder) as server:
        before = server.wait_for("orders_count", 4, **WEEK)
        (folder / "orders.csv").unlink()
        until = time.monotonic() + 10
        while not (problem := _source(server)["problem"]):
            assert time.monotonic() < until
            time.sleep(0.1)
        assert "orders.csv" in str(problem)
        after = server.reading("orders_count", **WEEK)
        assert (after["value"], after["status"]) == (before["value"], before["status"])


def _source(server: Served) -> dict[str, object]:
    return dict(server.get("/api/v1/sources")["sources"][0])
