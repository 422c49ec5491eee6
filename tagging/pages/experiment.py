"""The report of an experiment or a stacker: how it learnt, what it confuses, which clips and labels to listen to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tagging.contract import Tag
from tagging.metrics import bootstrap_lwlrap, confused_pairs, interval, lwlrap_per_class, lwlrap_per_clip
from tagging.pages.against import against
from tagging.pages.cards import Card, Scored, Sounds, cards
from tagging.pages.odd import fold_facts
from tagging.report import charts
from tagging.report.html import html_page
from tagging.review.suspects import expected_errors, label_quality
from tagging.runs.finished import finished_folds
from tagging.tracking.store import Run, Store

SAMPLES = 500  # of the bootstrap
CONFUSIONS = 60  # pairs of classes in the picture
BINS = 10  # of probabilities
BEST = 4  # clips
CURVES = {
    "val_lwlrap": "lwlrap of held-out clips",
    "train_loss": "training loss",
    "val_loss": "loss of held-out clips",
    "lr": "learning rate",
}
# rows a fold and epoch with the metrics of CURVES that the runs have
Epochs = Sequence[Mapping[str, float]]


def experiment_page(
    store: Store, run: Run, scored: Scored, sounds: Sounds, clips: int, rival: tuple[Run, Scored] | None
) -> str:
    """Return the report of a finished experiment or stacker in HTML.

    `scored`: its out-of-fold predictions of all curated clips. `clips`: cards in the lists of the worst predictions
    and of suspicious labels. `rival`: the best other run with its predictions of the same clips.
    """
    folds = finished_folds(store, run)
    epochs = epochs_of(store, folds)
    return html_page(
        "experiment",
        run=run,
        metrics=run.metrics,
        differs=run.tags.get(Tag.DIFFERS, ""),
        base=run.tags.get(Tag.BASE, ""),
        notes=run.params.get("notes", ""),
        folds=fold_facts(folds, epochs, scored),
        curves=curve_charts(epochs),
        rival=against(run, scored, *rival) if rival else None,
        **clip_sections(scored, sounds, clips),
    )


def clip_sections(scored: Scored, sounds: Sounds, clips: int) -> dict[str, Any]:
    """Return what a template shows of predictions: charts by class, confusions, reliability, and cards of clips."""
    return {
        "by_class": class_chart(scored),
        "confusions": confusion_chart(scored),
        "reliability": charts.reliability(reliability_rows(scored)),
        "worst": worst_cards(scored, sounds, clips),
        "suspects": suspect_cards(scored, sounds, clips),
        "best": best_cards(scored, sounds, min(BEST, clips)),
        "expected": round(expected_errors(scored.truth, scored.probabilities).sum()),
    }


def epochs_of(store: Store, folds: Mapping[int, Run]) -> Epochs:
    """Return a row a fold and epoch with the metrics of CURVES that the folds' runs have."""
    rows: dict[tuple[int, int], dict[str, float]] = {}
    for fold, run in folds.items():
        for metric in CURVES:
            if metric in run.metrics:
                for epoch, value in store.curve(run.id, metric).items():
                    rows.setdefault((fold, epoch), {"fold": fold, "epoch": epoch})[metric] = value
    return [rows[key] for key in sorted(rows)]


def curve_charts(epochs: Epochs, fold: int | None = None) -> list[tuple[str, charts.Chart]]:
    """Return a title and a chart for each metric of CURVES that the epochs have; `fold` stands out."""
    there = [metric for metric in CURVES if any(metric in row for row in epochs)]
    return [
        (CURVES[metric], charts.curves([row for row in epochs if metric in row], metric, metric, fold))
        for metric in there
    ]


def class_chart(scored: Scored) -> charts.Chart:
    """Return the lwlrap of each class that clips carry, the worst first, with its 95 % interval and its clips."""
    values, _ = lwlrap_per_class(scored.truth, scored.probabilities)
    _, samples = bootstrap_lwlrap(scored.truth, scored.probabilities, SAMPLES, np.random.default_rng(0))
    low, high = interval(samples)
    rows = [
        {"class": name, "lwlrap": value, "low": below, "high": above, "clips": int(count)}
        for name, value, below, above, count in zip(
            scored.classes, values.tolist(), low.tolist(), high.tolist(), scored.truth.sum(axis=0), strict=True
        )
    ]
    rows.sort(key=lambda row: (math.isnan(row["lwlrap"]), row["lwlrap"]))
    return charts.bars(rows, "class", "lwlrap", "lwlrap", "low", "high", ["clips"])


def confusion_chart(scored: Scored) -> charts.Chart:
    """Return how often a label was scored below a class that its clip does not carry, for the most frequent pairs."""
    pairs = confused_pairs(scored.truth, scored.probabilities, CONFUSIONS)
    names = scored.classes
    rows = [{"label": names[true], "scored above it": names[wrong], "labels": count} for true, wrong, count in pairs]
    return charts.heatmap(rows, "scored above it", "label", "labels", ("class scored above it", "label of the clip"))


def reliability_rows(scored: Scored) -> list[dict[str, float]]:
    """Return for each tenth of probabilities their mean, the share of pairs that carry the class, and the pairs."""
    probabilities = scored.probabilities.ravel()
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    sums = np.bincount(bins, probabilities, BINS)
    carried = np.bincount(bins, scored.truth.ravel(), BINS)
    return [
        {
            "probability": sums[index] / counts[index],
            "share": carried[index] / counts[index],
            "pairs": int(counts[index]),
        }
        for index in np.flatnonzero(counts)
    ]


def worst_cards(scored: Scored, sounds: Sounds, clips: int) -> list[Card]:
    """Return the clips with the lowest lwlrap; among equals, those whose labels got the lowest probabilities."""
    return cards(scored, _by_lwlrap(scored)[:clips], sounds)


def best_cards(scored: Scored, sounds: Sounds, clips: int) -> list[Card]:
    """Return the clips with the highest lwlrap and the highest probabilities of their labels."""
    order = _by_lwlrap(scored)
    return cards(scored, order[::-1][:clips], sounds)


def suspect_cards(scored: Scored, sounds: Sounds, clips: int) -> list[Card]:
    """Return the clips whose labels are least likely to be right, by confident learning."""
    quality = label_quality(scored.truth, scored.probabilities)
    order = np.argsort(quality, kind="stable")[:clips].tolist()
    return cards(scored, order, sounds, lambda row: f"Label quality {quality[row]:.2f}")


def _by_lwlrap(scored: Scored) -> list[int]:
    """Return the rows of clips with labels, the worst predicted first."""
    scores = lwlrap_per_clip(scored.truth, scored.probabilities)
    confidence = np.where(scored.truth > 0, scored.probabilities, 0).sum(axis=1) / np.maximum(
        scored.truth.sum(axis=1), 1
    )
    order = np.lexsort((confidence, scores))
    rows: list[int] = order[~np.isnan(scores[order])].tolist()
    return rows
