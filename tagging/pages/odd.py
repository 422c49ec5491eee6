"""What is odd about a fold beside the others of its run, in words."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tagging.contract import Metric
from tagging.pages.cards import Scored
from tagging.report.wording import count
from tagging.tracking.store import Run

FAR = 2.0  # standard deviations of the other folds
NAMED = 5  # classes
Epochs = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class FoldFacts:
    """A fold's number, its lwlrap, the epochs that it trained, and what is odd about it in sentences."""

    number: int
    lwlrap: float | None
    epochs: int | None
    odd: Sequence[str]


def fold_facts(folds: Mapping[int, Run], epochs: Epochs, scored: Scored) -> list[FoldFacts]:
    """Return what there is to say of each fold; `epochs` as `pages.experiment.epochs_of` returns them.

    A score or a gap between the losses is odd where it is further than twice the standard deviation of the other folds
    from their mean; fewer than three other folds have none. `scored` are the predictions of the folds' clips.
    """
    scores = {fold: run.metrics[Metric.FOLD_LWLRAP] for fold, run in folds.items() if Metric.FOLD_LWLRAP in run.metrics}
    last = {fold: rows[-1] for fold in folds if (rows := [row for row in epochs if row["fold"] == fold])}
    gaps = {
        fold: row["val_loss"] - row["train_loss"]
        for fold, row in last.items()
        if "val_loss" in row and "train_loss" in row
    }
    lengths = {fold: int(row["epoch"]) for fold, row in last.items()}
    return [
        FoldFacts(
            number=fold,
            lwlrap=scores.get(fold),
            epochs=lengths.get(fold),
            odd=[
                *_far(scores, fold, "its lwlrap of {:.4f} is far from the {:.4f} of the other folds"),
                *_far(gaps, fold, "held-out loss minus training loss is {:.3f}, in the other folds {:.3f}"),
                *_other_length(lengths, fold),
                *_absent(scored, fold),
            ],
        )
        for fold in folds
    ]


def _far(values: Mapping[int, float], fold: int, sentence: str) -> list[str]:
    others = [value for other, value in values.items() if other != fold]
    if fold not in values or len(others) < 3:
        return []
    mean = statistics.fmean(others)
    far = abs(values[fold] - mean) > FAR * statistics.stdev(others)
    return [sentence.format(values[fold], mean)] if far else []


def _other_length(lengths: Mapping[int, int], fold: int) -> list[str]:
    others = [length for other, length in lengths.items() if other != fold]
    if fold not in lengths or not others or lengths[fold] in others:
        return []
    usual = statistics.median_low(others)
    return [f"it trained {count(lengths[fold], 'epoch')}, the other folds {usual}"]


def _absent(scored: Scored, fold: int) -> list[str]:
    """Name the classes that other clips carry and no held-out clip of the fold does."""
    held_out = scored.folds == fold
    absent = np.flatnonzero((scored.truth[held_out].sum(axis=0) == 0) & (scored.truth.sum(axis=0) > 0))
    if not len(absent):
        return []
    names = ", ".join(scored.classes[index] for index in absent[:NAMED])
    more = f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
    return [f"no held-out clip carries {names}{more}"]
