"""kill -9 at random moments of everything that a process does with loads: pulling, keeping what came, publishing, holding,
approving, rejecting, rolling back, taking over another metrics.yaml. `make faults` does it 200 times, `make test` a few.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scorecard.cli.product import Product, open_product
from scorecard.ground.clock import SystemClock
from scorecard.landings.landing import PENDING, PUBLISHED
from tests.amounts import times

ROOT = Path(__file__).parent.parent
ROWS, FEW = 400, 3
BOOK = """
version: 1
organization: {name: N, owner: A <a@example.com>, timezone: UTC}
sources:
  swap: {kind: csv, path: swap.csv, time: at, every: 1h, keep_raw: 30d}
  up: {kind: csv, path: up.csv, key: [id], time: at, every: 1h, keep_raw: 30d}
metrics:
  swapped: {role: leading, source: swap, sum: v, better: lower, grain: day, target: 1}
  upped: {role: leading, source: up, sum: v, better: lower, grain: day}
"""
CHILD = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.test_kills import warm_up, work
warm_up(Path(sys.argv[2]) / "warm")
for line in sys.stdin:
    number = int(line)
    pid = os.fork()  # nothing is open here yet: imports are what takes the time
    if not pid:
        work(Path(sys.argv[2]), number)
    print("pid", pid, flush=True)
    os.waitpid(pid, 0)
    print("over", flush=True)
"""


def put(folder: Path, name: str, number: int, rows: int) -> None:
    """A file of rows that all carry the number, there at once or not at all."""
    text = "id,at,v\n" + "".join(f"{n},2026-01-05T10:00,{number}\n" for n in range(rows))
    (folder / f".{name}").write_text(text)
    (folder / f".{name}").rename(folder / name)


def warm_up(folder: Path) -> None:
    """Imports what a round imports, which is most of what a round takes; itself it opens nothing."""
    folder.mkdir()
    (folder / "metrics.yaml").write_text(BOOK)
    ours, theirs = os.pipe()
    if not (pid := os.fork()):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        work(folder, 2, rounds=6)
        with os.fdopen(theirs, "w") as told:
            told.write(" ".join(sys.modules))
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as heard:
        names = heard.read().split()
    os.waitpid(pid, 0)
    for name in names:
        if name not in sys.modules and not name.startswith("_"):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def work(folder: Path, number: int, rounds: int = 10**9) -> None:
    """Load after load and decision after decision until the process is killed; what is done is said behind it."""
    product = open_product(folder / "metrics.yaml", folder / "data", SystemClock())
    refresher = product.refresher
    print("ready", flush=True)
    other = BOOK.replace("target: 1}", "target: 2}")
    for _ in range(rounds):
        number += 1
        put(folder, "swap.csv", number, FEW if number % 10 == 3 else ROWS)
        put(folder, "up.csv", number, ROWS)
        for load in refresher.pull(cause="command"):
            print("load", load.source, load.outcome, load.generation, flush=True)
        refresher.publish()
        for one in product.engine.holds.waiting():
            letting = one.load.source == "up" or number % 20 == 3
            decide = refresher.approve if letting else refresher.reject
            decide(one.load.id, "Dana", f"round {number}")
            print("decided", one.load.id, flush=True)
        if number % 10 == 5:
            back = refresher.roll_back("up", None, "Dana", f"round {number}")
            print("decided", back.id, flush=True)
        if number % 10 == 7:
            (folder / "metrics.yaml").write_text(other if number % 20 == 7 else BOOK)
            from scorecard.book.read import read_book

            refresher.replace_book(read_book(folder / "metrics.yaml"))
    product.close()


@contextmanager
def starter(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has imported everything and begins workers."""
    line = [sys.executable, "-W", "ignore", "-c", CHILD, str(ROOT), str(folder)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)


def checked(product: Product, said: dict[str, Any], where: str) -> None:
    """After a kill and a start: everything is whole, everything that was acknowledged is there."""
    engine, landings = product.engine, product.landings
    for name in ("swap", "up"):
        standing = engine.standing(name)
        if standing is None:
            assert said[name] == 0, where
            continue
        ((numbers, rows, number),) = engine.query(
            f"SELECT count(DISTINCT v), count(*), max(v) FROM {engine.table(name)}"
        ).rows()
        assert (numbers, rows) == (1, FEW if name == "swap" and number % 10 == 3 else ROWS), where
        assert standing.rows == rows, where
        assert standing.generation >= said[name], f"{where}: an acknowledged load is gone"
        said[name] = standing.generation
        held_tables = "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE '_incoming%'"
        assert engine.query(held_tables).item() == 0, where
        # What is kept as it came is whole, and what was published last can be told from it.
        assert not landings.listed(name, outcome=PENDING), where
        assert not list((product.data / "raw" / name).glob("*.unfinished")), where
        for landing in landings.listed(name, limit=3):
            with landings.unpacked(landing) as given:
                assert given, where
        newest = next(iter(landings.listed(name, outcome=PUBLISHED, limit=1)), None)
        last = [x for x in engine.loads(name, 1000) if x.generation == standing.generation and x.outcome == "ok"]
        if last and last[-1].cause == "command":
            assert newest is not None, where
            with landings.unpacked(newest) as (given_,):
                assert given_.path.read_text().endswith(f",{number}\n"), where
    for load in engine.loads(limit=1000):
        if load.outcome in {"ok", "unchanged"} and load.cause != "rollback":
            assert load.read == load.loaded + load.unchanged + load.duplicate + load.quarantined, where
        if load.outcome == "failed":
            assert str(load.problem).startswith("the process ended while it ran"), f"{where}: {load.problem}"
        assert load.outcome != "running", where
    assert product.journal.verify() == (), where
    assert engine.holds.unsaid() == (), where
    told = {e.body["load"] for e in product.journal.entries("decision", limit=None)}
    assert said["decided"] <= told, f"{where}: a decision is missing in the journal"


def kill_again_and_again(folder: Path, kills: int, seed: int, seconds: float) -> dict[str, Any]:
    chance = random.Random(seed)
    print(f"seed {seed}, {kills} kills")
    (folder / "metrics.yaml").write_text(BOOK)
    said: dict[str, Any] = {"swap": 0, "up": 0, "decided": set(), "loads": 0}
    with starter(folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for round_ in range(kills):
            print(round_ * 1000 + chance.randrange(20), file=process.stdin, flush=True)
            pid = int(process.stdout.readline().split()[1])
            # Counted from what is done: on a busy machine nothing else says how far it is. -1: while it opens.
            seen: list[list[str]] = []
            until = chance.randrange(-1, 5)
            while len(seen) <= until:
                seen.append(process.stdout.readline().split())
                assert seen[-1], "the starter died"
            wait = chance.uniform(0, seconds)
            time.sleep(wait)
            os.kill(pid, signal.SIGKILL)
            while (line := process.stdout.readline().split()) != ["over"]:
                assert line, "the starter died"
                seen.append(line)
            for line in seen:
                if line[0] == "load":
                    said["loads"] += 1
                    if line[2] in {"ok", "unchanged"}:
                        said[line[1]] = max(said[line[1]], int(line[3]))
                if line[0] == "decided":
                    said["decided"].add(int(line[1]))
            product = open_product(folder / "metrics.yaml", folder / "data", SystemClock())
            try:
                checked(product, said, f"seed {seed}, kill {round_} at {until}, after {wait:.3f} s")
            finally:
                product.close()
    # Whatever the last kill left, the next runs go on from there.
    put(folder, "swap.csv", 10, ROWS)
    put(folder, "up.csv", 10, ROWS)
    product = open_product(folder / "metrics.yaml", folder / "data", SystemClock())
    for load in product.refresher.pull(cause="command"):
        assert load.outcome in {"ok", "held", "unchanged"}, load.problems
    product.close()
    return said


@pytest.mark.slow
def test_a_few_kills_leave_everything_whole(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, times(2), 7, 0.4)


@pytest.mark.faults
def test_two_hundred_kills_leave_everything_whole(tmp_path: Path) -> None:
    seed = int(os.environ.get("SCORECARD_TEST_SEED", random.SystemRandom().randrange(10**6)))
    said = kill_again_and_again(tmp_path, 200, seed, 0.4)
    print(
        json.dumps(
            {"loads": said["loads"], "decisions": len(said["decided"]), "generations": [said["swap"], said["up"]]}
        )
    )
    assert said["loads"] > 200
    assert len(said["decided"]) > 20
