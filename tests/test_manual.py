"""Values that people give: through the terminal and the API, folded, confirmed, replaced, and how long they are believed."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorecard.book.model.metric import Manual, Metric
from scorecard.cli.entering import read_number
from scorecard.cli.main import execute
from scorecard.cli.session import Session
from scorecard.ground.errors import Refused
from tests.served import served

BOOK = """\
version: 1
organization: {name: X, owner: Dana Lee, timezone: Europe/Berlin}
teams:
  support: {title: Support, owner: Ana Ruiz}
  sales: {title: Sales, owner: Ben Ito}
defaults: {role: lagging, better: higher}
metrics:
  mood: {team: support, manual: {fold: mean}, unit: percent, target: 80%, tolerance: 5pp}
  visits: {manual: {fold: sum}, target: 10}
  level: {manual: {fold: last}, unit: EUR}
  audited: {manual: {second_person: true}, target: 3}
  per_visit: {formula: level / visits, unit: EUR}
"""


class House:
    """Commands on one folder, each with its own clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "metrics.yaml").write_text(BOOK)

    def run(self, now: str, *words: str) -> tuple[int, str, str]:
        session = Session(out=io.StringIO(), err=io.StringIO())
        line = ["--config", str(self.folder / "metrics.yaml"), "--data", str(self.folder / "data"), "--now", now]
        status = execute(session, [*line, "--format", "json", *words])
        assert isinstance(session.out, io.StringIO)
        assert isinstance(session.err, io.StringIO)
        return status, session.out.getvalue(), session.err.getvalue()

    def set(self, now: str, metric: str, period: str, value: str, *more: str, by: str = "Ana Ruiz") -> str:
        status, out, err = self.run(now, "set", metric, period, value, "--by", by, *more)
        assert status == 0, err
        return str(json.loads(out)["id"])

    def refused(self, now: str, *words: str) -> str:
        status, _, err = self.run(now, "set", *words)
        assert status == 1, err
        return err

    def reading(self, now: str, metric: str, period: str, *more: str) -> dict[str, Any]:
        status, out, err = self.run(now, "values", metric, "--period", period, *more)
        assert status == 0, err
        (found,) = json.loads(out)["readings"]
        return dict(found)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_value_counts_until_a_later_one_replaces_it(house: House) -> None:
    house.set("2026-09-28T08:00:00Z", "mood", "2026-W39", "75%")
    house.set("2026-09-28T09:00:00Z", "mood", "2026-w39", " 81.5 %", "--text", "counted again", by="Ben Ito")
    found = house.reading("2026-09-28T10:00:00Z", "mood", "2026-W39")
    assert (found["value"], found["text"], found["status"], found["n"]) == (0.815, "81.5%", "green", 1)
    assert found["because"].endswith("; entered by Ben Ito on 2026-09-28 (counted again)")
    assert found["loaded_at"] == "2026-09-28T09:00:00Z"
    assert house.reading("2026-09-28T10:00:00Z", "mood", "2026-W40")["because"] == "nobody has given a value"


def test_it_is_fresh_until_the_end_of_the_next_period_or_for_good_once_that_has_a_value(house: House) -> None:
    house.set("2026-09-28T08:00:00Z", "mood", "2026-W39", "90%")
    found = house.reading("2026-10-04T21:59:59Z", "mood", "2026-W39")
    assert (found["status"], found["fresh_until"]) == ("green", "2026-10-04T22:00:00Z")
    assert house.reading("2026-10-05T08:00:00Z", "mood", "2026-W39")["reason"] == "stale"
    house.set("2026-10-05T09:00:00Z", "mood", "2026-W40", "70%")
    found = house.reading("2026-10-05T10:00:00Z", "mood", "2026-W39")
    assert (found["status"], found["fresh_until"]) == ("green", None)
    assert house.reading("2026-10-05T10:00:00Z", "mood", "2026-W40")["previous"] == 0.9


def test_longer_periods_are_folded_from_those_that_end_in_them(house: House) -> None:
    """Of September 2026 the weeks 36 to 39 end in it (6, 13, 20 and 27 September); the week 40 ends in October."""
    for week, value in zip(range(36, 41), ("1", "2", "3", "6", "50"), strict=True):
        for metric in ("visits", "level"):
            house.set("2026-10-05T09:00:00Z", metric, f"2026-W{week}", value)
        house.set("2026-10-05T09:00:00Z", "mood", f"2026-W{week}", f"{value}%")
    at = "2026-10-05T10:00:00Z"
    assert house.reading(at, "visits", "2026-09")["value"] == 12
    assert house.reading(at, "level", "2026-09")["value"] == 6
    mean = house.reading(at, "mood", "2026-09")
    assert (mean["value"], mean["n"]) == (0.03, 4)
    assert "the mean of 4 weeks, entered by Ana Ruiz" in mean["because"]
    assert house.reading(at, "per_visit", "2026-09")["value"] == 0.5
    # A month that lacks a week has no sum, but a last value; the running one has the sum so far, as the one before then had.
    assert "only 4 of its 13 weeks have a value" in house.reading(at, "visits", "2026-Q3")["because"]
    assert house.reading(at, "level", "2026-Q3")["value"] == 6
    running = house.reading(at, "visits", "2026-10")
    assert (running["value"], running["previous"], running["running"]) == (50, 1, True)
    # What is given for the month itself stands above what its weeks give.
    house.set("2026-10-05T11:00:00Z", "visits", "2026-09", "13")
    assert house.reading("2026-10-05T12:00:00Z", "visits", "2026-09")["value"] == 13
    assert house.reading("2026-10-05T12:00:00Z", "visits", "2026-W36")["value"] == 1


def test_a_teams_value_is_its_own_and_so_is_the_wholes(house: House) -> None:
    now = "2026-09-28T08:00:00Z"
    house.set(now, "visits", "2026-W39", "4", "--team", "support")
    house.set(now, "visits", "2026-W39", "5", "--team", "sales")
    assert house.reading(now, "visits", "2026-W39", "--team", "sales")["value"] == 5
    status, out, _ = house.run(now, "values", "visits", "--period", "2026-W39")
    whole = [r for r in json.loads(out)["readings"] if r["slice"] is None]
    assert (status, whole[0]["value"], whole[0]["reason"]) == (0, None, "no_data")


def test_a_target_may_be_for_one_team(tmp_path: Path) -> None:
    house, now = House(tmp_path), "2026-09-28T08:00:00Z"
    text = BOOK.replace(
        "manual: {fold: sum}, target: 10", "manual: {fold: sum}, targets: [{target: 10}, {team: sales, target: 3}]"
    )
    (tmp_path / "metrics.yaml").write_text(text)
    assert "never used" not in house.run(now, "check")[1]
    house.set(now, "visits", "2026-W39", "5", "--team", "sales")
    assert house.reading(now, "visits", "2026-W39", "--team", "sales")["status"] == "green"


def test_a_second_person_must_confirm(tmp_path: Path) -> None:
    house = House(tmp_path)
    with served(tmp_path, "--now", "2026-09-28T08:00:00Z") as server:
        status, given = server.post(
            "/api/v1/values", {"metric": "audited", "grain": "week", "period": "2026-W39", "slice": None, "value": 4, "by": "Ana Ruiz"}
        )  # fmt: skip
        assert status == 201
        waiting = wait(server, "audited", lambda r: "waits" in r["because"])
        assert (waiting["value"], waiting["status"], waiting["reason"]) == (None, "grey", "no_data")
        assert (
            "4, entered by Ana Ruiz on 2026-09-28, waits until another person than Ana Ruiz has confirmed it"
            in waiting["because"]
        )
        assert server.post("/api/v1/signoffs", {"value": given["id"], "by": "ana ruiz"})[0] == 400
        assert server.post("/api/v1/signoffs", {"value": given["id"], "by": "Ben Ito"})[0] == 201
        found = server.wait_for("audited", 4, period="2026-W39")
        assert (found["status"], "confirmed by Ben Ito" in found["because"]) == ("green", True)
        # A correction waits too; until then the confirmed value stands, and says so.
        began = time.monotonic()
        status_, out, err = house.run("2026-09-28T08:00:00Z", "set", "audited", "2026-W39", "2", "--by", "Carla")
        assert (status_, "once another person than Carla" in err) == (0, True)
        found = wait(server, "audited", lambda r: "entered by Carla" in r["because"])
        assert time.monotonic() - began < 5
        assert found["value"] == 4
        second = json.loads(out)["id"]
        status_, out, err = house.run(
            "2026-09-28T08:00:00Z", "signoff", second, "--by", "Ana Ruiz"
        )  # the server does it
        assert (status_, json.loads(out)["value"]) == (0, second)
        assert server.wait_for("audited", 2, period="2026-W39")["status"] == "red"
        assert [v["id"] for v in server.get("/api/v1/values?metric=audited")["values"]] == [second, given["id"]]


def test_sign_off_at_the_terminal(house: House) -> None:
    now = "2026-09-28T08:00:00Z"
    house.set(now, "mood", "2026-W39", "75%")  # needs nobody else
    old = house.set(now, "audited", "2026-W39", "1")
    new = house.set(now, "audited", "2026-W39", "2")  # and this is what counts, once it is confirmed
    sales = house.set(now, "audited", "2026-W39", "3", "--team", "sales", "--text", "by eye", by="Ben Ito")
    status, out, _ = house.run(now, "signoff")
    waiting = json.loads(out)["waiting"]
    assert status == 0
    assert [(w["id"], w["value"], w["by"]) for w in waiting] == [(sales, 3, "Ben Ito"), (new, 2, "Ana Ruiz")]
    status, out, _ = house.run(now, "--format", "table", "signoff")
    assert out.splitlines()[0].split() == ["value", "metric", "period", "slice", "given", "by", "at", "text"]
    assert sales in out
    for words, said in (
        ((new, "--by", "ana ruiz"), "a second person signs it off"),
        (("nonsense", "--by", "Ben Ito"), "no value has that id"),
        ((new,), "add --by NAME"),
        (("--by", "Ben Ito"), "no value is named"),
    ):
        status, _, err = house.run(now, "signoff", *words)
        assert (status, said in err) == (1, True), err
    assert f"`scorecard signoff {new} --by NAME`" in house.reading(now, "audited", "2026-W39")["because"]
    status, out, _ = house.run(now, "--format", "table", "signoff", new, "--by", "Ben Ito", "--text", "looked")
    assert (status, out) == (0, "audited 2026-W39: 2 by Ana Ruiz is signed off by Ben Ito\n")
    found = house.reading(now, "audited", "2026-W39")
    assert (found["value"], found["status"], "confirmed by Ben Ito" in found["because"]) == (2, "red", True)
    assert [w["id"] for w in json.loads(house.run(now, "signoff")[1])["waiting"]] == [sales]
    house.run(now, "signoff", sales, "--by", "Ana Ruiz")
    assert house.run(now, "--format", "table", "signoff")[1] == "no value waits for a second person\n"
    assert house.run(now, "signoff", old, "--by", "Ben Ito")[0] == 0  # said later, of what was replaced
    assert house.reading(now, "audited", "2026-W39")["value"] == 2


def wait(server: Any, metric: str, right: Any) -> dict[str, Any]:
    until = time.monotonic() + 10
    while True:
        found: dict[str, Any] = server.reading(metric, period="2026-W39")
        if right(found):
            return found
        assert time.monotonic() < until, found
        time.sleep(0.05)


def test_what_is_wrong_is_said_in_words(house: House) -> None:
    now, by = "2026-09-28T08:00:00Z", ("--by", "Ana")
    assert "write 85% (or 100 times that)" in house.refused(now, "mood", "2026-W39", "85", *by)
    assert "'many' is no number" in house.refused(now, "visits", "2026-W39", "many", *by)
    assert "2026-W41 has not begun" in house.refused(now, "visits", "2026-W41", "3", *by)
    assert "is computed, not given by people" in house.refused(now, "per_visit", "2026-W39", "3", *by)
    assert "did you mean 'visits'" in house.refused(now, "visit", "2026-W39", "3", *by)
    assert "no team is called 'suport'" in house.refused(now, "visits", "2026-W39", "3", "--team", "suport", *by)
    assert "is no period" in house.refused(now, "visits", "last week", "3", *by)
    assert "cannot be shown by day" in house.refused(now, "visits", "2026-09-21", "3", *by)
    assert house.run(now, "set", "visits", "2026-W39", "3")[0] == 2
    assert house.set(now, "visits", "2026-W39", "-3")
    assert house.reading(now, "visits", "2026-W39")["value"] == -3


def manual(unit: str | None) -> Metric:
    return Metric("m", "m", Manual(), "lagging", "higher", unit=unit)


@given(st.decimals(min_value=-100000, max_value=100000, places=3))
def test_numbers_are_read_as_they_are_written(number: Any) -> None:
    assert read_number(f"{number}", manual(None)) == float(number)
    assert read_number(f"{number} min", manual("min")) == float(number)
    assert read_number(f"{number}%", manual("percent")) == float(number.scaleb(-2))


@pytest.mark.parametrize("text", ["", "%", "1,5", "1.2.3", "nan", "inf", "1e999", "12 h", "0x10", "1_0", "١"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(Refused):
        read_number(text, manual("min"))


def test_thousands_may_be_set_apart() -> None:
    assert read_number("1 260 EUR", manual("EUR")) == 1260
    assert read_number("12_000", manual(None)) == 12000


def test_the_metrics_own_team_is_the_whole(house: House) -> None:
    now = "2026-09-28T08:00:00Z"
    house.set(now, "mood", "2026-W39", "90%", "--team", "support")
    for more in ((), ("--team", "support")):
        found = house.reading(now, "mood", "2026-W39", *more)
        assert (found["slice"], found["value"], found["status"]) == (None, 0.9, "green")
