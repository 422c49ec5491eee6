"""From a stacker's config to everything its folds share: clips, labels, folds and what the members say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from tagging.config import Stacker
from tagging.contract import File, Kind, Metric, Tag
from tagging.data.dataset import Dataset
from tagging.data.folds import absent_classes
from tagging.data.label_lists import apply_corrections, read_label_list
from tagging.errors import UserError
from tagging.jobs.base_runs import find_members, read_half, read_tiles, tiles_digest
from tagging.jobs.folded import Folded, check_folds_to_run, digest
from tagging.jobs.inputs import list_path
from tagging.report.pages import Member
from tagging.report.wording import count
from tagging.runs.stored import read_folds
from tagging.tracking.store import Run, Store


@dataclass(frozen=True)
class PreparedStacker(Folded):
    """Everything the folds of a stacker share.

    `tiles` [T, F] are the members' out-of-fold probabilities of all tiles, clip after clip in the order of the curated
    clips, `lengths` [N] of them a clip; F is members times classes. `test` holds fname and F columns, None where a
    member has none.
    """

    kind: ClassVar[str] = Kind.STACKER
    tables: ClassVar[tuple[str, ...]] = ("oof",)  # a mean over tiles goes in, so that there is nothing a tile

    experiment: Stacker
    runs: tuple[Run, ...]
    digests: tuple[str, ...]  # of the members' out-of-fold predictions
    tiles: np.ndarray
    lengths: np.ndarray
    test: pd.DataFrame | None

    @property
    def predicting_epoch(self) -> str:
        """Whose weights predict: best; empty where the model is not trained epoch by epoch."""
        return "best" if self.experiment.model.kind == "fcnet" else ""

    @property
    def members(self) -> Sequence[Member]:
        """The runs it learns from."""
        return [Member(run.name, run.link, run.score(Metric.CV_LWLRAP)) for run in self.runs]

    def _sources(self) -> list[str]:
        return [f"{run.id} {file}" for run, file in zip(self.runs, self.digests, strict=True)]


def prepare_stacker(stacker: Stacker, store: Store, dataset: Dataset) -> PreparedStacker:
    """Find the members, read the label list and what the members say of the data set's clips.

    `members` of the config that comes back holds run ids. Raises UserError for any bad input, all problems of a step
    at once.
    """
    runs = find_members(stacker, dataset.name, store)
    assigned = read_folds(store, runs[0]).set_index("fname")["fold"]
    known = np.isin(dataset.curated.fnames, assigned.index)
    dataset = replace(dataset, curated=dataset.curated.keep(known))
    _check_data(dataset, runs[0])
    folds = np.array(assigned.loc[list(dataset.curated.fnames)], np.int64)
    lists, corrected, removed, notes = corrected_by(stacker.labels.corrections, dataset)
    tiles, lengths = read_tiles(runs, dataset.curated.fnames, store)
    trained_on = np.where(removed[:, None], 0, corrected)
    prepared = PreparedStacker(
        experiment=stacker.model_copy(update={"members": tuple(run.id for run in runs)}),
        dataset=dataset,
        corrected=corrected,
        removed=removed,
        folds=folds,
        label_lists=lists,
        warnings=(*dataset.warnings, *_left_out(known), *notes, *absent_classes(folds, trained_on, dataset.classes)),
        runs=tuple(runs),
        digests=tuple(tiles_digest(run, store) for run in runs),
        tiles=tiles,
        lengths=lengths,
        test=read_half(runs, "test", store),
    )
    check_folds_to_run(prepared)
    _check_gate(prepared)
    return prepared


def corrected_by(given: str, dataset: Dataset) -> tuple[tuple[Path, ...], np.ndarray, np.ndarray, list[str]]:
    """Return the label list that is given, none or one, the targets and removed clips by it, and its warnings.

    Raises UserError where it does not fit.
    """
    curated = dataset.curated
    if not given:
        return (), curated.labels, np.zeros(len(curated), dtype=bool), []
    path = list_path(given, dataset.folder)
    return (path,), *apply_corrections(curated, dataset.classes, read_label_list(path), path)


def _left_out(known: np.ndarray) -> list[str]:
    if known.all():
        return []
    return [f"left out: {count(int((~known).sum()), 'curated clip')} that the members were not trained on"]


def _check_data(dataset: Dataset, run: Run) -> None:
    """Stop where the folder is not the one that a member was trained on."""
    ours = {Tag.DATA_CLASSES: digest(dataset.classes), Tag.DATA_CLIPS: digest(sorted(dataset.curated.fnames))}
    other = [tag.removeprefix("data.") for tag, value in ours.items() if run.tags.get(tag) != value]
    if other:
        raise UserError(
            f"{dataset.folder} is not the data that {run.title} was trained on: it has other {' and '.join(other)}; "
            "name the right folder with --data"
        )


def _check_gate(prepared: PreparedStacker) -> None:
    model, inputs = prepared.experiment.model, prepared.tiles.shape[1]
    if model.kind == "fcnet" and model.reduction > inputs:
        raise UserError(
            f"model.reduction is {model.reduction}, but {count(len(prepared.runs), 'member')} of "
            f"{count(len(prepared.dataset.classes), 'class')} give {inputs} inputs; it must be {inputs} or less"
        )


def log_stacker(store: Store, run: Run, prepared: PreparedStacker) -> None:
    """Log the members."""
    members = [{"run": member.id, "name": member.name} for member in prepared.runs]
    store.log_json(run.id, {"members": members}, File.STACKER)
