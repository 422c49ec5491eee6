"""Tables on the screen, a row a line."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from tagging.errors import plain
from tagging.progress import say

GAP = "  "
SHORTEST = 12  # columns of a name


def print_rows(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """Print a table whose first column holds names, a row a line; the first `left` columns begin at the left.

    Where a terminal is narrower, names lose their middle, down to 12 columns. What goes elsewhere keeps its width.
    """
    lines = [list(heads), *([plain(cell).replace("\n", "\\n") for cell in row] for row in rows)]
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        others = sum(_width(lines, column) + len(GAP) for column in range(1, len(heads)))
        room = max(shutil.get_terminal_size().columns - others, SHORTEST)
        lines = [[_cut(line[0], room), *line[1:]] for line in lines]
    widths = [_width(lines, column) for column in range(len(heads))]
    for line in lines:
        cells = [
            set_cell_size(cell, width) if column < left else " " * (width - cell_len(cell)) + cell
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        say(GAP.join(cells).rstrip())


def score_text(score: float, spread: float = math.nan) -> str:
    """Return a score in 0..1 with its standard deviation, either of which may be unknown, NaN."""
    text = "" if math.isnan(score) else f"{score:.4f}"
    return text if math.isnan(spread) else f"{text} ± {spread:.4f}"


def _width(lines: Sequence[Sequence[str]], column: int) -> int:
    return max(cell_len(line[column]) for line in lines)


def _cut(name: str, room: int) -> str:
    if cell_len(name) <= room:
        return name
    tail = (room - 1) // 2
    return f"{set_cell_size(name, room - 1 - tail)}…{set_cell_size(name[::-1], tail)[::-1]}"
