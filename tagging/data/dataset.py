"""Clips and data sets, as every other room sees them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Clips:
    """Some clips of a data set, in the order of their table."""

    fnames: tuple[str, ...]
    paths: tuple[Path, ...]  # absolute
    labels: np.ndarray  # [N, C] float32, 0 or 1, as the table has them
    columns: dict[str, tuple[str, ...]]  # the table's further columns by name, as text
    table: Path = Path()  # the table they stand in
    lines: tuple[int, ...] = ()  # and the line of each, for messages

    def __len__(self) -> int:
        return len(self.fnames)

    def keep(self, mask: np.ndarray) -> Clips:
        """Return the clips where `mask` [N] bool is true, order kept."""
        return Clips(
            fnames=tuple(compress(self.fnames, mask)),
            paths=tuple(compress(self.paths, mask)),
            labels=self.labels[mask],
            columns={name: tuple(compress(texts, mask)) for name, texts in self.columns.items()},
            table=self.table,
            lines=tuple(compress(self.lines, mask)),
        )

    def where(self, index: int) -> str:
        """Name a clip by table and line for a message, by its fname where the table is not known."""
        return f"{self.table}, line {self.lines[index]}" if self.lines else self.fnames[index]


@dataclass(frozen=True)
class Dataset:
    """A folder of labelled sound, checked: every clip's file exists."""

    name: str
    folder: Path
    classes: tuple[str, ...]
    curated: Clips
    noisy: Clips  # may be empty
    test: Clips  # may be empty; in the order of sample_submission.csv; labels all zero
    warnings: tuple[str, ...]


def no_clips(class_count: int) -> Clips:
    """Return an empty half; its labels are [0, C]."""
    return Clips((), (), np.zeros((0, class_count), np.float32), {})
