"""What an evaluation prints: classes and groups of one run, or several runs side by side."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

from tagging.commands.printing import print_rows
from tagging.contract import Metric
from tagging.progress import say
from tagging.report.comparison import Scored
from tagging.report.evaluation import ALL, rank_correlation
from tagging.report.wording import count


def show_classes(classes: pd.DataFrame, groups: Sequence[str]) -> None:
    """Print a line a class of a `class_table`, the worst first, those without clips last."""
    rows = [
        [
            row["label"],
            str(row["clips"]),
            _number(row["lwlrap"]),
            _bounds(row),
            *(_number(row[f"lwlrap_in_{name}"]) for name in groups),
        ]
        for row in classes.sort_values("lwlrap", kind="stable").to_dict("records")
    ]
    print_rows(["class", "clips", "lwlrap", "95 % interval", *groups], rows)


def say_scores(title: str, scores: pd.DataFrame, metrics: Mapping[str, float]) -> None:
    """Print a line a group of a `score_table`, and the CV lwlrap among a run's `metrics`."""
    say(f"\n{title}")
    for row in scores.to_dict("records"):
        name = "test lwlrap" if row["group"] == ALL else f"  {row['group']}, {count(row['clips'], 'clip')}:"
        bounds = f"   95 % interval {known}" if (known := _bounds(row)) else ""
        accuracy = f"   accuracy {row['accuracy']:.4f}" if "accuracy" in row else ""
        say(f"{name} {row['lwlrap']:.4f}{bounds}{accuracy}")
    if Metric.CV_LWLRAP in metrics:
        say(f"CV lwlrap {_cv(metrics[Metric.CV_LWLRAP], metrics.get(Metric.FOLD_STD, np.nan))}")


def show_runs(title: str, runs: Sequence[Scored]) -> None:
    """Print a line a run, the best on the test clips first, and how far CV ranks them as each group does."""
    groups = list(runs[0].scores["group"])
    names = [run.name for run in runs]
    rows = []
    for run in sorted(runs, key=lambda run: -run.scores["lwlrap"][0]):
        whole, *parts = run.scores.to_dict("records")
        name = run.name if names.count(run.name) == 1 else f"{run.name} {run.id[:8]}"
        scores = [_cv(run.cv_lwlrap, run.spread), _number(whole["lwlrap"]), _bounds(whole)]
        rows.append([name, *scores, *(_number(part["lwlrap"]) for part in parts)])
    say(title)
    print_rows(["run", "CV lwlrap", "test", "95 % interval", *groups[1:]], rows)
    known = [run for run in runs if not np.isnan(run.cv_lwlrap)]
    for row, group in enumerate(groups):
        correlation = rank_correlation([run.cv_lwlrap for run in known], [run.scores["lwlrap"][row] for run in known])
        if not np.isnan(correlation):
            say(f"rank correlation (Spearman) of CV and test, {group}: {correlation:.3f} over {len(known)} runs")


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"


def _bounds(row: Mapping[Hashable, float]) -> str:
    low, high = row["lwlrap_low"], row["lwlrap_high"]
    return "" if np.isnan(low) else f"{low:.4f} to {high:.4f}"


def _cv(score: float, spread: float) -> str:
    return f"{_number(score)} ± {spread:.4f}" if not np.isnan(spread) else _number(score)
