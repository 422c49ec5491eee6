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
GAIN = "+.4f"
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


def heatmap(
    rows: Rows, x: str, y: str, value: str, titles: tuple[str, str], diverging: bool = False, format: str = ""
) -> Chart:
    """Return cells coloured by `value`, with names on both axes; `diverging` has two colours around zero.

    rows: `x`, `y` and `value`, in the order of the axes; `titles` name the axes, `format` is the format of the value in
    the tooltip.
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
            "tooltip": [{"field": y}, {"field": x}, {"field": value, **({"format": format} if format else {})}],
        },
    }


def scatter(
    rows: Rows,
    x: str,
    y: str,
    titles: tuple[str, str],
    tooltip: Sequence[str],
    log_x: bool = False,
    colours: Mapping[str, str] | None = None,
) -> Chart:
    """Return a point a row; `titles` are those of the axes, `tooltip` the fields that a point shows.

    Texts in `x` stand side by side. `colours` are those of the values of the field `state`, which the rows then have.
    """
    points = _of(rows, x, y)
    names = any(isinstance(row[x], str) for row in points["data"]["values"])
    scale: Chart = {} if names else {"zero": False, **({"type": "log"} if log_x else {})}
    kind = {"type": "nominal" if names else "quantitative", "title": titles[0], "scale": scale}
    return {
        **points,
        "height": HEIGHT,
        "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.8},
        "encoding": {
            "x": {"field": x, **kind, "axis": {"labelLimit": LONGEST_LABEL, **({"labelAngle": -30} if names else {})}},
            "y": {"field": y, "type": "quantitative", "title": titles[1], "scale": {"zero": False}},
            "tooltip": [{"field": field} for field in tooltip],
            **({"color": _states(colours, points)} if colours else {}),
        },
    }


def best_so_far(rows: Rows, tops: Rows, colours: Mapping[str, str], title: str) -> Chart:
    """Return the score of each trial by its number, coloured by its `state`, and the best so far as steps.

    rows: `trial`, `lwlrap`, `state` and `values`, a text; tops: `trial` and `lwlrap`. `title` is that of the scores.
    """
    points = _of(rows, "lwlrap")
    x = {"field": "trial", "type": "quantitative", "axis": {"tickMinStep": 1, "format": "d"}}
    y = {"field": "lwlrap", "type": "quantitative", "title": title, "scale": {"zero": False}}
    steps = {
        "data": {"values": list(tops)},
        "mark": {"type": "line", "interpolate": "step-after", "color": "#888888"},
        "encoding": {"x": x, "y": y},
    }
    scores = {
        "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.9},
        "encoding": {
            "x": x,
            "y": y,
            "color": _states(colours, points),
            "tooltip": [
                {"field": "trial"},
                {"field": "lwlrap", "format": SCORE},
                {"field": "state"},
                {"field": "values"},
            ],
        },
    }
    return {**points, "height": HEIGHT, "layer": [steps, scores]}


def parallel(rows: Rows, ticks: Rows, axes: Sequence[str]) -> Chart:
    """Return parallel coordinates: a line a trial through its place on each axis; the one under the pointer stands out.

    rows: `trial`, `state`, `lwlrap`, and `axis`, `height` in 0..1 and `value`, a text; finished trials are coloured by
    their lwlrap, the others grey. ticks: `axis`, `height` and `text`. `axes` are names in their order.
    """
    lines = _of(rows, "height")
    scores = [row["lwlrap"] for row in lines["data"]["values"] if row["state"] == "finished"]
    x = {
        "field": "axis",
        "type": "nominal",
        "sort": list(axes),
        "title": None,
        "axis": {"labelExpr": "split(datum.label, /[. ]/)", "labelAngle": 0, "domain": False, "ticks": False},
    }
    y = {"field": "height", "type": "quantitative", "axis": None, "scale": {"domain": [-0.03, 1.03]}}
    scale = {"range": ["#6f78c8", "#f58518"], "domain": [min(scores), max(scores)] if scores else [0, 1]}
    colour = {
        "condition": {
            "test": "datum.state === 'finished'",
            **{"field": "lwlrap", "type": "quantitative", "title": "lwlrap", "scale": scale},
        },
        "value": "#8c8c8c",
    }
    touched = {"type": "point", "fields": ["trial"], "on": "pointerover", "clear": "pointerout"}
    tooltip = [
        *({"field": field} for field in ("trial", "state")),
        *({"field": "axis", "title": "field"}, {"field": "value"}, {"field": "lwlrap", "format": SCORE}),
    ]
    return {
        **lines,
        "height": 1.4 * HEIGHT,
        "usermeta": {"minWidth": 95 * len(axes)},
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "data": {"values": [{"axis": name, "low": 0, "high": 1} for name in axes]},
                "mark": {"type": "rule", "color": "#888888"},
                "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "params": [{"name": "over", "select": touched}],
                "mark": {"type": "line", "interpolate": "monotone"},
                "encoding": {
                    "detail": {"field": "trial"},
                    "color": colour,
                    "strokeWidth": {"condition": {"param": "over", "empty": False, "value": 4}, "value": 1.5},
                    "opacity": {"condition": {"param": "over", "value": 0.9}, "value": 0.15},
                    "tooltip": [{"field": "trial"}, {"field": "state"}, {"field": "lwlrap", "format": SCORE}],
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 50},
                "encoding": {
                    "color": colour,
                    "opacity": {"condition": {"param": "over", "value": 0.9}, "value": 0.15},
                    "tooltip": tooltip,
                },
            },
            {
                "data": {"values": list(ticks)},
                "mark": {"type": "text", "align": "left", "dx": 7, "fontSize": 10, "color": "#888888"},
                "encoding": {"text": {"field": "text"}},
            },
        ],
    }


def _states(colours: Mapping[str, str], points: Chart) -> Chart:
    """Return the colours of those states that points have."""
    there = [name for name in colours if any(row["state"] == name for row in points["data"]["values"])]
    scale = {"domain": there, "range": [colours[name] for name in there]}
    return {"field": "state", "type": "nominal", "title": None, "scale": scale, "legend": {"orient": "bottom"}}


def score_by_size(rows: Rows) -> Chart:
    """Return the best CV lwlrap of each size of a blend with its interval, and, dashed, the nested estimate.

    rows: `method`, `size`, `cv_lwlrap`, `nested_lwlrap`, `low`, `high` and `members`, their names.
    """
    x = {"field": "size", "type": "ordinal", "title": "members", "axis": {"labelAngle": 0}}
    y = {"type": "quantitative", "title": "lwlrap", "scale": {"zero": False}}
    tooltip = [
        {"field": "method"},
        {"field": "size", "title": "members"},
        *({"field": field, "format": SCORE} for field in ("cv_lwlrap", "nested_lwlrap", "low", "high")),
        {"field": "members", "title": "names"},
    ]
    point = {"filled": True, "size": 60}
    return {
        **_of(rows, "cv_lwlrap"),
        "height": HEIGHT,
        "encoding": {
            "x": x,
            "xOffset": {"field": "method"},  # so that intervals of equal sizes stand side by side
            "color": {"field": "method", "type": "nominal", "title": None},
            "tooltip": tooltip,
        },
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.3},
                "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "line", "strokeDash": [5, 4], "point": {"size": 25}},
                "encoding": {"y": {**y, "field": "nested_lwlrap"}},
            },
            {"mark": {"type": "line", "point": point}, "encoding": {"y": {**y, "field": "cv_lwlrap"}}},
        ],
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
