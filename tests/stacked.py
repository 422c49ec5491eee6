"""A project with two finished members and their stacker, used in this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tagging.commands.train import train
from tagging.config import Stacker, load
from tagging.contract import File, split_path
from tagging.jobs.inputs import read_labelled
from tagging.jobs.stacker import StackerJob, prepare_stacker
from tagging.tracking.store import Run, Store
from tests.blends import fold_of

MEMBERS = ("tiny", "other")
STACKED = """\
base: stacker
notes: Small enough for a test.
data: {kind: demo}
demo: {curated: 36, noisy: 12, test: 8}
members: [tiny, other]
sampling: {batch_size: 8, draws_per_epoch: 32}
model: {base_size: 8, reduction: 4}
optimizer: {lr: 3e-3}
training: {epochs: 3}
threads: 1
"""


@dataclass(frozen=True)
class Stacked:
    """A project in this process: experiments `tiny` and `other`, and `stacked`, which learns from them."""

    folder: Path
    store: Store

    def load(self, *overrides: str, data: Path | None = None) -> Stacker:
        stacker = load(self.folder / "experiments" / "stacked.yaml", overrides, data)
        assert isinstance(stacker, Stacker)
        return stacker

    def job(self, *overrides: str, data: Path | None = None) -> StackerJob:
        stacker = self.load(*overrides, data=data)
        return prepare_stacker(stacker, self.store, read_labelled(stacker).dataset)

    def train(self, *overrides: str, data: Path | None = None) -> Run:
        return train(self.load(*overrides, data=data), {})

    def run(self, name: str) -> Run:
        runs = [run for kind in ("experiment", "stacker") for run in self.store.search({"kind": kind})]
        return next(run for run in runs if run.name == name)

    @property
    def demo(self) -> Path:
        (folder,) = (self.folder / "data").glob("demo-*")
        return folder

    def member(self, name: str, tiles: pd.DataFrame, params: Mapping[str, str] | None = None, **tags: str) -> Run:
        """Write a run as `tiny` is, but for what it says of the tiles, some params, and some tags (`_` for `.`)."""
        model = self.run("tiny")
        kept = ("data.classes", "data.clips", "data.folds", "candidate")
        known = {tag: model.tags[tag] for tag in kept} | {tag.replace("_", "."): text for tag, text in tags.items()}
        run = self.store.start("demo", "experiment", name, known, {**model.params, **(params or {})})
        self.store.log_metrics(run.id, {"cv_lwlrap": 0.5})
        self.store.log_table(run.id, tiles, File.OOF_TILES)
        for path in (File.FOLDS, *(split_path("test", fold) for fold in range(3))):
            self.store.log_table(run.id, self.store.read_table(model.id, path), path)
        for fold in range(3):
            self.store.finish(fold_of(self.store, run, fold).id, "FINISHED")
        self.store.finish(run.id, "FINISHED")
        return self.store.get(run.id)

    def tiles(self, name: str = "tiny") -> pd.DataFrame:
        return self.store.read_table(self.run(name).id, File.OOF_TILES)
