"""Members at full size: a step of 128 on the CPU, its shapes and its memory."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
import torch
from filelock import FileLock

from tagging.inference.predict import autocast_dtype
from tests.members.facts import FACTS
from tests.project import ROOT
from tests.shared import needs_shared

# one a network; the others differ in nothing that takes time or memory: `python -m tests.members.full_size MEMBER`
ONE_A_NETWORK = ("corrections_002", "auxiliary_019", "corr_noisy_003")
# 8.3 to 10.4 were seen in bf16, 15.8 to 18.2 in float32, which processors without bf16 compute in; freed memory is kept
# (`jobs.device`), which takes 2 to 4 more than handing it back
MOST_GB = {torch.bfloat16: 12, torch.float32: 20}


@needs_shared
@pytest.mark.long
@pytest.mark.timeout(1800)  # one after another, and minutes each in float32
@pytest.mark.parametrize("name", ONE_A_NETWORK)
def test_two_steps_at_full_size(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    command = [sys.executable, "-m", "tests.members.full_size", name]
    # two at a time would not fit into 24 GB; the folder above this worker's is that of all workers
    with FileLock(tmp_path_factory.getbasetemp().parent / "full_size.lock"):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seen, facts = json.loads(done.stdout), FACTS[name]
    assert seen["steps_an_epoch"] == 256
    assert seen["inputs"] == [[128, 3, 128, 256]] * 2
    assert seen["targets"] == [[128, 80]] * 2
    assert seen["outputs"] == [[[128, 80]] * facts.heads] * 2
    assert seen["parameters"] == facts.parameters
    assert all(math.isfinite(loss) for loss in seen["losses"])
    assert seen["finite_gradients"]
    assert seen["peak_gb"] < MOST_GB[autocast_dtype("bf16", torch.device("cpu"))]
