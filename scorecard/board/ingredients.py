"""What a board is made of besides the measured values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from scorecard.board.holds import Held
from scorecard.board.reading import Overrides, SourceState
from scorecard.book.model import Book
from scorecard.ground.errors import Problem
from scorecard.ground.periods.calendar import Calendar
from scorecard.measures.audit import Audited
from scorecard.warehouse.engine import Load, Standing


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What a board is made of besides the measured values."""

    book: Book
    calendar: Calendar
    now: datetime
    version: int
    standings: Mapping[str, Standing]
    sources: tuple[SourceState, ...] = ()
    loads: tuple[Load, ...] = ()
    notices: tuple[Problem, ...] = ()
    audits: Mapping[str, Audited] = field(default_factory=dict)
    explanations: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    overrides: Overrides = field(default_factory=dict)
    held: Held = field(default_factory=Held)
    notes_of: Callable[[str], tuple[Mapping[str, object], ...]] = field(default=lambda _: ())
