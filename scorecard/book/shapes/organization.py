"""The grammar of organisation, teams, processes, panels and reviews."""

from __future__ import annotations

from scorecard.book.shapes.names import Name, PersonShape
from scorecard.book.shapes.records import Either, Key, ListOf, Record, Spot
from scorecard.book.shapes.scalars import Choice, Clock, Day, Duration, Flag, Link, Number, Text, Timezone

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
SHORT_DAYS = tuple(day[:3] for day in WEEKDAYS)

ORGANIZATION = Record((
    Key("name", Text(), "the organisation's name, as pages show it", required=True, example="Northwind Operations"),
    Key("owner", PersonShape(), "who answers for what has no owner of its own: one person"),
    Key("timezone", Timezone(), "IANA time zone; every period begins at local midnight here (default UTC)"),
    Key("week_starts", Choice(WEEKDAYS), "first day of the week (default monday: ISO weeks)"),
    Key("fiscal_year_starts", Choice(MONTHS), "first month of the fiscal year (default january)"),
    Key("fiscal_year_named", Choice(("end", "start")),
        "a fiscal year is named after the year in which it ends (default) or starts"),
    Key("pattern", Choice(("months", "4-4-5", "4-5-4", "5-4-4")), "calendar months (default), or quarters of 13 weeks"),
    Key("workdays", ListOf(Choice((*SHORT_DAYS, *WEEKDAYS)), at_least=1), "the days worked (default mon to fri)",
        example=["mon", "tue"]),
    Key("holidays", Spot(Text("a path to a CSV file")), "CSV file with a column `day` (2026-12-25): days that are no workdays"),
    Key("allow_paths", ListOf(Text("a folder"), single=True), "folders outside this file's own that sources may read"),
))  # fmt: skip

TEAM = Record((
    Key("title", Text(), "the name that pages show (default: the team's name)", example="Support"),
    Key("owner", PersonShape(), "who answers for the team: one person"),
    Key("parent", Spot(Name("team")), "the team that this one belongs to"),
    Key("aliases", ListOf(Text(), single=True), "other spellings in the data, for `split`", example=["Support DE"]),
    Key("holidays", Spot(Text("a path to a CSV file")), "the team's own holidays, instead of the organisation's"),
))  # fmt: skip

PROCESS = Record((
    Key("title", Text(), "the name that pages show (default: the process's name)", example="Ticket resolution"),
    Key("team", Spot(Name("team")), "the team that runs it: its metrics also stand on that team's scorecard"),
    Key("owner", PersonShape(), "who answers for the process: exactly one person", required=True),
    Key("deputy", PersonShape(), "who stands in: one person"),
    Key("sop", Link(), "where its documentation is", example="https://wiki.example.com/sop/7"),
    Key("sop_reviewed", Day(), "when the documentation was last reviewed"),
    Key("sop_review_every", Text("a number of months such as 12 months", r"[1-9]\d{0,3}\s*(months?|years?)"),
        "how often the documentation should be reviewed", example="12 months"),
    Key("aliases", ListOf(Text(), single=True), "other spellings in the data, for `split`"),
))  # fmt: skip

SHOWN = Either(
    Name("team or process"),
    Record((
        Key("team", Spot(Name("team")), "a team's scorecard"),
        Key("process", Spot(Name("process")), "a process's scorecard"),
        Key("metric", Spot(Name("metric")), "one metric"),
        Key("organization", Flag(), "the organisation's scorecard: true"),
    )),
)  # fmt: skip

PANEL = Record((
    Key("title", Text(), "the name that the wall shows (default: the panel's name)"),
    Key("show", ListOf(Spot(SHOWN), at_least=1), "the scorecards it goes through", required=True, example=[{"team": "support"}]),
    Key("rotate", Duration(), "how long each is shown (default 20s)"),
    Key("theme", Choice(("dark", "light")), "colours of the wall (default dark)"),
))  # fmt: skip

REVIEW = Record((
    Key("cadence", Choice(("weekly", "monthly", "quarterly")), "how often people meet", required=True),
    Key("day", Choice(WEEKDAYS), "the weekday of the meeting"),
    Key("at", Clock(), 'the time of the meeting, in the organisation\'s zone, quoted: "09:00"'),
    Key("scorecards", ListOf(Spot(Name("team or process")), at_least=1), "what is looked at", required=True, example=["support"]),
    Key("minutes", Number(low=1, high=1440, whole=True), "how long it takes (default 45)"),
))  # fmt: skip
