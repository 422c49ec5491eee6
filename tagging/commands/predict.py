"""Predict with a finished run: its own clips again, or new sound.

Imports torch once the run is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from tagging import RECIPE_VERSION
from tagging.contract import LEFT_OUT, Kind, Tag
from tagging.data.findings import limited
from tagging.data.listing import sound_at
from tagging.errors import PartlyDone, UserError
from tagging.jobs.lessons import Lessons
from tagging.jobs.prepare import prepare
from tagging.progress import say, warn
from tagging.report.wording import count
from tagging.runs.finished import open_run
from tagging.runs.folds import finished_folds, warn_of_untrained
from tagging.runs.members import read_ensemble
from tagging.runs.out_of_fold import read_out_of_fold
from tagging.runs.stored import stored_experiment
from tagging.tracking.store import Run, Store


def predict_again(run_text: str, overrides: Sequence[str] = (), data: Path | None = None) -> dict[str, float]:
    """Make out-of-fold and test probabilities and metrics of a finished run anew, from its checkpoints or members.

    Prints each metric as stored and as it came out now, and logs what came out. Raises UserError where
    the run lacks folds or the data is not the run's.
    """
    store, run = open_run(run_text)
    if run.kind == Kind.ENSEMBLE:
        if overrides or data:
            raise UserError(f"{run.name} is blended anew from its members' files; leave out --set and --data")
        metrics = _ensemble_again(store, run)
    elif run.predicts_as == Kind.STACKER:
        from tagging.jobs.stacking.predict import predict_stacker_again

        metrics = predict_stacker_again(store, run, overrides, data)
    else:
        metrics = _folds_again(store, run, overrides, data)
    for name, value in metrics.items():
        stored = f"{run.metrics[name]:.6f}" if name in run.metrics else "none"
        say(f"{name:<20} stored {stored:<10} again {value:.6f}")
    return metrics


def _folds_again(store: Store, run: Run, overrides: Sequence[str], data: Path | None) -> dict[str, float]:
    if (recipe := run.tags.get(Tag.RECIPE, "1")) != str(RECIPE_VERSION):
        raise UserError(
            f"{run.name} was trained with version {recipe} of the recipe, this is version {RECIPE_VERSION}, whose "
            "fields or numbers are others; use the commit in its tag git.commit, or train it again"
        )
    experiment = stored_experiment(store, run, overrides, data)
    prepared = prepare(experiment, weights=run.tags.get("weights.sha256", ""))
    if digest := run.tags.get("teacher.sha256"):  # the teacher itself need not be there any more
        prepared = replace(prepared, lessons=Lessons(digest, ()))
    for tag, digest in prepared.data_tags().items():
        if run.tags.get(tag) != digest:
            raise UserError(
                f"{prepared.dataset.folder} is not the data {run.name} was trained on: {tag} is {digest}, "
                f"the run's is {run.tags.get(tag)}; name the right folder with --data"
            )
    if prepared.fingerprint() != run.tags.get(Tag.FINGERPRINT):
        raise UserError(
            f"labels, sound or settings are not those {run.name} was trained with, and it keeps its numbers; "
            "give the same data, and no --set that changes numbers"
        )
    folds = finished_folds(store, run)
    from tagging.jobs.apply import restore_model
    from tagging.jobs.fold import predict_fold, stage
    from tagging.jobs.summary import summarise

    shared = stage(prepared)
    for fold, child in folds.items():
        model = restore_model(experiment, len(prepared.dataset.classes), fold, child.id, shared.device, store)
        predict_fold(shared, model, fold, child.id, run.id, store)
    return summarise(prepared, run, finished_folds(store, run), store)


def _ensemble_again(store: Store, run: Run) -> dict[str, float]:
    """Blend the files of an ensemble's members anew."""
    from tagging.selection.ensemble_run import log_predictions  # with Matplotlib

    ensemble = read_ensemble(store, run)
    metrics = log_predictions(store, run, ensemble, read_out_of_fold(store, ensemble.runs))
    store.log_metrics(run.id, metrics)
    return metrics


def tag_folder(
    run_text: str,
    folder: Path,
    out: Path | None,
    top: int,
    overrides: Sequence[str] = (),
    files: Sequence[Path] | None = None,
) -> pd.DataFrame:
    """Tag the sound in a folder, or one file, as `predicting.folder.tag_files` does; return its table.

    Prints the `top` likeliest classes of each clip; `out` is a CSV file to write all to, `files` what `sound_at` found.
    Raises UserError if there is no sound, PartlyDone at the end if some of it could not be read and is left out.
    """
    store, run = open_run(run_text)
    warn_of_untrained(store, run)
    files = files or sound_at(folder, warn)
    from tagging.predicting.folder import likeliest, tag_files, write_tags

    table, problems = tag_files(store, run, folder, files, overrides)
    try:
        if out is not None:
            write_tags(table, out)
    finally:  # the screen has the tags even where the file cannot be written
        for line in likeliest(table, top):
            say(line)
    if out is not None:
        say(f"wrote {out}: {count(len(table), 'clip')}, {len(table.columns) - 1} classes")
    if problems:
        for problem in limited(problems, str, "files"):
            warn(f"{LEFT_OUT}{problem}")
        raise PartlyDone(f"{len(table)} of {count(len(files), 'file')} tagged; the others are named above")
    return table
