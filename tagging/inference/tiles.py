"""Where the overlapping tiles of a clip lie, so that together they cover all of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TilePlan:
    """K tiles, clip by clip and in the order of time.

    `clips` [K] position of the clip in the lengths given, `tiles` [K] number of the tile within its
    clip from 0, `starts` [K] its first frame in the clip, negative where it begins in the padding.
    """

    clips: Ints
    tiles: Ints
    starts: Ints


def plan_tiles(lengths: Ints, window: int, step: int) -> TilePlan:
    """Place tiles of `window` frames, `step` apart, over clips of `lengths` [N] frames.

    A clip of T frames gets max(1, ceil((T - (window - step)) / step)) tiles: the fewest that cover it.
    What they reach beyond it is padding, half on the left (rounded down), so that a clip no longer than
    the window lies centred in one tile. Raises ValueError unless every length is at least 1 and
    1 <= step <= window: a larger step would leave gaps.
    """
    if not 1 <= step <= window:
        raise ValueError(f"the step must be 1 to {window} frames, the window, not {step}")
    lengths = np.asarray(lengths, dtype=np.int64)
    if (lengths < 1).any():
        raise ValueError(f"clip {(lengths < 1).argmax()} has no frames")
    overlap = window - step
    counts = np.maximum(1, -((overlap - lengths) // step))  # -(-a // b) rounds up
    left = (overlap + counts * step - lengths) // 2
    clips = np.repeat(np.arange(len(lengths)), counts)
    tiles = np.arange(len(clips)) - np.repeat(counts.cumsum() - counts, counts)
    return TilePlan(clips=clips, tiles=tiles, starts=tiles * step - left[clips])
