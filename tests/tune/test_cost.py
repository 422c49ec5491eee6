"""What a trial costs before its first step, and what it leaves in memory, on 24,785 clips."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tagging.config import load
from tests.members.standin import LABELS, prepare_standin, write_standin
from tests.project import Project
from tests.tune.in_process import InProcess
from tests.tune.sweeps import finished, space_file

SPACE = """\
experiment: tiny
space:
  optimizer.lr: {kind: loguniform, low: 1e-4, high: 1e-3}
set: {predict.noisy: false, training.epochs: 1, features.precision: float16}
searcher: {kind: random}
trials: 8
folds: [0]
"""
HEAD = "base: base\nfeatures: {n_mels: 32}\nsampling: {batch_size: 8, draws_per_epoch: 8, frames: 32}\n"
TINY = HEAD + "model: {base_size: 2, cbam_ratio: 4}\npredict: {tile_step: 32, batch_size: 256}\nthreads: 1\n"
MOST_SECONDS = 5.0  # of a core, for a whole trial of one step
MOST_GROWTH = 32 * 2**20  # bytes; a second map or a second set of tables would be more


@pytest.mark.long
@pytest.mark.usefixtures("no_figures")
@pytest.mark.skipif(not LABELS.is_dir(), reason="the real label tables are not beside this checkout")
def test_trials_share_what_is_prepared_and_keep_nothing(
    tmp_path_factory: pytest.TempPathFactory, in_process: InProcess
) -> None:
    project = Project(tmp_path_factory.mktemp("cost") / "project")
    data = project.folder / "fsdkaggle2019"
    write_standin(data)
    (project.folder / "experiments" / "tiny.yaml").write_text(TINY)
    space_file(project).write_text(SPACE)
    tiny = load(project.folder / "experiments" / "tiny.yaml", ["features.precision=float16"], data=data)
    assert len(prepare_standin(tiny).features.logmels) == 24785
    samples: list[Sample] = []
    looks = Looks()
    in_process.before_step = lambda number: samples.append(looks.look(len(finished(project))))
    project.run("search", "lr", "--data", str(data), "--cpu", "1", "--at-once", "2", module="tune")
    both = [sample for sample in samples if sample.trials >= 3]  # each worker had one or two
    first, last = both[0], both[-1]
    assert last.trials - first.trials >= 4
    assert (last.used - first.used) / (last.trials - first.trials) < MOST_SECONDS
    assert last.held - first.held < MOST_GROWTH


@dataclass(frozen=True)
class Sample:
    """How many trials had ended, the seconds of a core that this process had used, and the bytes that it held."""

    trials: int
    used: float
    held: int


class Looks:
    """Takes samples, and does not count its own time: the collector alone works for more than a second here."""

    def __init__(self) -> None:
        self.own = 0.0  # seconds of a core

    def look(self, trials: int) -> Sample:
        """Return a sample."""
        begun = _used()
        gc.collect()
        # a training keeps freed memory, in pieces of which there are the more the more this process did before
        with suppress(OSError):  # another C library than glibc
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        sample = Sample(trials, begun - self.own, _anonymous())
        self.own += _used() - begun
        return sample


def _used() -> float:
    used = psutil.Process().cpu_times()
    return used.user + used.system


def _anonymous() -> int:
    """Return the bytes that this process holds beside mapped files, of which trials read ever more."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) * 1024
