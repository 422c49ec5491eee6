"""One page for several runs on the same clips: their scores, folds and classes side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tagging.config import told_apart
from tagging.contract import Metric
from tagging.metrics import lwlrap, lwlrap_per_class
from tagging.pages.against import against
from tagging.pages.cards import Scored
from tagging.report import charts
from tagging.report.html import html_page
from tagging.runs.predictions import OutOfFold
from tagging.tracking.store import Run


def compare_page(runs: Sequence[Run], oof: OutOfFold) -> str:
    """Return a page in HTML that compares runs, the best first; `oof` holds their predictions in their order."""
    order = sorted(range(len(runs)), key=lambda index: -lwlrap(oof.truth, oof.probabilities[index]))
    runs = [runs[index] for index in order]
    scored = [Scored(oof.classes, oof.fnames, oof.folds, oof.truth, oof.probabilities[index]) for index in order]
    names = _names(runs)
    folds = np.unique(oof.folds).tolist()
    by_class = [lwlrap_per_class(one.truth, one.probabilities)[0].tolist() for one in scored]
    return html_page(
        "compare",
        dataset=runs[0].dataset,
        clips=len(oof.fnames),
        folds=folds,
        rows=[
            {
                "name": name,
                "cv": lwlrap(one.truth, one.probabilities),
                "folds": [_of_fold(one, fold) for fold in folds],
                "accuracy": run.metrics.get(Metric.CV_ACCURACY),
                "differs": differs,
            }
            for name, run, one, differs in zip(
                names, runs, scored, told_apart([run.params for run in runs]), strict=True
            )
        ],
        classes=charts.heatmap(
            [
                {"run": name, "class": label, "lwlrap": value}
                for name, values in zip(names, by_class, strict=True)
                for label, value in zip(oof.classes, values, strict=True)
            ],
            "run",
            "class",
            "lwlrap",
            ("run", "class"),
        ),
        others=[
            (name, against(runs[0], scored[0], run, one))
            for name, run, one in list(zip(names, runs, scored, strict=True))[1:]
        ],
    )


def _names(runs: Sequence[Run]) -> list[str]:
    """Return the runs' names, with the beginning of the id where several runs share one."""
    named = [run.name for run in runs]
    return [run.name if named.count(run.name) == 1 else f"{run.name} {run.id[:8]}" for run in runs]


def _of_fold(scored: Scored, fold: int) -> float:
    own = scored.of_fold(fold)
    return lwlrap(own.truth, own.probabilities)
