"""Empty pictures with a title, and names cut to the room that a picture has for them.

Figures are made without pyplot, whose global state keeps every figure alive and may ask for a display.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import cache

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import LogFormatter

mpl.rcParams["text.parse_math"] = False  # a dollar in the name of a class is a dollar

TITLE_SIZE = 12.0  # points, as all sizes of texts
LINE = 0.2  # inches a line of a title
POINTS = 72  # an inch


def picture(title: str, width: float, height: float) -> Figure:
    """Return an empty figure of `width` by `height` inches; a title of several lines makes it higher."""
    lines = wrapped(title, width - 0.4, TITLE_SIZE)
    extra = LINE * lines.count("\n")
    figure = Figure(figsize=(width, height + extra), layout="constrained")
    figure.suptitle(lines, fontsize=TITLE_SIZE)
    return figure


def wrapped(text: str, inches: float, size: float) -> str:
    """Break a text into lines that are at most `inches` wide, between words where that is possible."""
    return _largest(text, lambda length: textwrap.fill(text, length), inches, size)


def fitted(name: str, inches: float, size: float) -> str:
    """Return a name that is at most `inches` wide; the middle of a longer one gives way to an ellipsis."""
    return _largest(name, lambda length: _without_middle(name, length), inches, size)


class PlainLogFormatter(LogFormatter):
    """Writes the numbers of a logarithmic axis as 0.001: Matplotlib's own are formulas."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the number, or nothing where Matplotlib would leave the tick without one."""
        return f"{x:.3g}" if super().__call__(x, pos) else ""


def log_axis(axes: Axes) -> None:
    """Make the upright axis logarithmic, with plain numbers."""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(PlainLogFormatter())
    axes.yaxis.set_minor_formatter(PlainLogFormatter())


def _largest(text: str, shape: Callable[[int], str], inches: float, size: float) -> str:
    """Return the text, or the first of its shapes, of fewer and fewer characters a line, whose lines fit."""
    shapes = (text if length == len(text) else shape(length) for length in range(len(text), 1, -1))
    return next((one for one in shapes if all(_width(line, size) <= inches for line in one.splitlines())), text[:1])


def _without_middle(name: str, length: int) -> str:
    kept = length - 1
    return f"{name[: kept - kept // 2]}…{name[len(name) - kept // 2 :]}"


def _width(line: str, size: float) -> float:
    """Return the width of a line in inches, without kerning, which makes it narrower."""
    return sum(map(_advance, line)) * size / POINTS


@cache
def _advance(letter: str) -> float:
    """Return how far a letter moves the pen, in parts of its size."""
    font = get_font(findfont(FontProperties()))
    font.set_size(100, POINTS)
    return float(font.load_glyph(font.get_char_index(ord(letter))).linearHoriAdvance) / 65536 / 100
