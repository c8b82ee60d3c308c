"""The one Dash component: plain JS in ``component/``, no build step. It asks (``ask``), and draws what it is given (``page``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dash.development.base_component import Component

ASSETS = Path(__file__).parent / "component"
"""Scripts, styles and pictures that the browser loads; served by Dash as its assets."""

NOT_LOADED = r"^live-worker\.js$|\.py$"
"""Files of ``component/`` that no page loads as a script of its own (the worker is started by one)."""


class Page(Component):
    """``page``: the JSON of the page to draw. ``ask``: ``{"address", "number"}``, set by the browser when it wants one.

    ``children``: the chart of a metric's page, drawn by Dash inside ours.
    """

    _children_props: list[str] = []  # noqa: RUF012 - the form Dash reads
    _base_nodes = ["children"]  # noqa: RUF012
    _namespace = "scorecard_views"
    _type = "Page"
    _prop_names = ["children", "id", "page", "ask"]  # noqa: RUF012
    _valid_wildcard_attributes: list[str] = []  # noqa: RUF012
    available_properties = _prop_names
    available_wildcard_properties: list[str] = []  # noqa: RUF012

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)  # type: ignore[no-untyped-call]
