"""The blend that a search picks, with its scores.

A search compares sums in fixed point, where probabilities that differ by less than a rounding step tie (`pairs`). What
is reported of the blends that it found is scored anew by `rescored` on the float32 means themselves: these are the
scores that anyone gets from the table of the ensemble's run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tagging.ensemble.blend import Blend, weighted_mean
from tagging.ensemble.pool import Pool
from tagging.metrics import lwlrap_per_clip


@dataclass(frozen=True)
class Selection:
    """The blend that a search picks, with its CV lwlrap and the nested estimate.

    blend: chosen on all clips. score: its CV lwlrap in 0..1, pooled over all labels; optimistic, since the
    choice was made on the same clips. nested: the same search on all folds but one, scored on the
    labels of that one, pooled over the folds, in 0..1. fold_blends [K]: what was chosen without fold k.
    fold_scores [K]: lwlrap of `fold_blends[k]` on fold k.
    """

    blend: Blend
    score: float
    nested: float
    fold_blends: tuple[Blend, ...]
    fold_scores: tuple[float, ...]


def clip_sums(pool: Pool, blend: Blend, clips: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return the summed precisions of each clip [n] under a blend, or of `clips`, bool [n], alone."""
    chosen = np.ones(pool.clips, dtype=bool) if clips is None else clips
    truth = pool.truth[chosen]
    mean = weighted_mean([pool.probabilities[one][chosen] for one in blend.members], blend.weights, blend.method)
    return np.nan_to_num(lwlrap_per_clip(truth, mean)) * truth.sum(axis=1)


def rescored(pool: Pool, selection: Selection) -> Selection:
    """Return a selection with the scores of its blends' float32 means."""
    labels = pool.labels_per_fold
    score = clip_sums(pool, selection.blend).sum() / labels.sum()
    held_out = np.array(
        [clip_sums(pool, one, pool.fold == fold).sum() for fold, one in enumerate(selection.fold_blends)]
    )
    of_folds = np.divide(held_out, labels, out=np.full(len(labels), np.nan), where=labels > 0)
    nested = held_out.sum() / labels.sum()
    return replace(selection, score=float(score), nested=float(nested), fold_scores=tuple(of_folds.tolist()))
