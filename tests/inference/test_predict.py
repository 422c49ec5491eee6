"""Prediction in batches across clips against a loop over single tiles."""

import platform
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tagging.features.deltas import Deltas
from tagging.inference.predict import autocast_dtype, predict_tiles
from tagging.models.registry import build
from tests.features.tables import table_of

MELS, WINDOW, STEP = 16, 32, 8
FRAMES = [20, 32, 33, 75, 50]
CLIPS = np.array([3, 0, 4, 2])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = build(
        "aux_skip_attention",
        4,
        base_size=4,
        dropout=0.5,
        cbam_ratio=8,
        spatial_kernel=7,
        last_filters=4,
        last_fc=2,
    )
    for _ in range(3):  # running statistics that have seen data
        network(torch.randn(16, 3, MELS, WINDOW))
    return network


@pytest.fixture(scope="module")
def spectrograms():
    draw = torch.Generator().manual_seed(1)
    return [20 * torch.randn(frames, MELS, generator=draw) - 50 for frames in FRAMES]


def silent(_done, _total):
    pass


def predict(model, spectrograms, batch_size=5, dtype=torch.float32, progress=silent, clips=CLIPS):
    logmels = table_of(spectrograms)
    return predict_tiles(model, logmels, clips, WINDOW, STEP, batch_size, "cpu", dtype, progress=progress)


def one_by_one(model, spectrograms):
    """Pad each clip with its minimum until tiles fit, then predict tile by tile."""
    overlap, rows = WINDOW - STEP, []
    model.eval()
    for position, clip in enumerate(CLIPS):
        image = spectrograms[clip].T
        n = max(1, int(np.ceil((image.shape[1] - overlap) / STEP)))
        extra = STEP * n - (image.shape[1] - overlap)
        image = F.pad(image, (extra // 2, extra - extra // 2), value=image.min().item())
        for tile in range(n):
            cut = image[:, tile * STEP : tile * STEP + WINDOW]
            with torch.no_grad():
                rows.append((position, tile, torch.sigmoid(model(Deltas()(cut[None]))[0])[0].numpy()))
    model.train()
    return rows


def test_batches_across_clips_are_a_loop_over_tiles(model, spectrograms):
    found, expected = predict(model, spectrograms), one_by_one(model, spectrograms)
    assert found.clip.tolist() == [row[0] for row in expected]
    assert found.tile.tolist() == [row[1] for row in expected]
    assert found.probabilities.dtype == np.float32
    np.testing.assert_allclose(found.probabilities, [row[2] for row in expected], atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_the_batch_size_changes_nothing(model, spectrograms, batch_size):
    found = predict(model, spectrograms, batch_size)
    np.testing.assert_allclose(found.probabilities, predict(model, spectrograms).probabilities, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_close_and_keeps_the_model(model, spectrograms, dtype):
    full, half = predict(model, spectrograms), predict(model, spectrograms, dtype=dtype)
    assert half.probabilities.dtype == np.float32
    np.testing.assert_allclose(half.probabilities, full.probabilities, atol=0.02)
    assert (half.probabilities != full.probabilities).any()
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


CPU = torch.device("cpu")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors name their instructions otherwise")
def test_bf16_is_float32_on_a_cpu_without_its_instructions():
    flags = set(re.findall(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[0].split())
    there = {"avx512bw", "avx512vl", "avx512dq"} <= flags or "avx_ne_convert" in flags
    assert autocast_dtype("bf16", CPU) is (torch.bfloat16 if there else torch.float32)


@pytest.mark.parametrize("there", [True, False])
def test_no_other_precision_depends_on_the_device(monkeypatch, there):
    monkeypatch.setattr("tagging.inference.predict._has_bf16", lambda device: there)
    found = [autocast_dtype(name, CPU) for name in ("float32", "bf16", "fp16")]
    assert found == [torch.float32, torch.bfloat16 if there else torch.float32, torch.float16]


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_given_back_as_it_was_found(model, spectrograms, training):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train(training)
    predict(model, spectrograms)
    assert model.training is training
    assert all(module.training is training for module in model.modules())
    after = model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_mode_returns_after_an_error_too(model, spectrograms):
    def broken(_done, _total):
        raise KeyboardInterrupt

    model.train()
    with pytest.raises(KeyboardInterrupt):
        predict(model, spectrograms, progress=broken)
    assert model.training


def test_progress_counts_tiles(model, spectrograms):
    calls = []
    found = predict(model, spectrograms, progress=lambda done, total: calls.append((done, total)))
    total = len(found.clip)
    assert calls == [(min(done, total), total) for done in range(5, total + 5, 5)]


def test_no_clips_are_refused(model, spectrograms):
    with pytest.raises(ValueError, match="no clip"):
        predict(model, spectrograms, clips=np.array([], dtype=np.int64))
