from __future__ import annotations

import json
import math
from typing import Any

import pytest
import vl_convert

from tagging.report import charts

EPOCHS = [{"epoch": epoch, "fold": fold, "v": epoch / 10 + fold} for epoch in (1, 2, 3) for fold in (0, 1)]
MADE = {
    "curves": charts.curves(EPOCHS, "v", "value"),
    "curves of one": charts.curves(EPOCHS, "v", "value", 1),
    "bars": charts.bars([{"n": "a", "v": 0.5, "low": 0.4, "high": 0.6}], "n", "v", "value", "low", "high"),
    "heatmap": charts.heatmap([{"a": "x", "b": "y", "v": -1.0}], "a", "b", "v", ("A", "B"), diverging=True),
    "scatter": charts.scatter([{"a": 1.0, "b": 2.0}], "a", "b", ("A", "B"), ["a"], log_x=True),
    "reliability": charts.reliability([{"probability": 0.25, "share": 0.5, "pairs": 8}]),
}


@pytest.mark.parametrize("chart", MADE.values(), ids=MADE)
def test_vega_draws_each_chart(chart: dict[str, Any]) -> None:
    drawn = vl_convert.vegalite_to_svg({**chart, "width": 300})
    assert "NaN" not in drawn
    assert drawn.count("<path") + drawn.count("<rect") > 2


def test_rows_without_a_number_to_draw_are_left_out() -> None:
    rows = [{"n": "a", "v": math.nan, "low": 0.0}, {"n": "b", "v": 0.5, "low": math.inf}]
    kept = charts.bars(rows, "n", "v", "value")["data"]["values"]
    assert kept == [{"n": "b", "v": 0.5, "low": None}]
    json.dumps(kept, allow_nan=False)
