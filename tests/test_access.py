"""The gate: headers on every answer, foreign hosts and sites, and what a wall's link opens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
import requests

from scorecard.ground.errors import NotFound, Refused
from scorecard.ground.settings import Settings
from scorecard.web.access import create_token, list_tokens, revoke_token
from scorecard.web.hooks import create_source_token
from scorecard.web.server import build
from tests.web_house import BOOK, NOW, House, Site, served

HTML = {"Accept": "text/html"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    house = House(tmp_path)
    house.publish()
    with served(house) as opened:
        yield opened


def link(site: Site, panel: str = "floor", days: float = 1) -> dict[str, str]:
    made = create_token(
        site.house.journal, site.house.token_secret, panel, site.house.clock.now() + timedelta(days=days), site.url
    )
    return {key: str(value) for key, value in made.items()}


def token_of(made: dict[str, str]) -> str:
    return made["url"].split("token=")[1]


def asks(address: str) -> dict[str, Any]:
    """What a page's callback sends for an address."""
    return {
        "output": "..page.page...page.children..",
        "outputs": [{"id": "page", "property": "page"}, {"id": "page", "property": "children"}],
        "inputs": [{"id": "page", "property": "ask", "value": {"address": address, "number": 1}}],
        "changedPropIds": ["page.ask"],
    }


# -- headers --------------------------------------------------------------------------------------------------------


def test_every_answer_carries_the_headers(site: Site) -> None:
    good = link(site)["url"].removeprefix(site.url)
    paths = [
        "/",
        "/teams/support",
        "/nowhere",
        "/api/v1/version",
        "/api/v1/nothing",
        "/healthz",
        "/-/metrics",
        "/wall/floor",
        good,
    ]
    paths += ["/_dash-layout", "/_dash-dependencies", "/_favicon.ico", "/assets/nothing.js", "/wall/floor?token=x"]
    for path in paths:
        answer = site.get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.headers["Referrer-Policy"] == "same-origin", path
        assert "Content-Security-Policy" in answer.headers, path
        assert answer.headers["X-Frame-Options"] in ("SAMEORIGIN", "DENY"), path
        assert "Server" not in answer.headers, path
    for bad in (
        site.post("/api/v1/notes", data="x"),
        site.post("/api/v1/notes", {}),
        requests.delete(site.url + "/", timeout=5),
    ):
        assert bad.status_code >= 400
        assert bad.headers["X-Content-Type-Options"] == "nosniff"


def test_pages_run_no_inline_script_but_the_hashed_ones(site: Site) -> None:
    answer = site.get("/")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert "'unsafe-inline'" not in policy["script-src"]
    assert "'unsafe-eval'" not in policy["script-src"]
    assert policy["frame-ancestors"] == "'self'"
    assert (policy["object-src"], policy["base-uri"]) == ("'none'", "'none'")
    inline = re.findall(r"<script(?![^>]*(?:src=|application/json))[^>]*>(.+?)</script>", answer.text, re.DOTALL)
    assert inline, "Dash has an inline script; if it has none any more, the hashes can go"
    assert policy["script-src"].count("'sha256-") >= len(inline)
    assert site.get("/").headers["Content-Security-Policy"] == answer.headers["Content-Security-Policy"]


def test_only_embeds_can_be_framed_and_only_where_the_settings_say(tmp_path: Path) -> None:
    house = House(tmp_path, Settings(embed_from=("https://wiki.example.org", "https://*.example.net:8443")))
    house.publish()
    with served(house) as site:
        token = token_of(link(site))
        embed = site.get(f"/embed/floor?token={token}")
        assert (
            "frame-ancestors 'self' https://wiki.example.org https://*.example.net:8443"
            in embed.headers["Content-Security-Policy"]
        )
        assert "X-Frame-Options" not in embed.headers
        wall = site.get(f"/wall/floor?token={token}")
        assert "frame-ancestors 'self'" in wall.headers["Content-Security-Policy"]
        assert "example" not in wall.headers["Content-Security-Policy"]
    for wrong in ("https://a.org; script-src *", "wiki.example.org", "javascript:x", "https://a.org https://b.org"):
        with pytest.raises(Refused, match="no origin"):
            build(replace_settings(house, embed_from=(wrong,)))


def replace_settings(house: House, **changes: Any) -> House:
    return replace(house, settings=replace(house.settings, **changes))


# -- hosts and sites ------------------------------------------------------------------------------------------------


def test_foreign_names_that_lead_here_are_refused(tmp_path: Path) -> None:
    house = House(tmp_path, Settings(hosts=("scores.corp.example",), address="https://public.example.org:8443"))
    house.publish()
    with served(house) as site:
        for host in (
            "localhost",
            "LOCALHOST:9",
            "127.0.0.1",
            "[::1]:80",
            "10.1.2.3:8050",
            "x.localhost",
            "scores.corp.example:8050",
        ):
            assert site.get("/api/v1/version", headers={"Host": host}).status_code == 200, host
        assert site.get("/", headers={"Host": "public.example.org:8443"}).status_code == 200
        for host in (
            "evil.example",
            "evil.example:8050",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "a b",
            "127.0.0.1@evil",
        ):
            for path in ("/", "/api/v1/version", "/_dash-layout", "/healthz"):
                assert site.get(path, headers={"Host": host}).status_code == 400, (host, path)


def test_other_sites_can_post_nothing(site: Site) -> None:
    note = {"metric": "solved", "period": "2026-W39", "text": "x", "by": "Ana"}
    refused: list[dict[str, str]] = [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": site.url.replace("127.0.0.1", "localhost")},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": site.url},
    ]
    for headers in refused:
        for path in ("/api/v1/notes", "/api/v1/sources/tickets/refresh", "/_dash-update-component"):
            assert site.post(path, note, headers=headers).status_code == 403, (headers, path)
    assert site.house.refreshed == []
    assert site.house.journal.entries() == ()
    for headers in ({}, {"Origin": site.url}, {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}):
        assert site.post("/api/v1/notes", note, headers=headers).status_code == 201


def test_answers_cannot_be_sent_elsewhere(site: Site) -> None:
    for path in ("//evil.example", "//evil.example/%2e%2e", "/\\evil.example", "/-/leave-wall?next=//evil.example"):
        answer = site.get(path)
        assert "evil" not in answer.headers.get("Location", ""), path


# -- walls ----------------------------------------------------------------------------------------------------------


def test_a_wall_opens_with_its_link_only(site: Site) -> None:
    made = link(site)
    assert made["panel"] == "floor"
    assert made["expires"] == "2026-09-29T08:00:00Z"
    for door in ("wall", "embed"):
        assert site.get(f"/{door}/floor?token={token_of(made)}").status_code == 200
        assert site.get(f"/{door}/floor").status_code == 401
        assert site.get(f"/{door}/hall?token={token_of(made)}").status_code == 403
        assert site.get(f"/{door}/nothing").status_code == 401
    said = site.get("/wall/floor", headers=HTML)
    assert "opens only with its link" in said.text
    assert said.headers["Content-Type"].startswith("text/html")


def test_ways_to_write_a_walls_address_do_not_get_around_it(site: Site) -> None:
    for path in (
        "/wall/floor/",
        "//wall/floor",
        "/WALL/floor",
        "/%77all/floor",
        "/wall//floor",
        "/wall/./floor",
        "/wall",
        "/embed%2Ffloor",
    ):
        assert site.get(path).status_code == 401, path
        assert site.post("/_dash-update-component", asks(path)).status_code in (401, 403), path
    token = token_of(link(site))
    for path in ("/wall/../teams/support", "/wall/floor/../hall", "/wall/floor%2F..%2Fhall"):
        answer = requests.Request("GET", site.url).prepare()
        answer.url = f"{site.url}{path}?token={token}"
        assert requests.Session().send(answer, timeout=5).status_code == 403, path


def test_edited_expired_and_revoked_links_open_nothing(site: Site) -> None:
    made = link(site)
    token = token_of(made)
    payload, signature = token.rsplit(".", 1)
    other = token_of(link(site, "hall"))
    bad = [
        "", "x", token[:-2], token + "x", payload[::-1] + "." + signature, other.rsplit(".", 1)[0] + "." + signature,
        payload + "." + other.rsplit(".", 1)[1], "é", "a" * 5000,
    ]  # fmt: skip
    foreign = House(site.house.folder / "other", token_secret=b"another secret that is long enough")
    bad.append(
        token_of(
            {
                k: str(v)
                for k, v in create_token(
                    foreign.journal, foreign.token_secret, "floor", NOW.replace(year=2030), ""
                ).items()
            }
        )
    )
    foreign.journal.close()
    for one in bad:
        for path in ("/wall/floor", "/embed/floor"):
            assert site.get(path, params={"token": one}).status_code == 401, one
    assert site.get(f"/wall/floor?token={token}").status_code == 200
    site.house.clock.moment = NOW + timedelta(days=1)
    assert site.get(f"/wall/floor?token={token}").status_code == 401
    site.house.clock.moment = NOW
    revoke_token(site.house.journal, made["id"])
    for path in ("/wall/floor", "/embed/floor", "/api/v1/version", "/api/v1/events", "/_dash-layout", "/"):
        answer = site.get(path, params={"token": token})
        assert answer.status_code == 401, path
        assert "revoked" in answer.text


def every_route(site: Site) -> Iterator[tuple[str, str]]:
    server = build(site.house)
    for rule in server.url_map.iter_rules():
        path = re.sub(r"<path:[^>]+>", "teams/support", rule.rule)
        path = re.sub(r"<string:package_name>|<package_name>", "dash_renderer", path)
        path = re.sub(
            r"<(?:\w+:)?(\w+)>",
            lambda m: {"metric": "solved", "name": "support", "source": "tickets"}.get(m[1], "x"),
            path,
        )
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, path


def test_a_walls_link_opens_no_other_route(site: Site) -> None:
    """Every rule the server has, whether ours or Dash's, asked for with a wall's token in each way to carry one."""
    token = token_of(link(site))
    may: tuple[str, ...] = (
        "/_dash-layout",
        "/_dash-dependencies",
        "/_dash-component-suites/",
        "/assets/",
        "/_favicon.ico",
        "/_reload-hash",
    )
    may += ("/api/v1/version", "/api/v1/events", "/healthz", "/-/leave-wall")
    ways: list[dict[str, Any]] = [
        {"params": {"token": token}},
        {"headers": {"Referer": f"{site.url}/wall/floor?token={token}"}},
        {"headers": {"Referer": f"{site.url}/embed/floor"}, "cookies": {"scorecard-wall-floor": token}},
        {"cookies": {"scorecard-wall-floor": token}},
    ]
    routes = list(every_route(site))
    assert len(routes) > 25
    for method, path in routes:
        for way in ways:
            if path == "/api/v1/events":
                answer = requests.head(site.url + path, timeout=5, **way)
            else:
                answer = requests.request(
                    method,
                    site.url + path,
                    timeout=5,
                    json={} if method == "POST" else None,
                    allow_redirects=False,
                    **way,
                )
            allowed = path.startswith(may)
            assert (answer.status_code not in (401, 403)) == allowed, (method, path, way, answer.status_code)
    assert site.house.refreshed == []
    assert [e.kind for e in site.house.journal.entries()] == ["token"]


def test_callbacks_answer_a_wall_for_its_own_panel_only(site: Site) -> None:
    token = token_of(link(site))

    ways: tuple[dict[str, Any], ...] = (
        {"params": {"token": token}},
        {"cookies": {"scorecard-wall-floor": token}},
        {"headers": {"Referer": f"{site.url}/wall/floor?token={token}"}},
    )

    def status(address: str, **way: Any) -> int:
        return site.post("/_dash-update-component", asks(address), **way).status_code

    assert status("/teams/support") == 200  # somebody who may see everything
    assert status("/wall/floor") == 401
    assert status(f"/wall/floor?token={token}") == 200
    assert status(f"/wall/floor?theme=light&token={token}") == 200
    for way in ways:
        assert status("/wall/floor", **way) == 200
        assert status("/embed/floor", **way) == 200
        for address in ("/teams/support", "/", "/wall/hall", f"/wall/hall?token={token}", "", "wall/hall"):
            assert status(address, **way) in (401, 403), (address, way)
        assert site.post("/_dash-update-component", {}, **way).status_code == 403
    assert status(f"/wall/hall?token={token}") == 403
    assert site.post("/_dash-update-component", [1]).status_code == 400
    assert (
        requests.post(
            site.url + "/_dash-update-component", data="{", headers={"Content-Type": "application/json"}, timeout=5
        ).status_code
        == 400
    )


def test_the_cookie_carries_on_where_the_address_cannot(site: Site) -> None:
    made = link(site)
    answer = site.get(f"/wall/floor?token={token_of(made)}")
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["scorecard-wall-floor"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert "29 Sep 2026" in cookie["expires"]
    cookies = {"scorecard-wall-floor": cookie.value}
    assert site.get("/wall/floor", cookies=cookies).status_code == 200
    assert site.get("/wall/hall", cookies=cookies).status_code == 401
    assert site.get("/api/v1/version", cookies=cookies).status_code == 200
    assert site.get("/teams/support", cookies=cookies).status_code == 403
    # A cookie that has died is taken away, so that the browser is not shut out of everything else.
    revoke_token(site.house.journal, made["id"])
    dead = site.get("/api/v1/version", cookies=cookies)
    assert dead.status_code == 401
    assert "scorecard-wall-floor=;" in dead.headers["Set-Cookie"]


def test_a_person_at_a_browser_that_showed_a_wall_is_not_locked_in(site: Site) -> None:
    cookies = {"scorecard-wall-floor": token_of(link(site))}
    typed = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}
    assert site.get("/teams/support", cookies=cookies, headers=typed).status_code == 200
    from_page = {"Referer": f"{site.url}/teams/support"}
    assert (
        site.post("/_dash-update-component", asks("/teams/support"), cookies=cookies, headers=from_page).status_code
        == 200
    )
    framed = {**typed, "Sec-Fetch-Dest": "iframe"}
    assert site.get("/teams/support", cookies=cookies, headers=framed).status_code == 403
    left = site.get("/-/leave-wall", cookies=cookies)
    assert (left.status_code, left.headers["Location"]) == (303, "/")
    assert "scorecard-wall-floor=;" in left.headers["Set-Cookie"]


def test_a_walls_page_shows_its_panel_and_nothing_of_others(site: Site) -> None:
    page = site.get(f"/wall/hall?token={token_of(link(site, 'hall'))}").text
    assert "The hall" in page
    assert "Solved" in page
    assert "HYPERLINK" not in page  # stands on the team's card, not on the process's


# -- tokens of sources ----------------------------------------------------------------------------------------------


def source_token(site: Site, source: str = "tickets") -> dict[str, str]:
    until = site.house.clock.now() + timedelta(days=1)
    made = create_source_token(site.house.journal, site.house.token_secret, source, until, site.url)
    return {key: str(value) for key, value in made.items()}


def test_a_sources_token_refreshes_it(site: Site) -> None:
    made = source_token(site)
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert requests.post(made["url"], timeout=5).status_code == 202
    assert requests.post(made["url"], json={"from": "upstream"}, timeout=5).status_code == 202
    assert site.post("/api/v1/sources/tickets/refresh", headers=bearer).status_code == 202
    assert site.house.refreshed == [("tickets", "hook")] * 3
    assert made["token"] not in repr(site.house.journal.entries(limit=None))


def test_a_sources_token_opens_no_other_route(site: Site) -> None:
    """Every rule the server has, with a source's token in each way to carry one."""
    other = source_token(site, "orders")["token"]
    mine = source_token(site)["token"]
    for token, own in ((mine, "/api/v1/sources/tickets/refresh"), (other, "/api/v1/sources/orders/refresh")):
        ways: list[dict[str, Any]] = [{"params": {"token": token}}, {"headers": {"Authorization": f"bearer {token}"}}]
        routes = list(every_route(site))
        for method, path in routes:
            for way in ways:
                if (method, path) == ("POST", own):
                    continue
                answer = requests.request(
                    method, site.url + path, timeout=5, json={} if method == "POST" else None, allow_redirects=False, **way
                )  # fmt: skip
                assert answer.status_code == 403, (method, path, way, answer.status_code)
    assert site.house.refreshed == []
    cookie = {"scorecard-wall-floor": mine}
    assert site.get("/wall/floor", cookies=cookie).status_code == 401
    assert (
        site.get(f"/wall/floor?token={token_of(link(site))}", headers={"Authorization": f"Bearer {mine}"}).status_code
        == 403
    )


def test_edited_expired_and_revoked_tokens_refresh_nothing(site: Site) -> None:
    made = source_token(site)
    token, wall = made["token"], token_of(link(site))
    payload, signature = token.rsplit(".", 1)
    other = source_token(site, "orders")["token"]
    own = "/api/v1/sources/tickets/refresh"
    for bad in (
        token[:-2],
        token + "x",
        f"scs_{wall}",
        f"{payload}.{other.rsplit('.', 1)[1]}",
        "scs_",
        "scs_é",
        f"{other.rsplit('.', 1)[0]}.{signature}",
    ):
        assert site.post(own, params={"token": bad}).status_code == 401, bad
    assert site.post(own, params={"token": wall}).status_code == 403, "a wall's link refreshes nothing"
    site.house.clock.moment = NOW + timedelta(days=1)
    assert "expired" in site.post(own, params={"token": token}).text
    site.house.clock.moment = NOW
    revoke_token(site.house.journal, made["id"])
    answer = site.post(own, params={"token": token})
    assert (answer.status_code, "revoked" in answer.text) == (401, True)
    assert site.house.refreshed == []
    listed = {str(one["id"]): one for one in list_tokens(site.house.journal)}[made["id"]]
    assert (listed["panel"], listed["source"], listed["revoked"]) == (None, "tickets", "2026-09-28T08:00:00Z")


# -- the links themselves -------------------------------------------------------------------------------------------


def test_links_are_listed_and_revoked(tmp_path: Path) -> None:
    house = House(tmp_path)
    made = [
        create_token(house.journal, house.token_secret, p, NOW + timedelta(hours=1), "http://x/", by="Ana")
        for p in ("floor", "hall")
    ]
    assert str(made[0]["url"]).startswith("http://x/wall/floor?token=")
    revoke_token(house.journal, str(made[0]["id"]))
    revoke_token(house.journal, str(made[0]["id"]))  # once is enough
    assert len(house.journal.entries("token_revoked")) == 1
    newest, oldest = list_tokens(house.journal)
    assert newest == {
        "id": made[1]["id"], "panel": "hall", "source": None, "created": "2026-09-28T08:00:00Z", "expires": "2026-09-28T09:00:00Z",
        "revoked": None, "by": "Ana",
    }  # fmt: skip
    assert oldest["revoked"] == "2026-09-28T08:00:00Z"
    written = repr(house.journal.entries(limit=None))
    assert token_of({"url": str(made[0]["url"])}) not in written  # who reads the journal cannot open the wall
    with pytest.raises(NotFound, match="no link has the id"):
        revoke_token(house.journal, "nothing")
    with pytest.raises(Refused, match="has passed"):
        create_token(house.journal, house.token_secret, "floor", NOW, "http://x")
    with pytest.raises(ValueError, match="16 bytes"):
        create_token(house.journal, b"", "floor", NOW + timedelta(hours=1), "http://x")
    house.journal.close()


def test_a_revoked_wall_loses_its_open_stream(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorecard.web.push.BEAT_SECONDS", 1.0)
    made = link(site)
    with requests.get(f"{site.url}/api/v1/events?token={token_of(made)}", stream=True, timeout=10) as stream:
        lines = stream.iter_lines()
        assert b"retry: 1000" in next(lines)
        revoke_token(site.house.journal, made["id"])
        assert b"data: " in b"".join(lines)  # ends by itself
    assert BOOK.panels.keys() >= {"floor", "hall"}
