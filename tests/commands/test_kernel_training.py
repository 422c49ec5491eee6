"""The training of a run packed into one file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tagging.tracking.store import Store
from tests.commands.conftest import Trained, the_run
from tests.commands.project import Project
from tests.commands.test_predict import demo_folder
from tests.kernel.alone import run_alone

Connect = Callable[[Project], Store]


@pytest.mark.slow
def test_alone_it_trains_to_what_submit_writes(trained: Trained, store_of: Connect, tmp_path: Path) -> None:
    project = trained.project
    done = project.run("kernel", "--run", "tiny", "--train", "--out", str(tmp_path / "packed"))
    assert done.stdout == (
        f"wrote {tmp_path}/packed/kernel.py, which trains 3 networks\n"
        "copy it to the machine; there: python kernel.py --data FOLDER\n"
    )
    store = store_of(project)
    run = the_run(store)
    assert store.read_text(run.id, "kernel/train/kernel.py") == (tmp_path / "packed" / "kernel.py").read_text()
    project.run("submit", "--run", "tiny", "--out", str(tmp_path / "submitted.csv"))
    (tmp_path / "empty").mkdir()
    done = run_alone(tmp_path / "packed" / "kernel.py", tmp_path / "empty", "--data", demo_folder(project))
    assert (tmp_path / "empty" / "submission.csv").read_text() == (tmp_path / "submitted.csv").read_text()
    name = f"tiny ({run.id[:8]})"
    for fold in store.children(run.id):
        best = fold.metrics["best_val_lwlrap"]
        shown = re.findall(
            rf"{re.escape(name)}, fold {fold.tags['fold']}, epoch \d of 3: .* lwlrap (0\.\d+)", done.stdout
        )
        assert len(shown) == 3
        assert max(map(float, shown)) == pytest.approx(best, abs=5e-5)
        trained_here = load_file(store.fetch(fold.id, "checkpoints/best/model.safetensors"))
        written = np.load(tmp_path / "empty" / "weights" / f"tiny-{run.id[:8]}-fold-{fold.tags['fold']}.npz")
        assert set(written.files) == set(trained_here)
        assert all(np.array_equal(written[key], value) for key, value in trained_here.items())
