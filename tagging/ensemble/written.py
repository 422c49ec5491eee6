"""Scores of blends as they are written: of the float32 means, where a search adds up integers.

A search compares sums in fixed point, where probabilities that differ by less than a rounding step tie (`pairs`). What
is told of the blends that it found is scored anew on the means themselves, so that it is what anyone gets who scores
the table of a run.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tagging.ensemble.blend import Blend, weighted_mean
from tagging.ensemble.pool import Pool
from tagging.ensemble.selection import Selection
from tagging.metrics import lwlrap_per_clip


def clip_sums(pool: Pool, blend: Blend, clips: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return the summed precisions of each clip [n] under a blend, or of `clips`, bool [n], alone."""
    chosen = np.ones(pool.clips, dtype=bool) if clips is None else clips
    truth = pool.truth[chosen]
    mean = weighted_mean([pool.probabilities[one][chosen] for one in blend.members], blend.weights, blend.method)
    return np.nan_to_num(lwlrap_per_clip(truth, mean)) * truth.sum(axis=1)


def rescored(pool: Pool, selection: Selection) -> Selection:
    """Return a selection with the scores of its blends as they are written."""
    labels = pool.labels_per_fold
    score = clip_sums(pool, selection.blend).sum() / labels.sum()
    held_out = np.array([_of_fold(pool, blend, fold) for fold, blend in enumerate(selection.fold_blends)])
    of_folds = np.divide(held_out, labels, out=np.full(len(labels), np.nan), where=labels > 0)
    nested = held_out.sum() / labels.sum()
    return replace(selection, score=float(score), nested=float(nested), fold_scores=tuple(of_folds.tolist()))


def _of_fold(pool: Pool, blend: Blend, fold: int) -> float:
    return float(clip_sums(pool, blend, pool.fold == fold).sum())
