"""Server-sent events that carry the version and nothing else, with a cap on how many may be open."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Self

from flask import Blueprint, Response, request

from scorecard.ground.errors import Unavailable
from scorecard.web.access import viewer
from scorecard.web.answers import Denied
from scorecard.web.api.asked import Asked
from scorecard.web.doors import Doors

BEAT_SECONDS = 15.0
"""A stream that says nothing for longer is cut by proxies."""
LOOK_SECONDS = 1.0
"""How often a stream looks whether its reader is still there."""
RETRY_MILLISECONDS = 1000


class Streams:
    """All open streams. One thread waits for boards and wakes them all; ``stop`` ends them at once."""

    def __init__(self, doors: Doors, most: int = 200) -> None:
        self.most = most
        self._doors = doors
        self._turned = threading.Condition()
        self._open = 0
        self._version = -1
        self._stopped = False
        self._waiter: threading.Thread | None = None

    @property
    def open(self) -> int:
        """How many streams hold a slot."""
        return self._open

    def enter(self, gone: Callable[[], bool], allowed: Callable[[], bool]) -> Stream:
        """A new stream in a slot of its own; Denied (503) at once where none is left."""
        with self._turned:
            if self._stopped or self._open >= self.most:
                raise Denied(
                    503, f"all {self.most} event streams are taken", "ask /api/v1/version every two seconds instead"
                )
            self._open += 1
            if self._waiter is None:
                self._version = self._now()
                self._waiter = threading.Thread(target=self._wait_for_boards, name="streams", daemon=True)
                self._waiter.start()
        return Stream(self, gone, allowed)

    def leave(self) -> None:
        with self._turned:
            self._open -= 1

    def stop(self) -> None:
        """Ends every stream and lets no new one in."""
        with self._turned:
            self._stopped = True
            self._turned.notify_all()

    def next(self, seen: int, seconds: float) -> int | None:
        """The version once it differs from ``seen``, or ``seen`` after so many seconds; None when all must end."""
        with self._turned:
            self._turned.wait_for(lambda: self._stopped or self._version != seen, seconds)
            return None if self._stopped else self._version

    def _now(self) -> int:
        try:
            return self._doors.publisher.current().version
        except Unavailable:
            return 0

    def _wait_for_boards(self) -> None:
        while not self._stopped:
            version = self._doors.publisher.wait(self._version, LOOK_SECONDS)
            with self._turned:
                if version != self._version:
                    self._version = version
                    self._turned.notify_all()
                else:
                    # A publisher that is closed returns at once: then this pause is what keeps the loop calm.
                    self._turned.wait_for(lambda: self._stopped, 0.02)


class Stream:
    """An iterator and not a generator: ``close`` then frees the slot also when nothing was ever read from it."""

    def __init__(self, streams: Streams, gone: Callable[[], bool], allowed: Callable[[], bool]) -> None:
        self._streams, self._gone, self._allowed = streams, gone, allowed
        self._seen: int | None = None
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._seen is None:
            version = self._streams.next(-2, 0)
            return self._say(version, f"retry: {RETRY_MILLISECONDS}\n")
        silent = 0.0
        while silent < BEAT_SECONDS:
            version = self._streams.next(self._seen, LOOK_SECONDS)
            if version != self._seen or self._gone():
                return self._say(None if self._gone() else version)
            silent += LOOK_SECONDS
        if not self._allowed():
            raise StopIteration
        return b": still here\n\n"

    def _say(self, version: int | None, before: str = "") -> bytes:
        if version is None:
            raise StopIteration
        self._seen = version
        return f"{before}data: {json.dumps({'version': version})}\n\n".encode()

    def close(self) -> None:
        """Frees the slot; the server calls it however the answer ends."""
        if not self._closed:
            self._closed = True
            self._streams.leave()


def attach_events(api: Blueprint, streams: Streams) -> None:
    """``/events``."""

    @api.get("/events")
    def events() -> Response:
        Asked()
        if request.method == "HEAD":
            return Response(content_type="text/event-stream")
        gone = request.environ.get("waitress.client_disconnected", lambda: False)
        answer = Response(
            streams.enter(gone, viewer().check), content_type="text/event-stream", direct_passthrough=True
        )
        # Proxies must pass every event on at once, unchanged.
        answer.headers.update({"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"})
        return answer
