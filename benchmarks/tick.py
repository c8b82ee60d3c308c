"""From 10,000 new rows to a published board, verdicts included: 32 metrics of 20 teams over 156 weeks, on tables of several sizes.

    python benchmarks/tick.py [--rows 1000000 10000000] [--rounds 5] [--folder DIR] [--no-full]

A tick is `Refresher.publish` after a load: the touched states, where every series moved and what its cells are made of, and the
board handed to its readers. Cells and verdicts are made when somebody asks, so that is timed beside it: `look` asks each board
for all scorecards (the last closed period of every metric and slice at its own grain), `all` the last board for the closed and
the running reading of every series at every grain. As somebody looks at every board, each tick takes over what was judged.
Then everything is computed anew once, for the ratio, and the audit compares what the ticks have kept with what the rows give.
CPU is that of the whole process, all threads.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that the tickets beside it are found
from benchmarks.tickets import NOW, Tickets
from scorecard.board.board import Board
from scorecard.board.publish import Publisher
from scorecard.ground import heap
from scorecard.journal.journal import Journal
from scorecard.refresh.run import Refresher

NEW_ROWS = 10_000
Spent = tuple[float, float]
"""(wall, CPU) seconds."""


def timed(work: Callable[[], object]) -> Spent:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def said(spent: Spent) -> str:
    return f"{spent[0] * 1000:9.1f} ms wall {spent[1] * 1000:9.1f} ms CPU"


def look(board: Board) -> None:
    """All scorecards, as pages show them."""
    for name in board.book.scorecards():
        board.scorecard(name)


def look_at_all(board: Board) -> None:
    """The newest closed and the running reading of every series."""
    for line in board.readings.values():
        assert len(line[-2:]) == min(2, len(line))


def measure(folder: Path, rows: int, rounds: int, *, full: bool) -> Spent:
    """Prints the medians; gives the tick's."""
    tickets = Tickets(folder, rows)
    journal = Journal.open(str(folder / "journal.sqlite"), tickets.clock)
    publisher = Publisher(folder)
    refresher = Refresher(tickets.book, folder, tickets.engine, journal, publisher, tickets.clock)
    print(f"{rows:>11,} rows  start    {said(timed(refresher.publish))}", flush=True)
    heap.settle()  # as `scorecard serve` does
    loads, ticks, looks = [], [], []
    for number in range(rounds + 1):
        begin = NOW - timedelta(minutes=50 - number)

        def load(begin: datetime = begin) -> None:
            touched = tickets.load(NEW_ROWS, begin, begin + timedelta(minutes=1))
            refresher._pending["tickets"] = touched  # noqa: SLF001 - as a pull leaves it behind

        loaded, ticked = timed(load), timed(refresher.publish)
        looked = timed(lambda: look(publisher.current()))
        if number:  # the first round warms up
            loads.append(loaded)
            ticks.append(ticked)
            looks.append(looked)
    load_, tick, look_ = (
        tuple(statistics.median(s[i] for s in spent) for i in (0, 1)) for spent in (loads, ticks, looks)
    )
    print(f"{rows:>11,} rows  load     {said((load_[0], load_[1]))}", flush=True)
    print(f"{rows:>11,} rows  tick     {said((tick[0], tick[1]))}", flush=True)
    print(f"{rows:>11,} rows  look     {said((look_[0], look_[1]))}", flush=True)
    print(f"{rows:>11,} rows  all      {said(timed(lambda: look_at_all(publisher.current())))}", flush=True)
    print(f"{rows:>11,} rows  memory   {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10:,} MB at most so far", flush=True)  # fmt: skip
    if full:
        whole = timed(lambda: refresher.publish(recompute=True))
        print(f"{rows:>11,} rows  full     {said(whole)}  {whole[1] / tick[1]:.1f}x the tick's CPU", flush=True)
    audits = refresher.audit()
    assert [a.differences for a in audits] == [0], audits
    print(f"{rows:>11,} rows  audit    {audits[0].numbers:,} kept numbers are those of the rows", flush=True)
    publisher.close()
    tickets.engine.close()
    journal.close()
    return tick[0], tick[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--full", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args()
    ticks = []
    for rows in given.rows:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            ticks.append(measure(Path(folder), rows, given.rounds, full=given.full))
    if len(ticks) > 1:
        wall, cpu = (ticks[-1][i] / ticks[0][i] for i in (0, 1))
        print(
            f"{given.rows[-1] / given.rows[0]:.0f}x the rows: {wall:.2f}x the wall time, {cpu:.2f}x the CPU of a tick"
        )


if __name__ == "__main__":
    main()
