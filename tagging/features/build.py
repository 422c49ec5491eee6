"""Building a feature store: compute in groups, append, remember."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from tagging.features.files import (
    DTYPES,
    ClipRecord,
    Progress,
    StoreFiles,
    append_bytes,
    append_records,
    read_records,
    rewrite_records,
    writing,
)
from tagging.features.logmel import LogMel
from tagging.features.settings import FEATURE_VERSION, LogMelSettings
from tagging.features.waveforms import Decode, TrimmedSound, ahead_of, read_trimmed

# A store grows by whole groups at fixed places of the list: the last digit of a float32 sum can differ
# with what is computed beside it, and a continued store must equal one built without a break.
_GROUP = 32


def build(
    store: StoreFiles,
    files: Sequence[Path],
    settings: LogMelSettings,
    precision: str,
    decode: Decode,
    progress: Progress,
    threads: int = 0,
) -> None:
    """Compute the clips that are missing in the store and mark it done; the caller holds its lock.

    `threads` is the number of CPU threads, 0: as many as torch has.

    Raises UserError where a file's bytes cannot be read or the store cannot be written.
    """
    dtype = DTYPES[precision]
    with writing(store):
        records = _cut_back(store, settings.n_mels * dtype.itemsize)
    progress(len(records), len(files))
    if threads:
        torch.set_num_threads(threads)
    logmel = LogMel(settings)
    sounds = ahead_of(lambda path: read_trimmed(path, settings, decode), files[len(records) :], ahead=_GROUP)
    while group := list(islice(sounds, _GROUP)):
        clips = _logmels(logmel, group, dtype)
        new = [_record(sound, clip) for sound, clip in zip(group, clips, strict=True)]
        with writing(store):
            append_bytes(store.frames, b"".join(clip.tobytes() for clip in clips))
            append_records(store.journal, new)
        records += new
        progress(len(records), len(files))
    with writing(store):
        _mark_done(store, records, settings, precision)


def _cut_back(store: StoreFiles, frame_bytes: int) -> list[ClipRecord]:
    """Cut journal and frames back to the whole groups that both hold, and return their records."""
    records = read_records(store.journal)
    size = store.frames.stat().st_size if store.frames.exists() else 0
    ends = np.cumsum([record.frames for record in records], dtype=np.int64) * frame_bytes
    held = int((ends <= size).sum()) // _GROUP * _GROUP
    rewrite_records(store.journal, records[:held])
    store.frames.touch()
    os.truncate(store.frames, int(ends[held - 1]) if held else 0)
    return records[:held]


def _logmels(logmel: LogMel, group: Sequence[TrimmedSound], dtype: np.dtype) -> list[np.ndarray]:
    """Return the log-mel [T, M] of each sound as it is stored; no frames where there is no sound."""
    computed = iter(logmel([sound.samples for sound in group if sound.samples is not None]))
    empty = np.empty((0, logmel.settings.n_mels), dtype)
    return [empty if sound.samples is None else next(computed).numpy().astype(dtype) for sound in group]


def _record(sound: TrimmedSound, clip: np.ndarray) -> ClipRecord:
    minimum = float(clip.min()) if len(clip) else 0.0
    return ClipRecord(len(clip), minimum, sound.content, sound.notes, sound.error)


def _mark_done(store: StoreFiles, records: Sequence[ClipRecord], settings: LogMelSettings, precision: str) -> None:
    facts = {
        "settings": asdict(settings),
        "feature_version": FEATURE_VERSION,
        "precision": precision,
        "clips": len(records),
        "frames": sum(record.frames for record in records),
        "bytes": store.frames.stat().st_size,
        "unreadable": sum(record.error is not None for record in records),
    }
    temporary = store.done.with_suffix(".tmp")
    temporary.write_text(json.dumps(facts, indent=2) + "\n")
    temporary.replace(store.done)
