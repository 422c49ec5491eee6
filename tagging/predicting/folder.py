"""Tags files of sound with a finished run: a table of probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tagging.config import Experiment
from tagging.contract import LEFT_OUT
from tagging.data.findings import limited
from tagging.errors import UserError, printable
from tagging.features.settings import FrontEnd
from tagging.jobs.device import device_of
from tagging.jobs.inputs import front_end_of
from tagging.predicting.tagger import (
    Tagger,
    classes_of,
    predicts_from_sound,
    read_with_bar,
    same_experiment,
    with_members,
)
from tagging.progress import warn
from tagging.report.wording import count
from tagging.runs.stored import prediction_table
from tagging.tracking.store import Run, Store


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
    sound = read_with_bar(files, [_front_end(experiment) for experiment in experiments])
    if not sound.tables:
        nothing = f"{folder}: no sound that can be read in {count(len(files), 'file')}"
        raise UserError(*limited(sound.problems, str, "files"), nothing)
    for problem in sound.problems:
        warn(f"{LEFT_OUT}{problem}")
    tables = {front_end: table.placed(device) for front_end, table in sound.tables.items()}
    tagger = Tagger(store, lambda experiment: tables[_front_end(experiment)], overrides)
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


def _front_end(experiment: Experiment) -> FrontEnd:
    """Return an experiment's front end, its log-mels kept in float32: those of a few files need no small table."""
    return replace(front_end_of(experiment.features), precision="float32")
