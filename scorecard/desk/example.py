"""A small working example to start from: a support desk's tickets up to now, four metrics, and a test of one of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta

WEEKS = 30
SEED = 7
BOOK = """\
# A support desk: tickets in a CSV file, four metrics, one wall. Change anything and watch:
# `scorecard check` finds mistakes, `scorecard preview METRIC` shows what a change would look like.
version: 1

organization:
  name: Example Support
  timezone: {zone}   # every day, week and month begins at midnight here

sources:
  tickets:
    kind: csv
    path: tickets.csv
    every: 30s                 # looked at so often; read again only when it has changed
    key: [ticket_id]           # a row with a known key replaces the old one
    time: created_at           # decides the period, where a metric does not say otherwise
    columns: {{created_at: timestamp, first_reply_at: timestamp, resolved_at: timestamp, score: integer}}

teams:
  support: {{title: Support, owner: Ana Ruiz <ana@example.com>}}
  first-line: {{title: First line, owner: Ben Ito <ben@example.com>, parent: support}}
  night-shift: {{title: Night shift, owner: Noor Haddad <noor@example.com>, parent: support}}

panels:
  support-wall: {{show: [{{team: support}}]}}

metrics:
  tickets_created:
    title: New tickets
    team: support
    role: leading
    source: tickets
    count: rows
    better: lower
    target: 75
    tolerance: 15%
  first_reply:
    title: First reply, nine of ten
    describe: From the ticket's arrival to the first answer, in the week of the answer.
    team: support
    role: leading
    source: tickets
    p90: first_reply_at - created_at
    time: first_reply_at
    split: {{team: team}}        # besides the whole, one number for each team
    unit: min
    better: lower
    target: 60
    amber: 75
  satisfied:
    title: Satisfied customers
    describe: Ratings 4 and 5 among all ratings; a ticket without a rating does not count.
    team: support
    role: lagging
    source: tickets
    ratio: {{of: count_if(score >= 4), to: count(score)}}
    split: {{team: team}}
    unit: percent
    better: higher
    target: 80%
    tolerance: 5pp
  open_tickets:
    title: Open tickets
    team: support
    role: leading
    source: tickets
    stock: {{opened: created_at, closed: resolved_at}}
    better: lower
    target: 15
    amber: 20

tests:                         # run by `scorecard check`
  - name: a ticket without a rating does not count
    given: {{tickets: fixtures/one_week.csv}}
    at: 2026-03-10T09:00:00Z
    expect:
      - {{metric: satisfied, period: 2026-W10, value: 50%, n: 2, status: red}}
      - {{metric: tickets_created, period: 2026-W10, value: 3}}
"""
FIXTURE = """\
ticket_id,created_at,first_reply_at,resolved_at,team,score
1,2026-03-02T10:00:00Z,2026-03-02T10:30:00Z,2026-03-03T09:00:00Z,First line,5
2,2026-03-03T10:00:00Z,2026-03-03T11:00:00Z,2026-03-04T09:00:00Z,First line,2
3,2026-03-04T10:00:00Z,2026-03-04T10:20:00Z,,Night shift,
"""
README = """\
# Example Support

    scorecard refresh            # loads tickets.csv and computes
    scorecard values             # the last closed period of every metric
    scorecard serve              # the pages, live, at http://127.0.0.1:8050

Everything is defined in `metrics.yaml`. Change a target there, then:

    scorecard check              # finds every mistake, and runs the tests at the end of the file
    scorecard preview first_reply
    scorecard diff               # which colours the change turns
"""


def example(now: datetime, zone: str) -> Mapping[str, str]:
    """File name → text. The tickets end now, so that the last week has numbers."""
    return {
        "metrics.yaml": BOOK.format(zone=zone),
        "tickets.csv": tickets(now),
        "fixtures/one_week.csv": FIXTURE,
        "README.md": README,
        ".gitignore": "data/\n",
    }


def tickets(now: datetime) -> str:
    """About 70 tickets a week for half a year; replies grow slower and ratings worse in the last month."""
    chance = random.Random(SEED)  # noqa: S311 - made-up rows
    begin = now - timedelta(weeks=WEEKS)
    lines, at, number = ["ticket_id,created_at,first_reply_at,resolved_at,team,score"], begin, 0
    while True:
        at += timedelta(minutes=chance.expovariate(1 / 144))
        if at >= now:
            break
        number += 1
        late = at > now - timedelta(weeks=5)
        night = at.hour < 7 or at.hour >= 19
        reply = at + timedelta(minutes=chance.lognormvariate(3.3 if late else 3.0, 0.7) * (1.5 if night else 1))
        done = reply + timedelta(hours=chance.lognormvariate(2.2, 0.9))
        good = 0.74 if late else 0.84
        score = (
            ""
            if chance.random() < 0.4
            else str(chance.choice((4, 5)) if chance.random() < good else chance.choice((1, 2, 3)))
        )
        if done > now:
            score = ""
        moments = [f"{m:%Y-%m-%dT%H:%M:%SZ}" if m <= now else "" for m in (at, reply, done)]
        lines.append(f"{number},{','.join(moments)},{'Night shift' if night else 'First line'},{score}")
    return "\n".join(lines) + "\n"
