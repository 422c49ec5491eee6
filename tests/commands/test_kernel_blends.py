"""Ensembles and stackers packed into one file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tagging.commands import kernel
from tagging.ensemble.blend import weighted_mean
from tagging.inference.blend import geometric_mean
from tagging.jobs.stacker_models import predict_folds, restore_folds
from tagging.models.stacking import STACKERS
from tests.blends import FOLDS, ensemble, probabilities, rotated, stacker
from tests.kernel.alone import run_alone
from tests.trainings import Inside, the_run


def test_an_ensemble_with_a_stacker_is_blended_as_its_formats_say(inside: Inside, tmp_path: Path) -> None:
    store, tiny = inside.store, the_run(inside.store)
    runs = [tiny, rotated(store, tiny)]
    sample = next(inside.folder.glob("data/demo-*")) / "sample_submission.csv"
    fnames, classes = (table := pd.read_csv(sample, dtype={"fname": str}))["fname"], list(table.columns[1:])
    stacks = [stacker(store, kind, runs[::-1], tmp_path, len(classes)) for kind in STACKERS]
    weights = [0.3, 0.2, 0.1, 0.1, 0.3]
    run = ensemble(store, "geometric", [runs[0], *stacks, runs[1]], weights)
    kernel.pack(run.id, tmp_path / "kernel")

    networks = [probabilities(store, one) for one in runs]
    means = [geometric_mean(folds) for folds in networks[::-1]]
    models = [restore_folds(store, one, len(runs), len(classes)) for one in stacks]
    members = [networks[0], *(list(predict_folds(each, means)) for each in models), networks[1]]
    blends = [weighted_mean([one[fold] for one in members], weights, "geometric") for fold in range(FOLDS)]
    expected = pd.DataFrame(geometric_mean(blends), columns=classes)
    expected.insert(0, "fname", fnames)

    files = sorted(path.name for path in (tmp_path / "kernel" / "weights").iterdir())
    assert len(files) == 5 * FOLDS  # what several members share is there once
    done = run_alone(
        tmp_path / "kernel" / "kernel.py", tmp_path, "--sound", sample.with_name("test"), "--sample", sample
    )
    assert (tmp_path / "submission.csv").read_text() == expected.to_csv(index=False, float_format="%.8g")
    # what is lost without tiny is all but what rotated brings alone
    names = [line.split(" (")[0] for line in done.stdout.splitlines() if ", fold " in line]
    assert names == ["tiny"] * FOLDS + ["rotated"] * FOLDS
