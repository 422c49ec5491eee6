"""The run of an ensemble: what it holds, and that predict and submit take it like any other."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gmean
from sklearn.metrics import label_ranking_average_precision_score

from tagging.commands.predict import predict_again, tag_folder
from tagging.commands.submit import submit
from tagging.data.audio import SoundFile
from tagging.ensemble.pool import Method
from tagging.errors import UserError
from tagging.runs.members import ensemble_of, read_ensemble
from tagging.runs.predictions import read_out_of_fold
from tagging.runs.stored import class_columns
from tagging.selection.candidates import find_pool
from tagging.selection.ensemble_run import SelectionRecord, write_ensemble
from tagging.tracking.ownership import close_abandoned
from tagging.tracking.store import Run
from tests.project import read_csv
from tests.trainings import Inside, the_run

FLOOR = 1e-7  # of a geometric mean: an exact zero would silence all other members


def write(inside: Inside, names: Sequence[str], weights: Sequence[float], method: Method = "geometric") -> Run:
    runs = [inside.store.resolve(name) for name in names]
    made = ensemble_of(method, runs, weights)
    return write_ensemble(
        inside.store, "blend", made, read_out_of_fold(inside.store, made.runs), SelectionRecord(how="by hand.")
    )


def table(inside: Inside, run: Run, path: str) -> pd.DataFrame:
    return inside.store.read_table(run.id, f"predictions/{path}.parquet").sort_values("fname", ignore_index=True)


def test_its_score_is_that_of_scikit_learn_on_a_blend_by_hand(pool: Inside) -> None:
    run = write(pool, ["tiny", "plain", "lean"], [1, 1, 1])
    members = [table(pool, the_run(pool.store, name), "oof") for name in ("tiny", "plain", "lean")]
    classes = class_columns(members[0])
    blend = gmean([np.maximum(member[classes].to_numpy(np.float64), FLOOR) for member in members])
    assert np.allclose(table(pool, run, "oof")[classes], blend, rtol=1e-6)
    (folder,) = (pool.folder / "data").glob("demo-*")
    labels = read_csv(folder / "train_curated.csv").sort_values("fname")
    assert list(labels["fname"]) == list(members[0]["fname"])
    truth = labels["labels"].str.get_dummies(",")[classes].to_numpy()
    expected = label_ranking_average_precision_score(truth, blend, sample_weight=truth.sum(axis=1))
    assert run.metrics["cv_lwlrap"] == pytest.approx(expected, abs=1e-12)


def test_code_that_differs_from_the_commit_is_kept_with_it(inside: Inside) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", *arguments], cwd=inside.folder, check=True)

    git("init", "-q")
    git("add", "MLproject")
    git("commit", "-q", "-m", "first")
    (inside.folder / ".git" / "info" / "exclude").write_text("/tagging\n/tune\n/experiments/tiny.yaml\n")
    (inside.folder / "experiments" / "mine.yaml").write_text("base: base\n")
    (inside.folder / "tags.csv").write_text("fname\n")
    run = write(inside, ["tiny"], [1])
    assert run.tags["git.dirty"] == "yes"
    diff = inside.store.read_text(run.id, "code/git.diff")
    assert "+++ b/experiments/mine.yaml\n@@ -0,0 +1 @@\n+base: base\n" in diff
    assert "tags.csv" not in diff


def test_it_holds_what_an_experiment_holds(pool: Inside) -> None:
    tiny, plain = (the_run(pool.store, name) for name in ("tiny", "plain"))
    run = write(pool, ["tiny", "plain"], [1, 3])
    assert (run.kind, run.status, run.tags["candidate"]) == ("ensemble", "FINISHED", "yes")
    assert {tag: run.tags[tag] for tag in run.tags if tag.startswith("data.")} == {
        tag: tiny.tags[tag] for tag in ("data.classes", "data.clips", "data.folds")
    }
    assert json.loads(pool.store.read_text(run.id, "ensemble.json")) == {
        "method": "geometric",
        "members": [
            {"run": plain.id, "name": "plain", "kind": "experiment", "weight": 0.75},
            {"run": tiny.id, "name": "tiny", "kind": "experiment", "weight": 0.25},
        ],
    }
    not_its_own = {"config.yaml", "predictions/oof_tiles.parquet", "figures/learning_curves.png"}
    of_a_training = {path for path in pool.store.list_files(tiny.id) if path.startswith(("data/w", "code/"))}
    assert set(pool.store.list_files(run.id)) == (
        set(pool.store.list_files(tiny.id)) - not_its_own - of_a_training | {"ensemble.json"}
    )
    assert run.params["ensemble.members"] == "plain 0.750, tiny 0.250"
    assert run.tags["differs"] == "geometric mean of 2: plain 0.750, tiny 0.250"
    link = f"[plain](#/experiments/{plain.experiment_id}/runs/{plain.id})"
    score, spread = plain.metrics["cv_lwlrap"], plain.metrics["fold_lwlrap_std"]
    lines = run.tags["mlflow.note.content"].splitlines()
    (row,) = [line for line in lines if line.startswith(f"| {link}")]
    assert row.endswith(f" | 0.750 | {score:.4f} | {spread:.4f} |  |")


@pytest.mark.parametrize("method", ["geometric", "arithmetic"])
def test_test_and_noisy_clips_are_blended_fold_by_fold(pool: Inside, method: Method) -> None:
    run = write(pool, ["tiny", "plain"], [1, 3], method)
    for path in (f"{half}/fold_{fold}" for half in ("test", "noisy") for fold in range(3)):
        tiny, plain = (table(pool, the_run(pool.store, name), path) for name in ("tiny", "plain"))
        classes = class_columns(tiny)
        floor = FLOOR if method == "geometric" else 0
        values = [np.maximum(member[classes].to_numpy(np.float64), floor) for member in (tiny, plain)]
        into, back = (np.log, np.exp) if method == "geometric" else (np.asarray, np.asarray)
        expected = back(0.25 * into(values[0]) + 0.75 * into(values[1]))
        assert np.allclose(table(pool, run, path)[classes], expected, rtol=1e-6)


def test_an_ensemble_of_one_submits_what_its_member_submits(pool: Inside, tmp_path: Path) -> None:
    run = write(pool, ["plain"], [1])
    for name in (run.id, "plain"):
        submit(name, tmp_path / f"{name}.csv")
    assert (tmp_path / f"{run.id}.csv").read_text() == (tmp_path / "plain.csv").read_text()


def test_the_same_members_are_written_once(pool: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    first = write(pool, ["tiny", "plain"], [1, 1])
    capsys.readouterr()
    again = write(pool, ["plain", "tiny"], [2, 2])
    assert again.id == first.id
    assert capsys.readouterr().out == f"this ensemble exists already; using run {first.title}:\n"
    others = [write(pool, ["tiny", "plain"], [1, 2]), write(pool, ["tiny", "plain"], [1, 1], "arithmetic")]
    assert len({first.id, *(run.id for run in others)}) == 3


def test_an_interrupted_one_is_written_to_its_end(pool: Inside) -> None:
    first = write(pool, ["lean", "plain"], [1, 1])
    pool.store.reopen(first.id)
    pool.store.drop_folder(first.id, "predictions")
    pool.store.finish(first.id, "KILLED")
    again = write(pool, ["lean", "plain"], [1, 1])
    assert (again.id, again.status, again.metrics) == (first.id, "FINISHED", first.metrics)
    assert pool.store.has_file(again.id, "predictions/test/fold_2.parquet")


def test_predicted_again_from_its_members_it_gives_its_own_numbers(
    pool: Inside, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write(pool, ["tiny", "plain"], [1, 1])
    pool.store.drop_folder(run.id, "predictions")
    capsys.readouterr()
    assert predict_again(run.id).items() <= run.metrics.items()
    number = f"{run.metrics['cv_lwlrap']:.6f}"
    assert capsys.readouterr().out.splitlines()[0].split() == ["cv_lwlrap", "stored", number, "again", number]
    assert pool.store.get(run.id).metrics == run.metrics
    assert pool.store.has_file(run.id, "predictions/oof.parquet")


def test_predicted_again_it_takes_no_settings(pool: Inside) -> None:
    run = write(pool, ["tiny", "plain"], [1, 1])
    for overrides, data in ((["device=cpu"], None), ([], pool.folder)):
        with pytest.raises(UserError) as error:
            predict_again(run.id, overrides, data)
        problem = "blend is blended again from its members' files; leave out --set and --data"
        assert error.value.problems == (problem,)


def test_one_that_a_killed_process_left_running_is_ended(pool: Inside) -> None:
    dead = pool.store.start("demo", "ensemble", "dead", {"fingerprint": "f" * 64}, {})
    assert [run.id for run in close_abandoned(pool.store)] == [dead.id]
    assert pool.store.get(dead.id).status == "KILLED"


def test_new_sound_is_tagged_by_all_members_and_decoded_once(
    pool: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = write(pool, ["tiny", "plain"], [1, 3])
    pool.store.set_tags(inner.id, {"ensemble": "include"})
    outer = write(pool, [inner.id, "tiny", "lean"], [1, 1, 1], "arithmetic")  # tiny is a member of its member, too
    decoded: list[Path] = []
    mono = SoundFile.mono

    def counting(file: SoundFile) -> Iterator[np.ndarray]:
        decoded.append(file.path)
        return mono(file)

    monkeypatch.setattr(SoundFile, "mono", counting)
    (folder,) = (pool.folder / "data").glob("demo-*")
    tagged = tag_folder(outer.id, folder / "test", None, 3).set_index("fname")
    assert len(decoded) == len(set(decoded)) == 8
    submitted = submit(outer.id, tmp_path / "submission.csv").set_index("fname")
    # the store holds float16 log-mels, new sound is not rounded
    assert np.allclose(tagged.loc[submitted.index], submitted, atol=1e-2)


def test_it_is_no_candidate_unless_a_person_includes_it(pool: Inside) -> None:
    run = write(pool, ["tiny", "lean"], [1, 1])
    reasons = {one.id: why for one, why in find_pool(pool.store).left_out}
    assert reasons[run.id] == "an ensemble joins with the tag ensemble = include"
    pool.store.set_tags(run.id, {"ensemble": "include"})
    assert run.id in [one.id for one in find_pool(pool.store).runs]
    assert [member.run.name for member in read_ensemble(pool.store, run).members] == ["tiny", "lean"]


def test_a_member_that_was_deleted_is_named(pool: Inside) -> None:
    run = write(pool, ["tiny", "plain"], [3, 1])
    plain = the_run(pool.store, "plain")
    pool.store.connection.client.delete_run(plain.id)
    problem = (
        f"blend ({run.id[:8]}) needs its member plain: run {plain.id} is deleted; "
        f"bring it back with `mlflow runs restore --run-id {plain.id}`"
    )
    (folder,) = (pool.folder / "data").glob("demo-*")
    for predict in (lambda: predict_again(run.id), lambda: tag_folder(run.id, folder / "test", None, 3)):
        with pytest.raises(UserError) as error:
            predict()
        assert error.value.problems == (
            problem,
            "without its members an ensemble predicts nothing new; `select` makes another one",
        )
    pool.store.connection.client.restore_run(plain.id)


def test_a_member_that_is_deleted_while_the_ensemble_is_made_is_named(pool: Inside) -> None:
    made = ensemble_of("geometric", [the_run(pool.store, name) for name in ("tiny", "lean")], [1, 5])
    oof = read_out_of_fold(pool.store, made.runs)
    lean = made.runs[0]
    pool.store.connection.client.delete_run(lean.id)
    with pytest.raises(UserError) as error:
        write_ensemble(pool.store, "blend", made, oof, SelectionRecord(how="by hand."))
    pool.store.connection.client.restore_run(lean.id)
    assert error.value.problems == (
        f"lean was deleted while the ensemble was made: run {lean.id} is deleted; "
        f"bring it back with `mlflow runs restore --run-id {lean.id}`",
        "or start the same command again, without it",
    )
