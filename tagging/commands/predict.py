"""Predict with a finished run: its own clips again, or new sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tagging import RECIPE_VERSION
from tagging.commands import build
from tagging.commands.apply import predict_rows, restore_model
from tagging.commands.finished import class_columns, finished_folds, open_run
from tagging.commands.fold import predict_fold, stage
from tagging.commands.lessons import Lessons
from tagging.commands.prepare import prepare
from tagging.commands.summary import summarise
from tagging.config import Experiment
from tagging.config.load import load_stored, numbers_digest
from tagging.data.audio import read_sound
from tagging.data.listing import SOUND_SUFFIXES
from tagging.errors import UnreadableSound, UserError
from tagging.features.logmel import LogMel, trim_waveform
from tagging.features.table import LogMels
from tagging.inference.blend import geometric_mean, mean_over_tiles
from tagging.progress import Bar, say, warn
from tagging.tracking.store import Run, Store


def predict_again(run_text: str, overrides: Sequence[str] = (), data: Path | None = None) -> dict[str, float]:
    """Make out-of-fold and test probabilities and metrics of a finished run anew from its checkpoints.

    Prints each metric as stored and as it came out now, and logs what came out. Raises UserError where
    the run lacks folds or the data is not the run's.
    """
    store, run = open_run(run_text)
    if (recipe := run.tags.get("recipe", "1")) != str(RECIPE_VERSION):
        raise UserError(
            f"{run.name} was trained with version {recipe} of the recipe, this is version {RECIPE_VERSION}, whose "
            "fields or numbers are others; use the commit in its tag git.commit, or train it again"
        )
    experiment = load_stored(store.fetch(run.id, "config.yaml"), overrides, data)
    prepared = prepare(experiment, weights=run.tags.get("weights.sha256", ""))
    if digest := run.tags.get("teacher.sha256"):  # the teacher itself need not be there any more
        prepared = replace(prepared, lessons=Lessons(digest, ()))
    for tag, digest in prepared.data_tags().items():
        if run.tags.get(tag) != digest:
            raise UserError(
                f"{prepared.dataset.folder} is not the data {run.name} was trained on: {tag} is {digest}, "
                f"the run's is {run.tags.get(tag)}; name the right folder with --data"
            )
    if prepared.fingerprint() != run.tags["fingerprint"]:
        raise UserError(
            f"labels, sound or settings are not those {run.name} was trained with, and it keeps its numbers; "
            "give the same data, and no --set that changes numbers"
        )
    folds = finished_folds(store, run)
    shared = stage(prepared)
    for fold, child in folds.items():
        model = restore_model(experiment, len(prepared.dataset.classes), fold, child.id, shared.device, store)
        predict_fold(shared, model, fold, child.id, run.id, store)
    metrics = summarise(prepared, run, folds, store)
    for name, value in metrics.items():
        stored = f"{run.metrics[name]:.6f}" if name in run.metrics else "none"
        say(f"{name:<20} stored {stored:<10} again {value:.6f}")
    return metrics


def tag_folder(run_text: str, folder: Path, out: Path | None, top: int, overrides: Sequence[str] = ()) -> pd.DataFrame:
    """Tag the sound in a folder, or one file, with all folds of a run.

    Returns fname and one float column a class: the mean over tiles, then the geometric mean over folds.
    Prints the `top` likeliest classes of each clip; `out` is a CSV file to write all to.
    Raises UserError if there is no sound; unreadable files are named and left out.
    """
    store, run = open_run(run_text)
    config = store.fetch(run.id, "config.yaml")
    experiment = load_stored(config, overrides)
    if numbers_digest(experiment) != numbers_digest(load_stored(config)):
        raise UserError(f"{run.name} predicts as it was trained; of --set only device and threads may be given here")
    folds = finished_folds(store, run)
    sound = _read_folder(folder, experiment)
    classes = class_columns(store.read_table(next(iter(folds.values())).id, "predictions/oof.parquet"))
    probabilities = _tag(store, experiment, folds, sound.logmels, len(classes))
    table = pd.concat([pd.DataFrame({"fname": sound.fnames}), pd.DataFrame(probabilities, columns=classes)], axis=1)
    _show(table, classes, min(top, len(classes)))
    if out is not None:
        try:
            table.to_csv(out, index=False, float_format="%.6f")
        except OSError as error:
            raise UserError(f"{out}: cannot be written: {error.strerror or error}") from None
        say(f"wrote {out}: {len(table)} clips, {len(classes)} classes")
    return table


@dataclass(frozen=True)
class _Sound:
    fnames: list[str]
    logmels: LogMels


def _read_folder(folder: Path, experiment: Experiment) -> _Sound:
    if not folder.exists():
        raise UserError(f"{folder}: no such file or folder")
    root = folder if folder.is_dir() else folder.parent
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SOUND_SUFFIXES and path.is_file())
    files = files if folder.is_dir() else [folder]
    settings = build.logmel_settings(experiment.features)
    front_end = LogMel(settings, build.device_of(experiment))
    fnames, clips = [], []
    with Bar("features", "clip", len(files)) as bar:
        for path in files:
            bar.update(1)
            try:
                sound = read_sound(path, settings.sample_rate)
            except UnreadableSound as error:
                warn(str(error))
                continue
            clips += front_end([trim_waveform(sound.samples, settings)])
            fnames.append(path.relative_to(root).as_posix())
    if not clips:
        endings = ", ".join(sorted(SOUND_SUFFIXES))
        raise UserError(f"{folder}: no sound that can be read; looked for files ending in {endings}")
    return _Sound(fnames, LogMels.from_clips(clips))


def _tag(store: Store, experiment: Experiment, folds: dict[int, Run], logmels: LogMels, num_classes: int) -> np.ndarray:
    """Return the geometric mean over folds [n, C] of the mean over tiles of each."""
    device = build.device_of(experiment)
    rows = np.arange(len(logmels))
    members = []
    for fold, child in folds.items():
        model = restore_model(experiment, num_classes, fold, child.id, device, store)
        tiles = predict_rows(experiment, model, logmels, rows, device, f"fold {fold}")
        members.append(mean_over_tiles(tiles.probabilities, tiles.clip, len(rows)))
    return geometric_mean(members)


def _show(table: pd.DataFrame, classes: list[str], top: int) -> None:
    scores = table[classes].to_numpy()
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    width = max(len(fname) for fname in table["fname"])
    for fname, row, order in zip(table["fname"], scores, best, strict=True):
        say(f"{fname:<{width}}  " + "  ".join(f"{classes[index]} {row[index]:.2f}" for index in order))
