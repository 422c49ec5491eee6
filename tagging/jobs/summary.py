"""From finished folds to the numbers, tables, pictures and page of their parent."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import numpy as np
import pandas as pd

from tagging.config import Experiment
from tagging.contract import TRAINED, File, Kind, Metric, Tag
from tagging.errors import UserError
from tagging.jobs.job import Job
from tagging.pages.reports import reports, sounds_of
from tagging.report import figures
from tagging.report.pages import Corrected, Linked, Rival, TaughtBy, TrialOf, page
from tagging.runs.finished import finished_folds, rivals
from tagging.runs.result import Result, fold_scores
from tagging.runs.stored import class_columns, read_predictions
from tagging.tracking.store import Run, Store
from tagging.training.history import EpochRecord


def summarise(job: Job, parent: Run, folds: Mapping[int, Run], store: Store) -> dict[str, float]:
    """Log the results of the finished folds together and return the metrics.

    `cv_lwlrap`, the tables and the tag that makes a candidate need all folds; before that only the
    mean and the sample standard deviation over the folds at hand are logged. `folds`: their runs as they are now.
    """
    parent = store.get(parent.id)
    metrics = fold_scores(folds)
    if job.predicting_epoch:
        histories = {fold: _history(store, folds[fold]) for fold in sorted(folds)}
        if job.predicting_epoch == "best":
            # bounds from above what choosing the epoch on the fold that is then reported can have brought
            scores = [history["val_lwlrap"] for history in histories.values()]
            metrics["best_epoch_gain"] = float(np.mean([score.max() - score.iloc[-1] for score in scores]))
        store.log_figure(parent.id, figures.learning_curves(parent.name, histories), "figures/learning_curves.png")
    if len(folds) < job.num_folds:
        store.log_metrics(parent.id, metrics)
        _log_reports(job, parent, store)
        return metrics
    pooled = {path: _pooled(job, folds, store, path) for path in job.tables}
    for path, table in pooled.items():
        store.log_table(parent.id, table, path)
    dataset = job.dataset
    result = Result(
        classes=dataset.classes,
        fnames=dataset.curated.fnames,
        folds=job.folds,
        truth=dataset.curated.labels,
        probabilities=pooled[File.OOF][list(dataset.classes)].to_numpy(),
        corrected=job.corrected,
        kept=~job.removed,
    )
    metrics = result.metrics() | metrics  # the number people look for comes first
    result.log(store, parent, by_corrected=bool(job.label_lists))
    store.log_metrics(parent.id, metrics)
    _log_reports(job, parent, store)
    rival = _rival(job, parent, folds, store)
    result.publish(store, parent, _page(job, parent, result, metrics, rival, store))
    return metrics


def _log_reports(job: Job, parent: Run, store: Store) -> None:
    """Log `report.html` of the finished folds and, with all of them, of their parent; a trial's is made on request."""
    if parent.kind in TRAINED:
        sounds = sounds_of(job.dataset)
        for run, html in reports(store, store.get(parent.id), job.dataset, sounds, job.recipe.report.clips):
            store.log_text(run.id, html, File.REPORT)


def _history(store: Store, fold: Run) -> pd.DataFrame:
    with store.reading(fold.id, f"{File.CHECKPOINTS}/last/state.json") as local:
        records = [EpochRecord(**record).as_dict() for record in json.loads(local.read_bytes())["history"]]
        if not records or not all(isinstance(value, int | float) for record in records for value in record.values()):
            raise ValueError("its history is not one of numbers")
    return pd.DataFrame(records)


def _pooled(job: Job, folds: Mapping[int, Run], store: Store, path: str) -> pd.DataFrame:
    """Join the folds' tables in the order of the curated clips; UserError where one holds other clips or classes."""
    fnames, parts = job.dataset.curated.fnames, []
    for fold, run in sorted(folds.items()):
        part = read_predictions(store, run, path, tiles=path == File.OOF_TILES)
        held_out = {fnames[row] for row in np.flatnonzero(job.folds == fold)}
        if set(part["fname"]) != held_out or class_columns(part) != list(job.dataset.classes):
            what = f"{path} holds other clips or classes than fold {fold} has"
            raise UserError(f"{run.title}: {what}; train the run again")
        parts.append(part)
    joined = pd.concat(parts, ignore_index=True)
    order = {fname: row for row, fname in enumerate(fnames)}
    return joined.iloc[np.argsort(joined["fname"].map(order), kind="stable")].reset_index(drop=True)


def _rival(job: Job, parent: Run, folds: Mapping[int, Run], store: Store) -> Rival | None:
    """Return the best other run on the same classes, clips and folds, and how it compares fold by fold."""
    kinds = dict.fromkeys((Kind.EXPERIMENT, job.kind))  # what learns from others is no rival of an experiment
    try:
        best = max(rivals(store, parent, kinds), key=lambda run: run.metrics[Metric.CV_LWLRAP], default=None)
        if best is None:
            return None
        theirs = {fold: child.score(Metric.FOLD_LWLRAP) for fold, child in finished_folds(store, best).items()}
    except UserError:  # somebody deleted one, or its tags: nothing that should stop this run
        return None
    ours = {fold: run.score(Metric.FOLD_LWLRAP) for fold, run in folds.items()}
    if theirs.keys() != ours.keys():  # somebody called it a candidate, or moved a fold's tag
        return None
    return Rival(
        name=best.name,
        date=time.strftime("%Y-%m-%d"),
        link=best.link,
        differs=best.tags.get(Tag.DIFFERS, ""),
        cv_lwlrap=best.metrics[Metric.CV_LWLRAP],
        gains=tuple(ours[fold] - theirs[fold] for fold in sorted(folds)),
    )


def _page(
    job: Job, parent: Run, result: Result, metrics: Mapping[str, float], rival: Rival | None, store: Store
) -> str:
    dataset, tags = job.dataset, parent.tags
    started_from = taught_by = corrected = trial = None
    if parent.parent_id:
        sweep = store.get(parent.parent_id)
        trial = TrialOf(Linked(sweep.name, sweep.link), sweep.id[:8], tags.get(Tag.TRIAL_NUMBER, ""))
    if Tag.INIT_RUN in tags and tags.get(Tag.INIT_NAME):
        started_from = Linked(tags[Tag.INIT_NAME], f"#/runs/{tags[Tag.INIT_RUN]}")
    if tags.get(Tag.TEACHER_RUN) and tags.get(Tag.TEACHER_NAME) and isinstance(job.recipe, Experiment):
        shares = job.recipe.teacher
        link = f"#/runs/{tags[Tag.TEACHER_RUN]}"
        taught_by = TaughtBy(tags[Tag.TEACHER_NAME], link, curated=shares.curated, noisy=shares.noisy)
    if job.recipe.labels.corrections:
        changed = (job.corrected != dataset.curated.labels).any(axis=1) & ~job.removed
        corrected = Corrected(metrics["cv_lwlrap_corrected"], int(changed.sum()), int(job.removed.sum()))
    return page(
        "experiment",
        run=parent.id[:8],  # several runs may share a name
        # a run that is continued under another name keeps its own
        experiment=parent.name,
        notes=parent.params.get("notes", ""),
        base=tags.get(Tag.BASE, ""),
        differs=tags.get(Tag.DIFFERS, ""),
        dataset=dataset.name,
        curated=len(dataset.curated),
        noisy=len(dataset.noisy),
        test=len(dataset.test),
        folds=job.num_folds,
        warnings=len(job.warnings),
        metrics=metrics,
        class_lwlrap=result.class_lwlrap(),
        rival=rival,
        report="" if trial else parent.report_link,
        trial=trial,
        started_from=started_from,
        members=job.members,
        taught_by=taught_by,
        corrected=corrected,
        leaks=Tag.LEAKS in tags,
    )
