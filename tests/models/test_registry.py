"""What every network of the registry must do."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from tagging.config import load
from tagging.models.registry import MODELS, WITH_SIDE_HEADS, build

CLASSES = 5
HEAD = {"base_size": 4, "dropout": 0.1, "last_fc": 4}
ATTENTION = {"cbam_ratio": 8, "spatial_kernel": 7}
SKIP = HEAD | ATTENTION | {"last_filters": 4}
# every network at a size that a test can afford
SMALL = {
    "skip_attention": SKIP,
    "aux_skip_attention": SKIP,
    "rnn_aux_skip_attention": SKIP,
    "simple_attention": HEAD | ATTENTION,
    "simple_kaggle": HEAD,
    "feature_extractor": {"base_size": 8, "dropout": 0.1},
    "timm": {"name": "test_resnet", "size": (64, 80), "dropout": 0.1, "stem_pool": True},
}
# parameters of the published networks at 80 classes
PUBLISHED = {
    "skip_attention": 16_793_587,
    "skip_attention model.spatial_kernel=3": 16_793_507,
    "aux_skip_attention": 17_326_950,
    "rnn_aux_skip_attention": 22_054_246,
    "simple_attention": 4_796_403,
    "simple_kaggle": 4_765_457,
    "feature_extractor": 306_288,
    "timm": 11_217_552,  # resnet18
    "timm model.name=resnet34": 21_325_712,
    "timm model.name=seresnext50_32x4d model.stem_pool=false": 25_674_816,
}
every_network = pytest.mark.parametrize("kind", MODELS)


def small(kind):
    torch.manual_seed(0)
    return build(kind, CLASSES, **SMALL[kind])


def inputs(batch=6, mels=64, frames=80):
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
    assert {name.split()[0] for name in PUBLISHED} == set(MODELS)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_schemas_defaults_are_the_published_sizes(name):
    model = load("base", f"model.kind={name}".split()).model
    size = {"size": (128, 256)} if model.kind == "timm" else {}
    with FakeTensorMode():
        network = build(**model.model_dump(), **size, num_classes=80)
    assert sum(weight.numel() for weight in network.parameters()) == PUBLISHED[name]


@every_network
def test_the_heads_are_as_many_as_the_loss_expects(kind):
    assert len(small(kind)(inputs())) == (4 if kind in WITH_SIDE_HEADS else 1)


def test_an_unknown_network_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'resnet'; there are skip_attention, aux_skip_attention"):
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
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    targets = torch.eye(CLASSES)[torch.arange(6) % CLASSES]
    for _ in range(2):  # timm's ResNets begin with residual branches times 0, which let nothing through at first
        optimizer.zero_grad()
        loss_of(network(inputs()), targets).backward()
        optimizer.step()
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


@every_network
def test_the_frequency_channel_widens_the_first_layer_alone(kind):
    torch.manual_seed(0)
    wider = build(kind, CLASSES, frequency_channel=True, **SMALL[kind])
    assert {tuple(logits.shape) for logits in wider(inputs())} == {(6, CLASSES)}
    shapes = {name: tuple(weight.shape) for name, weight in small(kind).named_parameters()}
    wider_shapes = {name.removeprefix("1."): tuple(weight.shape) for name, weight in wider.named_parameters()}
    (changed,) = (name for name in shapes if shapes[name] != wider_shapes[name])
    assert (shapes[changed][1], wider_shapes[changed][1]) == (3, 4)
