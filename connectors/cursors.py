"""The value of ``:cursor`` as a source wants it written."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from connectors.contract import Cursor, Pull, SourceFailed

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def source_zone(request: Pull) -> ZoneInfo:
    """The zone of times that carry none: the option ``timezone``, else UTC."""
    return ZoneInfo(str(request.options.get("timezone") or "UTC"))


def written_cursor(cursor: Cursor, zone: ZoneInfo) -> str | int | None:
    """The value in the declared format; None where no format is declared. Raises SourceFailed for a format that cannot be.

    ``iso`` and patterns give text (times in UTC with a Z, patterns in the source's zone), the epochs whole numbers.
    """
    value, wanted = cursor.value, cursor.format
    if wanted is None:
        return None
    if wanted == "iso":
        return iso_text(value)
    moment = _moment(value, zone)
    if moment is None:
        raise SourceFailed(
            f"cursor: {value!r} is no time, so it cannot be written as {wanted}", hint="leave cursor.format out"
        )
    if wanted in {"epoch_s", "epoch_ms"}:
        microseconds = (moment - EPOCH) // (EPOCH.resolution)
        return microseconds // (1_000_000 if wanted == "epoch_s" else 1_000)
    return moment.astimezone(zone).strftime(wanted)


def iso_text(value: Any) -> str:
    """A value as text: times in ISO 8601, in UTC with a Z."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _moment(value: Any, zone: ZoneInfo) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), zone)
    return None
