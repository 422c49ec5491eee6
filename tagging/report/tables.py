"""Tables of a run: a row a class, a row a clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tagging.metrics import confused_pairs, lwlrap_per_class, lwlrap_per_clip


def per_class_table(
    classes: Sequence[str],
    truth: NDArray[np.float32],
    scores: NDArray[np.float32],
    lwlrap_corrected: NDArray[np.float64] | None = None,
) -> pd.DataFrame:
    """Return a row a class, in the order of `classes` [C].

    truth [N, C] 0/1, scores [N, C], `lwlrap_corrected` [C] on corrected labels where there are any.
    Columns: `label`, `clips` (that carry it), `lwlrap` in 0..1 (NaN without clips), `lwlrap_corrected`
    (if given), `most_confused_with` (the wrong class most often scored above it, None where none was)
    and `confused_clips` (how often). Raises ValueError as `tagging.metrics.lwlrap_per_class` does.
    """
    table = pd.DataFrame(
        {
            "label": list(classes),
            "clips": truth.sum(axis=0).astype(np.int64),
            "lwlrap": lwlrap_per_class(truth, scores)[0],
        }
    )
    if lwlrap_corrected is not None:
        table["lwlrap_corrected"] = lwlrap_corrected
    worst: dict[int, tuple[str, int]] = {}
    for true, wrong, count in confused_pairs(truth, scores, top=len(classes) ** 2):
        worst.setdefault(true, (classes[wrong], count))  # the most frequent comes first
    found = [worst.get(index, (None, 0)) for index in range(len(classes))]
    table["most_confused_with"] = [wrong for wrong, _ in found]
    table["confused_clips"] = [count for _, count in found]
    return table


def per_clip_table(
    fnames: Sequence[str],
    folds: NDArray[np.int64],
    classes: Sequence[str],
    truth: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> pd.DataFrame:
    """Return a row a clip, in the order given.

    `fnames` [N], `folds` [N], `classes` [C], truth [N, C] 0/1, scores [N, C] probabilities. Columns:
    `fname`, `fold`, `labels` (joined by commas in the order of the classes), `lwlrap` in 0..1 (the mean
    precision over the clip's labels, NaN without any), `top_label`, `top_probability`. Raises
    ValueError as `tagging.metrics.lwlrap_per_clip` does.
    """
    names, top = np.asarray(classes), scores.argmax(axis=1)
    return pd.DataFrame(
        {
            "fname": list(fnames),
            "fold": folds,
            "labels": [",".join(names[row]) for row in truth.astype(bool)],
            "lwlrap": lwlrap_per_clip(truth, scores),
            "top_label": names[top],
            "top_probability": scores[np.arange(len(scores)), top],
        }
    )
