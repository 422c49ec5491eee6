"""Tiles cover every frame, with the counts and margins of the published tiling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagging.inference.predict import plan_tiles


def tiles_of_one_clip(length, window, step):
    """The published tiling, on one clip: pad it so that the windows fit, then walk."""
    overlap = window - step
    n = max(1, int(np.ceil((length - overlap) / step)))
    extra = step * n - (length - overlap)
    return [k * step - extra // 2 for k in range(n)]


@pytest.mark.parametrize(
    ("frames", "step", "tiles"),
    [(640, 64, 7), (959, 64, 12), (1918, 64, 27), (640, 128, 4), (959, 128, 7), (1918, 128, 14)],
)
def test_counts_of_clips_of_10_15_and_30_seconds(frames, step, tiles):
    assert len(plan_tiles(np.array([frames]), 256, step).starts) == tiles


@pytest.mark.parametrize("frames", [1, 32, 191, 192, 193, 255, 256])
def test_a_clip_that_fits_the_window_lies_centred_in_one_tile(frames):
    plan = plan_tiles(np.array([frames]), 256, 64)
    assert plan.starts.tolist() == [-((256 - frames) // 2)]


def test_margins_are_as_even_as_they_can_be():
    # 257 frames need two tiles of 320 frames together: 31 on the left, 32 on the right
    assert plan_tiles(np.array([257]), 256, 64).starts.tolist() == [-31, 33]


def test_tiles_come_clip_by_clip():
    plan = plan_tiles(np.array([300, 100, 400]), 256, 64)
    assert plan.clips.tolist() == [0, 0, 1, 2, 2, 2, 2]
    assert plan.tiles.tolist() == [0, 1, 0, 0, 1, 2, 3]
    assert {plan.clips.dtype, plan.tiles.dtype, plan.starts.dtype} == {np.dtype(np.int64)}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 300), max_size=6), st.integers(1, 40), st.data())
def test_all_clips_at_once_are_as_each_alone_and_covered(lengths, window, data):
    step = data.draw(st.integers(1, window))
    plan = plan_tiles(np.array(lengths, dtype=np.int64), window, step)
    expected = [tiles_of_one_clip(length, window, step) for length in lengths]
    assert plan.starts.tolist() == [start for starts in expected for start in starts]
    for length, starts in zip(lengths, expected, strict=True):
        covered = {start + k for start in starts for k in range(window)}
        assert covered >= set(range(length))
        # no tile lies in the padding alone
        assert starts[0] > -window
        assert starts[-1] < length


@pytest.mark.parametrize("step", [0, 257, -1])
def test_a_step_that_leaves_gaps_is_refused(step):
    with pytest.raises(ValueError, match="1 to 256 frames"):
        plan_tiles(np.array([300]), 256, step)


def test_a_clip_without_frames_is_refused():
    with pytest.raises(ValueError, match="clip 1 has no frames"):
        plan_tiles(np.array([300, 0]), 256, 64)
