"""What a trial costs before its first step, and what it leaves in memory, on 24,785 clips."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass

import psutil
import pytest

from tagging.config import load
from tests.commands.project import Project
from tests.members.standin import LABELS, prepare_standin, write_standin
from tests.tune.test_sweep import finished, workers

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
    samples = []
    while driver.poll() is None:
        samples += look(driver, len(finished(project)))
        time.sleep(0.2)
    out, err = driver.communicate()
    assert driver.returncode == 0, f"{out}\n{err}"
    both = [
        sample for sample in samples if len(sample.held) == 2 and sample.trials >= 4
    ]  # each worker had a trial or two
    first, last = both[0], both[-1]
    assert last.trials - first.trials >= 4
    assert (last.used - first.used) / (last.trials - first.trials) < MOST_SECONDS
    for process, held in last.held.items():
        assert held - first.held[process] < MOST_GROWTH


@dataclass(frozen=True)
class Sample:
    """How many trials had ended, the seconds of a core that all workers had used, and the bytes that each held."""

    trials: int
    used: float
    held: dict[int, int]


def look(driver: subprocess.Popen[str], trials: int) -> list[Sample]:
    """Return a sample, none while workers come or go."""
    try:
        running = workers(driver)
        times = [process.cpu_times() for process in running]
        held = {process.pid: process.memory_full_info().pss for process in running}
    except psutil.NoSuchProcess:
        return []
    return [Sample(trials, sum(time.user + time.system for time in times), held)]
