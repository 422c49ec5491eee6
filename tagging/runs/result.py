"""The results of a run that has predicted all its curated clips: scores, tables, figures, the run's page.

Two signs of a failed training: equal probabilities for every clip, and a CV far below that of other runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, stdev

import numpy as np

from tagging.config.schema import WHERE
from tagging.contract import File, Metric, Tag
from tagging.metrics import accuracy, chance_lwlrap, confused_pairs, is_single_label, lwlrap, lwlrap_per_class
from tagging.report.pages import worst_classes
from tagging.report.tables import per_class_table, per_clip_table
from tagging.report.wording import count
from tagging.tracking.store import Run, Store

CONFUSIONS_SHOWN = 20
CONSTANT = "each of its folds says the same of every clip, so it has learnt nothing"
ALIKE = 1e-5  # of a fold's largest probability: what rounding brings about
LEARNT = 0.25  # of the way from chance to 1


@dataclass(frozen=True)
class Result:
    """The out-of-fold probabilities [N, C] of a run's N curated clips, and what they are scored by.

    `fnames` [N], `folds` [N]; `truth` [N, C] float32 of 0 and 1: the labels that the clips came with. After lists of
    corrections, clips have the labels `corrected` [N, C], and `kept` [N] tells which are left; None of an ensemble.
    """

    classes: Sequence[str]
    fnames: Sequence[str]
    folds: np.ndarray
    truth: np.ndarray
    probabilities: np.ndarray
    corrected: np.ndarray | None = None
    kept: np.ndarray | None = None

    def metrics(self) -> dict[str, float]:
        """Return the scores over all clips by the names of their metrics."""
        metrics = {Metric.CV_LWLRAP: lwlrap(self.truth, self.probabilities)}
        if self.corrected is not None:
            metrics["cv_lwlrap_corrected"] = lwlrap(self.corrected[self.kept], self.probabilities[self.kept])
        if is_single_label(self.truth):
            metrics[Metric.CV_ACCURACY] = accuracy(self.truth, self.probabilities)
        return metrics

    def class_lwlrap(self) -> dict[str, float]:
        """Return the lwlrap of each class, NaN of one without clips."""
        return dict(zip(self.classes, lwlrap_per_class(self.truth, self.probabilities)[0].tolist(), strict=True))

    def log(self, store: Store, run: Run, by_corrected: bool = False) -> None:
        """Log the tables a row a class and a row a clip, and the pictures; `by_corrected` adds a column of scores."""
        from tagging.report import figures  # with Matplotlib, at the end of a run

        corrected = None
        if by_corrected and self.corrected is not None:
            corrected, _ = lwlrap_per_class(self.corrected[self.kept], self.probabilities[self.kept])
        per_class = per_class_table(self.classes, self.truth, self.probabilities, corrected)
        store.log_shown_table(run.id, per_class, File.PER_CLASS)
        per_clip = per_clip_table(self.fnames, self.folds, self.classes, self.truth, self.probabilities)
        store.log_shown_table(run.id, per_clip, File.PER_CLIP)
        by_class, counts = per_class["lwlrap"].to_numpy(), per_class["clips"].to_numpy()
        bars = figures.class_lwlrap(run.name, "out of fold", self.classes, by_class, counts)
        store.log_figure(run.id, bars, "figures/class_lwlrap.png")
        pairs = confused_pairs(self.truth, self.probabilities, CONFUSIONS_SHOWN)
        named = [(self.classes[true], self.classes[wrong], clips) for true, wrong, clips in pairs]
        store.log_figure(run.id, figures.confusions(run.name, named), "figures/confusions.png")

    def publish(self, store: Store, run: Run, page: str) -> None:
        """Set the text of the run's page and make the run a candidate, once all the rest is written."""
        store.set_tags(run.id, {Tag.NOTE: page, "worst": worst_classes(self.class_lwlrap())})
        store.set_tags(run.id, {Tag.CANDIDATE: "yes"})  # last: whoever sees it finds all the rest


def fold_metrics(scores: Sequence[float]) -> dict[str, float]:
    """Return the mean of folds' lwlrap and, of two or more folds, the sample standard deviation, as metrics."""
    metrics = {Metric.FOLD_MEAN: float(np.mean(scores))}
    if len(scores) > 1:
        metrics[Metric.FOLD_STD] = float(np.std(scores, ddof=1))
    return metrics


def fold_scores(folds: Mapping[int, Run]) -> dict[str, float]:
    """Return `fold_metrics` of finished fold runs by number."""
    return fold_metrics([folds[fold].score(Metric.FOLD_LWLRAP) for fold in sorted(folds)])


def predicts_constant(probabilities: np.ndarray, folds: np.ndarray) -> bool:
    """Tell whether each fold predicts the same for all its held-out clips; folds of one clip do not count.

    probabilities [N, C] in [0, 1], folds [N].
    """
    numbers, clips = np.unique(folds, return_counts=True)
    per_fold = [probabilities[folds == fold] for fold in numbers[clips > 1]]
    return bool(per_fold) and all(np.ptp(part, axis=0).max() <= ALIKE * part.max() for part in per_fold)


def far_below(score: float, others: Sequence[float], truth: np.ndarray) -> str:
    """Return a warning where a CV lwlrap is far below that of other runs on the same clips, with labels truth [N, C].

    Far below is less than half as far above chance as their median. Empty where the comparison means little: without
    others, where their median is not a quarter of the way from chance to 1, and where the two lie less than 1 / sqrt(N)
    apart, more than three standard deviations of the CV of scores drawn at random (one label a clip).
    """
    if not others:
        return ""
    usual, chance = median(others), chance_lwlrap(truth)
    learnt = usual - chance
    if learnt < LEARNT * (1 - chance) or score - chance >= learnt / 2 or usual - score < 1 / math.sqrt(len(truth)):
        return ""
    runs = "that of the other run" if len(others) == 1 else f"the median of the {count(len(others), 'other run')}"
    return f"CV lwlrap {score:.4f} is far below {runs} on these clips, {usual:.4f}; chance is {chance:.4f}"


def seed_spread(runs: Sequence[Run]) -> dict[str, float]:
    """Return the standard deviation of the CV lwlrap over training seeds, by run id.

    That is known of runs that differ from another one in `seed` alone, besides where they ran and their names.
    """
    groups: dict[frozenset[tuple[str, str]], list[Run]] = {}
    for run in (one for one in runs if Metric.CV_LWLRAP in one.metrics):
        same = {(path, text) for path, text in run.params.items() if path != "seed" and path not in WHERE}
        groups.setdefault(frozenset(same), []).append(run)
    seeds = [group for group in groups.values() if len({run.params.get("seed") for run in group}) > 1]
    return {run.id: stdev(each.metrics[Metric.CV_LWLRAP] for each in group) for group in seeds for run in group}
