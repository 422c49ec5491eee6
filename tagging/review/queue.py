"""The queue of clips to listen to: each with the reasons for which its labels are suspicious, the worst first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tagging.review.clips import ReviewedClips
from tagging.review.suspects import (
    belief,
    class_thresholds,
    disagreement,
    expected_errors,
    label_quality,
    likely_labels,
)

WRONG, DUPLICATE, DISAGREEMENT, BELIEVED = "wrong label", "duplicate", "disagreement", "believed noisy clip"
KINDS = (WRONG, DUPLICATE, DISAGREEMENT, BELIEVED)


@dataclass(frozen=True)
class LabelErrors:
    """What confident learning finds in the labels of N curated clips, by the mean of the runs.

    `quality` [N] in 0..1, the lowest for the most suspicious; `likely` [N, C] bool: the labels with the wrong ones
    changed; `expected`: how many are wrong or missing in all; `thresholds` [C]: the probability from which on a clip
    counts as with a class.
    """

    quality: np.ndarray
    likely: np.ndarray
    expected: float
    thresholds: np.ndarray


def find_label_errors(clips: ReviewedClips) -> LabelErrors:
    """Look for wrong labels among the curated clips."""
    given = clips.curated.labels
    probabilities = clips.probabilities[: len(given)]
    return LabelErrors(
        label_quality(given, probabilities),
        likely_labels(given, probabilities),
        float(expected_errors(given, probabilities).sum()),
        class_thresholds(given, probabilities)[:, 1],
    )


@dataclass(frozen=True)
class Reason:
    """Why a clip is in the queue: one of KINDS, a score (larger is more suspicious, or more believed), and words."""

    kind: str
    score: float
    text: str


@dataclass(frozen=True)
class Suspect:
    """A clip, by its number, with all reasons why it is in the queue, the strongest kind first."""

    clip: int
    reasons: tuple[Reason, ...]


def queue(clips: ReviewedClips, errors: LabelErrors) -> list[Suspect]:
    """Return the suspects: kind after kind, within a kind the highest score first, each clip once."""
    found: dict[int, list[Reason]] = {}
    for make in (_wrong, _duplicates, _disagreements, _believed):
        for clip, reason in sorted(make(clips, errors), key=lambda one: -one[1].score):
            found.setdefault(clip, []).append(reason)
    return [Suspect(clip, tuple(reasons)) for clip, reasons in found.items()]


def _wrong(clips: ReviewedClips, errors: LabelErrors) -> Iterator[tuple[int, Reason]]:
    doubted = (errors.likely != (clips.curated.labels > 0)).any(axis=1)
    for clip in np.flatnonzero(doubted).tolist():
        given, likely = clips.given[clip], errors.likely[clip]
        parts = [
            f"{what} {', '.join(_with_probability(clips, clip, which))}"
            for what, which in (("likely", likely & ~given), ("unlikely", given & ~likely))
            if which.any()
        ]
        yield clip, Reason(WRONG, float(1 - errors.quality[clip]), "; ".join(parts))


def _duplicates(clips: ReviewedClips, _: LabelErrors) -> Iterator[tuple[int, Reason]]:
    """Yield clips whose sound another one is too: all of a sound with several labels, else all but its first."""
    order = np.argsort(clips.same, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(clips.same[order])) + 1)
    for group in groups:
        if len(group) < 2:
            continue
        differ = bool((clips.given[group] != clips.given[group[0]]).any())
        for clip in group[0 if differ else 1 :].tolist():
            others = [f"{clips.fnames[one]} ({labels_of(clips, one)})" for one in group.tolist() if one != clip]
            text = f"the same sound as {', '.join(others[:3])}{' with other labels' if differ else ''}"
            yield clip, Reason(DUPLICATE, float(differ), text)


def _disagreements(clips: ReviewedClips, _: LabelErrors) -> Iterator[tuple[int, Reason]]:
    bits = disagreement(clips.out_of_fold)
    for clip in np.flatnonzero(bits).tolist():
        each = clips.out_of_fold[:, clip]
        says = [
            f"{run.name} says {clips.dataset.classes[top]} {own[top]:.2f}"
            for run, own, top in zip(clips.runs, each, each.argmax(axis=1).tolist(), strict=True)
        ]
        yield clip, Reason(DISAGREEMENT, float(bits[clip]), "; ".join(says))


def _believed(clips: ReviewedClips, errors: LabelErrors) -> Iterator[tuple[int, Reason]]:
    scores = belief(clips.noisy.labels, clips.noisy_mean, errors.thresholds)
    first = len(clips.curated)
    for row in np.flatnonzero(scores).tolist():
        clip = first + row
        labels = ", ".join(_with_probability(clips, clip, clips.given[clip]))
        yield clip, Reason(BELIEVED, float(scores[row]), f"believed: {labels}")


def labels_of(clips: ReviewedClips, clip: int) -> str:
    """Return the labels of a clip in the data set's table, joined by commas."""
    return ",".join(clips.names(clips.given[clip]))


def _with_probability(clips: ReviewedClips, clip: int, which: np.ndarray) -> list[str]:
    return [
        f"{name} {value:.2f}" for name, value in zip(clips.names(which), clips.probabilities[clip, which], strict=True)
    ]
