"""The plain networks: where channels are dropped, and what their weights start from."""

import torch
from torch import nn

from tagging.models.simple import FeatureExtractor, SimpleKaggle


def test_the_feature_extractor_drops_channels_after_the_second_fourth_and_sixth_pooling():
    network = FeatureExtractor(5, base_size=8, dropout=0.25)
    sizes = []
    network.drop.register_forward_hook(lambda module, inputs, output: sizes.append(tuple(output.shape)))
    network(torch.randn(2, 3, 64, 128))
    assert sizes == [(2, 8, 16, 32), (2, 16, 4, 8), (2, 32, 1, 2)]


def test_convolutions_with_a_bias_start_from_a_bias_of_0():
    convolutions = [module for module in SimpleKaggle(5, 4, 0.2, 2).modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 8
    assert not any(convolution.bias.any() for convolution in convolutions)
