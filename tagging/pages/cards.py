"""Cards of clips on a page: sound, spectrogram, given labels and what was predicted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagging.data.audio import SoundFile
from tagging.errors import UnreadableSound
from tagging.report.sound import RATE, Excerpt, excerpt, first_part

PREDICTED = 3  # classes on a card


@dataclass(frozen=True)
class Scored:
    """The predictions of N clips that a page shows.

    `classes` [C], `fnames` [N], `folds` [N] int; `truth` [N, C] of 0 and 1, the labels that the clips came with;
    `probabilities` [N, C], out of fold.
    """

    classes: Sequence[str]
    fnames: Sequence[str]
    folds: np.ndarray
    truth: np.ndarray
    probabilities: np.ndarray

    def of_fold(self, fold: int) -> Scored:
        """Return the held-out clips of a fold."""
        rows = np.flatnonzero(self.folds == fold)
        fnames = [self.fnames[row] for row in rows.tolist()]
        return Scored(self.classes, fnames, self.folds[rows], self.truth[rows], self.probabilities[rows])


@dataclass(frozen=True)
class Card:
    """A clip as a page shows it; `given` and `predicted` are classes with their probabilities, the highest first."""

    fname: str
    excerpt: Excerpt | None
    given: Sequence[tuple[str, float]]
    predicted: Sequence[tuple[str, float]]
    note: str = ""


class Sounds:
    """The excerpts of clips by name, each read once; `paths` are the clips' files, without those that are not there."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = paths
        self._excerpts: dict[str, Excerpt | None] = {}

    def of(self, fname: str) -> Excerpt | None:
        """Return the excerpt of a clip, None where its file is not there or cannot be read."""
        if fname not in self._excerpts:
            self._excerpts[fname] = self._read(self._paths[fname]) if fname in self._paths else None
        return self._excerpts[fname]

    @staticmethod
    def _read(path: Path) -> Excerpt | None:
        try:
            samples = first_part(SoundFile(path).resampled(RATE))
        except (UnreadableSound, OSError):  # a page is made without it
            return None
        return excerpt(samples) if len(samples) else None


def cards(scored: Scored, rows: Iterable[int], sounds: Sounds, note: Callable[[int], str] = lambda _: "") -> list[Card]:
    """Return the cards of some rows; `note` returns a sentence on one."""

    def ranked(values: np.ndarray, some: np.ndarray) -> list[tuple[str, float]]:
        return [
            (scored.classes[index], float(values[index])) for index in some[np.argsort(-values[some], kind="stable")]
        ]

    made = []
    for row in rows:
        probabilities = scored.probabilities[row]
        given = ranked(probabilities, np.flatnonzero(scored.truth[row]))
        predicted = ranked(probabilities, np.arange(len(scored.classes)))[:PREDICTED]
        made.append(Card(scored.fnames[row], sounds.of(scored.fnames[row]), given, predicted, note(row)))
    return made
