"""A test half that a run has not predicted yet: it came after the training, or a member of an ensemble lacks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tagging.config import Experiment
from tagging.data.dataset import Dataset
from tagging.data.layouts import read_dataset
from tagging.errors import UserError
from tagging.features.table import LogMels
from tagging.jobs.reading import data_folder, dataset_name, logmel_settings
from tagging.predicting.new_sound import Look, read_sounds
from tagging.predicting.tagger import Tagger, classes_of, hears, no_checkpoints, with_members
from tagging.progress import decoding_bar, say
from tagging.report.wording import count
from tagging.runs.files import LEFT_OUT, WARNINGS, half_path
from tagging.runs.folds import fold_numbers
from tagging.runs.halves import has_half
from tagging.runs.stored import read_predictions, stored_experiment
from tagging.tracking.store import Run, Store


def complete_test(store: Store, run: Run, data: Path | None = None) -> None:
    """Let a run and all its members predict the test half where they lack it, and keep that with each of them.

    On whatever device there is; each test clip is decoded once, for all of them, and no other clip. `data` is the
    data set's folder where it moved. Raises UserError where the data set has no test half or other classes, or clips
    that cannot be decoded, and where checkpoints are gone.
    """
    runs = with_members(store, run)
    folds = {each.id: fold_numbers(store, each) for each in runs}
    lacking = {each.id for each in runs if not has_half(store, each, "test", folds[each.id])}
    if not lacking:
        return
    hearing = [each for each in runs if hears(each)]
    asked = [each for each in hearing if each.id in lacking]
    _check_checkpoints(asked)
    half = _read(store, run, asked or hearing[:1], data)
    tagger = Tagger(store, half.listen, ["device=auto"])
    for each in runs:
        if each.id not in lacking:
            tagger.remember(each, half.stored(store, each, folds[each.id]))
            continue
        for fold, probabilities in zip(folds[each.id], tagger.folds(each), strict=True):
            store.log_table(each.id, half.table(fold, probabilities), half_path("test", fold))
        _keep(store, each, half.left_out)
        say(f"{each.title} had not predicted the test half: {count(len(half.fnames), 'clip')}, done now")


@dataclass(frozen=True)
class _Half:
    """The test clips of a data set that can be read, in its order, and their log-mels for each way of making them."""

    dataset: Dataset
    fnames: list[str]
    classes: list[str]
    logmels: Mapping[Look, LogMels]
    left_out: list[str]

    def listen(self, experiment: Experiment) -> tuple[LogMels, np.ndarray]:
        return self.logmels[_look_of(experiment)], np.arange(len(self.fnames))

    def stored(self, store: Store, run: Run, folds: Sequence[int]) -> np.ndarray:
        """Return what a run said before, [K, n, C]; UserError where that is of other clips."""
        tables = [read_predictions(store, run, half_path("test", fold)).set_index("fname") for fold in folds]
        for table in tables:
            if set(table.index) != set(self.fnames) or not set(self.classes) <= set(table.columns):
                raise UserError(
                    f"{run.title} predicted other test clips or classes than {self.dataset.folder} holds now; bring "
                    "those back, or train it again"
                )
        return np.stack([table.loc[self.fnames, self.classes].to_numpy(np.float32) for table in tables])

    def table(self, fold: int, probabilities: np.ndarray) -> pd.DataFrame:
        head = pd.DataFrame({"fname": self.fnames, "fold": fold})
        return head.join(pd.DataFrame(probabilities, columns=self.classes))


def _read(store: Store, run: Run, asked: Sequence[Run], data: Path | None) -> _Half:
    """Read the test half of the data set that runs were trained on, as it is now, as each of them hears it."""
    experiments = [stored_experiment(store, each, data=data) for each in asked]
    classes = classes_of(store, run)
    dataset = _read_dataset(run, experiments[0], classes)
    clips = dataset.test
    with decoding_bar("second") as bar:
        sound = read_sounds(clips.paths, list(dict.fromkeys(map(_look_of, experiments))), bar.reach)
    if sound.problems and not (sound.tables and all(each.data.skip_unreadable for each in experiments)):
        raise UserError(*sound.problems, f"{count(len(sound.problems), 'file')} cannot be used; mend them")
    fnames = [fname for fname, usable in zip(clips.fnames, sound.readable, strict=True) if usable]
    return _Half(dataset, fnames, classes, sound.tables, [f"{LEFT_OUT}{problem}" for problem in sound.problems])


def _keep(store: Store, run: Run, left_out: Sequence[str]) -> None:
    """Keep with a run which test clips it has no predictions of, as a training does."""
    known = store.read_text(run.id, WARNINGS).splitlines() if store.has_file(run.id, WARNINGS) else []
    if lines := [line for line in left_out if line not in known]:
        store.log_text(run.id, "\n".join([*known, *lines]) + "\n", WARNINGS)


def _read_dataset(run: Run, experiment: Experiment, classes: Sequence[str]) -> Dataset:
    """Read the data set as it is now; UserError where it has no test half, or other classes than the run."""
    title = f"run {run.name} ({run.id}) has no test predictions"
    try:
        dataset = read_dataset(data_folder(experiment), dataset_name(experiment))
    except UserError as error:
        raise UserError(f"{title}, and its data cannot be read to make them:", *error.problems) from None
    if not len(dataset.test):
        raise UserError(
            f"{title}: {dataset.name} has no test clips; "
            f"`python -m tagging predict --run {run.name} FOLDER` tags a folder"
        )
    if list(dataset.classes) != list(classes):
        raise UserError(f"{title}, and {dataset.folder} has other classes now; name the right folder with --data")
    return dataset


def _look_of(experiment: Experiment) -> Look:
    return Look(logmel_settings(experiment.features), experiment.features.precision)


def _check_checkpoints(runs: Sequence[Run]) -> None:
    """Name all runs that cannot predict any more, before any other does."""
    gone = [no_checkpoints(run) for run in runs if run.tags.get("checkpoints") == "dropped"]
    if gone:
        raise UserError(*gone)
