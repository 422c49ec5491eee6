"""How well suspects are found: demo sound of which a fifth of the labels is changed, trained and looked through."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tagging.data.demo import DEMO_CLASSES, make_demo
from tagging.review.clips import read_clips
from tagging.review.queue import WRONG, find_label_errors, queue
from tests.project import Project, read_csv
from tests.trainings import the_run, working_in

CLIPS, CHANGED, LOOKED_AT = 240, 0.2, 50


def make_changed(folder: Path) -> set[str]:
    """Make demo sound, change the labels of some curated clips; return their names."""
    make_demo(folder, 0, CLIPS, 0, 0)
    rng = np.random.default_rng(0)
    table = read_csv(folder / "train_curated.csv")
    rows = rng.permutation(len(table))[: round(CHANGED * len(table))]
    for row in rows:
        others = [name for name in DEMO_CLASSES if name not in table.loc[row, "labels"].split(",")]
        table.loc[row, "labels"] = str(rng.choice(others))
    table.to_csv(folder / "train_curated.csv", index=False, quoting=csv.QUOTE_MINIMAL)
    return set(table["fname"][rows])


@pytest.mark.long
def test_most_of_the_first_fifty_suspects_have_changed_labels(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    changed = make_changed(tmp_path / "changed")
    settings = ("sampling.curated=1", "sampling.noisy=0", "training.epochs=20", "sampling.draws_per_epoch=400")
    network = ("model.base_size=4", "sampling.batch_size=16")
    project.run("train", "tiny", "--data", str(tmp_path / "changed"), "--set", *settings, *network)
    with working_in(project) as store:
        clips = read_clips(store, [the_run(store)])
    suspects = [one for one in queue(clips, find_label_errors(clips)) if one.reasons[0].kind == WRONG]
    first = [clips.fnames[suspect.clip] for suspect in suspects[:LOOKED_AT]]
    precision = len(changed & set(first)) / len(first)
    print(f"{len(suspects)} suspects; of the first {len(first)} have changed labels: {precision:.2f}")
    assert precision >= 2.5 * CHANGED
