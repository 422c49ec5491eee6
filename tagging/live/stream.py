"""From sound as it comes to probabilities: the newest window of a stream, tagged by one worker for all streams."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import soxr

from tagging.data.audio import SHORT_SECONDS, SoundFile
from tagging.errors import UnreadableSound
from tagging.features.logmel import LogMel
from tagging.features.table import Spool
from tagging.features.waveforms import trim_waveform
from tagging.jobs.device import device_of
from tagging.predicting.tagger import (
    Networks,
    Tagger,
    classes_of,
    exact_front_end,
    predicts_from_sound,
    same_experiment,
    with_members,
)
from tagging.tracking.store import Run, Store

COLUMNS = 1500  # of the picture of a file, however long it is


class WindowTagger:
    """All networks of a run, held in memory, and what they say of one window of sound.

    `seconds` is the length of a window: that of the longest tile of the run's networks. `kept` has the samples of a
    window for each rate in Hz that a front end needs. Raises UserError where a network cannot be restored.
    """

    def __init__(self, store: Store, run: Run) -> None:
        from_sound = [below for below in with_members(store, run) if predicts_from_sound(below)]
        experiments = [same_experiment(store, below) for below in from_sound]
        self.title = run.title
        self.classes = classes_of(store, run)
        front_ends = {exact_front_end(each) for each in experiments}
        self.seconds = max(
            (each.sampling.frames - 1) * each.features.hop / each.features.sample_rate for each in experiments
        )
        self.kept = {rate: round(self.seconds * rate) for rate in {each.settings.sample_rate for each in front_ends}}
        self._run = run
        self._device = device_of(experiments[0])
        self._networks = Networks(store, keep=True)
        self._logmels = {each: LogMel(each.settings) for each in front_ends}
        self({rate: np.zeros(samples, np.float32) for rate, samples in self.kept.items()})  # restores the networks

    def __call__(self, window: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return the probabilities [C] that `predict` would write of a file with this sound.

        `window` has one waveform [samples] float32, not empty, for each rate of `kept`. Raises UserError where the
        output of a network is not finite.
        """
        tables = {}
        for front_end, logmel in self._logmels.items():
            settings = front_end.settings
            spool = Spool(settings.n_mels, np.dtype(front_end.precision))
            spool.write(logmel([trim_waveform(window[settings.sample_rate], settings)]), settings.range_db)
            spool.keep()
            tables[front_end] = spool.table().placed(self._device)
        tagger = Tagger(self._networks, lambda experiment: tables[exact_front_end(experiment)])
        return tagger.blended(self._run)[0]

    def picture(self, samples: np.ndarray, rate: int, columns: int) -> np.ndarray:
        """Return the log-mel of samples at a rate of `kept` as whole dB [columns, M], the loudest frame of each column.

        There are fewer columns where the samples have fewer frames.
        """
        logmel = next(each for front_end, each in self._logmels.items() if front_end.settings.sample_rate == rate)
        frames = logmel([samples])[0].numpy()
        parts = np.array_split(frames, min(columns, len(frames)))
        return np.stack([part.max(axis=0) for part in parts]).round().astype(int)


class Ring:
    """The newest samples of a sound that comes in pieces at `rate` Hz.

    `kept` has the number of samples that are kept for each rate in Hz; soxr HQ resamples as the sound comes.
    """

    def __init__(self, rate: int, kept: Mapping[int, int]) -> None:
        self._kept = kept
        self._resamplers = {
            wanted: soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")
            for wanted in kept
            if wanted != rate
        }
        self._pieces: dict[int, deque[np.ndarray]] = {wanted: deque() for wanted in kept}

    def add(self, samples: np.ndarray, last: bool = False) -> None:
        """Add samples [n] float32; `last` brings out what the resamplers hold back, and ends the sound."""
        for wanted, pieces in self._pieces.items():
            resampler = self._resamplers.get(wanted)
            pieces.append(resampler.resample_chunk(samples, last=last) if resampler else samples)
            while sum(map(len, pieces)) - len(pieces[0]) >= self._kept[wanted]:
                pieces.popleft()

    def newest(self) -> dict[int, np.ndarray]:
        """Return the newest samples by rate, as many as are kept, or all where there are fewer."""
        return {rate: np.concatenate(pieces)[-self._kept[rate] :] for rate, pieces in self._pieces.items()}


@dataclass(frozen=True)
class Tags:
    """What a tagger says of the newest window of a stream.

    `probabilities` [C]; the window is the first that holds the samples `since` to `until` of the stream, counted as
    they came. It took `seconds` on the worker.
    """

    probabilities: np.ndarray
    since: int
    until: int
    seconds: float


class Listener:
    """Tags a stream of sound at `rate` Hz on a worker with one thread.

    At most one window of a stream is on the worker, so that a network slower than the sound skips windows and never
    lags behind; the streams of several listeners take turns.
    """

    def __init__(self, tagger: WindowTagger, worker: Executor, rate: int) -> None:
        self._tagger, self._worker, self._rate = tagger, worker, rate
        self._ring = Ring(rate, tagger.kept)
        self._heard = 0
        self._news = asyncio.Event()

    def hear(self, samples: np.ndarray) -> None:
        """Take the next samples [n] float32 of the stream."""
        self._ring.add(samples)
        self._heard += len(samples)
        if self._heard >= SHORT_SECONDS * self._rate:
            self._news.set()

    async def tags(self) -> AsyncIterator[Tags]:
        """Yield the tags of the newest window, again and again, as soon as there is new sound; errors as the tagger."""
        since = 0
        while True:
            await self._news.wait()
            self._news.clear()
            window, until = self._ring.newest(), self._heard
            began = time.perf_counter()
            loop = asyncio.get_running_loop()
            probabilities = await loop.run_in_executor(self._worker, self._tagger, window)
            yield Tags(probabilities, since, until, time.perf_counter() - began)
            since = until


@dataclass(frozen=True)
class FileWindow:
    """A window of a file from `start` to `end` seconds.

    `probabilities` [C]. `picture` [columns, M] dB shows the sound from `new` seconds to `end`, which no window before
    it holds.
    """

    start: float
    end: float
    new: float
    probabilities: np.ndarray
    picture: np.ndarray


def windows(tagger: WindowTagger, file: SoundFile) -> Iterator[FileWindow]:
    """Tag a file window by window, each half a window after the one before; the last ends with the file.

    Memory holds a block of the file and a window. Raises UnreadableSound for a file without a sample and for a damaged
    one, at its end at the latest, and UserError as the tagger does.
    """
    ring, rate = Ring(file.rate, tagger.kept), next(iter(tagger.kept))
    half = max(1, round(tagger.seconds * file.rate / 2))
    heard, new = 0, 0.0
    for piece, is_last in _pieces(file.mono(), half):
        ring.add(piece, last=is_last)
        heard += len(piece)
        if heard < 2 * half and not is_last:
            continue
        window, end = ring.newest(), heard / file.rate
        columns = max(1, round(COLUMNS * (end - new) / file.seconds))
        picture = tagger.picture(window[rate][-max(1, round((end - new) * rate)) :], rate, columns)
        yield FileWindow(max(0.0, end - tagger.seconds), end, new, tagger(window), picture)
        new = end
    if not heard:
        raise UnreadableSound(file.path, "holds no sample of sound")


def _pieces(blocks: Iterator[np.ndarray], size: int) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield samples in pieces of `size`, the last of 1 to `size`, and whether a piece is the last."""
    rest = np.empty(0, np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block])
        while len(rest) > size:
            yield rest[:size], False
            rest = rest[size:]
    if len(rest):
        yield rest, True
