"""Predict with a finished run: its own clips again, or new sound.

Imports torch once the run is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tagging import RECIPE_VERSION
from tagging.config import Experiment
from tagging.data.findings import limited
from tagging.data.listing import sound_at
from tagging.errors import PartlyDone, UserError, printable
from tagging.jobs.lessons import Lessons
from tagging.jobs.prepare import prepare
from tagging.jobs.reading import logmel_settings
from tagging.progress import decoding_bar, say, warn
from tagging.report.wording import count
from tagging.runs.files import LEFT_OUT
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
    if run.kind == "ensemble":
        if overrides or data:
            raise UserError(f"{run.name} is blended anew from its members' files; leave out --set and --data")
        metrics = _ensemble_again(store, run)
    elif run.predicts_as == "stacker":
        from tagging.jobs.stacking.predict import predict_stacker_again

        metrics = predict_stacker_again(store, run, overrides, data)
    else:
        metrics = _folds_again(store, run, overrides, data)
    for name, value in metrics.items():
        stored = f"{run.metrics[name]:.6f}" if name in run.metrics else "none"
        say(f"{name:<20} stored {stored:<10} again {value:.6f}")
    return metrics


def _folds_again(store: Store, run: Run, overrides: Sequence[str], data: Path | None) -> dict[str, float]:
    if (recipe := run.tags.get("recipe", "1")) != str(RECIPE_VERSION):
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
    if prepared.fingerprint() != run.tags.get("fingerprint"):
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
    """Tag the sound in a folder, or one file, with all folds of a run, and of its members where it has some.

    Returns fname and one float column a class: the mean over tiles, then the geometric mean over folds.
    Prints the `top` likeliest classes of each clip; `out` is a CSV file to write all to, `files` what `sound_at` found.
    Raises UserError if there is no sound, PartlyDone at the end if some of it could not be read and is left out.
    """
    store, run = open_run(run_text)
    warn_of_untrained(store, run)
    from tagging.jobs.build import device_of
    from tagging.kernel.networks import on_device
    from tagging.predicting.new_sound import Look, read_sounds
    from tagging.predicting.tagger import Tagger, classes_of, hears, same_experiment, with_members

    def look_of(experiment: Experiment) -> Look:
        return Look(logmel_settings(experiment.features), "float32")

    heard = [below for below in with_members(store, run) if hears(below)]
    experiments = [same_experiment(store, below, overrides) for below in heard]
    device, files = device_of(experiments[0]), files or sound_at(folder, warn)
    with decoding_bar("second") as bar:
        sound = read_sounds(files, list(dict.fromkeys(map(look_of, experiments))), bar.reach)
    if not sound.tables:
        nothing = f"{folder}: no sound that can be read in {count(len(files), 'file')}"
        raise UserError(*limited(sound.problems, str, "files"), nothing)
    _warn_of(sound.problems)
    tables = {look: on_device(table, device) for look, table in sound.tables.items()}
    rows = np.arange(sound.readable.sum())
    tagger = Tagger(store, lambda experiment: (tables[look_of(experiment)], rows), overrides)
    classes = classes_of(store, run)
    probabilities = tagger.blended(run)
    root = folder if folder.is_dir() else folder.parent
    readable = [path.relative_to(root) for path, usable in zip(files, sound.readable, strict=True) if usable]
    fnames = [printable(path.as_posix()) for path in readable]
    table = pd.concat([pd.DataFrame({"fname": fnames}), pd.DataFrame(probabilities, columns=classes)], axis=1)
    try:  # the file first, whatever becomes of the words, which are said in any case
        if out is not None:
            _write(table, out)
    finally:
        _show(table, classes, min(top, len(classes)))
    if out is not None:
        say(f"wrote {out}: {count(len(table), 'clip')}, {len(classes)} classes")
    if sound.problems:
        _warn_of(limited(sound.problems, str, "files"))
        raise PartlyDone(f"{len(table)} of {count(len(files), 'file')} tagged; the others are named above")
    return table


def _warn_of(problems: Sequence[str]) -> None:
    for problem in problems:
        warn(f"{LEFT_OUT}{problem}")


def _write(table: pd.DataFrame, out: Path) -> None:
    try:
        table.to_csv(out, index=False, float_format="%.6f")
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from None


def _show(table: pd.DataFrame, classes: list[str], top: int) -> None:
    scores = table[classes].to_numpy()
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    width = max(len(fname) for fname in table["fname"])
    for fname, row, order in zip(table["fname"], scores, best, strict=True):
        say(f"{fname:<{width}}  " + "  ".join(f"{classes[index]} {row[index]:.2f}" for index in order))
