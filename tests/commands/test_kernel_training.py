"""The training of a run packed into one file."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from tagging.commands.kernel import pack
from tagging.commands.predict import tag_folder
from tagging.commands.train import train
from tagging.tracking.store import Store
from tests.commands.test_predict import demo_folder
from tests.kernel.alone import run_alone
from tests.project import Project, read_csv
from tests.trainings import Inside, Trained, the_run

Connect = Callable[[Project], Store]


@pytest.mark.long
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


@pytest.mark.long
def test_on_a_data_set_without_a_sample_it_tags_all_sound_by_its_name(inside: Inside, tmp_path: Path) -> None:
    (demo,) = (inside.folder / "data").glob("demo-*")
    (tmp_path / "own").mkdir()
    shutil.copy(demo / "train_curated.csv", tmp_path / "own" / "clips.csv")
    shutil.copytree(demo / "train_curated", tmp_path / "own" / "audio")
    overrides = ("name=own", "sampling.curated=1", "sampling.noisy=0", "predict.noisy=false", "training.epochs=1")
    train(inside.tiny(*overrides, data=tmp_path / "own"), {})
    pack("own", tmp_path / "packed", train=True)
    (tmp_path / "empty").mkdir()
    arguments = ("--data", tmp_path / "own", "--sound", demo / "test")
    run_alone(tmp_path / "packed" / "kernel.py", tmp_path / "empty", *arguments)
    written, expected = read_csv(tmp_path / "empty" / "submission.csv"), tag_folder("own", demo / "test", None, 1)
    # a kernel rounds log-mels to float16 as the run does, `predict` does not
    pd.testing.assert_frame_equal(written, expected, check_dtype=False, atol=2e-3)
