"""The HTTP API as programs use it: over a real socket, to the letter of its description."""

from __future__ import annotations

import csv
import io
import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from tests.web_house import BOOK, NOW, SECRET, House, Site, renamed, served


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    house = House(tmp_path_factory.mktemp("house"))
    house.publish()
    with served(house) as opened:
        yield opened


def error(answer: requests.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    said = answer.json()["error"]
    assert {"code", "message", "hint"} <= set(said)
    return dict(said)


def spoken(site: Site, request: str) -> str:
    """What the server answers to raw bytes."""
    with socket.create_connection(("127.0.0.1", site.listener.port), timeout=10) as connection:
        connection.sendall(request.encode())
        answer = b""
        while more := connection.recv(65536):
            answer += more
    return answer.decode()


# -- reading --------------------------------------------------------------------------------------------------------


def test_version_is_answered_304_while_it_stays(site: Site) -> None:
    first = site.get("/api/v1/version")
    version = site.house.publisher.current().version
    assert first.json() == {"version": version, "as_of": "2026-09-28T08:00:00Z"}
    assert first.headers["Cache-Control"] == "no-cache"
    again = site.get("/api/v1/version", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    site.house.publish(renamed(BOOK, "Another"))
    changed = site.get("/api/v1/version", headers={"If-None-Match": first.headers["ETag"]})
    assert (changed.status_code, changed.json()["version"]) == (200, version + 1)


def test_scorecards_of_every_kind(site: Site) -> None:
    for name, kind in (("organization", "organization"), ("support", "team"), ("desk", "process")):
        card = site.get(f"/api/v1/scorecards/{name}").json()
        assert (card["name"], card["kind"]) == (name, kind)
        assert set(card) == {"name", "kind", "title", "owner", "period", "grain", "status", "counts", "readings"}
    card = site.get("/api/v1/scorecards/desk?period=2026-W36").json()
    assert [(r["metric"], r["period"], r["value"], r["status"]) for r in card["readings"]] == [
        ("solved", "2026-W36", 99, "amber")
    ]
    assert error(site.get("/api/v1/scorecards/suport"), 404)["hint"] == "did you mean 'support'?"
    assert "2026-W99" in error(site.get("/api/v1/scorecards/support?period=2026-W99"), 400)["message"]
    assert error(site.get("/api/v1/scorecards/support?grain=weak"), 400)["hint"] == "did you mean 'week'?"


def test_readings_by_every_filter(site: Site) -> None:
    def periods(query: str) -> list[tuple[str, float]]:
        found = site.get(f"/api/v1/metrics/solved/readings?{query}").json()["readings"]
        return [(r["period"], r["value"]) for r in found]

    assert periods("") == [("2026-W39", 130)]
    assert periods("period=2026-W37") == [("2026-W37", 89)]
    assert periods("periods=3") == [("2026-W37", 89), ("2026-W38", 120), ("2026-W39", 130)]
    assert periods("from=2026-W38&to=2026-W39") == [("2026-W38", 120), ("2026-W39", 130)]
    assert periods("team=night&period=2026-W38") == [("2026-W38", 9)]
    assert periods("team=support") == [("2026-W39", 130)]  # no slice of its own: what stands on that card
    assert periods("as_of=now") == periods("as_of=2026-09-28T08:00:00Z") == [("2026-W39", 130)]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("peroid=2026-W39", "unknown parameter 'peroid'"),
        ("period=2026-W39&period=2026-W38", "given twice"),
        ("grain=weeks", "no grain"),
        ("grain=day", "cannot be shown by day"),
        ("period=W39", "W39"),
        ("period=2026-W39&periods=3", "both given"),
        ("team=night&process=desk", "both given"),
        ("periods=0", "'periods'"),
        ("periods=1e9", "'periods'"),
        ("as_of=2020-01-01T00:00:00Z", "not kept yet"),
        ("as_of=yesterday", "as_of"),
    ],
)
def test_wrong_questions_are_refused_with_what_to_do(site: Site, query: str, says: str) -> None:
    said = error(site.get(f"/api/v1/metrics/solved/readings?{query}"), 400)
    assert says in said["message"]
    assert said["hint"]


def test_names_that_are_not_there(site: Site) -> None:
    assert error(site.get("/api/v1/metrics/sloved/readings"), 404)["hint"] == "did you mean 'solved'?"
    assert error(site.get("/api/v1/metrics/solved/readings?team=nigth"), 404)["hint"] == "did you mean 'night'?"
    assert error(site.get("/api/v1/metrics/nothing/explain"), 404)["message"] == "no metric is called 'nothing'"
    assert error(site.get("/api/v1/loads?source=ticket"), 404)["hint"] == "did you mean 'tickets'?"


def test_csv_runs_in_no_spreadsheet(site: Site) -> None:
    answer = site.get("/api/v1/metrics/%3Dgrown/readings?periods=2", headers={"Accept": "text/csv"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["value"] for row in rows] == ["-7.0", "-8.0"]  # numbers stay numbers
    assert [row["metric"] for row in rows] == ["'=grown", "'=grown"]
    assert rows[0]["running"] == "false"
    as_json = site.get(
        "/api/v1/metrics/%3Dgrown/readings", headers={"Accept": "text/html, application/json, */*;q=0.5"}
    )
    assert as_json.headers["Content-Type"] == "application/json"


def test_explain_sources_and_loads(site: Site) -> None:
    told = site.get("/api/v1/metrics/solved/explain?period=2026-W36&team=night").json()
    assert (told["reading"]["period"], told["reading"]["slice"]) == ("2026-W36", {"team": "night"})
    (source,) = site.get("/api/v1/sources").json()["sources"]
    assert (source["name"], source["outcome"], source["problem"], source["fresh"]) == (
        "tickets",
        "failed",
        "no such file",
        True,
    )
    loads = site.get("/api/v1/loads?source=tickets").json()["loads"]
    assert [load["outcome"] for load in loads] == ["failed", "ok"]
    assert (
        loads[1]["read"] == loads[1]["loaded"] + loads[1]["unchanged"] + loads[1]["duplicate"] + loads[1]["quarantined"]
    )
    assert [load["id"] for load in site.get("/api/v1/loads?limit=1").json()["loads"]] == [2]
    aside = site.get("/api/v1/sources/tickets/quarantine").json()
    assert (aside["source"], aside["missing"], aside["groups"][0]["first"][0]["line"]) == ("tickets", 1, 3)
    assert error(site.get("/api/v1/sources/ticket/quarantine"), 404)["hint"] == "did you mean 'tickets'?"


def test_refresh_is_asked_for(site: Site) -> None:
    assert site.post("/api/v1/sources/tickets/refresh").status_code == 202
    assert site.post("/api/v1/sources/tickets/refresh", {"from": "upstream"}).status_code == 202
    assert site.house.refreshed == [("tickets", "hook"), ("tickets", "hook")]
    assert error(site.post("/api/v1/sources/ticket/refresh"), 404)["hint"] == "did you mean 'tickets'?"


# -- errors ---------------------------------------------------------------------------------------------------------


def test_errors_of_every_kind_are_json(site: Site) -> None:
    for path in (
        "/api",
        "/api/",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v2/version",
        "/-/nothing",
        "/api/v1/notes/7",
        "/api/v1/notes/",
    ):
        assert error(site.get(path), 404)["code"] == "not_found"
    for method, path in (
        ("POST", "/api/v1/version"),
        ("DELETE", "/api/v1/notes"),
        ("GET", "/api/v1/sources/tickets/refresh"),
    ):
        answer = requests.request(method, site.url + path, timeout=10)
        assert error(answer, 405)["code"] == "method_not_allowed"
        assert answer.headers["Allow"]
    assert error(site.post("/api/v1/nothing", {}), 404)
    form = requests.post(site.url + "/api/v1/notes", data={"text": "x"}, timeout=10)
    assert error(form, 415)["hint"] == "send it with the header Content-Type: application/json"


@pytest.mark.parametrize("size", [1_100_000, 50_000_000])
@pytest.mark.parametrize("path", ["/api/v1/notes", "/_dash-update-component"])
def test_a_body_that_is_too_large_is_answered_and_not_cut_off(
    site: Site, size: int, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = requests.post(site.url + path, data=b"[" * size, headers={"Content-Type": "application/json"}, timeout=30)
    assert error(answer, 413)["code"] == "too_large"
    assert site.get("/healthz").status_code == 200
    assert caplog.text == ""


def test_requests_that_are_no_http(site: Site) -> None:
    assert '"code": "bad_request"' in spoken(site, "GET / HTTP/1.1\r\nHost: localhost\r\nBad Header\r\n\r\n")
    long = "a" * 70_000
    assert " 431 " in spoken(site, f"GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n").split("\r\n")[0]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "7",
        "{",
        '{"text": NaN}',
        '{"text": 1e999}',
        '{"by": "a", "by": "b"}',
        "[" * 5000,
        '"\\ud800"',
        "\udcff{}",
    ],
)
def test_bodies_that_are_no_json_object(site: Site, body: str) -> None:
    raw = body.encode("utf-8", "surrogateescape")
    answer = requests.post(
        site.url + "/api/v1/notes", data=raw, headers={"Content-Type": "application/json"}, timeout=10
    )
    assert error(answer, 400)["code"] == "bad_request"


def test_our_own_fault_says_nothing_about_itself(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.house.broken = True
    try:
        answer = site.get("/api/v1/metrics/solved/explain")
    finally:
        site.house.broken = False
    assert error(answer, 500)["code"] == "our_fault"
    assert "postgresql" not in answer.text
    assert SECRET not in answer.text
    assert "RuntimeError: cannot reach postgresql://user:***@host/db" in caplog.text
    assert SECRET not in caplog.text


def test_nothing_published_yet_is_503_and_not_ready(tmp_path: Path) -> None:
    with served(House(tmp_path)) as site:
        for path in ("/api/v1/version", "/api/v1/sources", "/api/v1/scorecards/organization"):
            answer = site.get(path)
            assert error(answer, 503)["code"] == "unavailable"
            assert answer.headers["Retry-After"]
        assert site.get("/healthz").json() == {"alive": True}
        ready = site.get("/readyz")
        assert (ready.status_code, ready.json()) == (503, {"ready": False, "reasons": ["no board is published yet"]})
        assert "scorecard_ready 0" in site.get("/-/metrics").text
        site.house.publish()
        assert site.get("/readyz").json() == {"ready": True, "reasons": []}


# -- operators ------------------------------------------------------------------------------------------------------


def test_prometheus_numbers(tmp_path: Path) -> None:
    house = House(tmp_path)
    version = house.publish()
    with served(house) as site:
        site.get("/api/v1/nothing")
        house.clock.moment = NOW + timedelta(seconds=90)
        for _ in range(2):  # loads are counted once, however often it is asked
            answer = site.get("/-/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    for line in (
        f"scorecard_board_version {version}",
        "scorecard_board_age_seconds 90.0",
        'scorecard_source_loaded_at_seconds{source="tickets"} 1790582400.0',
        'scorecard_source_data_until_seconds{source="tickets"} 1790582400.0',
        'scorecard_source_rows{source="tickets"} 1000',
        'scorecard_loads_total{source="tickets",outcome="failed"} 1',
        'scorecard_loads_total{source="tickets",outcome="ok"} 1',
        'scorecard_load_seconds_total{source="tickets"} 2.0',
        'scorecard_readings{status="green"} 1',
        "scorecard_streams_open 0",
        'scorecard_http_requests_total{method="GET",route="/<path:path>",status="404"} 1',
        'scorecard_http_requests_total{method="GET",route="/-/metrics",status="200"} 1',
    ):
        assert line in lines, answer.text
    named = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(named) == len(set(named))


def test_commands_need_the_key(site: Site) -> None:
    sent = {"argv": ["values", "--format", "json"], "files": {"metrics.yaml": "x" * 2_000_000}}
    good = {"X-Scorecard-Key": site.house.running_key}
    assert site.post("/-/command", sent, headers=good).json() == {
        "stdout": "values --format json",
        "stderr": "",
        "exit": 1,
    }
    assert site.post("/-/command", {"argv": ["values"]}, headers=good).json()["exit"] == 0
    for headers in (
        {},
        {"X-Scorecard-Key": "guess"},
        {**good, "X-Forwarded-For": "8.8.8.8"},
        {**good, "Origin": site.url},
    ):
        assert error(site.post("/-/command", {"argv": []}, headers=headers), 403)
    assert len(error(site.post("/-/command", {"argv": "values", "files": []}, headers=good), 400)["problems"]) == 2
    assert json.loads(site.post("/-/command", sent, headers=good).text)


def test_head_and_options(site: Site) -> None:
    head = requests.head(site.url + "/api/v1/sources", timeout=10)
    assert (head.status_code, head.content) == (200, b"")
    assert "POST" in requests.options(site.url + "/api/v1/notes", timeout=10).headers["Allow"]
