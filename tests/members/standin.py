"""FSDKaggle2019 in full size without its sound: the real names and labels, with made-up log-mels."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tagging.config import Experiment
from tagging.data.fsdkaggle import CURATED, NOISY, SUBMISSION
from tagging.features.files import (
    DTYPES,
    ClipRecord,
    Progress,
    StoreFiles,
    append_records,
)
from tagging.features.settings import LogMelSettings
from tagging.features.waveforms import Decode
from tagging.jobs.experiment import ExperimentJob
from tagging.jobs.prepare import prepare
from tests.shared import SHARED
from tests.stand_in import stand_in

LABELS = SHARED / "data" / "fsdkaggle2019-labels"
SHORTEST, LONGEST = 32, 640  # frames: half a second, to which shorter sound is padded, and ten
LONGER_SHARE = 0.03  # of the clips; the others are of the shortest, which makes the store small


def write_standin(folder: Path) -> None:
    """Write the real tables and label lists, and an empty file in the place of each clip."""
    folder.mkdir()
    for path in LABELS.iterdir():
        shutil.copyfile(path, folder / path.name)
    classes: set[str] = set()
    empty = folder.with_name("empty")
    empty.touch()
    for half in (CURATED, NOISY):
        (folder / half).mkdir()
        with (folder / f"{half}.csv").open(newline="") as table:
            for row in csv.DictReader(table):
                os.link(empty, folder / half / row["fname"])  # a file of its own takes seven times as long
                classes.update(row["labels"].split(","))
    (folder / SUBMISSION).write_text(",".join(["fname", *sorted(classes)]) + "\n")


def prepare_standin(experiment: Experiment) -> ExperimentJob:
    """Prepare an experiment on a stand-in; the store lies beside its folder, and is written where it is missing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tagging.features.build.build", write_logmels)
        stand_in(Path(experiment.data.folder).parent, patch)
        return prepare(experiment)


def write_logmels(
    store: StoreFiles,
    files: Sequence[Path],
    settings: LogMelSettings,
    precision: str,
    decode: Decode,
    progress: Progress,
    threads: int = 0,
) -> None:
    """Fill a store with noise in the place of `tagging.features.build.build`."""
    generator = np.random.default_rng(0)
    noise = generator.uniform(-80, 20, (2 * LONGEST, settings.n_mels)).astype(DTYPES[precision])
    lengths = np.full(len(files), SHORTEST)
    longer = generator.random(len(files)) < LONGER_SHARE
    lengths[longer] = generator.integers(SHORTEST, LONGEST, longer.sum(), endpoint=True)
    starts = generator.integers(0, LONGEST, len(files))
    clips = [noise[start : start + length] for start, length in zip(starts, lengths, strict=True)]
    with store.frames.open("wb") as frames:
        for clip in clips:
            frames.write(clip.tobytes())
    lowest = noise.min(axis=1)
    records = [
        ClipRecord(
            frames=len(clip),
            minimum=float(lowest[start : start + len(clip)].min()),
            content=hashlib.sha256(path.name.encode()).hexdigest(),
        )
        for path, start, clip in zip(files, starts, clips, strict=True)
    ]
    append_records(store.journal, records)
    store.done.write_text(json.dumps({"bytes": store.frames.stat().st_size}))
