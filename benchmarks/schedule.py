"""500 sources at 5 s each: how late their runs begin, and what the schedule itself costs.

``python benchmarks/schedule.py [--sources 500] [--every 5] [--seconds 30] [--takes 0.01]``: pulls that only wait, so that
what is measured is the schedule: agenda, loop, workers, locks. At capacity (``workers`` divided by ``takes`` is what can be
begun in a second) lateness is the wait for a worker; beyond it the run tells whether anybody starves.
"""

from __future__ import annotations

import argparse
import threading
import time
from itertools import pairwise

from scorecard.book.model.source import Schedule as Rhythm
from scorecard.book.model.source import Source
from scorecard.ground.clock import SystemClock
from scorecard.ground.periods.calendar import Calendar
from scorecard.refresh.limits import Limits
from scorecard.refresh.schedule import Schedule


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sources", type=int, default=500)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--takes", type=float, default=0.01)
    parser.add_argument("--workers", type=int, default=8)
    asked = parser.parse_args()
    begun: dict[str, list[float]] = {f"s{i}": [] for i in range(asked.sources)}
    done = threading.Event()

    def pull(name: str, full: bool, cause: str) -> None:  # noqa: ARG001 - the schedule's form
        begun[name].append(time.monotonic())
        done.wait(asked.takes)

    schedule = Schedule(pull, lambda: None, SystemClock(), Limits(asked.workers, asked.workers))
    sources = {name: Source(name, "csv", {}, Rhythm(asked.every)) for name in begun}
    cpu, start = time.process_time(), time.monotonic()
    schedule.start(sources, Calendar("UTC"))
    time.sleep(asked.seconds)
    cpu, wall, late = time.process_time() - cpu, time.monotonic() - start, schedule.pulse().lateness
    schedule.stop()
    settled = {name: [t for t in times if t > start + 2 * asked.every] for name, times in begun.items()}
    # A run's lateness is against its own grid: the earliest that it ever was in its interval.
    places = {name: min(t % asked.every for t in times) for name, times in settled.items() if times}
    lateness = sorted((t - places[name]) % asked.every for name, times in settled.items() for t in times)
    gaps = [after - before for times in settled.values() for before, after in pairwise(times)]

    def share(q: float) -> float:
        return lateness[min(len(lateness) - 1, int(q * len(lateness)))]

    runs = sum(len(times) for times in begun.values())
    print(
        f"{asked.sources} sources every {asked.every} s, {asked.workers} workers, {asked.takes * 1000:.0f} ms each, {wall:.0f} s"
    )
    print(
        f"  runs {runs}, wanted {asked.sources * wall / asked.every:.0f}, never run {sum(1 for t in begun.values() if not t)}"
    )
    print(f"  lateness p50 {share(0.5) * 1000:.1f} ms, p95 {share(0.95) * 1000:.1f} ms, max {share(1) * 1000:.1f} ms")
    print(f"  widest gap of a source {max(gaps):.2f} s ({max(gaps) / asked.every:.2f} intervals)")
    print(f"  waited for a worker {late.seconds / max(1, late.runs) * 1000:.1f} ms on average")
    print(f"  CPU {cpu:.2f} s: {cpu / wall:.1%} of a core, {cpu / max(1, runs) * 1e6:.0f} us a run")


if __name__ == "__main__":
    main()
