"""The feature store: the log-mels of a list of files, computed once and mapped by every process.

A store that is there is found and described without torch, which only computing and mapping need.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock, Timeout

from tagging.errors import UserError
from tagging.features.files import DTYPES, ClipRecord, Progress, StoreFiles, read_records, writing
from tagging.features.settings import FEATURE_VERSION, LogMelSettings

if TYPE_CHECKING:
    from tagging.features.table import LogMels
    from tagging.features.waveforms import Decode

_KEY_DIGITS = 16


@dataclass(frozen=True)
class FeatureStore:
    """A complete feature store; clip i is the i-th of the files it was opened with.

    `lengths` [N] int64 frames, `minima` [N] float32 dB; `notes` and `content` (sha256 of the file's bytes, hex) have an
    entry a clip; `errors` maps the index of each undecodable file, whose length is 0, to the reason.
    """

    folder: Path
    n_mels: int
    dtype: np.dtype
    lengths: np.ndarray
    minima: np.ndarray
    notes: tuple[tuple[str, ...], ...]
    errors: dict[int, str]
    content: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        """The size of all log-mels in bytes."""
        return int(self.lengths.sum()) * self.n_mels * self.dtype.itemsize

    @property
    def frames(self) -> np.ndarray:
        """The frames [total, M] of all clips one after another, mapped from the disk."""
        if not self.nbytes:  # an empty file cannot be mapped
            return np.empty((0, self.n_mels), self.dtype)
        return np.memmap(StoreFiles(self.folder).frames, self.dtype, "r").reshape(-1, self.n_mels)

    @cached_property
    def logmels(self) -> LogMels:
        """The log-mels, mapped from the disk."""
        from tagging.features.table import LogMels  # with torch

        return LogMels.mapped(self.frames, self.lengths, self.minima)


def open_store(
    root: Path,
    files: Sequence[Path],
    base: Path,
    settings: LogMelSettings,
    precision: str,
    decode: Decode,
    progress: Progress,
    threads: int = 0,
) -> FeatureStore:
    """Map the store of these files' log-mels, after building what is missing of it.

    The store lies in `root` under a name made of the settings, the feature version, the precision, and
    every file's path below `base`, size and time of change, so that it is never stale. One process builds
    while others wait; one that was killed is continued. `decode(path, sample_rate)` returns mono samples
    and notes or raises UnreadableSound, whose reason is recorded. `progress(done, total)` counts clips.
    What is missing is computed on `threads` CPU threads, 0: as many as torch has.

    `precision` is "float32", or "float16": half the memory, and an error of at most 0.03125 dB (half a
    unit in the last place where |dB| is in [64, 128); 0.0156 dB in [32, 64)).
    Raises UserError where a file cannot be read or the store cannot be written; ValueError for another
    precision.
    """
    if precision not in DTYPES:
        raise ValueError(f"precision is one of {', '.join(DTYPES)}, not {precision}")
    store = StoreFiles(root / _key(files, base, settings, precision)[:_KEY_DIGITS])
    if not store.complete():
        with writing(store):
            store.folder.mkdir(parents=True, exist_ok=True)
            store.lock.touch()
        with _locked(store, len(files), progress):
            if not store.complete():
                from tagging.features.build import build  # with torch

                build(store, files, settings, precision, decode, progress, threads)
    return _described(store, settings.n_mels, precision)


def _key(files: Sequence[Path], base: Path, settings: LogMelSettings, precision: str) -> str:
    """Hash all that the numbers in a store depend on."""
    facts = {"settings": asdict(settings), "version": FEATURE_VERSION, "precision": precision}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    missing = []
    for path in files:
        try:
            state = path.stat()
        except OSError as error:
            missing.append(f"{path}: cannot be read ({error.strerror})")
            continue
        digest.update(f"\n{path.relative_to(base)}\t{state.st_size}\t{state.st_mtime_ns}".encode())
    if missing:
        raise UserError(*missing)
    return digest.hexdigest()


@contextmanager
def _locked(store: StoreFiles, total: int, progress: Progress) -> Iterator[None]:
    """Hold the store's lock; while another process builds, show how far it is."""
    lock = FileLock(store.lock)
    while True:
        try:
            lock.acquire(timeout=1)
            break
        except Timeout:
            progress(len(read_records(store.journal)), total)
    try:
        yield
    finally:
        lock.release()


def _described(store: StoreFiles, n_mels: int, precision: str) -> FeatureStore:
    records = read_records(store.journal)
    return FeatureStore(
        folder=store.folder,
        n_mels=n_mels,
        dtype=DTYPES[precision],
        lengths=np.array([record.frames for record in records], np.int64),
        minima=np.array([record.minimum for record in records], np.float32),
        notes=tuple(record.notes for record in records),
        errors={index: reason for index, record in enumerate(records) if (reason := _reason(record)) is not None},
        content=tuple(record.content for record in records),
    )


def _reason(record: ClipRecord) -> str | None:
    """Say why a clip cannot be used; earlier versions decoded samples whose powers float32 does not hold."""
    if record.error is None and not np.isfinite(record.minimum):
        return "its samples are too large to be sound (its log-mel is not finite)"
    return record.error
