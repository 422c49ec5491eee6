"""Test probabilities of runs, or a submission, against true labels: scores, and their tables and picture in the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tagging import seeds
from tagging.contract import Metric
from tagging.data.findings import Findings, apart
from tagging.data.truth import Truth, read_submission, read_truth
from tagging.errors import UserError
from tagging.progress import say, warn
from tagging.report.evaluation import ALL, Scored, class_table, cv_against_test, score_table
from tagging.report.figures import class_lwlrap
from tagging.report.wording import count
from tagging.runs.finished import warn_of_untrained
from tagging.runs.predictions import blended_test
from tagging.runs.stored import class_columns, prediction_table
from tagging.tracking.run import metric_name
from tagging.tracking.store import Run, Store

DIGEST = "test.truth"  # the tag that tells by which truth a run's scores came
SCORES = ("lwlrap", "accuracy")  # those of a `score_table` that are metrics of the run


@dataclass(frozen=True)
class Predicted:
    """Probabilities of test clips, fname and one column a class, of a run or a file that messages call `title`."""

    title: str
    table: pd.DataFrame


@dataclass(frozen=True)
class Evaluation:
    """The scores of a run or a file by true labels: `scores` a row a group, `classes` a row a class."""

    scores: pd.DataFrame
    classes: pd.DataFrame


def read_runs(store: Store, run_texts: Sequence[str]) -> list[tuple[Run, Predicted]]:
    """Return the runs that a user names, each once, with their test probabilities; UserError with all problems."""
    found: dict[str, tuple[Run, Predicted]] = {}
    problems: list[str] = []
    for text in run_texts:
        try:
            run = store.resolve(text)
            if run.id not in found:
                predicted = Predicted(f"run {run.title}", blended_test(store, run))
                warn_of_untrained(store, run)
                found[run.id] = run, predicted
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(*problems)
    return list(found.values())


def read_file(submission: Path) -> Predicted:
    """Return the probabilities of a submission; UserError as `read_submission`."""
    fnames, classes, scores = read_submission(submission)
    return Predicted(str(submission), prediction_table(fnames, scores, classes))


def truth_of(path: Path, predicted: Sequence[Predicted], group: str, datasets: Sequence[str] = ()) -> Truth:
    """Return the true labels of predicted clips from a table; UserError with all problems of the table.

    `group`: the column that names the groups of clips, "" the default one. `datasets`: the data set of each of
    `predicted`, if runs; those of another data set or of other classes than the first are problems too.
    """
    first, *others = predicted
    classes = class_columns(first.table)
    problems = []
    for place, other in enumerate(others, 1):
        if datasets[place] != datasets[0]:
            problems.append(
                f"{other.title} is of data set {datasets[place]}, {first.title} of {datasets[0]}: "
                "their CVs are of other clips; evaluate it by itself"
            )
        if differences := apart(class_columns(other.table), classes):
            problems.append(
                f"{other.title} predicts other classes than {first.title} ({differences}); evaluate it by itself"
            )
    known = {one.title: list(one.table["fname"]) for one in predicted}
    return read_truth(path, classes, known, group, Findings(problems))


def evaluate(truth: Truth, predicted: Predicted) -> Evaluation:
    """Score predicted clips by their true labels; every run by the same draws of clips, so that intervals compare."""
    table = predicted.table.set_index("fname")
    scores = table.loc[list(truth.fnames), list(truth.classes)].to_numpy()
    generator = np.random.default_rng(seeds.derive(0, "bootstrap"))
    return Evaluation(
        score_table(truth.labels, scores, truth.groups, generator),
        class_table(truth.classes, truth.labels, scores, truth.groups, generator),
    )


def log_evaluation(store: Store, run: Run, truth: Truth, evaluation: Evaluation) -> None:
    """Log scores, tables and a picture with the run; those of an earlier evaluation are replaced."""
    metrics = {
        metric_name(f"test_{name}" + ("" if row["group"] == ALL else f"_{row['group']}")): row[name]
        for row in evaluation.scores.to_dict("records")
        for name in SCORES
        if name in row
    }
    earlier = [name for name, value in run.metrics.items() if not np.isnan(value)]
    ours = tuple(f"test_{name}" for name in SCORES)
    stale = sorted(name for name in earlier if name.startswith(ours) and name not in metrics)
    if run.tags.get(DIGEST, truth.digest) != truth.digest:
        warn(
            f"run {run.title} was evaluated by another truth before: its figures are replaced"
            + (f", by NaN where this one gives none: {', '.join(stale)}" if stale else "")
        )
    table = evaluation.classes
    figure = class_lwlrap(
        run.name,
        f"{count(len(truth.fnames), 'test clip')}, 95 % intervals",
        list(truth.classes),
        table["lwlrap"].to_numpy(),
        table["clips"].to_numpy(),
        table[["lwlrap_low", "lwlrap_high"]].to_numpy().T,
    )
    store.log_shown_table(run.id, evaluation.scores, "tables/test_scores.parquet")
    store.log_shown_table(run.id, table, "tables/test_per_class.parquet")
    store.log_figure(run.id, figure, "figures/test_class_lwlrap.png")
    # MLflow cannot take a metric back
    store.log_metrics(run.id, metrics | dict.fromkeys(stale, np.nan))
    store.set_tags(run.id, {DIGEST: truth.digest, "test.clips": len(truth.fnames)})


def scored(run: Run, evaluation: Evaluation) -> Scored:
    """Return what the comparison of several runs shows of a run."""
    cv, spread = (run.metrics.get(name, float("nan")) for name in (Metric.CV_LWLRAP, Metric.FOLD_STD))
    return Scored(run.name, run.id, cv, spread, evaluation.scores)


def draw_comparison(dataset: str, runs: Sequence[Scored], out: Path) -> None:
    """Draw CV against test of the runs that have a CV into a file; UserError where it cannot be written."""
    known = [run for run in runs if not np.isnan(run.cv_lwlrap)]
    if not known:
        warn("no run has a CV lwlrap, so there is no picture; a CV lwlrap needs all folds")
        return
    try:
        cv_against_test(dataset, known).savefig(out)
    except (OSError, ValueError) as error:  # matplotlib's for a suffix it does not know
        raise UserError(f"{out}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
    say(f"wrote {out}: CV against test of {count(len(known), 'run')}")
