"""Init: an example that works at once, and a draft from a file that passes check, loads, and shows numbers."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorecard.book.read import read_book
from scorecard.cli.main import execute
from scorecard.cli.session import Session
from scorecard.desk.draft import draft
from scorecard.desk.profile import profile
from scorecard.ground.errors import Refused

NOW = "2026-09-30T08:00:00Z"


def scorecard(*words: str) -> tuple[int, str, str]:
    session = Session(out=io.StringIO(), err=io.StringIO())
    status = execute(session, ["--now", NOW, *words])
    assert isinstance(session.out, io.StringIO)
    assert isinstance(session.err, io.StringIO)
    return status, session.out.getvalue(), session.err.getvalue()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def values() -> dict[str, dict[str, Any]]:
    """The readings of the folder at its newest full period, after check and refresh without a word."""
    assert scorecard("check") == (0, "no mistakes\n", "")
    status, _, err = scorecard("refresh")
    assert (status, err) == (0, "")
    found = json.loads(scorecard("--format", "json", "values")[1])["readings"]
    return {r["metric"]: r for r in found}


def test_the_example_works_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, err = scorecard("init", "desk")
    assert (status, err) == (0, "")
    assert out.endswith("next:\n  cd desk\n  scorecard refresh\n  scorecard values\n  scorecard serve\n")
    assert len((home / "desk" / "README.md").read_text().splitlines()) < 20
    monkeypatch.chdir(home / "desk")
    readings = values()
    assert list(readings) == ["tickets_created", "first_reply", "satisfied", "open_tickets"]
    assert all(r["value"] is not None and r["status"] in ("green", "amber", "red") for r in readings.values())
    colours = json.loads(scorecard("--format", "json", "backtest", "first_reply")[1])["counts"]
    assert min(colours["green"], colours["amber"], colours["red"]) > 0  # something of everything to look at


def test_nothing_is_ever_overwritten(home: Path) -> None:
    (home / "full").mkdir()
    (home / "full" / "letter.txt").write_text("dear")
    (home / "rows.csv").write_text("day,amount\n2026-09-01,1\n")
    for words in (("init", "full"), ("init", "full", "--from", "rows.csv")):
        status, out, err = scorecard(*words)
        assert (status, out) == (1, "")
        assert err == "full: the folder is not empty: it holds letter.txt (name a new or empty folder)\n"
    assert scorecard("init", "rows.csv")[0] == 1
    assert scorecard("init")[0] == 2
    assert scorecard("init", "--from", "rows.csv")[0] == 0
    drafted = (home / "metrics.yaml").read_text()
    status, _, err = scorecard("init", "--from", "rows.csv")
    assert (status, "never overwritten" in err) == (1, True)
    assert (home / "metrics.yaml").read_text() == drafted
    assert sorted(p.name for p in (home / "full").iterdir()) == ["letter.txt"]


def table(home: Path, header: list[str], rows: list[list[str]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    path = home / "calls.csv"
    with path.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([header, *rows])
    return path


def days(count: int) -> list[datetime]:
    """Working hours up to two days before the clock."""
    last = datetime(2026, 9, 28, 15, 30, tzinfo=UTC)
    return [last - timedelta(hours=5 * n) for n in range(count)][::-1]


def test_tickets_with_times_teams_flags_amounts_and_durations(home: Path) -> None:
    rows = []
    for n, at in enumerate(days(200)):
        closed = "" if n > 190 else f"{at + timedelta(hours=9):%Y-%m-%d %H:%M:%S}"
        team = ("First line", "Night shift")[n % 2]
        rows.append([f"T-{n}", f"{at:%Y-%m-%d %H:%M:%S}", closed, team, ("yes", "no")[n % 4 == 0], f"{n % 7}.50", str(20 + n % 9),
                     ("Closed", "Open")[n > 190], f"C{n % 23}"])  # fmt: skip
    head = [
        "Ticket ID",
        "Created At",
        "Closed At",
        "Team",
        "Solved first time",
        "Net Amount EUR",
        "Wait minutes",
        "Status",
        "Customer",
    ]
    table(home, head, rows)
    status, out, err = scorecard("init", "--from", "calls.csv")
    assert (status, err) == (0, "")
    assert out.endswith("scorecard check\n  scorecard refresh\n  scorecard values\n")
    book = yaml.safe_load((home / "metrics.yaml").read_text())
    source = book["sources"]["calls"]
    assert (source["key"], source["time"], source["path"]) == (["ticket_id"], "created_at", "calls.csv")
    assert list(book["teams"]) == ["first-line", "night-shift"]
    measures = {
        name: {k: m[k] for k in m if k in ("count", "sum", "mean", "p90", "ratio", "stock")}
        for name, m in book["metrics"].items()
    }
    assert measures == {
        "calls_count": {"count": "rows"},
        "solved_first_time_share": {"ratio": {"of": "count_if(solved_first_time = 'yes')", "to": "count(solved_first_time)"}},
        "net_amount_eur_sum": {"sum": "net_amount_eur"},
        "net_amount_eur_mean": {"mean": "net_amount_eur"},
        "wait_minutes_p90": {"p90": "wait_minutes"},
        "status_share": {"ratio": {"of": "count_if(status = 'Closed')", "to": "count(status)"}},
        "closed_at_p90": {"p90": "closed_at - created_at"},
        "open_until_closed_at": {"stock": {"opened": "created_at", "closed": "closed_at"}},
    }  # fmt: skip
    assert (book["metrics"]["wait_minutes_p90"]["unit"], book["metrics"]["net_amount_eur_sum"]["unit"]) == (
        "min",
        "EUR",
    )
    readings = values()
    week = [
        r
        for r, at in zip(rows, days(200), strict=True)
        if datetime(2026, 9, 21, tzinfo=UTC) <= at < datetime(2026, 9, 28, tzinfo=UTC)
    ]
    assert readings["calls_count"]["value"] == len(week)
    assert readings["net_amount_eur_sum"]["value"] == pytest.approx(sum(float(r[5]) for r in week))
    assert readings["solved_first_time_share"]["value"] == pytest.approx(sum(r[4] == "yes" for r in week) / len(week))
    assert readings["closed_at_p90"]["text"] == "9 h"
    assert all(r["value"] is not None for r in readings.values())


def test_a_file_of_another_country(home: Path) -> None:
    rows = [
        [f"{at:%d.%m.%Y}", f"Größe {n % 3}", f"1.{n % 900 + 100},50", "-" if n % 10 == 0 else f"{n},25"]
        for n, at in enumerate(days(150))
    ]
    table(home, ["Tag", "Artikel", "Umsatz", "Menge"], rows, ";", "cp1252")
    assert scorecard("init", "--from", "calls.csv")[0] == 0
    source = yaml.safe_load((home / "metrics.yaml").read_text())["sources"]["calls"]
    assert source["csv"] == {
        "delimiter": ";",
        "encoding": "cp1252",
        "nulls": ["", "-"],
        "decimal": ",",
        "thousands": ".",
    }
    assert source["columns"] == {"tag": {"type": "date", "format": "%d.%m.%Y"}}
    assert source["quiet_for"] == "2d"  # a row came every day
    first, until = datetime(2026, 9, 21, tzinfo=UTC), datetime(2026, 9, 28, tzinfo=UTC)
    week = [n for n, at in enumerate(days(150)) if first <= at < until]
    found = values()
    assert found["umsatz_sum"]["value"] == pytest.approx(sum(1000 + n % 900 + 100 + 0.5 for n in week))
    assert found["menge_sum"]["value"] == pytest.approx(sum(n + 0.25 for n in week if n % 10))


def test_old_monthly_figures_elsewhere_and_gzipped(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "period,org,attendances\n" + "".join(
        f"{y}-{m:02}-01,{org},{100 * m}\n" for y in (2017, 2018) for m in range(1, 13) for org in "AB"
    )
    (home / "far").mkdir()
    (home / "far" / "figures.csv.gz").write_bytes(gzip.compress(text.encode()))
    status, out, _ = scorecard("init", "here", "--from", "far/figures.csv.gz")
    assert status == 0
    told = yaml.safe_load((home / "here" / "metrics.yaml").read_text())
    assert told["organization"]["allow_paths"] == [os.fspath((home / "far").resolve())]
    assert (told["sources"]["figures"]["key"], told["metrics"]["attendances_sum"]["grain"]) == (
        ["period", "org"],
        "month",
    )
    monkeypatch.chdir(home / "here")
    assert scorecard("check")[0] == 0
    assert scorecard("refresh")[0] == 0
    line = out.rstrip().splitlines()[-1].split()[1:]
    assert line[:2] == ["values", "--period"]
    (reading,) = json.loads(scorecard("--format", "json", *line)[1])["readings"]
    assert (reading["period"], reading["value"], reading["status"]) == ("2018-11", 2200, "neutral")
    assert told["sources"]["figures"]["quiet_for"] == "32d"  # a month, and a day
    (late,) = json.loads(scorecard("--format", "json", "values")[1])["readings"]
    assert (late["status"], late["reason"]) == ("grey", "stale")  # no 0 that nobody counted


@pytest.mark.parametrize(
    "pattern",
    ["%a, %d-%b-%Y", "%A, %B %d, %Y", "%d-%b-%y", "%d %B %Y", "%B %d, %Y %I:%M %p", "%a %b %d %Y", "%Y/%m/%d"],
)
def test_days_however_they_are_written(home: Path, pattern: str) -> None:
    table(home, ["Day", "Sold"], [[at.strftime(pattern), str(n)] for n, at in enumerate(days(30))])
    assert scorecard("init", "--from", "calls.csv")[0] == 0
    source = yaml.safe_load((home / "metrics.yaml").read_text())["sources"]["calls"]
    assert source["columns"]["day"]["format"] == pattern
    assert values()["sold_sum"]["value"] is not None
    assert json.loads(scorecard("--format", "json", "loads", "calls")[1])["loads"][0]["quarantined"] == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no header line"),
        ("a,b\n", "a header and no rows"),
        ("a b,A-B\n1,2\n", "all become 'a_b'"),
        (None, "no such file"),
    ],
)
def test_what_is_no_table_is_refused(home: Path, content: str | None, said: str) -> None:
    if content is not None:
        (home / "odd.csv").write_text(content)
    status, out, err = scorecard("init", "new", "--from", "odd.csv")
    assert (status, out) == (1, "")
    assert said in err
    assert not (home / "new").exists()


def test_without_a_time_there_is_a_source_and_a_word_about_it(home: Path) -> None:
    (home / "plain.csv").write_text("a,b\n1,x\n2,y\n")
    status, _, err = scorecard("init", "--from", "plain.csv")
    assert status == 0
    assert "warning: no column holds dates or times" in err
    assert scorecard("check")[0] == 0


@pytest.mark.parametrize("stem", ["TRUE", "order", "duckdb_tables", "2024", "é"])
def test_a_source_is_called_what_a_source_may_be_called(tmp_path: Path, stem: str) -> None:
    path = table(tmp_path, ["day", "n"], [[f"2026-01-0{n}", str(n)] for n in range(1, 8)], ",")
    (tmp_path / "drafted.yaml").write_text(draft(profile(path), stem, "calls.csv", "UTC").text, encoding="utf-8")
    assert len(read_book(tmp_path / "drafted.yaml").sources) == 1


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=12)
CELLS = st.one_of(
    WORDS,
    st.integers().map(str),
    st.floats(allow_nan=True).map(str),
    st.just(""),
    st.dates().map(str),
    st.sampled_from(["yes", "no", "NA", "Closed"]),
)


@given(st.lists(WORDS, min_size=1, max_size=6, unique=True), st.data(), st.sampled_from([",", ";", "\t", "|"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_holds_the_draft_reads_without_a_mistake(
    tmp_path: Path, header: list[str], data: st.DataObject, sign: str
) -> None:
    columns = [
        data.draw(
            st.lists(
                data.draw(st.sampled_from([CELLS, st.dates().map(str), st.sampled_from(["a'b", 'c"d', "e\\"])])),
                min_size=6,
                max_size=6,
            )
        )
        for _ in header
    ]
    path = table(tmp_path, header, [list(row) for row in zip(*columns, strict=True)], sign)
    try:
        made = draft(profile(path), header[0], "calls.csv", "UTC")
    except Refused:
        return
    (tmp_path / "drafted.yaml").write_text(made.text, encoding="utf-8")
    book = read_book(tmp_path / "drafted.yaml")
    assert tuple(book.metrics) == made.metrics
