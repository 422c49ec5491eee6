"""A look at a data set: clips of each class as people hear them and as a network sees them, and what is odd."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tagging.report import charts
from tagging.report.html import html_page
from tagging.report.sound import FLOOR_DB, Excerpt, picture

LENGTH_BINS = 20
FULL_SCALE = 0.99


@dataclass(frozen=True)
class Look:
    """A clip on the page: its labels, and pictures of one window before and after augmentation, in WebP."""

    fname: str
    source: str
    labels: Sequence[str]
    excerpt: Excerpt | None
    before: bytes
    after: bytes


def look_page(
    data_set: str,
    experiment: str,
    mixed: float,
    looks: Mapping[str, Sequence[Look]],
    labels: Mapping[str, np.ndarray],
    seconds: np.ndarray,
    findings: Sequence[str],
) -> str:
    """Return the page in HTML.

    `looks` are clips by class, in the order of the classes; `labels` [N, C] of 0 and 1 by source; `seconds` are the
    lengths of all clips; `findings` sentences on what is odd; `mixed` is the share of windows that are mixed.
    """
    classes = list(looks)
    by_class = [
        {"class": name, "source": source, "clips": int(count)}
        for source, some in labels.items()
        for name, count in zip(classes, some.sum(axis=0), strict=True)
        if len(some)
    ]
    counts, edges = np.histogram(seconds, LENGTH_BINS)
    by_length = [
        {"seconds": f"{low:.1f} to {high:.1f}", "clips": int(count)}
        for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True)
    ]
    return html_page(
        "look",
        data_set=data_set,
        experiment=experiment,
        mixed=mixed,
        looks=looks,
        sources={source: len(some) for source, some in labels.items()},
        hours=float(seconds.sum()) / 3600,
        label_chart=_counted(by_class, "class", "clips with the label", "source"),
        length_chart=_counted(by_length, "seconds", "clips of this length in seconds"),
        findings=findings,
    )


def _counted(rows: charts.Rows, name: str, title: str, colour: str = "") -> charts.Chart:
    """Return bars of numbers of clips, one colour a value of the field `colour`."""
    chart = charts.bars(rows, name, "clips", title)
    encoding = chart["layer"][0]["encoding"]
    encoding["tooltip"] = [{"field": field} for field in (name, colour, "clips") if field]
    if colour:
        encoding["color"] = {"field": colour, "type": "nominal", "title": None, "legend": {"orient": "top"}}
    return chart


def window_pictures(before: np.ndarray, after: np.ndarray, seconds: float) -> tuple[bytes, bytes]:
    """Return two windows [M, T] in dB, `seconds` long, as pictures on one scale of colours."""
    top = float(max(before.max(), after.max()))
    extent = (0.0, seconds, 0.0, float(len(before)))
    first, second = (picture(some, extent, (top - FLOOR_DB, top), "mel band") for some in (before, after))
    return first, second


def flat_samples(blocks: Iterable[np.ndarray]) -> tuple[int, int]:
    """Return how many samples of blocks [n], -1..1, there are, and how many are clipped.

    A clipped sample is the third or a later one of equal samples in a row at full scale. Lossy formats round them away.
    """
    length = clipped = 0
    for block in blocks:
        length += len(block)
        high = np.abs(block) >= FULL_SCALE
        same = high[1:] & (block[1:] == block[:-1])
        clipped += int((same[1:] & same[:-1]).sum())
    return length, clipped
