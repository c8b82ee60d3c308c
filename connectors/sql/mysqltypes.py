"""MySQL's values as Python's, where PyMySQL's own reading would say less or something else than the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from connectors.columns import Unreadable

BIT, DATE, TIME, DATETIME, TIMESTAMP = 16, 10, 11, 12, 7
"""Field types of the protocol, https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html"""


def day(text: str) -> date | Unreadable | None:
    """A zero date is MySQL's way of saying that there is none; one with only a zero month or day is no date at all."""
    if text == "0000-00-00":
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return Unreadable(text)


def clock_time(text: str) -> datetime | Unreadable | None:
    """A DATETIME: no instant, but what a clock shows."""
    if text.startswith("0000-00-00"):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return Unreadable(text)


def instant(text: str) -> datetime | Unreadable | None:
    """A TIMESTAMP: the server gives it in the session's zone, which is UTC."""
    found = clock_time(text)
    return found.replace(tzinfo=UTC) if isinstance(found, datetime) else found


def number_of_bits(given: bytes) -> int:
    return int.from_bytes(given, "big")


def converters(usual: Mapping[Any, Any]) -> dict[Any, Callable[..., Any]]:
    """PyMySQL's table of converters, with these in place of its own; a TIME (which may have 838 hours) stays text."""
    return {**usual, DATE: day, DATETIME: clock_time, TIMESTAMP: instant, TIME: str, BIT: number_of_bits}
