"""Small data sets on disk for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from tagging.data.dataset import Clips


def write_sound(path: Path, seconds: float = 0.02, rate: int = 8000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(seconds * rate)) / rate
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 440 * time), rate)
    return path


def write_sounds(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        write_sound(folder / name)


def write_text(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def write_fsdkaggle(root: Path) -> Path:
    """Classes Bark and Air; two curated clips, one noisy, one for test."""
    write_text(root / "sample_submission.csv", "fname,Bark,Air", "t.wav,0,0")
    write_text(root / "train_curated.csv", "fname,labels", 'b.wav,"Bark,Air"', "a.wav,Air")
    write_text(root / "train_noisy.csv", "fname,labels", "n.wav,Bark")
    write_sounds(root / "train_curated", ["a.wav", "b.wav"])
    write_sounds(root / "train_noisy", ["n.wav"])
    write_sounds(root / "test", ["t.wav"])
    return root


def make_clips(labels: list[list[int]], **columns: list[str]) -> Clips:
    """Clips that exist in memory alone, as if read from train.csv."""
    count = len(labels)
    fnames = tuple(f"{index}.wav" for index in range(count))
    return Clips(
        fnames=fnames,
        paths=tuple(Path("/sound") / fname for fname in fnames),
        labels=np.array(labels, np.float32),
        columns={name: tuple(values) for name, values in columns.items()},
        table=Path("train.csv"),
        lines=tuple(range(2, count + 2)),
    )
