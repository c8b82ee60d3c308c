"""What people write through the API: checked all at once, answered only once it is on disk, never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.web_house import House, Site, served

ABOUT = {"metric": "solved", "grain": "week", "period": "2026-W39", "slice": None}
NOTE = {**ABOUT, "text": "Two people were ill – it will pass <b>", "by": "Ana Ruiz"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    house = House(tmp_path_factory.mktemp("house"))
    house.publish()
    with served(house) as opened:
        yield opened


def problems(answer: requests.Response) -> list[str]:
    assert answer.status_code == 400, answer.text
    said = answer.json()["error"]
    return [p["message"] for p in said.get("problems", [said])]


def test_a_note_comes_back_the_same_with_id_and_time(site: Site) -> None:
    answer = site.post("/api/v1/notes", NOTE)
    assert answer.status_code == 201
    written = answer.json()
    assert {k: written[k] for k in NOTE} == NOTE
    assert set(written) == {*NOTE, "id", "at"}
    assert written["at"] == "2026-09-28T08:00:00Z"
    # On disk, in another connection's eyes, before it was answered.
    connection = sqlite3.connect(site.house.folder / "journal.sqlite")
    assert connection.execute("SELECT count(*) FROM entries WHERE id = ?", (written["id"],)).fetchone() == (1,)
    connection.close()
    assert written in site.get("/api/v1/notes").json()["notes"]
    assert site.house.journal.verify() == ()


def test_grain_and_slice_may_be_left_out(site: Site) -> None:
    short = site.post(
        "/api/v1/notes", {"metric": "solved", "period": "2026-09", "text": "September", "by": "Ben"}
    ).json()
    assert (short["grain"], short["slice"]) == ("month", None)
    sliced = site.post("/api/v1/notes", {**NOTE, "slice": {"team": "night"}, "by": "Ben"}).json()
    assert [n["id"] for n in site.get("/api/v1/notes?team=night").json()["notes"]] == [sliced["id"]]
    assert [n["id"] for n in site.get("/api/v1/notes?by=Ben&limit=1").json()["notes"]] == [sliced["id"]]
    assert [n["id"] for n in site.get("/api/v1/notes?grain=month").json()["notes"]] == [short["id"]]
    assert site.get("/api/v1/notes?metric=nothing").json() == {"notes": []}
    assert site.get("/api/v1/notes?colour=red").status_code == 400


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metric": "sloved"}, "no metric is called 'sloved'"),
        ({"metric": 7}, "'metric' is not a text"),
        ({"period": "2026-W99"}, "2026-W99"),
        ({"period": None}, "'period' is missing"),
        ({"grain": "month"}, "2026-W39"),
        ({"grain": "fortnight"}, "2026-W39"),
        ({"period": "2026-09-28", "grain": "day"}, "cannot be shown by day"),
        ({"slice": {"team": "nobody"}}, "no team is called 'nobody'"),
        ({"slice": {"process": "desk"}}, "not split by process"),
        ({"slice": "night"}, "'slice'"),
        ({"slice": {"team": ["night"]}}, "no team is called"),
        ({"text": "  "}, "'text' is empty"),
        ({"text": "x" * 4001}, "4001 characters"),
        ({"text": "bell \a"}, "control characters"),
        ({"text": ["x"]}, "'text' is not a text"),
        ({"by": ""}, "'by' is empty"),
        ({"by": "two\nlines"}, "control characters"),
        ({"by": "x" * 101}, "101 characters"),
        ({"txet": "x"}, "unknown key 'txet'"),
    ],
)
def test_what_is_wrong_with_a_note_is_said(site: Site, change: dict[str, Any], says: str) -> None:
    before = len(site.house.journal.entries("note", limit=None))
    (message,) = problems(site.post("/api/v1/notes", {**NOTE, **change}))
    assert says in message
    assert len(site.house.journal.entries("note", limit=None)) == before


def test_all_problems_are_said_at_once(site: Site) -> None:
    answer = site.post("/api/v1/notes", {"metric": "sloved", "perod": "2026-W39", "text": "", "slice": 3})
    assert len(problems(answer)) == 6
    hints = [p["hint"] for p in answer.json()["error"]["problems"]]
    assert "did you mean 'period'?" in hints
    assert "did you mean 'solved'?" in hints


def test_actions_follow_one_another(site: Site) -> None:
    sent = {"text": "Train two more", "owner": "Ben", "due": "2026-10-12", "by": "Ana"}
    opened = site.post("/api/v1/actions", sent).json()
    assert (opened["state"], opened["metric"], opened["period"]) == ("open", None, None)
    done = site.post("/api/v1/actions", {"follows": opened["id"], "state": "done", "by": "Ben"})
    assert done.status_code == 201
    assert [a["id"] for a in site.get(f"/api/v1/actions?follows={opened['id']}").json()["actions"]] == [
        done.json()["id"]
    ]
    assert [a["id"] for a in site.get("/api/v1/actions?state=open").json()["actions"]] == [opened["id"]]
    wrong = site.post("/api/v1/actions", {"follows": "nothing", "state": "closed", "due": "2026-02-30", "by": "Ben"})
    assert len(problems(wrong)) == 5  # follows, text, owner, due, state
    assert "without 'metric'" in problems(site.post("/api/v1/actions", {**sent, "period": "2026-W39"}))[0]


def test_flags_need_no_text(site: Site) -> None:
    assert site.post("/api/v1/flags", {**ABOUT, "by": "line 2"}).json()["text"] is None
    assert site.get("/api/v1/flags?metric=solved&period=2026-W39").json()["flags"][0]["by"] == "line 2"


def test_values_are_for_manual_metrics_only(site: Site) -> None:
    given = site.post("/api/v1/values", {**ABOUT, "metric": "mood", "value": 0.85, "by": "Ana"})
    assert (given.status_code, given.json()["value"]) == (201, 0.85)
    assert "computed" in problems(site.post("/api/v1/values", {**ABOUT, "value": 3, "by": "Ana"}))[0]
    for value in ("85%", True, None, [1]):
        assert (
            "'value'"
            in problems(site.post("/api/v1/values", {**ABOUT, "metric": "mood", "value": value, "by": "A"}))[0]
        )


def test_overrides_are_worse_freely_and_better_with_reason_and_end(site: Site) -> None:
    amber = {**ABOUT, "period": "2026-W36", "by": "Ana"}
    worse = site.post("/api/v1/overrides", {**amber, "status": "red"})
    assert (worse.status_code, worse.json()["until"]) == (201, None)
    assert len(problems(site.post("/api/v1/overrides", {**amber, "status": "green"}))) == 2
    good = {**amber, "status": "green", "text": "double counted", "until": "2026-10-05T08:00:00+02:00"}
    assert site.post("/api/v1/overrides", good).json()["until"] == "2026-10-05T06:00:00Z"
    assert "has passed" in problems(site.post("/api/v1/overrides", {**good, "until": "2026-09-01T00:00:00Z"}))[0]
    assert "'status'" in problems(site.post("/api/v1/overrides", {**good, "status": "blue"}))[0]


def test_signoffs_of_reviews_and_of_values(site: Site) -> None:
    held = site.post("/api/v1/signoffs", {"review": "weekly", "date": "2026-09-28", "by": "Ana"})
    assert held.status_code == 201
    assert (
        "no review is called"
        in problems(site.post("/api/v1/signoffs", {"review": "w", "date": "2026-09-28", "by": "A"}))[0]
    )
    given = site.post("/api/v1/values", {**ABOUT, "metric": "mood", "value": 1, "by": "Ana"}).json()["id"]
    assert "second person" in site.post("/api/v1/signoffs", {"value": given, "by": " ana "}).text
    assert site.post("/api/v1/signoffs", {"value": given, "by": "Ben"}).status_code == 201
    assert [s["by"] for s in site.get(f"/api/v1/signoffs?value={given}").json()["signoffs"]] == ["Ben"]


def test_not_saved_is_never_answered_as_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(folder: Any) -> sqlite3.Connection:
        connection = sqlite3.connect(folder / "journal.sqlite", isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        return connection

    kept = len(site.house.journal.entries("note", limit=None))
    site.house.journal._engine.dispose()
    holder = locked(site.house.folder)
    try:
        # The writer waits five seconds for whoever holds the file; then it says so.
        answer = requests.post(site.url + "/api/v1/notes", json=NOTE, timeout=30)
    finally:
        holder.close()
    assert answer.status_code == 503
    assert "not saved" in answer.json()["error"]["message"]
    assert len(site.house.journal.entries("note", limit=None)) == kept
