"""The newest window of a stream: its samples, its probabilities, and what happens where networks are slow."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tagging.contract import File
from tagging.data.audio import SoundFile
from tagging.errors import UnreadableSound
from tagging.live.stream import COLUMNS, Listener, Ring, Tags, WindowTagger, windows
from tagging.predicting.tagger import tag_files
from tagging.tracking.store import Run
from tests.blends import ensemble
from tests.stacked import Stacked


@pytest.fixture(scope="module")
def tagger(stacked: Stacked) -> WindowTagger:
    """The run of one experiment: three networks."""
    return WindowTagger(stacked.store, stacked.run("tiny"))


def noise(samples: int, seed: int = 0) -> np.ndarray:
    """Noise that grows, so that each part of it differs, with a silence at its beginning for the trim."""
    sound = np.random.default_rng(seed).normal(0, 0.1, samples) * np.linspace(0, 1, samples)
    sound[: samples // 10] = 0
    return sound.astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int) -> SoundFile:
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return SoundFile(path)


def blend_of(stacked: Stacked) -> Run:
    store, members = stacked.store, [stacked.run("tiny"), stacked.run("stacked")]
    run = ensemble(store, "arithmetic", members, [0.25, 0.75])
    store.log_table(run.id, store.read_table(members[0].id, File.OOF), File.OOF)
    return run


@pytest.mark.parametrize("kind", ["experiment", "stacker", "ensemble"])
def test_a_window_has_the_probabilities_that_predict_writes(kind: str, stacked: Stacked, tmp_path: Path) -> None:
    store, tiny, stacker = stacked.store, stacked.run("tiny"), stacked.run("stacked")
    run = {"experiment": tiny, "stacker": stacker}.get(kind) or blend_of(stacked)
    tagger = WindowTagger(store, run)
    assert tagger.kept == {44100: 63 * 690}  # one tile of 64 frames
    ring = Ring(44100, tagger.kept)
    for piece in np.array_split(noise(3 * 63 * 690), 50):
        ring.add(piece)
    window = ring.newest()
    write(tmp_path / "window.wav", window[44100], 44100)
    table, _ = tag_files(store, run, tmp_path, [tmp_path / "window.wav"], [])
    assert list(table.columns[1:]) == tagger.classes
    np.testing.assert_allclose(tagger(window), table.iloc[0, 1:].to_numpy(float), atol=1e-5)


def test_a_ring_has_the_newest_samples_resampled_to_each_rate() -> None:
    sound = noise(48000 * 2)
    ring = Ring(48000, {48000: 30000, 44100: 20000, 22050: 10**6})
    pieces = np.array_split(sound, 37)
    for number, piece in enumerate(pieces):
        ring.add(piece, last=number == len(pieces) - 1)
    newest = ring.newest()
    np.testing.assert_array_equal(newest[48000], sound[-30000:])
    np.testing.assert_allclose(newest[44100], soxr.resample(sound, 48000, 44100, quality="HQ")[-20000:], atol=1e-6)
    np.testing.assert_allclose(newest[22050], soxr.resample(sound, 48000, 22050, quality="HQ"), atol=1e-6)


class Slow:
    """In the place of a tagger: it begins with a window, and ends when it is told to."""

    kept: Mapping[int, int] = {1000: 2000}

    def __init__(self) -> None:
        self.begun, self.go = threading.Semaphore(0), threading.Semaphore(0)
        self.last_samples: list[float] = []

    def __call__(self, window: Mapping[int, np.ndarray]) -> np.ndarray:
        self.begun.release()
        assert self.go.acquire(timeout=60)
        self.last_samples.append(float(window[1000][-1]))
        return window[1000][-1:]


@pytest.fixture
def slow() -> Iterator[Slow]:
    one = Slow()
    yield one
    one.go.release(100)  # so that the worker ends


def test_a_slow_network_skips_windows_and_does_not_lag(slow: Slow) -> None:
    async def talk(worker: ThreadPoolExecutor) -> None:
        listener = Listener(slow, worker, 1000)
        answers = listener.tags()
        listener.hear(np.full(600, 1, np.float32))
        first = asyncio.ensure_future(anext(answers))
        await asyncio.to_thread(slow.begun.acquire)
        for value in range(2, 12):  # while the first window is on the worker
            listener.hear(np.full(100, value, np.float32))
        slow.go.release(2)
        told: list[Tags] = [await first, await anext(answers)]
        assert [(tags.since, tags.until) for tags in told] == [(0, 600), (600, 1600)]
        assert slow.last_samples == [1, 11]
        third = asyncio.ensure_future(anext(answers))
        await asyncio.sleep(0)
        assert not third.done()  # there is no new sound
        third.cancel()

    with ThreadPoolExecutor(1) as worker:
        asyncio.run(talk(worker))


def test_less_than_half_a_second_is_not_tagged(slow: Slow) -> None:
    async def talk(worker: ThreadPoolExecutor) -> None:
        listener = Listener(slow, worker, 1000)
        slow.go.release()
        answer = asyncio.ensure_future(anext(listener.tags()))
        listener.hear(np.zeros(499, np.float32))
        await asyncio.sleep(0)
        assert not slow.last_samples
        listener.hear(np.zeros(1, np.float32))
        assert (await answer).until == 500

    with ThreadPoolExecutor(1) as worker:
        asyncio.run(talk(worker))


def test_two_streams_take_turns_on_the_worker(slow: Slow) -> None:
    async def talk(worker: ThreadPoolExecutor) -> None:
        listener, other = Listener(slow, worker, 1000), Listener(slow, worker, 1000)
        slow.go.release(2)
        listener.hear(np.full(500, 1, np.float32))
        other.hear(np.full(500, 2, np.float32))
        told = await asyncio.gather(anext(listener.tags()), anext(other.tags()))
        assert [float(tags.probabilities[0]) for tags in told] == [1, 2]

    with ThreadPoolExecutor(1) as worker:
        asyncio.run(talk(worker))


@pytest.mark.parametrize("halves", [1.5, 2, 5.25])
def test_a_file_has_a_window_each_half_window_and_one_that_ends_with_it(
    halves: float, tagger: WindowTagger, tmp_path: Path
) -> None:
    half = 63 * 690 // 2
    sound = noise(round(halves * half))
    found = list(windows(tagger, write(tmp_path / "sound.wav", sound, 44100)))
    ends = [*range(2 * half, len(sound), half), len(sound)]
    assert [round(window.end * 44100) for window in found] == ends
    for window, end in zip(found, ends, strict=True):
        expected = tagger({44100: sound[max(0, end - 2 * half) : end]})
        np.testing.assert_allclose(window.probabilities, expected, atol=1e-6)
        assert round(window.start * 44100) == max(0, end - 2 * half)
    assert [window.new for window in found] == [0.0, *(window.end for window in found[:-1])]
    columns = sum(len(window.picture) for window in found)
    assert 0 < columns <= min(COLUMNS, len(sound) // 690 + len(found))
    assert {window.picture.shape[1] for window in found} == {32}


def test_a_damaged_file_and_one_without_a_sample_are_refused(tagger: WindowTagger, tmp_path: Path) -> None:
    sound = noise(44100 * 3)
    sound[-10] = np.nan
    damaged = write(tmp_path / "damaged.wav", sound, 44100)
    with pytest.raises(UnreadableSound, match=r"1 sample is not finite \(NaN or infinite\), the first at 3.00 s"):
        list(windows(tagger, damaged))
    with pytest.raises(UnreadableSound, match=r"empty\.wav: holds no sample of sound"):
        list(windows(tagger, write(tmp_path / "empty.wav", sound[:0], 44100)))
