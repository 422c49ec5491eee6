"""What the trials of one worker share: data that several of them see alike are read once."""

from __future__ import annotations

from dataclasses import replace

from tagging.config import Experiment
from tagging.jobs.experiment import ExperimentJob
from tagging.jobs.prepare import prepare

# the sections that decide what is prepared; which folds are trained is the same for all trials of a sweep
READ = ("data", "demo", "labels", "folds", "features", "sampling", "model")


class Preparing:
    """Prepares the experiments of a sweep one after another.

    One that agrees with the last in all that is read there gets the same clips, folds and map of the log-mels: to read
    the tables of 25,000 clips and to look at each file takes a second.
    """

    def __init__(self) -> None:
        self._last: ExperimentJob | None = None

    def __call__(self, experiment: Experiment) -> ExperimentJob:
        """Return what `tagging.jobs.prepare.prepare` does, with its errors."""
        last = self._last
        if last and all(getattr(experiment, name) == getattr(last.experiment, name) for name in READ):
            self._last = replace(last, experiment=experiment)
        else:
            self._last = prepare(experiment)
        return self._last
