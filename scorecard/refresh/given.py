"""The values that people have given, as the measures need them: the newest that counts for each reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from scorecard.book.model import Book
from scorecard.book.model.metric import Manual, Metric
from scorecard.ground.errors import Refused, Unavailable
from scorecard.ground.numbers import print_value
from scorecard.ground.periods.calendar import Calendar, Period
from scorecard.journal.journal import Entry, Journal
from scorecard.measures.values import Given, SeriesKey


class GivenRead:
    """Reads the journal again only where somebody has given or signed off a value since, in this process or another."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._newest: tuple[str | None, str | None] = (None, None)
        self._entries: tuple[tuple[Entry, ...], tuple[Entry, ...]] = ((), ())

    def changed(self) -> bool:
        """Whether there is something that ``current`` has not given yet. A journal that cannot be read has nothing to give."""
        try:
            return self._last() != self._newest
        except Unavailable:
            return False

    def current(self, book: Book, calendar: Calendar) -> tuple[Given, ...]:
        """All that count or wait. Those that were known stay while the journal cannot be read."""
        try:
            newest = self._last()
            if newest != self._newest:
                signed = tuple(e for e in self._journal.entries("signoff", limit=None) if e.body.get("value"))
                self._entries, self._newest = (self._journal.entries("value", limit=None), signed), newest
        except Unavailable:
            pass  # it is said where something is written; a board must not wait for it
        return given_of(*self._entries, book, calendar)

    def _last(self) -> tuple[str | None, str | None]:
        values, signed = (self._journal.entries(kind, limit=1) for kind in ("value", "signoff"))
        return values[0].id if values else None, signed[0].id if signed else None


def given_of(entries: Iterable[Entry], signed: Iterable[Entry], book: Book, calendar: Calendar) -> tuple[Given, ...]:
    """What counts of entries that come newest first. What this book or calendar does not know any more is left out."""
    confirmed = _confirmed(signed)
    found, periods = _by_reading(entries, book, calendar)
    return tuple(
        _given(book.metrics[key[0][0]], key[0], periods[key], e, confirmed, calendar) for key, e in found.items()
    )


def waiting_values(journal: Journal, book: Book, calendar: Calendar) -> tuple[Entry, ...]:
    """The values that would count, did not a second person have to say yes to them first; newest first. Unavailable where
    the journal cannot be read."""
    confirmed = _confirmed(e for e in journal.entries("signoff", limit=None) if e.body.get("value"))
    found, _ = _by_reading(journal.entries("value", limit=None), book, calendar)
    newest = (e[0] for (key, _), e in found.items() if _needs_second(book.metrics[key[0]]))
    return tuple(sorted((e for e in newest if _confirmed_by(e, confirmed) is None), key=lambda e: -e.seq))


def _confirmed(signed: Iterable[Entry]) -> dict[str, list[str]]:
    """Who has said yes, by the value's id."""
    confirmed: dict[str, list[str]] = {}
    for entry in signed:
        confirmed.setdefault(str(entry.body["value"]), []).append(entry.by)
    return confirmed


def _needs_second(metric: Metric) -> bool:
    return isinstance(metric.measure, Manual) and metric.measure.second_person


def _by_reading(
    entries: Iterable[Entry], book: Book, calendar: Calendar
) -> tuple[dict[tuple[SeriesKey, str], list[Entry]], dict[tuple[SeriesKey, str], Period]]:
    """The values of each reading of a manual metric, newest first, and the reading's period."""
    found: dict[tuple[SeriesKey, str], list[Entry]] = {}
    periods: dict[tuple[SeriesKey, str], Period] = {}
    for entry in entries:
        metric = book.metrics.get(str(entry.body.get("metric")))
        if metric is None or not isinstance(metric.measure, Manual):
            continue
        where = _reading_of(entry, calendar)
        if where is not None:
            periods[where[0], where[1].label] = where[1]
            found.setdefault((where[0], where[1].label), []).append(entry)
    return found, periods


def _reading_of(entry: Entry, calendar: Calendar) -> tuple[SeriesKey, Period] | None:
    slice_ = entry.body.get("slice")
    try:
        period = calendar.parse(str(entry.body.get("period")))
    except Refused:
        return None
    kind = next(iter(slice_.items())) if isinstance(slice_, dict) and len(slice_) == 1 else None
    return (str(entry.body.get("metric")), period.grain, kind), period


def _given(
    metric: Metric,
    key: SeriesKey,
    period: Period,
    entries: list[Entry],
    confirmed: Mapping[str, list[str]],
    calendar: Calendar,
) -> Given:
    second = _needs_second(metric)
    counts = next((e for e in entries if not second or _confirmed_by(e, confirmed)), None)
    newest, waiting = entries[0], None
    if counts is not newest:
        value = print_value(float(newest.body["value"]), metric.unit, metric.decimals)
        waiting = (
            f"{value}, {_entered(newest, calendar)}, waits until another person than {newest.by} "
            f"has confirmed it (`scorecard signoff {newest.id} --by NAME`)"
        )
    told = ""
    if counts is not None:
        told = _entered(counts, calendar)
        if second:
            told += f", confirmed by {_confirmed_by(counts, confirmed)}"
    return Given(
        metric=metric.name, period=period, slice=key[2], value=None if counts is None else float(counts.body["value"]),
        at=newest.at, told=told, waiting=waiting,
    )  # fmt: skip


def _confirmed_by(entry: Entry, confirmed: Mapping[str, list[str]]) -> str | None:
    """Another person who said yes to a value."""
    return next((by for by in confirmed.get(entry.id, ()) if by.casefold() != entry.by.casefold()), None)


def _entered(entry: Entry, calendar: Calendar) -> str:
    text = entry.body.get("text")
    said = f" ({text})" if isinstance(text, str) and text else ""
    return f"entered by {entry.by} on {calendar.day_of(entry.at).isoformat()}{said}"
