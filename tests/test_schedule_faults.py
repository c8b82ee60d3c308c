"""The schedule against faults, in real processes: servers that go and come, runs that take too long, kills, clocks that are set.

Clocks are set by libfaketime, in the one process that is tested and never for the machine; the monotonic clock stays true.
"""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.served import Served, command, free_port, served
from tests.slow_servers import Asked, Given
from tests.slow_servers import served as answering

HEAD = """
version: 1
organization: {name: Test, timezone: UTC}
teams: {sales: {title: Sales, owner: Ana Ruiz}}
panels: {floor: {show: [{team: sales}]}}
"""
METRIC = "  n_{0}: {{title: N, team: sales, role: lagging, source: {0}, count: rows, time: at, grain: day, better: higher, target: 1}}\n"
ROWS = [{"id": n, "at": f"2026-09-2{n}T10:00:00Z"} for n in range(1, 5)]


def book(folder: Path, sources: dict[str, str]) -> Path:
    """A metrics.yaml of sources with an id and a time, and a metric for each."""
    common = "key: [id], time: at, columns: {at: timestamp, id: integer}"
    lines = [f"  {name}: {{{options}, {common}}}\n" for name, options in sources.items()]
    (folder / "metrics.yaml").write_text(
        HEAD + "sources:\n" + "".join(lines) + "metrics:\n" + "".join(METRIC.format(name) for name in sources)
    )
    (folder / "file.csv").write_text("id,at\n" + "".join(f"{r['id']},{r['at']}\n" for r in ROWS))
    return folder


def source(server: Served, name: str) -> dict[str, Any]:
    return next(s for s in server.get("/api/v1/sources")["sources"] if s["name"] == name)


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def ready(server: Served) -> tuple[int, list[str]]:
    try:
        with urllib.request.urlopen(server.address + "/readyz", timeout=5) as answer:
            return answer.status, json.load(answer)["reasons"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["reasons"]


def numbers(server: Served) -> dict[str, float]:
    with urllib.request.urlopen(server.address + "/-/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_a_source_that_is_down_and_back_one_that_takes_too_long_and_one_that_is_well(tmp_path: Path) -> None:
    """The one stays out of the others' way, and everything is said: by API, Prometheus and page."""
    down = [False]

    def answer(asked: Asked) -> Given:
        if asked.path == "/slow":
            time.sleep(2.6)
        elif down[0]:
            return Given("gone", 503, {"Retry-After": "600"})
        return Given(ROWS)

    with answering(answer) as upstream:
        book(
            tmp_path,
            {
                "down": f"kind: http, url: '{upstream.url}/rows', every: 1s",
                "slow": f"kind: http, url: '{upstream.url}/slow', every: 1s",
                "well": "kind: csv, path: file.csv, every: 1s",
            },
        )
        with served(tmp_path) as server:
            server.wait_for("n_down", 1, period="2026-09-21")
            down[0] = True
            wait_for(lambda: source(server, "down")["failing_since"])
            turn = source(server, "down")
            assert turn["breaker"]["state"] == "closed"
            assert turn["host"] == "127.0.0.1"
            left = datetime.fromisoformat(turn["breaker"]["next_try"]) - datetime.now(UTC)
            assert timedelta(seconds=590) < left < timedelta(seconds=605), "as long as the server asked for"
            assert server.reading("n_down", period="2026-09-21")["value"] == 1, "what was loaded stays"
            asked = len([a for a in upstream.asked if a.path == "/rows"])
            wait_for(lambda: source(server, "slow")["skipped"] >= 2)
            wait_for(lambda: numbers(server).get('scorecard_loads_total{source="well",outcome="unchanged"}', 0) >= 3)
            assert len([a for a in upstream.asked if a.path == "/rows"]) == asked, "nobody asks before that"
            found = numbers(server)
            assert found['scorecard_source_failures_in_a_row{source="down"}'] == 1
            assert found['scorecard_source_skipped_runs_total{source="slow"}'] >= 2
            assert found['scorecard_source_breaker{source="down",state="closed"}'] == 1
            failed = server.get("/api/v1/loads?source=down&outcome=failed")["loads"]
            assert [load["cause"] for load in failed] == ["schedule"]
            page = urllib.request.urlopen(server.address + "/data").read().decode()
            assert "Failing since" in page
            assert "skipped, the one before being still under way" in page
            down[0] = False
            status, _ = server.post("/api/v1/sources/down/refresh", {})
            assert status == 202
            wait_for(lambda: source(server, "down")["failing_since"] is None, 3)
            assert source(server, "down")["breaker"]["next_try"] is None
            assert server.get("/api/v1/loads?source=down&limit=1")["loads"][0]["cause"] in ("hook", "schedule")
            assert ready(server)[0] == 200


def test_a_run_that_a_kill_cut_off_is_marked_failed_and_done_again(tmp_path: Path) -> None:
    hangs = [True]

    def answer(asked: Asked) -> Given:
        while hangs[0]:
            time.sleep(0.05)
        return Given(ROWS)

    with answering(answer) as upstream:
        book(tmp_path, {"s": f"kind: http, url: '{upstream.url}/rows', every: 1h"})
        with served(tmp_path) as server:
            wait_for(lambda: upstream.asked)
            wait_for(lambda: source(server, "s")["running_since"])
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
        hangs[0] = False
        with served(tmp_path) as server:
            server.wait_for("n_s", 1, period="2026-09-21")
            loads = server.get("/api/v1/loads?source=s")["loads"]
            assert [load["outcome"] for load in loads] == ["ok", "failed"]
            assert loads[1]["problem"].startswith("the process ended while it ran")


# -- clocks ----------------------------------------------------------------------------------------------------

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@contextmanager
def with_a_clock(folder: Path) -> Iterator[tuple[Served, Callable[[str], None]]]:
    """A served product whose wall clock the test sets: ``set_clock("-1h")``."""
    if FAKETIME is None:
        pytest.skip("needs libfaketime (Debian: apt-get install -y libfaketime)")
    file = folder / "clock"

    def set_clock(offset: str) -> None:
        aside = folder / "clock.new"
        aside.write_text(offset + "\n")
        aside.replace(file)

    set_clock("+0")
    environment = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # timed waits are left alone as well
    }
    with ExitStack() as stack:
        for left in (1, 0):  # with many threads libfaketime itself sometimes hangs while they begin
            try:
                server = stack.enter_context(served(folder, environment=environment, within_seconds=40))
                break
            except AssertionError:
                if not left:
                    raise
        yield server, set_clock


def runs_of(server: Served, name: str) -> float:
    counts = numbers(server)
    return sum(n for key, n in counts.items() if key.startswith(f'scorecard_loads_total{{source="{name}"'))


@pytest.mark.faults
@pytest.mark.parametrize(("step", "said"), [("-3600", "set back by 1 h"), ("+86400", "jumped forward by 24 h")])
def test_a_wall_clock_that_is_set(tmp_path: Path, step: str, said: str) -> None:
    """Said on every page within twice the interval, no run left out or made up for many times, ages right, over by itself."""
    book(
        tmp_path,
        {
            "often": "kind: csv, path: file.csv, every: 2s",
            "line": "kind: csv, path: file.csv, cron: '* * * * *', fresh_for: 90s",
            "seldom": "kind: csv, path: file.csv, every: 1h",
        },
    )
    with with_a_clock(tmp_path) as (server, set_clock):
        for name in ("often", "line", "seldom"):
            server.wait_for(f"n_{name}", 1, period="2026-09-21")
        before = {name: runs_of(server, name) for name in ("often", "line", "seldom")}
        began = time.monotonic()
        set_clock(step)
        wait_for(lambda: ready(server)[0] == 503, 4)
        assert time.monotonic() - began < 4
        assert said in ready(server)[1][0]
        for address in ("/", "/teams/sales", "/data"):
            assert said in urllib.request.urlopen(server.address + address).read().decode()
        assert any(said in notice["message"] for notice in server.get("/api/v1/sources")["notices"])
        wait_for(lambda: ready(server)[0] == 200, 25)
        took = time.monotonic() - began
        after = {name: runs_of(server, name) for name in ("often", "line", "seldom")}
        assert took / 2 - 3 <= after["often"] - before["often"] <= took / 2 + 3
        assert after["seldom"] - before["seldom"] == 1
        assert 1 <= after["line"] - before["line"] <= 2
        now = datetime.now(UTC) + timedelta(seconds=int(step))
        for name in ("often", "line", "seldom"):
            age = now - datetime.fromisoformat(source(server, name)["loaded_at"])
            assert timedelta(seconds=-2) <= age < timedelta(seconds=took + 3), "by the new clock"
        assert numbers(server)["scorecard_schedule_clock_steps_total"] == 1
        wait_for(lambda: runs_of(server, "line") > after["line"], 75)


@pytest.mark.faults
def test_a_clock_that_was_set_back_keeps_nothing_fresh_that_is_not(tmp_path: Path) -> None:
    """The file is gone when the clock goes back: its last load ages from that moment on, and not from an hour later."""
    book(tmp_path, {"s": "kind: csv, path: file.csv, every: 1s, fresh_for: 8s, quiet_for: 1000d"})
    with with_a_clock(tmp_path) as (server, set_clock):
        server.wait_for("n_s", 1, period="2026-09-21")
        (tmp_path / "file.csv").unlink()
        set_clock("-3600")
        wait_for(lambda: not source(server, "s")["fresh"], 15)
        assert source(server, "s")["outcome"] == "failed"


@pytest.mark.faults
def test_two_processes_on_one_folder_started_together(tmp_path: Path) -> None:
    book(tmp_path, {"s": "kind: csv, path: file.csv, every: 1s"})
    with served(tmp_path) as server:
        server.wait_for("n_s", 1, period="2026-09-21")
        (tmp_path / "data" / "running.json").unlink()  # as if both had started in the same moment
        second = command(tmp_path, "serve", "--port", str(free_port()))
        assert second.returncode == 1
        assert "Traceback" not in second.stderr
        assert "only one process can have the file open" in second.stderr
        assert ready(server)[0] == 200
