"""How runs of any kind predict the same clips, fold by fold, and a table of what they say of files of sound.

One function a kind; each run predicts once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from tagging.config import Experiment
from tagging.config.load import numbers_digest
from tagging.contract import LEFT_OUT, File, Kind, Tag
from tagging.data.findings import limited
from tagging.errors import UserError, printable
from tagging.features.settings import FrontEnd
from tagging.features.table import LogMels
from tagging.inference.blend import geometric_mean, mean_over_tiles
from tagging.jobs.base_runs import stored_base_runs
from tagging.jobs.build import predict_rows, restore_model
from tagging.jobs.device import device_of
from tagging.jobs.inputs import front_end_of
from tagging.jobs.stacker_models import predict_folds, restore_folds
from tagging.jobs.user_files import check_stored
from tagging.predicting.new_sound import Sound, read_sounds
from tagging.progress import decoding_bar, warn
from tagging.report.wording import count
from tagging.runs.finished import finished_folds
from tagging.runs.members import read_ensemble
from tagging.runs.stored import class_columns, prediction_table, read_predictions, stored_experiment
from tagging.tracking.store import Run, Store


class Networks:
    """What runs of any kind predict with, read from the store when a run first predicts.

    `overrides` may change device and threads alone. Networks are restored for each prediction, one at a time; with
    `keep` they stay in memory, for predictions again and again.
    """

    def __init__(self, store: Store, overrides: Sequence[str] = (), keep: bool = False) -> None:
        self.store = store
        self.overrides = overrides
        self.keep = keep
        self._known: dict[str, Predicting] = {}

    def of(self, run: Run) -> Predicting:
        """Return how a run predicts the clips of a tagger."""
        if run.id not in self._known:
            self._known[run.id] = BY_KIND.get(run.predicts_as, _network)(self, run)
        return self._known[run.id]


class Tagger:
    """The probabilities of runs of any kind for the same n clips.

    `logmels_of` returns the clips' log-mels for an experiment.
    """

    def __init__(self, networks: Networks, logmels_of: Callable[[Experiment], LogMels]) -> None:
        self.networks = networks
        self.logmels_of = logmels_of
        self._known: dict[str, np.ndarray] = {}

    def folds(self, run: Run) -> np.ndarray:
        """Return the probabilities [K, n, C] float32 of a run's K folds, in the order of their numbers."""
        if run.id not in self._known:
            self._known[run.id] = self.networks.of(run)(self)
        return self._known[run.id]

    def blended(self, run: Run) -> np.ndarray:
        """Return a run's probabilities [n, C]: the geometric mean over its folds, whatever its kind."""
        return geometric_mean(list(self.folds(run)))

    def remember(self, run: Run, probabilities: np.ndarray) -> None:
        """Use these probabilities [K, n, C] of a run, which then predicts nothing."""
        self._known[run.id] = probabilities


def read_with_bar(paths: Sequence[Path], front_ends: Sequence[FrontEnd]) -> Sound:
    """Decode files as `new_sound.read_sounds` does, with a bar on the screen."""
    with decoding_bar("second") as bar:
        return read_sounds(paths, front_ends, bar.reach)


def with_members(store: Store, run: Run) -> list[Run]:
    """Return a run and all runs below it, each once, members before the runs that are made of them."""
    members: list[Run] = []
    if run.kind == "ensemble":
        members = read_ensemble(store, run).runs
    elif run.predicts_as == "stacker":
        members = stored_base_runs(store, run)
    found = {below.id: below for member in members for below in with_members(store, member)}
    return [*found.values(), run]


def predicts_from_sound(run: Run) -> bool:
    """Tell whether a run predicts from sound, not from the probabilities of other runs."""
    return run.predicts_as not in BY_KIND


def same_experiment(store: Store, run: Run, overrides: Sequence[str] = ()) -> Experiment:
    """Return the experiment of a run that predicts from sound; UserError where overrides would change its numbers."""
    experiment = stored_experiment(store, run, overrides)
    if numbers_digest(experiment) != numbers_digest(stored_experiment(store, run)):
        raise UserError(f"{run.name} predicts as it was trained; of --set only device and threads may be given here")
    return experiment


def classes_of(store: Store, run: Run) -> list[str]:
    """Return the classes that a run predicts, in their order."""
    whole = store.has_file(run.id, File.OOF)  # else some folds of it are there
    source = run if whole else next(iter(finished_folds(store, run).values()))
    return class_columns(read_predictions(store, source, File.OOF))


def check_checkpoints(runs: Sequence[Run]) -> None:
    """Raise UserError that names all trials whose checkpoints were dropped: they cannot predict any more."""
    gone = [
        f"{run.title} is a trial whose checkpoints were dropped (a sweep keeps those of its best): it "
        "predicts nothing new; train it with `python -m tune promote`, or give it the tag ensemble = exclude"
        for run in runs
        if run.tags.get(Tag.CHECKPOINTS) == "dropped"
    ]
    if gone:
        raise UserError(*gone)


# from a tagger to the probabilities [K, n, C] float32 of a run's K folds for the tagger's clips
Predicting = Callable[[Tagger], np.ndarray]


def _network(networks: Networks, run: Run) -> Predicting:
    """Predict with the checkpoints of an experiment or a trial."""
    store, folds = networks.store, finished_folds(networks.store, run)
    check_checkpoints([run])
    experiment = same_experiment(store, run, networks.overrides)
    check_stored(store, run, experiment)
    device, num_classes = device_of(experiment), len(classes_of(store, run))

    def restored() -> Iterator[nn.Module]:
        for fold in sorted(folds):
            yield restore_model(experiment, num_classes, fold, folds[fold].id, device, store)

    kept = list(restored()) if networks.keep else None

    def predict(tagger: Tagger) -> np.ndarray:
        logmels = tagger.logmels_of(experiment)
        rows = np.arange(len(logmels))
        probabilities = []
        for fold, model in zip(sorted(folds), kept or restored(), strict=True):
            tiles = predict_rows(experiment, model, logmels, rows, device, f"{run.name} fold {fold}")
            probabilities.append(mean_over_tiles(tiles.probabilities, tiles.clip, len(rows)))
        return np.stack(probabilities)

    return predict


def _stacker(networks: Networks, run: Run) -> Predicting:
    base_runs = stored_base_runs(networks.store, run)
    models = restore_folds(networks.store, run, len(base_runs), len(classes_of(networks.store, run)))
    return lambda tagger: predict_folds(models, [tagger.blended(base) for base in base_runs])


def _ensemble(networks: Networks, run: Run) -> Predicting:
    """Blend the members fold by fold."""
    ensemble = read_ensemble(networks.store, run)

    def predict(tagger: Tagger) -> np.ndarray:
        of_members = [tagger.folds(member) for member in ensemble.runs]
        for member, folds in zip(ensemble.runs, of_members, strict=True):
            if len(folds) != len(of_members[0]):
                raise UserError(
                    f"{member.title} has {count(len(folds), 'fold')}, "
                    f"{ensemble.runs[0].title} has {len(of_members[0])}: one was deleted; "
                    "bring it back in the UI, or train the run again"
                )
        return np.stack([ensemble.blend(parts) for parts in zip(*of_members, strict=True)])

    return predict


# a run of any other kind predicts from sound
BY_KIND: dict[str, Callable[[Networks, Run], Predicting]] = {
    Kind.STACKER: _stacker,
    Kind.ENSEMBLE: _ensemble,
}


def tag_files(
    store: Store, run: Run, folder: Path, files: Sequence[Path], overrides: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Predict files with all folds of a run, and of its members where it has some.

    Returns fname, below `folder`, and one float column a class: the mean over tiles, then the geometric mean over
    folds; beside it a line for each file that cannot be read, of which the screen has a warning too. Raises UserError
    where no file can be read.
    """
    from_sound = [below for below in with_members(store, run) if predicts_from_sound(below)]
    experiments = [same_experiment(store, below, overrides) for below in from_sound]
    device = device_of(experiments[0])
    sound = read_with_bar(files, [exact_front_end(experiment) for experiment in experiments])
    if not sound.tables:
        nothing = f"{folder}: no sound that can be read in {count(len(files), 'file')}"
        raise UserError(*limited(sound.problems, str, "files"), nothing)
    for problem in sound.problems:
        warn(f"{LEFT_OUT}{problem}")
    tables = {front_end: table.placed(device) for front_end, table in sound.tables.items()}
    tagger = Tagger(Networks(store, overrides), lambda experiment: tables[exact_front_end(experiment)])
    root = folder if folder.is_dir() else folder.parent
    readable = [path.relative_to(root) for path, usable in zip(files, sound.readable, strict=True) if usable]
    fnames = [printable(path.as_posix()) for path in readable]
    return prediction_table(fnames, tagger.blended(run), classes_of(store, run)), sound.problems


def write_tags(table: pd.DataFrame, out: Path) -> None:
    """Write a table of tags as CSV; UserError where that fails."""
    try:
        table.to_csv(out, index=False, float_format="%.6f")
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from None


def likeliest(table: pd.DataFrame, top: int) -> Iterator[str]:
    """Yield a line a clip of a table of tags: its name and its `top` likeliest classes."""
    classes = list(table.columns[1:])
    scores = table[classes].to_numpy()
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    width = max(len(fname) for fname in table["fname"])
    for fname, row, order in zip(table["fname"], scores, best, strict=True):
        yield f"{fname:<{width}}  " + "  ".join(f"{classes[index]} {row[index]:.2f}" for index in order)


def exact_front_end(experiment: Experiment) -> FrontEnd:
    """Return an experiment's front end, its log-mels kept in float32: those of a few files need no small table."""
    return replace(front_end_of(experiment.features), precision="float32")
