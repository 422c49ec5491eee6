"""From a folder of sound to tables of log-mels: each file is decoded once, whatever front ends the networks have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from tagging.data.audio import SoundFile, announced_seconds
from tagging.data.findings import apart
from tagging.data.listing import SoundFolder, spelt_otherwise
from tagging.data.tables import read_table
from tagging.errors import UnreadableSound, UserError, printable
from tagging.features.logmel import LogMel
from tagging.features.settings import FrontEnd, LogMelSettings
from tagging.features.table import LogMels, Spool
from tagging.features.waveforms import ahead_of, trim_blocks, trim_waveform

HELD = 2**20  # samples (4 MB), at the highest rate asked for, up to which a file is held in memory
_AHEAD = 16  # files; as many are read before they are needed

T = TypeVar("T")


@dataclass(frozen=True)
class Sound:
    """The sound of N files: `readable` [N] bool marks the files in `tables`, `problems` has a line for each other file.

    A table holds the readable clips in the order of their files. There is none where no file can be read.
    """

    readable: np.ndarray
    tables: Mapping[FrontEnd, LogMels]
    problems: list[str]


@dataclass(frozen=True)
class Listing:
    """The clips that a submission has rows for, their files, and the order of its columns."""

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
        return Listing(list(map(printable, found.sound)), [folder / name for name in found.sound], tuple(classes))
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


def read_sounds(paths: Sequence[Path], front_ends: Sequence[FrontEnd], progress: Callable[[int, int], None]) -> Sound:
    """Decode files and return their log-mels for each front end, which may repeat; unreadable files have none.

    Short files are read ahead and decoded once. A file of more than `HELD` samples is decoded in blocks, twice for each
    front end, so that memory grows with neither the length of a file nor the number of files. `progress` is called with
    the seconds of sound done, and those of all files. Raises DiskFull where there is no room for the log-mels.
    """
    front_ends = list(dict.fromkeys(front_ends))
    settings = [one.settings for one in front_ends]
    logmels = [LogMel(one) for one in settings]
    spools = [Spool(one.settings.n_mels, np.dtype(one.precision)) for one in front_ends]
    ends = np.cumsum(list(ahead_of(announced_seconds, paths, _AHEAD))).tolist()  # seconds up to the end of each file
    done = 0.0

    def reach(seconds: float) -> None:
        nonlocal done
        done = seconds
        progress(round(done), round(ends[-1]))

    def add(sound: SoundFile | list[np.ndarray]) -> None:
        for place, (one, logmel) in enumerate(zip(settings, logmels, strict=True)):
            if isinstance(sound, SoundFile):
                waveform = _Decoding(sound, one.sample_rate, lambda some: reach(done + some / 2 / len(front_ends)))
                pieces: Iterable[torch.Tensor] = logmel.unfloored(trim_blocks(waveform, one))
            else:
                pieces = logmel([sound[place]])
            spools[place].write(pieces, one.range_db)
        for spool in spools:
            spool.keep()

    readable: list[bool] = []
    problems: list[str] = []
    sounds = ahead_of(lambda path: _unless_unreadable(path, lambda: _opened(path, settings)), paths, _AHEAD)
    for path, sound, end in zip(paths, sounds, ends, strict=True):
        problem = sound if isinstance(sound, str) else _unless_unreadable(path, partial(add, sound))
        readable.append(problem is None)
        problems += [problem] if problem else []
        reach(end)
    tables = {one: spool.table() for one, spool in zip(front_ends, spools, strict=True)} if any(readable) else {}
    return Sound(np.array(readable, dtype=bool), tables, problems)


def _warn(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"warning: {line}", flush=True)


def _opened(path: Path, settings: Sequence[LogMelSettings]) -> SoundFile | list[np.ndarray]:
    """Return a long file as it is; of a short file, the trimmed waveform for each of the settings."""
    file = SoundFile(path)
    rates = {one.sample_rate for one in settings}
    if file.seconds * max(file.rate, *rates) > HELD:
        return file
    by_rate = file.read(rates)
    return [trim_waveform(by_rate[one.sample_rate].samples, one) for one in settings]


def _unless_unreadable(path: Path, read: Callable[[], T]) -> T | str:
    """Return what `read` returns, or as text why the file cannot be read."""
    try:
        return read()
    except UnreadableSound as error:
        return str(error)
    except OSError as error:
        return f"{printable(path)}: cannot be read ({error.strerror})"


@dataclass(frozen=True)
class _Decoding:
    """The waveform of a file in blocks, decoded anew each time; `add` is called with the seconds of each block."""

    file: SoundFile
    sample_rate: int
    add: Callable[[float], None]

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self.file.resampled(self.sample_rate):
            self.add(len(block) / self.sample_rate)
            yield block
