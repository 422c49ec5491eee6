"""Compute the log-mels of a data set ahead of training."""

from __future__ import annotations

import os

from tagging.config import Experiment
from tagging.data.layouts import read_dataset
from tagging.errors import UserError
from tagging.jobs.inputs import data_folder
from tagging.progress import say
from tagging.tracking.ownership import adopt_launch, mark_launch


def features(experiment: Experiment) -> None:
    """Build or map the feature store of an experiment's data set and say where it is and how large.

    Raises UserError with every file that cannot be decoded, unless the experiment leaves those out.
    """
    if launch := adopt_launch(os.environ):
        from tagging.tracking.store import Store

        mark_launch(Store.connect(), launch)
    dataset = read_dataset(data_folder(experiment), experiment.data.name)
    from tagging.jobs.prepare import open_features  # with pandas and MLflow, once the folder is read

    store = open_features(experiment, dataset)
    if store.errors and not experiment.data.skip_unreadable:
        raise UserError(*(f"{dataset.paths[row]}: {reason}" for row, reason in store.errors.items()))
    minutes = int(store.lengths.sum()) * experiment.features.hop / experiment.features.sample_rate / 60
    say(
        f"{dataset.name}: {len(store.lengths)} clips, {minutes:.1f} min of sound, "
        f"{store.nbytes / 1e6:.1f} MB of log-mels in {store.folder}"
    )
