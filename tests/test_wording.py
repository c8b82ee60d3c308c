"""The dates of a period in words: those of the calendar, also where midnight is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scorecard.ground.periods.calendar import Calendar
from scorecard.views.wording import range_text, reading_span, span_text
from tests.fixtures import northwind
from tests.fixtures.northwind import heading_for

SAO_PAULO = Calendar("America/Sao_Paulo")  # on November 4, 2018 the day began at one o'clock
READING = next(iter(northwind.board().readings.values()))[0]


@pytest.mark.parametrize(
    ("label", "dates"),
    [
        ("2018-11-03", "Sat 3 Nov 2018"),
        ("2018-11-04", "Sun 4 Nov 2018"),
        ("2018-W44", "29 Oct – 4 Nov 2018"),
        ("2018-11", "1 – 30 Nov 2018"),
        ("2018-Q4", "1 Oct – 31 Dec 2018"),
        ("2018", "1 Jan – 31 Dec 2018"),
        ("2018-11-03T23", "23:00 – 01:00, 3 Nov 2018"),
    ],
)
def test_the_dates_of_a_reading_are_those_of_its_period(label: str, dates: str) -> None:
    period = SAO_PAULO.parse(label)
    reading = replace(READING, grain=period.grain, period=label, start=period.start, end=period.end)
    assert reading_span(reading) == span_text(period) == dates


def test_a_range_is_said_without_its_unit_but_with_the_percent_sign() -> None:
    metrics = northwind.board().book.metrics
    assert range_text(metrics["tickets_created"], heading_for(1000.0)) == "910 – 1\u202f100"
    assert range_text(metrics["csat"], heading_for(0.5)) == "45.5% – 55.0%"
    assert range_text(metrics["tickets_created"], replace(heading_for(1000.0), low=None)) is None
    assert range_text(metrics["tickets_created"], replace(heading_for(1000.0), low=999.9, high=1000.2)) == "1\u202f000"
