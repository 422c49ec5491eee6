"""Score finished runs, or a submission, against true labels of test clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tagging import seeds
from tagging.commands.show_evaluation import say_scores, show_classes, show_runs
from tagging.contract import Metric
from tagging.data.findings import Findings, apart
from tagging.data.truth import Truth, read_submission, read_truth
from tagging.errors import UserError
from tagging.progress import say, warn
from tagging.report.comparison import Scored, cv_against_test
from tagging.report.evaluation import ALL, class_table, score_table
from tagging.report.figures import class_lwlrap
from tagging.report.wording import count
from tagging.runs.finished import open_store, warn_of_untrained
from tagging.runs.predictions import blended_test
from tagging.runs.stored import class_columns
from tagging.tracking.ownership import link_launch
from tagging.tracking.run import metric_name
from tagging.tracking.store import Run, Store

DIGEST = "test.truth"  # the tag that says by which truth a run's figures came
SCORES = ("lwlrap", "accuracy")  # those of a `score_table` that are metrics of the run


@dataclass(frozen=True)
class Predicted:
    """Scores of clips, fname and one column a class, by a run or a file that messages call `title`."""

    title: str
    table: pd.DataFrame


@dataclass(frozen=True)
class Evaluation:
    """What a truth says of a run or a file: `scores` a row a group, `classes` a row a class."""

    scores: pd.DataFrame
    classes: pd.DataFrame


def evaluate_runs(truth_path: Path, run_texts: Sequence[str], group: str, out: Path | None) -> list[Evaluation]:
    """Score the test probabilities of finished runs against a truth table, log and print what comes out.

    `group` names the column that parts the clips, "" the default one. Several runs are compared, and their CV is drawn
    against the test into `out`, by default ./cv_against_test.png. Raises UserError, with all problems at once, for runs
    without test predictions or of another data set or other classes than the first, and for all that `read_truth`
    refuses.
    """
    store = open_store()
    runs, predicted = _read_runs(store, run_texts)
    if out and len(runs) == 1:
        raise UserError(f"--out {out} is for the picture of CV against test, which needs two runs or more in --run")
    truth = _read_truth(truth_path, predicted, group, _differences(runs, predicted))
    evaluations = [_evaluation(truth, one) for one in predicted]
    for run, evaluation in zip(runs, evaluations, strict=True):
        _log(store, run, truth, evaluation)
        link_launch(store, run)
    if len(runs) == 1:
        show_classes(evaluations[0].classes, list(truth.groups))
        say_scores(_title(predicted[0], truth, truth_path), evaluations[0].scores, runs[0].metrics)
    else:
        scored = [_scored(run, evaluation) for run, evaluation in zip(runs, evaluations, strict=True)]
        show_runs(f"{count(len(truth.fnames), 'clip')} in {truth_path}", scored)
        _draw(runs[0].dataset, scored, out or Path("cv_against_test.png"))
    return evaluations


def evaluate_submission(truth_path: Path, submission: Path, group: str) -> Evaluation:
    """Score a submission against a truth table and print what comes out; errors as `evaluate_runs`."""
    fnames, classes, scores = read_submission(submission)
    table = pd.concat([pd.DataFrame({"fname": fnames}), pd.DataFrame(scores, columns=list(classes))], axis=1)
    predicted = Predicted(str(submission), table)
    truth = _read_truth(truth_path, [predicted], group, [])
    evaluation = _evaluation(truth, predicted)
    show_classes(evaluation.classes, list(truth.groups))
    say_scores(_title(predicted, truth, truth_path), evaluation.scores, {})
    return evaluation


def _read_runs(store: Store, run_texts: Sequence[str]) -> tuple[list[Run], list[Predicted]]:
    """Return the runs that are meant, each once, and what they predicted of the test clips."""
    runs: dict[str, Run] = {}
    predicted: list[Predicted] = []
    problems: list[str] = []
    for text in run_texts:
        try:
            run = store.resolve(text)
            if run.id not in runs:
                predicted.append(Predicted(f"run {run.title}", blended_test(store, run)))
                warn_of_untrained(store, run)
                runs[run.id] = run
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(*problems)
    return list(runs.values()), predicted


def _differences(runs: Sequence[Run], predicted: Sequence[Predicted]) -> list[str]:
    """Say which runs cannot be compared with the first: of another data set, or of other classes."""
    (home, first), *others = zip(runs, predicted, strict=True)
    classes = class_columns(first.table)
    problems = []
    for run, other in others:
        if run.dataset != home.dataset:
            problems.append(
                f"{other.title} is of data set {run.dataset}, {first.title} of {home.dataset}: their CVs are of other "
                "clips; evaluate it by itself"
            )
        theirs = class_columns(other.table)
        if differences := apart(theirs, classes):
            problems.append(
                f"{other.title} predicts other classes than {first.title} ({differences}); evaluate it by itself"
            )
    return problems


def _read_truth(path: Path, predicted: Sequence[Predicted], group: str, problems: list[str]) -> Truth:
    known = {one.title: list(one.table["fname"]) for one in predicted}
    return read_truth(path, class_columns(predicted[0].table), known, group, Findings(problems))


def _evaluation(truth: Truth, predicted: Predicted) -> Evaluation:
    table = predicted.table.set_index("fname")
    scores = table.loc[list(truth.fnames), list(truth.classes)].to_numpy()
    # the same for every run, so that runs are compared on the same draws
    generator = np.random.default_rng(seeds.derive(0, "bootstrap"))
    return Evaluation(
        score_table(truth.labels, scores, truth.groups, generator),
        class_table(truth.classes, truth.labels, scores, truth.groups, generator),
    )


def _log(store: Store, run: Run, truth: Truth, evaluation: Evaluation) -> None:
    """Log figures, tables and a picture with the run; those of an earlier evaluation are replaced."""
    metrics = _metrics(evaluation.scores)
    stale = _stale(run, metrics)
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


def _metrics(scores: pd.DataFrame) -> dict[str, float]:
    """Return the run's metrics of a `score_table`, by the names they have in the store."""
    metrics: dict[str, float] = {}
    for row in scores.to_dict("records"):
        ending = "" if row["group"] == ALL else f"_{row['group']}"
        metrics |= {metric_name(f"test_{name}{ending}"): row[name] for name in SCORES if name in row}
    return metrics


def _stale(run: Run, metrics: Mapping[str, float]) -> list[str]:
    """Return the metrics that an earlier evaluation left, and this one does not replace."""
    earlier = [name for name, value in run.metrics.items() if not np.isnan(value)]
    ours = tuple(f"test_{name}" for name in SCORES)
    return sorted(name for name in earlier if name.startswith(ours) and name not in metrics)


def _title(predicted: Predicted, truth: Truth, path: Path) -> str:
    total, known = len(predicted.table), len(truth.fnames)
    part = "" if known == total else f" of the {total:,} that are predicted"
    return f"{predicted.title}: {count(known, 'clip')}{part} in {path}"


def _scored(run: Run, evaluation: Evaluation) -> Scored:
    unknown = float("nan")
    return Scored(
        name=run.name,
        id=run.id,
        cv_lwlrap=run.metrics.get(Metric.CV_LWLRAP, unknown),
        spread=run.metrics.get(Metric.FOLD_STD, unknown),
        scores=evaluation.scores,
    )


def _draw(dataset: str, scored: Sequence[Scored], out: Path) -> None:
    known = [run for run in scored if not np.isnan(run.cv_lwlrap)]
    if not known:
        warn("no run has a CV lwlrap, so there is no picture; a CV lwlrap needs all folds")
        return
    try:
        cv_against_test(dataset, known).savefig(out)
    except (OSError, ValueError) as error:  # matplotlib's for a suffix it does not know
        raise UserError(f"{out}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
    say(f"wrote {out}: CV against test of {count(len(known), 'run')}")
