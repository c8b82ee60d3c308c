"""GraphQL, cursors in bodies, jobs that are waited for, paging by key: every row once, or nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.contract import Cursor, SourceFailed
from tests.pulls import failure, pulled
from tests.slow_servers import Asked, Given, served

HERE = Path(__file__).parent
ORDERS = [{"id": n, "total": n * 10} for n in range(1, 8)]
QUERY = "query ($first: Int!, $cursor: String) { orders(first: $first, after: $cursor) { nodes { id total } pageInfo { endCursor hasNextPage } } }"
GRAPH: dict[str, Any] = {
    "query": QUERY, "variables": {"first": 3}, "records": "$.data.orders.nodes[*]",
    "paging": {"style": "graphql", "next": "$.data.orders.pageInfo.endCursor", "more": "$.data.orders.pageInfo.hasNextPage"},
}  # fmt: skip


def graph(asked: Asked) -> Given:
    """Relay's way of paging; a last page still has an end cursor."""
    body = json.loads(asked.body)
    assert (asked.method, asked.headers["Content-Type"], body["query"]) == ("POST", "application/json", QUERY)
    start = int(body["variables"].get("cursor") or 0)
    nodes = ORDERS[start : start + body["variables"]["first"]]
    end = start + len(nodes)
    info = {"endCursor": str(end), "hasNextPage": end < len(ORDERS)}
    return Given({"data": {"orders": {"nodes": nodes, "pageInfo": info}}})


def test_graphql_pages_by_its_variables() -> None:
    with served(graph) as server:
        found = pulled("http", HERE, url=server.url, **GRAPH)
    assert found.rows == ORDERS
    assert [json.loads(asked.body)["variables"] for asked in server.asked] == [
        {"first": 3},
        {"first": 3, "cursor": "3"},
        {"first": 3, "cursor": "6"},
    ]


def test_graphql_takes_the_cursor_of_the_source_as_a_variable() -> None:
    with served(lambda _: Given({"data": {"orders": {"nodes": []}}})) as server:
        pulled(
            "http",
            HERE,
            url=server.url,
            **{**GRAPH, "variables": {"since": ":cursor", "open": True}},
            cursor=Cursor("id", 17),
        )
    assert json.loads(server.asked[0].body)["variables"] == {"since": "17", "open": True}


def test_errors_in_an_answer_of_200_refuse_it_whole() -> None:
    partial = {
        "data": {"orders": {"nodes": ORDERS}},
        "errors": [{"message": "User unauthorized", "path": ["orders", 0, "total"]}],
    }
    with served(lambda _: Given(partial)) as server:
        problem = failure("http", HERE, url=server.url, **GRAPH)
        assert ("User unauthorized" in problem.message, problem.retry, len(server.asked)) == (True, False, 1)
        none = Given({"data": {"orders": {"nodes": ORDERS}}, "errors": []})
    with served(lambda _: none) as server:
        assert pulled("http", HERE, url=server.url, **GRAPH).rows == ORDERS


BUSY = [
    ({"errors": [{"message": "Complexity budget exhausted", "extensions": {"code": "COMPLEXITY_BUDGET_EXHAUSTED", "retry_in_seconds": 0}}]}, 200, {}),
    ({"errors": [{"message": "Complexity budget exhausted, reset in 0 seconds", "extensions": {"code": "ComplexityException"}}]}, 200, {}),
    ({"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}], "data": None}, 200, {"Retry-After": "0"}),
    ({"__type": "com.amazon.coral.availability#ThrottlingException", "message": "Rate exceeded"}, 400, {}),
    ({"error": {"code": 403, "message": "slow", "errors": [{"reason": "rateLimitExceeded"}]}}, 403, {}),
    ({"type": "x", "o:errorDetails": [{"detail": "Concurrent request limit exceeded.", "o:errorCode": "CONCURRENCY_LIMIT_EXCEEDED"}]}, 429, {"Retry-After": "0"}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "headers"), BUSY)
def test_too_many_requests_is_waited_for_however_it_is_said(body: Any, status: int, headers: dict[str, str]) -> None:
    times: list[float] = []

    def busy_once(asked: Asked) -> Given:
        times.append(time.monotonic())
        return Given(body, status, headers) if len(times) == 2 else graph(asked)

    with served(busy_once) as server:
        assert pulled("http", HERE, url=server.url, **GRAPH).rows == ORDERS
    assert len(times) == 4


def test_a_long_wait_is_left_to_the_schedule() -> None:
    body = {
        "errors": [
            {
                "message": "Daily limit exceeded",
                "extensions": {"code": "DAILY_LIMIT_EXCEEDED", "retry_in_seconds": 7200},
            }
        ]
    }
    with served(lambda _: Given(body)) as server:
        problem = failure("http", HERE, url=server.url, **GRAPH)
    assert (problem.retry, problem.after, len(server.asked)) == (True, 7200.0, 1)
    sentence = Given({"message": "the rate limit of your plan"}, 400)
    with served(lambda _: sentence) as server:
        assert not failure("http", HERE, url=server.url).retry, "a sentence is no code: it may say anything"


def test_network_errors_are_tried_again_with_growing_waits() -> None:
    times: list[float] = []

    def breaks_off(asked: Asked) -> Given:
        times.append(time.monotonic())
        return Given(raw=b"") if len(times) < 3 else Given(ORDERS)

    with served(breaks_off) as server:
        assert pulled("http", HERE, url=server.url).rows == ORDERS
    first, second = times[1] - times[0], times[2] - times[1]
    assert 0.2 < first < 0.9
    assert 0.4 < second < 1.5


# -- cursors in bodies, other addresses, jobs ---------------------------------------------------------------------------


def test_a_cursor_may_go_into_the_body() -> None:
    def answer(asked: Asked) -> Given:
        start = int((json.loads(asked.body).get("page") or {}).get("after", 0))
        following = {"NextToken": str(start + 3)} if start + 3 < len(ORDERS) else {}
        return Given({"data": ORDERS[start : start + 3], **following})

    paging = {"style": "cursor", "next": "$.NextToken", "into": "page.after"}
    with served(answer) as server:
        found = pulled(
            "http", HERE, url=server.url, body={"page": {"size": 3}, "q": "x"}, records="$.data[*]", paging=paging
        )
    assert found.rows == ORDERS
    assert [json.loads(asked.body)["page"] for asked in server.asked] == [
        {"size": 3},
        {"size": 3, "after": "3"},
        {"size": 3, "after": "6"},
    ]


JOB: dict[str, Any] = {
    "body": {"query": "select 1"}, "records": "$.rows[*]?", "rows": {"names": "$.schema.fields[*].name", "values": "$.f[*].v"},
}  # fmt: skip


def job(url: str) -> dict[str, Any]:
    address = url + "/queries/{$.job.id}"
    paging = {
        "style": "cursor",
        "next": "$.pageToken",
        "param": "pageToken",
        "url": address,
        "params": {"location": "{$.job.location}", "max": 3},
        "ready": "$.done",
    }
    return {"url": url + "/queries", "paging": paging, **JOB}


def slow_query(polls: int) -> Callable[[Asked], Given]:
    looked: list[str] = []

    def answer(asked: Asked) -> Given:
        known = {"job": {"id": "j/1 x", "location": "EU"}}
        looked.append(asked.path)
        if asked.method == "GET":
            assert (asked.path, asked.params["location"], asked.body) == ("/queries/j%2F1%20x", "EU", b"")
        if len(looked) <= polls:
            return Given({**known, "done": False})
        start = int(asked.params.get("pageToken", 0))
        rows = [{"f": [{"v": str(row["id"])}, {"v": None}]} for row in ORDERS[start : start + 3]]
        more = {"pageToken": str(start + 3)} if start + 3 < len(ORDERS) else {}
        return Given(
            {**known, "done": True, "schema": {"fields": [{"name": "ID"}, {"name": "Total Sum"}]}, "rows": rows, **more}
        )

    return answer


@pytest.mark.parametrize("polls", [0, 1, 3])
def test_a_job_is_waited_for_and_read_at_its_own_address(polls: int) -> None:
    with served(slow_query(polls)) as server:
        found = pulled("http", HERE, **job(server.url))
    assert found.rows == [{"id": str(row["id"]), "total_sum": None} for row in ORDERS]
    assert [asked.method for asked in server.asked] == ["POST"] + ["GET"] * (polls + 2)


def test_a_job_that_never_ends_ends_at_the_deadline() -> None:
    with served(slow_query(10_000)) as server:
        assert "took longer than 1 s" in failure("http", HERE, seconds=1.0, **job(server.url)).message


def test_a_job_cannot_lead_elsewhere() -> None:
    bad = Given({"job": {"id": "1", "location": "@127.0.0.2/"}, "done": False})
    with served(lambda _: bad) as server:
        options = job(server.url)
        options["paging"]["url"] = "http://{$.job.location}:9/x"
        assert "another host" in failure("http", HERE, **options).message


# -- paging by key ------------------------------------------------------------------------------------------------------


def by_key(rows: list[dict[str, Any]], cap: int, *, inclusive: bool) -> Callable[[Asked], Given]:
    """A database that sorts, and gives no query more than ``cap`` rows."""

    def answer(asked: Asked) -> Given:
        after = int(asked.params["after"])
        found = sorted(
            (row for row in rows if row["id"] > after or (inclusive and row["id"] == after)),
            key=lambda row: int(row["id"]),
        )
        return Given({"items": found[:cap], "hasMore": len(found) > cap})

    return answer


KEYED: dict[str, Any] = {
    "params": {"after": ":after"},
    "records": "$.items[*]",
    "paging": {"style": "keyset", "column": "id", "from": "-5"},
}


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(-4, 60)), st.integers(2, 9), st.booleans())
def test_paging_by_key_brings_every_row_once(ids: set[int], cap: int, inclusive: bool) -> None:
    with served(by_key([{"id": n} for n in ids], cap, inclusive=inclusive)) as server:
        found = pulled("http", HERE, url=server.url, **KEYED)
    assert [row["id"] for row in found.rows] == sorted(ids)


def test_rows_that_come_and_go_meanwhile_are_neither_lost_nor_doubled() -> None:
    rows = [{"id": n} for n in range(1, 13)]

    def moving(asked: Asked) -> Given:
        given = by_key(list(rows), 4, inclusive=False)(asked)
        if rows[0]["id"] == 1:
            del rows[0:2]  # with offsets, two rows would now be passed over
        return given

    with served(moving) as server:
        assert pulled("http", HERE, url=server.url, **KEYED).column("id") == list(range(1, 13))


def test_a_key_that_is_not_unique_is_refused() -> None:
    doubled = [{"id": n // 2, "x": n} for n in range(12)]
    for cap in (2, 3, 5):
        with served(by_key(doubled, cap, inclusive=True)) as server:
            assert "two rows have the id" in failure("http", HERE, url=server.url, **KEYED).message
    with served(lambda _: Given({"items": [{"id": 3}, {"id": 1}]})) as server:
        assert "order of id" in failure("http", HERE, url=server.url, **KEYED).message
    with served(by_key([{"id": 1}, {"id": 2}], 1, inclusive=True)) as server:
        options = {**KEYED, "paging": {**KEYED["paging"], "more": "$.hasMore"}}
        assert "brings no new row" in failure("http", HERE, url=server.url, **options).message
    with served(lambda _: Given({"items": [{"name": 3}]})) as server:
        assert "no key 'id'" in failure("http", HERE, url=server.url, **KEYED).message
    with served(lambda _: Given({"items": [{"id": "a' or 1=1 --"}], "hasMore": True})) as server:
        assert "cannot be put into a query" in failure("http", HERE, url=server.url, **KEYED).message


# -- what is asked ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"back": "1d"}, ("2026-09-27T08:00:00Z", "2026-09-28T08:00:00Z")),
        ({"back": "0s", "step": "7h", "format": "epoch_s"}, ("1790560800", "1790560800")),
        ({"back": "100m", "step": "1h", "format": "epoch_s"}, ("1790575200", "1790582400")),
        ({"back": "2d", "ahead": "1d", "format": "%Y-%m-%d"}, ("2026-09-26", "2026-09-29")),
        ({"back": "2d", "format": "%Y-%m-%d", "timezone": "Pacific/Kiritimati"}, ("2026-09-26", "2026-09-28")),
        ({"back": "1h", "format": "epoch_ms"}, ("1790578800000", "1790582400000")),
    ],
)  # fmt: skip
def test_a_window_of_time_is_filled_in(window: dict[str, str], expected: tuple[str, str]) -> None:
    with served(lambda _: Given([])) as server:
        pulled("http", HERE, url=server.url, params={"a": ":from", "b": ":until", "c": "x:from"}, window=window)
    asked = server.asked[0].params
    assert (asked["a"], asked["b"], asked["c"]) == (*expected, f"x{expected[0]}")


def test_without_a_window_its_words_are_only_words() -> None:
    with served(lambda _: Given([])) as server:
        pulled("http", HERE, url=server.url, params={"q": "mail:from"})
    assert server.asked[0].params == {"q": "mail:from"}


def test_requests_are_spread_over_the_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("connectors.http.transport.time.sleep", waited.append)
    with served(graph) as server:
        pulled("http", HERE, url=server.url, limits={"per_minute": 2}, seconds=300.0, **GRAPH)
    assert len(waited) == 1
    assert 50 < waited[0] <= 60


# -- whatever breaks ------------------------------------------------------------------------------------------------------


FAULTS: dict[str, Given] = {
    "reset": Given(raw=b""), "cut": Given(b'[{"id": 1}', announced=500), "error": Given({"message": "x"}, 500),
    "busy": Given({}, 429, {"Retry-After": "0"}), "expired": Given({}, 401), "page": Given(b"<html>", headers={"Content-Type": "text/html"}),
    "odd": Given(b"[NaN]"), "refused": Given({"message": "no"}, 400), "throttled": Given({"errors": [{"code": "RATE_LIMITED"}]}),
}  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.integers(1, 12), st.sampled_from(sorted(FAULTS)), max_size=6),
    st.sampled_from(["offset", "keyset", "cursor"]),
)
def test_all_rows_or_none_whatever_breaks(monkeypatch: pytest.MonkeyPatch, faults: dict[int, str], style: str) -> None:
    """A server that breaks at any of its answers: the pull brings every row once, in order, or fails with a reason."""
    monkeypatch.setattr("connectors.http.patience.FIRST_WAIT_SECONDS", 0.001)
    count = iter(range(1, 10_000))

    def breaking(asked: Asked) -> Given:
        if asked.path == "/login":
            return Given({}, headers={"Set-Cookie": "S=12345678"})
        if (fault := faults.get(next(count))) is not None:
            return FAULTS[fault]
        start = int(asked.params.get("from", 0))
        following = {"next": start + 2} if start + 2 < len(ORDERS) else {}
        return Given({"data": ORDERS[start : start + 2], **following})

    paging: dict[str, Any] = {
        "offset": {"style": "offset", "param": "from"}, "cursor": {"style": "cursor", "next": "$.next", "param": "from"},
        "keyset": {"style": "keyset", "column": "id"},
    }[style]  # fmt: skip
    with served(breaking) as server:
        auth = {"style": "session", "login_url": server.url + "/login", "user": "ana", "password": "c4nary-s3cret"}
        options = {"url": server.url, "auth": auth, "records": "$.data[*]", "errors": ["$.errors"], "paging": paging}
        options |= {"params": {"from": ":after"}} if style == "keyset" else {}
        rows, failed = None, None
        try:
            rows = pulled("http", HERE, **options).rows
        except SourceFailed as problem:
            failed = problem
    if failed is None:
        assert rows == ORDERS
    else:
        assert failed.message
        assert failed.hint
        assert "c4nary" not in f"{failed.message} {failed.hint}"
    passing = set(faults.values()) <= {"busy", "reset", "cut", "error", "throttled"}
    if passing and all({n, n + 1, n + 2, n + 3} - set(faults) for n in faults):
        assert failed is None, "what passes within three more tries is no failure"
