"""Scores of predictions against true labels, group by group and class by class, each with an interval over clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tagging.metrics import accuracy, bootstrap_lwlrap, interval, is_single_label, lwlrap, lwlrap_per_class
from tagging.report.tables import per_class_table

ALL = "all"
SAMPLES = 1000  # of the bootstrap
Groups = Mapping[str, NDArray[np.bool_]]


def score_table(
    truth: NDArray[np.float32], scores: NDArray[np.floating], groups: Groups, generator: np.random.Generator
) -> pd.DataFrame:
    """Return a row for all clips, then one a group.

    truth [N, C] 0/1 with a label a clip, scores [N, C], `groups` masks [N]. Columns: `group`, `clips`, `lwlrap` in
    0..1, `lwlrap_low` and `lwlrap_high` (a 95 % percentile interval of the bootstrap over clips, NaN for one clip), and
    `accuracy` where every clip has one label. Raises ValueError as `tagging.metrics.lwlrap` does.
    """
    rows = []
    for name, mask in {ALL: np.ones(len(truth), bool), **groups}.items():
        samples, _ = bootstrap_lwlrap(truth[mask], scores[mask], SAMPLES, generator)
        # one clip drawn again and again would look like certainty
        low, high = interval(samples) if mask.sum() > 1 else (np.nan, np.nan)
        row = {"group": name, "clips": mask.sum(), "lwlrap": lwlrap(truth[mask], scores[mask])}
        row |= {"lwlrap_low": low, "lwlrap_high": high}
        if is_single_label(truth):
            row["accuracy"] = accuracy(truth[mask], scores[mask])
        rows.append(row)
    return pd.DataFrame(rows)


def class_table(
    classes: Sequence[str],
    truth: NDArray[np.float32],
    scores: NDArray[np.floating],
    groups: Groups,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Return a row a class: the columns of `per_class_table`, an interval, and clips and lwlrap in each group.

    Arguments as `score_table`. The columns besides: `lwlrap_low`, `lwlrap_high`, and for a group `clips_in_GROUP` and
    `lwlrap_in_GROUP`; NaN where no clip carries the class, an interval also where only one does.
    """
    table = per_class_table(classes, truth, scores)
    _, samples = bootstrap_lwlrap(truth, scores, SAMPLES, generator)
    table["lwlrap_low"], table["lwlrap_high"] = np.where(table["clips"] > 1, interval(samples), np.nan)
    for name, mask in groups.items():
        table[f"clips_in_{name}"] = truth[mask].sum(axis=0).astype(np.int64)
        table[f"lwlrap_in_{name}"] = lwlrap_per_class(truth[mask], scores[mask])[0]
    return table


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Spearman's correlation of two rows of numbers; NaN for fewer than three, or where one row is constant."""
    one, other = (pd.Series(values).rank() for values in (first, second))  # equal numbers share their mean rank
    if len(first) < 3 or one.nunique() == 1 or other.nunique() == 1:
        return float("nan")
    return float(one.corr(other))
