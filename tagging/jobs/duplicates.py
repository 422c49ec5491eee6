"""Duplicates: the same sound under several names, in several folds or splits, or with other labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tagging.data.dataset import Clips, Dataset

CONTENT = "content"  # what folds.group calls the sound itself, where the table has no such column
_SHOWN = 5  # groups of clips a line


@dataclass(frozen=True)
class _Clip:
    split: str
    fname: str
    fold: int | None  # of a curated clip
    labels: tuple[str, ...]


def with_content(curated: Clips, same: np.ndarray) -> Clips:
    """Return the clips with a column `content`: of each, the name of the first clip of the same sound.

    `same` [N] numbers the sounds. A column of that name in the table stays as it is.
    """
    if CONTENT in curated.columns:
        return curated
    first: dict[int, str] = {}
    names = tuple(first.setdefault(number, fname) for number, fname in zip(same.tolist(), curated.fnames, strict=True))
    return replace(curated, columns={**curated.columns, CONTENT: names})


def duplicates(dataset: Dataset, same: dict[str, np.ndarray], folds: np.ndarray) -> list[str]:
    """Warn of the same sound in two folds, in two splits, or with other labels; a line a kind, which names the clips.

    `same` numbers the sounds of each split, curated, noisy and test, alike; `folds` [N] are the curated clips'.
    """
    groups: dict[int, list[_Clip]] = {}
    for split, clips in dataset.splits.items():
        for row, (number, fname) in enumerate(zip(same[split].tolist(), clips.fnames, strict=True)):
            fold = int(folds[row]) if split == "curated" else None
            labels = tuple(dataset.classes[index] for index in np.flatnonzero(clips.labels[row]))
            groups.setdefault(number, []).append(_Clip(split, fname, fold, labels))

    def groups_in(*splits: str) -> list[list[_Clip]]:
        """Return the clips of these splits alone, group by group."""
        return [[clip for clip in group if clip.split in splits] for group in groups.values() if len(group) > 1]

    lines = _line(
        "the same sound is in several folds, which flatters the CV (folds.group=content keeps it in one)",
        [group for group in groups_in("curated") if len({clip.fold for clip in group}) > 1],
        lambda clip: f"{clip.fname} (fold {clip.fold})",
    )
    for split, other, does in (
        ("curated", "noisy", "which flatters the CV where noisy clips are trained on"),
        ("curated", "test", "which flatters scores of the test split"),
        ("noisy", "test", "which flatters scores of the test split"),
    ):
        lines += _line(
            f"the same sound is {split} and {other}, {does}",
            [group for group in groups_in(split, other) if len({clip.split for clip in group}) > 1],
            lambda clip: f"{clip.fname} ({clip.split})",
        )
    return lines + _line(
        "the same sound has other labels",
        [group for group in groups_in("curated", "noisy") if len({clip.labels for clip in group}) > 1],
        lambda clip: f"{clip.fname} ({','.join(clip.labels)})",
    )


def _line(text: str, groups: Sequence[list[_Clip]], name: Callable[[_Clip], str]) -> list[str]:
    if not groups:
        return []
    shown = []
    for group in groups[:_SHOWN]:
        more = [f"{len(group) - _SHOWN} more"] if len(group) > _SHOWN else []
        shown.append(" = ".join([*map(name, group[:_SHOWN]), *more]))
    further = f"; and {len(groups) - _SHOWN} more such sounds" if len(groups) > _SHOWN else ""
    return [f"{text}: {'; '.join(shown)}{further}"]
