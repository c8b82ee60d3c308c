"""Northwind's files: tickets and bank bookings as CSV, the rest in SQLite; made for a clock, extended for a later."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from scorecard.demo.days import first_day, local_day, moment, reference_day
from scorecard.demo.support import Ticket, days_with_tickets, shifts_of, tickets_of
from scorecard.demo.trade import Order, bank_exported_until, bookings_of, days_with_orders, orders_of, tours_of
from scorecard.demo.world import World, world_at
from scorecard.ground.errors import Problem, Unavailable

DATABASE = "northwind.db"
MARKER = "demo.json"
FORMAT = 1
"""Raise it when the rows for the same seed and clock change: ``ensure`` then writes everything anew."""

TICKET_COLUMNS = (
    "ticket_id",
    "created_at",
    "channel",
    "priority",
    "assigned_team",
    "customer_id",
    "first_reply_at",
    "resolved_at",
)
TABLES = """
create table if not exists orders (order_id integer primary key, customer_id integer not null, country text not null,
    amount numeric(10, 2) not null, ordered_at text not null, promised_at text not null,
    shipped_at text, delivered_at text, updated_at text not null);
create table if not exists invoices (invoice_id text primary key, order_id integer not null,
    amount numeric(10, 2) not null, issued_at text not null, paid_at text, updated_at text not null);
create table if not exists tours (tour_id integer primary key, driver_id integer not null, started_at text not null,
    parcels integer not null, capacity integer not null);
create table if not exists shifts (shift_id integer primary key, day text not null, team text not null,
    started_at text not null, hours numeric(8, 2) not null);
create index if not exists orders_updated on orders (updated_at);
create index if not exists invoices_updated on invoices (updated_at);
"""


def generate(folder: Path, now: datetime, seed: int = 7) -> None:
    """Write everything that happened in the 80 weeks up to ``now``, in place of what is there.

    The rows depend on the seed and on the time only: a later clock gives the same rows, further on.
    """
    world, first, until = world_at(now, seed), first_day(now), _seconds(now)
    (folder / MARKER).unlink(missing_ok=True)
    for part in ("tickets", "bank"):
        shutil.rmtree(folder / part, ignore_errors=True)
        (folder / part).mkdir(parents=True)
    (folder / DATABASE).unlink(missing_ok=True)
    days = [first + timedelta(days=n) for n in range((local_day(now) - first).days + 1)]
    for month in sorted({_month(day) for day in days}):
        _write_tickets(folder, world, month, first, until)
    _write_bank(folder, world, first, local_day(now))
    _write_database(folder, world, days, days, -1, until)
    _mark(folder, seed, first, until)


def extend(folder: Path, now: datetime) -> bool:
    """Add what happened since the files were last written; whether anything was due."""
    marker = _marker(folder)
    if marker is None:
        return False
    seed, first, since = marker
    until = _seconds(now)
    if until <= since:
        return False
    world = World(seed, reference_day(first))
    last, today = local_day(datetime.fromtimestamp(since, UTC)), local_day(now)
    ticket_days = [day for day in days_with_tickets(last, today) if day >= first]
    months = {_month(day) for day in ticket_days if any(_changed(t, since, until) for t in tickets_of(world, day))}
    for month in sorted(months):
        _write_tickets(folder, world, month, first, until)
    if bank_exported_until(today) != bank_exported_until(last):
        _write_bank(folder, world, first, today)
    recent = [last + timedelta(days=n) for n in range((today - last).days + 1)]
    _write_database(folder, world, [d for d in days_with_orders(last, today) if d >= first], recent, since, until)
    _mark(folder, seed, first, until)
    return True


def ensure(folder: Path, now: datetime, seed: int = 7) -> None:
    """Make the demo's files if they are not there, extend them if they are old, leave them alone if they are current.

    Written anew where they are of another seed, another form, from the future, or begin at another size of the company.
    Unavailable where they cannot be written.
    """
    try:
        _bring_up_to(folder, now, seed)
    except (OSError, sqlite3.Error) as error:
        said = f"the demo's data cannot be written in '{folder}': {error}"
        raise Unavailable(
            Problem(said, hint="give this user the right to write there, or make room on the disk")
        ) from error


def _bring_up_to(folder: Path, now: datetime, seed: int) -> None:
    marker = _marker(folder)
    if marker is None or not (folder / DATABASE).exists() or not (folder / "tickets").is_dir():
        generate(folder, now, seed)
        return
    old_seed, first, since = marker
    if old_seed != seed or since > _seconds(now) + 60 or reference_day(first) != reference_day(first_day(now)):
        generate(folder, now, seed)
    else:
        extend(folder, now)


def _write_tickets(folder: Path, world: World, month: str, first: date, until: int) -> None:
    """One month's file, as the ticket system would export it at ``until``."""
    day = max(first, date.fromisoformat(f"{month}-01"))
    rows: list[tuple[object, ...]] = []
    while _month(day) == month:
        rows.extend(_ticket_row(ticket, until) for ticket in tickets_of(world, day) if ticket.created <= until)
        day += timedelta(days=1)
    _write_csv(folder / "tickets" / f"{month}.csv", TICKET_COLUMNS, rows)


def _ticket_row(ticket: Ticket, until: int) -> tuple[object, ...]:
    return (
        f"T{ticket.number}",
        moment(ticket.created),
        ticket.channel,
        ticket.priority,
        ticket.team,
        f"C{ticket.customer}",
        moment(ticket.replied) if ticket.replied <= until else "",
        moment(ticket.resolved) if ticket.resolved <= until else "",
    )


def _changed(ticket: Ticket, since: int, until: int) -> bool:
    return any(since < stamp <= until for stamp in (ticket.created, ticket.replied, ticket.resolved))


def _write_bank(folder: Path, world: World, first: date, today: date) -> None:
    days = (bank_exported_until(today) - first).days + 1
    bookings = [booking for n in range(days) for booking in bookings_of(world, first + timedelta(days=n))]
    rows = [(f"B{b.number}", b.day.isoformat(), f"{b.amount:.2f}") for b in bookings]
    _write_csv(folder / "bank" / "bookings.csv", ("Booking No", "Booking Day", "Amount EUR"), rows)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Whole or not at all: a reader sees the old file or the new one."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    _replace(path, text.getvalue())


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.writing")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _write_database(
    folder: Path, world: World, order_days: list[date], recent: list[date], since: int, until: int
) -> None:
    """Rows that changed after ``since``, as they stand at ``until``, in one transaction."""
    orders = [order for day in order_days for order in orders_of(world, day) if order.ordered <= until]
    tours = [t for day in recent for t in tours_of(world, day) if since < t.started <= until]
    shifts = [s for day in recent for s in shifts_of(world, day) if since < s.started <= until]
    with closing(sqlite3.connect(folder / DATABASE, timeout=30)) as connection, connection:
        connection.executescript(TABLES)
        connection.execute("begin")
        connection.executemany(
            "insert or replace into orders values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                _order_row(order, until)
                for order in orders
                if _latest(until, order.ordered, order.shipped, order.delivered) > since
            ],
        )
        connection.executemany(
            "insert or replace into invoices values (?, ?, ?, ?, ?, ?)",
            [
                _invoice_row(order, until)
                for order in orders
                if order.shipped <= until and _latest(until, order.shipped, order.paid) > since
            ],
        )
        connection.executemany(
            "insert or replace into tours values (?, ?, ?, ?, ?)",
            [(t.number, t.driver, moment(t.started), t.parcels, t.capacity) for t in tours],
        )
        connection.executemany(
            "insert or replace into shifts values (?, ?, ?, ?, ?)",
            [(s.number, s.day.isoformat(), s.team, moment(s.started), s.hours) for s in shifts],
        )


def _order_row(order: Order, until: int) -> tuple[object, ...]:
    return (
        order.number,
        order.customer,
        order.country,
        order.amount,
        moment(order.ordered),
        moment(order.promised),
        moment(order.shipped) if order.shipped <= until else None,
        moment(order.delivered) if order.delivered <= until else None,
        moment(_latest(until, order.ordered, order.shipped, order.delivered)),
    )


def _invoice_row(order: Order, until: int) -> tuple[object, ...]:
    return (
        f"INV-{order.number}",
        order.number,
        order.amount,
        moment(order.shipped),
        moment(order.paid) if order.paid <= until else None,
        moment(_latest(until, order.shipped, order.paid)),
    )


def _latest(until: int, *stamps: int) -> int:
    return max(stamp for stamp in stamps if stamp <= until)


def _seconds(now: datetime) -> int:
    return int(now.timestamp())


def _month(day: date) -> str:
    return f"{day.year}-{day.month:02d}"


def _mark(folder: Path, seed: int, first: date, until: int) -> None:
    """Remember what the files hold; written last, so that a broken run is done again (it writes the same rows)."""
    _replace(
        folder / MARKER,
        json.dumps({"format": FORMAT, "seed": seed, "first": first.isoformat(), "until": moment(until)}) + "\n",
    )


def _marker(folder: Path) -> tuple[int, date, int] | None:
    """(seed, first day, until); None where there is none, or where it is not one of ours."""
    try:
        told = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            return None
        return int(told["seed"]), date.fromisoformat(told["first"]), _seconds(datetime.fromisoformat(told["until"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
