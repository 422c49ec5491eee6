"""Batched prediction of clips by overlapping tiles, which together cover all of a clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tagging.features.deltas import Deltas
from tagging.features.table import LogMels, cut_windows

# types of autocast by their names; float32 is none
_AUTOCAST = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the type of autocast for `training.precision`: float32 for bf16 where a device only imitates it.

    A CPU without AVX-512 (or its like) imitates bf16 10 to 30 times slower than it computes in float32; so does an
    older GPU. float32 is the more exact of the two.
    """
    return torch.float32 if precision == "bf16" and not _has_bf16(device) else _AUTOCAST[precision]


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # the question by which torch itself chooses between oneDNN's kernels and its own slow ones
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@dataclass(frozen=True)
class TilePlan:
    """K tiles, clip by clip and in the order of time.

    `clips` [K] position of the clip in the lengths given, `tiles` [K] number of the tile within its
    clip from 0, `starts` [K] its first frame in the clip, negative where it begins in the padding.
    """

    clips: NDArray[np.int64]
    tiles: NDArray[np.int64]
    starts: NDArray[np.int64]


@dataclass(frozen=True)
class TileProbabilities:
    """The probabilities that a network predicts for K tiles.

    `probabilities` [K, C] in 0..1, `clip` [K] position in the clips asked for, `tile` [K] number within
    the clip from 0; clip by clip, in the order of time.
    """

    probabilities: NDArray[np.float32]
    clip: NDArray[np.int64]
    tile: NDArray[np.int64]


def predict_tiles(
    model: nn.Module,
    logmels: LogMels,
    clips: NDArray[np.int64],
    window: int,
    step: int,
    batch_size: int,
    device: torch.device | str,
    dtype: torch.dtype,
    progress: Callable[[int, int], None],
) -> TileProbabilities:
    """Predict the tiles of `clips` [n], indices into `logmels`, with the main head of `model`.

    Tiles are `window` frames long and `step` apart (see `plan_tiles`), padded with the minimum of their
    clip. A batch of `batch_size` tiles runs over the borders
    of clips. `model` lies on `device`; `logmels` may lie there or on the CPU. `dtype` other than
    torch.float32 is that of autocast; logits and sigmoid are float32 in any case. After each batch
    `progress` is called with the number of tiles done and of all. The model is in evaluation meanwhile
    and afterwards in the mode it was found in. Raises ValueError for a clip without frames.
    """
    device = torch.device(device)
    clips = np.asarray(clips, dtype=np.int64)
    plan = plan_tiles(logmels.lengths.cpu().numpy()[clips], window, step)
    total, home = len(plan.clips), logmels.frames.device
    rows = torch.from_numpy(clips[plan.clips]).to(home)
    starts = torch.from_numpy(plan.starts).to(home)
    batches, deltas = [], Deltas()
    with _evaluating(model), torch.inference_mode():
        for first in range(0, total, batch_size):
            part = slice(first, first + batch_size)
            inputs = deltas(cut_windows(logmels, rows[part], starts[part], window).to(device))
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                logits = model(inputs)[0]
            batches.append(torch.sigmoid(logits.float()))
            progress(min(part.stop, total), total)
    if not batches:
        raise ValueError("there is no clip to predict")
    # left on the device until here: a copy a batch would wait for the device each time
    return TileProbabilities(torch.cat(batches).cpu().numpy(), clip=plan.clips, tile=plan.tiles)


def plan_tiles(lengths: NDArray[np.int64], window: int, step: int) -> TilePlan:
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


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Put the model into evaluation, and afterwards back into the mode it was found in."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
