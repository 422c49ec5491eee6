import numpy as np
import pytest
import torch

from tagging.features.deltas import Deltas
from tests.reference.logmel import stacked_deltas


@pytest.mark.parametrize("frames", [9, 10, 256])
def test_equal_librosa_with_edges(frames):
    windows = torch.randn(4, 7, frames, generator=torch.Generator().manual_seed(0)) * 20 - 50
    stacked = Deltas()(windows)
    assert stacked.shape == (4, 3, 7, frames)
    assert stacked.dtype == torch.float32
    for window, channels in zip(windows, stacked, strict=True):
        np.testing.assert_allclose(channels.numpy(), stacked_deltas(window.numpy()), atol=2e-7)


def test_stay_float32_under_autocast():
    windows = torch.randn(2, 4, 32, generator=torch.Generator().manual_seed(0)) * 20 - 50
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = Deltas()(windows)
    assert torch.equal(under_autocast, Deltas()(windows))


def test_fewer_than_nine_frames_are_refused():
    with pytest.raises(ValueError, match="at least 9 frames, not 8"):
        Deltas()(torch.zeros(1, 4, 8))
