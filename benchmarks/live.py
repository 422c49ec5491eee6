"""Live tags of a run: the processor's time for a window, and the time from a sound to its tags, without a browser.

python -m benchmarks.live RUN [SECONDS]
"""

from __future__ import annotations

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from tagging.live.stream import Listener, WindowTagger
from tagging.runs.finished import open_run

RATE, PIECE_S = 48000, 0.04  # of a browser


def main() -> None:
    """Print the least processor time of ten windows, then what a listener does with noise in real time."""
    store, run = open_run(sys.argv[1])
    tagger = WindowTagger(store, run)
    random = np.random.default_rng(0)
    window = {rate: random.normal(0, 0.1, samples).astype(np.float32) for rate, samples in tagger.kept.items()}
    print(f"{tagger.title}: windows of {tagger.seconds:.1f} s, {torch.get_num_threads()} threads")
    print(f"processor time of a window {1000 * min(_processor_time(tagger, window) for _ in range(10)):.0f} ms")
    latencies = np.array(asyncio.run(_listen(tagger, float(sys.argv[2]) if len(sys.argv) > 2 else 20.0)))
    print(
        f"{len(latencies)} windows in real time; sound to tags: median {np.median(latencies):.0f} ms, "
        f"95 % within {np.quantile(latencies, 0.95):.0f} ms, longest {latencies.max():.0f} ms"
    )


def _processor_time(tagger: WindowTagger, window: dict[int, np.ndarray]) -> float:
    started = time.process_time()
    tagger(window)
    return time.process_time() - started


async def _listen(tagger: WindowTagger, seconds: float) -> list[float]:
    """Return for each window the age in ms of the oldest sample that it is the first to hold, once it is tagged."""
    piece = np.random.default_rng(0).normal(0, 0.1, round(RATE * PIECE_S)).astype(np.float32)
    with ThreadPoolExecutor(1) as worker:
        listener = Listener(tagger, worker, RATE)
        began = time.perf_counter()
        latencies: list[float] = []

        async def answer() -> None:
            async for tags in listener.tags():
                latencies.append(1000 * (time.perf_counter() - began - tags.since / RATE))

        answering = asyncio.create_task(answer())
        for number in range(round(seconds / PIECE_S)):
            await asyncio.sleep(max(0.0, began + (number + 1) * PIECE_S - time.perf_counter()))
            listener.hear(piece)
        answering.cancel()
    return latencies[1:]  # the first waits until half a second is heard


if __name__ == "__main__":
    main()
