"""From an address to a page: which page it is, and the frame that all pages have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from scorecard.board.board import Board
from scorecard.board.reading import Reading
from scorecard.book.model.organization import ORGANIZATION
from scorecard.ground.errors import NotFound, Problem, Refused, suggest
from scorecard.ground.periods import GRAINS
from scorecard.ground.periods.calendar import Period
from scorecard.refresh.pulse import Pulse, Warned
from scorecard.views.address import Address
from scorecard.views.pages.data import data_page
from scorecard.views.pages.metrics import chosen, metric_page, metrics_page
from scorecard.views.pages.organization import organization_page
from scorecard.views.pages.scorecards import card_href, scorecard_page
from scorecard.views.pages.walls import wall_page
from scorecard.views.wording import local_moments, milliseconds, span_text

WITHOUT_PERIOD = ("data", "wall", "missing", "opening")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page as JSON, the readings of its chart where it has one, and whether the address named something that exists."""

    page: dict[str, Any]
    chart: tuple[Reading, ...] = ()
    found: bool = True


@dataclass(frozen=True, slots=True)
class Frame:
    """What a page says about the moment it was made. ``ticking`` is false under a clock that stands still.

    ``build`` names the scripts and styles; an open page that sees another one loads itself anew. ``alarms``: what is wrong
    with the scheduler, on every page. ``pulse`` is asked by pages that show the schedule.
    """

    now: datetime
    ticking: bool = True
    build: str = ""
    alarms: tuple[Warned, ...] = ()
    pulse: Callable[[], Pulse] = Pulse


def page_for(board: Board, text: str, frame: Frame) -> Drawn:
    """The page of an address; a page that says what is wrong where there is none."""
    address = Address.read(text)
    try:
        drawn = _body(board, address, frame)
        pickers = _pickers(board, drawn.page, address, frame.now)
    except NotFound as missing:
        drawn, pickers = Drawn(_missing(board, address, missing.problems[0]), found=False), {"when": None, "grains": []}
    except Refused as refused:
        plain = replace(address, period=None, grain=None)
        drawn = Drawn(
            _missing(board, plain, refused.problems[0], "This address asks for something that cannot be shown"),
            found=False,
        )
        pickers = {"when": None, "grains": []}
    return replace(drawn, page={**_frame(board, address, frame), **pickers, **drawn.page})


def opening_page(text: str, frame: Frame, name: str | None = None) -> Drawn:
    """What is shown while no board is published yet: the first load is still running."""
    address = Address.read(text)
    page = {
        **_bare(address, frame),
        "kind": "opening",
        "title": "The first load is still running",
        "organization": name or "Scorecard",
        "tab": "Starting · Scorecard",
        "body": {
            "text": "Sources are being read for the first time. This page fills itself as soon as the first numbers are there."
        },
    }
    return Drawn(page)


def refused_page(text: str, frame: Frame) -> Drawn:
    """For whom this address is not open."""
    page = {
        **_bare(Address.read(text), frame),
        "kind": "missing",
        "title": "This link does not open this page",
        "organization": "Scorecard",
        "tab": "Not open · Scorecard",
        "body": {
            "text": "A wall link opens its own panel until it expires or is revoked.",
            "hint": "Ask whoever sent it for a new one.",
            "links": [],
        },
    }
    return Drawn(page, found=False)


def broken_page(text: str, frame: Frame) -> Drawn:
    """When making the page failed by our own fault."""
    page = {
        **_bare(Address.read(text), frame),
        "kind": "missing",
        "title": "This page could not be made",
        "organization": "Scorecard",
        "tab": "Failed · Scorecard",
        "body": {
            "text": "The fault is ours, not yours. The server's log has the details; other pages are not affected.",
            "links": [],
        },
    }
    return Drawn(page)


def _body(board: Board, address: Address, frame: Frame) -> Drawn:
    now = frame.now
    match address.steps:
        case ():
            return Drawn(organization_page(board, address, now))
        case ("teams" | "processes" as kind, name):
            _known(board, kind, name)
            card = board.scorecard(name, address.period, address.grain, now)
            return Drawn(scorecard_page(board, card, address, now))
        case ("metrics",):
            return Drawn(metrics_page(board, address, now))
        case ("metrics", name):
            page, readings = metric_page(board, name, address, now)
            return Drawn(page, readings)
        case ("data",):
            return Drawn(data_page(board, address, now, frame.pulse()))
        case ("wall" | "embed" as kind, name):
            return Drawn(wall_page(board, name, address, now, embedded=kind == "embed"))
        case _:
            raise NotFound(Problem(f"there is no page at {address.path}"))


def _known(board: Board, kind: str, name: str) -> None:
    known = board.book.teams if kind == "teams" else board.book.processes
    if name not in known:
        raise NotFound(Problem(f"no {'team' if kind == 'teams' else 'process'} is called '{name}'"))


# -- the frame -------------------------------------------------------------------------------------------------


def _bare(address: Address, frame: Frame) -> dict[str, Any]:
    return {
        "version": 0,
        "as_of": None,
        "now": milliseconds(frame.now),
        "ticking": frame.ticking,
        "build": frame.build,
        "timezone": "UTC",
        "path": address.path,
        "theme": address.theme,
        "home": address.to("/"),
        "nav": [],
        "themes": {"light": address.in_theme("light"), "dark": address.in_theme("dark")},
        "notices": [],
        "alarms": [
            {"kind": a.kind, "message": a.message, "hint": a.hint, "since": milliseconds(a.since)} for a in frame.alarms
        ],
        "crumbs": [],
        "marks": None,
        "when": None,
        "grains": [],
    }


def _frame(board: Board, address: Address, frame: Frame) -> dict[str, Any]:
    book, first = board.book, address.steps[0] if address.steps else ""
    places = (
        ("Organisation", "/", first in ("", "teams", "processes")),
        ("Metrics", "/metrics", first == "metrics"),
        ("Data", "/data", first == "data"),
    )
    return {
        **_bare(address, frame),
        "version": board.version,
        "as_of": milliseconds(board.as_of),
        "timezone": book.organization.timezone,
        "organization": book.organization.name,
        "nav": [{"text": text, "href": address.to(path), "current": here} for text, path, here in places],
        "notices": _notices(board, address, frame.now),
        "tab": book.organization.name if not first else f"{_tab(board, address)} · {book.organization.name}",
    }


def _tab(board: Board, address: Address) -> str:
    """The title of the browser's tab."""
    match address.steps:
        case ("teams" | "processes", name) if name in board.book.teams or name in board.book.processes:
            return board.title(name)
        case ("metrics", name) if name in board.book.metrics:
            return board.book.metrics[name].title
        case ("wall" | "embed", name) if name in board.book.panels:
            return board.book.panels[name].title
        case ("metrics" | "data" as page,):
            return page.title()
        case _:
            return "Not found"


def _notices(board: Board, address: Address, now: datetime) -> list[dict[str, Any]]:
    """What is wrong, on every page; what waits for a person leads to where it is decided.

    What `check` would advise is for those who write metrics.yaml, and stands with the data.
    """
    waiting = board.held.notices()
    there = None if address.steps == ("data",) else address.to("/data")
    shown = [p for p in board.notices if there is None or p not in board.book.warnings]
    return [
        {**_notice(p, board.book.organization.timezone, now), "href": there if p in waiting else None} for p in shown
    ]


def _notice(problem: Problem, zone: str, now: datetime) -> dict[str, Any]:
    place = None if problem.place is None else str(problem.place)
    return {
        "message": local_moments(problem.message, zone, now),
        "place": place,
        "hint": problem.hint,
        "severity": problem.severity,
    }


def _pickers(board: Board, page: Mapping[str, Any], address: Address, now: datetime) -> dict[str, Any]:
    """The pickers of period and grain; none where a page has no period."""
    if page["kind"] in WITHOUT_PERIOD:
        return {"when": None, "grains": []}
    own = _own_grain(board, address)
    grain = page.get("shown_grain") or address.grain or (board.period(address.period).grain if address.period else own)
    shown = board.period(page.get("shown_period") or chosen(board, address, grain, now))
    named = [address.steps[1]] if page["kind"] == "metric" else board.stamps
    known = [board.stamps[name][1] for name in named if name in board.stamps]
    newest = max((at for at in known if at is not None), default=None)
    return {"when": _when(board, address, shown, now, newest), "grains": _grains(board, page, address, shown, now)}


def _own_grain(board: Board, address: Address) -> str:
    match address.steps:
        case ("teams" | "processes", name):
            return board.main_grain(name)
        case ("metrics", name):
            return board.book.metric(name).grain
        case _:
            found = [metric.grain for metric in board.book.metrics.values()]
            return max(sorted(set(found)), key=found.count) if found else "week"


def _when(board: Board, address: Address, shown: Period, now: datetime, newest: datetime | None) -> dict[str, Any]:
    """The steps in time. ``newest``: of all rows; where they end before the shown period, their own period is one step away."""
    latest = board.latest_closed(shown.grain, now)
    running = board.calendar.shift(latest, 1)
    before = board.calendar.shift(shown, -1)
    after = None if shown.end > now else board.calendar.shift(shown, 1)

    def to(span: Period | None) -> dict[str, Any]:
        if span is None:
            return {"href": None, "text": None}
        name = " (running)" if span.label == running.label else ""
        return {
            "href": address.at(None if span.label == latest.label else span.label),
            "text": f"{span.label}{name}, {span_text(span)}",
        }

    return {
        "label": shown.label,
        "dates": span_text(shown),
        "running": shown.end > now >= shown.start,
        "previous": to(before),
        "next": to(after),
        "latest": to(None if shown.label == latest.label else latest),
        "newest": to(None if newest is None or newest >= shown.start else board.calendar.period(newest, shown.grain)),
    }


def _grains(
    board: Board, page: Mapping[str, Any], address: Address, shown: Period, now: datetime
) -> list[dict[str, Any]]:
    """The grains at which this page can be shown; on scorecards also each metric at its own."""
    at_latest = address.period is None
    if page["kind"] == "metric":
        choices: list[str | None] = list(board.calendar.coarser(_own_grain(board, address)))
        current: str | None = page["shown_grain"]
    else:
        finest = min((GRAINS.index(m.grain) for m in board.book.metrics.values()), default=GRAINS.index("week"))
        choices, current = [None, *GRAINS[finest:]], address.grain
    found = []
    for grain in choices:
        period = None
        if not at_latest and grain is not None:
            there = board.calendar.period(shown.start, grain)
            there = there if there.end <= now else board.calendar.latest_closed(now, grain)
            period = None if there.label == board.latest_closed(grain, now).label else there.label
        elif not at_latest:
            period = shown.label
        text = "Own" if grain is None else grain.title()
        label = "Each metric at its own grain" if grain is None else f"By {grain}"
        found.append({"text": text, "label": label, "href": address.by(grain, period), "current": grain == current})
    return found


# -- what is not there -----------------------------------------------------------------------------------------


def _missing(
    board: Board, address: Address, problem: Problem, title: str = "Nothing stands at this address"
) -> dict[str, Any]:
    """A page that says what is wrong and offers the nearest thing that exists."""
    links = [{"text": board.book.organization.name, "href": address.to("/")}]
    near = _nearest(board, address)
    if near is not None:
        links.insert(0, near)
    return {
        "kind": "missing",
        "title": title,
        "body": {
            "text": problem.message[:1].upper() + problem.message[1:] + ".",
            "hint": None if near else problem.hint,
            "links": links,
        },
    }


def _nearest(board: Board, address: Address) -> dict[str, str] | None:
    book, steps = board.book, address.steps
    if len(steps) == 2 and steps[0] in ("wall", "embed"):
        close = suggest(steps[1], book.panels)
        return None if close is None else {"text": book.panels[close].title, "href": address.to(f"/{steps[0]}/{close}")}
    if len(steps) == 2 and steps[0] == "metrics":
        close = suggest(steps[1], book.metrics)
        return None if close is None else {"text": book.metrics[close].title, "href": address.to(f"/metrics/{close}")}
    word = steps[-1] if steps else ""
    close = suggest(word, [name for name in book.scorecards() if name != ORGANIZATION])
    if close is None:
        return None
    return {"text": board.title(close), "href": card_href("team" if close in book.teams else "process", close, address)}
