"""From a config to a job: clips, labels, folds and log-mels are read, and the runs found that it learns from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tagging import project
from tagging.config import AnyRecipe, Experiment, Stacker
from tagging.contract import LEFT_OUT
from tagging.data.audio import read_sound
from tagging.data.dataset import Clips, Dataset
from tagging.data.folds import absent_classes, assign_folds, uneven
from tagging.errors import UserError
from tagging.features.contents import same_sound, warn_of_bands
from tagging.features.store import FeatureStore, open_store
from tagging.jobs.duplicates import CONTENT, duplicates, with_content
from tagging.jobs.earlier_runs import check_initial_run, find_initial_run, find_teacher, soft_targets
from tagging.jobs.experiment import ExperimentJob
from tagging.jobs.inputs import Labelled, LabelLists, front_end_of, initial_weights, read_labelled
from tagging.jobs.job import Job
from tagging.jobs.stacker import prepare_stacker
from tagging.jobs.user_files import settled
from tagging.progress import decoding_bar
from tagging.report.wording import count
from tagging.tracking.store import Store

Prepare = Callable[[Experiment], ExperimentJob]


def job_of(recipe: AnyRecipe, store: Store, labelled: Labelled | None = None, by: Prepare | None = None) -> Job:
    """Prepare an experiment or a stacker to be trained, and find the runs it learns from.

    `labelled`: its tables, where they are read already; `by`: another way to prepare an experiment's clips.
    Raises UserError for bad input.
    """
    if isinstance(recipe, Stacker):
        return prepare_stacker(recipe, store, (labelled or read_labelled(recipe)).dataset)
    experiment, initial = find_initial_run(settled(recipe), store)
    experiment, teacher = find_teacher(experiment, store)
    job = by(experiment) if by else prepare(experiment, labelled=labelled)
    if initial:
        check_initial_run(initial, job)
    targets = soft_targets(teacher, experiment.teacher, job, job.rows, store) if teacher else None
    return replace(job, initial=initial, teacher=teacher, soft_targets=targets)


def prepare(experiment: Experiment, weights: str | None = None, labelled: Labelled | None = None) -> ExperimentJob:
    """Read the data set and lists, unless they are `labelled` already, cut folds, and build or map the log-mels.

    `weights` is the digest of the file of initial weights where that need not be there any more.
    Raises UserError for any bad input, all problems of a step at once.
    """
    labelled = labelled or read_labelled(experiment)
    dataset, lists = labelled.dataset, labelled.lists
    assert lists is not None  # it is an experiment
    features = open_features(experiment, dataset)
    usable, left_out = _readable(experiment, dataset, features)
    rows, first = {}, 0
    for name, mask in usable.items():
        rows[name] = first + np.flatnonzero(mask)
        first += len(mask)
    curated, noisy, test = usable["curated"], usable["noisy"], usable["test"]
    dataset = replace(
        dataset, curated=dataset.curated.keep(curated), noisy=dataset.noisy.keep(noisy), test=dataset.test.keep(test)
    )
    sounds = same_sound(features)
    same = {name: sounds[some] for name, some in rows.items()}
    folds = _folds(experiment, dataset.curated, same["curated"])
    trained_on = np.where(lists.removed[:, None], 0, lists.corrected)[curated]
    alone = f"there is one class, {dataset.classes[0]!r}, so that lwlrap is 1 whatever a network learns; add another"
    job = ExperimentJob(
        recipe=experiment,
        dataset=dataset,
        features=features,
        rows=rows,
        corrected=lists.corrected[curated],
        removed=lists.removed[curated],
        trusted=lists.trusted[noisy],
        dropped=lists.dropped[noisy],
        folds=folds,
        label_lists=lists.paths,
        weights=_weights_digest(experiment) if weights is None else weights,
        warnings=(
            *dataset.warnings,
            *left_out,
            *lists.warnings,
            *_sound_notes(dataset, features, rows),
            *duplicates(dataset, same, folds),
            *warn_of_bands(features, front_end_of(experiment.features).settings),
            *_idle_selection(experiment, lists),
            *absent_classes(folds, trained_on, dataset.classes),
            *uneven(folds, dataset.curated, experiment.folds.group),
            *([alone] if len(dataset.classes) == 1 else []),
        ),
    )
    _check_sources(job)
    job.check_folds_to_run()
    return job


def _weights_digest(experiment: Experiment) -> str:
    path = initial_weights(experiment)
    if path is None:
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_features(experiment: Experiment, dataset: Dataset) -> FeatureStore:
    """Map the log-mels of all clips, in the order curated, noisy, test; compute the missing ones."""
    with decoding_bar("clip") as bar:
        return open_store(
            project.root() / "data" / "features",
            dataset.paths,
            dataset.folder,
            front_end_of(experiment.features).settings,
            experiment.features.precision,
            read_sound,
            bar.reach,
            experiment.threads,
        )


def _idle_selection(experiment: Experiment, lists: LabelLists) -> list[str]:
    """Warn where a selection changes nothing: its trusted clips are drawn like all others."""
    sampling = experiment.sampling
    if not lists.trusted.any() or lists.dropped.any() or sampling.trusted or sampling.noisy_pool == "trusted":
        return []
    return [
        f"labels.noisy_selection trusts {count(int(lists.trusted.sum()), 'clip')} and drops none, "
        "which changes nothing while sampling.trusted is 0 and sampling.noisy_pool is all"
    ]


def _readable(
    experiment: Experiment, dataset: Dataset, features: FeatureStore
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return which clips have log-mels, and which are left out where that is asked for; else stop."""
    paths = dataset.paths
    problems = [f"{paths[row]}: {reason}" for row, reason in sorted(features.errors.items())]
    if problems and not experiment.data.skip_unreadable:
        raise UserError(
            *problems,
            f"{count(len(problems), 'file')} cannot be used: mend them, or leave them out with --skip-unreadable",
        )
    usable = np.array([row not in features.errors for row in range(len(paths))], dtype=bool)
    ends = np.cumsum([len(clips) for clips in dataset.splits.values()])
    masks = dict(zip(dataset.splits, np.split(usable, ends[:-1]), strict=True))
    return masks, [f"{LEFT_OUT}{problem}" for problem in problems]


def _folds(experiment: Experiment, curated: Clips, same: np.ndarray) -> np.ndarray:
    folds = experiment.folds
    if folds.group == CONTENT:
        curated = with_content(curated, same)
    if folds.kind == "column":
        return assign_folds("column", 0, 0, curated, folds.column, folds.group)
    return assign_folds(folds.kind, folds.count, folds.seed, curated, "", folds.group)


def _sound_notes(dataset: Dataset, features: FeatureStore, rows: dict[str, np.ndarray]) -> list[str]:
    """Return which clips were resampled, averaged, silent or very short, one line a kind of note."""
    found: dict[str, list[str]] = {}
    for name, clips in dataset.splits.items():
        for row, fname in zip(rows[name], clips.fnames, strict=True):
            for note in features.notes[row]:
                found.setdefault(note, []).append(fname)
    more = {note: f" and {len(fnames) - 5} more" if len(fnames) > 5 else "" for note, fnames in found.items()}
    return [f"{note}: {', '.join(fnames[:5])}{more[note]}" for note, fnames in found.items()]


def _check_sources(job: ExperimentJob) -> None:
    sampling = job.recipe.sampling
    problems = []
    if sampling.noisy and not job.noisy_pool.any():
        if not len(job.dataset.noisy):
            lack = f"{job.dataset.name} has no noisy clips"
        elif job.dropped.all():
            lack = f"labels.noisy_selection drops all {len(job.dropped)}"
        else:
            lack = "no noisy clip is trusted"
        problems.append(
            f"sampling.noisy is {sampling.noisy:g}, but {lack}; give --set sampling.curated=1 sampling.noisy=0"
        )
    if sampling.trusted and not job.trusted.any():
        problems.append(
            f"sampling.trusted is {sampling.trusted:g}, but no noisy clip is trusted; "
            "name a list in labels.noisy_selection, or give --set sampling.trusted=0"
        )
    if problems:
        raise UserError(*problems)
