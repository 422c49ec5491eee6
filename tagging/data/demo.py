"""The demo data set: synthesised sound in the layout of FSDKaggle2019, so that no download is needed."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from filelock import FileLock

from tagging.data.findings import quoted
from tagging.data.fsdkaggle import CURATED, NOISY, SUBMISSION, TEST
from tagging.data.synthesis import EVENTS, SAMPLE_RATE, make_clip
from tagging.data.tables import write_table
from tagging.errors import UserError

DEMO_CLASSES = tuple(sorted(EVENTS))
DEMO_VERSION = 1  # to be raised when the same arguments give other sound
TWO_LABELS = 0.25  # share of clips with two sounds mixed
WRONG_LABELS = 0.3  # share of noisy clips whose labels are all wrong
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
