"""`python app.py`: the same as `scorecard serve`, with the demo organisation's data where metrics.yaml is the demo's."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scorecard.cli.main import execute, say_problems, split_options
from scorecard.cli.session import Session
from scorecard.ground.errors import ScorecardError


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
    folder = options.config.parent / "data"  # where the demo's metrics.yaml looks for its files
    try:
        clock = session.clock()
        session.say("Northwind Operations: making the demo's data")
        session.out.flush()
        demo.ensure(folder, clock.now())
        with demo.start_feed(clock=clock), demo.Ticker(folder, clock):
            return execute(session, line)
    except ScorecardError as error:
        say_problems(session, error)
        return 1
