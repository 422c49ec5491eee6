"""Charts of a page as specifications of Vega-Lite, each from rows of plain numbers and names.

A chart that a browser draws can be hovered: `tooltip` shows the row under the pointer. A row whose drawn values are not
finite is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]
Chart = dict[str, Any]

SCORE = ".4f"
HEIGHT = 240  # pixels
TICKS = 8  # of the axis of epochs, at most
SQUARE = 300  # pixels a side of a picture whose axes have one unit
BAR = 18  # pixels a bar of a list or a cell
LONGEST_LABEL = 220  # pixels of the name of a bar


def curves(rows: Rows, value: str, title: str, fold: int | None = None) -> Chart:
    """Return a metric over epochs: a thin line a fold, and the band from the lowest to the highest fold.

    The thick line is the mean over folds, or the one `fold` that stands out. rows: `epoch`, `fold` and `value` each.
    """
    y = {"type": "quantitative", "title": title, "scale": {"zero": False}, "axis": {"format": "~g"}}
    tooltip = [{"field": "fold"}, {"field": "epoch"}, {"field": value, "format": SCORE}]
    color: Chart = {"field": "fold", "type": "nominal", "title": "fold"}
    thick: Chart = {"encoding": {"y": {**y, "field": value, "aggregate": "mean"}}}
    if fold is not None:
        color = {"value": "#888888"}
        thick = {"transform": [{"filter": f"datum.fold === {fold}"}], "encoding": {"y": {**y, "field": value}}}
    return {
        **_of(rows, "epoch", value),
        "height": HEIGHT,
        "encoding": {
            "x": {
                "field": "epoch",
                "type": "quantitative",
                "title": "epoch",
                "axis": {"format": "d", "tickCount": min(TICKS, max((row["epoch"] for row in rows), default=1))},
                "scale": {"zero": False, "nice": False},
            }
        },
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.15},
                "encoding": {
                    "y": {**y, "field": value, "aggregate": "min"},
                    "y2": {"field": value, "aggregate": "max"},
                },
            },
            {
                "mark": {"type": "line", "opacity": 0.5, "strokeWidth": 1, "point": {"size": 25, "opacity": 0.01}},
                "encoding": {
                    "y": {**y, "field": value},
                    "color": color,
                    "detail": {"field": "fold"},
                    "tooltip": tooltip,
                },
            },
            {"mark": {"type": "line", "strokeWidth": 2.5}, **thick},
        ],
    }


def bars(
    rows: Rows, name: str, value: str, title: str, low: str = "", high: str = "", extra: Sequence[str] = ()
) -> Chart:
    """Return a list of bars in the order of the rows, with an interval from `low` to `high` where these are given.

    rows: `name` and `value`, the fields of the interval, and those in `extra`, which the tooltip shows as well.
    """
    kept = list(_finite(rows, value))
    x = {"field": value, "type": "quantitative", "title": title}
    y = {
        "field": name,
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": LONGEST_LABEL},
    }
    shown = [field for field in (name, value, low, high, *extra) if field]
    tooltip = [{"field": field, **({"format": SCORE} if field in (value, low, high) else {})} for field in shown]
    layers: list[Chart] = [{"mark": {"type": "bar", "tooltip": True}, "encoding": {"x": x, "tooltip": tooltip}}]
    if low:
        layers.append(
            {
                "mark": {"type": "rule", "strokeWidth": 1.5, "color": "#888888"},
                "encoding": {"x": {**x, "field": low}, "x2": {"field": high}, "tooltip": tooltip},
            }
        )
    return {**_of(kept), "height": {"step": BAR}, "encoding": {"y": y}, "layer": layers}


def heatmap(rows: Rows, x: str, y: str, value: str, titles: tuple[str, str], diverging: bool = False) -> Chart:
    """Return cells coloured by `value`, with names on both axes; `diverging` has two colours around zero.

    rows: `x`, `y` and `value`, in the order of the axes; `titles` are those of the axes.
    """
    scale: Chart = {"scheme": "redblue", "domainMid": 0} if diverging else {"scheme": "viridis"}
    axis = {"labelLimit": LONGEST_LABEL}
    return {
        **_of(rows, value),
        "width": {"step": BAR},
        "height": {"step": BAR},
        "mark": {"type": "rect"},
        "encoding": {
            "x": {"field": x, "type": "nominal", "sort": None, "title": titles[0], "axis": {**axis, "labelAngle": -60}},
            "y": {"field": y, "type": "nominal", "sort": None, "title": titles[1], "axis": axis},
            "color": {"field": value, "type": "quantitative", "title": None, "scale": scale},
            "tooltip": [{"field": y}, {"field": x}, {"field": value}],
        },
    }


def scatter(rows: Rows, x: str, y: str, titles: tuple[str, str], tooltip: Sequence[str], log_x: bool = False) -> Chart:
    """Return a point a row; `titles` are those of the axes, `tooltip` the fields that a point shows."""
    return {
        **_of(rows, x, y),
        "height": HEIGHT,
        "mark": {"type": "point", "filled": True, "size": 60},
        "encoding": {
            "x": {
                "field": x,
                "type": "quantitative",
                "title": titles[0],
                "scale": {"zero": False, **({"type": "log"} if log_x else {})},
            },
            "y": {"field": y, "type": "quantitative", "title": titles[1], "scale": {"zero": False}},
            "tooltip": [{"field": field} for field in tooltip],
        },
    }


def reliability(rows: Rows) -> Chart:
    """Return how often clips carry a class against the probability it was given; on the diagonal both agree.

    rows: `probability` and `share` in 0..1, `pairs`, the number of (clip, class) pairs behind them.
    """
    x = {"field": "probability", "type": "quantitative", "title": "probability given", "scale": {"domain": [0, 1]}}
    y = {"field": "share", "type": "quantitative", "title": "share that carry it", "scale": {"domain": [0, 1]}}
    points = {
        "encoding": {
            "x": x,
            "y": y,
            "tooltip": [
                {"field": "probability", "format": ".3f"},
                {"field": "share", "format": ".3f"},
                {"field": "pairs", "format": ","},
            ],
        },
        "mark": {"type": "line", "point": True},
    }
    diagonal = {
        "data": {"values": [{"probability": 0, "share": 0}, {"probability": 1, "share": 1}]},
        "mark": {"type": "line", "strokeDash": [4, 4], "color": "#888888"},
        "encoding": {"x": x, "y": y},
    }
    return {**_of(rows, "probability", "share"), "width": SQUARE, "height": SQUARE, "layer": [diagonal, points]}


def _of(rows: Rows, *finite: str) -> Chart:
    return {"data": {"values": list(_finite(rows, *finite))}, "width": "container"}


def _finite(rows: Rows, *fields: str) -> Iterable[Mapping[str, Any]]:
    """Return the rows whose `fields` are numbers; other values that are not finite become null."""
    for row in rows:
        clean = {key: None if _is_odd(value) else value for key, value in row.items()}
        if all(clean[field] is not None for field in fields):
            yield clean


def _is_odd(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
