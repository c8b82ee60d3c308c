"""`python app.py`: the same as `scorecard serve`, with the demo organisation's data where metrics.yaml is the demo's."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scorecard.cli.main import execute, split_options
from scorecard.cli.session import Session


def serve_demo(arguments: Sequence[str] | None = None) -> int:
    """Makes the demo's data if it is not there, starts its feed, and serves; the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options, _ = split_options(words)
    session = Session(options=options)
    line = ["serve", *words]
    if not options.config.is_file():
        return execute(session, line)
    from scorecard import demo

    if demo.FEED_URL not in options.config.read_text(encoding="utf-8", errors="replace"):
        return execute(session, line)
    clock = session.clock()
    print("Northwind Operations: making the demo's data", flush=True)
    demo.ensure(options.data, clock.now())
    feed = demo.start_feed(clock=clock)
    ticker = demo.Ticker(options.data, clock)
    ticker.start()
    try:
        return execute(session, line)
    finally:
        ticker.stop()
        feed.stop()
