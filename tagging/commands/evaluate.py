"""Score finished runs, or a submission, against true labels of test clips."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tagging.commands.printing import print_rows, score_text
from tagging.data.truth import Truth
from tagging.errors import UserError
from tagging.progress import say
from tagging.report.evaluation import ALL, Scored, rank_correlation
from tagging.report.wording import count
from tagging.runs.evaluation import (
    Evaluation,
    Predicted,
    draw_comparison,
    evaluate,
    log_evaluation,
    read_file,
    read_runs,
    scored,
    truth_of,
)
from tagging.runs.finished import open_store
from tagging.tracking.ownership import link_launch


def evaluate_runs(truth_path: Path, run_texts: Sequence[str], group: str, out: Path | None) -> list[Evaluation]:
    """Score the test probabilities of finished runs against a truth table, log and print the scores.

    `group` names the column that parts the clips, "" the default one. Several runs are compared, and their CV is drawn
    against the test into `out`, by default ./cv_against_test.png. Raises UserError, with all problems at once, for runs
    without test predictions or of another data set or other classes than the first, and for all that `read_truth`
    refuses.
    """
    store = open_store()
    runs, predicted = zip(*read_runs(store, run_texts), strict=True)
    if out and len(runs) == 1:
        raise UserError(f"--out {out} is for the picture of CV against test, which needs two runs or more in --run")
    truth = truth_of(truth_path, predicted, group, [run.dataset for run in runs])
    evaluations = [evaluate(truth, one) for one in predicted]
    for run, evaluation in zip(runs, evaluations, strict=True):
        log_evaluation(store, run, truth, evaluation)
        link_launch(store, run)
    if len(runs) == 1:
        _show_evaluation(predicted[0], truth, truth_path, evaluations[0], runs[0].metrics)
    else:
        compared = [scored(run, evaluation) for run, evaluation in zip(runs, evaluations, strict=True)]
        _show_runs(f"{count(len(truth.fnames), 'clip')} in {truth_path}", compared)
        draw_comparison(runs[0].dataset, compared, out or Path("cv_against_test.png"))
    return evaluations


def evaluate_submission(truth_path: Path, submission: Path, group: str) -> Evaluation:
    """Score a submission against a truth table and print the scores; errors as `evaluate_runs`."""
    predicted = read_file(submission)
    truth = truth_of(truth_path, [predicted], group)
    evaluation = evaluate(truth, predicted)
    _show_evaluation(predicted, truth, truth_path, evaluation, {})
    return evaluation


def _show_evaluation(
    predicted: Predicted, truth: Truth, path: Path, evaluation: Evaluation, metrics: Mapping[str, float]
) -> None:
    """Print a line a class, the worst first and those without clips last, a line a group, and the CV of `metrics`."""
    rows = [
        [row["label"], str(row["clips"]), score_text(row["lwlrap"]), _bounds(row)]
        + [score_text(row[f"lwlrap_in_{name}"]) for name in truth.groups]
        for row in evaluation.classes.sort_values("lwlrap", kind="stable").to_dict("records")
    ]
    print_rows(["class", "clips", "lwlrap", "95 % interval", *truth.groups], rows)
    total, known = len(predicted.table), len(truth.fnames)
    part = "" if known == total else f" of the {total:,} that are predicted"
    say(f"\n{predicted.title}: {count(known, 'clip')}{part} in {path}")
    for row in evaluation.scores.to_dict("records"):
        name = "test lwlrap" if row["group"] == ALL else f"  {row['group']}, {count(row['clips'], 'clip')}:"
        bounds = f"   95 % interval {known_bounds}" if (known_bounds := _bounds(row)) else ""
        accuracy = f"   accuracy {row['accuracy']:.4f}" if "accuracy" in row else ""
        say(f"{name} {row['lwlrap']:.4f}{bounds}{accuracy}")
    if "cv_lwlrap" in metrics:
        say(f"CV lwlrap {score_text(metrics['cv_lwlrap'], metrics.get('fold_lwlrap_std', np.nan))}")


def _show_runs(title: str, runs: Sequence[Scored]) -> None:
    """Print a line a run, the best on the test clips first, and how far CV ranks them as each group does."""
    groups = list(runs[0].scores["group"])
    names = [run.name for run in runs]
    rows = []
    for run in sorted(runs, key=lambda run: -run.scores["lwlrap"][0]):
        whole, *parts = run.scores.to_dict("records")
        name = run.name if names.count(run.name) == 1 else f"{run.name} {run.id[:8]}"
        scores = [score_text(run.cv_lwlrap, run.spread), score_text(whole["lwlrap"]), _bounds(whole)]
        rows.append([name, *scores, *(score_text(part["lwlrap"]) for part in parts)])
    say(title)
    print_rows(["run", "CV lwlrap", "test", "95 % interval", *groups[1:]], rows)
    known = [run for run in runs if not np.isnan(run.cv_lwlrap)]
    for row, group in enumerate(groups):
        correlation = rank_correlation([run.cv_lwlrap for run in known], [run.scores["lwlrap"][row] for run in known])
        if not np.isnan(correlation):
            say(f"rank correlation (Spearman) of CV and test, {group}: {correlation:.3f} over {len(known)} runs")


def _bounds(row: Mapping[Hashable, float]) -> str:
    low, high = row["lwlrap_low"], row["lwlrap_high"]
    return "" if np.isnan(low) else f"{low:.4f} to {high:.4f}"
