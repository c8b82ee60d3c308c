"""HTTP sources over real sockets: all pages or none, whatever the server does."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.contract import Cursor
from connectors.http.peers import ForbiddenAddressError, Peers
from tests.pulls import Pulled, failure, pulled
from tests.slow_servers import Asked, Given, Server, served

HERE = Path(__file__).parent
PEOPLE = [{"id": n} for n in range(1, 26)]


def rows_of(answer: Callable[[Asked], Given], path: str = "/", **given: Any) -> tuple[Pulled, Server]:
    with served(answer) as server:
        return pulled("http", HERE, url=server.url + path, **given), server


def problem_of(answer: Callable[[Asked], Given], path: str = "/", **given: Any) -> Any:
    with served(answer) as server:
        return failure("http", HERE, url=server.url + path, **given)


def always(body: Any = b"", **given: Any) -> Callable[[Asked], Given]:
    return lambda _: Given(body, **given)


# -- bodies -----------------------------------------------------------------------------------------------------------


def test_records_are_flattened_and_values_stay_exact() -> None:
    data = [
        {
            "ID": 1,
            "Owner": {"Full Name": "Ana", "address": {"city": "Rom"}},
            "tags": ["a", {"b": None}],
            "ok": True,
            "share": 0.1,
        },
        {"ID": 2, "Owner": {"Full Name": None}, "big": 2**70, "share": 3, "odd": "x"},
        {"ID": 9007199254740993, "share": None, "odd": 1, "big": 1},
    ]
    found, _ = rows_of(always({"data": data}), records="$.data[*]")
    assert found.rows[0] == {
        "id": 1, "owner_full_name": "Ana", "owner_address_city": "Rom", "tags": '["a", {"b": null}]', "ok": True,
        "share": 0.1, "big": None, "odd": None,
    }  # fmt: skip
    assert found.column("id") == [1, 2, 9007199254740993]
    assert found.column("big") == [None, Decimal(2**70), Decimal(1)]
    assert found.column("share") == [0.1, 3.0, None]
    assert found.column("odd") == [None, "x", "1"]
    assert found.lines == [1, 2, 3]


@pytest.mark.parametrize(
    ("document", "path", "ids"),
    [
        ([{"id": 1}], None, [1]),
        ({"items": [{"id": 1}, {"id": 2}], "page": 1}, None, [1, 2]),
        ({"a": {"b c": [[{"id": 1}], [{"id": 2}]]}}, "$.a['b c'][*][*]", [1, 2]),
        ({"a": [{"x": [{"id": 1}]}, {"x": [{"id": 2}, {"id": 3}]}]}, "$.a[*].x[*]", [1, 2, 3]),
        ({"a": [{"x": [{"id": 1}]}, {"x": [{"id": 2}]}]}, "$.a[1].x", [2]),
        ({"a": {"id": 7}}, "$.a", [7]),
        ({"a": {"k": {"id": 7}, "l": {"id": 8}}}, "$.a[*]", [7, 8]),
        ({"id": 5}, "$", [5]),
        ({"a": []}, "$.a[*]", []),
        ({"a": None}, "$.a[*]", []),
        ({"value": [{"id": 1}], "odd": []}, "value", [1]),
    ],
)  # fmt: skip
def test_where_the_records_are(document: Any, path: str | None, ids: list[int]) -> None:
    found, _ = rows_of(always(document), **({} if path is None else {"records": path}))
    assert [row["id"] for row in found.rows] == ids


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        ({"dta": []}, "$.data[*]", "'dta'"),
        ({"error": {"message": "no such report"}}, "$.data[*]", "no such report"),
        ({"data": "none"}, "$.data[*]", "a text"),
        ({"a": [{}], "b": [{}]}, None, "which part"),
        ({"error": "down"}, None, "down"),
        ([], "$.data[*", "not understood"),
        ([{"a b": 1, "a": {"b": 2}}], None, "both become the column 'a_b'"),
    ],
)  # fmt: skip
def test_records_that_are_not_there_are_named(document: Any, path: str | None, words: str) -> None:
    assert words in problem_of(always(document), **({} if path is None else {"records": path})).message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'[{"a": NaN}]', "NaN"),
        (b'[{"a": -Infinity}]', "Infinity"),
        (b'[{"a": 1e999}]', "too large"),
        (b'[{"a": 1, "a": 2}]', "twice"),
        (b"[" * 100_000 + b"]" * 100_000, "deep"),
        (b"[" * 150 + b"]" * 150, "deep"),
        (b'[{"a": 1}', "line 1"),
        (b'[{"a": "\xff"}]', "utf-8"),
        (b"[" + b"9" * 5000 + b"]", "JSON that is broken"),
        (b"", "nothing"),
    ],
)  # fmt: skip
def test_json_that_is_none_is_refused(body: bytes, words: str) -> None:
    assert words in problem_of(always(body)).message


def test_half_characters_do_not_break_a_pull() -> None:
    assert rows_of(always(b'[{"a": "x\\ud800y", "b": "\\ud83d\\ude00"}]'))[0].rows == [
        {"a": "x\ufffdy", "b": "\U0001f600"}
    ]


def test_ndjson_puts_broken_lines_aside() -> None:
    body = b'{"a": 1}\n\n{"a": \n{"a": NaN}\n[1]\n{"a": 2}'
    found, _ = rows_of(always(body, headers={"Content-Type": "application/x-ndjson"}))
    assert found.column("a") == [1, 2]
    assert [r.line for r in found.rejected] == [2, 3, 4]
    assert rows_of(always(body), format="ndjson")[0].rows == found.rows


def test_a_csv_answer_is_read_like_a_file() -> None:
    answer = always(b"Ticket ID;x\n1;a\n2\n", headers={"Content-Type": "text/csv; charset=utf-8"})
    found, server = rows_of(answer, "/export?token=s3cr3t-value")
    assert found.rows == [{"ticket_id": "1", "x": "a"}]
    assert [(r.line, r.file) for r in found.rejected] == [(3, f"{server.url}/export?token=***")]
    with served(answer) as server:
        assert pulled("csv", HERE, path=server.url + "/export").rows == found.rows
        assert pulled("csv", HERE, path=server.url + "/export", csv={"delimiter": ";"}).rows == found.rows


def test_an_empty_csv_answer_keeps_its_columns() -> None:
    found, _ = rows_of(always(b"a,b\n\n", headers={"Content-Type": "text/csv"}))
    assert (found.rows, list(found.types)) == ([], ["a", "b"])


@pytest.mark.parametrize(
    "given",
    [
        Given(b"<html><body>Sign in</body></html>", headers={"Content-Type": "text/html"}),
        Given(b" \n<!doctype html>", headers={"Content-Type": "application/json"}),
        Given(b"[]", headers={"Content-Type": "text/html; charset=utf-8"}),
    ],
)
def test_a_web_page_is_not_data(given: Given) -> None:
    assert "web page" in problem_of(lambda _: given).message


# -- what is asked ----------------------------------------------------------------------------------------------------


MOMENT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "written", "expected"),
    [
        (MOMENT, None, "2026-03-01T12:30:15.250000Z"),
        (MOMENT, "iso", "2026-03-01T12:30:15.250000Z"),
        (MOMENT, "epoch_s", "1772368215"),
        (MOMENT, "epoch_ms", "1772368215250"),
        (MOMENT, "%d/%m/%Y", "01/03/2026"),
        (date(2026, 3, 1), None, "2026-03-01"),
        (date(2026, 3, 1), "epoch_s", "1772323200"),
        (17, None, "17"),
        ("abc", None, "abc"),
    ],
)  # fmt: skip
def test_the_cursor_is_written_as_declared(value: Any, written: str | None, expected: str) -> None:
    cursor = Cursor("updated_at", value, written)
    _, server = rows_of(
        always([]), "/since/:cursor", params={"since": ":cursor", "q": "updated>:cursor", "n": 5}, cursor=cursor
    )
    assert server.asked[0].params == {"since": expected, "q": f"updated>{expected}", "n": "5"}
    assert expected.replace("/", "%2F").replace(":", "%3A") in server.asked[0].path


def test_post_sends_a_body_with_the_cursor() -> None:
    body = {"q": "since :cursor", "full": True, "n": None}
    _, server = rows_of(always([]), method="POST", body=body, cursor=Cursor("u", 5), headers={"Prefer": "transient"})
    assert (server.asked[0].method, json.loads(server.asked[0].body)) == (
        "POST",
        {"q": "since 5", "full": True, "n": None},
    )
    assert server.asked[0].headers["Prefer"] == "transient"


def test_a_cursor_that_nobody_declared_is_refused() -> None:
    assert "declares no cursor" in problem_of(always([]), params={"since": ":cursor"}).message


@pytest.mark.parametrize(
    ("auth", "header", "param"),
    [
        ({"style": "bearer", "token": "t0ps3cret"}, ("Authorization", "Bearer t0ps3cret"), None),
        ({"style": "bearer", "token": "t0ps3cret", "prefix": "Token"}, ("Authorization", "Token t0ps3cret"), None),
        ({"style": "basic", "user": "ana", "password": "t0ps3cret"}, ("Authorization", "Basic YW5hOnQwcHMzY3JldA=="), None),
        ({"style": "key", "key": "t0ps3cret", "header": "X-Key"}, ("X-Key", "t0ps3cret"), None),
        ({"style": "key", "key": "t0ps3cret", "param": "api_key"}, None, ("api_key", "t0ps3cret")),
        ({"style": "key", "key": "t0ps3cret", "name": "k", "in": "query"}, None, ("k", "t0ps3cret")),
    ],
)  # fmt: skip
def test_sign_in_goes_along_and_is_never_shown(auth: dict[str, str], header: Any, param: Any) -> None:
    _, server = rows_of(always([]), auth=auth)
    assert header is None or server.asked[0].headers[header[0]] == header[1]
    assert param is None or server.asked[0].params[param[0]] == param[1]
    echo = lambda asked: Given({"message": f"{asked.headers} {asked.params}"}, 401)  # noqa: E731
    found = problem_of(echo, "/x?signature=abcdefgh", auth=auth)
    assert "t0ps3cret" not in found.message + str(found.hint)
    assert "YW5hOnQwcHMzY3JldA" not in found.message
    assert "abcdefgh" not in found.message.split(":", 3)[1]


# -- pages ------------------------------------------------------------------------------------------------------------


def by_page(asked: Asked) -> Given:
    number, size = int(asked.params["page"]), int(asked.params.get("per_page", 10))
    return Given(
        {
            "data": PEOPLE[(number - 1) * size : number * size],
            "pages": -(-len(PEOPLE) // size),
            "has_more": number * size < len(PEOPLE),
        }
    )


def by_offset(asked: Asked) -> Given:
    start, size = int(asked.params["offset"]), min(int(asked.params.get("limit", 10)), 10)
    return Given({"data": PEOPLE[start : start + size], "total": len(PEOPLE)})


def by_cursor(asked: Asked) -> Given:
    start = int(asked.params.get("after", 0))
    following = start + 10 if start + 10 < len(PEOPLE) else None
    return Given({"data": PEOPLE[start : start + 10], "meta": {"next": following}})


def by_link(asked: Asked) -> Given:
    start = int(asked.params.get("from", 0))
    link = f'</p?from={start + 10}>; rel="next", </p>; rel="first"' if start + 10 < len(PEOPLE) else '</p>; rel="first"'
    return Given({"data": PEOPLE[start : start + 10]}, headers={"Link": link})


def by_odata(asked: Asked) -> Given:
    start = int(asked.params.get("$skip", 0))
    more = {"@odata.nextLink": f"p?$skip={start + 10}"} if start + 10 < len(PEOPLE) else {}
    return Given({"value": PEOPLE[start : start + 10], **more})


@pytest.mark.parametrize(
    ("answer", "paging", "asked"),
    [
        (by_page, {"style": "page"}, 3),
        (by_page, {"style": "page", "size": 5, "total": "$.pages"}, 5),
        (by_page, {"style": "page", "size": 5, "more": "$.has_more"}, 5),
        (by_page, {"style": "page", "size": 25}, 2),
        (by_offset, {"style": "offset"}, 3),
        (by_offset, {"style": "offset", "size": 100}, 3),  # the server caps at 10: its short first page is not the last
        (by_offset, {"style": "offset", "limit": 5, "total": "$.total"}, 5),
        (by_cursor, {"style": "cursor", "next": "$.meta.next", "param": "after"}, 3),
        (by_link, {"style": "link"}, 3),
    ],
)  # fmt: skip
def test_every_page_is_read_once(answer: Callable[[Asked], Given], paging: dict[str, Any], asked: int) -> None:
    found, server = rows_of(answer, "/p", records="$.data[*]", paging=paging)
    assert sorted(row["id"] for row in found.rows) == list(range(1, 26))
    assert len(server.asked) == asked


def test_odata_needs_no_records() -> None:
    found, server = rows_of(by_odata, "/odata/p", paging={"style": "odata"})
    assert (len(found.rows), len(server.asked)) == (25, 3)


def test_a_failing_page_sends_nothing() -> None:
    def third_fails(asked: Asked) -> Given:
        return Given({"message": "broken"}, 500) if asked.params["page"] == "3" else by_page(asked)

    with served(third_fails) as server:
        found = failure("http", HERE, url=server.url, records="$.data[*]", paging={"style": "page"}, seconds=2.0)
    assert (found.retry, "broken" in found.message) == (True, True)


def test_a_short_wait_in_the_middle_is_waited() -> None:
    refused: list[str] = []

    def busy_once(asked: Asked) -> Given:
        if asked.params["page"] == "2" and not refused:
            refused.append("2")
            return Given({}, 429, {"Retry-After": "0"})
        return by_page(asked)

    assert len(rows_of(busy_once, records="$.data[*]", paging={"style": "page"})[0].rows) == 25


def test_a_404_behind_the_last_page_is_its_end() -> None:
    def strict(asked: Asked) -> Given:
        return Given(PEOPLE[:10]) if asked.params["page"] == "1" else Given({"message": "no such page"}, 404)

    assert len(rows_of(strict, paging={"style": "page"})[0].rows) == 10


def test_circles_are_noticed() -> None:
    assert "same as an earlier one" in problem_of(always(PEOPLE), paging={"style": "page"}).message
    same = always({"data": PEOPLE, "next": "abc"})
    cursor = {"style": "cursor", "next": "$.next", "param": "after"}
    assert "page" in problem_of(same, records="$.data", paging=cursor).message
    numbers = iter(range(1000))

    def circling(_: Asked) -> Given:
        return Given({"data": [{"id": next(numbers)}], "next": "abc"})

    found = problem_of(circling, records="$.data", paging=cursor)
    assert "asked for already" in found.message

    def endless(asked: Asked) -> Given:
        return Given([{"id": int(asked.params["page"])}])

    assert "more than 5 pages" in problem_of(endless, paging={"style": "page", "max_pages": 5}).message


def test_the_next_page_may_not_lead_elsewhere() -> None:
    found = problem_of(always(PEOPLE, headers={"Link": '<http://127.0.0.2/x>; rel="next"'}), paging={"style": "link"})
    assert "another host" in found.message


# -- trouble ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "retry", "after"),
    [
        (400, {}, False, None), (401, {}, False, None), (403, {}, False, None), (404, {}, False, None), (410, {}, False, None),
        (429, {"Retry-After": "7"}, True, 7.0), (429, {}, True, None), (500, {}, True, None),
        (503, {"Retry-After": "Mon, 28 Sep 2026 08:00:30 GMT", "Date": "Mon, 28 Sep 2026 08:00:00 GMT"}, True, 30.0),
        (503, {"Retry-After": "soon"}, True, None), (304, {}, False, None),
    ],
)  # fmt: skip
def test_statuses(status: int, headers: dict[str, str], retry: bool, after: float | None) -> None:
    found = problem_of(
        lambda _: Given({"message": "because of X"} if status != 304 else b"", status, headers), seconds=0.8
    )
    assert f"({status})" in found.message
    assert status == 304 or "because of X" in found.message
    assert found.hint
    assert (found.retry, found.after) == (retry, None if after is None else pytest.approx(after, abs=40))


def test_nobody_there() -> None:
    found = failure("http", HERE, url="http://127.0.0.1:9/x", seconds=0.8)
    assert (found.retry, "refused" in found.message) == (True, True)
    assert failure("http", HERE, url="http://no-such-host.invalid/x", seconds=0.8).retry
    assert not failure("http", HERE, url="ftp://example.com/x").retry


def test_addresses_of_the_machine_itself_are_not_asked() -> None:
    for peer, refused in (
        ("169.254.169.254", True),
        ("fe80::1%eth0", True),
        ("::ffff:169.254.1.1", True),
        ("127.0.0.1", False),
    ):

        class Reached:
            def getpeername(self, peer: str = peer) -> tuple[str, int]:
                return peer, 80

            def close(self) -> None:
                pass

        if refused:
            with pytest.raises(ForbiddenAddressError):
                Peers().admit(Reached())
        else:
            Peers().admit(Reached())


@pytest.mark.parametrize(
    ("host", "refused"),
    [("2130706433", True), ("0x7f.1", True), ("127.1", True), ("127.0.0.1", False), ("localhost", False), ("1.example", False)],
)  # fmt: skip
def test_an_address_in_disguise_is_refused(host: str, refused: bool) -> None:
    if refused:
        with pytest.raises(ForbiddenAddressError, match=r"a way of writing 127\.0\.0\.1: write that"):
            Peers(host).admit(Reached("127.0.0.1"), host)
    else:
        Peers(host).admit(Reached("127.0.0.1"), host)


class Reached:
    """A socket as far as its other end goes."""

    def __init__(self, peer: str) -> None:
        self.peer, self.closed = peer, False

    def getpeername(self) -> tuple[str, int]:
        return self.peer, 443

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    "written", ["2852039166", "0xa9fea9fe", "169.254.169.254.", "①⑥⑨.254.169.254", "169。254。169。254"]
)
def test_whatever_way_an_address_is_written_it_is_the_peer_that_counts(written: str) -> None:
    """Decimal, hexadecimal, with signs that a name's encoding turns into digits and dots: the socket says where it leads."""
    try:
        host = str(urlsplit(str(requests.Request("GET", f"http://{written}/latest").prepare().url)).hostname)
    except requests.exceptions.InvalidURL:
        assert not failure("http", HERE, url=f"http://{written}/latest", seconds=0.8).retry
        return
    (peer, *_), *_ = [found[4] for found in socket.getaddrinfo(host.rstrip("."), 80, type=socket.SOCK_STREAM)]
    assert peer == "169.254.169.254"
    with pytest.raises(ForbiddenAddressError):
        Peers(host).admit(Reached(str(peer)), host)


def test_a_name_that_turns_inwards_is_not_followed() -> None:
    peers = Peers("api.example.com")
    peers.admit(Reached("93.184.215.14"), "api.example.com")
    inwards = Reached("10.0.0.7")
    with pytest.raises(ForbiddenAddressError, match="a moment ago"):
        peers.admit(inwards, "api.example.com")
    assert inwards.closed
    with pytest.raises(ForbiddenAddressError, match="lead on to a private address"):
        peers.admit(Reached("127.0.0.1"), "files.example.com")
    peers.admit(Reached("93.184.215.15"), "files.example.com")
    at_home = Peers("erp.internal")
    at_home.admit(Reached("10.0.0.7"), "erp.internal")
    at_home.admit(Reached("10.0.0.8"), "files.internal")


def test_a_certificate_of_ones_own_is_trusted_where_the_source_names_it(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(datetime(2020, 1, 1)).not_valid_after(datetime(2090, 1, 1))  # noqa: DTZ001 (as X.509 has it)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    (tmp_path / "b1.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    secured = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    secured.load_cert_chain(tmp_path / "b1.pem", tmp_path / "key.pem")
    with served(always(PEOPLE), tls=secured) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        assert "certificate cannot be trusted" in failure("http", tmp_path, url=url, seconds=2.0).message
        assert len(pulled("http", tmp_path, url=url, ca="b1.pem").rows) == 25
        assert "outside" in failure("http", tmp_path / "..", url=url, ca="/etc/hostname").message


def test_an_answer_that_breaks_off_is_not_used() -> None:
    found = problem_of(always(b"[]", announced=1000), seconds=0.8)
    assert (found.retry, "broke off" in found.message) == (True, True)
    chunked = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n"
    assert "broke off" in problem_of(always(raw=chunked), seconds=0.8).message
    damaged = always(gzip.compress(b"[]")[:-9], headers={"Content-Encoding": "gzip"})
    assert "packed answer is damaged" in problem_of(damaged, seconds=0.8).message
    packed = gzip.compress(b'[{"id": 1},') + gzip.compress(b'{"id": 2}]')
    assert len(rows_of(always(packed, headers={"Content-Encoding": "gzip"}))[0].rows) == 2
    assert "packed as br" in problem_of(always(b"xx", headers={"Content-Encoding": "br"}), seconds=0.8).message


@pytest.mark.parametrize(
    "given",
    [
        Given(b"[" + b" " * 500, pause=0.05),
        Given(raw=b"HTTP/1.1 200 OK\r\n" + b"X-More: yes\r\n" * 100, pause=0.05),
    ],
)
def test_a_dripping_server_ends_at_the_deadline(given: Given) -> None:
    started = time.monotonic()
    found = problem_of(lambda _: given, seconds=0.5)
    assert time.monotonic() - started < 2.5
    assert "took longer than 0.5 s" in found.message
    assert found.retry


def test_a_body_beyond_the_limit_is_cut() -> None:
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    found = problem_of(always(bomb, headers={"Content-Encoding": "gzip"}), max_bytes=1_000_000)
    assert "more than 1,000,000 bytes" in found.message


def test_redirects_stay_on_the_host() -> None:
    def moved(asked: Asked) -> Given:
        if asked.path == "/old":
            return Given(b"", 301, {"Location": "/new"})
        return Given(b"", 302, {"Location": "http://127.0.0.2:1/x"}) if asked.path == "/away" else Given([{"id": 1}])

    found, server = rows_of(moved, "/old", auth={"style": "bearer", "token": "t0ps3cret"})
    assert len(found.rows) == 1
    assert server.asked[1].headers["Authorization"] == "Bearer t0ps3cret"
    assert "another host" in problem_of(moved, "/away").message
    assert (
        "redirects more than"
        in problem_of(lambda a: Given(b"", 302, {"Location": f"/{len(a.path)}" + "x" * len(a.path)})).message
    )


# -- unchanged --------------------------------------------------------------------------------------------------------


def test_not_modified_counts_the_rows_and_sends_none() -> None:
    def tagged(asked: Asked) -> Given:
        if asked.headers.get("If-None-Match") == '"v1"':
            return Given(b"", 304)
        return Given(PEOPLE, headers={"ETag": '"v1"', "Last-Modified": "Mon, 28 Sep 2026 08:00:00 GMT"})

    with served(tagged) as server:
        first = pulled("http", HERE, url=server.url)
        again = pulled("http", HERE, url=server.url, state=first.state)
        other = pulled("http", HERE, url=server.url, params={"x": 1}, state=again.state)
    assert (len(first.rows), again.rows, again.unchanged, again.types) == (25, [], 25, {})
    assert again.state == first.state
    assert len(other.rows) == 25  # another request: what was remembered says nothing about it


def test_several_pages_are_never_called_unchanged() -> None:
    def tagged(asked: Asked) -> Given:
        given = by_link(asked)
        given.headers["ETag"] = '"v1"'
        return given

    with served(tagged) as server:
        first = pulled("http", HERE, url=server.url + "/p", records="$.data", paging={"style": "link"})
        again = pulled(
            "http", HERE, url=server.url + "/p", records="$.data", paging={"style": "link"}, state=first.state
        )
    assert len(again.rows) == 25
    assert not any("If-None-Match" in asked.headers for asked in server.asked)


def test_no_content_is_no_rows() -> None:
    assert rows_of(always(b"", status=204))[0].rows == []
