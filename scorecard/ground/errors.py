"""Problems and the few error classes; the one suggestion helper."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from scorecard.ground.values import dataclass

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a file: line and column count from 1; 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [self.file]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what was seen and expected (message), where (place), what to do next (hint)."""

    message: str
    place: Place | None = None
    hint: str | None = None
    severity: Severity = "error"

    def __str__(self) -> str:
        text = self.message if self.hint is None else f"{self.message} ({self.hint})"
        where = "" if self.place is None else f"{self.place}: "
        kind = "warning: " if self.severity == "warning" else ""
        return f"{where}{kind}{text}"

    def as_json(self) -> dict[str, object]:
        place = self.place or Place("")
        return {
            "file": place.file or None,
            "line": place.line or None,
            "column": place.column or None,
            "message": self.message,
            "hint": self.hint,
            "severity": self.severity,
        }


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sorted by place, those without a place last, doubles dropped."""
    unique = dict.fromkeys(problems)
    return tuple(sorted(unique, key=lambda p: (p.place is None, p.place or Place(""), p.severity, p.message)))


class ScorecardError(Exception):
    """Anything said to a person instead of a traceback; carries all problems at once."""

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = tuple(Problem(p) if isinstance(p, str) else p for p in problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class Refused(ScorecardError):
    """The user's input or a source is at fault: exit status 1, HTTP 4xx."""


class NotFound(Refused):
    """A name that is not there: exit status 1, HTTP 404."""


class Conflict(Refused):
    """What was asked for does not fit how things stand by now: exit status 1, HTTP 409."""


class Unavailable(ScorecardError):
    """Something needed (disk, lock, port, database) is not to be had now: exit status 1, HTTP 503."""


def suggest(word: str, known: Iterable[str]) -> str | None:
    """The known word meant by a mistyped one, or None."""
    import difflib  # only a mistake needs it

    choices = sorted(set(known))
    folded = {choice.lower().replace("-", "_"): choice for choice in reversed(choices)}
    close = difflib.get_close_matches(word.lower().replace("-", "_"), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint for a mistyped word: the nearest known one, or None."""
    close = suggest(word, known)
    return None if close is None else f"did you mean '{close}'?"
