"""The network at full size has the parts, shapes and cost of the published one."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from tagging.models.blocks import ConvBlock
from tagging.models.skip_attention import AuxSkipAttention

FULL = {
    "num_classes": 80,
    "base_size": 64,
    "dropout": 0.4,
    "cbam_ratio": 16,
    "spatial_kernel": 7,
    "last_filters": 8,
    "last_fc": 4,
}
SMALL = FULL | {"base_size": 2, "cbam_ratio": 8}
PARAMETERS = {
    "conv1": 38_848,
    "conv2": 221_696,
    "conv3": 885_760,
    "conv4": 3_540_992,
    "skip1": 295_936,
    "skip2": 590_848,
    "skip3": 1_180_672,
    "attention": 524_386,
    "merge": 9_438_208,
    "head": 152_401,
    "aux1": 152_401,
    "aux2": 152_401,
    "aux3": 152_401,
    "pool": 0,
}
SHAPES = {
    "conv1": (64, 64, 128),
    "conv2": (128, 32, 64),
    "conv3": (256, 16, 32),
    "conv4": (512, 8, 16),
    "skip1": (512, 8, 16),
    "skip2": (512, 8, 16),
    "skip3": (512, 8, 16),
    "attention": (2048, 8, 16),
    "attention.channel": (2048, 1, 1),
    "attention.spatial": (1, 8, 16),
    "merge": (512, 8, 16),
    "head": (80,),
    "aux1": (80,),
    "aux2": (80,),
    "aux3": (80,),
}
MEGA_MACS = {  # to the digits of the source
    "conv1": 1264.6,
    "conv2": 1811.9,
    "conv3": 1811.9,
    "conv4": 1811.9,
    "skip1": 37.7,
    "skip2": 75.5,
    "skip3": 151.0,
    "attention": 1.06,
    "merge": 1208.0,
}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def record_shapes(network):
    shapes = {}

    def hook(name):
        return lambda _module, _inputs, output: shapes.__setitem__(name, tuple(output.shape[1:]))

    for name, module in network.named_modules():
        if name in SHAPES:
            module.register_forward_hook(hook(name))
    return shapes


@pytest.fixture(scope="module")
def full():
    """The full network without memory behind its weights: shapes and costs only."""
    with FakeTensorMode():
        network = AuxSkipAttention(**FULL).eval()
        shapes = record_shapes(network)
        counter = FlopCounterMode(display=False)
        with counter:
            outputs = network(torch.zeros(1, 3, 128, 256))
        flops = {name: sum(parts.values()) for name, parts in counter.get_flop_counts().items()}
    return network, shapes, flops, outputs


def test_parameters(full):
    network = full[0]
    assert count(network) == 17_326_950
    assert {name: count(module) for name, module in network.named_children()} == PARAMETERS
    assert sum(buffer.numel() for buffer in network.buffers()) == 10_000


def test_shapes(full):
    _, shapes, _, outputs = full
    assert shapes == SHAPES
    assert [tuple(logits.shape) for logits in outputs] == [(1, 80)] * 4


def test_multiply_accumulates(full):
    flops = full[2]
    assert flops["Global"] / 2e6 == pytest.approx(8174.3, abs=0.05)
    found = {name: flops[f"AuxSkipAttention.{name}"] / 2e6 for name in MEGA_MACS}
    assert found == pytest.approx(MEGA_MACS, abs=0.05)
    heads = sum(flops[f"AuxSkipAttention.{name}"] for name in ("head", "aux1", "aux2", "aux3"))
    assert heads / 2e6 == pytest.approx(0.61, abs=0.005)


@pytest.mark.parametrize("frames", [16, 17, 31, 40, 63, 255, 257])
def test_any_number_of_frames_from_16_on_works(frames):
    outputs = AuxSkipAttention(**SMALL).eval()(torch.randn(2, 3, 16, frames))
    assert [tuple(logits.shape) for logits in outputs] == [(2, 80)] * 4


def test_outputs_are_main_and_the_deepest_auxiliary_head_first():
    network = AuxSkipAttention(**SMALL).eval()
    seen = {}
    for name in ("head", "aux1", "aux2", "aux3"):
        getattr(network, name).register_forward_hook(
            lambda _module, _inputs, output, name=name: seen.__setitem__(name, output)
        )
    outputs = network(torch.randn(2, 3, 32, 32))
    for logits, name in zip(outputs, ("head", "aux3", "aux2", "aux1"), strict=True):
        assert torch.equal(logits, seen[name])


def test_only_convolution_blocks_start_from_kaiming_normal():
    torch.manual_seed(0)
    network = AuxSkipAttention(**FULL | {"base_size": 16})
    blocks = [module for module in network.modules() if isinstance(module, ConvBlock)]
    assert len(blocks) == 4
    for block in blocks:
        for conv in (block.first[0], block.second[0]):
            expected = (2 / (conv.in_channels * 9)) ** 0.5
            assert conv.weight.std().item() == pytest.approx(expected, rel=0.15)
    skip = network.merge.conv[0]  # torch's own start: uniform within 1 / sqrt(fan_in)
    assert skip.weight.abs().max().item() <= (skip.in_channels * 9) ** -0.5


def test_the_second_dropout_of_a_head_is_half_the_first():
    head = AuxSkipAttention(**SMALL).head
    assert [module.p for module in head.modules() if isinstance(module, nn.Dropout)] == [0.4, 0.2]
    names = [type(module).__name__ for module in head.hidden]
    assert names == ["Dropout", "Linear", "PReLU", "BatchNorm1d", "Dropout"]
