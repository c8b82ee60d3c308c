"""The web server: every door put together, and waitress in one plain process to serve them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from flask import Blueprint, Flask

from scorecard.ground.errors import Unavailable
from scorecard.web.access import Gate, may_show
from scorecard.web.answers import answer_errors
from scorecard.web.api.command import attach_command
from scorecard.web.api.journal import attach_journal
from scorecard.web.api.loads import attach_loads
from scorecard.web.api.openapi import attach_openapi
from scorecard.web.api.operators import Tally, attach_operators
from scorecard.web.api.readings import attach_readings
from scorecard.web.api.sources import attach_sources
from scorecard.web.callbacks import attach_pages
from scorecard.web.doors import Doors
from scorecard.web.headers import add_headers
from scorecard.web.listen import Listener
from scorecard.web.push import Streams, attach_events

STREAMS = "scorecard_streams"


def build(doors: Doors, *, most_streams: int = 200) -> Flask:
    """The whole application, ready to be served. Refused where the settings make no sense."""
    server = Flask("scorecard", static_folder=None)
    streams, tally = Streams(doors, most_streams), Tally()
    server.extensions[STREAMS] = streams
    gate = Gate(doors, (*doors.settings.hosts, urlsplit(doors.settings.address).netloc))
    hashes: list[Callable[[], Sequence[str]]] = []
    # After-request functions run in reverse: counting sees the answer as it leaves.
    server.after_request(tally.count)
    add_headers(server, lambda: hashes[0]() if hashes else (), doors.settings.embed_from)
    gate.attach(server)
    answer_errors(server, lambda: _secrets(doors))

    api = Blueprint("api", __name__, url_prefix="/api/v1")
    attach_readings(api, doors)
    attach_sources(api, doors)
    attach_loads(api, doors)
    attach_journal(api, doors)
    attach_events(api, streams)
    attach_openapi(api)
    server.register_blueprint(api)
    attach_operators(server, doors, streams, tally)
    attach_command(server, doors)
    hashes.append(attach_pages(server, doors, may_show).csp_hashes)
    gate.know_programs(server)
    return server


def serve_until_stopped(
    server: Flask,
    host: str,
    port: int,
    on_ready: Callable[[str], None] = lambda _: None,
    on_stop: Callable[[], None] = lambda: None,
    *,
    threads: int = 256,
) -> None:
    """Serves until SIGTERM or SIGINT, then stops in well under a second, open streams included.

    ``on_ready`` gets the address once connections are taken; ``on_stop`` is called first when it stops, in another
    thread. Unavailable if the port is taken or not to be had.
    """
    listener = listen(server, host, port, threads=threads, on_stop=on_stop)
    listener.stop_on_signals()
    on_ready(listener.url)
    listener.run()


def listen(
    server: Flask, host: str, port: int, *, threads: int = 256, on_stop: Callable[[], None] = lambda: None
) -> Listener:
    """A listener that has its port and is not running yet; ``run`` blocks, ``stop`` may be called from any thread."""
    streams: Streams = server.extensions[STREAMS]

    def before_stop() -> None:
        streams.stop()
        on_stop()

    return Listener(server, host, port, threads=threads, before_stop=before_stop)


def _secrets(doors: Doors) -> tuple[str, ...]:
    try:
        return (*doors.publisher.current().book.secrets, doors.running_key)
    except Unavailable:
        return (doors.running_key,)
