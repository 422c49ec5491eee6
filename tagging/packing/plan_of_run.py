"""From runs to the plan of a kernel: their networks, weights, and how they are blended."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tagging.config.sections.models import TimmModel
from tagging.contract import File, Metric
from tagging.data.label_lists import read_label_list
from tagging.errors import UserError
from tagging.jobs.base_runs import stored_base_runs
from tagging.jobs.build import fold_settings, model_of, network_arguments
from tagging.jobs.inputs import front_end_of
from tagging.jobs.stacker_models import stacker_arguments, stacker_model, stored_stacker
from tagging.jobs.user_files import check_stored
from tagging.kernel.plan import Blended, Member, Network, Plan, Single, Stacked, Weights, write_weights
from tagging.kernel.source import dataclasses_in, user_codes
from tagging.kernel.train import NetworkTraining, TrainingPlan
from tagging.predicting.tagger import classes_of
from tagging.runs.finished import finished_folds
from tagging.runs.members import read_ensemble
from tagging.runs.stored import read_folds, stored_experiment
from tagging.tracking.store import Run, Store
from tagging.training.checkpoint import read_state, weights_file
from tagging.user_code import imported

KERNEL_LIBRARIES = ("torch", "numpy", "soundfile", "soxr", "filelock")
_UNTRAINED = "a kernel cannot train that: pack its weights, without --train"


def plan_of(store: Store, run: Run, folder: Path) -> Plan:
    """Return the plan of a run's predictions, and write the weights of all its networks to a folder.

    Networks come in the order of their worth: the weight in the blend that is lost without them, then their CV lwlrap.
    Raises UserError where a run cannot be packed.
    """
    return _Collected(store, folder).plan(run)


def training_plan_of(store: Store, run: Run) -> TrainingPlan:
    """Return the plan of a run's predictions with how each of its networks is trained.

    Raises UserError where a run cannot be packed, or not be trained in a kernel.
    """
    collected = _Collected(store, None)
    plan = collected.plan(run)
    table = read_folds(store, run)
    folds = [tuple(table["fname"][table["fold"] == fold]) for fold in range(table["fold"].max() + 1)]
    networks = {name: _training_of(store, one) for name, one in collected.runs.items()}
    plan = replace(plan, modules=_further_libraries([plan, networks]))
    return TrainingPlan(plan, tuple(folds), networks)


def _further_libraries(networks: Any) -> tuple[str, ...]:
    """Return what networks need beside the libraries of every kernel: timm, and what users' own files import."""
    own = {name for code in user_codes(networks) for name in imported(code.source())}
    timm = {one.kind for one in dataclasses_in(networks) if isinstance(one, Network) and one.kind == "timm"}
    return tuple(sorted(own - {"tagging", *KERNEL_LIBRARIES} | timm))


def _training_of(store: Store, run: Run) -> NetworkTraining:
    experiment = stored_experiment(store, run)
    check_stored(store, run, experiment, whole=True)
    if experiment.init.run:
        raise UserError(f"{run.title} starts from the weights of another run (init.run); {_UNTRAINED}")
    if run.params.get("teacher.run"):
        raise UserError(f"{run.title} learns from another run (teacher.run); {_UNTRAINED}")
    if isinstance(experiment.model, TimmModel) and (experiment.model.weights or experiment.model.download):
        raise UserError(f"{run.title} starts from weights that are no part of it (model.weights); {_UNTRAINED}")

    def listed(given: str) -> dict[str, str]:
        return read_label_list(store.fetch(run.id, f"labels/{Path(given).name}")) if given else {}

    return NetworkTraining(
        settings=fold_settings(experiment),
        corrections=listed(experiment.labels.corrections),
        selection=listed(experiment.labels.noisy_selection),
        noisy_pool=experiment.sampling.noisy_pool,
        weights=experiment.predict.weights,
        skip_unreadable=experiment.data.skip_unreadable,
    )


class _Collected:
    """The networks below a run, each once, by their names; their weights are written to `folder` where there is one."""

    def __init__(self, store: Store, folder: Path | None) -> None:
        self._store, self._folder = store, folder
        self.networks: dict[str, Network] = {}
        self.runs: dict[str, Run] = {}
        self.worth: dict[str, float] = {}

    def plan(self, run: Run) -> Plan:
        """Return the plan of a run's predictions."""
        blend = self._member(run, 1.0)
        networks = sorted(self.networks.values(), key=lambda one: (-self.worth[one.name], -self._score(one.name)))
        return Plan(
            run=run.title,
            classes=tuple(classes_of(self._store, run)),
            networks=tuple(networks),
            blend=blend,
            modules=_further_libraries(networks),
        )

    def _score(self, name: str) -> float:
        """Return the CV lwlrap of a network, the mean over its folds where some are missing."""
        metrics = self.runs[name].metrics
        return metrics.get(Metric.CV_LWLRAP, metrics.get(Metric.FOLD_MEAN, 0.0))

    def _member(self, run: Run, worth: float) -> Member:
        """Return a run as a member, and collect its networks; `worth` is the weight that is lost without it."""
        match run.predicts_as:
            case "experiment":
                self.worth[run.title] = self.worth.get(run.title, 0.0) + worth
                if run.title not in self.networks:
                    self.runs[run.title] = run
                    self.networks[run.title] = self._network(run)
                return Single(run.title)
            case "ensemble":
                ensemble = read_ensemble(self._store, run)
                members = [self._member(one.run, worth * one.weight) for one in ensemble.members]
                weights = tuple(one.weight for one in ensemble.members)
                return Blended(run.title, ensemble.method, weights, tuple(members))
            case "stacker":
                return self._stacked(run, worth)
        raise UserError(
            f"{run.title} is of kind {run.kind or 'none'}; a kernel is packed of an experiment, a trial, a stacker "
            "or an ensemble"
        )

    def _stacked(self, run: Run, worth: float) -> Stacked:
        if self._folder is None:
            raise UserError(f"{run.title} is a stacker; {_UNTRAINED}")
        stacker = stored_stacker(self._store, run)
        classes = len(classes_of(self._store, run))
        model = stacker_model(stacker, len(stacker.members) * classes, classes, 0)
        return Stacked(
            name=run.title,
            kind=stacker.model.kind,
            arguments=stacker_arguments(stacker.model),
            folds=self._weights(run, "best", model),
            members=tuple(self._member(one, worth) for one in stored_base_runs(self._store, run)),
        )

    def _network(self, run: Run) -> Network:
        experiment = stored_experiment(self._store, run)
        check_stored(self._store, run, experiment)
        arguments = network_arguments(experiment)
        model = model_of(experiment, len(classes_of(self._store, run)), 0, torch.device("cpu"), bare=True)
        return Network(
            name=run.title,
            front_end=front_end_of(experiment.features),
            kind=arguments.pop("kind"),
            arguments=arguments,
            window=experiment.sampling.frames,
            step=experiment.predict.tile_step,
            batch_size=experiment.predict.batch_size,
            precision=experiment.training.precision,
            folds=self._weights(run, experiment.predict.weights, model),
        )

    def _weights(self, run: Run, which: str, model: nn.Module) -> dict[int, Weights]:
        """Write the weights that each fold predicts with, of a network as `model` is, and return their files."""
        path = weights_file(Path(File.CHECKPOINTS), which)
        folds = finished_folds(self._store, run)
        name = re.sub(r"[^\w.-]+", "_", run.name)
        files = {fold: f"{name}-{run.id[:8]}-fold-{fold}.npz" for fold in sorted(folds)}
        if self._folder is None:
            return {fold: Weights(file, "") for fold, file in files.items()}
        lacking = [fold for fold, child in folds.items() if not self._store.has_file(child.id, path.as_posix())]
        if lacking:
            raise UserError(
                f"{run.title} lacks the weights of fold {', '.join(map(str, lacking))}: there is no {path.as_posix()} "
                "any more; bring it back from a copy, or train the run again"
            )
        written = {}
        for fold, file in files.items():
            with self._store.reading(folds[fold].id, path.as_posix()) as local:
                written[fold] = write_weights(read_state(model, local), self._folder / file)
        return written
