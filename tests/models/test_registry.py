"""What every network of the registry must do."""

import pytest
import torch

from tagging.models.registry import MODELS, build

CLASSES = 5
# every network at a size that a test can afford
SMALL = {
    "aux_skip_attention": {
        "base_size": 4,
        "dropout": 0.1,
        "cbam_ratio": 8,
        "spatial_kernel": 7,
        "last_filters": 4,
        "last_fc": 2,
    },
}
every_network = pytest.mark.parametrize("kind", MODELS)


def small(kind):
    torch.manual_seed(0)
    return build(kind, CLASSES, **SMALL[kind])


def inputs(batch=6, mels=32, frames=48):
    return torch.randn(batch, 3, mels, frames, generator=torch.Generator().manual_seed(1))


def settled(kind):
    """A network in evaluation whose running statistics have seen data."""
    network = small(kind)
    for _ in range(3):
        network(inputs(16))
    return network.eval()


def loss_of(outputs, targets):
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    return torch.stack([loss(logits, targets) for logits in outputs]).sum()


def test_every_network_is_tested():
    assert set(SMALL) == set(MODELS)


def test_an_unknown_network_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'resnet'; there are aux_skip_attention"):
        build("resnet", CLASSES)


@every_network
def test_outputs_are_float32_logits_in_training_and_evaluation(kind):
    network = small(kind)
    for mode in (True, False):
        outputs = network.train(mode)(inputs())
        assert isinstance(outputs, tuple)
        assert {(logits.dtype, tuple(logits.shape)) for logits in outputs} == {(torch.float32, (6, CLASSES))}


@every_network
def test_gradient_reaches_every_parameter(kind):
    network = small(kind)
    targets = torch.eye(CLASSES)[torch.arange(6) % CLASSES]
    loss_of(network(inputs()), targets).backward()
    without = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not without


@every_network
def test_a_few_steps_lower_the_loss(kind):
    network = small(kind)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    targets = torch.eye(CLASSES)[torch.arange(6) % CLASSES]
    losses = []
    for _ in range(8):
        loss = loss_of(network(inputs()), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@every_network
def test_evaluation_does_not_depend_on_the_batch(kind):
    network = settled(kind)
    with torch.inference_mode():
        whole = network(inputs())
        single = [network(row[None]) for row in inputs()]
    for head, logits in enumerate(whole):
        torch.testing.assert_close(torch.cat([row[head] for row in single]), logits, atol=1e-5, rtol=1e-5)


@every_network
def test_channels_last_gives_the_same(kind):
    network = settled(kind)
    with torch.inference_mode():
        plain = network(inputs())
        last = network.to(memory_format=torch.channels_last)(inputs().contiguous(memory_format=torch.channels_last))
    for expected, logits in zip(plain, last, strict=True):
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


@every_network
def test_bfloat16_autocast_is_close_and_its_logits_do_not_tie(kind):
    network = settled(kind)
    with torch.inference_mode():
        plain = network(inputs())
        with torch.autocast("cpu", torch.bfloat16):
            half = network(inputs())
    for expected, logits in zip(plain, half, strict=True):
        assert logits.dtype == torch.float32
        torch.testing.assert_close(logits, expected, atol=0.05, rtol=0.05)
        # more than bfloat16's 8 bits are in use: rounding to it would change the logits
        assert (logits.bfloat16().float() != logits).float().mean() > 0.9


@every_network
def test_training_under_bfloat16_autocast_keeps_float32_gradients(kind):
    network = small(kind)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(inputs())
    loss_of(outputs, torch.zeros(6, CLASSES)).backward()
    assert {weight.grad.dtype for weight in network.parameters()} == {torch.float32}
    assert all(weight.grad.isfinite().all() for weight in network.parameters())
