"""Opens a store in a process of its own: python -m tests.features.store_process ROOT SOUND [option=value …].

Options: `delay`, seconds before each file is decoded; `limit`, the most bytes a file may grow to; `hold`, the clips
after which it waits to be killed.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch

from tagging.errors import UnreadableSound, UserError
from tagging.features.settings import LogMelSettings
from tagging.features.store import FeatureStore, open_store

SETTINGS = LogMelSettings(sample_rate=8000, n_fft=512, hop=160, n_mels=16, fmax=4000.0, min_seconds=0.1)


def decode(path: Path, rate: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Sound in these tests is a .npy file; one that holds text cannot be decoded."""
    try:
        return np.load(path), ("made at 8000 Hz",) if path.stem == "0003" else ()
    except ValueError as error:
        raise UnreadableSound(path, "is no array") from error


def open_here(root: Path, sound: Path, precision: str = "float16", **options) -> FeatureStore:
    arguments = {"decode": decode, "progress": lambda done, total: None} | options
    return open_store(root, sorted(sound.iterdir()), sound, SETTINGS, precision, **arguments)


def main() -> None:
    options = dict(word.split("=") for word in sys.argv[3:])
    if "limit" in options:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(options["limit"]),) * 2)
    torch.set_num_threads(1)

    def slowly(path: Path, rate: int) -> tuple[np.ndarray, tuple[str, ...]]:
        time.sleep(float(options.get("delay", 0)))
        print("decoded\n", end="", flush=True)  # in one piece: several threads print
        return decode(path, rate)

    def show(done: int, total: int) -> None:
        print(f"progress {done} {total}\n", end="", flush=True)  # in one piece, too
        if str(done) == options.get("hold"):
            time.sleep(600)

    try:
        open_here(Path(sys.argv[1]), Path(sys.argv[2]), decode=slowly, progress=show)
    except UserError as error:
        print("error", error, flush=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
