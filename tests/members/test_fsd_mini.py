"""The whole path of a member with trusted noisy clips, on real sound in the shape of FSDKaggle2019."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tagging.config import load
from tagging.jobs.prepare import prepare
from tagging.sources import TRUSTED
from tagging.tracking.store import Store
from tests.project import Project, read_csv
from tests.shared import SHARED, needs_shared
from tests.stand_in import stand_in
from tests.trainings import the_run

MEMBER, CORRECTIONS, SELECTION = "corr_noisy_007", "corrections_C73.json", "noisy_corrections_v2.json"
SMALL = [
    "device=cpu",
    "threads=1",
    "folds.count=2",
    "sampling.batch_size=16",
    "sampling.draws_per_epoch=64",
    "model.base_size=4",
    "model.cbam_ratio=4",
    "training.epochs=2",
    "predict.tile_step=256",
]


@needs_shared
@pytest.mark.long
def test_a_member_trains_on_trusted_noisy_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, data = Project(tmp_path / "project"), tmp_path / "fsd-mini"
    subprocess.run([sys.executable, SHARED / "tools" / "unpack_fsd_mini.py", data], check=True)
    corrections, selection = write_lists(data)
    project.run("train", MEMBER, "--data", str(data), "--set", *SMALL)

    monkeypatch.setenv("MLFLOW_TRACKING_URI", project.uri)
    store = Store.connect()
    run = the_run(store, MEMBER)
    assert json.loads(store.read_text(run.id, f"labels/{CORRECTIONS}")) == corrections
    assert json.loads(store.read_text(run.id, f"labels/{SELECTION}")) == selection
    assert len(store.read_table(run.id, "predictions/oof.parquet")) == 200  # the removed clip counts
    assert 0 < run.metrics["cv_lwlrap"] <= 1
    assert run.metrics["cv_lwlrap_corrected"] != run.metrics["cv_lwlrap"]
    assert [fold.metrics["epochs"] for fold in store.children(run.id)] == [2, 2]
    assert all(0 < fold.metrics["fold_lwlrap"] <= 1 for fold in store.children(run.id))

    # the batches follow from the fingerprint: these are the ones that the run was trained on
    stand_in(project.folder, monkeypatch)
    prepared = prepare(load(MEMBER, SMALL, data=data))
    assert prepared.fingerprint() == run.tags["fingerprint"]
    noisy = prepared.dataset.noisy
    first = len(prepared.dataset.curated)  # of the noisy clips in the store
    for fold in range(2):
        trusted = [noisy.fnames[row - first] for row in prepared.source_rows.pools(fold)[TRUSTED]]
        assert trusted == [fname for fname, said in selection.items() if said != "remove"]
        maker = prepared.training(fold).batches
        sources = torch.cat([maker.batch(1, step).sources for step in range(maker.steps)])
        assert 0.25 < (sources == TRUSTED).float().mean() < 0.6  # of 64 draws, 0.42 on average


def write_lists(data: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Write lists for this data under the names that the member gives its own; return their entries."""
    curated, noisy = read_csv(data / "train_curated.csv"), read_csv(data / "train_noisy.csv")
    other = "Rain" if curated["labels"][1] != "Rain" else "Rooster"
    corrections = {curated["fname"][0]: "remove", curated["fname"][1]: other}
    selection = dict(zip(noisy["fname"][:30], noisy["labels"][:30], strict=True))
    selection |= dict.fromkeys(noisy["fname"][30:60], "remove")
    (data / CORRECTIONS).write_text(json.dumps(corrections))
    (data / SELECTION).write_text(json.dumps(selection))
    return corrections, selection
