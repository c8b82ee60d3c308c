"""The demo organisation: the same rows for the same seed and clock, extension without a seam, a feed that moves."""

from __future__ import annotations

import csv
import http.client
import json
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scorecard.demo import Ticker, ensure, extend, generate, start_feed
from scorecard.demo.days import first_day, holidays, is_workday, local_day, midnight, moment, reference_day
from scorecard.demo.world import in_bad_fortnight, is_incident_day
from scorecard.ground.clock import FixedClock
from scorecard.ground.errors import Unavailable

NOW = datetime(2026, 9, 28, 8, 0, tzinfo=UTC)
TABLES = ("orders", "invoices", "tours", "shifts")


class HandClock:
    """A clock that a test moves by hand."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def steady(self) -> float:
        return time.monotonic()


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("northwind") / "data"
    folder.mkdir()
    generate(folder, NOW)
    return folder


def tickets(folder: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for path in sorted((folder / "tickets").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows.extend(csv.DictReader(file))
    return rows


def table(folder: Path, name: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "northwind.db")) as connection:
        return sorted(connection.execute(f"select * from {name}").fetchall())


def contents(folder: Path) -> dict[str, object]:
    """Everything a source can see."""
    files: dict[str, object] = {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*.csv"))}
    return files | {name: table(folder, name) for name in TABLES}


def get(port: int, path: str) -> tuple[int, dict[str, Any]]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def everything(port: int, stream: str, since: str = "", limit: int = 5000) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        code, page = get(port, f"/{stream}?since={since}&limit={limit}&cursor={cursor}")
        assert code == 200, page
        rows.extend(page["data"])
        if page["meta"]["next"] is None:
            return rows
        cursor = page["meta"]["next"]


def test_the_same_seed_and_clock_give_the_same_files_quickly(company: Path, tmp_path: Path) -> None:
    started = time.process_time()
    generate(tmp_path, NOW)
    assert time.process_time() - started < 3.0  # 1.3 s alone on the machine
    assert contents(tmp_path) == contents(company)
    assert 25_000 <= len(tickets(tmp_path)) <= 60_000
    assert 15_000 <= len(table(tmp_path, "orders")) <= 30_000


def test_extending_gives_what_generating_gives(company: Path, tmp_path: Path) -> None:
    """In steps of minutes, days and over the end of a month, to a later clock of the same week."""
    extended, made = tmp_path / "extended", tmp_path / "made"
    shutil.copytree(company, extended)
    made.mkdir()
    for step in (timedelta(minutes=7), timedelta(hours=5), timedelta(days=3, hours=5)):
        assert extend(extended, NOW + step)
    generate(made, NOW + timedelta(days=3, hours=5))
    assert contents(extended) == contents(made)


def test_a_later_clock_gives_the_same_earlier_rows(company: Path, tmp_path: Path) -> None:
    later = NOW + timedelta(days=60)
    generate(tmp_path, later)
    begins = first_day(later)
    settled = moment(midnight(begins)), moment(int((NOW - timedelta(days=30)).timestamp()))
    ours = [row for row in tickets(company) if settled[0] <= row["created_at"] < settled[1]]
    theirs = [row for row in tickets(tmp_path) if settled[0] <= row["created_at"] < settled[1]]
    assert ours == theirs
    assert len(ours) > 30_000
    ours_by_number = {row[0]: row for row in table(company, "orders")}
    shared = [row for row in table(tmp_path, "orders") if row[0] in ours_by_number and row[8] <= settled[1]]
    assert len(shared) > 15_000
    assert all(ours_by_number[row[0]] == row for row in shared)


def test_files_tell_nothing_from_after_the_clock(company: Path) -> None:
    now = moment(int(NOW.timestamp()))
    for row in tickets(company):
        assert max(row["created_at"], row["first_reply_at"], row["resolved_at"]) <= now
        assert row["first_reply_at"] or not row["resolved_at"]
    assert all((row[8] or "") <= now and (row[7] or "") <= now for row in table(company, "orders"))
    assert all((row[4] or "") <= now for row in table(company, "invoices"))
    with (company / "bank" / "bookings.csv").open() as file:
        newest = max(row["Booking Day"] for row in csv.DictReader(file))
    assert newest == "2026-09-18"  # the export of the last closed week is missing


def test_output_grows_faster_than_cost(company: Path) -> None:
    """Tickets +30 % and paid hours +12 % a year, by the last 26 weeks against the same weeks a year before."""
    ends = NOW - timedelta(days=NOW.weekday())

    def within(text: str, years_back: int) -> bool:
        end = (ends - timedelta(weeks=52 * years_back)).date()
        return (end - timedelta(weeks=26)).isoformat() <= text[:10] < end.isoformat()

    created = [row["created_at"] for row in tickets(company)]
    volume = [sum(within(text, back) for text in created) for back in (0, 1)]
    shifts = table(company, "shifts")
    hours = [sum(row[4] for row in shifts if within(row[1], back)) for back in (0, 1)]
    assert 1.22 < volume[0] / volume[1] < 1.38
    assert 1.08 < hours[0] / hours[1] < 1.16


def test_days_have_shapes(company: Path) -> None:
    rows = tickets(company)
    weekdays = Counter(datetime.fromisoformat(row["created_at"]).weekday() for row in rows)
    assert weekdays[0] > weekdays[4] > 2 * weekdays[6]
    hours = Counter(datetime.fromisoformat(row["created_at"]).hour for row in rows)
    assert hours[9] > 8 * hours[2]
    late = {True: [0, 0], False: [0, 0]}
    for row in table(company, "orders"):
        if row[7] is not None:
            counts = late[in_bad_fortnight(local_day(datetime.fromisoformat(row[4])))]
            counts[row[7] > row[5]] += 1
    assert late[True][1] / sum(late[True]) > 0.15
    assert late[False][1] / sum(late[False]) < 0.05


def test_ensure_makes_extends_and_mends(company: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(company, folder)
    first = contents(folder)
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    ensure(folder, NOW)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    ensure(folder, NOW + timedelta(days=1))
    grown = contents(folder)
    assert grown != first
    ensure(folder, NOW)  # the clock was set back: nothing from the future may stay
    assert contents(folder) == first
    (folder / "demo.json").write_text("{broken")
    ensure(folder, NOW, seed=3)
    assert set(contents(folder)) == set(first)
    assert contents(folder) != first


def test_a_broken_extension_is_done_again(company: Path, tmp_path: Path) -> None:
    shutil.copytree(company, tmp_path, dirs_exist_ok=True)
    marker = (tmp_path / "demo.json").read_text()
    extend(tmp_path, NOW + timedelta(days=2))
    whole = contents(tmp_path)
    (tmp_path / "demo.json").write_text(marker)  # as if it had died just before it could remember
    extend(tmp_path, NOW + timedelta(days=2))
    assert contents(tmp_path) == whole


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be written"):
        ensure(tmp_path / "file" / "data", NOW)


def test_the_size_of_the_company_is_bounded() -> None:
    for year in range(2024, 2045):
        first = first_day(datetime(year, 8, 1, tzinfo=UTC))
        assert -1.8 < (first - reference_day(first)).days / 365.25 < 0.5


def test_every_history_has_its_bad_weeks() -> None:
    for year in (2026, 2027, 2030):
        days = [date(year, 1, 1) + timedelta(days=n) for n in range(365)]
        assert 20 <= sum(map(in_bad_fortnight, days)) <= 56
        assert 3 <= sum(map(is_incident_day, days)) <= 5
    assert all(day.weekday() == 2 for day in days if is_incident_day(day))


def test_holidays() -> None:
    assert {date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 14), date(2026, 5, 25)} <= holidays(2026)
    assert date(2027, 3, 29) in holidays(2027)
    assert not is_workday(date(2026, 12, 25))
    assert is_workday(date(2026, 12, 28))


@pytest.fixture
def clock() -> HandClock:
    return HandClock(NOW)


@pytest.fixture
def port(clock: HandClock) -> Iterator[int]:
    with start_feed(0, 7, clock) as feed:
        assert feed.owned
        yield feed.port


def test_pages_hold_every_row_once(port: int) -> None:
    for stream, key, at_least in (
        ("surveys", "survey_id", 10_000),
        ("deployments", "deployment_id", 2_000),
        ("traffic", "hour", 13_000),
    ):
        rows = everything(port, stream)
        assert len({row[key] for row in rows}) == len(rows) >= at_least
        assert rows == everything(port, stream, limit=1777)


def test_since_gives_what_changed(port: int, clock: HandClock) -> None:
    newest = max(row["seen_at"] for row in everything(port, "traffic"))
    assert newest == "2026-09-28T08:00:00Z"
    clock.at = NOW + timedelta(seconds=5)
    (row,) = everything(port, "traffic", since=newest)
    assert row["hour"] == "2026-09-28T08:00:00Z"
    assert row["seen_at"] == "2026-09-28T08:00:05Z"
    clock.at = NOW + timedelta(minutes=61)
    old, new = everything(port, "traffic", since=row["seen_at"])
    assert (old["seen_at"], new["seen_at"]) == ("2026-09-28T08:59:59Z", "2026-09-28T09:01:00Z")
    assert old["visits"] > row["visits"]
    answered = everything(port, "surveys", since="2026-09-28T06:00:00Z")
    assert answered
    assert all("2026-09-28T06:00:00Z" <= each["answered_at"] <= "2026-09-28T09:01:00Z" for each in answered)


def test_a_deployment_changes_when_it_fails_and_when_it_is_mended(port: int, clock: HandClock) -> None:
    clock.at = NOW + timedelta(days=3)
    mended = next(
        row for row in everything(port, "deployments") if row["recovered_at"] and row["finished_at"] > moment_text(NOW)
    )
    finished = datetime.fromisoformat(mended["finished_at"])

    def seen(at: datetime) -> dict[str, Any]:
        clock.at = at
        rows = everything(port, "deployments", since=moment_text(at - timedelta(days=1)))
        return next(row for row in rows if row["deployment_id"] == mended["deployment_id"])

    assert (seen(finished)["failed"], seen(finished)["recovered_at"]) == (False, None)
    half = seen(finished + timedelta(seconds=1200))
    assert (half["failed"], half["recovered_at"]) == (True, None)
    assert half["updated_at"] > mended["finished_at"]
    assert seen(datetime.fromisoformat(mended["recovered_at"])) == mended


def moment_text(at: datetime) -> str:
    return moment(int(at.timestamp()))


def test_pages_of_one_window_do_not_move(port: int, clock: HandClock) -> None:
    _, first = get(port, "/surveys?limit=5000")
    clock.at = NOW + timedelta(days=1)
    _, second = get(port, f"/surveys?limit=5000&cursor={first['meta']['next']}")
    assert second["meta"]["total"] == first["meta"]["total"]


def test_the_documented_answer_is_the_answer(port: int) -> None:
    text = (Path(__file__).parent.parent / "docs" / "demo.md").read_text(encoding="utf-8")
    shown = text.split("GET ", 1)[1].split("```", 1)[0]
    path, answer = shown.split("\n", 1)
    assert get(port, path) == (200, json.loads(answer))


def test_surveys_are_of_tickets(port: int, company: Path) -> None:
    known = {row["ticket_id"]: row for row in tickets(company)}
    rows = everything(port, "surveys")
    assert all(known[row["ticket_id"]]["resolved_at"] < row["answered_at"] for row in rows)
    assert all(known[row["ticket_id"]]["assigned_team"] == row["team"] for row in rows)
    assert {row["score"] for row in rows} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("path", "code", "word"),
    [
        ("/payroll", 404, "surveys, deployments, traffic"),
        ("/surveys?since=yesterday", 400, "ISO 8601"),
        ("/surveys?limit=0", 400, "limit"),
        ("/surveys?limit=9999999999", 400, "limit"),
        ("/surveys?cursor=1.2", 400, "cursor"),
        ("/surveys?cursor=1.2.%C2%B2", 400, "cursor"),
    ],
)
def test_wrong_queries_are_told_so(port: int, path: str, code: int, word: str) -> None:
    status, answer = get(port, path)
    assert status == code
    assert word in answer["error"]


def test_a_feed_that_is_there_is_used(port: int, clock: HandClock) -> None:
    second = start_feed(port, 7, clock)
    assert not second.owned
    second.stop()
    assert get(port, "/")[1]["feed"] == "northwind"
    with pytest.raises(Unavailable, match="seed 7"):
        start_feed(port, 8, clock)
    with pytest.raises(Unavailable, match="another clock"):
        start_feed(port, 7, FixedClock(NOW + timedelta(days=1)))


def test_a_stopped_feed_frees_its_port(clock: HandClock) -> None:
    feed = start_feed(0, 7, clock)
    feed.stop()
    feed.stop()
    with start_feed(feed.port, 7, clock) as again:
        assert again.owned


def test_a_port_of_another_program_is_said(clock: HandClock) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, args=(0.05,), daemon=True).start()
        with pytest.raises(Unavailable, match="taken by another program"):
            start_feed(other.server_address[1], 7, clock)
        other.shutdown()


def test_a_page_is_quick(port: int) -> None:
    everything(port, "surveys")
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        started = time.perf_counter()
        for _ in range(50):
            connection.request("GET", "/traffic?since=2026-09-28T07:30:00Z")
            connection.getresponse().read()
        assert time.perf_counter() - started < 1.0  # 50 times 40 ms if Nagle's algorithm were at work


def test_the_ticker_moves_the_files(company: Path, tmp_path: Path, clock: HandClock) -> None:
    shutil.copytree(company, tmp_path, dirs_exist_ok=True)
    before = len(tickets(tmp_path)), len(table(tmp_path, "orders"))
    with Ticker(tmp_path, clock, every_seconds=0.02):
        clock.at = NOW + timedelta(hours=2)
        deadline = time.monotonic() + 20
        while (len(tickets(tmp_path)), len(table(tmp_path, "orders"))) == before and time.monotonic() < deadline:
            time.sleep(0.02)
    after = len(tickets(tmp_path)), len(table(tmp_path, "orders"))
    assert after[0] > before[0]
    assert not list((tmp_path / "tickets").glob(".*"))


def test_nothing_moves_under_a_fixed_clock(company: Path, tmp_path: Path) -> None:
    shutil.copytree(company, tmp_path, dirs_exist_ok=True)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    with Ticker(tmp_path, FixedClock(NOW), every_seconds=0.01):
        time.sleep(0.3)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == stamps
