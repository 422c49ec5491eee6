"""Networks of timm: the same as timm's own, weights from a file, nothing from the network."""

import copy
import socket
import subprocess
import sys

import pytest
import safetensors.torch
import timm
import torch
from torch import nn

from tagging.errors import UserError
from tagging.models.timm_backbone import TimmBackbone

NAME = "test_resnet"
SIZE = (32, 64)


def backbone(name=NAME, num_classes=5, size=SIZE, stem_pool=True, **arguments):
    return TimmBackbone(num_classes, size, name, dropout=0.5, stem_pool=stem_pool, **arguments).eval()


def saved(path, name=NAME, **arguments):
    """Save a network of timm with other classes than `backbone` has; return its state dict."""
    torch.manual_seed(1)
    state = timm.create_model(name, num_classes=7, **arguments).state_dict()
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    return state


def message(**arguments):
    with pytest.raises(UserError) as error:
        backbone(**arguments)
    return str(error.value)


@pytest.mark.parametrize("name", [NAME, "test_efficientnet", "test_convnext", "test_vit"])
def test_it_computes_what_timms_own_network_does(name, tmp_path):
    size = {"img_size": SIZE} if name == "test_vit" else {}
    state = saved(tmp_path / "weights.pth", name, **size)
    own = timm.create_model(name, num_classes=7, **size).eval()
    own.load_state_dict(state)
    network = backbone(name, num_classes=7, weights=tmp_path / "weights.pth")
    network.logits.load_state_dict(own.get_classifier().state_dict())
    x = torch.randn(2, 3, *SIZE)
    with torch.inference_mode():
        torch.testing.assert_close(network(x), (own(x),))


@pytest.mark.parametrize("file", ["weights.pth", "weights.safetensors"])
def test_weights_come_from_a_file_but_for_the_classifier(file, tmp_path):
    state = saved(tmp_path / file)
    network = backbone(weights=tmp_path / file)
    own = network.backbone.state_dict()
    assert set(state) - set(own) == {"fc.weight", "fc.bias"}
    assert all(torch.equal(weight, state[name]) for name, weight in own.items())
    assert network.logits.weight.shape == (5, 96)


def test_a_copy_of_the_network_does_not_hold_the_file_again(tmp_path):
    saved(tmp_path / "weights.pth")
    network = backbone(weights=tmp_path / "weights.pth")
    assert not any(isinstance(value, dict) for value in copy.deepcopy(network).backbone.pretrained_cfg.values())


@pytest.mark.parametrize(("given", "wanted"), [(3, 3), (3, 4), (4, 4), (4, 3), (1, 3)])
def test_the_first_convolution_is_fitted_to_the_channels(given, wanted, tmp_path):
    state = saved(tmp_path / "weights.pth", in_chans=given)
    own = backbone(weights=tmp_path / "weights.pth", in_channels=wanted).backbone.state_dict()
    first = state["conv1.0.weight"]
    repeated = first.repeat(1, 4, 1, 1)[:, :wanted] * (given / wanted)
    torch.testing.assert_close(own["conv1.0.weight"], repeated)
    assert torch.equal(own["layer1.0.conv1.weight"], state["layer1.0.conv1.weight"])


def test_a_transformer_is_built_for_the_size():
    network = backbone("test_vit", size=(48, 128))
    assert network(torch.randn(2, 3, 48, 128))[0].shape == (2, 5)
    assert network.backbone.patch_embed.grid_size == (3, 8)


def test_the_stems_pool_can_be_taken_out():
    with_pool, without = backbone("resnet10t"), backbone("resnet10t", stem_pool=False)
    assert isinstance(without.backbone.maxpool, nn.Identity)
    x = torch.randn(1, 3, *SIZE)
    with torch.inference_mode():
        assert with_pool.backbone.forward_features(x).shape == (1, 512, 1, 2)
        assert without.backbone.forward_features(x).shape == (1, 512, 2, 4)
    assert with_pool.state_dict().keys() == without.state_dict().keys()


def test_nothing_is_downloaded_unless_asked(monkeypatch, tmp_path):
    class Refused(BaseException):  # no library on the way takes it for a network that is down
        pass

    def refuse(*_, **__):
        raise Refused

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))  # nothing is there yet
    saved(tmp_path / "weights.pth")
    backbone()
    backbone("resnet18.a1_in1k")
    backbone(weights=tmp_path / "weights.pth")
    torch.save({"fc.weight": torch.zeros(5, 96)}, tmp_path / "weights.pth")
    assert message(weights=tmp_path / "weights.pth") == (
        f"model.weights: {tmp_path}/weights.pth does not fit test_resnet: it holds a classifier alone"
    )
    with pytest.raises(Refused):
        backbone(download=True)


def test_timm_is_imported_by_its_own_networks_alone():
    code = "import sys, tagging.models.registry; assert 'torch' in sys.modules; assert 'timm' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_weights_that_cannot_be_downloaded_are_a_users_error(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert message(download=True) == (
        "model.download: no weights of test_resnet could be had: An error happened while trying to locate the file on "
        "the Hub and we cannot find the requested files in the local cache. Please check your connection and try again "
        "or make sure your Internet connection is on; give --set model.download=false for random weights, or name a "
        "file in model.weights"
    )


def test_a_network_that_timm_has_no_weights_of_is_told():
    assert message(name="darknet17", download=True) == (
        "model.download: timm has no weights of darknet17; give --set model.download=false for random ones, or a "
        "network of `python -c 'import timm; print(*timm.list_pretrained())'`"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet81", "did you mean resnet18? "),
        ("hf-hub:timm/resnet18", "did you mean resnet18? "),
        ("RESNET18", "did you mean resnet18? "),
        ("?", ""),
    ],
)
def test_an_unknown_name_brings_the_nearest(name, hint):
    assert message(name=name) == (
        f"model.name is {name!r}; {hint}There are 1371, listed by `python -c 'import timm; print(*timm.list_models())'`"
    )


def test_a_stem_without_a_pool_is_named():
    assert message(name="test_efficientnet", stem_pool=False) == (
        "model.stem_pool is false, but test_efficientnet has no max-pool in its stem (the ResNet family has); "
        "give --set model.stem_pool=true"
    )


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "none.pth"
    assert message(weights=path) == (
        f"model.weights: {path}: there is no such file; its path is relative to the project's root"
    )


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
@pytest.mark.parametrize("content", ["", "text", "cut", "list"])
def test_a_file_of_something_else_is_named(ending, content, tmp_path):
    path = tmp_path / f"weights.{ending}"
    if content == "list":
        torch.save([torch.zeros(1)], path)
    elif content == "cut":
        saved(path)
        path.write_bytes(path.read_bytes()[:-1000])
    else:
        path.write_text(content)
    assert message(weights=path) == (
        f"model.weights: {path} cannot be read as weights; it must be a state dict saved by torch.save, "
        "or by safetensors if its name ends in .safetensors"
    )


@pytest.mark.parametrize(
    "before", ["backbone.", "model.", "net.", "encoder.", "module.", "model.backbone.", "_orig_mod.module.", "a.b."]
)
def test_what_stands_before_all_names_is_left_out(before, tmp_path):
    state = saved(tmp_path / "weights.pth")
    torch.save({f"{before}{name}": weight for name, weight in state.items()}, tmp_path / "weights.pth")
    own = backbone(weights=tmp_path / "weights.pth").backbone.state_dict()
    assert all(torch.equal(weight, state[name]) for name, weight in own.items())


def test_a_network_within_another_and_a_state_dict_within_a_checkpoint_are_found(tmp_path):
    run = backbone()
    within = {f"student.{name}": weight for name, weight in run.state_dict().items()} | {"loss.scale": torch.zeros(1)}
    for content in (run.state_dict(), within, {"epoch": 3, "model_state_dict": within, "optimizer": {"lr": 0.1}}):
        torch.save(content, tmp_path / "weights.pth")
        own = backbone(weights=tmp_path / "weights.pth").backbone.state_dict()
        assert all(torch.equal(weight, own[name]) for name, weight in run.backbone.state_dict().items())


def test_a_network_that_is_there_twice_is_told(tmp_path):
    path = tmp_path / "weights.pth"
    state = saved(path)
    torch.save({f"{part}.{name}": weight for name, weight in state.items() for part in ("student", "teacher")}, path)
    assert message(weights=path) == (
        f"model.weights: {path} holds the network 2 times, its names behind 'student.' and behind 'teacher.'; "
        "save the state dict of one of them"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_numbers_that_are_not_finite_are_named_by_tensor_and_file(value, tmp_path):
    path = tmp_path / "weights.pth"
    state = saved(path) | {"layer1.0.bn1.bias": torch.full((32,), value, dtype=torch.float64)}
    torch.save(state, path)
    assert message(weights=path) == (
        f"model.weights: {path} holds NaN, or numbers that are infinite in float32, in 1 of its 92 tensors "
        "(layer1.0.bn1.bias); give another file"
    )


@pytest.mark.parametrize("before", ["", "model."])
def test_weights_of_another_network_are_named_in_one_short_line(before, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({f"{before}{name}": weight for name, weight in saved(path, "test_convnext").items()}, path)
    assert message(weights=path) == (
        f"model.weights: {path} does not fit test_resnet: it lacks 75 of the network's 75 tensors (conv1.0.weight, …) "
        f"and holds 101 that the network has not ({before}stem.0.weight, …)"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("other", "it holds 1 that the network has not (other)"),
        ("\x1b[31m\n", r"it holds 1 that the network has not ('\x1b[31m\n')"),
        ("bn1.bias", "shapes differ in 1 of 75 tensors (bn1.bias: [2], not [32])"),
    ],
)
def test_one_weight_that_does_not_fit_is_named(name, said, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(saved(path) | {name: torch.zeros(2)}, path)
    for channels in (3, 4):  # the input's, to which timm fits the first convolution
        assert message(weights=path, in_channels=channels) == (
            f"model.weights: {path} does not fit test_resnet: {said}"
        )
