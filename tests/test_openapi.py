"""The API's description is valid, complete, and what the server really answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
from openapi_spec_validator import validate

from scorecard.web.api.forms import KINDS
from scorecard.web.api.openapi import describe
from scorecard.web.server import build
from tests.web_house import House, Site, served

NAMES = {"name": "support", "metric": "solved", "source": "tickets", "load": "1"}
ABOUT = {"metric": "solved", "grain": "week", "period": "2026-W39", "slice": None}
WRITTEN: dict[str, dict[str, Any]] = {
    "notes": {**ABOUT, "text": "why", "by": "Ana"},
    "actions": {**ABOUT, "text": "do it", "owner": "Ben", "due": "2026-10-01", "by": "Ana"},
    "flags": {**ABOUT, "by": "line 2"},
    "values": {**ABOUT, "metric": "mood", "value": 0.5, "by": "Ana"},
    "overrides": {**ABOUT, "status": "red", "by": "Ana"},
    "signoffs": {"review": "weekly", "date": "2026-09-28", "by": "Ana"},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    house = House(tmp_path_factory.mktemp("house"))
    house.publish()
    with served(house) as opened:
        yield opened


@pytest.fixture(scope="module")
def document(site: Site) -> dict[str, Any]:
    return dict(site.get("/api/v1/openapi.json").json())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def check(document: dict[str, Any], operation: dict[str, Any], answer: requests.Response) -> None:
    """The answer is one of those that are described, in status, type and shape."""
    assert str(answer.status_code) in operation["responses"], (answer.url, answer.status_code, answer.text)
    content = operation["responses"][str(answer.status_code)].get("content", {})
    kind = answer.headers.get("Content-Type", "").split(";")[0]
    assert not content or kind in content, (answer.url, kind)
    if kind == "application/json":
        schema = {"components": document["components"], **content[kind]["schema"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json())


def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    validate(document)


def test_it_describes_every_route_and_no_other(site: Site, document: dict[str, Any]) -> None:
    served_ = set()
    for rule in build(site.house).url_map.iter_rules():
        if rule.rule.startswith("/api/") or rule.rule in ("/healthz", "/readyz", "/-/metrics"):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            served_ |= {(path, method) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert {(path, method) for path, method, _ in operations(document)} == served_


def test_every_get_answers_as_described(site: Site, document: dict[str, Any]) -> None:
    for plural, body in WRITTEN.items():
        assert site.post(f"/api/v1/{plural}", body).status_code == 201
    for path, method, operation in operations(document):
        if method != "GET" or path == "/api/v1/events":
            continue
        address = path.format(**NAMES)
        check(document, operation, site.get(address))
        for accept in operation["responses"]["200"]["content"]:
            check(document, operation, site.get(address, headers={"Accept": accept}))
        if path.startswith("/api/"):
            check(document, operation, site.get(address + "?nonsense=1"))
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query":
                check(document, operation, site.get(f"{address}?{parameter['name']}=nonsense"))
                assert "unknown parameter" not in site.get(f"{address}?{parameter['name']}=nonsense").text
            else:
                wrong = site.get(path.format(**{**NAMES, parameter["name"]: "nonsense"}))
                assert wrong.status_code == 404
                check(document, operation, wrong)
    events = next(o for p, _, o in operations(document) if p == "/api/v1/events")
    with requests.get(site.url + "/api/v1/events", stream=True, timeout=5) as stream:
        check(document, events, stream)
    tagged = site.get("/api/v1/version", headers={"If-None-Match": site.get("/api/v1/version").headers["ETag"]})
    check(document, document["paths"]["/api/v1/version"]["get"], tagged)


def test_every_post_takes_and_answers_as_described(site: Site, document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        if method != "POST":
            continue
        address, plural = path.format(**NAMES), path.rsplit("/", 1)[1]
        body = WRITTEN.get(plural, {})
        if plural in WRITTEN:
            sent = {
                "components": document["components"],
                **operation["requestBody"]["content"]["application/json"]["schema"],
            }
            jsonschema.Draft202012Validator(sent).validate(body)
            answer = site.post(address, body)
            assert answer.status_code == 201
            check(document, operation, answer)
            check(document, operation, site.post(address, {"nonsense": 1}))
            check(document, operation, site.post(address, {**body, "by": ""}))
        elif plural in ("approve", "reject", "rollback"):
            for sent, status in (({"by": "Ana", "why": "seen"}, 200), ({"by": ""}, 400), ({"nonsense": 1}, 400)):
                answer = site.post(address, sent)
                assert answer.status_code == status, answer.text
                check(document, operation, answer)
            unknown, failed = (
                site.post(path.format(**{**NAMES, "load": n, "source": "x"}), {"by": "Ana"}) for n in "72"
            )
            assert (unknown.status_code, failed.status_code) == ((404, 404) if plural == "rollback" else (404, 409))
            for answer in (unknown, failed):
                check(document, operation, answer)
        else:
            check(document, operation, site.post(address))
        check(
            document,
            operation,
            requests.post(site.url + address, data="x=1", timeout=5, headers={"Content-Type": "text/plain"}),
        )
        check(
            document,
            operation,
            requests.post(site.url + address, json=body, timeout=5, headers={"Origin": "https://evil.example"}),
        )
        large = requests.post(
            site.url + address, data=b"x" * 1_200_000, timeout=5, headers={"Content-Type": "application/json"}
        )
        check(document, operation, large)


def test_filters_are_those_the_server_takes() -> None:
    described = describe()["paths"]
    for kind in KINDS:
        parameters = [p["name"] for p in described[f"/api/v1/{kind.plural}"]["get"]["parameters"]]
        assert parameters == [*kind.filters, "limit"]


def test_every_address_is_in_the_documentation(document: dict[str, Any]) -> None:
    text = (Path(__file__).parent.parent / "docs" / "api.md").read_text()
    for path, _, operation in operations(document):
        assert f"{path}`" in text, path
        for parameter in operation.get("parameters", []):
            if not any(path.endswith(kind.plural) for kind in KINDS):
                assert f"`{parameter['name']}`" in text or f"{{{parameter['name']}}}" in text, (path, parameter["name"])
