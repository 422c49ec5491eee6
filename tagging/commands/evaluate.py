"""Score finished runs, or a submission, against true labels of test clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tagging.commands.show_evaluation import show_evaluation, show_runs
from tagging.errors import UserError
from tagging.report.wording import count
from tagging.runs.evaluation import (
    Evaluation,
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
        show_evaluation(predicted[0], truth, truth_path, evaluations[0], runs[0].metrics)
    else:
        compared = [scored(run, evaluation) for run, evaluation in zip(runs, evaluations, strict=True)]
        show_runs(f"{count(len(truth.fnames), 'clip')} in {truth_path}", compared)
        draw_comparison(runs[0].dataset, compared, out or Path("cv_against_test.png"))
    return evaluations


def evaluate_submission(truth_path: Path, submission: Path, group: str) -> Evaluation:
    """Score a submission against a truth table and print the scores; errors as `evaluate_runs`."""
    predicted = read_file(submission)
    truth = truth_of(truth_path, [predicted], group)
    evaluation = evaluate(truth, predicted)
    show_evaluation(predicted, truth, truth_path, evaluation, {})
    return evaluation
