"""Local stand-ins for the services that presets know, written from their public descriptions.

Each refuses what the real one refuses: a missing header, a wrong signature, a page too large, a token that ran out. They
answer on real sockets (``tests.slow_servers.served``). Sources of the facts are named in ``connectors/presets/*.yaml``.
"""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlencode

import jwt
import oauthlib.oauth1
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session
from botocore.validate import ParamValidator
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.slow_servers import Asked, Given

CANARY = "c4nary-s3cret"
"""Part of every secret here: it may appear in no output."""


def pem(key: Any) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return text.decode()


@cache
def rsa_key() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def curve_key() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Asana:
    """GET /tasks: pages of at most 100 by offset, compact records unless opt_fields asks, 429 with Retry-After."""

    tasks: list[dict[str, Any]]
    busy_at: set[int] = field(default_factory=set)
    asked: int = 0

    def __call__(self, asked: Asked) -> Given:
        self.asked += 1
        if asked.headers.get("Authorization") != f"Bearer {CANARY}-asana":
            return Given({"errors": [{"message": "Not Authorized"}]}, 401)
        if self.asked in self.busy_at:
            return Given(
                {"errors": [{"message": "You have made too many requests recently."}]}, 429, {"Retry-After": "0"}
            )
        if asked.path != "/tasks" or "project" not in asked.params:
            return Given({"errors": [{"message": "You should specify one of workspace, project, tag, section"}]}, 400)
        limit, start = int(asked.params.get("limit", 20)), int(asked.params.get("offset", "o0")[1:])
        if not 1 <= limit <= 100:
            return Given({"errors": [{"message": "limit: Must be between 1 and 100"}]}, 400)
        wanted = {name.split(".")[0] for name in asked.params.get("opt_fields", "name").split(",")} | {"gid"}
        since = asked.params.get("modified_since", "")
        mine = [task for task in self.tasks if task["modified_at"] >= since]
        page = [{key: value for key, value in task.items() if key in wanted} for task in mine[start : start + limit]]
        offset = f"o{start + limit}"
        following = {
            "offset": offset,
            "path": f"/tasks?offset={offset}",
            "uri": f"https://app.asana.com/api/1.0/tasks?offset={offset}",
        }
        return Given({"data": page, "next_page": following if start + limit < len(mine) else None})


@dataclass
class Monday:
    """POST GraphQL: boards.items_page first, next_items_page with its cursor; budget errors in answers of status 200."""

    items: list[dict[str, Any]]
    busy_at: set[int] = field(default_factory=set)
    partial: bool = False
    asked: int = 0

    def __call__(self, asked: Asked) -> Given:
        self.asked += 1
        if asked.method != "POST" or asked.headers.get("Authorization") != f"{CANARY}-monday":
            return Given({"errors": ["Not Authenticated"]}, 401)
        if not re.fullmatch(r"\d{4}-(01|04|07|10)", asked.headers.get("API-Version", "")):
            return Given({"errors": [{"message": "no such version"}]}, 400)
        if self.asked in self.busy_at:
            said = {
                "message": "Complexity budget exhausted, query cost 30001 budget remaining 19986 out of 5000000 reset in 0 seconds"
            }
            return Given(
                {"errors": [{**said, "extensions": {"code": "COMPLEXITY_BUDGET_EXHAUSTED", "status_code": 429}}]}
            )
        body = json.loads(asked.body)
        query, given = body["query"], body["variables"]
        declared = set(re.findall(r"\$(\w+):", query.split("{")[0]))
        if not declared <= set(given) or set(re.findall(r"\$(\w+)", query)) != declared:
            return Given(
                {"errors": [{"message": "Variable is not provided", "extensions": {"code": "missingRequiredVariable"}}]}
            )
        if given["limit"] > 500:
            return Given({"errors": [{"message": "limit must be at most 500"}]})
        start = int(given["cursor"].removeprefix("MSw")) if "next_items_page" in query else 0
        end = start + given["limit"]
        page = {"cursor": f"MSw{end}" if end < len(self.items) else None, "items": self.items[start:end]}
        errors = (
            {"errors": [{"message": "User unauthorized to perform action", "path": ["boards"]}]} if self.partial else {}
        )
        if "next_items_page" in query:
            return Given({"data": {"next_items_page": page}, **errors})
        boards = [{"items_page": page}] if given["board"] == "77" else []
        return Given({"data": {"boards": boards}, **errors})


@dataclass
class NetSuite:
    """SuiteQL over real SQL (SQLite): at most ``cap`` rows a query, empty values left out; both ways of signing in."""

    rows: list[tuple[int, str, float | None]]
    cap: int = 100_000
    uses: int = 1000
    tokens: dict[str, int] = field(default_factory=dict)
    url: str = ""

    def __call__(self, asked: Asked) -> Given:
        if asked.path == "/services/rest/auth/oauth2/v1/token":
            return self._token(asked)
        if asked.path != "/services/rest/query/v1/suiteql" or asked.method != "POST":
            return self._problem(404, "no such resource", "NONEXISTENT_ID")
        if not self._signed_in(asked):
            return self._problem(401, "Invalid login attempt.", "INVALID_LOGIN")
        if asked.headers.get("Prefer") != "transient":
            return self._problem(400, "The Prefer header must be transient.", "INVALID_HEADER")
        limit, offset = int(asked.params.get("limit", 1000)), int(asked.params.get("offset", 0))
        if limit > 1000 or offset + limit > self.cap:
            return self._problem(400, f"no more than {self.cap} rows", "INVALID_PARAMETER")
        database = sqlite3.connect(":memory:")
        database.execute("create table orders (id integer, state text, total real)")
        database.executemany("insert into orders values (?, ?, ?)", self.rows)
        try:
            found = database.execute(json.loads(asked.body)["q"])
            names = [column[0] for column in found.description]
            items = [
                {"links": [], **{n: str(v) for n, v in zip(names, row, strict=True) if v is not None}} for row in found
            ]
        except sqlite3.Error as error:
            return self._problem(400, f"Invalid search query: {error}", "INVALID_PARAMETER")
        finally:
            database.close()
        items = items[: self.cap]
        page = items[offset : offset + limit]
        return Given(
            {
                "links": [],
                "count": len(page),
                "hasMore": offset + limit < len(items),
                "items": page,
                "offset": offset,
                "totalResults": len(items),
            }
        )

    def _token(self, asked: Asked) -> Given:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        try:
            assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            assert jwt.get_unverified_header(form["client_assertion"])["kid"] == "cert-1"
            said = jwt.decode(
                form["client_assertion"], curve_key().public_key(), algorithms=["ES256"], audience=self.url + asked.path
            )
            assert (said["iss"], said["scope"]) == (f"{CANARY}-client", ["rest_webservices"])
        except (jwt.PyJWTError, AssertionError, KeyError):
            return Given({"error": "invalid_grant"}, 400)
        token = f"{CANARY}-netsuite-{len(self.tokens)}"
        self.tokens[token] = self.uses
        return Given({"access_token": token, "expires_in": "3600", "token_type": "bearer"})

    def _signed_in(self, asked: Asked) -> bool:
        given = asked.headers.get("Authorization", "")
        token = given.removeprefix("Bearer ")
        if self.tokens.get(token, 0) > 0:
            self.tokens[token] -= 1
            return True
        if not given.startswith('OAuth realm="1234567_SB1"'):
            return False
        said = dict(re.findall(r'(\w+)="([^"]*)"', given))
        client = oauthlib.oauth1.Client(
            f"{CANARY}-ck", client_secret=f"{CANARY}-cs", resource_owner_key=f"{CANARY}-tk", resource_owner_secret=f"{CANARY}-ts",
            signature_method="HMAC-SHA256", nonce=said["oauth_nonce"], timestamp=said["oauth_timestamp"],
        )  # fmt: skip
        _, wanted, _ = client.sign(f"{self.url}{asked.path}?{urlencode(asked.params)}", "POST", None, {})
        expected = dict(re.findall(r'(\w+)="([^"]*)"', wanted["Authorization"]))
        return bool(said["oauth_signature"] == expected["oauth_signature"])

    def _problem(self, status: int, detail: str, code: str) -> Given:
        return Given(
            {
                "type": "about:blank",
                "title": "problem",
                "status": status,
                "o:errorDetails": [{"detail": detail, "o:errorCode": code}],
            },
            status,
        )


@dataclass
class BusinessOne:
    """Service Layer: Login gives cookies and a session that runs out; OData 4 with relative next links; Logout."""

    orders: list[dict[str, Any]]
    uses: int = 1000
    sessions: dict[str, int] = field(default_factory=dict)
    open_now: int = 0

    def __call__(self, asked: Asked) -> Given:
        if asked.path == "/b1s/v2/Login":
            if json.loads(asked.body) != {"CompanyDB": "SBODEMODE", "UserName": "reader", "Password": f"{CANARY}-b1"}:
                return self._problem(401, "100000027", "Login failed")
            name = f"{CANARY}-session-{len(self.sessions)}"
            self.sessions[name], self.open_now = self.uses, self.open_now + 1
            # The base class's headers hold one cookie a name; the real server sets ROUTEID in a second one.
            return Given(
                {"SessionId": name, "Version": "1000191", "SessionTimeout": 30},
                headers={"Set-Cookie": f"B1SESSION={name}; HttpOnly"},
            )
        mine = re.search(r"B1SESSION=([\w-]+)", asked.headers.get("Cookie", ""))
        if mine is None or self.sessions.get(mine[1], 0) <= 0:
            return self._problem(401, "301", "Invalid session or session already timeout.")
        if asked.path == "/b1s/v2/Logout":
            self.open_now -= 1
            return Given(b"", 204)
        self.sessions[mine[1]] -= 1
        if asked.path != "/b1s/v2/Orders":
            return self._problem(404, "-1000", "Unrecognized resource path.")
        size = int(re.search(r"odata\.maxpagesize=(\d+)", asked.headers.get("Prefer", "odata.maxpagesize=20"))[1])  # type: ignore[index]
        found = self.orders
        if written := asked.params.get("$filter"):
            since = re.fullmatch(r"UpdateDate ge '(\d{4}-\d\d-\d\d)'", written)
            if since is None:
                return self._problem(400, "-1004", "Invalid filter")
            found = [order for order in found if order["UpdateDate"] >= since[1]]
        start = int(asked.params.get("$skip", 0))
        wanted = asked.params.get("$select", ",".join(self.orders[0])).split(",")
        page = [
            {"@odata.etag": 'W/"1"', **{name: order[name] for name in wanted}} for order in found[start : start + size]
        ]
        query = urlencode({**{k: v for k, v in asked.params.items() if k != "$skip"}, "$skip": start + size})
        more = {"@odata.nextLink": f"Orders?{query}"} if start + size < len(found) else {}
        return Given({"@odata.context": "$metadata#Orders", "value": page, **more})

    def _problem(self, status: int, code: str, message: str) -> Given:
        return Given({"error": {"code": code, "message": message, "details": [{"code": "", "message": ""}]}}, status)


@dataclass
class Aws:
    """What AWS does before a service sees a request: the signature is worked out again by botocore, the body checked
    against botocore's model of the service."""

    service: str
    signs: str
    target: str
    operation: str
    url: str = ""
    busy_at: set[int] = field(default_factory=set)
    asked: int = 0

    def refusal(self, asked: Asked) -> Given | None:
        self.asked += 1
        headers = {name.lower(): value for name, value in asked.headers.items()}
        if self.asked in self.busy_at:
            return self.problem("ThrottlingException", "Rate exceeded")
        if headers.get("x-amz-target") != self.target or not headers.get("content-type", "").startswith(
            "application/x-amz-json-1."
        ):
            return self.problem("UnknownOperationException", "")
        kept = {
            name: headers[name]
            for name in ("content-type", "x-amz-date", "x-amz-target", "x-amz-security-token")
            if name in headers
        }
        request = AWSRequest("POST", self.url + "/", kept, asked.body)
        request.context["timestamp"] = headers.get("x-amz-date", "")
        signer = SigV4Auth(Credentials(f"{CANARY}-access", f"{CANARY}-secret"), self.signs, "eu-central-1")
        signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        if not headers.get("authorization", "").endswith(f"Signature={signature}"):
            return self.problem("InvalidSignatureException", "The request signature we calculated does not match")
        sent = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs((datetime.now(UTC) - sent).total_seconds()) > 300:
            return self.problem("InvalidSignatureException", "Signature expired")
        model = Session().get_service_model(self.service).operation_model(self.operation).input_shape
        report = ParamValidator().validate(self.given(asked), model)
        return self.problem("ValidationException", report.generate_report()) if report.has_errors() else None

    def given(self, asked: Asked) -> Any:
        body = json.loads(asked.body)
        return {k: datetime.fromtimestamp(v, UTC) if k in {"StartTime", "EndTime"} else v for k, v in body.items()}

    def problem(self, kind: str, message: str) -> Given:
        return Given(
            {"__type": f"com.amazon.coral.service#{kind}", "Message": message},
            400,
            {"Content-Type": "application/x-amz-json-1.1"},
        )


@dataclass
class CostExplorer:
    """GetCostAndUsage: a page is some days; the last days are estimated."""

    costs: dict[str, dict[str, str]]
    estimated_from: str
    aws: Aws = field(
        default_factory=lambda: Aws("ce", "ce", "AWSInsightsIndexService.GetCostAndUsage", "GetCostAndUsage")
    )
    a_page: int = 2

    def __call__(self, asked: Asked) -> Given:
        if (refusal := self.aws.refusal(asked)) is not None:
            return refusal
        body = json.loads(asked.body)
        days = [day for day in sorted(self.costs) if body["TimePeriod"]["Start"] <= day < body["TimePeriod"]["End"]]
        start = int(body.get("NextPageToken", "0"))
        metric = body["Metrics"][0]
        found = [
            {
                "TimePeriod": {"Start": day, "End": day}, "Total": {}, "Estimated": day >= self.estimated_from,
                "Groups": [{"Keys": [name], "Metrics": {metric: {"Amount": amount, "Unit": "USD"}}} for name, amount in self.costs[day].items()],
            }
            for day in days[start : start + self.a_page]
        ]  # fmt: skip
        more = {"NextPageToken": str(start + self.a_page)} if start + self.a_page < len(days) else {}
        return Given(
            {"GroupDefinitions": body["GroupBy"], "ResultsByTime": found, **more},
            headers={"Content-Type": "application/x-amz-json-1.1"},
        )


@dataclass
class CloudWatch:
    """GetMetricData: timestamps and values side by side; a page may hold only a part of a metric."""

    points: list[tuple[int, float]]
    status: str = "Complete"
    aws: Aws = field(
        default_factory=lambda: Aws(
            "cloudwatch", "monitoring", "GraniteServiceVersion20100801.GetMetricData", "GetMetricData"
        )
    )
    a_page: int = 4

    def __call__(self, asked: Asked) -> Given:
        if (refusal := self.aws.refusal(asked)) is not None:
            return refusal
        body = json.loads(asked.body)
        assert body["StartTime"] % 300 == body["EndTime"] % 300 == 0
        found = [(at, value) for at, value in self.points if body["StartTime"] <= at < body["EndTime"]]
        start = int(body.get("NextToken", "0"))
        page = found[start : start + self.a_page]
        more = {"NextToken": str(start + self.a_page)} if start + self.a_page < len(found) else {}
        results = [
            {
                "Id": query["Id"], "Label": query["MetricStat"]["Metric"]["MetricName"], "StatusCode": "PartialData" if more else self.status,
                "Timestamps": [float(at) for at, _ in page], "Values": [value for _, value in page],
            }
            for query in body["MetricDataQueries"]
        ]  # fmt: skip
        return Given(
            {"MetricDataResults": results, "Messages": [], **more},
            headers={"Content-Type": "application/x-amz-json-1.0"},
        )


@dataclass
class Google:
    """Google's token endpoint, and whether a request carries one of its tokens."""

    scope: str
    url: str = ""
    uses: int = 1000
    tokens: dict[str, int] = field(default_factory=dict)

    def account(self) -> str:
        return json.dumps({
            "type": "service_account", "client_email": "reader@shop.iam.gserviceaccount.com", "private_key": pem(rsa_key()),
            "private_key_id": "k1", "token_uri": self.url + "/token",
        })  # fmt: skip

    def token(self, asked: Asked) -> Given:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        try:
            said = jwt.decode(
                form["assertion"], rsa_key().public_key(), algorithms=["RS256"], audience=self.url + "/token"
            )
            assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            assert (said["iss"], said["scope"]) == ("reader@shop.iam.gserviceaccount.com", self.scope)
        except (jwt.PyJWTError, AssertionError, KeyError) as problem:
            return Given({"error": "invalid_grant", "error_description": str(problem)}, 400)
        token = f"{CANARY}-google-{len(self.tokens)}"
        self.tokens[token] = self.uses
        return Given({"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def refusal(self, asked: Asked) -> Given | None:
        token = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token, 0) <= 0:
            said = "Request had invalid authentication credentials."
            return Given({"error": {"code": 401, "message": said, "status": "UNAUTHENTICATED"}}, 401)
        self.tokens[token] -= 1
        return None


@dataclass
class Monitoring:
    """timeSeries.list: series with their points, newest first; numbers as doubles or as int64 in text."""

    series: list[dict[str, Any]]
    unreachable: list[str] = field(default_factory=list)
    google: Google = field(default_factory=lambda: Google("https://www.googleapis.com/auth/monitoring.read"))
    a_page: int = 1

    def __call__(self, asked: Asked) -> Given:
        if asked.path == "/token":
            return self.google.token(asked)
        if (refusal := self.google.refusal(asked)) is not None:
            return refusal
        given = asked.params
        if (
            asked.path != "/v3/projects/shop-prod/timeSeries"
            or not given.get("filter")
            or given["aggregation.alignmentPeriod"] != "300s"
        ):
            return Given(
                {
                    "error": {
                        "code": 400,
                        "message": "Request contains an invalid argument.",
                        "status": "INVALID_ARGUMENT",
                    }
                },
                400,
            )
        since, until = given["interval.startTime"], given["interval.endTime"]
        start = int(given.get("pageToken", 0))
        kept = [
            {**one, "points": [p for p in one["points"] if since < p["interval"]["endTime"] <= until]}
            for one in self.series[start : start + self.a_page]
        ]
        more = {"nextPageToken": str(start + self.a_page)} if start + self.a_page < len(self.series) else {}
        lost = {"unreachable": self.unreachable} if self.unreachable else {}
        return Given({**({"timeSeries": kept} if kept else {}), "unit": "1", **more, **lost})


@dataclass
class BigQuery:
    """jobs.query and jobs.getQueryResults: a job that may take its time, rows of texts under f and v, none left out as empty."""

    names: list[str]
    rows: list[list[str | None]]
    polls: int = 0
    errors: list[dict[str, str]] = field(default_factory=list)
    google: Google = field(default_factory=lambda: Google("https://www.googleapis.com/auth/bigquery"))
    queries: list[str] = field(default_factory=list)
    looked: int = 0
    a_page: int = 2

    def __call__(self, asked: Asked) -> Given:
        if asked.path == "/token":
            return self.google.token(asked)
        if (refusal := self.google.refusal(asked)) is not None:
            return refusal
        base = "/bigquery/v2/projects/shop-prod/queries"
        job = {"jobReference": {"projectId": "shop-prod", "jobId": "job_Xy-1", "location": "EU"}}
        if asked.method == "POST" and asked.path == base:
            body = json.loads(asked.body)
            if body.get("useLegacySql", True) or not isinstance(body["maximumBytesBilled"], str):
                return Given({"error": {"code": 400, "message": "bad request", "errors": [{"reason": "invalid"}]}}, 400)
            self.queries.append(body["query"])
        elif (asked.method, asked.path, asked.params.get("location")) != ("GET", f"{base}/job_Xy-1", "EU"):
            return Given({"error": {"code": 404, "message": "Not found: Job", "errors": [{"reason": "notFound"}]}}, 404)
        self.looked += 1
        if self.looked <= self.polls:
            return Given({**job, "kind": "bigquery#queryResponse", "jobComplete": False})
        start = int(asked.params.get("pageToken", 0))
        page = self.rows[start : start + self.a_page]
        more = {"pageToken": str(start + self.a_page)} if start + self.a_page < len(self.rows) else {}
        said = {"errors": self.errors} if self.errors else {}
        rows = {"rows": [{"f": [{"v": value} for value in row]} for row in page]} if page else {}
        fields = [{"name": name, "type": "STRING", "mode": "NULLABLE"} for name in self.names]
        return Given(
            {
                **job,
                "jobComplete": True,
                "schema": {"fields": fields},
                "totalRows": str(len(self.rows)),
                **rows,
                **more,
                **said,
            }
        )
