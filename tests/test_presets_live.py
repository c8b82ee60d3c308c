"""Every preset against a local stand-in of its service: all rows, whatever runs out or breaks on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Cursor
from scorecard.book.read import read_book
from tests.bookfiles import write
from tests.pulls import Pulled, failure, pulled
from tests.saas_servers import (
    CANARY,
    Asana,
    BigQuery,
    BusinessOne,
    CloudWatch,
    CostExplorer,
    Monday,
    Monitoring,
    NetSuite,
    curve_key,
    pem,
)
from tests.slow_servers import Asked, Given, Server, served

NOW = "2026-09-28T08:00:00Z"
ENVIRONMENT = {
    "ASANA": f"{CANARY}-asana", "MONDAY": f"{CANARY}-monday", "NS_CLIENT": f"{CANARY}-client", "B1": f"{CANARY}-b1",
    "AWS_KEY": f"{CANARY}-access", "AWS_SECRET": f"{CANARY}-secret",
    "NS_CK": f"{CANARY}-ck", "NS_CS": f"{CANARY}-cs", "NS_TK": f"{CANARY}-tk", "NS_TS": f"{CANARY}-ts",
}  # fmt: skip
BEGINNING = """version: 1
organization: {name: Test, owner: Ana Ruiz, timezone: UTC}
teams: {ops: {title: Operations}}
"""
EVERY = {
    "asana": '{project: "1204", token: "${ASANA}", endpoint: "URL"}',
    "monday": '{board: "77", token: "${MONDAY}", page_size: 3, endpoint: "URL"}',
    "netsuite": '{account: 1234567_SB1, query: "select id, state, total from orders where total is null or total >= 0", client_id: "${NS_CLIENT}", certificate_id: cert-1, private_key: ns.pem, endpoint: "URL"}',
    "netsuite-token": '{account: 1234567-sb1, query: "select id, state, total from orders", consumer_key: "${NS_CK}", consumer_secret: "${NS_CS}", token: "${NS_TK}", token_secret: "${NS_TS}", endpoint: "URL"}',
    "sap-business-one": '{server: "URL", company: SBODEMODE, user: reader, password: "${B1}", entity: Orders, select: "DocEntry,DocDate,DocTotal,UpdateDate", page_size: 3}',
    "aws-cost-explorer": '{access_key: "${AWS_KEY}", secret_key: "${AWS_SECRET}", region: eu-central-1, endpoint: "URL"}',
    "aws-cloudwatch": '{access_key: "${AWS_KEY}", secret_key: "${AWS_SECRET}", region: eu-central-1, namespace: AWS/ApplicationELB, metric: RequestCount, stat: Sum, dimensions: [{Name: LoadBalancer, Value: app/shop/1}], endpoint: "URL"}',
    "google-monitoring": '{project: shop-prod, credentials: google-monitoring.json, filter: \'metric.type = "x"\', aligner: ALIGN_SUM, endpoint: "URL"}',
    "google-bigquery": '{project: shop-prod, credentials: google-bigquery.json, query: "select day, amount from shop.sales", location: EU, endpoint: "URL"}',
    "google-billing": '{project: shop-prod, table: shop-prod.billing.gcp_billing_export_v1_01AB23, credentials: google-billing.json, location: EU, endpoint: "URL"}',
}  # fmt: skip


def tasks(count: int) -> list[dict[str, Any]]:
    done = [None if n % 3 else f"2026-09-{1 + n % 25:02}T10:00:00.000Z" for n in range(count)]
    return [
        {
            "gid": str(10**15 + n), "name": f"Task {n}", "created_at": f"2026-08-{1 + n % 28:02}T09:00:00.000Z", "modified_at": f"2026-09-{1 + n % 25:02}T11:00:00.000Z",
            "completed": at is not None, "completed_at": at, "due_on": "2026-10-01" if n % 2 else None, "due_at": None, "notes": "never asked for",
            "assignee": {"gid": "7", "name": "Ana"} if n % 2 else None, "created_by": {"gid": "8", "name": "Ben"}, "resource_subtype": "default_task", "num_subtasks": 0,
            "custom_fields": [{"gid": "1", "name": "Hours", "display_value": str(n)}, {"gid": "2", "name": "Name", "display_value": None}],
        }
        for n, at in enumerate(done)
    ]  # fmt: skip


def items(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": str(n), "name": f"Item {n}", "state": "active", "created_at": "2026-09-22T10:00:00Z", "updated_at": "2026-09-23T10:00:00Z",
            "group": {"id": "g", "title": "Group"}, "column": [{"id": "status", "text": "Done" if n % 2 else "Stuck"}, {"id": "mirror", "text": None}],
        }
        for n in range(count)
    ]  # fmt: skip


def series() -> list[dict[str, Any]]:
    def one(host: str, kind: str, values: list[Any]) -> dict[str, Any]:
        points = [
            {
                "interval": {
                    "startTime": f"2026-09-28T07:{5 * n:02}:00Z",
                    "endTime": f"2026-09-28T07:{5 * n + 5:02}:00Z",
                },
                "value": {kind: value},
            }
            for n, value in enumerate(values)
        ]
        return {
            "metric": {"type": "x", "labels": {"host": host}},
            "resource": {"type": "vm", "labels": {"zone": "a"}},
            "metricKind": "DELTA",
            "valueType": kind,
            "points": points[::-1],
        }

    return [one("a", "doubleValue", [1.5, 2.5]), one("b", "int64Value", ["10", "20"]), one("c", "doubleValue", [])]


FAKES: dict[str, Callable[[], Any]] = {
    "asana": lambda: Asana(tasks(230)),
    "monday": lambda: Monday(items(8)),
    "netsuite": lambda: NetSuite([(n, "open" if n % 2 else "done", None if n == 4 else n * 1.25) for n in range(-3, 2500)], cap=1500),
    "netsuite-token": lambda: NetSuite([(n, "open", 1.0) for n in range(1, 1300)]),
    "sap-business-one": lambda: BusinessOne([{"DocEntry": n, "DocDate": "2026-09-22", "DocTotal": 10.5, "UpdateDate": f"2026-09-2{n % 5}", "Card": "x"} for n in range(8)]),
    "aws-cost-explorer": lambda: CostExplorer({f"2026-09-{day}": {"EC2": "1.2345678901", "S3": "0.5"} for day in range(21, 28)}, "2026-09-26"),
    "aws-cloudwatch": lambda: CloudWatch([(1790582400 - 300 * n, float(n)) for n in range(36, 0, -1)]),
    "google-monitoring": lambda: Monitoring(series()),
    "google-bigquery": lambda: BigQuery(["day", "amount"], [[f"2026-09-2{n}", None if n == 3 else f"{n}.25"] for n in range(1, 6)], polls=2),
    "google-billing": lambda: BigQuery(
        ["day", "service", "project", "currency", "cost", "credits", "provisional"],
        [["2026-09-22", "Compute", "shop", "EUR", "10.5", "-0.5", "false"], ["2026-09-27", "Compute", "shop", "EUR", "20", "0", "true"]],
    ),
}  # fmt: skip
ROWS = {
    "asana": 230, "monday": 8, "netsuite": 2504 - 4, "netsuite-token": 1299, "sap-business-one": 8, "aws-cost-explorer": 14,
    "aws-cloudwatch": 36, "google-monitoring": 4, "google-bigquery": 5, "google-billing": 2,
}  # fmt: skip


@dataclass
class Stage:
    """A preset's source, and the stand-in behind it."""

    folder: Path
    server: Server
    fake: Any
    options: dict[str, Any]
    columns: dict[str, str]

    def pulled(self, **more: Any) -> Pulled:
        return pulled("http", self.folder, columns=self.columns, **{**self.options, **more})

    def failure(self, **more: Any) -> Any:
        found = failure("http", self.folder, columns=self.columns, **{**self.options, **more})
        assert CANARY not in f"{found.message} {found.hint} {found}"
        return found


def started(stack: ExitStack, name: str, fake: Any, folder: Path) -> Server:
    server = stack.enter_context(served(fake))
    for part in (fake, getattr(fake, "aws", fake), getattr(fake, "google", fake)):
        if hasattr(part, "url"):
            part.url = server.url
    if hasattr(fake, "google"):
        (folder / f"{name}.json").write_text(fake.google.account())
    (folder / "ns.pem").write_text(pem(curve_key()))
    return server


def source_text(name: str, url: str, more: str = "") -> str:
    preset = name.removesuffix("-token")
    return f"  {name.replace('-', '_')}:\n    kind: http\n    preset: {preset}\n    with: {EVERY[name].replace('URL', url)}\n    every: 6h\n{more}"


@contextmanager
def staged(name: str, folder: Path, more: str = "") -> Iterator[Stage]:
    with ExitStack() as stack:
        fake = FAKES[name]()
        server = started(stack, name, fake, folder)
        text = BEGINNING + "sources:\n" + source_text(name, server.url, more)
        source = read_book(write(folder, text), environment=ENVIRONMENT).sources[name.replace("-", "_")]
        yield Stage(
            folder,
            server,
            fake,
            {**source.options, "timezone": "UTC"},
            {c.name: c.type for c in source.columns.values()},
        )


@pytest.mark.parametrize("name", EVERY)
def test_every_row_comes_once(name: str, tmp_path: Path) -> None:
    with staged(name, tmp_path) as stage:
        found = stage.pulled()
    assert len(found.rows) == len({json.dumps(row, sort_keys=True, default=str) for row in found.rows}) == ROWS[name]
    assert len(stage.server.asked) > 1 or name == "google-billing"
    if name == "sap-business-one":
        assert (len(stage.fake.sessions), stage.fake.open_now) == (1, 0)


def test_what_the_rows_look_like(tmp_path: Path) -> None:
    with staged("asana", tmp_path) as stage:
        row = stage.pulled().rows[1]
        assert (row["assignee"], row["custom_fields_hours"], row["custom_fields_name"], row["completed"]) == (
            "Ana",
            "1",
            None,
            False,
        )
        assert "notes" not in row
    with staged("monday", tmp_path) as stage:
        row = stage.pulled().rows[7]
        assert (row["id"], row["group_title"], row["column_status"], row["column_mirror"]) == (
            "7",
            "Group",
            "Done",
            None,
        )
    with staged("netsuite", tmp_path) as stage:
        by_id = {row["id"]: row for row in stage.pulled().rows}
        assert (by_id["4"]["total"], by_id["8"]["total"], set(by_id["8"])) == (None, "10.0", {"id", "state", "total"})
    with staged("aws-cost-explorer", tmp_path) as stage:
        rows = stage.pulled().rows
        assert rows[0] == {
            "provisional": False,
            "name": "EC2",
            "day": "2026-09-21",
            "cost": "1.2345678901",
            "currency": "USD",
        }
        assert [row["provisional"] for row in rows[-4:]] == [True] * 4
    with staged("aws-cloudwatch", tmp_path) as stage:
        assert stage.pulled().rows[0] == {
            "id": "value",
            "label": "RequestCount",
            "at": 1790582400.0 - 300 * 36,
            "value": 36.0,
        }
    with staged("google-monitoring", tmp_path) as stage:
        rows = stage.pulled().rows
        assert {(row["metric_labels_host"], row["at"], str(row["value"])) for row in rows} == {
            ("a", "2026-09-28T07:05:00Z", "1.5"), ("a", "2026-09-28T07:10:00Z", "2.5"), ("b", "2026-09-28T07:05:00Z", "10"), ("b", "2026-09-28T07:10:00Z", "20"),
        }  # fmt: skip
        assert len({row["series"] for row in rows}) == 2
    with staged("google-bigquery", tmp_path) as stage:
        assert stage.pulled().rows[2] == {"day": "2026-09-23", "amount": None}
        assert stage.fake.queries == ["select day, amount from shop.sales"]


@pytest.mark.parametrize("name", ["netsuite", "sap-business-one", "google-monitoring", "google-bigquery"])
def test_what_signs_in_may_run_out_in_the_middle(name: str, tmp_path: Path) -> None:
    with staged(name, tmp_path) as stage:
        keeper = getattr(stage.fake, "google", stage.fake)
        keeper.uses = 2
        assert len(stage.pulled().rows) == ROWS[name]
        assert len(getattr(keeper, "tokens", None) or keeper.sessions) > 1


@pytest.mark.parametrize("name", ["asana", "monday", "aws-cost-explorer", "aws-cloudwatch"])
def test_a_rate_limit_in_the_middle_is_waited_out(name: str, tmp_path: Path) -> None:
    with staged(name, tmp_path) as stage:
        getattr(stage.fake, "aws", stage.fake).busy_at = {2}
        assert len(stage.pulled().rows) == ROWS[name]


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("asana", {"params": {"project": "1", "limit": "500"}, "paging": None}, "Must be between 1 and 100 "),
        ("asana", {"auth": {"style": "bearer", "token": f"{CANARY}-other"}}, "Not Authorized"),
        ("monday", {"variables": {"board": "78", "limit": 3}}, "is not in the answer"),
        ("netsuite", {"body": {"q": "select id from gone where id > :after"}}, "no such table: gone"),
        ("sap-business-one", {"url": "URL/b1s/v2/Nothing"}, "Unrecognized resource path."),
        ("aws-cost-explorer", {"body": {"TimePeriod": {"Start": ":from"}}}, "Missing required parameter"),
        ("google-monitoring", {"params": {"aggregation.alignmentPeriod": "1s"}}, "invalid argument"),
        ("google-bigquery", {"body": {"query": "q", "maximumBytesBilled": 5}}, "bad request"),
    ],
)  # fmt: skip
def test_what_the_service_refuses_is_said_in_its_words(
    name: str, change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with staged(name, tmp_path) as stage:
        given = {
            key: value.replace("URL", stage.server.url) if isinstance(value, str) else value
            for key, value in change.items()
        }
        found = stage.failure(**given)
    assert words.strip() in found.message
    assert not found.retry


@pytest.mark.parametrize(
    ("name", "part", "value", "words"),
    [
        ("monday", "partial", True, "User unauthorized to perform action"),
        ("aws-cloudwatch", "status", "InternalError", "StatusCode: InternalError"),
        ("google-monitoring", "unreachable", ["europe-west3"], "europe-west3"),
        (
            "google-bigquery",
            "errors",
            [{"reason": "stopped", "message": "the job was cancelled"}],
            "the job was cancelled",
        ),
    ],
)
def test_a_part_is_never_taken_for_the_whole(name: str, part: str, value: Any, words: str, tmp_path: Path) -> None:
    with staged(name, tmp_path) as stage:
        setattr(stage.fake, part, value)
        assert words in stage.failure().message


def test_a_cursor_asks_only_for_what_is_new(tmp_path: Path) -> None:
    more = "    cursor: {column: modified_at}\n"
    with staged("asana", tmp_path, more) as stage:
        found = stage.pulled(cursor=Cursor("modified_at", "2026-09-20T00:00:00Z"))
        assert 0 < len(found.rows) < 100
        assert all(row["modified_at"] >= "2026-09-20" for row in found.rows)


def test_a_netsuite_key_that_occurs_twice_is_never_half_read(tmp_path: Path) -> None:
    """Also where the two stand on both sides of a page's end."""
    for twice in (998, 999, 1000, 1001):
        with staged("netsuite-token", tmp_path) as stage:
            stage.fake.rows.append((twice, "open", 2.0))
            assert f"two rows have the id {twice}" in stage.failure().message


def test_a_column_that_is_empty_everywhere_still_comes(tmp_path: Path) -> None:
    with staged("netsuite", tmp_path, MORE["netsuite"]) as stage:
        stage.fake.rows = [(1, "open", None), (2, "open", None)]
        assert stage.pulled().column("total") == [None, None]


def test_nothing_found_is_no_rows(tmp_path: Path) -> None:
    for name, part in (
        ("google-monitoring", "series"),
        ("google-bigquery", "rows"),
        ("monday", "items"),
        ("asana", "tasks"),
        ("netsuite", "rows"),
    ):
        with staged(name, tmp_path) as stage:
            setattr(stage.fake, part, [])
            assert stage.pulled().rows == []


# -- through the product ------------------------------------------------------------------------------------------------


METRICS = """metrics:
  asana: {team: ops, role: leading, source: asana, count: completed_at, time: completed_at, better: higher, grain: month}
  monday: {team: ops, role: leading, source: monday, count: rows, where: column_status = 'Done', better: higher, grain: month}
  netsuite: {team: ops, role: lagging, source: netsuite, count: rows, where: state = 'open', better: lower, grain: month}
  netsuite_token: {team: ops, role: lagging, source: netsuite_token, sum: total, better: higher, grain: month}
  b1: {team: ops, role: lagging, source: sap_business_one, sum: doctotal, better: higher, grain: month}
  cost: {team: ops, role: lagging, source: aws_cost_explorer, sum: cost, better: lower, grain: month, decimals: 4}
  provisional: {team: ops, role: lagging, source: aws_cost_explorer, sum: cost, where: provisional, better: lower, grain: month}
  requests: {team: ops, role: leading, source: aws_cloudwatch, sum: value, better: higher, grain: month}
  monitoring: {team: ops, role: leading, source: google_monitoring, sum: value, better: higher, grain: month}
  bigquery: {team: ops, role: lagging, source: google_bigquery, sum: amount, better: higher, grain: month}
  billing: {team: ops, role: lagging, source: google_billing, sum: cost + credits, better: lower, grain: month}
"""
EXPECTED = {
    "asana": 77, "monday": 4, "netsuite": 1250, "netsuite_token": 1299, "b1": 84, "cost": 7 * 1.7345678901, "provisional": 2 * 1.7345678901,
    "requests": sum(range(1, 37)), "monitoring": 34, "bigquery": 1.25 + 2.25 + 4.25 + 5.25, "billing": 30,
}  # fmt: skip
MORE = {
    "netsuite": "    columns: {id: integer, day: date, total: double}\n    time: day\n",
    "netsuite-token": "    columns: {id: integer, day: date, total: double}\n    time: day\n",
    "sap-business-one": "    columns: {docdate: date, doctotal: decimal}\n    time: docdate\n",
    "google-bigquery": "    columns: {day: date, amount: double}\n    time: day\n",
}


@pytest.mark.slow
def test_refresh_and_values(tmp_path: Path) -> None:
    with ExitStack() as stack:
        text = BEGINNING + "sources:\n"
        for name in EVERY:
            server = started(stack, name, FAKES[name](), tmp_path)
            written = source_text(name, server.url, MORE.get(name, ""))
            text += written.replace("select id, state, total", "select id, state, total, '2026-09-22' as day")
        (tmp_path / "metrics.yaml").write_text(text + METRICS)
        environment = {**os.environ, **ENVIRONMENT}
        said = ""
        for attempt in ("first", "again"):
            done = run(tmp_path, environment, "--now", NOW, "--format", "json", "refresh")
            said += done.stdout + done.stderr
            assert done.returncode == 0, done.stdout + done.stderr
            loads = {load["source"]: load for load in json.loads(done.stdout)["loads"]}
            assert {name: load["read"] for name, load in loads.items()} == {
                name.replace("-", "_"): count for name, count in ROWS.items()
            }
            if attempt == "again":
                assert loads["aws_cost_explorer"]["unchanged"] == 14, "the same days anew are updates, not further rows"
        done = run(tmp_path, environment, "--now", NOW, "--format", "json", "values", "--period", "2026-09")
    said += done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
    found = {
        reading["metric"]: reading["value"]
        for reading in json.loads(done.stdout)["readings"]
        if reading["slice"] is None
    }
    assert found == {name: pytest.approx(value, rel=1e-9) for name, value in EXPECTED.items()}
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix not in {".pem", ".json", ".yaml"}:
            assert CANARY.encode() not in path.read_bytes(), path
    assert CANARY not in said
    assert "BEGIN PRIVATE KEY" not in said


@pytest.mark.slow
def test_services_that_send_secrets_back_make_no_output_show_them(tmp_path: Path) -> None:
    """A failing load tells why in the service's words; its words may hold what it was sent."""

    def echo(asked: Asked) -> Given:
        if asked.path.endswith(("/Login", "/token")):
            given = {"access_token": f"{CANARY}-token", "expires_in": 60, "SessionId": f"{CANARY}-session"}
            return Given(given, headers={"Set-Cookie": f"B1SESSION={CANARY}-session"})
        said = f"cannot: {asked.headers.get('Authorization')} {asked.headers.get('Cookie')} {asked.params} {asked.body.decode()}"
        return Given({"error": {"message": said, "code": CANARY}, "request": said}, 400)

    with ExitStack() as stack:
        text = BEGINNING + "sources:\n"
        for name in EVERY:
            fake = FAKES[name]()
            started(stack, name, fake, tmp_path)
            server = stack.enter_context(served(echo))
            if hasattr(fake, "google"):
                fake.google.url = server.url
                (tmp_path / f"{name}.json").write_text(fake.google.account())
            text += source_text(name, server.url, MORE.get(name, ""))
        (tmp_path / "metrics.yaml").write_text(text + METRICS)
        environment = {**os.environ, **ENVIRONMENT}
        done = run(tmp_path, environment, "--now", NOW, "refresh")
        told = run(tmp_path, environment, "--now", NOW, "loads")
    assert done.returncode == 1
    said = done.stdout + done.stderr + told.stdout + told.stderr
    assert said.count("cannot:") >= len(EVERY), said
    assert CANARY not in said
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix not in {".pem", ".json", ".yaml"}:
            assert CANARY.encode() not in path.read_bytes(), path


def run(folder: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scorecard", *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
