"""`predict` and `submit` of a finished run."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from safetensors.torch import load_file, save_file
from scipy.stats import gmean

from tagging import RECIPE_VERSION
from tagging.data.listing import SOUND_SUFFIXES
from tagging.tracking.store import Store
from tests.project import Project, read_csv
from tests.trainings import Trained, the_run

Connect = Callable[[Project], Store]


def demo_folder(project: Project) -> Path:
    (folder,) = (project.folder / "data").glob("demo-*")
    return folder


def test_a_submission_is_the_geometric_mean_in_the_samples_order(trained: Trained, store_of: Connect) -> None:
    project = trained.project
    done = project.run("submit", "--run", "tiny")
    store = store_of(project)
    run = the_run(store)
    assert done.stdout == f"wrote submission.csv: 8 clips by 3 folds of run tiny ({run.id})\n"
    written = read_csv(project.folder / "submission.csv")
    sample = read_csv(demo_folder(project) / "sample_submission.csv")
    assert list(written.columns) == list(sample.columns)
    assert list(written["fname"]) == list(sample["fname"])
    folds = [store.read_table(run.id, f"predictions/test/fold_{fold}.parquet") for fold in range(3)]
    classes = list(sample.columns[1:])
    expected = gmean([fold[classes].to_numpy() for fold in folds])
    assert np.allclose(written[classes].to_numpy(), expected, rtol=1e-5)
    assert store.read_text(run.id, "submission.csv") == (project.folder / "submission.csv").read_text()


def test_a_submission_goes_where_it_is_asked_to(trained: Trained, tmp_path: Path) -> None:
    trained.project.run("submit", "--out", str(tmp_path / "mine.csv"))
    assert len(read_csv(tmp_path / "mine.csv")) == 8
    done = trained.project.run("submit", "--out", str(tmp_path / "no" / "mine.csv"), code=2)
    assert done.stderr == (
        "submission of the newest run with test predictions\n"
        f"error: {tmp_path}/no/mine.csv: cannot be written: No such file or directory\n"
    )


def test_predicted_again_from_its_checkpoints_a_run_gives_its_own_numbers(trained: Trained, store_of: Connect) -> None:
    store = store_of(trained.project)
    before = the_run(store)
    oof = store.read_table(before.id, "predictions/oof.parquet")
    done = trained.project.run("predict", "--run", before.id[:8])
    again = store.get(before.id)
    assert again.metrics == before.metrics
    assert store.read_table(before.id, "predictions/oof.parquet").equals(oof)
    line = next(line for line in done.stdout.splitlines() if line.startswith("cv_lwlrap "))
    number = f"{before.metrics['cv_lwlrap']:.6f}"
    assert line.split() == ["cv_lwlrap", "stored", number, "again", number]


def test_new_sound_is_tagged_as_the_test_set_was(trained: Trained, store_of: Connect, tmp_path: Path) -> None:
    project = trained.project
    folder = tmp_path / "sound" / "deeper"
    shutil.copytree(demo_folder(project) / "test", folder)
    (folder / "notes.txt").write_text("no sound")
    (folder / "broken.wav").write_text("no sound either")
    sound, out = str(tmp_path / "sound"), str(tmp_path / "tags.csv")
    done = project.run("predict", sound, "--run", "tiny", "--out", out, code=3)
    written = read_csv(tmp_path / "tags.csv")
    project.run("submit", "--run", "tiny")
    submission = read_csv(project.folder / "submission.csv").sort_values("fname")
    assert list(written["fname"]) == [f"deeper/{fname}" for fname in submission["fname"]]
    # the store holds float16 log-mels, new sound is not rounded
    assert np.allclose(written.iloc[:, 1:], submission.iloc[:, 1:], atol=2e-3)
    named = f"warning: left out: {folder}/broken.wav: cannot be decoded as sound (Format not recognised)\n"
    told = f"{named}error: 8 of 9 files tagged; the others are named above\n"
    assert done.stderr == f"tagging {sound} as run tiny does\n{named}{told}"
    assert done.stdout.endswith(f"wrote {out}: 8 clips, {len(written.columns) - 1} classes\n")
    first = written.iloc[0]
    best = written.columns[1:][np.argsort(-first.iloc[1:].to_numpy(float), kind="stable")[:3]]
    shown = next(line for line in done.stdout.splitlines() if line.startswith(first["fname"]))
    assert shown == f"{first['fname']}  " + "  ".join(f"{name} {first[name]:.2f}" for name in best)


def test_a_name_that_is_not_utf8_stands_in_the_table_by_its_bytes(trained: Trained, tmp_path: Path) -> None:
    folder = tmp_path / "sound"
    folder.mkdir()
    name = os.fsencode(folder) + b"/caf\xe9.wav"
    shutil.copy(sorted((demo_folder(trained.project) / "test").iterdir())[0], name)
    out = tmp_path / "tags.csv"
    done = trained.project.run("predict", str(folder), "--run", "tiny", "--out", str(out))
    assert list(read_csv(out)["fname"]) == ["caf\\xe9.wav"]
    assert done.stdout.startswith("caf\\xe9.wav  ")


def test_damaged_weights_are_named(moved: Project, store_of: Connect) -> None:
    store = store_of(moved)
    fold = store.children(the_run(store).id)[0]
    path = store.fetch(fold.id, "checkpoints/best/model.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    test = demo_folder(moved) / "test"
    done = moved.run("predict", str(test), "--run", "tiny", code=2)
    assert done.stderr == (
        f"tagging {test} as run tiny does\n"
        f"error: {path}: the weights are damaged (Error while deserializing header: incomplete metadata, file not "
        "fully covered); bring the file back from a copy, or train its run again\n"
    )


def test_nothing_that_is_not_finite_is_written(moved: Project, store_of: Connect) -> None:
    store = store_of(moved)
    run = the_run(store)
    path = store.fetch(store.children(run.id)[0].id, "checkpoints/best/model.safetensors")
    # finite weights, of which no finite output comes: NaN among them is refused where they are read
    broken = {name: -torch.ones_like(part) if "running_var" in name else part for name, part in load_file(path).items()}
    save_file(broken, path)
    test, out = demo_folder(moved) / "test", moved.folder / "tags.csv"
    for arguments in ([str(test), "--out", str(out)], []):
        done = moved.run("predict", *arguments, "--run", "tiny", code=2)
        assert re.search(
            r"^error: (tiny )?fold \d(: curated clips)?, the network's output: (\d+) of \3 rows are not finite "
            r"\(NaN or infinite\); train with a lower optimizer.lr, or with training.precision=float32\n\Z",
            done.stderr,
            re.MULTILINE,
        )
    assert not out.exists()
    half = "predictions/test/fold_1.parquet"
    table = store.read_table(run.id, half)
    table.iloc[2, 3] = np.inf
    store.log_table(run.id, table, half)
    done = moved.run("submit", "--run", "tiny", code=2)
    assert done.stderr.endswith(
        f"error: tiny ({run.id[:8]}): {half} cannot be used: values of 1 row are no probabilities, first those of "
        f"{table['fname'][2]}; `python -m tagging predict --run {run.id[:8]}` computes it again\n"
    )
    assert not (moved.folder / "submission.csv").exists()


def test_one_file_is_enough(trained: Trained, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "stereo.flac", np.random.default_rng(0).normal(0, 0.1, (16000, 2)), 16000)
    done = trained.project.run("predict", str(tmp_path / "stereo.flac"), "--run", "tiny", "--top", "1")
    assert re.fullmatch(r"stereo\.flac  \w+ 0\.\d\d\n", done.stdout)


def test_a_table_that_cannot_be_written_takes_no_word_along(trained: Trained, tmp_path: Path) -> None:
    sound = tmp_path / "noise.wav"
    soundfile.write(sound, np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    written = trained.project.run("predict", str(sound), "--run", "tiny", "--out", str(tmp_path / "tags.csv"))
    done = trained.project.run("predict", str(sound), "--run", "tiny", "--out", str(tmp_path), code=2)
    tags, wrote = written.stdout.splitlines()
    assert tags.startswith("noise.wav  ")
    assert wrote == f"wrote {tmp_path}/tags.csv: 1 clip, {len(read_csv(tmp_path / 'tags.csv').columns) - 1} classes"
    assert done.stdout == f"{tags}\n"
    assert done.stderr == f"tagging {sound} as run tiny does\nerror: {tmp_path}: cannot be written: Is a directory\n"


def test_a_folder_that_is_not_there_is_named(trained: Trained, tmp_path: Path) -> None:
    done = trained.project.run("predict", f"{tmp_path}/none", "--run", "tiny", code=2)
    assert done.stderr == f"tagging {tmp_path}/none as run tiny does\nerror: {tmp_path}/none: no such file or folder\n"


def test_an_unknown_run_brings_the_nearest_names(trained: Trained) -> None:
    done = trained.project.run("predict", "--run", "tini", code=2)
    assert done.stderr == (
        "predicting the clips of run tini again\n"
        f"error: tini: no such run in {trained.project.uri}; give a run id, four or more of its first "
        "characters, or the name of a finished experiment, trial, ensemble or stacker\n"
        "error: nearest names: tiny\n"
        "error: `python -m tagging show runs` lists what there is\n"
    )


def test_a_folder_without_sound_says_what_it_looked_for(trained: Trained, tmp_path: Path) -> None:
    done = trained.project.run("predict", str(tmp_path), "--run", "tiny", code=2)
    endings = ", ".join(sorted(SOUND_SUFFIXES))
    assert {".wav", ".flac", ".ogg", ".mp3", ".aiff"} < SOUND_SUFFIXES
    assert done.stderr == (
        f"tagging {tmp_path} as run tiny does\nerror: {tmp_path}: no sound; looked for files ending in {endings}\n"
    )
    (tmp_path / "a.wav").write_text("no sound either")
    done = trained.project.run("predict", str(tmp_path), "--run", "tiny", code=2)
    assert done.stderr.endswith(
        f"error: {tmp_path}/a.wav: cannot be decoded as sound (Format not recognised)\n"
        f"error: {tmp_path}: no sound that can be read in 1 file\n"
    )


def test_other_data_than_the_runs_is_refused(trained: Trained, tmp_path: Path) -> None:
    project = trained.project
    shutil.copytree(demo_folder(project), tmp_path / "other")
    table = tmp_path / "other" / "train_curated.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]) + "\n")
    done = project.run("predict", "--run", "tiny", "--data", str(tmp_path / "other"), code=2)
    assert re.search(
        rf"error: {tmp_path}/other is not the data tiny was trained on: data.clips is \w+, the run's is \w+; "
        r"name the right folder with --data\n$",
        done.stderr,
    )


def test_a_run_keeps_its_numbers_under_other_settings(trained: Trained, store_of: Connect) -> None:
    before = the_run(store_of(trained.project))
    done = trained.project.run("predict", "--run", before.id, "--set", "predict.weights=last", code=2)
    assert done.stderr.endswith(
        "error: labels, sound or settings are not those tiny was trained with, and it keeps its numbers; "
        "give the same data, and no --set that changes numbers\n"
    )
    assert the_run(store_of(trained.project)).metrics == before.metrics


def test_new_sound_is_tagged_as_the_run_was_trained(trained: Trained) -> None:
    sound = str(demo_folder(trained.project) / "test")
    done = trained.project.run("predict", sound, "--run", "tiny", "--set", "features.n_mels=16", code=2)
    assert done.stderr == (
        f"tagging {sound} as run tiny does\n"
        "error: tiny predicts as it was trained; of --set only device and threads may be given here\n"
    )


def test_a_run_of_another_recipe_keeps_its_numbers(trained: Trained, store_of: Connect) -> None:
    store = store_of(trained.project)
    run = the_run(store)
    store.set_tags(run.id, {"recipe": RECIPE_VERSION - 1})
    done = trained.project.run("predict", "--run", "tiny", code=2)
    store.set_tags(run.id, {"recipe": RECIPE_VERSION})
    assert done.stderr.splitlines()[-1] == (
        f"error: tiny was trained with version {RECIPE_VERSION - 1} of the recipe, this is version {RECIPE_VERSION}, "
        "with other fields or numbers; use the commit in its tag git.commit, or train it again"
    )
