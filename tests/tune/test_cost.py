"""What a trial costs before its first step, and what it leaves in memory, on 24,785 clips."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tagging.config import load
from tests.commands.project import Project
from tests.members.standin import LABELS, prepare_standin, write_standin
from tests.tune.test_sweep import workers

SPACE = """\
experiment: tiny
space:
  optimizer.lr: {kind: loguniform, low: 1e-4, high: 1e-3}
set: {predict.noisy: false, training.epochs: 1, features.precision: float16}
searcher: {kind: random}
trials: 12
folds: [0]
"""
HEAD = "base: base\nfeatures: {n_mels: 32}\nsampling: {batch_size: 8, draws_per_epoch: 8, frames: 32}\n"
TINY = HEAD + "model: {base_size: 2, cbam_ratio: 4}\npredict: {tile_step: 32, batch_size: 256}\nthreads: 1\n"
MOST_SECONDS = 5.0  # of a core, for a whole trial of one step
MOST_GROWTH = 32 * 2**20  # bytes; a second map or a second set of tables would be more


@pytest.mark.slow
@pytest.mark.skipif(not LABELS.is_dir(), reason="the real label tables are not beside this checkout")
def test_trials_share_what_is_prepared_and_keep_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    project = Project(tmp_path_factory.mktemp("cost") / "project")
    data = project.folder / "fsdkaggle2019"
    write_standin(data)
    (project.folder / "experiments" / "tiny.yaml").write_text(TINY)
    (project.folder / "tune" / "spaces" / "cost.yaml").write_text(SPACE)
    tiny = load(project.folder / "experiments" / "tiny.yaml", ["features.precision=float16"], data=data)
    assert len(prepare_standin(tiny).features.logmels) == 24785
    driver = project.start("search", "cost", "--data", str(data), "--cpu", "1", module="tune")
    held: dict[int, list[int]] = defaultdict(list)
    used: list[float] = []
    assert driver.stdout
    for line in driver.stdout:
        if line.startswith("trial ") and " finished after " in line:
            running = workers(driver)
            for process in running:
                held[process.pid].append(process.memory_full_info().pss)
            times = [process.cpu_times() for process in running]
            used.append(sum(time.user + time.system for time in times))
    _, err = driver.communicate()
    assert driver.returncode == 0, err
    assert len(used) == 12
    # without the first of either worker, which import torch
    assert (used[-1] - used[1]) / 10 < MOST_SECONDS, used
    for sizes in held.values():
        assert sizes[-1] - sizes[3] < MOST_GROWTH, sizes
