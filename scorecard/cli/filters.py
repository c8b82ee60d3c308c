"""The filters that are the same in every command that shows readings."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from scorecard.ground.errors import Problem, Refused
from scorecard.ground.values import dataclass

if TYPE_CHECKING:
    from scorecard.board.board import Board
    from scorecard.board.reading import Reading

OPTIONS = (
    click.option("--team", help="That team's slice if the metric has it, else what stands on its card."),
    click.option("--process", help="The same for a process."),
    click.option("--grain", help="hour, day, week, month, quarter or year."),
    click.option("--period", help="A period's label, like 2026-W39; the last closed one by default."),
    click.option("--from", "first", help="From this period or day on."),
    click.option("--to", "last", help="Up to this period or day."),
    click.option("--periods", type=int, help="So many: from --from on, else up to --to, else the last closed ones."),
    click.option("--as-of", help="What was known then."),
)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which readings are asked for."""

    team: str | None = None
    process: str | None = None
    grain: str | None = None
    period: str | None = None
    first: str | None = None
    last: str | None = None
    periods: int | None = None

    @property
    def in_time(self) -> bool:
        """Whether some periods are chosen rather than those the command takes by itself."""
        return (self.period, self.first, self.last, self.periods) != (None, None, None, None)

    def select(
        self, board: Board, metrics: Sequence[str], now: datetime, periods: int | None = None
    ) -> tuple[Reading, ...]:
        """The readings; ``periods``: so many closed ones where no period is chosen."""
        return board.select(
            metrics,
            self.team,
            self.process,
            self.grain,
            self.period,
            self.first,
            self.last,
            self.periods if self.in_time else periods,
            now=now,
        )


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options above, as one ``chosen``."""

    @functools.wraps(command)
    def run(*args: Any, team: str | None, process: str | None, as_of: str | None, **more: Any) -> None:
        if as_of is not None:
            raise Refused(
                Problem("--as-of: earlier boards are not kept yet", hint="leave it out to see what is known now")
            )
        if team is not None and process is not None:
            raise Refused(Problem("--team and --process were both given", hint="leave out one of the two"))
        where = {name: more.pop(name) for name in ("grain", "period", "first", "last", "periods")}
        command(*args, chosen=Filters(team, process, **where), **more)

    for option in reversed(OPTIONS):
        run = option(run)
    return run
