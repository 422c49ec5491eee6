import torch

from tagging.augment.views import draw_crops


def test_starts_are_uniform_and_reach_both_ends():
    lengths = torch.full((20_000,), 266)
    draws = draw_crops(lengths, 256, 0.5, torch.Generator().manual_seed(0))
    counts = torch.bincount(draws.starts, minlength=11)
    assert len(counts) == 11
    assert (counts / 20_000 - 1 / 11).abs().max() < 0.01


def test_short_clips_stand_in_the_middle_and_exact_ones_at_0():
    lengths = torch.tensor([256, 255, 254, 32])
    draws = draw_crops(lengths, 256, 0.5, torch.Generator().manual_seed(0))
    assert draws.starts.tolist() == [0, 0, -1, -112]


def test_share_of_wrapped_clips_whether_long_or_short():
    lengths = torch.tensor([100, 1000]).repeat(10_000)
    wrap = draw_crops(lengths, 256, 0.3, torch.Generator().manual_seed(0)).wrap
    assert abs(wrap[::2].float().mean() - 0.3) < 0.015
    assert abs(wrap[1::2].float().mean() - 0.3) < 0.015
    never = draw_crops(lengths, 256, 0.0, torch.Generator().manual_seed(0)).wrap
    always = draw_crops(lengths, 256, 1.0, torch.Generator().manual_seed(0)).wrap
    assert not never.any()
    assert always.all()
