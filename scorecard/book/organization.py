"""The organisation, teams, processes, panels and reviews from their fields."""

from __future__ import annotations

import csv
from collections.abc import Container
from datetime import date
from typing import Any

from scorecard.book.durations import months
from scorecard.book.files import BookFile, Entry
from scorecard.book.model.organization import ORGANIZATION, Organization, Panel, Process, Review, Shown, Team
from scorecard.book.notes import Notes, shown
from scorecard.book.paths import inside
from scorecard.book.shapes import organization as shapes
from scorecard.book.shapes.names import check_name
from scorecard.book.shapes.records import Fields
from scorecard.book.shapes.scalars import MISSING, day
from scorecard.ground.errors import Place
from scorecard.ground.yamlfile import YamlNode


def build_organization(entry: Entry | None, file: BookFile | None, notes: Notes) -> Organization:
    """The organisation; without one a nameless one in UTC, and a warning at the beginning of ``file``."""
    if entry is None and file is not None:
        hint = "add organization: {name: ..., owner: ..., timezone: Europe/Berlin}"
        notes.warn(Place(file.name, 1, 1), "there is no 'organization': every period begins at midnight UTC", hint)
    if entry is None:
        return Organization(name="Organization", owner=None)
    fields = shapes.ORGANIZATION.fields(entry.node, "'organization'", notes, entry.key)
    if fields is MISSING:
        return Organization(name="Organization", owner=None)
    allowed = tuple(fields.get("allow_paths", ()))
    days = fields.get("workdays", ("mon", "tue", "wed", "thu", "fri"))
    return Organization(
        name=fields.get("name", "Organization"), owner=fields.get("owner"), timezone=fields.get("timezone", "UTC"),
        week_starts=shapes.WEEKDAYS.index(fields.get("week_starts", "monday")),
        fiscal_year_starts=shapes.MONTHS.index(fields.get("fiscal_year_starts", "january")) + 1,
        fiscal_year_named=fields.get("fiscal_year_named", "end"), pattern=fields.get("pattern", "months"),
        workdays=frozenset(shapes.SHORT_DAYS.index(word[:3]) for word in days),
        holidays=_holidays(fields, entry.file, allowed, notes) or frozenset(), allow_paths=allowed,
    )  # fmt: skip


def _holidays(fields: Fields, file: BookFile, allowed: tuple[str, ...], notes: Notes) -> frozenset[date] | None:
    """The days of the CSV file's column `day`; mistakes are reported at their line of that file."""
    if "holidays" not in fields:
        return None
    node, text = fields.get("holidays")
    if not inside(file.folder, text, [file.folder / place for place in allowed]):
        hint = "move it there, or list its folder in organization.allow_paths"
        notes.error(node, f"'holidays' of {fields.owner} is '{shown(node)}', which leaves the folder of its file", hint)
        return None
    notes.watch(file.folder / text)
    name = str((file.folder / text) if file.folder.is_absolute() else (type(file.path)(file.name).parent / text))
    try:
        with (file.folder / text).open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as wrong:
        seen = wrong.strerror if isinstance(wrong, OSError) else "it is no UTF-8 CSV file"
        notes.error(
            node, f"'holidays' of {fields.owner}: the file '{text}' cannot be read: {seen}", f"looked in {file.folder}"
        )
        return None
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if "day" not in header:
        notes.error(
            Place(name, 1, 1),
            f"the holidays have no column 'day', but {', '.join(header) or 'nothing'}",
            "write 'day' into line 1",
        )
        return None
    at, found = header.index("day"), set()
    for line, row in enumerate(rows[1:], start=2):
        cell = row[at].strip() if len(row) > at else ""
        holiday = day(cell)
        if holiday is not None:
            found.add(holiday)
        elif any(c.strip() for c in row):
            notes.error(
                Place(name, line, sum(len(c) + 1 for c in row[:at]) + 1), f"'{cell}' is no day", "write 2026-12-25"
            )
    return frozenset(found)


def build_team(entry: Entry, allowed: tuple[str, ...], notes: Notes) -> Team | None:
    check_name(entry.key, "team", notes, dashes=True)
    fields = shapes.TEAM.fields(entry.node, f"team '{entry.name}'", notes, entry.key)
    if fields is MISSING:
        return None
    return Team(
        name=entry.name, title=fields.get("title", entry.name), owner=fields.get("owner"), parent=_named(fields, "parent"),
        aliases=tuple(fields.get("aliases", ())), holidays=_holidays(fields, entry.file, allowed, notes), place=entry.key.place,
    )  # fmt: skip


def build_process(entry: Entry, notes: Notes) -> Process | None:
    check_name(entry.key, "process", notes, dashes=True)
    fields = shapes.PROCESS.fields(entry.node, f"process '{entry.name}'", notes, entry.key)
    if fields is MISSING or "owner" not in fields:
        return None
    every = fields.get("sop_review_every")
    return Process(
        name=entry.name, title=fields.get("title", entry.name), team=_named(fields, "team"), owner=fields.get("owner"),
        deputy=fields.get("deputy"), sop=fields.get("sop"), sop_reviewed=fields.get("sop_reviewed"),
        sop_review_months=None if every is None else months(every), aliases=tuple(fields.get("aliases", ())), place=entry.key.place,
    )  # fmt: skip


def _named(fields: Fields, key: str) -> str | None:
    found = fields.get(key)
    return None if found is None else str(found[1])


def build_panel(entry: Entry, teams: Container[str], notes: Notes) -> Panel | None:
    """The panel; ``teams`` tells a team's name from a process's."""
    check_name(entry.key, "panel", notes, dashes=True)
    fields = shapes.PANEL.fields(entry.node, f"panel '{entry.name}'", notes, entry.key)
    if fields is MISSING:
        return None
    show = [
        shown_one
        for node, value in fields.get("show", ())
        if (shown_one := _shown(node, value, teams, fields.owner, notes)) is not None
    ]
    title, rotate, theme = fields.get("title", entry.name), fields.get("rotate", 20), fields.get("theme", "dark")
    return Panel(entry.name, title, tuple(show), rotate, theme, entry.key.place)


def _shown(node: YamlNode, value: Any, teams: Container[str], owner: str, notes: Notes) -> Shown | None:
    if not isinstance(value, Fields):
        name = str(value)
        return Shown("organization" if name == ORGANIZATION else "team" if name in teams else "process", name)
    kinds = list(value.nodes)
    if len(kinds) != 1:
        notes.error(
            node,
            f"'show' of {owner} names {len(kinds)} things in one entry",
            "write [{team: support}, {process: ticket-resolution}]",
        )
        return None
    kind = kinds[0]
    if kind not in value:
        return None
    return Shown("organization", ORGANIZATION) if kind == ORGANIZATION else Shown(kind, value.get(kind)[1])  # type: ignore[arg-type]  # the shape has checked the word


def build_review(entry: Entry, notes: Notes) -> Review | None:
    check_name(entry.key, "review", notes, dashes=True)
    fields = shapes.REVIEW.fields(entry.node, f"review '{entry.name}'", notes, entry.key)
    if fields is MISSING or "cadence" not in fields:
        return None
    weekday = fields.get("day")
    return Review(
        name=entry.name, cadence=fields.get("cadence"), scorecards=tuple(name for _, name in fields.get("scorecards", ())),
        weekday=None if weekday is None else shapes.WEEKDAYS.index(weekday), at=fields.get("at"), minutes=fields.get("minutes", 45),
        place=entry.key.place,
    )  # fmt: skip
