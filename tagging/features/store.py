"""The feature store: the log-mels of a list of files, computed once and mapped by every process."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout

from tagging.errors import UserError
from tagging.features import journal
from tagging.features.build import DTYPES, Progress, StoreFiles, build, writing
from tagging.features.logmel import FEATURE_VERSION, LogMelSettings
from tagging.features.reading import Decode
from tagging.features.table import LogMels

_KEY_DIGITS = 16


@dataclass(frozen=True)
class FeatureStore:
    """A complete feature store; clip i is the i-th of the files it was opened with.

    `notes` and `content` (sha256 of the file's bytes, hex) have an entry a clip; `errors` maps the index of
    each undecodable file, whose length is 0, to the reason.
    """

    folder: Path
    logmels: LogMels
    notes: tuple[tuple[str, ...], ...]
    errors: dict[int, str]
    content: tuple[str, ...]


def open_store(
    root: Path,
    files: Sequence[Path],
    base: Path,
    settings: LogMelSettings,
    precision: str,
    decode: Decode,
    progress: Progress,
) -> FeatureStore:
    """Map the store of these files' log-mels, after building what is missing of it.

    The store lies in `root` under a name made of the settings, the feature version, the precision, and
    every file's path below `base`, size and time of change, so that it is never stale. One process builds
    while others wait; one that was killed is continued. `decode(path, sample_rate)` returns mono samples
    and notes or raises UnreadableSound, whose reason is recorded. `progress(done, total)` counts clips.

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
                build(store, files, settings, precision, decode, progress)
    return _map(store, settings.n_mels, precision)


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
            progress(len(journal.read(store.journal)), total)
    try:
        yield
    finally:
        lock.release()


def _map(store: StoreFiles, n_mels: int, precision: str) -> FeatureStore:
    records = journal.read(store.journal)
    lengths = torch.tensor([record.frames for record in records], dtype=torch.int64)
    frames = _map_frames(store.frames, (int(lengths.sum()), n_mels), DTYPES[precision])
    minima = torch.tensor([record.minimum for record in records], dtype=torch.float32)
    return FeatureStore(
        folder=store.folder,
        logmels=LogMels(frames, lengths.cumsum(0) - lengths, lengths, minima),
        notes=tuple(record.notes for record in records),
        errors={index: record.error for index, record in enumerate(records) if record.error is not None},
        content=tuple(record.content for record in records),
    )


def _map_frames(path: Path, shape: tuple[int, int], dtype: np.dtype) -> torch.Tensor:
    if shape[0] == 0:  # an empty file cannot be mapped
        return torch.from_numpy(np.empty(shape, dtype))
    mapped = np.memmap(path, dtype=dtype, mode="r", shape=shape)
    with warnings.catch_warnings():
        # torch has no read-only tensors and warns; nothing writes to the table
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(mapped)
