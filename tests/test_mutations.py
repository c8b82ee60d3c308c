"""Mistakes seeded into a good file: every one is reported at its exact line and column, and none hides another.

In a mutation, ▶ marks where the problem must be reported. What follows from a mistake at another place is marked too: the
marks and the reported places must be the same set.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from scorecard.ground.errors import Problem
from tests.bookfiles import GOOD, problems

MARK = "▶"
Mutation = tuple[str, str, str, str]
"""(kind of mistake, what stands in the good file, what stands there instead, a word of the message)"""

WRITTEN: tuple[Mutation, ...] = (
    # unknown keys, in every kind of record
    ("unknown key", "  week_starts: monday", f"  {MARK}week_start: monday", "unknown key 'week_start'"),
    ("unknown key", "    path: data", f"    path: data/a.csv\n    {MARK}pth: data", "unknown key 'pth'"),
    ("unknown key", "{type: timestamp, format:", f"{{type: timestamp, {MARK}fromat:", "unknown key 'fromat'"),
    ("unknown key", "start: 2024-01-01", f"{MARK}begin: 2024-01-01", "unknown key 'begin'"),
    ("unknown key", "operations: {title:", f"operations: {{{MARK}titel:", "did you mean|unknown key 'titel'"),
    ("unknown key", "    sop_reviewed:", f"    {MARK}sop_review:", "unknown key 'sop_review'"),
    ("unknown key", "theme: dark}", f"{MARK}colour: dark}}", "unknown key 'colour'"),
    ("unknown key", "minutes: 45}", f"{MARK}mins: 45}}", "unknown key 'mins'"),
    ("unknown key", "    target: 1200\n    tolerance: 15%\n", f"    {MARK}targt: 1200\n    {MARK}tolerance: 15%\n", "unknown key 'targt'|without a target"),
    ("unknown key", "{since: 2026-07-01, target: 85%, tolerance", f"{{since: 2026-07-01, target: 85%, {MARK}tolerence", "unknown key 'tolerence'"),
    ("unknown key", "as: percent", f"{MARK}is: percent", "unknown key 'is'"),
    ("unknown key", "teams:\n", f"{MARK}colours: many\nteams:\n", "unknown key 'colours'"),
    ("unknown key", "drop_at_most: 50%", f"{MARK}drop_at_least: 50%", "unknown key"),
    ("unknown key", "defaults: {grain: week}", f"defaults: {{grain: week, {MARK}title: x}}", "unknown key 'title'"),
    # keys given twice
    ("duplicate key", "  timezone: Europe/Berlin\n", f"  timezone: Europe/Berlin\n  {MARK}timezone: UTC\n", "duplicate key 'timezone'"),
    ("duplicate key", "    every: 30s\n", f"    every: 30s\n    {MARK}every: 1m\n", "duplicate key 'every'"),
    ("duplicate key", "  tickets_resolved:\n", f"  {MARK}tickets_created: {{role: leading}}\n  tickets_resolved:\n", "duplicate key 'tickets_created'"),
    ("duplicate key", "of: count_if(score >= 4), to", f"of: count_if(score >= 4), {MARK}of: rows, to", "duplicate key 'of'"),
    # keys without a value
    ("no value", "    title: Ticket resolution", f"    {MARK}title:", "has no value"),
    ("no value", "  fiscal_year_starts: april", f"  {MARK}fiscal_year_starts:", "has no value"),
    ("no value", "of: count_if(score >= 4), to", f"of: count_if{MARK}(score, {MARK}4), to", "'(' is not closed|key '4)' has no value"),
    # words that are none of those allowed
    ("wrong word", "week_starts: monday", f"week_starts: {MARK}mondy", "did you mean 'monday'"),
    ("wrong word", "fiscal_year_starts: april", f"fiscal_year_starts: {MARK}apr", "expected one of"),
    ("wrong word", "workdays: [mon, tue,", f"workdays: [mon, {MARK}tu,", "expected one of"),
    ("wrong word", "kind: csv", f"kind: {MARK}cvs", "did you mean 'csv'"),
    ("wrong word", "minutes: double", f"minutes: {MARK}dubble", "did you mean 'double'"),
    ("wrong word", "{type: timestamp,", f"{{type: {MARK}timestmp,", "did you mean 'timestamp'"),
    ("wrong word", "theme: dark", f"theme: {MARK}drak", "did you mean 'dark'"),
    ("wrong word", "cadence: weekly", f"cadence: {MARK}wekly", "did you mean 'weekly'"),
    ("wrong word", "day: monday", f"day: {MARK}someday", "expected one of"),
    ("wrong word", "    count: rows\n    where", f"    grain: {MARK}wek\n    count: rows\n    where", "did you mean 'week'"),
    ("wrong word", "as: percent", f"as: {MARK}per cent", "expected one of"),
    ("wrong word", "versus: year_ago", f"versus: {MARK}yearago", "did you mean 'year_ago'"),
    # numbers, durations, dates, times, shares, people, links, time zones
    ("wrong value", "every: 30s", f"every: {MARK}30 seconds", "expected a duration"),
    ("wrong value", "every: 30s", f"every: {MARK}0s", "expected a duration"),
    ("wrong value", "lookback: 1h", f"lookback: {MARK}1 hour", "expected a duration"),
    ("wrong value", "rotate: 20s", f"rotate: {MARK}20", "write 20s or 20m"),
    ("wrong value", "sop_reviewed: 2026-09-03", f"sop_reviewed: {MARK}2026-13-03", "expected a date"),
    ("wrong value", "sop_reviewed: 2026-09-03", f"sop_reviewed: {MARK}3.9.2026", "expected a date"),
    ("wrong value", "sop_review_every: 12 months", f"sop_review_every: {MARK}yearly", "expected a number of months"),
    ("wrong value", "{since: 2026-01-01, target: 82%", f"{{since: {MARK}2026-1-1, target: 82%", "expected a date"),
    ("wrong value", 'at: "09:00"', f'at: {MARK}"25:00"', "expected a time of day"),
    ("wrong value", "minutes: 45", f"minutes: {MARK}long", "expected a whole number"),
    ("wrong value", "drop_at_most: 50%", f"drop_at_most: {MARK}50", "write 50%"),
    ("wrong value", "drop_at_most: 50%", f"drop_at_most: {MARK}150%", "expected a share"),
    ("wrong value", "timezone: Europe/Berlin", f"timezone: {MARK}Europe/Berln", "did you mean 'Europe/Berlin'"),
    ("wrong value", "owner: Ben Ito <ben@example.com>", f"owner: {MARK}Ben Ito, Ana Ruiz", "one person"),
    ("wrong value", "owner: Ana Ruiz <ana@example.com>", f'owner: {MARK}"Ana Ruiz <ana"', "one person"),
    ("wrong value", "sop: https://wiki", f"sop: {MARK}javascript://wiki", "expected an address"),
    ("wrong value", "start: 2024-01-01", f"start: {MARK}yesterday", "expected a date or number"),
    ("wrong value", "version: 1", f"version: {MARK}2", "expected 1"),
    ("wrong value", 'cron: "*/5 * * * *"', f'cron: "{MARK}*/5 * * *"', "4 fields, expected five"),
    ("wrong value", 'cron: "*/5 * * * *"', f'cron: "*/5 {MARK}25 * * *"', "'25' is no hour"),
    ("wrong value", "    better: lower\n    target: 1200", f"    better: lower\n    decimals: {MARK}two\n    target: 1200", "expected a whole number"),
    ("wrong value", "aliases: [Support DE]", f"aliases: [Support DE, {MARK}{{a: b}}]", "expected text"),
    # a form that does not fit
    ("wrong form", "columns:\n      minutes: double", f"columns:\n      minutes: {MARK}[double]", "is a list"),
    ("wrong form", "reviews:\n", f"reviews:\n  monthly: {MARK}always\n", "expected keys and values"),
    ("wrong form", "show: [{team: support}, {process: ticket-resolution}]", f"show: {MARK}[]", "empty list"),
    ("wrong form", "split: {team: assigned_team}", f"split: {MARK}assigned_team", "expected keys and values"),
    ("wrong form", "    checks:\n      - rows: {drop_at_most: 50%}\n", f"    checks:\n      - {MARK}rows: {{drop_at_most: 50%}}\n        unique: [a]\n", "one of rows"),
    # names that are not allowed, or nowhere
    ("wrong name", "  csat:\n", f"  {MARK}CSAT:\n", "is not allowed"),
    ("wrong name", "  csat:\n", f"  {MARK}select:\n", "reserved SQL word"),
    ("wrong name", "  csat:\n", f"  {MARK}days:\n", "meaning of its own"),
    ("wrong name", "  support: {title: Support", "  Support_Team: {title: x}\n  support: {title: Support".replace("Support_Team", MARK + "Support_Team"), "is not allowed"),
    ("wrong name", "  floor: {show", f"  {MARK}Floor: {{show", "is not allowed"),
    ("wrong name", "  ticket-resolution:\n    title", f"  {MARK}support: {{title: x, owner: Ann Lee}}\n  ticket-resolution:\n    title", "share one name space"),
    ("wrong name", "  orders:\n    kind", f"  {MARK}order:\n    kind", "reserved SQL word"),
    ("wrong name", "  orders:\n    kind", f"  {MARK}duckdb_tables:\n    kind", "a table of the engine's own"),
    ("unknown name", "parent: operations", f"parent: {MARK}operatons", "did you mean 'operations'"),
    ("unknown name", "    team: support\n    owner", f"    team: {MARK}suport\n    owner", "did you mean 'support'"),
    ("unknown name", "{process: ticket-resolution}]", f"{{process: {MARK}ticket-resolutions}}]", "did you mean 'ticket-resolution'"),
    ("unknown name", "scorecards: [support]", f"scorecards: [support, {MARK}suport]", "did you mean 'support'"),
    ("unknown name", "    team: operations\n    role", f"    team: {MARK}operation\n    role", "did you mean 'operations'"),
    ("unknown name", "    title: Satisfied customers\n    process: ticket-resolution", f"    title: Satisfied customers\n    process: {MARK}tickets", "no process is called"),
    ("unknown name", "    source: tickets\n    p90", f"    source: {MARK}ticket\n    p90", "did you mean 'tickets'"),
    ("unknown name", "formula: tickets_resolved /", f"formula: {MARK}tickets_resolve /", "did you mean 'tickets_resolved'"),
    ("unknown name", "/ tickets_created", f"/ {MARK}created_tickets", "no metric is called"),
    ("unknown name", "{of: tickets_created, versus", f"{{of: {MARK}tickets_creatd, versus", "did you mean 'tickets_created'"),
    # keys that are needed
    ("missing key", "    role: lagging\n    formula", "    formula", "has no 'role'"),
    ("missing key", "{type: timestamp, format:", f"{MARK}{{format:", "has no 'type'"),
    ("missing key", "{cadence: weekly, day", "{day", "has no 'cadence'"),
    ("missing key", "    every: 30s\n", "", "neither 'every' nor 'cron'"),
    ("missing key", "of: tickets_created, versus: year_ago, as", "of: tickets_created, as", "has no 'versus'"),
    ("missing key", "    ratio: {of: count_if(score >= 4), to: count(score)}\n", "", "has no measure"),
    ("missing key", "{column: updated_at, start", f"{MARK}{{start", "has no 'column'"),
    ("missing key", "    query: select * from orders where updated_at > :cursor\n", "", "has no 'query'"),
    # things that exclude each other
    ("both", "    every: 30s\n", f'    every: 30s\n    {MARK}cron: "0 6 * * *"\n', "both 'every' and 'cron'"),
    ("both", "    count: resolved_at\n", f"    count: resolved_at\n    {MARK}sum: minutes\n", "2 measures"),
    ("both", "    team: operations\n    role", f"    process: ticket-resolution\n    {MARK}team: operations\n    role", "both 'process' and 'team'"),
    ("both", "    tolerance: 15%\n", f"    tolerance: 15%\n    {MARK}amber: 1300\n", "both 'amber' and 'tolerance'"),
    ("both", "    targets:\n", f"    {MARK}target: 80%\n    targets:\n", "both 'target' and 'targets'"),
    ("both", "    key: [order_id]\n", f"    key: [order_id]\n    mode: {MARK}append\n", "both a key and 'mode: append'"),
    ("both", "    path: data/tickets.csv\n", f"    path: data/tickets.csv\n    {MARK}query: select 1\n", "only sources of kind sql"),
    # targets
    ("target", "target: 82%, tolerance", f"target: {MARK}82, tolerance", "write 82%"),
    ("target", "target: 82%, tolerance: 3pp", f"target: 82%, tolerance: {MARK}3%", "write 3pp"),
    ("target", "target: 82%, tolerance: 3pp", f"target: 82%, tolerance: {MARK}3", "write 3pp"),
    ("target", "target: 1200\n    tolerance: 15%", f"target: {MARK}1,200\n    tolerance: 15%", "write 1200"),
    ("target", "target: 1200\n    tolerance: 15%", f"target: 0\n    tolerance: {MARK}15%", "of a target of 0"),
    ("target", "target: 1200\n    tolerance: 15%", f"target: {MARK}12%\n    tolerance: 15%", "unit is not percent"),
    ("target", "    target: 30\n    amber: 45", f"    target: 30\n    amber: {MARK}25", "lies below the target"),
    ("target", "    target: 30\n    amber: 45", f"    target: {MARK}[10, 30]\n    amber: {MARK}45", "is a band|one number"),
    ("equal targets", "{since: 2026-07-01, target", f"{MARK}{{since: 2026-01-01, target", "same day for the same scope"),
    ("target", "    target: 400\n    amber: 550", f"    {MARK}amber: 550", "without a target"),
    ("target", "    target: 400\n    amber: 550", f"    target: {MARK}{{versus: year_ago}}", "has no 'change'"),
    ("target", "    unit: percent\n    better: higher\n    targets", f"    unit: {MARK}pct\n    better: higher\n    targets", "write percent"),
    # SQL
    ("sql", "where: status = 'open' and minutes >= 0", f"where: status = {MARK}\"open\" and minutes >= 0", "single quotes"),
    ("sql", "where: status = 'open' and minutes >= 0", f"where: status = 'open' and {MARK}(minutes >= 0", "'(' is not closed"),
    ("sql", "where: status = 'open' and minutes >= 0", f"where: status = 'open' and minutes {MARK}>=", "something is missing"),
    ("sql", "where: status = 'open' and minutes >= 0", f"where: status = 'open' and {MARK}flor(minutes) >= 0", "did you mean 'floor'"),
    ("sql", "where: status = 'open' and minutes >= 0", f"where: \"status = 'open' and {MARK}now() >= created_at\"", "any time"),
    ("sql", "where: status = 'open' and minutes >= 0", f"where: >-\n      status = 'open'\n      and {MARK}random() >= 0", "unknown function"),
    ("sql", "where: status = 'open' and minutes >= 0", f"where: |\n      status = 'open'\n      and minutes in ({MARK}select 1)", "'select' is not allowed"),
    ("sql", "where: status = 'open' and minutes >= 0", f"where: 'status = ''open'' and {MARK}foo(minutes)'", "unknown function"),
    ("sql", "of: count_if(score >= 4)", f"of: {MARK}countif(score >= 4)", "did you mean 'count_if'"),
    ("sql", "to: count(score)", f"to: {MARK}score", "stands outside"),
    ("sql", "to: count(score)", f"to: count({MARK}*)", "count rows with 'rows'"),
    ("sql", "p90: first_reply_at - created_at", f"p90: first_reply_at - {MARK}t.created_at".replace(f"{MARK}t.", f"t{MARK}."), "reads one source"),
    ("sql", "p90: first_reply_at - created_at", f"p90: {MARK}avg(minutes)", "unknown function"),
    ("sql", "p90: first_reply_at - created_at", f"p90: minutes{MARK}; {MARK}drop", "without ';'"),
    ("sql", "formula: tickets_resolved / tickets_created", f"formula: tickets_resolved / {MARK}lag(tickets_created)", "did you mean 'previous'"),
    ("sql", 'sql: "select count(*) = 0 from tickets where minutes < 0"', f'sql: "select count(*) = 0 from {MARK}read_csv(\'x\')"', "read loaded tables only"),
    ("sql", 'sql: "select count(*) = 0 from tickets where minutes < 0"', f'sql: "select count(*) = 0 from {MARK}tickts"', "did you mean 'tickets'"),
    ("sql", "query: select * from orders where", f"query: {MARK}delete from orders where", "begins with DELETE"),
    # paths, environment, cursors
    ("path", "path: data/tickets.csv", f"path: {MARK}../tickets.csv", "leaves the folder"),
    ("path", "path: data/tickets.csv", f"path: {MARK}/etc/passwd", "leaves the folder"),
    ("environment", "url: sqlite:///data/orders.db", f'url: "{MARK}${{NOT_THERE}}"', "needs ${NOT_THERE}"),
    ("environment", "title: Satisfied customers", f"title: {MARK}${{ERP_URL}}", "under sources only"),
    ("cursor", "    key: [order_id]\n", "", "without 'key' or 'mode: append'"),
    ("cursor", "    cursor: {column: updated_at, start: 2024-01-01, lookback: 1h}\n", "", "no cursor is declared"),
    # what a metric's measure does not take
    ("no meaning", "    formula: tickets", f"    {MARK}source: tickets\n    formula: tickets", "reads no rows"),
    ("no meaning", "    count: resolved_at\n", f"    count: resolved_at\n    {MARK}min_sample: 5\n", "no meaning for 'count'"),
    ("no meaning", "    stock: {opened: created_at,", f"    stock: {{opened: created_at, {MARK}fold: last,", "needs a 'level'"),
    ("unit", "to: count(score)}", f"to: count(score), per: {MARK}1000}}", "percent shows a share x 100"),
    ("unit", "    stock: {opened: created_at, closed: resolved_at}", f"    unit: {MARK}d\n    age: {{opened: created_at, closed: resolved_at, over: 2d}}", "is a share"),
    ("unit", "to: count(score)}", f"to: count(score), per: {MARK}1000}}", "percent shows a share x 100"),
    ("unit", "    stock: {opened: created_at, closed: resolved_at}", f"    unit: {MARK}EUR\n    age: {{opened: created_at, closed: resolved_at}}", "an age is a length of time"),
    # between metrics
    ("circle", "    formula: tickets_resolved / tickets_created", f"    formula: tickets_resolved / {MARK}resolved_share", "a circle"),
    ("grain", "    count: resolved_at\n", "    grain: month\n    count: resolved_at\n", "finer than its part"),
)  # fmt: skip
# Where a mutation's problem is reported at a key that the mutation does not touch.
ELSEWHERE = {
    "has no 'role'": "  resolved_share:",
    "has no 'cadence'": "  weekly:",
    "neither 'every' nor 'cron'": "  tickets:",
    "has no 'versus'": "    change: {",
    "has no measure": "  csat:",
    "has no 'query'": "  orders:",
    "without 'key' or 'mode: append'": "    cursor:",
    "no cursor is declared": "    query:",
    "finer than its part": "  resolved_share:",
}
SYNTAX: tuple[Mutation, ...] = (
    ("yaml", "title: Satisfied customers", f"title: {MARK}% of happy customers", "cannot begin with '%'"),
    ("yaml", "title: Satisfied customers", f"title: {MARK}*happy customers", "cannot begin with '*'"),
    ("yaml", "title: Satisfied customers", f"title: {MARK}@happy", "cannot begin with '@'"),
    ("yaml", "title: Satisfied customers", f"title: {MARK}!happy", "cannot begin with '!'"),
    ("yaml", "title: Satisfied customers", f"title: {MARK}- happy", "cannot begin with '-'"),
    ("yaml", "title: Satisfied customers", f"title: {MARK}> 95 percent", "cannot begin with '>'"),
    ("yaml", "title: Satisfied customers", f"title: {MARK}| happy", "cannot begin with '|'"),
    ("yaml", "title: Satisfied customers", f"title: Happy{MARK}: satisfied", "a second ': '"),
    ("yaml", "title: Satisfied customers", f'title: {MARK}"Happy', "quote"),
    ("yaml", "    title: Satisfied customers", f"{MARK}\ttitle: Satisfied customers", "tab"),
    ("yaml", "split: {team: assigned_team}", f"split: {MARK}{{team: assigned_team", "not closed"),
    ("yaml", "    title: Satisfied customers", f"     title: Satisfied customers\n    {MARK}tags: x", "lines up"),
)  # fmt: skip


def seeded(mutation: Mutation, text: str = GOOD) -> str:
    """The text with the mistake in it; the marks still stand."""
    _, old, new, word = mutation
    assert text.count(old) >= 1, old
    text = text.replace(old, new, 1)
    for part, key in ELSEWHERE.items():
        if part in word:
            indent = len(key) - len(key.lstrip())
            mark = MARK if part != "has no 'versus'" else ""
            text = text.replace(
                f"\n{key}", f"\n{key[:indent]}{mark}{key[indent:]}" if mark else f"\n{key[:-1]}{MARK}{{", 1
            )
    return text


def marks(text: str) -> set[tuple[int, int]]:
    """(line, column) of every mark, as they are once all marks are taken out."""
    found = set()
    for number, line in enumerate(text.split("\n"), start=1):
        found |= {(number, match.start() - nth + 1) for nth, match in enumerate(re.finditer(MARK, line))}
    return found


def places(found: tuple[Problem, ...]) -> set[tuple[int, int]]:
    return {(problem.place.line, problem.place.column) for problem in found if problem.place is not None}


def test_the_good_file_is_good(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD) == ()


def test_there_are_enough_of_them() -> None:
    assert len(WRITTEN) + len(SYNTAX) >= 100
    assert len({kind for kind, *_ in (*WRITTEN, *SYNTAX)}) >= 12


@pytest.mark.parametrize("mutation", [*WRITTEN, *SYNTAX], ids=lambda m: f"{m[0]}: {m[2][:40]!r}")
def test_each_is_reported_at_its_character(mutation: Mutation, tmp_path: Path) -> None:
    text = seeded(mutation)
    found = problems(tmp_path, text.replace(MARK, ""))
    said = "\n".join(map(str, found))
    assert all(word in said for word in mutation[3].split("|")) or any(
        word in said for word in mutation[3].split("|") if "did you" in word
    ), said
    if mutation[1] == "  csat:\n":
        return
    assert places(found) == marks(text), said


KEYS = [match.start(1) for match in re.finditer(r"^ +(?:- )?([a-z_]+): ", GOOD, re.MULTILINE)]


@pytest.mark.parametrize("at", KEYS)
def test_every_key_that_is_misspelt_is_found(at: int, tmp_path: Path) -> None:
    text = f"{GOOD[:at]}{MARK}zz{GOOD[at:]}"
    (place,) = marks(text)
    found = problems(tmp_path, text.replace(MARK, ""))
    names = "|".join(("tickets", "orders", "minutes", "resolved_at", "operations", "support", "floor", "weekly"))
    if not re.match(rf"({names}): ", GOOD[at:]):
        assert place in places(found), "\n".join(map(str, found))


@pytest.mark.parametrize("seed", range(100))
def test_none_hides_another(seed: int, tmp_path: Path) -> None:
    """Two to six mistakes in one file: the places of all of them are reported, and nothing else is."""
    chosen = random.Random(seed).sample(
        [m for m in WRITTEN if m[0] not in {"circle", "grain", "equal targets", "wrong name", "missing key"}], 8
    )
    text, used = GOOD, 0
    touched: set[str] = set()
    for mutation in chosen:
        lines = {line for line in mutation[1].split("\n") if line.strip()}
        around = {line.strip() for line in GOOD.split("\n") if any(piece.strip() in line for piece in lines)}
        if around & touched or text.count(mutation[1]) == 0 or any(part in mutation[3] for part in ELSEWHERE):
            continue
        text, touched, used = seeded(mutation, text), touched | around, used + 1
    found = problems(tmp_path, text.replace(MARK, ""))
    assert used >= 2
    assert marks(text) <= places(found), "\n".join([text, *map(str, found)])
    assert len(found) <= len(marks(text)) + 3
