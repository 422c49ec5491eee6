"""How runs of any kind predict the same clips, fold by fold: one function a kind, each run asked once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tagging.config import Experiment
from tagging.config.load import numbers_digest
from tagging.errors import UserError
from tagging.features.table import LogMels
from tagging.inference.blend import geometric_mean, mean_over_tiles
from tagging.jobs import build
from tagging.jobs.apply import predict_rows, restore_model
from tagging.jobs.stacking.predict import predict_stacker, stacker_members
from tagging.report.wording import count
from tagging.runs.files import OOF
from tagging.runs.finished import class_columns
from tagging.runs.folds import finished_folds
from tagging.runs.members import read_ensemble
from tagging.runs.stored import read_predictions, stored_experiment
from tagging.tracking.store import Run, Store

# from an experiment to its log-mels, and the rows of the clips to predict
Listen = Callable[[Experiment], tuple[LogMels, np.ndarray]]


class Tagger:
    """What runs of any kind say of the same n clips.

    `listen` gives the log-mels that an experiment hears; `overrides` may change device and threads alone.
    """

    def __init__(self, store: Store, listen: Listen, overrides: Sequence[str] = ()) -> None:
        self.store = store
        self.listen = listen
        self.overrides = overrides
        self._said: dict[str, np.ndarray] = {}

    def folds(self, run: Run) -> np.ndarray:
        """Return the probabilities [K, n, C] float32 of a run's K folds, in the order of their numbers."""
        if run.id not in self._said:
            self._said[run.id] = BY_KIND.get(run.predicts_as, _network)(self, run)
        return self._said[run.id]

    def blended(self, run: Run) -> np.ndarray:
        """Return a run's probabilities [n, C]: the geometric mean over its folds, whatever its kind."""
        return geometric_mean(list(self.folds(run)))

    def remember(self, run: Run, probabilities: np.ndarray) -> None:
        """Take what is known of a run, [K, n, C], in place of asking it."""
        self._said[run.id] = probabilities


def members_of(store: Store, run: Run) -> list[Run]:
    """Return the runs whose predictions a run is made of; none for a run that hears sound itself."""
    if run.kind == "ensemble":
        return read_ensemble(store, run).runs
    return stacker_members(store, run) if run.predicts_as == "stacker" else []


def with_members(store: Store, run: Run) -> list[Run]:
    """Return a run and all runs below it, each once, members before those that are made of them."""
    found: dict[str, Run] = {}
    for member in members_of(store, run):
        found |= {below.id: below for below in with_members(store, member) if below.id not in found}
    return [*found.values(), run]


def hears(run: Run) -> bool:
    """Tell whether a run predicts from sound, not from what other runs say."""
    return run.predicts_as not in BY_KIND


def same_experiment(store: Store, run: Run, overrides: Sequence[str] = ()) -> Experiment:
    """Return the experiment of a run that hears sound; UserError where overrides would change its numbers."""
    experiment = stored_experiment(store, run, overrides)
    if numbers_digest(experiment) != numbers_digest(stored_experiment(store, run)):
        raise UserError(f"{run.name} predicts as it was trained; of --set only device and threads may be given here")
    return experiment


def classes_of(store: Store, run: Run) -> list[str]:
    """Return the classes that a run predicts, in their order."""
    whole = store.has_file(run.id, OOF)  # else some folds of it are there
    source = run if whole else next(iter(finished_folds(store, run).values()))
    return class_columns(read_predictions(store, source, OOF))


def _network(tagger: Tagger, run: Run) -> np.ndarray:
    """Predict with the checkpoints of an experiment or a trial."""
    store, folds = tagger.store, finished_folds(tagger.store, run)
    if run.tags.get("checkpoints") == "dropped":
        raise UserError(no_checkpoints(run))
    experiment = same_experiment(store, run, tagger.overrides)
    device, num_classes = build.device_of(experiment), len(classes_of(store, run))
    logmels, rows = tagger.listen(experiment)
    said = []
    for fold in sorted(folds):
        model = restore_model(experiment, num_classes, fold, folds[fold].id, device, store)
        tiles = predict_rows(experiment, model, logmels, rows, device, f"{run.name} fold {fold}")
        said.append(mean_over_tiles(tiles.probabilities, tiles.clip, len(rows)))
    return np.stack(said)


def _stacker(tagger: Tagger, run: Run) -> np.ndarray:
    return predict_stacker(tagger.store, run, [tagger.blended(member) for member in stacker_members(tagger.store, run)])


def _ensemble(tagger: Tagger, run: Run) -> np.ndarray:
    """Blend the members fold by fold."""
    ensemble = read_ensemble(tagger.store, run)
    said = [tagger.folds(member) for member in ensemble.runs]
    for member, folds in zip(ensemble.runs, said, strict=True):
        if len(folds) != len(said[0]):
            raise UserError(
                f"{member.title} has {count(len(folds), 'fold')}, "
                f"{ensemble.runs[0].title} has {len(said[0])}: one was deleted; "
                "bring it back in the UI, or train the run again"
            )
    return np.stack([ensemble.blend(parts) for parts in zip(*said, strict=True)])


def no_checkpoints(run: Run) -> str:
    """Say that a trial cannot predict any more."""
    return (
        f"{run.title} is a trial whose checkpoints were dropped (a sweep keeps those of its best): it "
        "predicts nothing new; train it with `python -m tune promote`, or give it the tag ensemble = exclude"
    )


# a run of any other kind hears sound
BY_KIND: dict[str, Callable[[Tagger, Run], np.ndarray]] = {
    "stacker": _stacker,
    "ensemble": _ensemble,
}
