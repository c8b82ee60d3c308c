"""Runs the tests that analysts write beside their definitions; a part of `scorecard check`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from scorecard.ground.errors import Problem, ScorecardError

if TYPE_CHECKING:
    from scorecard.book.model import Book, InlineTest
AT_MOST = 3
"""Problems of one given file that are said."""


def run_tests(book: Book, said: Callable[[int], None] | None = None) -> list[Problem]:
    """What does not come out as expected, at its place. ``said`` hears how many tests have run."""
    problems: list[Problem] = []
    for done, test in enumerate(book.tests, start=1):
        problems += run_test(book, test)
        if said is not None:
            said(done)
    return problems


def run_test(book: Book, test: InlineTest) -> Iterator[Problem]:
    """One test: only the metrics it names, and what they rest on, are measured."""
    from scorecard.book.scope import narrowed
    from scorecard.desk.expectations import unmet
    from scorecard.refresh.bench import bench

    known = [e for e in test.expect if e.metric in book.metrics]
    for lost in (e for e in test.expect if e.metric not in book.metrics):
        message = f"test '{test.name}': not run for '{lost.metric}', which is in error"
        yield Problem(message, lost.place, f"mend '{lost.metric}' first", "warning")
    if not known:
        return
    try:
        at = datetime.fromisoformat(test.at)
    except ValueError:
        yield Problem(
            f"test '{test.name}': '{test.at}' is no moment", test.at_place, "write it like 2026-03-10T09:00:00Z"
        )
        return
    needed = narrowed(book, [e.metric for e in known])
    given = {name: path for name, path in test.given.items() if name in book.sources}
    try:
        with bench(needed, given, Path(test.folder), at) as ready:
            for name, wrong in ready.problems.items():
                for problem in wrong[:AT_MOST]:
                    where = "" if problem.place is None else f"{problem.place}: "
                    yield Problem(
                        f"test '{test.name}': {where}{problem.message}",
                        test.given_places.get(name, test.place),
                        problem.hint,
                        problem.severity,
                    )
            for expected in known:
                yield from unmet(ready.board, test.name, expected)
    except ScorecardError as error:
        for problem in error.problems:
            yield Problem(f"test '{test.name}': {problem.message}", test.place, problem.hint)
