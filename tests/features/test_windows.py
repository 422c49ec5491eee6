import numpy as np
import pytest
import torch

from tagging.features.table import centre_starts, cut_windows
from tests.features.tables import table_of
from tests.reference.views import crop, pad_to_size


@pytest.fixture(params=[torch.float32, torch.float16])
def clips(request) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    lengths = [3, 10, 15, 16, 17, 40, 9]
    return [(torch.randn(n, 5, generator=generator) * 30 - 40).to(request.param) for n in lengths]


def test_table_knows_its_clips(clips):
    table = table_of(clips)
    assert len(table) == 7
    assert table.n_mels == 5
    assert table.offsets.tolist() == [0, 3, 13, 28, 44, 61, 101]
    for index, clip in enumerate(clips):
        assert torch.equal(table.clip(index), clip)
        assert table.minima[index] == clip.float().min()
    assert torch.equal(table.to("cpu").frames, table.frames)


def test_table_takes_a_clip_without_frames():
    table = table_of([torch.ones(2, 5), torch.empty(0, 5), torch.ones(3, 5)])
    assert table.lengths.tolist() == [2, 0, 3]
    assert table.offsets.tolist() == [0, 2, 2]


@pytest.mark.parametrize("wrap", [False, True])
def test_centred_windows_equal_padding_and_cropping_one_by_one(clips, wrap):
    table = table_of(clips)
    indices = torch.arange(len(clips))
    starts = centre_starts(table.lengths, 16)
    windows = cut_windows(table, indices, starts, 16, torch.full((len(clips),), wrap))
    assert windows.shape == (7, 5, 16)
    assert windows.dtype == torch.float32
    assert windows.is_contiguous()
    for clip, start, window in zip(clips, starts.tolist(), windows, strict=True):
        expected = crop(clip.float().numpy().T, 16, start, wrap)
        np.testing.assert_array_equal(window.numpy(), expected)


def test_window_may_reach_over_both_ends(clips):
    table = table_of(clips)
    window = cut_windows(table, torch.tensor([1, 1]), torch.tensor([-4, 7]), 16)
    expected = pad_to_size(clips[1].float().numpy().T, 18, wrap=False)
    np.testing.assert_array_equal(window[0].numpy(), expected[:, :16])
    np.testing.assert_array_equal(window[1, :, :3].numpy(), clips[1][7:].float().numpy().T)
    assert (window[1, :, 3:] == table.minima[1]).all()


def test_only_marked_rows_wrap(clips):
    table = table_of(clips)
    index, start = torch.tensor([0, 0]), torch.tensor([-6, -6])
    windows = cut_windows(table, index, start, 16, torch.tensor([True, False]))
    frames = clips[0].float()
    expected = torch.stack([frames[(k - 6) % 3] for k in range(16)]).T
    assert torch.equal(windows[0], expected)
    assert (windows[1, :, 9:] == table.minima[0]).all()


def test_starts_of_centred_windows():
    lengths = torch.tensor([16, 17, 18, 15, 14, 13])
    assert centre_starts(lengths, 16).tolist() == [0, 0, 1, 0, -1, -1]
