"""`ensemble`: one command from a recipe to a submission, which continues after an interruption."""

from __future__ import annotations

from pathlib import Path
from statistics import stdev

import pytest
from sklearn.metrics import label_ranking_average_precision_score

from tagging.commands.ensemble import ensemble
from tagging.commands.predict import predict_again, tag_folder
from tagging.commands.submit import submit
from tagging.config.ensemble import ResolvedEnsemble, load_ensemble
from tagging.errors import UserError
from tagging.runs.members import read_ensemble
from tagging.runs.stored import class_columns
from tests.project import read_csv
from tests.trainings import Inside

Capture = pytest.CaptureFixture[str]
STACKER = """\
base: stacker
data: {kind: demo}
demo: {curated: 36, noisy: 12, test: 8}
sampling: {batch_size: 8, draws_per_epoch: 32}
model: {base_size: 4, reduction: 8}
training: {epochs: 2}
threads: 1
"""
RECIPE = "members: [{0}/tiny.yaml, {0}/lean.yaml]\nstackers: [{0}/second.yaml]\nweights: [2, 1, 1]\n"


@pytest.fixture
def recipe(pool: Inside) -> Path:
    """Write a recipe of two experiments that the store holds, and a stacker that it does not."""
    folder = pool.folder / "experiments"
    (folder / "second.yaml").write_text(STACKER)
    path = folder / "mine.yaml"
    path.write_text(RECIPE.format(folder))
    return path


def resolved(recipe: Path, *overrides: str) -> ResolvedEnsemble:
    return load_ensemble(str(recipe), overrides)


def test_it_trains_what_is_missing_and_writes_the_submission(
    pool: Inside, recipe: Path, tmp_path: Path, capsys: Capture
) -> None:
    run = ensemble(resolved(recipe), tmp_path / "submission.csv")
    out = capsys.readouterr().out
    assert out.count("trained before: ") == 2
    assert "3 of 3: " in out
    members = {member.run.name: member for member in read_ensemble(pool.store, run).members}
    assert {name: member.weight for name, member in members.items()} == {"tiny": 0.5, "lean": 0.25, "second": 0.25}
    assert members["second"].run.kind == "stacker"
    assert run.params["ensemble.recipe"] == "mine"
    oof = pool.store.read_table(run.id, "predictions/oof.parquet").sort_values("fname")
    (folder,) = (pool.folder / "data").glob("demo-*")
    truth = read_csv(folder / "train_curated.csv").sort_values("fname")["labels"].str.get_dummies(",")
    truth = truth[class_columns(oof)].to_numpy()
    scores = oof[class_columns(oof)].to_numpy(float)
    expected = label_ranking_average_precision_score(truth, scores, sample_weight=truth.sum(axis=1))
    assert run.metrics["cv_lwlrap"] == pytest.approx(expected)
    submission = read_csv(tmp_path / "submission.csv").set_index("fname")
    tagged = tag_folder(run.id, folder / "test", None, 3).set_index("fname")
    # the store holds float16 log-mels, new sound is not rounded
    assert abs(tagged.loc[submission.index] - submission).to_numpy().max() < 1e-2
    for run_id in (run.id, members["second"].run.id):  # both predict the test half from their members, then
        pool.store.drop_folder(run_id, "predictions/test")
    late = submit(run.id, tmp_path / "late.csv").set_index("fname")
    assert abs(late.loc[submission.index] - submission).to_numpy().max() < 1e-6
    second = members["second"].run
    for name, value in predict_again(second.id).items():
        assert value == pytest.approx(second.metrics[name], abs=1e-6), name
    again = ensemble(resolved(recipe), tmp_path / "again.csv")
    assert again.id == run.id
    assert capsys.readouterr().out.count("trained before: ") == 3
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "late.csv").read_text()


def test_members_whose_settings_come_out_the_same_are_one_of_more_weight(
    pool: Inside, tmp_path: Path, capsys: Capture
) -> None:
    folder = pool.folder / "experiments"
    (folder / "twin.yaml").write_text("base: tiny\n")
    (folder / "pair.yaml").write_text(f"members: [{folder}/tiny.yaml, {folder}/lean.yaml, {folder}/twin.yaml]\n")
    run = ensemble(resolved(folder / "pair.yaml"), tmp_path / "submission.csv")
    tiny = pool.store.resolve("tiny")
    assert (
        f"warning: {folder}/tiny.yaml, {folder}/twin.yaml have the same settings: they are one run ({tiny.id[:8]}) "
        in (capsys.readouterr().err)
    )
    assert run.params["ensemble.members"] == "tiny 0.667, lean 0.333"


def test_its_page_tells_the_spread_over_seeds_that_the_store_knows(pool: Inside, tmp_path: Path) -> None:
    folder = pool.folder / "experiments"
    (folder / "two.yaml").write_text(f"members: [{folder}/tiny.yaml, {folder}/lean.yaml]\n")
    pool.store.set_tags(pool.store.resolve("seed_1").id, {"ensemble": "exclude"})  # of ensembles: its seed counts
    run = ensemble(resolved(folder / "two.yaml"), tmp_path / "submission.csv")
    pool.store.connection.client.delete_tag(pool.store.resolve("seed_1").id, "ensemble")
    spread = stdev(pool.store.resolve(name).metrics["cv_lwlrap"] for name in ("tiny", "seed_1"))
    lines = run.tags["mlflow.note.content"].splitlines()
    tiny, lean = (next(line for line in lines if line.startswith(f"| [{name}](")) for name in ("tiny", "lean"))
    assert tiny.endswith(f" | {spread:.4f} |")
    assert lean.endswith(" |  |")


def test_members_that_do_not_go_together_are_refused_before_any_training(pool: Inside, recipe: Path) -> None:
    folder = pool.folder / "experiments"
    (folder / "odd.yaml").write_text("base: tiny\nfeatures: {hop: 345}\nfolds: {seed: 7}\n")
    recipe.write_text(recipe.read_text().replace("lean", "odd"))
    before = len(pool.store.find([]))
    with pytest.raises(UserError) as error:
        ensemble(resolved(recipe), folder / "submission.csv")
    assert error.value.problems == (
        f"folds.seed is 42 in {folder}/tiny.yaml, 7 in {folder}/odd.yaml",
        f"features.hop is 690 in {folder}/tiny.yaml, 345 in {folder}/odd.yaml",
        "members have these in common: give them with --set, or name other members",
    )
    assert len(pool.store.find([])) == before


def refused(pool: Inside, recipe: Path, out: Path, *set_stackers: str, overrides: tuple[str, ...] = ()) -> list[str]:
    before = len(pool.store.find([]))
    with pytest.raises(UserError) as error:
        ensemble(load_ensemble(str(recipe), overrides, set_stackers), out)
    assert len(pool.store.find([])) == before
    return list(error.value.problems)


def test_what_a_last_member_lacks_is_told_before_the_first_is_trained(
    pool: Inside, recipe: Path, tmp_path: Path
) -> None:
    folder = pool.folder / "experiments"
    (folder / "listless.yaml").write_text("base: tiny\nlabels: {corrections: nothere.json}\n")
    recipe.write_text(recipe.read_text().replace("lean", "listless"))
    (demo,) = (pool.folder / "data").glob("demo-*")
    out = tmp_path / "no" / "such.csv"
    assert refused(pool, recipe, out, "labels.corrections=nothere.json") == [
        f"{folder}/listless.yaml, {folder}/second.yaml: {demo}/nothere.json: there is no such label list; put it "
        "there, or give its path from the project's root",
        f"{out}: cannot be written: No such file or directory",
    ]


def test_a_stacker_of_other_data_is_told_before_any_training(pool: Inside, recipe: Path, tmp_path: Path) -> None:
    folder = pool.folder / "experiments"
    (demo,) = (pool.folder / "data").glob("demo-*")
    expected = [
        f"{folder}/tiny.yaml reads {demo} as data set demo, {folder}/second.yaml {tmp_path} as mine",
        "a stacker's data are its members': give --data, or --set and --set-stackers alike",
    ]
    assert (
        refused(pool, recipe, tmp_path / "s.csv", f"data.kind=folder data.folder={tmp_path} data.name=mine") == expected
    )
    other = f"data.kind=folder data.folder={tmp_path} data.name=mine"
    expected[0] = f"{folder}/tiny.yaml reads {tmp_path} as data set mine, {folder}/second.yaml {demo} as demo"
    assert refused(pool, recipe, tmp_path / "s.csv", overrides=(other,)) == expected
