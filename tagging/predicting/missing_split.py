"""The test split of a run that has not predicted it: the split came later, or a member of an ensemble lacks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagging.config import Experiment
from tagging.contract import LEFT_OUT, File, split_path
from tagging.data.dataset import Dataset
from tagging.data.layouts import read_dataset
from tagging.errors import UserError
from tagging.features.table import LogMels
from tagging.jobs.inputs import data_folder, dataset_name, front_end_of
from tagging.predicting.new_sound import Sound
from tagging.predicting.tagger import (
    Networks,
    Tagger,
    check_checkpoints,
    classes_of,
    predicts_from_sound,
    read_with_bar,
    with_members,
)
from tagging.progress import say
from tagging.report.wording import count
from tagging.runs.finished import fold_numbers
from tagging.runs.predictions import has_split
from tagging.runs.stored import prediction_table, read_predictions, stored_experiment
from tagging.tracking.store import Run, Store


def complete_test(store: Store, run: Run, data: Path | None = None) -> None:
    """Let a run and all its members predict the test split where it is missing, and keep that with each of them.

    On whatever device there is; each test clip is decoded once, for all of them, and no other clip. `data` is the
    data set's folder where it moved. Raises UserError where the data set has no test split or other classes, or clips
    that cannot be decoded, and where checkpoints are gone.
    """
    runs = with_members(store, run)
    folds = {each.id: fold_numbers(store, each) for each in runs}
    lacking = {each.id for each in runs if not has_split(store, each, "test", folds[each.id])}
    if not lacking:
        return
    from_sound = [each for each in runs if predicts_from_sound(each)]
    to_predict = [each for each in from_sound if each.id in lacking]
    check_checkpoints(to_predict)
    split = _read(store, run, to_predict or from_sound[:1], data)
    tagger = Tagger(Networks(store, ["device=auto"]), split.logmels_of)
    for each in runs:
        if each.id not in lacking:
            tagger.remember(each, split.stored(store, each, folds[each.id]))
            continue
        for fold, probabilities in zip(folds[each.id], tagger.folds(each), strict=True):
            table = prediction_table(split.fnames, probabilities, split.classes, fold=fold)
            store.log_table(each.id, table, split_path("test", fold))
        _log_left_out(store, each, split.sound.problems)
        clips = count(len(split.fnames), "clip")
        say(f"{each.title} had not predicted the test split: {clips}, done now")


@dataclass(frozen=True)
class _TestSplit:
    """The test clips of a data set that can be decoded, in its order, and the log-mels of their sound."""

    dataset: Dataset
    fnames: list[str]
    classes: list[str]
    sound: Sound

    def logmels_of(self, experiment: Experiment) -> LogMels:
        return self.sound.tables[front_end_of(experiment.features)]

    def stored(self, store: Store, run: Run, folds: Sequence[int]) -> np.ndarray:
        """Return the probabilities [K, n, C] that a run predicted before; UserError where they are of other clips."""
        tables = [read_predictions(store, run, split_path("test", fold)).set_index("fname") for fold in folds]
        for table in tables:
            if set(table.index) != set(self.fnames) or not set(self.classes) <= set(table.columns):
                raise UserError(
                    f"{run.title} predicted other test clips or classes than {self.dataset.folder} holds now; bring "
                    "those back, or train it again"
                )
        return np.stack([table.loc[self.fnames, self.classes].to_numpy(np.float32) for table in tables])


def _read(store: Store, run: Run, runs: Sequence[Run], data: Path | None) -> _TestSplit:
    """Read the test split of a run's data set as it is now, with the front ends of `runs`.

    Raises UserError where there is none, where the classes are others than the run's, and for undecodable clips.
    """
    experiments = [stored_experiment(store, each, data=data) for each in runs]
    classes = classes_of(store, run)
    title = f"run {run.name} ({run.id}) has no test predictions"
    try:
        dataset = read_dataset(data_folder(experiments[0]), dataset_name(experiments[0]))
    except UserError as error:
        raise UserError(f"{title}, and its data cannot be read to make them:", *error.problems) from None
    if not len(dataset.test):
        raise UserError(
            f"{title}: {dataset.name} has no test clips; "
            f"`python -m tagging predict --run {run.name} FOLDER` tags a folder"
        )
    if list(dataset.classes) != classes:
        raise UserError(f"{title}, and {dataset.folder} has other classes now; name the right folder with --data")
    sound = read_with_bar(dataset.test.paths, [front_end_of(each.features) for each in experiments])
    if sound.problems and not (sound.tables and all(each.data.skip_unreadable for each in experiments)):
        raise UserError(*sound.problems, f"{count(len(sound.problems), 'file')} cannot be used; mend them")
    fnames = [fname for fname, usable in zip(dataset.test.fnames, sound.readable, strict=True) if usable]
    return _TestSplit(dataset, fnames, classes, sound)


def _log_left_out(store: Store, run: Run, problems: Sequence[str]) -> None:
    """Note in a run which test clips it has no predictions of, as a training does."""
    known = store.read_text(run.id, File.WARNINGS).splitlines() if store.has_file(run.id, File.WARNINGS) else []
    if lines := [line for problem in problems if (line := f"{LEFT_OUT}{problem}") not in known]:
        store.log_text(run.id, "\n".join([*known, *lines]) + "\n", File.WARNINGS)
