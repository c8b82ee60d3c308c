"""What each kind of journal entry must hold, checked against the board; every problem is said at once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, cast

from scorecard.board.board import Board
from scorecard.book.model.metric import Manual, Metric
from scorecard.ground.clock import utc_text
from scorecard.ground.errors import Problem, Refused, did_you_mean
from scorecard.journal.journal import Journal
from scorecard.journal.journal import Kind as EntryKind
from scorecard.judgement.override import better
from scorecard.judgement.status import STATUSES, Status
from scorecard.web.api.asked import read_moment

LONGEST_TEXT = 4000
LONGEST_NAME = 100
CLEAR = "clear"
"""The status that takes an override back."""


@dataclass
class Form:
    """One sent entry while it is checked. ``problems`` collects; ``kept`` is what will be written."""

    sent: Mapping[str, Any]
    board: Board
    journal: Journal
    now: datetime
    kept: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(message, hint=hint))

    def allow(self, *keys: str) -> None:
        for key in self.sent:
            if key not in keys:
                self.wrong(f"unknown key '{key[:40]}'", did_you_mean(key, keys) or f"known: {', '.join(keys)}")

    def text(self, key: str, *, required: bool = True, longest: int = LONGEST_TEXT, lines: bool = True) -> str | None:
        """A text without characters that only machines see; outer spaces are dropped."""
        value = self.sent.get(key)
        if value is None and not required:
            self.kept[key] = None
            return None
        if not isinstance(value, str):
            self.wrong(f"'{key}' is missing" if value is None else f"'{key}' is not a text")
            return None
        stripped = value.strip()
        if not stripped:
            self.wrong(f"'{key}' is empty")
        elif len(stripped) > longest:
            self.wrong(f"'{key}' has {len(stripped)} characters", f"at most {longest}")
        elif any(unicodedata.category(c) in ("Cc", "Cs") and not (lines and c in "\n\r\t") for c in stripped):
            self.wrong(f"'{key}' contains control characters", "send plain text")
        else:
            self.kept[key] = stripped
            return stripped
        return None

    def choice(self, key: str, choices: Iterable[str], default: str | None = None) -> str | None:
        known = tuple(choices)
        value = self.sent.get(key, default)
        if not isinstance(value, str) or value not in known:
            said = f"'{key}' is missing" if value is None else f"'{key}' is {value!r}"
            near = did_you_mean(value, known) if isinstance(value, str) else None
            self.wrong(said, near or f"one of {', '.join(known)}")
            return None
        self.kept[key] = value
        return value

    def number(self, key: str) -> float | None:
        value = self.sent.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(
                f"'{key}' is missing" if value is None else f"'{key}' is not a number", "shares are fractions: 0.85"
            )
            return None
        self.kept[key] = value
        return float(value)

    def day(self, key: str, *, required: bool = True) -> date | None:
        value = self.sent.get(key)
        if value is None and not required:
            self.kept[key] = None
            return None
        try:
            if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
                raise ValueError
            found = date.fromisoformat(value)
        except ValueError:
            self.wrong(f"'{key}' is missing" if value is None else f"'{key}' is no day", "such as 2026-09-28")
            return None
        self.kept[key] = value
        return found

    def moment(self, key: str) -> datetime | None:
        """A moment to come; None where there is none."""
        value = self.sent.get(key)
        if value is None:
            self.kept[key] = None
            return None
        found = read_moment(value) if isinstance(value, str) else None
        if found is None:
            self.wrong(f"'{key}' is no moment", "such as 2026-09-28T08:00:00Z")
        elif found <= self.now:
            self.wrong(f"'{key}' has passed", "a moment to come")
        else:
            self.kept[key] = utc_text(found)
            return found
        return None

    def earlier(self, key: str, kind: EntryKind) -> str | None:
        """The id of an entry that is there already."""
        value = self.sent.get(key)
        self.kept[key] = value
        if value is None:
            return None
        if not isinstance(value, str) or not self.journal.entries(kind, id=value, limit=1):
            self.wrong(f"'{key}' is {str(value)[:40]!r}, and no {kind} has that id", f"see /api/v1/{kind}s")
            return None
        return value

    # -- what it is about --------------------------------------------------------------------------------------

    def metric(self, *, required: bool = True) -> Metric | None:
        name = self.text("metric", required=required, longest=200, lines=False)
        if name is None:
            return None
        if name not in self.board.book.metrics:
            self.wrong(f"no metric is called '{name}'", did_you_mean(name, self.board.book.metrics))
            return None
        return self.board.book.metrics[name]

    def reading(self, *, required: bool = True) -> None:
        """``metric``, ``grain`` (default: the period's), ``period`` and ``slice``: what a reading's key is made of."""
        metric = self.metric(required=required)
        period = self.text("period", required=required, longest=40, lines=False)
        self._slice(metric)
        if metric is None and not required and self.sent.get("period") is not None and self.sent.get("metric") is None:
            self.wrong("'period' is given without 'metric'", "name the metric too")
        grain = self.sent.get("grain")
        if grain is not None and not isinstance(grain, str):
            self.wrong("'grain' is not a text")
            grain = None
        self.kept["grain"] = grain or (None if metric is None else metric.grain)
        if period is None:
            return
        try:
            span = self.board.period(period)
            self.kept["grain"] = grain or span.grain
            if metric is not None:
                self.board.reading(metric.name, grain, period, None, self.now)
        except Refused as refusal:
            self.problems.extend(refusal.problems)

    def _slice(self, metric: Metric | None) -> None:
        value = self.sent.get("slice")
        self.kept["slice"] = value
        if value is None:
            return
        if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in ("team", "process"):
            self.wrong("'slice' is neither null nor one team or process", 'such as {"team": "support"}')
            return
        kind, name = next(iter(value.items()))
        known = self.board.book.teams if kind == "team" else self.board.book.processes
        if not isinstance(name, str) or name not in known:
            self.wrong(f"no {kind} is called {str(name)[:60]!r}", did_you_mean(str(name), known))
        elif metric is not None and not self._sliced(metric, kind):
            self.wrong(f"'{metric.name}' is not split by {kind}", "leave out 'slice' for the whole")

    def _sliced(self, metric: Metric, kind: str) -> bool:
        if metric.split is not None:
            return metric.split.kind == kind
        # A formula or a manual value has slices without a split of its own.
        manual = isinstance(metric.measure, Manual)
        return manual or any(
            key[0] == metric.name and key[2] is not None and key[2][0] == kind for key in self.board.readings
        )


_KEY = ("metric", "grain", "period", "slice")


def note(form: Form) -> None:
    """A remark on a reading."""
    form.allow(*_KEY, "text", "by")
    form.reading()
    form.text("text")


def action(form: Form) -> None:
    """Who does what by when; one that ``follows`` another carries it on, or closes it."""
    form.allow(*_KEY, "text", "owner", "due", "state", "follows", "by")
    followed = form.earlier("follows", "action") is not None
    form.reading(required=False)
    form.text("text", required=not followed)
    form.text("owner", required=not followed, longest=LONGEST_NAME, lines=False)
    form.day("due", required=not followed)
    form.choice("state", ("open", "done", "dropped"), "open")


def flag(form: Form) -> None:
    """Somebody at the floor says that a number looks wrong, or why; the text may be left out."""
    form.allow(*_KEY, "text", "by")
    form.reading()
    form.text("text", required=False)


def value(form: Form) -> None:
    """A value that people give, for a manual metric."""
    form.allow(*_KEY, "value", "text", "by")
    form.reading()
    form.number("value")
    form.text("text", required=False)
    name = form.kept.get("metric")
    metric = form.board.book.metrics.get(name) if isinstance(name, str) else None
    if metric is not None and not isinstance(metric.measure, Manual):
        form.wrong(f"'{metric.name}' is computed, not given by people", "only metrics with `manual` take values")
    elif metric is not None and isinstance(form.kept.get("period"), str) and not form.problems:
        period = form.board.period(form.kept["period"])
        if period.start > form.now:
            form.wrong(f"{period.label} has not begun", "give a value for a period that has begun")


def override(form: Form) -> None:
    """A named person's colour instead of the judged one: worse freely, better only with a reason and an expiry.

    ``clear``, or the judged colour itself, takes back what was said before. ``judged`` is kept with it, so that the journal
    says what it replaced.
    """
    form.allow(*_KEY, "status", "text", "until", "by")
    form.reading()
    status = form.choice("status", (*STATUSES, CLEAR))
    text = form.text("text", required=False)
    until = form.moment("until")
    if status is None or form.problems:
        return
    where = next(iter(form.kept["slice"].items())) if form.kept["slice"] else None
    reading = form.board.reading(form.kept["metric"], form.kept["grain"], form.kept["period"], where, form.now)
    form.kept["judged"] = judged = reading.judged
    if status == CLEAR:
        return
    if judged == "grey":
        form.wrong(
            f"the reading is grey ({reading.because}), and what cannot be said has no colour to replace",
            "write a note, or a flag",
        )
    elif better(cast(Status, status), judged):
        if text is None:
            form.wrong(f"{status} is better than the judged {judged}, and 'text' gives no reason", "say why in 'text'")
        if until is None:
            form.wrong(
                f"{status} is better than the judged {judged}, and 'until' gives no end", "say in 'until' when it ends"
            )


def signoff(form: Form) -> None:
    """A review that was held (``review`` and ``date``), or the second person's yes to a value (``value``: its id)."""
    form.allow("review", "date", "value", "text", "by")
    form.text("text", required=False)
    given = form.earlier("value", "value")
    if form.sent.get("value") is not None:
        if form.sent.get("review") is not None:
            form.wrong("'review' and 'value' are both given", "choose one of the two")
        written = form.journal.entries("value", id=given, limit=1) if given is not None else ()
        if written and written[0].by.casefold() == str(form.sent.get("by", "")).strip().casefold():
            form.wrong("'by' is the person who gave the value", "a second person signs it off")
        return
    name = form.text("review", longest=200, lines=False)
    if name is not None and name not in form.board.book.reviews:
        known = form.board.book.reviews
        form.wrong(f"no review is called '{name}'", did_you_mean(name, known) or f"known: {', '.join(known) or 'none'}")
    form.day("date")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entry: its name in the journal, its address, and what it must hold."""

    name: EntryKind
    plural: str
    check: Callable[[Form], None]
    filters: tuple[str, ...] = (*_KEY[:3], "team", "process", "by")


KINDS = (
    Kind("note", "notes", note),
    Kind("action", "actions", action, (*_KEY[:3], "team", "process", "by", "owner", "state", "follows")),
    Kind("flag", "flags", flag),
    Kind("value", "values", value),
    Kind("override", "overrides", override, (*_KEY[:3], "team", "process", "by", "status")),
    Kind("signoff", "signoffs", signoff, ("review", "date", "value", "by")),
)


def filled(
    kind: Kind, sent: Mapping[str, Any], board: Board, journal: Journal, now: datetime
) -> tuple[str, dict[str, Any]]:
    """(by, body) to write; Refused with every problem at once."""
    form = Form(sent, board, journal, now)
    kind.check(form)
    by = form.text("by", longest=LONGEST_NAME, lines=False)
    if form.problems or by is None:
        raise Refused(*form.problems)
    form.kept.pop("by")
    return by, form.kept
