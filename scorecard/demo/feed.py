"""A small HTTP feed, as a survey tool, a release log and web analytics would offer it: JSON, paged, ever moving."""

from __future__ import annotations

import http.client
import json
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from scorecard.demo.days import HOUR, first_day, local_day, moment
from scorecard.demo.support import tickets_of
from scorecard.demo.systems import deployments_of, traffic_of
from scorecard.demo.world import World, world_at
from scorecard.ground.clock import Clock, SystemClock
from scorecard.ground.errors import Problem, Unavailable

NAME = "northwind"
FEED_PORT = 8051
FEED_URL = f"http://127.0.0.1:{FEED_PORT}"
"""Where metrics.yaml looks for it."""
PAGE_ROWS = 2000
Row = dict[str, object]


class QueryError(ValueError):
    """A query that the feed does not understand; the text says why."""


@dataclass(slots=True)
class Surveys:
    """All answered surveys up to a day, by the moment of the answer. Grows; safe to ask from several threads."""

    world: World
    next_day: date
    rows: list[tuple[int, int, str, int]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def between(self, since: int, until: int, today: date) -> list[Row]:
        with self.lock:
            while self.next_day <= today:
                self.rows.extend(
                    (t.answered, t.number, t.team, t.score) for t in tickets_of(self.world, self.next_day) if t.score
                )
                self.next_day += timedelta(days=1)
                if self.next_day > today:
                    self.rows.sort()
            found = self.rows[bisect_left(self.rows, (since,)) : bisect_left(self.rows, (until + 1,))]
        return [
            {
                "survey_id": f"S{number}",
                "ticket_id": f"T{number}",
                "team": team,
                "score": score,
                "answered_at": moment(answered),
            }
            for answered, number, team, score in found
        ]


class Streams:
    """What can be asked: surveys, deployments and traffic, from ``first`` to the clock's now."""

    def __init__(self, seed: int, clock: Clock) -> None:
        now = clock.now()
        self.seed = seed
        self.clock = clock
        self.first = first_day(now)
        self.world = world_at(now, seed)
        self._surveys = Surveys(self.world, self.first)
        self.streams: dict[str, Callable[[int, int], list[Row]]] = {
            "surveys": self._answered,
            "deployments": self._deployed,
            "traffic": self._visited,
        }

    def _answered(self, since: int, until: int) -> list[Row]:
        return self._surveys.between(since, until, _day(until))

    def _deployed(self, since: int, until: int) -> list[Row]:
        rows: list[tuple[int, Row]] = []
        for day in self._days(since - 24 * HOUR, until):
            for each in deployments_of(self.world, day):
                if each.finished > until or each.updated(until) < since:
                    continue
                row: Row = {
                    "deployment_id": each.number,
                    "service": each.service,
                    "committed_at": moment(each.committed),
                    "finished_at": moment(each.finished),
                    "failed": each.seen_failing(until),
                    "recovered_at": moment(each.recovered) if 0 < each.recovered <= until else None,
                    "updated_at": moment(each.updated(until)),
                }
                rows.append((each.updated(until), row))
        return [row for _, row in sorted(rows, key=lambda pair: pair[0])]

    def _visited(self, since: int, until: int) -> list[Row]:
        """One row an hour; that of the running hour grows until it is over. ``seen_at``: the last second counted."""
        rows: list[Row] = []
        for day in self._days(since, until):
            for hour in traffic_of(self.world, day):
                seen = min(hour.start + HOUR - 1, until)
                if hour.start > until or seen < since:
                    continue
                share = (seen - hour.start + 1) / HOUR
                rows.append(
                    {
                        "hour": moment(hour.start),
                        "visits": int(hour.visits * share),
                        "requests": int(hour.requests * share),
                        "errors": int(hour.errors * share),
                        "seen_at": moment(seen),
                    }
                )
        return rows

    def _days(self, since: int, until: int) -> Iterator[date]:
        day = max(self.first, _day(max(since, 0)))
        while day <= _day(until):
            yield day
            day += timedelta(days=1)

    def page(self, stream: str, query: dict[str, str]) -> dict[str, object]:
        """One page. ``cursor`` keeps the window of its first page, so that rows that arrive meanwhile move nothing."""
        since, until, offset = self._window(query)
        limit = _whole_number(query.get("limit", str(PAGE_ROWS)), "limit", 1, 10_000)
        rows = self.streams[stream](since, until)
        following = f"{since}.{until}.{offset + limit}" if offset + limit < len(rows) else None
        return {"data": rows[offset : offset + limit], "meta": {"next": following, "total": len(rows)}}

    def _window(self, query: dict[str, str]) -> tuple[int, int, int]:
        now = int(self.clock.now().timestamp())
        if query.get("cursor"):
            parts = query["cursor"].split(".")
            if len(parts) != 3 or not all(part.isdecimal() and len(part) < 12 for part in parts):
                raise QueryError("cursor must be one that an earlier page gave")
            since, until, offset = (int(part) for part in parts)
            return since, min(until, now), offset
        since_text = query.get("since", "")
        if not since_text:
            return 0, now, 0
        try:
            since_moment = datetime.fromisoformat(since_text.replace(" ", "+"))
        except ValueError as error:
            raise QueryError("since must be an ISO 8601 moment such as 2026-09-28T08:00:00Z") from error
        if since_moment.tzinfo is None:
            since_moment = since_moment.replace(tzinfo=UTC)
        return max(0, int(since_moment.timestamp())), now, 0


def _day(seconds: int) -> date:
    return local_day(datetime.fromtimestamp(seconds, UTC))


def _whole_number(text: str, name: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or not low <= int(text) <= high:
        raise QueryError(f"{name} must be a whole number from {low} to {high}")
    return int(text)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, streams: Streams) -> None:
        self.streams = streams
        super().__init__(("127.0.0.1", port), Handler)


class Handler(BaseHTTPRequestHandler):
    """GET only. Headers and body leave in one packet: two cost 40 ms a page (Nagle's algorithm)."""

    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    timeout = 60

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        streams = self.server.streams
        stream = address.path.strip("/")
        if not stream:
            self._answer(200, {"feed": NAME, "seed": streams.seed, "now": moment(int(streams.clock.now().timestamp()))})
        elif stream not in streams.streams:
            self._answer(404, {"error": f"there is no '{stream}' here; there are {', '.join(streams.streams)}"})
        else:
            query = {name: values[-1] for name, values in parse_qs(address.query).items()}
            try:
                self._answer(200, streams.page(stream, query))
            except QueryError as error:
                self._answer(400, {"error": str(error)})

    def _answer(self, code: int, content: dict[str, object]) -> None:
        body = json.dumps(content, separators=(",", ":")).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the method it overrides
        """Silent: a demo that is asked every five seconds would fill the terminal."""


class Feed:
    """A feed that runs; ``owned`` is false where another process already served it on the port."""

    def __init__(self, port: int, server: Server | None) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._server = server
        self._thread: threading.Thread | None = None
        if server is not None:
            self._thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="demo-feed", daemon=True)
            self._thread.start()

    @property
    def owned(self) -> bool:
        return self._server is not None

    def stop(self) -> None:
        """Frees the port, if it was this process that held it."""
        server, self._server = self._server, None
        if server is not None and self._thread is not None:
            server.shutdown()
            server.server_close()
            self._thread.join(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_feed(port: int = FEED_PORT, seed: int = 7, clock: Clock | None = None) -> Feed:
    """Serve the feed on 127.0.0.1; port 0 takes a free one. A feed of ours that is there already is used as it is.

    Unavailable: another program has the port, or a feed of another seed or clock.
    """
    clock = clock or SystemClock()
    try:
        server = Server(port, Streams(seed, clock))
    except OSError as error:
        problem = _why_not_ours(port, seed, clock)
        if problem is None:
            return Feed(port, None)
        raise Unavailable(problem) from error
    return Feed(server.server_address[1], server)


def _why_not_ours(port: int, seed: int, clock: Clock) -> Problem | None:
    """None if the port serves the same feed."""
    hint = "stop that program; the demo's addresses in metrics.yaml name this port"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        about = json.loads(connection.getresponse().read(10_000))
        feed, its_seed, its_now = about["feed"], about["seed"], datetime.fromisoformat(about["now"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return Problem(
            f"port {port} on 127.0.0.1, where the demo's feed should run, is taken by another program", hint=hint
        )
    finally:
        connection.close()
    if feed != NAME or its_seed != seed:
        return Problem(f"port {port} on 127.0.0.1 serves another feed ('{feed}', seed {its_seed})", hint=hint)
    if abs((its_now - clock.now()).total_seconds()) > 120:
        return Problem(f"the demo's feed on port {port} runs on another clock: it is {about['now']} there", hint=hint)
    return None
