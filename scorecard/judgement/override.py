"""A named person's colour instead of the judged one: worse freely, better only with a reason and an end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from scorecard.ground.clock import utc_text
from scorecard.judgement.status import Status

_RANK: dict[Status, int] = {"red": 0, "amber": 1, "grey": 2, "green": 3, "neutral": 3}


@dataclass(frozen=True, slots=True)
class Override:
    """What somebody said. ``at``: when; ``until``: the moment at which it ends, None never; both aware."""

    status: Status
    by: str
    at: datetime
    text: str | None = None
    until: datetime | None = None


def better(status: Status, judged: Status) -> bool:
    """Whether a status looks better than the judged one; neutral counts as green, because neither calls for anybody."""
    return _RANK[status] > _RANK[judged]


def ended(override: Override, now: datetime) -> bool:
    """Whether its time is over; at ``until`` itself it is."""
    return override.until is not None and now.astimezone(UTC) >= override.until.astimezone(UTC)


def stands(override: Override, judged: Status, now: datetime) -> tuple[bool, str]:
    """(whether the override replaces the judged status at ``now``, why or why not).

    What cannot be said cannot be called green by anybody: grey is never replaced. The judged status may have changed since:
    where the override has become the better one, it needs its reason and its end too.
    """
    if ended(override, now):
        return False, f"{override.by}'s {override.status} ended at {utc_text(override.until)}"
    if judged == "grey":
        return False, f"{override.by} says {override.status}, and what cannot be said has no colour to replace"
    if override.status == judged:
        return False, f"{override.by} says {override.status} too"
    if better(override.status, judged) and (override.text is None or override.until is None):
        lacking = "a reason and an end" if override.text is None and override.until is None else "a reason"
        lacking = "an end" if override.text is not None else lacking
        return False, f"{override.by}'s {override.status} is better than {judged}, and has not {lacking}"
    return True, sentence(override)


def sentence(override: Override) -> str:
    """``Ana Ruiz says amber until 2026-10-05T06:00:00Z: two branches were closed``."""
    until = "" if override.until is None else f" until {utc_text(override.until)}"
    why = "" if override.text is None else f": {override.text}"
    return f"{override.by} says {override.status}{until}{why}"
