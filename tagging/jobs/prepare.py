"""From an experiment to everything its folds share: clips, labels, folds, log-mels and the fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tagging import project
from tagging.config import Experiment
from tagging.contract import LEFT_OUT, Kind
from tagging.data.audio import read_sound
from tagging.data.dataset import Clips, Dataset
from tagging.data.folds import absent_classes, assign_folds, uneven
from tagging.errors import UserError
from tagging.features.bands import warn_of_bands
from tagging.features.same_sound import same_sound
from tagging.features.store import FeatureStore, open_store
from tagging.jobs.duplicates import CONTENT, twins, with_content
from tagging.jobs.folded import Folded, bits, check_folds_to_run
from tagging.jobs.inputs import Labelled, LabelLists, front_end_of, initial_weights, read_labelled
from tagging.jobs.lessons import Lessons
from tagging.progress import decoding_bar
from tagging.report.wording import count

if TYPE_CHECKING:
    from tagging.training.sampling import SourceRows


@dataclass(frozen=True)
class Prepared(Folded):
    """Everything the folds of an experiment share.

    The log-mels of the store lie in the order curated, noisy, test; `trusted` and `dropped` mark noisy clips.
    """

    kind: ClassVar[str] = Kind.EXPERIMENT
    tables: ClassVar[tuple[str, ...]] = ("oof", "oof_tiles")

    experiment: Experiment
    features: FeatureStore
    rows: dict[str, np.ndarray]  # curated, noisy, test -> indices into the store
    trusted: np.ndarray
    dropped: np.ndarray
    weights: str  # sha256 of the file the network's weights start from, "" without one
    lessons: Lessons | None = None  # what a teacher says of the clips

    @property
    def predicting_epoch(self) -> str:
        """Whose weights predict: best, last or ema."""
        return self.experiment.predict.weights

    @property
    def noisy_pool(self) -> np.ndarray:
        """The mask of noisy clips that noisy draws come from."""
        return self.trusted if self.experiment.sampling.noisy_pool == "trusted" else ~self.dropped

    @property
    def source_rows(self) -> SourceRows:
        """What each row of the store is to training."""
        from tagging.training.sampling import SourceRows  # with torch

        return SourceRows(
            curated=self.rows["curated"],
            noisy=self.rows["noisy"],
            folds=self.folds,
            removed=self.removed,
            noisy_pool=self.noisy_pool,
            trusted=self.trusted,
        )

    def identity(self) -> dict[str, str]:
        """Return the tags that say what is computed, on which data."""
        own = {
            "weights.sha256": self.weights,
            "teacher.sha256": self.lessons.digest if self.lessons else "",
        }
        return {**super().identity(), **{tag: value for tag, value in own.items() if value}}

    def _sources(self) -> list[str]:
        """Return the digests of the sound, of the initial weights, and of what a teacher says."""
        return [
            "".join(self.features.content),
            *([self.weights] if self.weights else []),
            *([f"teacher {self.lessons.digest}"] if self.lessons else []),
        ]

    def _label_rows(self) -> list[list[str]]:
        noisy = zip(self.dataset.noisy.fnames, self.dataset.noisy.labels, self.trusted, self.dropped, strict=True)
        return [
            *super()._label_rows(),
            *(
                ["trusted" if trust else "dropped" if drop else "noisy", fname, bits(labels), ""]
                for fname, labels, trust, drop in noisy
            ),
        ]


def prepare(experiment: Experiment, weights: str | None = None, labelled: Labelled | None = None) -> Prepared:
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
    curated, noisy = usable["curated"], usable["noisy"]
    dataset = replace(
        dataset,
        curated=dataset.curated.keep(curated),
        noisy=dataset.noisy.keep(noisy),
        test=dataset.test.keep(usable["test"]),
    )
    sounds = same_sound(features)
    same = {name: sounds[some] for name, some in rows.items()}
    folds = _folds(experiment, dataset.curated, same["curated"])
    trained_on = np.where(lists.removed[:, None], 0, lists.corrected)[curated]
    prepared = Prepared(
        experiment=experiment,
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
            *twins(dataset, same, folds),
            *warn_of_bands(features, front_end_of(experiment.features).settings),
            *_idle_selection(experiment, lists),
            *absent_classes(folds, trained_on, dataset.classes),
            *uneven(folds, dataset.curated, experiment.folds.group),
            *_single_class(dataset),
        ),
    )
    _check_sources(prepared)
    check_folds_to_run(prepared)
    return prepared


def _weights_digest(experiment: Experiment) -> str:
    path = initial_weights(experiment)
    if path is None:
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_features(experiment: Experiment, dataset: Dataset) -> FeatureStore:
    """Map the log-mels of all clips, in the order curated, noisy, test; compute those not there yet."""
    files = [*dataset.curated.paths, *dataset.noisy.paths, *dataset.test.paths]
    with decoding_bar("clip") as bar:
        return open_store(
            project.root() / "data" / "features",
            files,
            dataset.folder,
            front_end_of(experiment.features).settings,
            experiment.features.precision,
            read_sound,
            bar.reach,
            experiment.threads,
        )


def _single_class(dataset: Dataset) -> list[str]:
    """Warn where there is nothing to tell apart."""
    if len(dataset.classes) > 1:
        return []
    return [f"there is one class, {dataset.classes[0]!r}, so that lwlrap is 1 whatever a network learns; add another"]


def _idle_selection(experiment: Experiment, lists: LabelLists) -> list[str]:
    """Warn where the clips that a selection trusts are drawn as if it were not there."""
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
    halves = {"curated": dataset.curated, "noisy": dataset.noisy, "test": dataset.test}
    paths = [path for clips in halves.values() for path in clips.paths]
    problems = [f"{paths[row]}: {reason}" for row, reason in sorted(features.errors.items())]
    if problems and not experiment.data.skip_unreadable:
        raise UserError(
            *problems,
            f"{count(len(problems), 'file')} cannot be used: mend them, or leave them out with --skip-unreadable",
        )
    usable = np.array([row not in features.errors for row in range(len(paths))], dtype=bool)
    ends = np.cumsum([len(clips) for clips in halves.values()])
    masks = dict(zip(halves, np.split(usable, ends[:-1]), strict=True))
    return masks, [f"{LEFT_OUT}{problem}" for problem in problems]


def _folds(experiment: Experiment, curated: Clips, same: np.ndarray) -> np.ndarray:
    folds = experiment.folds
    if folds.group == CONTENT:
        curated = with_content(curated, same)
    if folds.kind == "column":
        return assign_folds("column", 0, 0, curated, folds.column, folds.group)
    return assign_folds(folds.kind, folds.count, folds.seed, curated, "", folds.group)


def _sound_notes(dataset: Dataset, features: FeatureStore, rows: dict[str, np.ndarray]) -> list[str]:
    """Say which clips were resampled, averaged, silent or very short, one line a kind of note."""
    found: dict[str, list[str]] = {}
    for name, clips in (("curated", dataset.curated), ("noisy", dataset.noisy), ("test", dataset.test)):
        for row, fname in zip(rows[name], clips.fnames, strict=True):
            for note in features.notes[row]:
                found.setdefault(note, []).append(fname)
    return [f"{note}: {_few(fnames)}" for note, fnames in found.items()]


def _few(fnames: Sequence[str]) -> str:
    shown = ", ".join(fnames[:5])
    return shown if len(fnames) <= 5 else f"{shown} and {len(fnames) - 5} more"


def _check_sources(prepared: Prepared) -> None:
    sampling = prepared.experiment.sampling
    problems = []
    if sampling.noisy and not prepared.noisy_pool.any():
        problems.append(
            f"sampling.noisy is {sampling.noisy:g}, but {_lack_of_noise(prepared)}; "
            "give --set sampling.curated=1 sampling.noisy=0"
        )
    if sampling.trusted and not prepared.trusted.any():
        problems.append(
            f"sampling.trusted is {sampling.trusted:g}, but no noisy clip is trusted; "
            "name a list in labels.noisy_selection, or give --set sampling.trusted=0"
        )
    if problems:
        raise UserError(*problems)


def _lack_of_noise(prepared: Prepared) -> str:
    if not len(prepared.dataset.noisy):
        return f"{prepared.dataset.name} has no noisy clips"
    if prepared.dropped.all():
        return f"labels.noisy_selection drops all {len(prepared.dropped)}"
    return "no noisy clip is trusted"
