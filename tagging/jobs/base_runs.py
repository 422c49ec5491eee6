"""The base runs of a stacker: which runs they are, and their probabilities of every clip."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tagging.config import Stacker
from tagging.contract import DATA_TAGS, FROM_SOUND, File, Kind, Metric, Tag
from tagging.errors import UserError
from tagging.report.wording import count
from tagging.runs.finished import finished_folds, meant_run
from tagging.runs.members import member_runs
from tagging.runs.predictions import mean_over_folds
from tagging.runs.stored import class_columns, read_members, read_predictions
from tagging.tracking.files import REPLACE
from tagging.tracking.store import Run, Store

GRID = ("sampling.frames", "predict.tile_step", "features.sample_rate", "features.hop", "features.trim_db")


def find_base_runs(stacker: Stacker, dataset: str, store: Store) -> list[Run]:
    """Return the runs that `members` means, in its order; a name means a run of the data set before those of others.

    Raises UserError, all problems at once, for a member that does not exist, is not a finished experiment or trial with
    all folds, is of another data set, named twice, or of other classes, clips or folds than the first.
    """
    if not stacker.members:
        raise UserError("members is empty: a stacker learns from the runs it names, as --set members=[NAME, NAME]")
    runs, problems = [], []
    for text in stacker.members:
        try:
            run = meant_run(store, text, FROM_SOUND, dataset)
            _check_member(run, dataset, store)
            runs.append(run)
        except UserError as error:
            problems.append(f"members: {'; '.join(error.problems)}")
    problems = problems or _differences(runs)
    if problems:
        raise UserError(*problems)
    return runs


def _check_member(run: Run, dataset: str, store: Store) -> None:
    title = run.title
    if run.kind not in FROM_SOUND or run.predicts_as == Kind.STACKER:
        kind = f"a {run.kind} of a stacker" if run.kind in FROM_SOUND else f"of kind {run.kind or 'unknown'}"
        raise UserError(f"{title} is {kind}; members are experiments and their trials")
    if run.dataset != dataset:
        raise UserError(
            f"{title} is of data set {run.dataset}, not {dataset}; name its data with --data, or give another run"
        )
    if run.status != "FINISHED" or run.tags.get(Tag.CANDIDATE) != "yes":
        raise UserError(f"{title} is {run.status} and lacks folds; continue it with the command that started it")
    finished_folds(store, run)
    run.score(Metric.CV_LWLRAP)  # which the page shows
    if not store.has_file(run.id, File.OOF_TILES):
        raise UserError(
            f"{title} has lost its file {File.OOF_TILES}; bring it back from a copy, or train it with --again"
        )


def _differences(runs: Sequence[Run]) -> list[str]:
    problems = [f"members: {run.title} is named twice" for place, run in enumerate(runs) if run in runs[:place]]
    first = runs[0]
    for tag in DATA_TAGS:
        for run in runs[1:]:
            if run.tags.get(tag) != first.tags.get(tag):
                problems.append(
                    f"members: {run.title} has other {tag.removeprefix('data.')} than {first.title}; leave one out"
                )
    return problems


def stored_base_runs(store: Store, run: Run) -> list[Run]:
    """Return the runs that a stacker learned from, in the order of its inputs; UserError where one is gone."""
    entries = read_members(store, run, File.STACKER)["members"]
    return member_runs(store, run, entries, "a stacker predicts nothing new; train it on others")


def read_tiles(runs: Sequence[Run], fnames: Sequence[str], store: Store) -> tuple[np.ndarray, np.ndarray]:
    """Return base runs' out-of-fold probabilities of tiles, [T, base runs · C] float32, and each clip's tiles [N].

    Clip after clip in the order of `fnames` [N], tile after tile. Raises UserError where base runs have other tiles
    than the first, or tables are damaged.
    """
    tables = [
        _in_order(read_predictions(store, run, File.OOF_TILES, tiles=True), fnames, ("fname", "tile")) for run in runs
    ]
    first = tables[0]
    for run, table in zip(runs, tables, strict=True):
        if not table[["fname", "tile"]].equals(first[["fname", "tile"]]):
            raise UserError(_other_tiles(runs[0], run, len(first), len(table)))
    counts = first.groupby("fname")["tile"].size().reindex(list(fnames), fill_value=0)
    if not counts.all():
        raise UserError(f"members: {runs[0].title} has no tiles of {counts.idxmin()} in {File.OOF_TILES}; {REPLACE}")
    return _side_by_side(tables), np.array(counts, np.int64)


def _other_tiles(first: Run, run: Run, there: int, here: int) -> str:
    settings = [
        f"{path} is {first.params.get(path)} in the one, {run.params.get(path)} in the other"
        for path in GRID
        if run.params.get(path) != first.params.get(path)
    ]
    return (
        f"members: {first.title} has {count(there, 'tile')} of the curated clips, {run.title} {here:,}: "
        f"{'; '.join(settings) or 'their log-mels differ in length'}; give members that cut clips into the same tiles"
    )


def read_split(runs: Sequence[Run], split: str, store: Store, fold: int | None = None) -> pd.DataFrame | None:
    """Return base runs' probabilities of test or noisy clips: fname, then the classes of each; None without.

    Of each the geometric mean over its folds, or its fold `fold` alone. The columns of probabilities are numbered.
    Raises UserError where base runs predict other clips, or tables are damaged.
    """
    folds = [list(finished_folds(store, run)) if fold is None else [fold] for run in runs]
    blends = [mean_over_folds(store, run, split, numbers) for run, numbers in zip(runs, folds, strict=True)]
    found = [blend for blend in blends if blend is not None]
    if len(found) < len(blends):
        return None
    fnames = list(found[0]["fname"])
    for run, table in zip(runs, found, strict=True):
        if sorted(table["fname"]) != sorted(fnames):
            raise UserError(
                f"members: {run.title} and {runs[0].title} predict other {split} clips; train one of them with --again"
            )
    ordered = [_in_order(table, fnames, ("fname",)) for table in found]
    return pd.concat([pd.DataFrame({"fname": fnames}), pd.DataFrame(_side_by_side(ordered))], axis=1)


def _in_order(table: pd.DataFrame, fnames: Sequence[str], keys: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows of `fnames` in their order, those of one clip by the further keys."""
    place = {fname: row for row, fname in enumerate(fnames)}
    rows = table["fname"].map(place)
    kept = table[rows.notna()].assign(_place=rows[rows.notna()])
    return kept.sort_values(["_place", *keys[1:]], kind="stable").drop(columns="_place").reset_index(drop=True)


def _side_by_side(tables: Sequence[pd.DataFrame]) -> np.ndarray:
    """Return the probabilities of tables of the same rows as one array [rows, classes of all]."""
    return np.concatenate([np.array(table[class_columns(table)], np.float32) for table in tables], axis=1)


def tiles_digest(run: Run, store: Store) -> str:
    """Return the sha256 of a base run's out-of-fold predictions."""
    with store.reading(run.id, File.OOF_TILES) as local, local.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
