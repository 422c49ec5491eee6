"""A test half that a run has not predicted yet: it came after the training, or a member of an ensemble lacks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tagging.commands.predicting.tagger import Tagger, classes_of, hears, no_checkpoints, with_members
from tagging.commands.runs.files import half_path
from tagging.commands.runs.finished import fold_numbers
from tagging.commands.runs.halves import has_half
from tagging.commands.training.prepare import data_folder, dataset_name, open_features, readable
from tagging.config import Experiment
from tagging.config.load import load_stored
from tagging.data.dataset import Dataset
from tagging.data.layouts import read_dataset
from tagging.errors import UserError
from tagging.features.table import LogMels
from tagging.progress import say, warn
from tagging.report.wording import count
from tagging.tracking.store import Run, Store


def complete_test(store: Store, run: Run, data: Path | None = None) -> None:
    """Let a run and all its members predict the test half where they lack it, and keep that with each of them.

    On whatever device there is; `data` is the data set's folder where it moved. Raises UserError where the data set
    has no test half or other classes, and where checkpoints are gone.
    """
    runs = with_members(store, run)
    folds = {each.id: fold_numbers(store, each) for each in runs}
    lacking = {each.id for each in runs if not has_half(store, each, "test", folds[each.id])}
    if not lacking:
        return
    hearing = [each for each in runs if hears(each)]
    _check_checkpoints([each for each in hearing if each.id in lacking])
    half = _read(store, run, hearing[0], data)
    tagger = Tagger(store, half.listen, ["device=auto"])
    for each in runs:
        if each.id not in lacking:
            tagger.remember(each, half.stored(store, each, folds[each.id]))
            continue
        for fold, probabilities in zip(folds[each.id], tagger.folds(each), strict=True):
            store.log_table(each.id, half.table(fold, probabilities), half_path("test", fold))
        say(f"{each.name} ({each.id[:8]}) had not predicted the test half: {count(len(half.fnames), 'clip')}, done now")


@dataclass(frozen=True)
class _Half:
    """The test clips of a data set that can be read, in its order; `rows` of the set's log-mels are theirs."""

    dataset: Dataset
    rows: np.ndarray
    fnames: list[str]
    classes: list[str]

    def listen(self, experiment: Experiment) -> tuple[LogMels, np.ndarray]:
        return open_features(experiment, self.dataset).logmels, self.rows

    def stored(self, store: Store, run: Run, folds: Sequence[int]) -> np.ndarray:
        """Return what a run said before, [K, n, C]; UserError where that is of other clips."""
        tables = [store.read_table(run.id, half_path("test", fold)).set_index("fname") for fold in folds]
        if any(set(table.index) != set(self.fnames) for table in tables):
            raise UserError(
                f"{run.name} ({run.id[:8]}) predicted other test clips than {self.dataset.folder} holds now; "
                "bring those back, or train it again"
            )
        return np.stack([table.loc[self.fnames, self.classes].to_numpy(np.float32) for table in tables])

    def table(self, fold: int, probabilities: np.ndarray) -> pd.DataFrame:
        head = pd.DataFrame({"fname": self.fnames, "fold": fold})
        return head.join(pd.DataFrame(probabilities, columns=self.classes))


def _read(store: Store, run: Run, hearing: Run, data: Path | None) -> _Half:
    """Read the test half of the data set that a run was trained on, as it is now."""
    experiment = load_stored(store.fetch(hearing.id, "config.yaml"), data=data)
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
    classes = classes_of(store, run)
    if list(dataset.classes) != classes:
        raise UserError(f"{title}, and {dataset.folder} has other classes now; name the right folder with --data")
    usable, left_out = readable(experiment, dataset, open_features(experiment, dataset))
    for note in left_out:
        warn(note)
    clips = np.flatnonzero(usable["test"])
    first = len(dataset.curated) + len(dataset.noisy)
    return _Half(dataset, first + clips, [dataset.test.fnames[clip] for clip in clips], classes)


def _check_checkpoints(runs: Sequence[Run]) -> None:
    """Name all runs that cannot predict any more, before any other does."""
    gone = [no_checkpoints(run) for run in runs if run.tags.get("checkpoints") == "dropped"]
    if gone:
        raise UserError(*gone)
