"""The demo data set: synthesised sound in the layout of FSDKaggle2019, so that no download is needed.

Its classes are ten kinds of sound that an ear tells apart. An event is one of them, drawn anew: a float32 array [n] at
44.1 kHz; a clip holds one event a label.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
from filelock import FileLock

from tagging.data.findings import quoted
from tagging.data.fsdkaggle import CURATED, NOISY, SUBMISSION, TEST
from tagging.data.tables import write_table
from tagging.errors import UserError

DEMO_VERSION = 1  # to be raised when the same arguments give other sound
TWO_LABELS = 0.25  # share of clips with two sounds mixed
WRONG_LABELS = 0.3  # share of noisy clips whose labels are all wrong
SAMPLE_RATE = 44100
SECONDS = (0.3, 6.0)
LEVEL_DB = (-18.0, -3.0)  # peak of an event
BACKGROUND_DB = (-60.0, -40.0)  # level of the noise under a clip
FADE = 0.01  # seconds, so that events neither begin nor end with a click

RECORD = "demo.json"
OWN_NAMES = {RECORD, CURATED, f"{CURATED}.csv", NOISY, f"{NOISY}.csv", TEST, SUBMISSION}


def make_demo(folder: Path, seed: int, curated: int, noisy: int, test: int) -> None:
    """Synthesise a data set of so many clips into `folder`: WAV, 44.1 kHz, 16 bit, mono, 0.3 to 6 s.

    Equal arguments give equal files; `noisy` or `test` of 0 leaves that split out. A demo of the same
    arguments stays untouched, one of others is replaced. Raises UserError where the folder holds
    anything else.
    """
    wanted = {"version": DEMO_VERSION, "seed": seed, "curated": curated, "noisy": noisy, "test": test}
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.partial")
    replaced = folder.with_name(f".{folder.name}.replaced")
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if _present(folder) == wanted:
            return
        for left in (partial, replaced):  # by a killed process
            shutil.rmtree(left, ignore_errors=True)
        _write(partial, seed, curated, noisy, test)
        (partial / RECORD).write_text(json.dumps(wanted, indent=2) + "\n", "utf-8")
        # a demo is there in full or not at all: the old one is moved away before it is deleted
        if folder.exists():
            folder.rename(replaced)
        partial.rename(folder)
        shutil.rmtree(replaced, ignore_errors=True)


def _present(folder: Path) -> dict[str, int] | None:
    """Return the arguments of the demo that lies in the folder, None where nothing does."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    foreign = sorted(names - OWN_NAMES)
    if foreign or (names and RECORD not in names) or folder.is_file():
        held = f" ({quoted(foreign or sorted(names))})" if names else ""
        raise UserError(
            f"{folder}: the demo sound goes here, but something else is here already"
            f"{held}; choose another folder, or move it away"
        )
    return json.loads((folder / RECORD).read_text("utf-8")) if names else None


def _write(folder: Path, seed: int, curated: int, noisy: int, test: int) -> None:
    folder.mkdir()
    _write_labelled(folder, CURATED, seed, curated, wrong_share=0.0)
    if noisy:
        _write_labelled(folder, NOISY, seed, noisy, wrong_share=WRONG_LABELS)
    names = [name for name, _ in _write_sound(folder, TEST, seed, test)] if test else []
    zeros = ["0"] * len(DEMO_CLASSES)
    write_table(folder / SUBMISSION, [["fname", *DEMO_CLASSES], *([name, *zeros] for name in names)])


def _write_labelled(folder: Path, split: str, seed: int, count: int, wrong_share: float) -> None:
    rng = _generator(seed, split, "labels")
    rows = [["fname", "labels"]]
    for name, labels in _write_sound(folder, split, seed, count):
        given = _wrong(labels, rng) if rng.random() < wrong_share else labels
        rows.append([name, ",".join(given)])
    write_table(folder / f"{split}.csv", rows)


def _write_sound(folder: Path, split: str, seed: int, count: int) -> list[tuple[str, Sequence[str]]]:
    """Write the clips of one split; return the name and the true labels of each."""
    (folder / split).mkdir()
    # every class comes first in turn, so that each has its clips however few there are
    first = _generator(seed, split, "classes").permutation(np.arange(count) % len(DEMO_CLASSES))
    clips: list[tuple[str, Sequence[str]]] = []
    for index in range(count):
        rng = _generator(seed, split, index)
        labels = [DEMO_CLASSES[first[index]]]
        if rng.random() < TWO_LABELS:
            labels.append(str(rng.choice([name for name in DEMO_CLASSES if name != labels[0]])))
        name = f"{_hash(seed, split, index)[:4]}{index:04x}.wav"  # tells nothing of the class, and is unique
        sound = io.BytesIO()  # a file that libsndfile writes itself fails on a full disk without saying why
        soundfile.write(sound, make_clip(labels, rng), SAMPLE_RATE, format="WAV", subtype="PCM_16")
        (folder / split / name).write_bytes(sound.getvalue())
        clips.append((name, labels))
    return clips


def _wrong(labels: Sequence[str], rng: np.random.Generator) -> list[str]:
    others = [name for name in DEMO_CLASSES if name not in labels]
    return [str(name) for name in rng.choice(others, len(labels), replace=False)]


def _hash(seed: int, *position: int | str) -> str:
    return hashlib.sha256("/".join(map(str, (seed, *position))).encode()).hexdigest()


def _generator(seed: int, *position: int | str) -> np.random.Generator:
    return np.random.default_rng(int(_hash(seed, *position), 16))


def make_clip(labels: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """Draw a clip of 0.3 to 6 s that holds one event a label, at random times and levels, over noise.

    Returns float32 [n] within -1..1; short clips are as frequent as long ones on a logarithmic scale.
    """
    length = int(SAMPLE_RATE * np.exp(rng.uniform(*np.log(SECONDS))))
    clip = _noise(length, rng) * _gain(rng.uniform(*BACKGROUND_DB) - 12)
    for label in labels:
        span = int(length * rng.uniform(0.6, 1.0))
        event = EVENTS[label](span, rng)
        onset = rng.integers(length - span + 1)
        clip[onset : onset + span] += _faded(event / np.abs(event).max()) * _gain(rng.uniform(*LEVEL_DB))
    return clip / max(1.0, np.abs(clip).max())


def _beeps(length: int, rng: np.random.Generator) -> np.ndarray:
    """Short tones of one pitch with pauses between them."""
    gate = np.sin(_phase(np.full(length, rng.uniform(3, 7), np.float32))) > 0
    return np.sin(_phase(np.full(length, rng.uniform(600, 2500), np.float32))) * gate


def _buzz(length: int, rng: np.random.Generator) -> np.ndarray:
    """A low tone with many harmonics."""
    pitch = rng.uniform(70, 220)
    phase = _phase(np.full(length, pitch, np.float32))
    return sum((np.sin(k * phase) / k for k in range(1, 13)), np.zeros(length, np.float32))


def _clicks(length: int, rng: np.random.Generator) -> np.ndarray:
    """Even clicks of a millisecond or two."""
    period = int(SAMPLE_RATE / rng.uniform(5, 14))
    decay = np.exp(-(np.arange(length) % period) / (SAMPLE_RATE * rng.uniform(0.0005, 0.002)))
    return _noise(length, rng) * decay.astype(np.float32)


def _falling(length: int, rng: np.random.Generator) -> np.ndarray:
    """A tone that glides down."""
    return _rising(length, rng)[::-1]


def _flutter(length: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of the middle band that swells and ebbs several times a second."""
    beat = np.sin(_phase(np.full(length, rng.uniform(5, 12), np.float32)))
    return _band(_noise(length, rng), 300, 3000) * (1 + beat)


def _hiss(length: int, rng: np.random.Generator) -> np.ndarray:
    """Steady noise of the high band."""
    return _band(_noise(length, rng), rng.uniform(3500, 6000), 20000)


def _knocks(length: int, rng: np.random.Generator) -> np.ndarray:
    """Dull blows, each dying away within a tenth of a second."""
    period = int(SAMPLE_RATE / rng.uniform(2.5, 5))
    since = (np.arange(length) % period / SAMPLE_RATE).astype(np.float32)
    pitch = np.float32(2 * np.pi * rng.uniform(120, 300))
    return np.sin(pitch * since) * np.exp(-since / np.float32(0.04))


def _rising(length: int, rng: np.random.Generator) -> np.ndarray:
    """A tone that glides up by two octaves or so."""
    low = rng.uniform(200, 800)
    return np.sin(_phase(np.geomspace(low, low * rng.uniform(3, 6), length, dtype=np.float32)))


def _rumble(length: int, rng: np.random.Generator) -> np.ndarray:
    """Steady noise of the low band."""
    return _band(_noise(length, rng), 25, rng.uniform(100, 250))


def _siren(length: int, rng: np.random.Generator) -> np.ndarray:
    """A tone whose pitch swings up and down."""
    swing = np.sin(_phase(np.full(length, rng.uniform(1.5, 5), np.float32)))
    return np.sin(_phase(np.float32(rng.uniform(700, 1500)) * np.float32(1.4) ** swing))


EVENTS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "Beeps": _beeps,
    "Buzz": _buzz,
    "Clicks": _clicks,
    "Falling_tone": _falling,
    "Flutter": _flutter,
    "Hiss": _hiss,
    "Knocks": _knocks,
    "Rising_tone": _rising,
    "Rumble": _rumble,
    "Siren": _siren,
}


def _gain(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))


def _noise(length: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(length, dtype=np.float32)


def _phase(frequency: np.ndarray) -> np.ndarray:
    """Integrate a frequency in Hz to a phase; in float64, as float32 would drift within seconds."""
    turns = np.cumsum(frequency, dtype=np.float64) / SAMPLE_RATE
    return ((turns % 1) * (2 * np.pi)).astype(np.float32)


def _band(noise: np.ndarray, low: float, high: float) -> np.ndarray:
    """Keep the frequencies from `low` to `high` Hz."""
    spectrum = np.fft.rfft(noise)
    frequency = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    spectrum[(frequency < low) | (frequency > high)] = 0
    return np.fft.irfft(spectrum, len(noise)).astype(np.float32)


def _faded(event: np.ndarray) -> np.ndarray:
    ramp = np.minimum(np.arange(len(event), dtype=np.float32) / np.float32(FADE * SAMPLE_RATE), 1)
    return event * ramp * ramp[::-1]


DEMO_CLASSES = tuple(EVENTS)
