"""How much of a period a formula counts as `days` and `workdays`: all of it, or what lies before the newest data of its parts."""

from __future__ import annotations

from datetime import datetime

from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.measures.needs import Needs
from scorecard.measures.plan import Lowered
from scorecard.measures.spans import days_up_to


def elapsed(needs: Needs, calendar: Calendar, one: Lowered, word: str, period: Period, running: Period | None) -> float:
    """Days or workdays of a period; of a running one (or one cut like it) those up to the cut, in parts of days."""
    whole = period.grain != "hour"
    if running is not None:
        mark = _watermark(needs, one)
        moment = period.start if mark is None else calendar.cut(running, period, mark)
    else:
        moment = period.end
    if moment >= period.end and whole:
        days = (period.until - period.first).days
        return float(days if word == "days" else calendar.workdays_in(period.first, period.until))
    return days_up_to(calendar, word, period, moment)


def _watermark(needs: Needs, one: Lowered) -> datetime | None:
    """How far the data of a metric reach: the earliest of its parts."""
    if one.parts:
        marks = [m for m in (_watermark(needs, needs.plan.lowered[p]) for p in one.parts) if m is not None]
        return min(marks) if marks else None
    here = needs.here.get(one.metric.source or "")
    return None if here is None else here.watermark
