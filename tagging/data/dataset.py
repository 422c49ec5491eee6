"""Clips and data sets, and how the rows of a table become clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np

from tagging.data.findings import Findings, limited
from tagging.data.labels import encode_labels, say_unknown
from tagging.data.listing import find_files
from tagging.data.tables import Table


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

    @property
    def splits(self) -> dict[str, Clips]:
        """The clips of each split by its name, in the order of a feature store."""
        return {"curated": self.curated, "noisy": self.noisy, "test": self.test}

    @property
    def paths(self) -> list[Path]:
        """The files of all clips, split after split."""
        return [path for clips in self.splits.values() for path in clips.paths]


def no_clips(class_count: int) -> Clips:
    """Return an empty split; its labels are [0, C]."""
    return Clips((), (), np.zeros((0, class_count), np.float32), {})


def read_clips(table: Table, sound: Path, classes: Sequence[str] | None, allowed: str, findings: Findings) -> Clips:
    """Turn a table with the columns fname and labels into clips whose files lie in `sound`.

    What is wrong goes into `findings`; `allowed` is the part of its messages about where the classes come from.
    `classes` is None where the findings name an error in them already; labels are then not checked.
    """
    fnames, fields = table.columns["fname"], table.columns["labels"]
    if not fnames:
        findings.problems.append(f"{table.path}: the table lists no clip; add a line for each sound file")
    paths = [sound / fname for fname in fnames]
    if sound.is_dir():
        paths = find_files(fnames, table.where, sound, findings)
    else:
        findings.problems.append(f"{sound}: there is no such folder; it holds the clips of {table.path.name}")
    targets, unknown = encode_labels(fields, classes or ())

    def say(found: tuple[int, str]) -> str:
        row, label = found
        return f"{table.where(row)}: {say_unknown(label, fields[row], classes or (), allowed)}"

    if classes is not None:
        findings.problems += limited(unknown, say, f"labels to mend in {table.path.name}")
    columns = {name: texts for name, texts in table.columns.items() if name not in ("fname", "labels")}
    return Clips(fnames, tuple(paths), targets, columns, table.path, table.lines)
