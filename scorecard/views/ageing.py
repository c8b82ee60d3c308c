"""What a browser needs to grow a reading old by itself: when it turns grey, when an override ends, and what it is then."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scorecard.board.reading import Reading
from scorecard.views.theme import word
from scorecard.views.wording import clock_text, local_moments, milliseconds

Mark = list[Any]
"""[status, fresh until (ms or None), whether it counts], and under an override also [until (ms or None), judged status]."""


def mark(reading: Reading, counts: bool) -> Mark:
    """Enough for the browser to roll up and to age a card."""
    held: Mark = [reading.status, milliseconds(reading.fresh_until), counts]
    if reading.override is None:
        return held
    return [*held, milliseconds(reading.override.override.until), reading.judged]


def standing(reading: Reading, zone: str, now: datetime) -> dict[str, Any]:
    """Status, word and reason with the sentence, as they are and as they will be once they are stale or an override ends."""
    since = _since(reading, zone, now)
    said = reading.override
    because = local_moments(reading.because, zone, now)
    judged = None
    if said is not None:
        judged = {
            **_as_judged(reading.judged, said.reason, local_moments(said.because, zone, now), said.conclusive),
            "stale": sentence(f"{since}; it was: {local_moments(said.because, zone, now)}"),
        }
    return {
        **_as_judged(reading.status, reading.reason, because, reading.conclusive),
        "stale": sentence(f"{since}; it was: {because}"),
        "fresh": milliseconds(reading.fresh_until),
        "until": None if said is None else milliseconds(said.override.until),
        "judged": judged,
        "by": None if said is None else said.override.by,
        "tags": [*_said_tags(reading, zone, now), *_thin_tags(reading)],
    }


def _since(reading: Reading, zone: str, now: datetime) -> str:
    """What it will have been waiting for when it turns grey: rows newer than it has, or a load that succeeds."""
    quiet, fresh = reading.quiet_until, reading.fresh_until
    if quiet is not None and fresh is not None and quiet <= fresh and reading.data_until is not None:
        return f"no new data since {clock_text(reading.data_until, zone, now)}"
    return f"no good load since {clock_text(reading.loaded_at, zone, now) or 'ever'}"


def _as_judged(status: Any, reason: str, because: str, conclusive: bool | None) -> dict[str, Any]:
    return {
        "status": status,
        "word": word(status, reason),
        "reason": reason,
        "because": sentence(because),
        "thin": conclusive is False,
    }


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _said_tags(reading: Reading, zone: str, now: datetime) -> list[dict[str, str]]:
    """Who says so instead; dropped by the browser when the override ends."""
    if reading.override is None:
        return []
    said = reading.override.override
    until = clock_text(said.until, zone, now)
    text = f"set by {said.by}" + ("" if until is None else f" until {until}")
    why = said.text or "no reason was given"
    return [
        {
            "text": text,
            "kind": "said",
            "title": f"{why} (judged {word(reading.judged, reading.override.reason).lower()})",
        }
    ]


def _thin_tags(reading: Reading) -> list[dict[str, str]]:
    tags = []
    if reading.conclusive is False:
        title = "So few observations that chance alone could turn the colour"
        tags.append({"text": f"n = {reading.n}, not conclusive", "kind": "thin", "title": title})
    if reading.restated is not None:
        tags.append({"text": "restated", "kind": "restated", "title": reading.restated.text})
    return tags
