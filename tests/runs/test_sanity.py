"""A run that says the same of every clip, or lies far below the others on its data, is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagging.commands.ensemble import ensemble
from tagging.commands.select import select
from tagging.commands.train import train
from tagging.config import load
from tagging.config.ensemble import load_ensemble
from tagging.contract import File
from tagging.errors import UserError
from tagging.metrics import chance_lwlrap, lwlrap
from tagging.runs.predictions import read_out_of_fold
from tagging.runs.result import far_below, predicts_constant
from tagging.runs.stored import class_columns
from tagging.selection.settings import CandidateFilter, SelectionSettings
from tagging.tracking.place import owner_tag
from tagging.tracking.store import Run
from tests.trainings import Inside, the_run

Capture = pytest.CaptureFixture[str]
SAME = "each of its folds says the same of every clip, so it has learnt nothing"
FOUR = np.tile(np.eye(4), (25, 1))  # 100 clips; chance is 25/48, or 0.5208


def test_chance_is_what_random_scores_get_on_average() -> None:
    generator = np.random.default_rng(0)
    truth = (generator.random((40, 7)) < 0.3).astype(np.float32)
    truth[:, 0] = np.maximum(truth[:, 0], truth[:, 1:].sum(axis=1) == 0)
    drawn = [lwlrap(truth, generator.random(truth.shape)) for _ in range(2000)]
    assert chance_lwlrap(truth) == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 2000**0.5)
    assert chance_lwlrap(FOUR) == pytest.approx(25 / 48)


def test_far_below_is_less_than_half_as_far_above_chance_as_the_others() -> None:
    half = (0.95 + 25 / 48) / 2
    assert far_below(half - 1e-9, [0.98, 0.95, 0.3], FOUR) == (
        "CV lwlrap 0.7354 is far below the median of the 3 other runs on these clips, 0.9500; chance is 0.5208"
    )
    assert far_below(0.4, [0.95], FOUR) == (
        "CV lwlrap 0.4000 is far below that of the other run on these clips, 0.9500; chance is 0.5208"
    )
    assert far_below(half + 1e-9, [0.95], FOUR) == ""


def test_nothing_is_far_below_where_that_tells_little() -> None:
    assert far_below(0.1, [], FOUR) == ""
    quarter = 25 / 48 + (1 - 25 / 48) / 4
    assert far_below(0.52, [quarter - 1e-9], FOUR) == ""  # the others have hardly learnt either
    assert far_below(0.52, [quarter + 1e-9], FOUR) != ""
    assert far_below(0.52, [0.95], FOUR[:4]) == ""  # four clips: by chance 0.52 is often 0.95
    assert far_below(1.0, [1.0], np.ones((3, 1))) == ""  # one class: whatever is said scores 1


def test_a_run_says_the_same_where_each_fold_of_several_clips_does() -> None:
    folds = np.array([0, 0, 1, 1, 2])
    said = np.array([[1e-8, 0.2], [1e-8, 0.2], [0.3, 0.0], [0.3, 0.0], [0.5, 0.6]], np.float32)
    assert predicts_constant(said, folds)
    assert not predicts_constant(said, np.arange(5))  # nothing to compare
    said[0, 0] = 2e-8  # beside a class that is told with 0.2
    assert predicts_constant(said, folds)
    said[:2, 1] = 1e-8  # now it orders the classes of a clip
    assert not predicts_constant(said, folds)


@contextmanager
def saying(pool: Inside, runs: Iterable[Run], change: Callable[[pd.DataFrame], pd.DataFrame]) -> Iterator[None]:
    """Have runs say something else of the clips that they held out; `change` gets and returns a row a clip."""
    tables = {run.id: pool.store.read_table(run.id, File.OOF) for run in runs}
    for run, table in tables.items():
        said = table.set_index("fname")[class_columns(table)]
        changed = change(said).loc[said.index].astype(np.float32)
        pool.store.log_table(run, table.assign(**{name: changed[name].to_numpy() for name in changed}), File.OOF)
    try:
        yield
    finally:
        for run, table in tables.items():
            pool.store.log_table(run, table, File.OOF)


@pytest.fixture(scope="module")
def truth(pool: Inside) -> pd.DataFrame:
    oof = read_out_of_fold(pool.store, [the_run(pool.store)])
    return pd.DataFrame(oof.truth, oof.fnames, oof.classes)


def test_a_candidate_that_says_the_same_of_every_clip_is_left_out(pool: Inside) -> None:
    tiny, plain = the_run(pool.store, "tiny"), the_run(pool.store, "plain")
    asked = CandidateFilter(runs=("tiny", "plain"))
    with saying(pool, [plain], lambda said: 0 * said + 0.1):
        with pytest.raises(UserError) as one_left:
            select(asked, SelectionSettings())
        with saying(pool, [tiny], lambda said: 0 * said), pytest.raises(UserError) as none_left:
            select(asked, SelectionSettings())
    assert one_left.value.problems[:2] == (
        "demo has 1 candidate (tiny); 2 or more are needed",
        f"not a candidate: {plain.title}: {SAME}",
    )
    assert none_left.value.problems[:2] == (
        "demo has 0 candidates; 2 or more are needed",
        f"not a candidate: {tiny.title}, {plain.title}: {SAME}",
    )


def test_a_candidate_far_below_the_others_is_told_and_stays(pool: Inside, truth: pd.DataFrame, capsys: Capture) -> None:
    good, plain = [the_run(pool.store, name) for name in ("tiny", "seed_1")], the_run(pool.store, "plain")
    with (
        saying(pool, good, lambda said: 0.9 * truth + 0.1 * said),
        saying(pool, [plain], lambda said: 0.9 * (1 - truth) + 0.1 * said),
    ):
        wrong = lwlrap(truth, read_out_of_fold(pool.store, [plain]).probabilities[0])
        select(CandidateFilter(runs=("tiny", "seed_1", "plain")), SelectionSettings(methods=("arithmetic",)), "warned")
    shown = capsys.readouterr()
    assert shown.out.startswith("demo: 3 candidates\n")
    assert [line for line in shown.err.splitlines() if "far below" in line] == [
        f"warning: {plain.title}: CV lwlrap {wrong:.4f} is far below the median of the 2 other runs on these clips, "
        f"1.0000; chance is {chance_lwlrap(truth):.4f}"
    ]


def test_a_training_that_ends_with_either_says_so(pool: Inside, truth: pd.DataFrame, capsys: Capture) -> None:
    plain, *others = [the_run(pool.store, name) for name in ("plain", "tiny", "seed_1", "lean")]
    pool.store.set_tags(plain.id, {"owner": owner_tag()})

    def said_at_the_end() -> list[str]:
        pool.store.finish(plain.id, "KILLED")  # all folds are there, and are summed up again
        assert train(load(pool.folder / "experiments" / "plain.yaml"), {}).id == plain.id
        return [line for line in capsys.readouterr().err.splitlines() if plain.title in line]

    look = "look at its curves and its settings, the learning rate first"
    with saying(pool, pool.store.children(plain.id), lambda said: 0 * said + 0.1):
        assert said_at_the_end() == [f"warning: {plain.title}: {SAME}; {look}"]
    for run, score in zip(others, (0.95, 0.2, 0.97), strict=True):
        pool.store.log_metrics(run.id, {"cv_lwlrap": score})
    told = said_at_the_end()
    for run in others:
        pool.store.log_metrics(run.id, {"cv_lwlrap": run.metrics["cv_lwlrap"]})
    assert told == [
        f"warning: {plain.title}: CV lwlrap {plain.metrics['cv_lwlrap']:.4f} is far below the median of the 3 other "
        f"runs on these clips, 0.9500; chance is {chance_lwlrap(truth):.4f}; {look}"
    ]
    assert said_at_the_end() == []
    assert the_run(pool.store, "plain").metrics == pytest.approx(plain.metrics, abs=1e-6)


def test_an_ensemble_of_a_member_that_says_the_same_of_every_clip_tells_so(
    pool: Inside, tmp_path: Path, capsys: Capture
) -> None:
    folder, lean = pool.folder / "experiments", the_run(pool.store, "lean")
    (folder / "two.yaml").write_text(f"members: [{folder}/tiny.yaml, {folder}/lean.yaml]\n")
    with saying(pool, [lean], lambda said: 0 * said + 0.1):
        ensemble(load_ensemble(str(folder / "two.yaml"), (), ()), tmp_path / "submission.csv")
    assert [line for line in capsys.readouterr().err.splitlines() if "learnt nothing" in line] == [
        f"warning: {lean.title}: {SAME}"
    ]
