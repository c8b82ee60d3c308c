"""The chart of a metric's page. The only place that knows Plotly; no other page loads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from dash import dcc

from scorecard.board.reading import Reading
from scorecard.book.model.metric import Metric
from scorecard.judgement.pace import Projection
from scorecard.judgement.status import Limit
from scorecard.views.theme import COLOURS, Theme, word
from scorecard.views.wording import limit_text, nothing_to_draw, range_text, unsaid, value_text

SYMBOLS = {"green": "circle", "amber": "triangle-up", "red": "square", "neutral": "diamond", "grey": "circle-open"}
PALE = 0.22
"""How much of a status's colour a mark that is not conclusive is filled with."""
STRIPE = 0.72
"""The stripe's size beside the mark's: its ends then meet the mark's edge."""
HOVER = "<b>%{customdata[0]}</b> %{customdata[1]}<br>target %{customdata[2]}%{customdata[3]}<extra></extra>"
FONT = "Inter, 'Segoe UI Variable Text', 'Segoe UI', -apple-system, 'Helvetica Neue', Arial, sans-serif"


SIZES = frozenset({"size", "width", "thickness", "itemwidth", "l", "r", "t", "b"})
"""Keys of a figure that hold pixels."""


def chart(
    metric: Metric, readings: Sequence[Reading], shown: str, theme: Theme, *, narrow: bool = False, scale: float = 1.0
) -> Any:
    """Values with a mark per status, the target of each period dotted, the limit of amber dashed, what is heading for open.

    ``scale``: how much larger than 16 px the page's text is; marks, lines and text grow with it.
    """
    colours = COLOURS[theme]
    labels = [r.period for r in readings]
    figure = go.Figure()
    for index, line in enumerate(_limits(readings, "amber")):
        _step(
            figure, labels, [_scaled(metric, v) for v in line], colours["amber"], "dash", "Limit of amber", index == 0
        )
    for index, line in enumerate(_limits(readings, "target")):
        _step(figure, labels, [_scaled(metric, v) for v in line], colours["soft"], "dot", "Target", index == 0)
    # What is heading somewhere is drawn there: a few days beside whole periods would look like a collapse.
    values = [None if r.projected or nothing_to_draw(r) else _scaled(metric, r.value) for r in readings]
    figure.add_scatter(
        x=labels,
        y=[None if unsaid(r) else v for v, r in zip(values, readings, strict=True)],
        mode="lines+markers",
        name=metric.title,
        line={"color": colours["line"], "width": 2.25},
        marker=_marks(readings, shown, colours),
        customdata=(told := _told(metric, readings)),
        hovertemplate=HOVER,
        showlegend=False,
    )
    _unsaid(figure, labels, values, readings, _marks(readings, shown, colours), told, colours)
    _stripes(figure, labels, values, readings, shown, colours)
    _projections(figure, metric, readings, colours)
    figure.update_layout(_layout(metric, colours, len(readings), 5 if narrow else 14))
    # The figure is drawn anew for every version; zoom and pan of the reader stay.
    figure.update_layout(uirevision=f"{metric.name}.{readings[-1].grain if readings else ''}")
    return dcc.Graph(
        figure=figure if scale == 1 else go.Figure(_enlarged(figure.to_plotly_json(), scale)),
        id="chart",
        className="chart",
        responsive=True,
        config={
            "displaylogo": False,
            "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
            "displayModeBar": "hover",
        },
    )


def _enlarged(node: Any, scale: float) -> Any:
    """A figure, or a part of it, with every number of pixels so many times larger."""
    if isinstance(node, dict):
        return {
            key: _times(value, scale) if key in SIZES and not isinstance(value, dict) else _enlarged(value, scale)
            for key, value in node.items()
        }
    return [_enlarged(each, scale) for each in node] if isinstance(node, list | tuple) else node


def _times(value: Any, scale: float) -> Any:
    return [each * scale for each in value] if isinstance(value, list | tuple) else value * scale


def _marks(readings: Sequence[Reading], shown: str, colours: Any) -> dict[str, Any]:
    return {
        "color": [_fill(r, colours) for r in readings],
        "symbol": [_symbol(r) for r in readings],
        "opacity": 1,
        "size": [_size(r, shown) for r in readings],
        "line": {
            "color": [_edge(r, colours) for r in readings],
            "width": [2 if r.running else 1.5 if _thin(r) else 1 for r in readings],
        },
    }


def _told(metric: Metric, readings: Sequence[Reading]) -> list[list[str]]:
    """What a mark says when it is pointed at; in the order of ``HOVER``."""
    return [
        [r.text, word(r.status, r.reason), limit_text(metric, r.target, r.value) or "no target", _note(r)]
        for r in readings
    ]


def _unsaid(
    figure: Any,
    labels: list[str],
    values: list[float | None],
    readings: Sequence[Reading],
    marks: dict[str, Any],
    told: list[list[str]],
    colours: Any,
) -> None:
    """Values of which nothing can be said, with a dotted line from and to their neighbours: the line proper ends before them."""
    apart = [unsaid(r) and v is not None for r, v in zip(readings, values, strict=True)]
    if not any(apart):
        return
    beside = [one or two or three for one, two, three in zip([False, *apart], apart, [*apart[1:], False], strict=False)]
    figure.add_scatter(
        x=labels,
        y=[v if near else None for v, near in zip(values, beside, strict=True)],
        mode="lines+markers",
        name="Cannot be said",
        line={"color": colours["line"], "width": 1.75, "dash": "dot"},
        marker={**marks, "size": [size if it else 0 for size, it in zip(marks["size"], apart, strict=True)]},
        customdata=told,
        hovertemplate=HOVER,
        showlegend=False,
    )


def _symbol(reading: Reading) -> str:
    """A running period's mark is hollow: it is not yet what it will be."""
    return f"{SYMBOLS[reading.status].removesuffix('-open')}-open" if reading.running else SYMBOLS[reading.status]


def _thin(reading: Reading) -> bool:
    """Whether chance alone could have given another colour."""
    return reading.conclusive is False


def _size(reading: Reading, shown: str) -> float:
    return 15 if reading.period == shown else 11 if _thin(reading) else 9.5


def _fill(reading: Reading, colours: Any) -> str:
    """Pale where it is not conclusive, as on the cards; opaque, so that no line shines through."""
    colour = str(colours[reading.status])
    return _mixed(colour, str(colours["paper"]), PALE) if _thin(reading) and not reading.running else colour


def _mixed(colour: str, other: str, share: float) -> str:
    """Two ``#RRGGBB`` in one."""
    pairs = zip(*([int(text[i : i + 2], 16) for i in (1, 3, 5)] for text in (colour, other)), strict=True)
    return "#" + "".join(f"{round(one * share + two * (1 - share)):02X}" for one, two in pairs)


def _stripes(
    figure: Any,
    labels: list[str],
    values: list[float | None],
    readings: Sequence[Reading],
    shown: str,
    colours: Any,
) -> None:
    """A stripe across the mark of what is not conclusive: points take no pattern, and colour alone would not say it."""
    thin = [i for i, r in enumerate(readings) if _thin(r) and values[i] is not None]
    if not thin:
        return
    figure.add_scatter(
        x=[labels[i] for i in thin],
        y=[values[i] for i in thin],
        mode="markers",
        name="Not conclusive",
        marker={
            "symbol": "line-ne-open",
            "size": [_size(readings[i], shown) * STRIPE for i in thin],
            "color": [colours[readings[i].status] for i in thin],
            "line": {"width": 2},
        },
        hoverinfo="skip",
    )


def _edge(reading: Reading, colours: Any) -> str:
    if reading.running or _thin(reading):
        return str(colours[reading.status])
    return str(colours["grey"] if reading.status == "grey" else colours["paper"])


def _note(reading: Reading) -> str:
    said = "<br>running" if reading.running else "<br>provisional" if reading.provisional else ""
    return said + (f"<br>n = {reading.n}, not conclusive" if _thin(reading) else "")


def _scaled(metric: Metric, value: float | None) -> float | None:
    return None if value is None else value * 100 if metric.percent else value


def _limits(readings: Sequence[Reading], which: str) -> list[list[float | None]]:
    """One line per limit; a band has two."""
    found: list[Limit | None] = [getattr(r, which) for r in readings]
    if not any(limit is not None for limit in found):
        return []
    if any(isinstance(limit, tuple) for limit in found):
        return [[limit[side] if isinstance(limit, tuple) else limit for limit in found] for side in (0, 1)]
    return [[limit if isinstance(limit, float | int) else None for limit in found]]


def _step(
    figure: Any, labels: list[str], values: list[float | None], colour: str, dash: str, name: str, legend: bool
) -> None:
    figure.add_scatter(
        x=labels, y=values, mode="lines", name=name, legendgroup=name, showlegend=legend, hoverinfo="skip",
        line={"color": colour, "width": 1.5, "dash": dash, "shape": "hvh"},
    )  # fmt: skip


def _projections(figure: Any, metric: Metric, readings: Sequence[Reading], colours: Any) -> None:
    """Where the running period is heading, with its interval where there is one, and what it has come to so far."""
    for before, reading in zip([None, *readings], readings, strict=False):
        heading = reading.projected
        value = None if heading is None else _scaled(metric, heading.value)
        if heading is None or value is None:
            continue
        low, high, bars = _scaled(metric, heading.low), _scaled(metric, heading.high), None
        if low is not None and high is not None:
            bars = {
                "array": [0, high - value],
                "arrayminus": [0, value - low],
                "color": colours["soft"],
                "thickness": 1.5,
            }
        last = None if before is None else _scaled(metric, before.value)
        figure.add_scatter(
            x=[before.period if before else reading.period, reading.period],
            y=[last, value],
            mode="lines+markers",
            name="Heading for",
            line={"color": colours["line"], "width": 2, "dash": "dot"},
            marker={"symbol": SYMBOLS[reading.status], "size": [0, 12], "color": colours[reading.status], "opacity": 1},
            error_y=bars,
            hovertemplate=f"heading for {value_text(metric, heading.value)}{_between(metric, heading)}<extra></extra>",
        )
        figure.add_scatter(
            x=[reading.period],
            y=[_scaled(metric, reading.value)],
            mode="markers",
            name="So far",
            marker={"symbol": "line-ew-open", "size": 14, "color": colours["soft"], "line": {"width": 2}},
            hovertemplate=f"{value_text(metric, reading.value or 0.0)} so far<extra></extra>",
        )


def _between(metric: Metric, heading: Projection) -> str:
    between = range_text(metric, heading)
    return "" if between is None else f"<br>{between} nine times of ten"


def _layout(metric: Metric, colours: Any, count: int, ticks: int) -> dict[str, Any]:
    axis = {
        "gridcolor": colours["edge"],
        "zeroline": False,
        "linecolor": colours["edge"],
        "tickfont": {"color": colours["soft"], "size": 12},
        "fixedrange": False,
    }
    unit = "%" if metric.percent else f" {metric.unit}" if metric.unit and len(metric.unit) <= 4 else ""
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "font": {"family": FONT, "color": colours["ink"], "size": 13},
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": colours["paper"],
            "bordercolor": colours["edge"],
            "font": {"color": colours["ink"], "family": FONT, "size": 13},
        },
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.0,
            "yanchor": "bottom",
            "font": {"color": colours["soft"], "size": 12},
            "itemwidth": 30,
        },
        "xaxis": {
            **axis,
            "type": "category",
            "automargin": True,
            "nticks": ticks,
            "showgrid": False,
            "tickangle": 0,
            "range": [-0.6, count - 0.4],
        },
        "yaxis": {
            **axis,
            "automargin": True,
            "ticksuffix": unit,
            "rangemode": "normal",
            "separatethousands": True,
            "tickformat": ",~r",  # never 5e+8
        },
        "dragmode": "pan",
        "separators": ".\u202f",  # as everywhere else: narrow spaces between thousands
    }
