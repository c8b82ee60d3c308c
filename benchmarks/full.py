"""Computing 32 metrics of 20 teams over 156 weeks from all rows, beside other metric layers, and every cell checked.

    python benchmarks/full.py [--rows 1000000 10000000] [--rounds 3] [--peer polars=PYTHON ...] [--peers DIR]

Every engine computes on the same rows in a process of its own, in turns, and has its cells in Python at the end; CPU is that of
all threads. The product runs twice: `all` is what it does in service (weeks, months, quarters and years, the whole and the teams,
and the running periods' comparisons at the same cut; every cell made and read), `weeks` is cut down to weeks, which is all that
the peers compute. Peers are run by an interpreter of their own: `--peer NAME=PYTHON`, or DIR/NAME/bin/python
(`python -m venv DIR/NAME; DIR/NAME/bin/pip install NAME`; for boring-semantic-layer also `ibis-framework[duckdb]`); those
that are not there are named. All weekly cells of all engines are compared with plain SQL, one naive statement for each metric:
those of few rows (weeks without rows, teams that begin late) and those of the first number of rows, or of all with `--check`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that the tickets beside it are found
from benchmarks.peers import PEERS, Cells

OWN = ("all", "weeks")


def product(folder: Path, *, weeks: bool, memory_limit: str) -> tuple[dict[str, float], Cells]:
    """What the product spends on everything, and its weekly cells by team."""
    import scorecard.book.sqlparse  # noqa: F401  # what is loaded when it is needed is there before, as with the peers
    from benchmarks.tickets import NOW, book
    from scorecard.ground.clock import FixedClock
    from scorecard.measures import lowering
    from scorecard.measures.run import Meter
    from scorecard.refresh.run import calendar_of
    from scorecard.warehouse.duck import DuckWarehouse

    if weeks:
        lowering.coarser = lambda grain: (grain,)  # type: ignore[assignment]  # what the peers do not compute is left out
    made = book()
    engine = DuckWarehouse.open(folder, FixedClock(NOW), memory_limit=memory_limit, query_seconds=3600)
    meter = Meter(engine, made, calendar_of(made))
    begun = spent()
    measured = meter.measure(NOW, None)
    counted = spent()
    for series in measured.series.values():  # a cell is made when it is first asked for: all of them are
        for cell in series.cells:
            assert cell is not None
        assert dict(series.cuts) is not None
    done = spent()
    assert not measured.problems, measured.problems
    cells: Cells = {}
    for (name, grain, slice_), series in measured.series.items():
        if grain == "week" and slice_ is not None:
            for period, cell in zip(series.periods, series.cells, strict=True):
                cells.setdefault(name, {})[slice_[1], period.first.isoformat()] = cell.value
    engine.close()
    return {**difference(begun, done), "states": counted[1] - begun[1]}, cells


def spent() -> tuple[float, float]:
    """Wall and CPU seconds so far, those of all threads."""
    return time.perf_counter(), time.process_time()


def difference(begun: tuple[float, float], done: tuple[float, float]) -> dict[str, float]:
    return {"wall": done[0] - begun[0], "cpu": done[1] - begun[1]}


def one(what: str, folder: Path, memory_limit: str) -> None:
    """One engine in this process: prints seconds and the largest memory as JSON, and leaves its cells beside the rows."""
    if what in OWN:
        answer, cells = product(folder, weeks=what == "weeks", memory_limit=memory_limit)
    else:
        run, read = PEERS[what](folder)
        begun = spent()
        given = run()
        answer = difference(begun, spent())
        cells = read(given)
    megabytes = largest_memory()
    # Where some divide 0 by 0 they say NaN, which is no data.
    flat = {
        n: [[*p, None if v is None or v != v else float(v)] for p, v in found.items()] for n, found in cells.items()
    }
    (folder / f"{what}.json").write_text(json.dumps(flat))
    print(json.dumps({**answer, "megabytes": megabytes}))


def largest_memory() -> float:
    """The most that this process has held, in MB."""
    status = Path("/proc/self/status")  # what getrusage says begins with what the parent held
    if status.exists():
        return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def filled(folder: Path, rows: int) -> None:
    """A loaded warehouse; beside it the same rows as Parquet and as a plain table for the peers."""
    import duckdb

    from benchmarks.tickets import Tickets

    made = Tickets(folder, rows)
    made.engine.close()  # which writes the log into the file
    plain = duckdb.connect(str(folder / "peer.duckdb"))
    plain.execute(f"ATTACH '{folder / 'warehouse.duckdb'}' AS w (READ_ONLY)")
    plain.execute("CREATE TABLE tickets AS SELECT COLUMNS('^[^_].*') FROM w.main.tickets")
    plain.execute(f"COPY tickets TO '{folder / 'tickets.parquet'}' (FORMAT parquet)")
    plain.close()


def interpreters(peers: Path, given: list[str]) -> Iterator[tuple[str, str]]:
    """Each engine with the interpreter that runs it; says which peers are not there."""
    yield from ((name, sys.executable) for name in OWN)
    named = dict(pair.split("=", 1) for pair in given)
    for name in PEERS:
        python = named.get(name, str(peers / name / "bin" / "python"))
        if Path(python).exists():
            yield name, python
        else:
            print(f"{name} is not there ({python}): left out", flush=True)


def compared(folder: Path, rows: int, names: list[str]) -> bool:
    """Says for each engine how many of its cells are those of plain SQL; whether all of the product's are."""
    from benchmarks.oracle import differing, plain

    wanted, of_peers = plain(folder)
    sound = True
    for name in names:
        given = json.loads((folder / f"{name}.json").read_text())
        cells = {n: {(team, week): value for team, week, value in found} for n, found in given.items()}
        expected = wanted if name in OWN else of_peers
        cells = {n: found for n, found in cells.items() if n in expected}
        wrong = list(differing(cells, expected))
        number = sum(len(expected[n]) for n in cells)
        missing = sorted(set(expected) - set(cells))
        print(
            f"{rows:>11,} rows  {name:<22}  {number - len(wrong):,} of {number:,} cells of {len(cells)} metrics are those of "
            f"plain SQL{'; without ' + ', '.join(missing) if missing else ''}{'; ' + wrong[0] if wrong else ''}",
            flush=True,
        )
        sound &= name not in OWN or not (wrong or missing)
    return sound


def race(folder: Path, rows: int, rounds: int, pythons: dict[str, str], memory_limit: str) -> list[str]:
    """Lets all engines compute in turns and prints what they spent; the names of those that did."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for name, python in pythons.items():
            command = [python, str(Path(__file__)), "--one", name, "--folder", str(folder), "--memory", memory_limit]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name} failed: {done.stderr.strip().splitlines()[-1:]}", flush=True)
                continue
            runs.setdefault(name, []).append(json.loads(done.stdout.splitlines()[-1]))
    for name, found in runs.items():
        cpu, wall = (statistics.median(r[k] for r in found) for k in ("cpu", "wall"))
        states = f"  (states {statistics.median(r['states'] for r in found):.2f} s)" if name in OWN else ""
        print(
            f"{rows:>11,} rows  {name:<22}  cpu {cpu:7.2f} s  least {min(r['cpu'] for r in found):7.2f} s  wall {wall:7.2f} s  "
            f"{max(r['megabytes'] for r in found):6.0f} MB{states}",
            flush=True,
        )
    return list(runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=Path, default=Path(tempfile.gettempdir()) / "scorecard-peers")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--only", nargs="+", help="these engines only")
    parser.add_argument("--memory", default="2GB", help="how much DuckDB may use in the product")
    parser.add_argument("--check", action="store_true", help="compare the cells of every number of rows")
    parser.add_argument("--folder", type=Path, default=None, help="where the rows are put for the time being")
    parser.add_argument("--one", default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        one(given.one, given.folder, given.memory)
        return
    pythons = dict(interpreters(given.peers, given.peer))
    pythons = {name: python for name, python in pythons.items() if not given.only or name in given.only}
    sound = True
    for number, rows in enumerate([3_000, *given.rows]):
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            filled(Path(folder), rows)
            print(f"{rows:>11,} rows  load of the machine: {os.getloadavg()[0]:.1f}", flush=True)
            names = race(Path(folder), rows, given.rounds if number else 1, pythons, given.memory)
            if number < 2 or given.check:
                sound &= compared(Path(folder), rows, names)
    sys.exit(not sound)


if __name__ == "__main__":
    main()
