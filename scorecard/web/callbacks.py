"""The pages' one callback, and the Dash app that holds them: read the address, ask the board, hand to a page."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from html import escape
from typing import Any, Protocol, cast

import dash
import flask
from dash import Input, Output

from scorecard.board.board import Board
from scorecard.ground.clock import Clock, FixedClock
from scorecard.ground.errors import Unavailable
from scorecard.refresh.pulse import Pulse, Warned
from scorecard.views.address import Address
from scorecard.views.charts import chart
from scorecard.views.element import ASSETS, NOT_LOADED, Page
from scorecard.views.shell import Drawn, Frame, broken_page, opening_page, page_for, refused_page
from scorecard.views.theme import Theme
from scorecard.views.wording import milliseconds

LOG = logging.getLogger(__name__)
KEPT_SECONDS = 2.0
KEPT_PAGES = 64

INDEX = """<!DOCTYPE html>
<html lang="en"{theme}>
  <head>
    {metas}
    <title>{title}</title>
    <link rel="icon" type="image/svg+xml" href="{favicon}">
    {css}
  </head>
  <body>
    {app_entry}
    <noscript>The scorecard needs JavaScript.</noscript>
    <script id="first-page" type="application/json">{page}</script>
    <footer>{config}{scripts}{renderer}</footer>
  </body>
</html>"""


class Boards(Protocol):
    """Where the current board is to be had; Unavailable while there is none."""

    def current(self) -> Board: ...


class House(Protocol):
    """What pages are made of: the board, the clock, and how the schedule stands."""

    @property
    def publisher(self) -> Boards: ...

    @property
    def clock(self) -> Clock: ...

    def pulse(self) -> Pulse: ...

    def warned(self) -> tuple[Warned, ...]: ...


MayShow = Callable[[str], bool]
"""Whether whoever asks may see the page at a path (a wall link opens one panel and nothing else)."""


class Pages:
    """Addresses to pages, with the published board and the clock. A page is made once for all who ask in a moment."""

    def __init__(self, house: House, may_show: MayShow) -> None:
        self._house, self._boards, self._clock, self._may_show = house, house.publisher, house.clock, may_show
        self._build = _build()
        self._kept: dict[str, tuple[int, float, Drawn]] = {}

    def at(self, address: str) -> Drawn:
        """The page of an address as of now."""
        ticking = not isinstance(self._clock, FixedClock)
        frame = Frame(self._clock.now(), ticking, self._build, self._house.warned(), self._house.pulse)
        if not self._may_show(Address.read(address).path):
            return refused_page(address, frame)
        try:
            return self._made(self._boards.current(), address, frame)
        except Unavailable:
            return opening_page(address, frame)
        except Exception:  # our own fault: said on the page, with the traceback in the log, and all other pages stand
            LOG.exception("the page at %s could not be made", address)
            return broken_page(address, frame)

    def _made(self, board: Board, address: str, frame: Frame) -> Drawn:
        version, at, drawn = self._kept.get(address, (-1, 0.0, None))
        if drawn is not None and version == board.version and self._clock.steady() - at < KEPT_SECONDS:
            return replace(drawn, page={**drawn.page, "now": milliseconds(frame.now)})
        drawn = page_for(board, address, frame)
        if len(self._kept) >= KEPT_PAGES:
            self._kept.clear()
        self._kept[address] = (board.version, self._clock.steady(), drawn)
        return drawn

    def chart_of(self, drawn: Drawn, ask: Mapping[str, Any]) -> Any:
        """The chart that belongs to a page, in the theme and size of who asks; None where the page has none."""
        if not drawn.chart:
            return None
        metric = self._boards.current().book.metric(drawn.chart[0].metric)
        shown = drawn.page["shown_period"]
        theme: Theme = "dark" if ask.get("theme") == "dark" else "light"
        return chart(
            metric, drawn.chart, shown, theme, narrow=ask.get("narrow") is True, scale=_scale(ask.get("scale"))
        )


class Site(dash.Dash):
    """Dash whose index carries the first page, its title and theme, and answers 404 where nothing stands."""

    pages: Pages

    def index(self, *_: Any, **__: Any) -> flask.Response:
        flask.g.drawn = self.pages.at(flask.request.full_path.rstrip("?"))
        document = super().index()  # type: ignore[no-untyped-call]
        return flask.Response(document, 200 if flask.g.drawn.found else 404, mimetype="text/html")

    def interpolate_index(self, **parts: Any) -> str:  # type: ignore[override]  # Dash calls it with these keywords only
        page = flask.g.drawn.page
        theme = page["theme"] or page["body"].get("theme")
        return INDEX.format(
            **{key: parts[key] for key in ("metas", "css", "app_entry", "config", "scripts", "renderer")},
            theme=f' data-theme="{theme}"' if theme in ("light", "dark") else "",
            title=escape(page["tab"]),
            favicon=self.get_asset_url("favicon.svg"),
            page=json.dumps(page, separators=(",", ":")).replace("<", "\\u003c"),
        )


def attach_pages(server: flask.Flask, house: House, may_show: MayShow = lambda _: True) -> dash.Dash:
    """Puts the pages on a server: index, assets and the one callback. The app's ``csp_hashes()`` belong into the headers.

    ``may_show`` is asked with a path, within the request, before anything of a page is made.
    """
    app = Site(
        __name__,
        server=cast(Any, server),  # Dash declares less than it takes
        assets_folder=str(ASSETS),
        assets_ignore=NOT_LOADED,
        title="Scorecard",
        update_title="",
        use_pages=False,
        add_log_handler=False,
        meta_tags=[
            {"name": "viewport", "content": "width=device-width, initial-scale=1"},
            {"name": "color-scheme", "content": "light dark"},
        ],
    )
    app.pages = pages = Pages(house, may_show)
    app.layout = Page(id="page")

    @app.callback(Output("page", "page"), Output("page", "children"), Input("page", "ask"), prevent_initial_call=True)
    def turn(ask: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        drawn = pages.at(str(ask["address"]))
        return {**drawn.page, "number": ask["number"]}, pages.chart_of(drawn, ask)

    return app


def _scale(asked: object) -> float:
    """How much larger than 16 px a browser's text is, within what a page grows to."""
    return min(max(float(asked), 0.5), 4.0) if isinstance(asked, int | float) else 1.0


def _build() -> str:
    """A name for the scripts and styles as they are, so that open pages notice another release."""
    digest = hashlib.sha256()
    for file in sorted(ASSETS.iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]
