"""Good metrics.yaml files that the tests of the book read, and break."""

from __future__ import annotations

from pathlib import Path

from scorecard.book.model import Book
from scorecard.book.read import read_book
from scorecard.ground.errors import Problem, Refused

ENVIRONMENT = {
    "ERP_URL": "postgresql://reader:canary-password@db.example.com/erp",
    "SURVEY_TOKEN": "canary-survey-token",
    "ASANA_TOKEN": "canary-asana-token",
}

COMPLETE = (Path(__file__).parent / "fixtures" / "complete.yaml").read_text(encoding="utf-8")
"""The complete example of the format: every section and every kind of measure that it shows."""

GOOD = """\
version: 1
organization:
  name: Northwind
  owner: Dana Lee <dana@example.com>
  timezone: Europe/Berlin
  week_starts: monday
  fiscal_year_starts: april
  workdays: [mon, tue, wed, thu, fri]
sources:
  tickets:
    kind: csv
    path: data/tickets.csv
    every: 30s
    key: [ticket_id]
    time: created_at
    columns:
      minutes: double
      resolved_at: {type: timestamp, format: "%Y-%m-%d %H:%M"}
    checks:
      - rows: {drop_at_most: 50%}
      - not_null: [ticket_id]
      - sql: "select count(*) = 0 from tickets where minutes < 0"
  orders:
    kind: sql
    url: sqlite:///data/orders.db
    query: select * from orders where updated_at > :cursor
    cursor: {column: updated_at, start: 2024-01-01, lookback: 1h}
    key: [order_id]
    time: ordered_at
    cron: "*/5 * * * *"
teams:
  operations: {title: Operations}
  support: {title: Support, owner: Ana Ruiz <ana@example.com>, parent: operations, aliases: [Support DE]}
processes:
  ticket-resolution:
    title: Ticket resolution
    team: support
    owner: Ben Ito <ben@example.com>
    sop: https://wiki.example.com/sop/7
    sop_reviewed: 2026-09-03
    sop_review_every: 12 months
panels:
  floor: {show: [{team: support}, {process: ticket-resolution}], rotate: 20s, theme: dark}
reviews:
  weekly: {cadence: weekly, day: monday, at: "09:00", scorecards: [support], minutes: 45}
defaults: {grain: week}
metrics:
  tickets_created:
    title: Tickets created
    process: ticket-resolution
    role: leading
    source: tickets
    count: rows
    where: status = 'open' and minutes >= 0
    better: lower
    target: 1200
    tolerance: 15%
  tickets_resolved:
    process: ticket-resolution
    role: leading
    source: tickets
    count: resolved_at
    time: resolved_at
    split: {team: assigned_team}
    better: higher
  csat:
    title: Satisfied customers
    process: ticket-resolution
    role: lagging
    source: tickets
    ratio: {of: count_if(score >= 4), to: count(score)}
    unit: percent
    better: higher
    targets:
      - {since: 2026-01-01, target: 82%, tolerance: 3pp}
      - {since: 2026-07-01, target: 85%, tolerance: 3pp}
  response_p90:
    process: ticket-resolution
    role: leading
    source: tickets
    p90: first_reply_at - created_at
    unit: min
    better: lower
    target: 30
    amber: 45
  backlog:
    process: ticket-resolution
    role: leading
    source: tickets
    stock: {opened: created_at, closed: resolved_at}
    better: lower
    target: 400
    amber: 550
  resolved_share:
    process: ticket-resolution
    role: lagging
    formula: tickets_resolved / tickets_created
    unit: percent
    better: higher
  created_change:
    team: operations
    role: lagging
    change: {of: tickets_created, versus: year_ago, as: percent}
    better: lower
"""


def write(folder: Path, text: str, name: str = "metrics.yaml") -> Path:
    """The text as a file in the folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str) -> Book:
    return read_book(write(folder, text), environment=ENVIRONMENT)


def problems(folder: Path, text: str) -> tuple[Problem, ...]:
    """All errors of the text, in order; the place's file is the bare name."""
    try:
        read(folder, text)
    except Refused as refused:
        return tuple(problem for problem in refused.problems if problem.severity == "error")
    return ()


def complete_folder(folder: Path) -> Path:
    """The complete example with the files that it names."""
    write(folder, "day\n2026-12-25\n2027-01-01\n", "data/holidays.csv")
    write(folder, "survey_id,answered_at,score\n", "fixtures/two_weeks.csv")
    write(folder, "metrics: {}\n", "metrics/more.yaml")
    return write(folder, COMPLETE)
