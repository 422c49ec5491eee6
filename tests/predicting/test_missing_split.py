"""Test clips that a run has not predicted: it does so when a submission asks for them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagging.commands.submit import submit
from tagging.contract import File
from tagging.data.audio import SoundFile
from tagging.errors import PartlyDone, UserError
from tests.selection.test_ensemble_run import write
from tests.trainings import Inside, the_run


def drop_test(inside: Inside, names: Sequence[str]) -> None:
    for name in names:
        inside.store.drop_folder(inside.store.resolve(name).id, "predictions/test")


def rows(submission: pd.DataFrame) -> np.ndarray:
    return submission.iloc[:, 1:].to_numpy()


def test_a_run_predicts_what_it_lacks(pool: Inside, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = the_run(pool.store, "plain")
    before = submit(run.id, tmp_path / "before.csv")
    drop_test(pool, ["plain"])
    capsys.readouterr()
    after = submit(run.id, tmp_path / "after.csv")
    assert capsys.readouterr().out == (
        f"plain ({run.id[:8]}) had not predicted the test split: 8 clips, done now\n"
        f"wrote {tmp_path}/after.csv: 8 clips by 3 folds of run plain ({run.id})\n"
    )
    assert list(after["fname"]) == list(before["fname"])
    assert np.allclose(rows(after), rows(before), atol=1e-6)
    assert pool.store.has_file(run.id, "predictions/test/fold_2.parquet")


def test_each_test_clip_is_decoded_once_for_all_members_and_no_other(
    pool: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write(pool, ["tiny", "plain"], [1, 3])  # of other log-mels each
    before = submit(run.id, tmp_path / "before.csv")
    drop_test(pool, [run.id, "tiny", "plain"])
    shutil.rmtree(pool.folder / "data" / "features")
    decoded: list[Path] = []
    mono = SoundFile.mono

    def counted(file: SoundFile) -> Iterator[np.ndarray]:
        decoded.append(file.path)
        return mono(file)

    monkeypatch.setattr(SoundFile, "mono", counted)
    after = submit(run.id, tmp_path / "after.csv")
    (demo,) = (pool.folder / "data").glob("demo-*")
    assert sorted(decoded) == sorted((demo / "test").iterdir())
    pd.testing.assert_frame_equal(after, before, check_exact=True)


def test_a_test_clip_that_cannot_be_decoded_is_named(pool: Inside, tmp_path: Path) -> None:
    run = the_run(pool.store, "plain")
    before = submit(run.id, tmp_path / "before.csv")
    (demo,) = (pool.folder / "data").glob("demo-*")
    moved = tmp_path / "moved"
    shutil.copytree(demo, moved)
    broken = moved / "test" / before["fname"][2]
    broken.write_bytes(b"")
    drop_test(pool, ["plain"])
    with pytest.raises(UserError) as error:
        submit(run.id, tmp_path / "submission.csv", moved)
    assert error.value.problems == (f"{broken}: the file is empty (0 bytes)", "1 file cannot be used; mend them")
    submit(run.id, tmp_path / "submission.csv")


def test_a_run_that_leaves_such_clips_out_names_them_whenever_it_submits(
    pool: Inside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = the_run(pool.store, "lean")
    config = pool.store.fetch(run.id, "config.yaml").read_text()
    pool.store.log_text(run.id, config.replace("skip_unreadable: false", "skip_unreadable: true"), "config.yaml")
    (demo,) = (pool.folder / "data").glob("demo-*")
    moved = tmp_path / "test" / "moved"
    shutil.copytree(demo, moved)
    broken = sorted((moved / "test").iterdir())[2]
    broken.write_bytes(b"")
    drop_test(pool, ["lean"])
    for _ in range(2):
        capsys.readouterr()
        with pytest.raises(PartlyDone) as error:
            submit(run.id, tmp_path / "submission.csv", moved)
        assert error.value.problems == ("7 of 8 test clips have a row in the submission; the others are named above",)
        assert capsys.readouterr().err == f"warning: left out: {broken}: the file is empty (0 bytes)\n"
    pool.store.log_text(run.id, config, "config.yaml")
    pool.store.log_text(run.id, f"left out: {moved}/train_noisy/a.wav: the file is empty (0 bytes)\n", File.WARNINGS)
    drop_test(pool, ["lean"])
    assert len(submit(run.id, tmp_path / "submission.csv")) == 8


def test_an_ensembles_members_predict_what_they_lack(pool: Inside, tmp_path: Path) -> None:
    run = write(pool, ["tiny", "plain"], [1, 3])
    before = submit(run.id, tmp_path / "before.csv")
    lean = the_run(pool.store, "lean")
    drop_test(pool, [run.id, "plain"])
    drop_test(pool, ["lean"])  # no member: stays as it is
    after = submit(run.id, tmp_path / "after.csv")
    assert list(after["fname"]) == list(before["fname"])
    assert np.allclose(rows(after), rows(before), atol=1e-6)
    assert not pool.store.list_files(lean.id, "predictions/test")
    later = write(pool, ["tiny", "lean"], [1, 1])
    assert not pool.store.list_files(later.id, "predictions/test")
    assert len(submit(later.id, tmp_path / "later.csv")) == 8
    assert pool.store.has_file(lean.id, "predictions/test/fold_0.parquet")


def test_a_trial_without_checkpoints_is_named(pool: Inside, tmp_path: Path) -> None:
    run, plain = write(pool, ["tiny", "plain"], [1, 2]), the_run(pool.store, "plain")
    drop_test(pool, [run.id, "plain"])
    pool.store.set_tags(plain.id, {"checkpoints": "dropped"})
    with pytest.raises(UserError) as error:
        submit(run.id, tmp_path / "submission.csv")
    pool.store.connection.client.delete_tag(plain.id, "checkpoints")
    assert error.value.problems == (
        f"plain ({plain.id[:8]}) is a trial whose checkpoints were dropped (a sweep keeps those of its best): it "
        "predicts nothing new; train it with `python -m tune promote`, or give it the tag ensemble = exclude",
    )
    submit(run.id, tmp_path / "submission.csv")


def test_data_that_moved_or_has_no_test_half_is_told(pool: Inside, tmp_path: Path) -> None:
    run = the_run(pool.store, "seed_1")
    before = submit(run.id, tmp_path / "before.csv")
    drop_test(pool, ["seed_1"])
    (demo,) = (pool.folder / "data").glob("demo-*")
    title = f"run seed_1 ({run.id}) has no test predictions"
    with pytest.raises(UserError) as error:
        submit(run.id, tmp_path / "submission.csv", tmp_path / "none")
    assert error.value.problems == (
        f"{title}, and its data cannot be read to make them:",
        f"{tmp_path}/none: there is no such folder; give the folder that holds the tables and the sound",
    )
    moved = tmp_path / "moved"
    shutil.copytree(demo, moved)
    assert np.allclose(rows(submit(run.id, tmp_path / "after.csv", moved)), rows(before), atol=1e-6)
    drop_test(pool, ["seed_1"])
    (tmp_path / "own").mkdir()
    shutil.copy(demo / "train_curated.csv", tmp_path / "own" / "clips.csv")
    shutil.copytree(demo / "train_curated", tmp_path / "own" / "audio")
    with pytest.raises(UserError) as error:
        submit(run.id, tmp_path / "submission.csv", tmp_path / "own")
    assert error.value.problems == (
        f"{title}: own has no test clips; `python -m tagging predict --run seed_1 FOLDER` tags a folder",
    )
