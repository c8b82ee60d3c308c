"""Teams with holidays of their own: whose working time counts for whom."""

from __future__ import annotations

from datetime import date

from scorecard.book.calendars import Calendars
from scorecard.book.model import Book
from scorecard.book.model.metric import Count, Metric
from scorecard.book.model.organization import Organization, Person, Process, Team
from scorecard.ground.periods.calendar import Calendar

ANA = Person("Ana Ruiz")
MAY_DAY, BASTILLE = date(2026, 5, 1), date(2026, 7, 14)
ORGANIZATION = Calendar("Europe/Berlin", holidays=frozenset({MAY_DAY}))
BOOK = Book(
    Organization("Test", ANA, "Europe/Berlin", holidays=frozenset({MAY_DAY})),
    teams={
        "operations": Team("operations", "Operations", ANA),
        "france": Team("france", "France", ANA, parent="operations", holidays=frozenset({BASTILLE})),
        "lyon": Team("lyon", "Lyon", ANA, parent="france"),
        "always": Team("always", "Always", ANA, parent="france", holidays=frozenset()),
    },
    processes={"returns": Process("returns", "Returns", "lyon", ANA), "audit": Process("audit", "Audit", None, ANA)},
)


def metric(**where: str) -> Metric:
    return Metric("n", "n", Count(), "leading", "higher", **where)  # type: ignore[arg-type]


def days_off(found: Calendar) -> frozenset[date]:
    return found.holidays


def test_a_team_has_the_holidays_of_the_nearest_above_it() -> None:
    calendars = Calendars(BOOK, ORGANIZATION)
    assert calendars.of(metric(), None) is ORGANIZATION
    assert calendars.of(metric(team="operations"), None) is ORGANIZATION
    assert days_off(calendars.of(metric(team="france"), None)) == {BASTILLE}
    assert days_off(calendars.of(metric(team="lyon"), None)) == {BASTILLE}
    assert days_off(calendars.of(metric(team="always"), None)) == frozenset(), "an empty list is a list"
    assert days_off(calendars.of(metric(process="returns"), None)) == {BASTILLE}
    assert calendars.of(metric(process="audit"), None) is ORGANIZATION
    assert calendars.of(metric(team="lyon"), None) is calendars.of(metric(team="france"), None)


def test_a_slice_has_those_of_its_own_team() -> None:
    calendars = Calendars(BOOK, ORGANIZATION)
    assert days_off(calendars.of(metric(team="operations"), ("team", "lyon"))) == {BASTILLE}
    assert calendars.of(metric(team="france"), ("team", "operations")) is ORGANIZATION
    assert days_off(calendars.of(metric(), ("process", "returns"))) == {BASTILLE}


def test_periods_are_the_same_in_all_of_them() -> None:
    found = Calendars(BOOK, ORGANIZATION).of(metric(team="lyon"), None)
    assert found.parse("2026-W29") == ORGANIZATION.parse("2026-W29")
    assert (found.workdays_in(date(2026, 7, 13), date(2026, 7, 18)), found.is_workday(MAY_DAY)) == (4, True)
