"""The channel that says where in frequency a band lies."""

import pytest
import torch
from torch import nn

from tagging.models.blocks import FrequencyChannel, conv_bn_relu


def test_the_last_channel_is_the_bands_place_and_the_others_stay():
    x = torch.randn(2, 3, 5, 4)
    out = FrequencyChannel()(x)
    assert torch.equal(out[:, :3], x)
    place = torch.tensor([0, 0.25, 0.5, 0.75, 1])
    assert torch.equal(out[:, 3], place[None, :, None].expand(2, 5, 4))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layout_and_precision_are_kept(layout, dtype):
    out = FrequencyChannel()(torch.randn(2, 3, 16, 8, dtype=dtype).contiguous(memory_format=layout))
    assert out.is_contiguous(memory_format=layout)
    assert out.dtype == dtype


def test_a_pooled_convolution_tells_bands_apart_with_it_alone():
    def answers(channels, *before):
        torch.manual_seed(0)
        network = nn.Sequential(*before, conv_bn_relu(channels, 8)).eval()
        with torch.inference_mode():
            return network(tones).mean((2, 3))

    bands = torch.arange(1, 15)  # the outermost differ by their edge
    tones = torch.zeros(len(bands), 3, 16, 8)
    tones[torch.arange(len(bands)), :, bands] = 1
    blind, seeing = answers(3), answers(4, FrequencyChannel())
    torch.testing.assert_close(blind, blind[:1].expand_as(blind))
    assert torch.pdist(seeing).min() > 1e-3
