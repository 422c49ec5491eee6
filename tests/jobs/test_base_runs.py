"""Which runs a stacker may learn from: what does not fit is named, with what to do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tagging.contract import File, split_path
from tagging.errors import UserError
from tagging.jobs.base_runs import read_split, stored_base_runs
from tagging.tracking.store import Run
from tests.stacked import Stacked


@pytest.fixture
def made(stacked: Stacked) -> Iterator[list[Run]]:
    """Collect runs that a test makes, and delete them afterwards."""
    runs: list[Run] = []
    yield runs
    for run in runs:
        stacked.store.connection.client.delete_run(run.id)


def problems(stacked: Stacked, *overrides: str, data: Path | None = None) -> list[str]:
    with pytest.raises(UserError) as caught:
        stacked.job(*overrides, data=data)
    return list(caught.value.problems)


def title(run: Run) -> str:
    return f"{run.name} ({run.id[:8]})"


def test_without_members_there_is_nothing_to_learn_from(stacked: Stacked) -> None:
    assert problems(stacked, "members=[]") == [
        "members is empty: a stacker learns from the runs it names, as --set members=[NAME, NAME]"
    ]


def test_all_members_that_are_not_there_are_named_at_once(stacked: Stacked) -> None:
    assert problems(stacked, "members=[tinny, tiny, xyz]") == [
        f"members: {name}: no such run in {stacked.store.uri}; give a run id, four or more of its first characters, or "
        f"the name of a finished experiment or trial; {nearest}`python -m tagging show runs` lists what there is"
        for name, nearest in (("tinny", "nearest names: tiny; "), ("xyz", ""))
    ]


def test_a_run_named_by_name_and_by_id_is_one(stacked: Stacked) -> None:
    run = stacked.run("tiny")
    assert problems(stacked, f"members=[tiny, {run.id[:8]}]") == [f"members: {title(run)} is named twice"]


def test_runs_that_hear_nothing_have_no_tiles(stacked: Stacked) -> None:
    run = stacked.run("stacked")
    fold = stacked.store.children(run.id)[0]
    assert problems(stacked, f"members=[{run.id}, {fold.id}]") == [
        f"members: {title(run)} is of kind stacker; members are experiments and their trials",
        f"members: {title(fold)} is of kind fold; members are experiments and their trials",
    ]


def test_a_trial_of_a_stacker_hears_nothing(stacked: Stacked, made: list[Run]) -> None:
    made.append(stacked.store.start("demo", "trial", "c 0", {"candidate": "yes"}, {"kind": "stacker"}))
    stacked.store.finish(made[0].id, "FINISHED")
    assert problems(stacked, f"members=[tiny, {made[0].id}]") == [
        f"members: {title(made[0])} is a trial of a stacker; members are experiments and their trials"
    ]


def test_a_run_without_all_folds_is_named(stacked: Stacked, made: list[Run]) -> None:
    made.append(stacked.store.start("demo", "experiment", "begun", {}, {}))
    assert problems(stacked, f"members=[tiny, {made[0].id}]") == [
        f"members: {title(made[0])} is RUNNING and lacks folds; continue it with the command that started it"
    ]


def test_a_member_that_lost_a_fold_is_named(stacked: Stacked, made: list[Run]) -> None:
    made.append(stacked.member("cut", stacked.tiles()))
    stacked.store.log_table(made[0].id, stacked.store.read_table(stacked.run("tiny").id, File.OOF), File.OOF)
    fold = stacked.store.children(made[0].id)[2]
    stacked.store.connection.client.delete_run(fold.id)
    assert problems(stacked, "members=[tiny, cut]") == [
        f"members: {title(made[0])} lacks fold 2 of its 3: run {fold.id} is deleted; bring it back with `mlflow runs "
        f"restore --run-id {fold.id}`; the command that trained it trains what it lacks: `python -m tagging train "
        "cut`, with the --set and --data of that time"
    ]


def test_a_run_of_other_data_is_named(stacked: Stacked, made: list[Run]) -> None:
    made.append(stacked.store.start("elsewhere", "experiment", "foreign", {}, {}))
    assert problems(stacked, f"members=[tiny, {made[0].id}]") == [
        f"members: {title(made[0])} is of data set elsewhere, not demo; name its data with --data, or give another run"
    ]


def test_members_of_other_folds_and_clips_do_not_fit_together(stacked: Stacked, made: list[Run]) -> None:
    first = stacked.run("tiny")
    made.append(stacked.member("moved", stacked.tiles(), data_folds="x", data_clips="y"))
    assert problems(stacked, "members=[tiny, moved, other]") == [
        f"members: {title(made[0])} has other clips than {title(first)}; leave one out",
        f"members: {title(made[0])} has other folds than {title(first)}; leave one out",
    ]


def test_members_of_other_tiles_are_named_with_their_settings(stacked: Stacked, made: list[Run]) -> None:
    tiles = stacked.tiles()
    made.append(stacked.member("coarse", tiles[tiles["tile"] == 0], {"predict.tile_step": "64"}))
    assert problems(stacked, "members=[tiny, coarse]") == [
        f"members: {title(stacked.run('tiny'))} has {len(tiles)} tiles of the curated clips, {title(made[0])} 36: "
        "predict.tile_step is 32 in the one, 64 in the other; give members that cut clips into the same tiles"
    ]
    made.append(stacked.member("cut", tiles[tiles["tile"] == 0]))
    assert "their log-mels differ in length; give" in problems(stacked, "members=[tiny, cut]")[0]


def test_predictions_that_are_not_finite_are_named(stacked: Stacked, made: list[Run]) -> None:
    tiles = stacked.tiles()
    tiles.iloc[[3, 5], 4] = np.nan
    first = tiles["fname"].iloc[3]
    made.append(stacked.member("broken", tiles))
    assert problems(stacked, "members=[tiny, broken]") == [
        f"{title(made[0])}: {File.OOF_TILES} cannot be used: values of 2 rows are no probabilities, "
        f"first those of {first}; `python -m tagging predict --run {made[0].id[:8]}` computes it again"
    ]


def test_tiles_may_lie_in_any_order(stacked: Stacked, made: list[Run]) -> None:
    made.append(stacked.member("shuffled", stacked.tiles("other").sample(frac=1, random_state=0)))
    assert np.array_equal(stacked.job("members=[tiny, shuffled]").tiles, stacked.job().tiles)


def test_other_test_clips_are_named_and_none_are_borne(stacked: Stacked, made: list[Run]) -> None:
    made.append(stacked.member("fewer", stacked.tiles()))
    for fold in range(3):
        whole = stacked.store.read_table(made[0].id, split_path("test", fold))
        stacked.store.log_table(made[0].id, whole.iloc[1:], split_path("test", fold))
    assert problems(stacked, "members=[tiny, fewer]") == [
        f"members: {title(made[0])} and {title(stacked.run('tiny'))} predict other test clips; train one of them with "
        "--again"
    ]
    stacked.store.drop_folder(made[0].id, "predictions/test")
    assert stacked.job("members=[tiny, fewer]").test is None
    assert read_split([stacked.run("tiny"), made[0]], "noisy", stacked.store, 0) is None


def test_a_lost_file_and_a_gate_without_units_are_named(stacked: Stacked, made: list[Run]) -> None:
    made.append(stacked.member("lost", stacked.tiles()))
    stacked.store.drop_folder(made[0].id, "predictions")
    assert problems(stacked, "members=[lost]") == [
        f"members: {title(made[0])} has lost its file {File.OOF_TILES}; "
        "bring it back from a copy, or train it with --again"
    ]
    assert problems(stacked, "members=[tiny] model.reduction=11") == [
        "model.reduction is 11, but 1 member of 10 classes give 10 inputs; it must be 10 or less"
    ]


def test_a_folder_of_other_clips_is_named(stacked: Stacked, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(stacked.demo, tmp_path / "demo"))
    table = folder / "train_curated.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-1]))
    assert problems(stacked, data=folder) == [
        f"{folder} is not the data that {title(stacked.run('tiny'))} was trained on: it has other clips; name the "
        "right folder with --data"
    ]


def test_a_fold_that_is_not_there_is_named(stacked: Stacked) -> None:
    assert problems(stacked, "training.folds=[3]") == ["training.folds asks for fold 3; allowed: 0 to 2, or [] for all"]


def test_a_member_that_was_deleted_is_named_where_it_is_needed(stacked: Stacked, made: list[Run]) -> None:
    member = stacked.member("gone", stacked.tiles())
    made.append(stacked.store.start("demo", "stacker", "orphan", {}, {}))
    stacked.store.log_json(made[0].id, {"members": [{"run": member.id, "name": "gone"}]}, File.STACKER)
    stacked.store.connection.client.delete_run(member.id)
    with pytest.raises(UserError) as caught:
        stored_base_runs(stacked.store, made[0])
    assert str(caught.value) == (
        f"{title(made[0])} needs its member gone: run {member.id} is deleted; bring it back with `mlflow runs restore "
        f"--run-id {member.id}`\nwithout its members a stacker predicts nothing new; train it on others"
    )
