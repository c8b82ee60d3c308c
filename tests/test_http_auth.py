"""Signing in: signatures against their makers' libraries, tokens and sessions over real sockets."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import oauthlib.oauth1
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.http import tokens
from connectors.http.auth import Outgoing
from connectors.http.signing import FORM, OAuth1, SigV4
from tests.pulls import failure, pulled
from tests.slow_servers import Asked, Given, served

HERE = Path(__file__).parent
CANARY = "c4nary-s3cret"
MOMENT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12)
WORD = st.text("abcXYZ019-._~", min_size=1, max_size=8)


def pem(key: Any) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return text.decode()


# -- signatures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "address", "signature"),
    [
        # AWS's own test suite for Signature Version 4: get-vanilla, get-vanilla-query-order-key-case, post-vanilla.
        ("GET", "https://example.amazonaws.com/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ("POST", "https://example.amazonaws.com/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ],
)  # fmt: skip
def test_sigv4_gives_the_published_signatures(method: str, address: str, signature: str) -> None:
    keys = SigV4("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service")
    found = keys.sign(Outgoing(method, address, {}, b"", MOMENT))
    assert found["Authorization"].endswith(f"SignedHeaders=host;x-amz-date, Signature={signature}")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(WORD, TEXT), max_size=4), st.binary(max_size=40), st.lists(WORD, max_size=3), st.booleans())
def test_sigv4_agrees_with_botocore(pairs: list[tuple[str, str]], body: bytes, path: list[str], token: bool) -> None:
    import requests

    asked_for = requests.Request("POST", f"https://ce.us-east-1.amazonaws.com/{'/'.join(path)}", params=pairs)
    address = str(asked_for.prepare().url).replace("+", "%20")  # as the transport sends it
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSInsightsIndexService.GetCostAndUsage"}
    extra = "token" if token else None
    mine = SigV4("AKID", "secret", "us-east-1", "ce", extra).sign(Outgoing("POST", address, headers, body, MOMENT))
    oracle = SigV4Auth(Credentials("AKID", "secret", extra), "ce", "us-east-1")
    asked = AWSRequest("POST", address, {**headers, "X-Amz-Date": mine["X-Amz-Date"]}, body)
    if token:
        asked.headers["X-Amz-Security-Token"] = "token"
    asked.context["timestamp"] = mine["X-Amz-Date"]
    canonical = oracle.canonical_request(asked)
    signature = oracle.signature(oracle.string_to_sign(asked, canonical), asked)
    assert mine["Authorization"].endswith(f"Signature={signature}")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(WORD, TEXT), max_size=4),
    st.lists(st.tuples(WORD, TEXT), max_size=2),
    TEXT,
    st.sampled_from(["HMAC-SHA256", "HMAC-SHA1"]),
)
def test_oauth1_agrees_with_oauthlib(
    pairs: list[tuple[str, str]], form: list[tuple[str, str]], secret: str, method: str
) -> None:
    from urllib.parse import urlencode

    address = f"https://123-sb1.suitetalk.api.netsuite.com/services/rest/query/v1/suiteql?{urlencode(pairs)}"
    mine = OAuth1("ck", secret, "tk", "token secret", method, "123_SB1")
    body = urlencode(form) if form else ""
    headers = {"Content-Type": FORM} if form else {"Content-Type": "application/json"}
    found = mine.header(Outgoing("POST", address, headers, body.encode(), MOMENT), "n0nce", 1440938160)
    client = oauthlib.oauth1.Client(
        "ck", client_secret=secret, resource_owner_key="tk", resource_owner_secret="token secret", signature_method=method,
        realm="123_SB1", nonce="n0nce", timestamp="1440938160",
    )  # fmt: skip
    _, signed, _ = client.sign(address, "POST", body or None, headers)
    wanted = re.search(r'oauth_signature="([^"]+)"', signed["Authorization"])
    assert wanted is not None
    assert f'oauth_signature="{wanted[1]}"' in found
    assert found.startswith('OAuth realm="123_SB1", ')


def test_each_request_is_signed_anew() -> None:
    def pages(asked: Asked) -> Given:
        return Given({"data": [{"id": asked.params.get("page")}] if asked.params["page"] != "3" else []})

    keys = dict.fromkeys(("consumer_secret", "token_secret"), CANARY) | {"consumer_key": "ck", "token": "tk"}
    with served(pages) as server:
        pulled(
            "http",
            HERE,
            url=server.url,
            records="$.data[*]",
            paging={"style": "page"},
            auth={"style": "oauth1", **keys},
        )
    seen = [asked.headers["Authorization"] for asked in server.asked]
    assert len(seen) == len({re.search('oauth_nonce="(.*?)"', one)[1] for one in seen}) == 3  # type: ignore[index]
    assert all(CANARY not in one for one in seen)


# -- tokens -----------------------------------------------------------------------------------------------------------


class Issuer:
    """A token endpoint and an API that takes its tokens, each for so many requests."""

    def __init__(self, uses: int = 1000, lives: int = 3600) -> None:
        self.uses, self.lives = uses, lives
        self.given: list[dict[str, str]] = []
        self.left: dict[str, int] = {}

    def __call__(self, asked: Asked) -> Given:
        if asked.path == "/token":
            self.given.append({name: values[0] for name, values in parse_qs(asked.body.decode()).items()})
            token = f"{CANARY}-{len(self.given)}"
            self.left[token] = self.uses
            return Given({"access_token": token, "token_type": "Bearer", "expires_in": self.lives})
        token = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.left.get(token, 0) <= 0:
            return Given({"error": {"message": f"token {token} has expired"}}, 401)
        self.left[token] -= 1
        start = int(asked.params.get("offset", 0))
        return Given({"data": [{"id": n} for n in range(start, min(start + 2, 7))]})


PAGED: dict[str, Any] = {"records": "$.data[*]", "paging": {"style": "offset", "limit": 2}}


def client(url: str, **more: Any) -> dict[str, Any]:
    return {
        "style": "oauth2",
        "token_url": f"{url}/token",
        "client_id": "scorecard",
        "client_secret": f"{CANARY}-client",
        **more,
    }


def test_client_credentials() -> None:
    issuer = Issuer()
    with served(issuer) as server:
        found = pulled("http", HERE, url=server.url, auth=client(server.url, scope="read"), **PAGED)
    assert found.column("id") == list(range(7))
    secret = f"{CANARY}-client"
    assert issuer.given == [
        {"grant_type": "client_credentials", "client_id": "scorecard", "client_secret": secret, "scope": "read"}
    ]
    assert "Authorization" not in server.asked[0].headers


def test_a_client_may_show_itself_in_the_header() -> None:
    issuer = Issuer()
    with served(issuer) as server:
        pulled("http", HERE, url=server.url, auth=client(server.url, client_in="header"), **PAGED)
    assert server.asked[0].headers["Authorization"].startswith("Basic ")
    assert issuer.given == [{"grant_type": "client_credentials"}]


def test_a_refresh_token_gives_a_token() -> None:
    issuer = Issuer()
    with served(issuer) as server:
        auth = client(server.url, grant="refresh_token", refresh_token="r3fresh")
        assert len(pulled("http", HERE, url=server.url, auth=auth, **PAGED).rows) == 7
    assert (issuer.given[0]["grant_type"], issuer.given[0]["refresh_token"]) == ("refresh_token", "r3fresh")


def test_a_token_that_runs_out_in_the_middle_is_fetched_anew() -> None:
    issuer = Issuer(uses=2)
    with served(issuer) as server:
        found = pulled("http", HERE, url=server.url, auth=client(server.url), **PAGED)
    assert found.column("id") == list(range(7))
    assert len(issuer.given) == 2
    assert [asked.params.get("offset") for asked in server.asked if asked.path != "/token"] == ["0", "2", "4", "4", "6"]


def test_a_token_is_fetched_again_before_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer, clock = Issuer(lives=100), iter(range(0, 100_000, 60))
    monkeypatch.setattr(tokens, "time", type("Clock", (), {"monotonic": staticmethod(lambda: next(clock))}))
    with served(issuer) as server:
        assert len(pulled("http", HERE, url=server.url, auth=client(server.url), **PAGED).rows) == 7
    assert len(issuer.given) > 1
    assert all(left > 990 for left in issuer.left.values())


def test_a_token_that_never_works_is_not_fetched_again_and_again() -> None:
    issuer = Issuer(uses=0)
    with served(issuer) as server:
        problem = failure("http", HERE, url=server.url, auth=client(server.url), **PAGED)
    assert len(issuer.given) == 1
    assert "does not accept the sign-in (401)" in problem.message
    assert CANARY not in f"{problem.message} {problem.hint}"


@pytest.mark.parametrize(
    ("given_back", "words"),
    [
        (Given({"error": "invalid_client", "error_description": f"no client with {CANARY}-client"}, 400), "token cannot be fetched"),
        (Given({"error": "invalid_client", "error_description": f"no client with {CANARY}-client"}), "holds no access_token"),
        (Given(b"<html>sign in</html>", headers={"Content-Type": "text/html"}), "holds no access_token"),
        (Given({"access_token": None}), "holds no access_token"),
    ],
)  # fmt: skip
def test_a_token_that_is_not_given_is_explained_without_secrets(given_back: Given, words: str) -> None:
    with served(lambda _: given_back) as server:
        problem = failure("http", HERE, url=server.url, auth=client(server.url), seconds=2.0)
    assert words in problem.message
    assert CANARY not in f"{problem.message} {problem.hint} {problem}"


@pytest.mark.parametrize(
    ("key", "more", "algorithm"),
    [
        (EC_KEY, {}, "ES256"),
        (RSA_KEY, {}, "PS256"),
        (RSA_KEY, {"algorithm": "RS256"}, "RS256"),
        (RSA_KEY, {"grant": "jwt"}, "RS256"),
        (ec.generate_private_key(ec.SECP521R1()), {}, "ES512"),
    ],
)
def test_a_private_key_signs_for_the_client(key: Any, more: dict[str, str], algorithm: str, tmp_path: Path) -> None:
    issuer = Issuer()
    (tmp_path / "client.pem").write_text(pem(key))
    with served(issuer) as server:
        auth = {
            "style": "oauth2", "token_url": server.url + "/token", "client_id": "scorecard", "private_key": "client.pem",
            "certificate_id": "c1", "scope": "read", "claims": {"scope": ["rest_webservices"]}, **more,
        }  # fmt: skip
        assert len(pulled("http", tmp_path, url=server.url, auth=auth, **PAGED).rows) == 7
    form = issuer.given[0]
    text = form["assertion"] if more.get("grant") == "jwt" else form["client_assertion"]
    claims = jwt.decode(text, key.public_key(), algorithms=[algorithm], audience=server.url + "/token")
    assert jwt.get_unverified_header(text) == {"typ": "JWT", "alg": algorithm, "kid": "c1"}
    assert (claims["iss"], claims["sub"], claims["scope"]) == ("scorecard", "scorecard", ["rest_webservices"])
    assert timedelta(seconds=claims["exp"] - claims["iat"]) < timedelta(minutes=60)
    assert abs(claims["iat"] - time.time()) < 60, "servers compare it with their own clock"


def test_a_google_account_signs_for_itself(tmp_path: Path) -> None:
    issuer = Issuer()
    with served(issuer) as server:
        account = {
            "client_email": "reader@shop.iam.gserviceaccount.com",
            "private_key": pem(RSA_KEY),
            "private_key_id": "k1",
            "token_uri": server.url + "/token",
        }
        (tmp_path / "google.json").write_text(json.dumps(account))
        for written in ("google.json", json.dumps(account), json.dumps(account).replace("\\n", "\n")):
            auth = {
                "style": "google",
                "credentials": written,
                "scope": "https://www.googleapis.com/auth/monitoring.read",
            }
            assert len(pulled("http", tmp_path, url=server.url, auth=auth, **PAGED).rows) == 7
    assert len(issuer.given) == 3
    assert issuer.given[0]["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = jwt.decode(
        issuer.given[0]["assertion"], RSA_KEY.public_key(), algorithms=["RS256"], audience=server.url + "/token"
    )
    assert (claims["iss"], claims["scope"]) == (
        account["client_email"],
        "https://www.googleapis.com/auth/monitoring.read",
    )


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----", "private key cannot be read"),
        (CANARY, "not one"),
        ("gone.pem", "no file gone.pem"),
        ("../../etc/key.pem", "no file ../../etc/key.pem"),
        ("text.pem", "private key cannot be read"),
    ],
)
def test_keys_that_are_none_are_named_and_not_shown(written: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("hello")
    auth = {"style": "oauth2", "token_url": "http://127.0.0.1:9/token", "client_id": "c", "private_key": written}
    problem = failure("http", tmp_path, url="http://127.0.0.1:9/", auth=auth)
    assert words in problem.message
    assert problem.hint
    assert CANARY not in f"{problem.message} {problem.hint}"


def test_what_signing_needs_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    auth = {"style": "oauth2", "token_url": "http://127.0.0.1:9/token", "client_id": "c", "private_key": pem(EC_KEY)}
    problem = failure("http", HERE, url="http://127.0.0.1:9/", auth=auth)
    assert "pip install 'pyjwt[crypto]'" in str(problem.hint)


# -- sessions ---------------------------------------------------------------------------------------------------------


class Ledger:
    """A server with logins: a cookie, or a token, good for so many requests."""

    def __init__(self, uses: int = 1000, status: int = 401) -> None:
        self.uses, self.status = uses, status
        self.logins: list[bytes] = []
        self.left: dict[str, int] = {}
        self.left_open = 0

    def __call__(self, asked: Asked) -> Given:
        if asked.path == "/login":
            self.logins.append(asked.body)
            name = f"{CANARY}{len(self.logins)}"
            self.left[name] = self.uses
            self.left_open += 1
            return Given({"session": {"token": name}}, headers={"Set-Cookie": f"S={name}; HttpOnly"})
        mine = re.search(r"S=(\w[\w-]*)", asked.headers.get("Cookie", ""))
        name = mine[1] if mine else asked.headers.get("X-Session", "")
        if asked.path == "/logout":
            self.left_open -= name in self.left
            return Given(b"", 204)
        if self.left.get(name, 0) <= 0:
            return Given({"error": {"code": 301, "message": f"Invalid session {name}."}}, self.status)
        self.left[name] -= 1
        start = int(asked.params.get("offset", 0))
        return Given({"data": [{"id": n} for n in range(start, min(start + 2, 7))]})


def login(url: str, **more: Any) -> dict[str, Any]:
    return {
        "style": "session",
        "login_url": f"{url}/login",
        "logout_url": f"{url}/logout",
        "body": {"User": "ana", "Password": CANARY},
        **more,
    }


def test_a_session_is_opened_used_and_given_back() -> None:
    ledger = Ledger()
    with served(ledger) as server:
        assert len(pulled("http", HERE, url=server.url, auth=login(server.url), **PAGED).rows) == 7
    assert (json.loads(ledger.logins[0]), len(ledger.logins), ledger.left_open) == (
        {"User": "ana", "Password": CANARY},
        1,
        0,
    )


def test_a_session_that_runs_out_is_opened_again() -> None:
    ledger = Ledger(uses=3)
    with served(ledger) as server:
        found = pulled("http", HERE, url=server.url, auth=login(server.url), **PAGED)
    assert (found.column("id"), len(ledger.logins)) == (list(range(7)), 2)


@pytest.mark.parametrize("way", ["redirect", "page"])
def test_a_session_may_end_in_a_login_page(way: str) -> None:
    ledger = Ledger(uses=3)
    page = Given("<html>sign in</html>", headers={"Content-Type": "text/html"})

    def leads_to_login(asked: Asked) -> Given:
        given = page if asked.path == "/signin" else ledger(asked)
        if given.status != 401:
            return given
        return Given(b"", 302, {"Location": "/signin"}) if way == "redirect" else page

    with served(leads_to_login) as server:
        found = pulled("http", HERE, url=server.url, auth=login(server.url), **PAGED)
        assert (found.column("id"), len(ledger.logins)) == (list(range(7)), 2)
        ledger.uses = 0
        assert (
            "answers with a web page" in failure("http", HERE, url=server.url, auth=login(server.url), **PAGED).message
        )
    assert len(ledger.logins) == 3


def test_a_login_may_be_a_form_and_give_a_token() -> None:
    ledger = Ledger()
    with served(ledger) as server:
        auth = login(server.url, **{"as": "form", "token_at": "$.session.token", "header": "X-Session", "prefix": ""})
        assert len(pulled("http", HERE, url=server.url, auth=auth, **PAGED).rows) == 7
        assert parse_qs(ledger.logins[0].decode()) == {"User": ["ana"], "Password": [CANARY]}
        assert server.asked[1].headers["X-Session"] == f"{CANARY}1"
        assert (
            "no token at $.nowhere"
            in failure("http", HERE, url=server.url, auth={**auth, "token_at": "$.nowhere"}).message
        )


def test_a_session_is_given_back_also_after_a_failure_and_never_shown() -> None:
    ledger = Ledger(uses=0)
    with served(ledger) as server:
        problem = failure("http", HERE, url=server.url, auth=login(server.url), **PAGED)
    assert ledger.left_open == 0
    assert "Invalid session ***" in problem.message
    assert CANARY not in f"{problem.message} {problem.hint}"


# -- where it goes ----------------------------------------------------------------------------------------------------


AUTHS: dict[str, Callable[[str], dict[str, Any]]] = {
    "bearer": lambda _: {"style": "bearer", "token": CANARY},
    "basic": lambda _: {"style": "basic", "user": "ana", "password": CANARY},
    "header": lambda _: {"style": "key", "key": CANARY, "header": "X-Key"},
    "param": lambda _: {"style": "key", "key": CANARY, "param": "k"},
    "oauth2": client,
    "session": login,
    "oauth1": lambda _: {"style": "oauth1", "consumer_key": "c", "consumer_secret": CANARY, "token": f"{CANARY}-t", "token_secret": CANARY},
    "sigv4": lambda _: {"style": "sigv4", "access_key": f"{CANARY}-a", "secret_key": CANARY, "region": "r", "service": "s"},
}  # fmt: skip


@pytest.mark.parametrize("style", AUTHS)
@pytest.mark.parametrize("way", ["redirect", "link"])
def test_sign_in_never_leaves_the_host(style: str, way: str) -> None:
    with served(lambda _: Given([{"id": 2}])) as other:

        def leads_away(asked: Asked) -> Given:
            if asked.path == "/token":
                return Given({"access_token": CANARY})
            if asked.path == "/login":
                return Given({}, headers={"Set-Cookie": f"S={CANARY}"})
            if way == "redirect":
                return Given(b"", 302, {"Location": other.url + "/x"})
            return Given([{"id": 1}], headers={"Link": f'<{other.url}/x>; rel="next"'})

        with served(leads_away) as server:
            options = {
                "url": server.url.replace("127.0.0.1", "localhost"), "auth": AUTHS[style](server.url),
                "headers": {"X-Mine": CANARY}, "paging": {"style": "link"},
            }  # fmt: skip
            problem = failure("http", HERE, **options)
            assert "another host" in problem.message
            assert other.asked == []
            found = pulled("http", HERE, allow_hosts=["127.0.0.1"], **options)
    assert found.column("id") == ([2] if way == "redirect" else [1, 2])
    assert [CANARY in f"{asked.path} {asked.params} {asked.headers}" for asked in other.asked] == [False]
    assert not {"Authorization", "X-Key", "X-Mine", "Cookie"} & set(other.asked[0].headers)


@pytest.mark.parametrize("style", AUTHS)
def test_no_error_shows_a_secret_that_the_server_sends_back(style: str) -> None:
    def echo(asked: Asked) -> Given:
        if asked.path == "/token":
            return Given({"access_token": f"{CANARY}-token"})
        if asked.path == "/login":
            return Given({}, headers={"Set-Cookie": f"S={CANARY}-cookie"})
        said = f"{asked.headers.get('Authorization')} {asked.headers.get('Cookie')} {asked.params} {asked.headers.get('X-Key')}"
        return Given({"message": said, "note": CANARY}, 400 if "records" not in asked.path else 200)

    with served(echo) as server:
        for path in ("/x", "/records"):
            problem = failure("http", HERE, url=server.url + path, auth=AUTHS[style](server.url), records="$.data[*]")
            assert CANARY not in f"{problem.message} {problem.hint} {problem.place} {problem}"
