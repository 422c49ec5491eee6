"""From a folder of sound to tables of log-mels: each file is decoded once, whatever the networks hear of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from tagging.data import audio
from tagging.data.findings import apart
from tagging.data.listing import SoundFolder, spelt_otherwise
from tagging.data.tables import read_table
from tagging.errors import UnreadableSound, UserError
from tagging.features.logmel import LogMel, trim_waveform
from tagging.features.reading import ahead_of
from tagging.features.settings import LogMelSettings
from tagging.features.table import LogMels
from tagging.kernel.plan import Network

_GROUP = 32  # clips whose log-mels are computed at once


@dataclass(frozen=True)
class Look:
    """How log-mels are made and the type they are kept in; networks of the same look share a table."""

    settings: LogMelSettings
    store: str

    @classmethod
    def of(cls, network: Network) -> Look:
        """Return the look of a network."""
        return cls(network.features, network.store)


@dataclass(frozen=True)
class Sound:
    """Sound to be tagged: `readable` [N] bool says which of the files the tables hold, `problems` why not the others.

    There is no table where no file can be read.
    """

    readable: np.ndarray
    tables: Mapping[Look, LogMels]
    problems: list[str]


@dataclass(frozen=True)
class Listing:
    """The clips a submission has rows for, the files they lie in, and the order of its columns."""

    fnames: list[str]
    paths: list[Path]
    columns: tuple[str, ...]


def list_clips(folder: Path, sample: Path | None, classes: Sequence[str]) -> Listing:
    """Return the clips of `sample`, a table whose columns are fname and the classes, else all sound of a folder.

    There may be none: a competition has a notebook run on an empty folder or table first. Raises UserError where the
    folder or the table is missing, or the table is of other classes.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; give the folder of the sound with --sound")
    found = SoundFolder(folder)
    if sample is None:
        _warn(found.left_out())
        return Listing(found.sound, [folder / name for name in found.sound], tuple(classes))
    if not sample.is_file():
        raise UserError(f"{sample}: there is no such table; give the sample submission with --sample")
    table = read_table(sample, ("fname",))
    columns = tuple(name for name in table.columns if name != "fname")
    if set(columns) != set(classes):
        differences = apart(columns, classes, "it has", "it lacks")
        raise UserError(f"{sample}: its columns are not the {len(classes)} classes of this kernel: {differences}")
    fnames = list(table.columns["fname"])
    matches = [found.match(fname) for fname in fnames]
    _warn([*spelt_otherwise(folder, fnames, matches), *found.left_out(fnames)])
    paths = [folder / (match.file or fname) for fname, match in zip(fnames, matches, strict=True)]
    return Listing(fnames, paths, columns)


def read_sounds(paths: Sequence[Path], looks: Sequence[Look], progress: Callable[[int, int], None]) -> Sound:
    """Decode files and return their log-mels for each look; one that cannot be used is left out.

    `progress` is told how many files are done, and of how many.
    """
    front_ends = {look: LogMel(look.settings, "cpu") for look in looks}
    clips: dict[Look, list[torch.Tensor]] = {look: [] for look in looks}
    readable: list[bool] = []
    problems: list[str] = []
    sounds = ahead_of(lambda path: _read(path, [look.settings for look in looks]), paths, ahead=_GROUP)
    while group := list(islice(sounds, _GROUP)):
        readable += [isinstance(sound, list) for sound in group]
        used = [sound for sound in group if isinstance(sound, list)]
        for place, (look, front_end) in enumerate(front_ends.items()):
            dtype = np.dtype(look.store)
            logmels = front_end([waveforms[place] for waveforms in used])
            clips[look] += [torch.from_numpy(logmel.numpy().astype(dtype)) for logmel in logmels]
        problems += [sound for sound in group if isinstance(sound, str)]
        progress(len(readable), len(paths))
    tables = {look: LogMels.from_clips(some) for look, some in clips.items() if some}
    return Sound(np.array(readable, dtype=bool), tables, problems)


def _warn(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"warning: {line}", flush=True)


def _read(path: Path, settings: Sequence[LogMelSettings]) -> list[np.ndarray] | str:
    """Return the trimmed waveform for each of the settings, or why there is none."""
    try:
        by_rate = audio.read_sounds(path, {one.sample_rate for one in settings})
    except UnreadableSound as error:
        return str(error)
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror})"
    return [trim_waveform(by_rate[one.sample_rate].samples, one) for one in settings]
