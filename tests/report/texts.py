"""What a person reads in a picture, and whether the picture shows all of it."""

from __future__ import annotations

from unittest.mock import patch

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

LONG = "a name that somebody gave to an_experiment_with_many_settings_and_then_made_longer_for_each_seed_and_fold " * 2


def texts_in(figure: Figure) -> list[Text]:
    """Draw the figure and return the texts that reach the canvas."""
    drawn: list[Text] = []
    draw = Text.draw

    def recording(text: Text, *arguments: object) -> None:
        drawn.append(text)
        draw(text, *arguments)

    with patch.object(Text, "draw", recording):
        FigureCanvasAgg(figure).draw()
    return [text for text in drawn if text.get_text()]


def assert_readable(figure: Figure) -> None:
    """No text is a formula, and none reaches beyond the picture."""
    texts = texts_in(figure)
    assert texts
    assert [text.get_text() for text in texts if "$" in text.get_text()] == []
    ends = [(text.get_text(), text.get_window_extent()) for text in texts]
    width, height = figure.bbox.size + 0.5  # of a pixel: extents are rounded
    cut = [text for text, box in ends if min(box.x0, box.y0) < -0.5 or box.x1 > width or box.y1 > height]
    assert cut == []
