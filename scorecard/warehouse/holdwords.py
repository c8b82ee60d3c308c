"""What is said of loads that wait: what was seen, what was expected, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from scorecard.book.model.source import Source
from scorecard.ground.clock import utc_text
from scorecard.ground.errors import Problem, ScorecardError
from scorecard.warehouse.engine import Decision, Move

SHOWN_MOVES = 8


def what_next(load: int) -> str:
    """How a person decides."""
    return f"look at it, then `scorecard approve {load}` or `scorecard reject {load}` (or on /data)"


def waiting_words(problems: Iterable[Problem], load: int) -> tuple[Problem, ...]:
    """What holds a load; the last one says what to do next."""
    *first, last = problems
    return (*(replace(problem, hint=None) for problem in first), replace(last, hint=what_next(load)))


def moved_words(moves: Sequence[Move], source: Source) -> tuple[Problem, ...]:
    """The numbers that a load would move too far; () where there are none."""
    if not moves:
        return ()
    said = "; ".join(f"{m.metric} {m.period}{_where(m)} {m.text}" for m in moves[:SHOWN_MOVES])
    more = f"; and {len(moves) - SHOWN_MOVES} more" if len(moves) > SHOWN_MOVES else ""
    count = "a published number" if len(moves) == 1 else f"{len(moves)} published numbers"
    return (
        Problem(f"{source.name}: the load would move {count} beyond its `materiality`: {said}{more}", source.place),
    )


def _where(move: Move) -> str:
    return "" if move.slice is None else f" ({move.slice[1]})"


def unweighed(fault: ScorecardError, source: Source) -> tuple[Problem, ...]:
    """It could not be told which numbers a load would move."""
    said = "; ".join(p.message for p in fault.problems)
    return (Problem(f"{source.name}: it cannot be told which numbers the load would move: {said}", source.place),)


def waits_since(rollback: Decision, source: Source) -> Problem:
    """After a rollback every load waits, so that none brings back silently what was taken away."""
    why = f" ({rollback.why})" if rollback.why else ""
    said = f"{rollback.by} rolled it back to load {rollback.to} at {utc_text(rollback.at)}{why}"
    return Problem(f"{source.name}: {said}; its loads wait until a person lets one in", source.place)


def same_again(load: int, source: Source) -> Problem:
    """The source gave once more what waits already."""
    said = f"{source.name}: the source gives the same rows as load {load}, which waits for a person"
    return Problem(said, source.place, what_next(load))


def decided_meanwhile(load: int, source: Source) -> Problem:
    """While the source was asked whether anything is new, somebody decided on what waited."""
    said = f"{source.name}: load {load} was decided on while the source was asked for what is new"
    return Problem(said, source.place, "nothing is lost: it is asked again at its next run")


def still_rejected(rejection: Decision, source: Source) -> Problem:
    """The source gives once more what a person has turned away."""
    why = f" ({rejection.why})" if rejection.why else ""
    return Problem(
        f"{source.name}: the source still gives the rows of load {rejection.load}, which {rejection.by} rejected at "
        f"{utc_text(rejection.at)}{why}",
        source.place,
        f"mend the source; if they are right after all: `scorecard refresh {source.name}` stages them again",
    )


def no_longer_fits(load: int, source: Source) -> Problem:
    """The table or the declaration is another one than when the load was staged."""
    return Problem(
        f"load {load} of {source.name} was staged for another table: the source was declared differently since",
        hint=f"run `scorecard refresh {source.name}`: it is pulled and checked anew",
    )
