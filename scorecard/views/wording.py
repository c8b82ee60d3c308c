"""Numbers, limits, comparisons and spans as people read them. Nothing here judges; it only writes."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from scorecard.board.reading import Reading
from scorecard.book.model.metric import Metric
from scorecard.book.model.organization import Person
from scorecard.ground.numbers import print_against, print_value
from scorecard.ground.periods.calendar import Period
from scorecard.judgement.pace import Projection
from scorecard.judgement.status import Limit
from scorecard.views.address import mail

PREVIOUS = {
    "hour": "last hour",
    "day": "the day before",
    "week": "last week",
    "month": "last month",
    "quarter": "last quarter",
    "year": "last year",
}

UTC_MOMENT = re.compile(r"\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z")


def plain(number: float, decimals: int | None = None) -> str:
    """A bare number with narrow spaces between thousands."""
    return print_value(number, None, decimals)


def value_text(metric: Metric, value: float) -> str:
    """A value of a metric with its unit: ``27.4 min``, ``85%``."""
    return print_value(value, metric.unit, metric.decimals)


def split_text(metric: Metric, text: str) -> tuple[str, str]:
    """(digits, unit) of a printed value, so that the unit can be set smaller."""
    unit = "%" if metric.percent else metric.unit or ""
    if unit and text.endswith(unit) and len(text) > len(unit):
        return text[: -len(unit)].strip(), unit
    return text, ""


def limit_text(metric: Metric, limit: Limit | None, value: float | None = None) -> str | None:
    """``≤ 30 min``, ``≥ 85%``, ``70% – 85%``; with ``value``, digits enough not to contradict it."""
    if limit is None:
        return None
    edges = limit if isinstance(limit, tuple) else (limit,)
    said = print_against(value, edges, metric.unit, metric.decimals)[1:]
    sign = {"higher": "≥ ", "lower": "≤ "}.get(metric.better or "", "") if len(edges) == 1 else ""
    return sign + " – ".join(said)


def range_text(metric: Metric, heading: Projection) -> str | None:
    """``1 190 – 1 340``: where a projection ends nine times of ten, without its unit (but ``%``); None without a range."""
    if heading.low is None or heading.high is None:
        return None
    unit = "percent" if metric.percent else None
    low, high = (print_value(edge, unit, metric.decimals) for edge in (heading.low, heading.high))
    return low if low == high else f"{low} – {high}"


def change(metric: Metric, reading: Reading) -> dict[str, str] | None:
    """Value against the previous period: arrow, amount, and whether that is better by the metric's direction.

    None where either is missing, and where nothing can be said of the value: no fall is shown that a late source made.
    """
    if reading.status == "grey" or reading.value is None or reading.previous is None:
        return None
    difference = reading.value - reading.previous
    if metric.percent:
        size, amount = abs(difference) * 100, f"{plain(abs(difference) * 100, 1)} pp"
    elif reading.previous == 0:
        size, amount = abs(difference), value_text(metric, abs(difference))
    else:
        size = abs(difference / reading.previous) * 100
        amount = f"{plain(size, 1 if size < 100 else 0)}%"
    arrow = "flat" if not difference or (size < 0.05 and reading.previous) else "up" if difference > 0 else "down"
    good = {"higher": "up", "lower": "down"}.get(metric.better or "")
    sense = "none" if good is None or arrow == "flat" else "better" if arrow == good else "worse"
    point = "at the same point of " if reading.running else ""
    than = f"{point}{PREVIOUS.get(reading.grain, 'the period before')} ({value_text(metric, reading.previous)})"
    said = {"up": f"{amount} more than {than}", "down": f"{amount} less than {than}", "flat": f"the same as {than}"}[
        arrow
    ]
    return {"text": amount, "arrow": arrow, "sense": sense, "title": said + ("" if sense == "none" else f": {sense}")}


UNSAID = frozenset({"stale", "held", "error"})


def unsaid(reading: Reading) -> bool:
    """Whether there may be a value that nothing can be said of: no line tells it as if it were so."""
    return reading.status == "grey" and reading.reason in UNSAID


def nothing_to_draw(reading: Reading) -> bool:
    """Whether a line leaves the period out: a cohort that is too young falls however well it is doing, and a count of rows
    that have not come would fall to nothing."""
    return reading.reason == "too_young" or (unsaid(reading) and not reading.n and not reading.value)


def person(who: Person | None) -> dict[str, Any] | None:
    """A person with initials, and a mail link where the address is plainly one."""
    if who is None:
        return None
    words = [word for word in who.name.split() if word[0].isalnum()]
    initials = (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper() if words else "?"
    return {"name": who.name, "initials": initials, "mail": mail(who.email)}


def milliseconds(moment: datetime | None) -> int | None:
    """A moment as the browser counts: milliseconds since 1970, UTC."""
    return None if moment is None else int(moment.timestamp() * 1000)


def clock_text(moment: datetime | None, zone: str, now: datetime) -> str | None:
    """``14:05`` today, ``28 Sep, 14:05`` on other days, with the year where it is another one."""
    if moment is None:
        return None
    local, here = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
    if local.date() == here.date():
        return f"{local:%H:%M}"
    return f"{local.day} {local:%b}{'' if local.year == here.year else f' {local.year}'}, {local:%H:%M}"


def local_moments(text: str, zone: str, now: datetime) -> str:
    """A sentence with its UTC moments (``2026-09-28T05:00:00Z``) as the organisation's clocks and calendars say them."""
    return UTC_MOMENT.sub(lambda found: clock_text(datetime.fromisoformat(found[0]), zone, now) or found[0], text)


def day_text(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def span_text(period: Period) -> str:
    """The dates of a period: ``21 – 27 Sep 2026``."""
    first, last = period.first, period.until - timedelta(days=1)
    if period.grain == "hour":
        return f"{period.start:%H:%M} – {period.end:%H:%M}, {day_text(first)}"
    if first == last:
        return f"{first:%a} {day_text(first)}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} – {day_text(last)}"
    if first.year == last.year:
        return f"{first.day} {first:%b} – {day_text(last)}"
    return f"{day_text(first)} – {day_text(last)}"


def reading_span(reading: Reading) -> str:
    """The dates of a reading's period."""
    grain: Any = reading.grain
    first, day = reading.start.date(), timedelta(days=1)
    # What ends with a day ends as the next one begins, at midnight or where the clocks land when they jump over it.
    until = first + day if grain in ("hour", "day") else reading.end.date()
    return span_text(Period(grain, reading.period, first, until, reading.start, reading.end))


def counted(number: int, noun: str, plural: str | None = None) -> str:
    return f"{plain(number)} {noun if number == 1 else plural or noun + 's'}"
