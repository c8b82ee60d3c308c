"""Event streams: the version within a second, a cap that keeps pages fast, slots that come back, and quick stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest
import requests

from scorecard.ground.errors import Unavailable
from scorecard.web import push
from scorecard.web.listen import Listener, bind
from tests.web_house import House, Site, served


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    house = House(tmp_path)
    house.publish()
    with served(house, threads=24, most_streams=12) as opened:
        yield opened


class Reader:
    """A bare reader of one stream."""

    def __init__(self, port: int, headers: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n".encode())
        self.heard = ""

    def until(self, words: str, seconds: float = 5.0) -> str:
        """Reads on until it has heard that, or the stream has ended."""
        self.socket.settimeout(seconds)
        while words not in self.heard:
            more = self.socket.recv(65536)
            if not more:
                break
            self.heard += more.decode()
        return self.heard

    @property
    def status(self) -> int:
        return int(self.until("\r\n").split()[1])

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def eventually(site: Site, count: int, seconds: float = 5.0) -> int:
    """How many streams are open, once that is ``count`` or the time is over."""
    streams = site.streams
    end = time.monotonic() + seconds
    while streams.open != count and time.monotonic() < end:
        time.sleep(0.02)
    return streams.open


def test_the_version_comes_at_once_and_with_every_board(site: Site) -> None:
    with Reader(site.listener.port) as reader:
        said = reader.until('data: {"version": 1}\n\n')
        head, _, body = said.partition("\r\n\r\n")
        assert "content-type: text/event-stream" in head.lower()
        assert "x-accel-buffering: no" in head.lower()
        assert "retry: 1000\n" in body
        for version in (2, 3):
            started = time.monotonic()
            site.house.publish()
            assert f'data: {{"version": {version}}}\n\n' in reader.until(f'"version": {version}')
            assert time.monotonic() - started < 1.0


def test_nothing_but_the_version_is_ever_sent(site: Site) -> None:
    with Reader(site.listener.port) as reader:
        reader.until("version")
        site.house.publish()
        body = reader.until('"version": 2').partition("\r\n\r\n")[2]
    lines = [line for line in body.replace("\r\n", "\n").split("\n") if line and not line.isalnum()]
    assert set(lines) == {"retry: 1000", 'data: {"version": 1}', 'data: {"version": 2}'}


def test_a_quiet_stream_says_that_it_lives(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert push.BEAT_SECONDS == 15
    monkeypatch.setattr(push, "BEAT_SECONDS", 1.0)
    with Reader(site.listener.port) as reader:
        assert ": still here\n\n" in reader.until("still here")


def test_a_slot_comes_back_when_its_reader_goes(site: Site) -> None:
    readers = [Reader(site.listener.port) for _ in range(12)]
    assert [reader.status for reader in readers] == [200] * 12
    with Reader(site.listener.port) as late:
        assert late.status == 503
        assert '"code":"unavailable"' in late.until("}}")
    assert eventually(site, 12) == 12
    for reader in readers:
        reader.close()
    assert eventually(site, 0) == 0  # within a second or two, and not only when something is published
    with Reader(site.listener.port) as again:
        assert again.status == 200


def test_a_reader_that_resets_its_connection_frees_its_slot(site: Site) -> None:
    reader = Reader(site.listener.port)
    assert reader.status == 200
    reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    reader.close()
    assert eventually(site, 0) == 0


def test_a_head_request_takes_no_slot(site: Site) -> None:
    assert requests.head(site.url + "/api/v1/events", timeout=5).status_code == 200
    assert site.streams.open == 0


@pytest.mark.slow
def test_of_300_streams_200_are_served_and_pages_stay_fast(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.publish()
    with served(house, threads=256, most_streams=200) as site, ExitStack() as open_:
        readers = [open_.enter_context(Reader(site.listener.port)) for _ in range(300)]
        answers = [reader.status for reader in readers]
        assert (answers.count(200), answers.count(503)) == (200, 100)
        seconds = []
        for number in range(40):
            if number % 8 == 0:
                house.publish()
            started = time.monotonic()
            assert site.get("/").status_code == 200
            seconds.append(time.monotonic() - started)
        assert sorted(seconds)[37] < 1.0, sorted(seconds)
        last = house.publish()
        for reader, answer in zip(readers, answers, strict=True):
            if answer == 200:
                assert f'"version": {last}' in reader.until(f'"version": {last}')
        assert site.streams.open == 200
        started = time.monotonic()
        site.listener.stop(5)
        assert time.monotonic() - started < 1.0


SERVE = """
import sys, threading
from pathlib import Path
from scorecard.web.server import build, serve_until_stopped
from tests.web_house import House

house = House(Path(sys.argv[1]))
house.publish()
closed = []
serve_until_stopped(build(house), "127.0.0.1", 0, lambda address: print(address, flush=True), lambda: closed.append(1))
print("stopped", closed, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_it_cleanly_within_a_second(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        readers = [Reader(port) for _ in range(20)]
        assert {reader.status for reader in readers} == {200}
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        started = time.monotonic()
        os.kill(process.pid, number)
        assert readers[0].until("0\r\n\r\n").endswith("0\r\n\r\n")  # told that it ends, not cut off
        told = time.monotonic() - started
        out, err = process.communicate(timeout=10)
        took = time.monotonic() - started
        for each in (*(reader.socket for reader in readers), *silent):
            each.close()
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out.strip(), err) == (0, "stopped [1]", "")
    assert told < 1.0, told
    assert took < 4.0, took  # the interpreter's own farewell included, on a machine that runs other tests


def test_a_slow_answer_does_not_hold_up_a_stop(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.house, "explain", lambda *_: time.sleep(2))
    slow = socket.create_connection(("127.0.0.1", site.listener.port))
    slow.sendall(b"GET /api/v1/metrics/solved/explain HTTP/1.1\r\nHost: localhost\r\n\r\n")
    time.sleep(0.2)
    started = time.monotonic()
    site.listener.stop(5)
    assert time.monotonic() - started < 1.0
    slow.close()
    while any(thread.name == "late-close" for thread in threading.enumerate()):
        time.sleep(0.1)


def test_a_port_in_use_is_said_and_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Unavailable) as failure:
            bind("127.0.0.1", port)
    (problem,) = failure.value.problems
    assert problem.message == f"port {port} on 127.0.0.1 is taken by another program"
    assert f"--port {port + 1}" in str(problem.hint)
    for host in ("no.such.host.invalid", "192.0.2.1"):
        with pytest.raises(Unavailable, match="no address of this machine"):
            bind(host, 0)


def test_the_address_it_says_can_be_opened(site: Site) -> None:
    assert site.url == f"http://127.0.0.1:{site.listener.port}"
    for host in ("0.0.0.0", "localhost"):  # noqa: S104 - for a moment, and only to ask how it is called
        listener = Listener(requests_app, host, 0, threads=1)  # type: ignore[arg-type]  # any WSGI application will do
        assert listener.url.startswith(("http://127.0.0.1:", "http://localhost:"))
        listener._end()


def requests_app(_: object, __: object) -> list[bytes]:
    return []
