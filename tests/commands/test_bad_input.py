"""Bad input by the command line: the whole text on the screen, exit status 2, nothing in the store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tagging.tracking.store import Store
from tests.project import Project, read_csv
from tests.trainings import the_run

Connect = Callable[[Project], Store]


@pytest.fixture
def broken(project: Project, tmp_path: Path) -> Path:
    """Return a copy of the demo sound with two curated clips and a test clip that cannot be read."""
    (demo,) = (project.folder / "data").glob("demo-*")
    folder = tmp_path / "sound"
    shutil.copytree(demo, folder)
    curated = sorted((folder / "train_curated").iterdir())
    curated[0].write_text("this is text")
    soundfile.write(curated[1], np.full(44100, np.nan, dtype=np.float32), 44100, subtype="FLOAT")
    test = sorted((folder / "test").iterdir())[0]
    test.write_bytes(test.read_bytes()[:-1000])
    return folder


def names(folder: Path) -> tuple[str, str, str]:
    first, second, *_ = sorted((folder / "train_curated").iterdir())
    return str(first), str(second), str(sorted((folder / "test").iterdir())[0])


def test_all_undecodable_files_are_named_at_once(project: Project, broken: Path, store_of: Connect) -> None:
    done = project.run("train", "tiny", "--data", str(broken), code=2)
    text, nans, cut = names(broken)
    lines = done.stderr.splitlines()
    assert lines.pop(0) == f"tiny: reading {broken}"
    assert len(lines) == 4
    assert lines[-1] == ("error: 3 files cannot be used: mend them, or leave them out with --skip-unreadable")
    assert {line.split(": ")[1] for line in lines[:3]} == {text, nans, cut}
    assert f"error: {nans}: 44100 samples are not finite (NaN or infinite), the first at 0.00 s" in lines
    assert any(line.startswith(f"error: {cut}: ") and "1000 bytes" in line for line in lines)
    assert store_of(project).find([]) == []


def test_unreadable_files_can_be_left_out_and_are_listed(project: Project, broken: Path, store_of: Connect) -> None:
    done = project.run("train", "tiny", "--data", str(broken), "--skip-unreadable")
    text, nans, cut = names(broken)
    store = store_of(project)
    run = the_run(store)
    oof = store.read_table(run.id, "predictions/oof.parquet")
    assert len(oof) == 34
    assert not {Path(text).name, Path(nans).name} & set(oof["fname"])
    assert len(store.read_table(run.id, "predictions/test/fold_0.parquet")) == 7
    recorded = store.read_text(run.id, "data/warnings.txt").splitlines()
    for path in (text, nans, cut):
        assert any(line.startswith(f"left out: {path}: ") for line in recorded)
        assert f"warning: left out: {path}: " in done.stderr
    assert run.tags["warnings"] == str(len(recorded))
    done = project.run("submit", "--run", "tiny", code=3)
    assert len(read_csv(project.folder / "submission.csv")) == 7
    (lacking,) = (line for line in recorded if line.startswith(f"left out: {cut}: "))
    assert done.stderr == (
        f"submission of run tiny\nwarning: {lacking}\n"
        "error: 7 of 8 test clips have a row in the submission; the others are named above\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--data", "{tmp}/none"),
            "error: {tmp}/none: there is no such folder; give the folder that holds the tables and the sound\n",
        ),
        (
            ("--set", "sampling.noisy=0.1 sampling.trusted=0.1"),
            "error: sampling.trusted is 0.1, but no noisy clip is trusted; "
            "name a list in labels.noisy_selection, or give --set sampling.trusted=0\n",
        ),
        (
            ("--set", "training.folds=[3]"),
            "error: training.folds asks for fold 3; allowed: 0 to 2, or [] for all\n",
        ),
        (
            ("--set", "training.compile=true training.precision=bf16 device=cpu"),
            "error: training.compile is true with training.precision bf16 on a CPU, where compiled gradients come "
            "out as NaN; give --set training.compile=false, or training.precision=float32\n",
        ),
        pytest.param(
            ("--set", "device=cuda:7"),
            "error: device is cuda:7, but torch sees no GPU here; allowed: auto, cpu\n",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="says what a machine without a GPU says"),
        ),
    ],
)
def test_what_the_data_or_the_machine_has_not_is_said(
    project: Project, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = project.run("train", "tiny", *(text.format(tmp=tmp_path) for text in arguments), code=2)
    shown = done.stderr[done.stderr.index("error: ") :]
    assert shown.startswith(message.format(tmp=tmp_path))
    assert "Traceback" not in done.stderr


def test_noisy_draws_need_noisy_clips(project: Project, tmp_path: Path) -> None:
    (demo,) = (project.folder / "data").glob("demo-*")
    shutil.copytree(demo, tmp_path / "sound", ignore=shutil.ignore_patterns("train_noisy*"))
    done = project.run("train", "tiny", "--data", str(tmp_path / "sound"), code=2)
    assert done.stderr == (
        f"tiny: reading {tmp_path}/sound\n"
        "error: sampling.noisy is 0.2, but sound has no noisy clips; give --set sampling.curated=1 sampling.noisy=0\n"
    )


def test_a_list_that_empties_a_fold_stops_before_training(project: Project, store_of: Connect) -> None:
    (data,) = (project.folder / "data").glob("demo-*")
    fnames = read_csv(data / "train_curated.csv")["fname"]
    (project.folder / "none.json").write_text(json.dumps(dict.fromkeys(fnames, "remove")))
    done = project.run("train", "tiny", "--set", "labels.corrections=none.json", "training.folds=[1]", code=2)
    assert done.stderr.splitlines()[-2:] == [
        "error: fold 1 has no curated clip left to validate on: labels.corrections removes them all",
        "error: fold 1 has no curated clip left to train on: labels.corrections removes them all",
    ]
    assert store_of(project).find([]) == []


def test_a_class_may_not_be_called_as_a_column(project: Project, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for number in range(4):
        soundfile.write(tmp_path / "own" / f"{number}.wav", np.full(30000, 0.1), 44100)
    (tmp_path / "own" / "clips.csv").write_text("fname,labels\n0.wav,fold\n1.wav,dog\n2.wav,fold\n3.wav,dog\n")
    done = project.run("train", "tiny", "--data", str(tmp_path / "own"), code=2)
    assert done.stderr == (
        f"tiny: reading {tmp_path}/own\n"
        f"error: {tmp_path}/own: a class is called 'fold', which is a column of the tables of predictions; "
        "rename it (fname, fold, tile are taken)\n"
    )


def test_a_data_set_has_a_name_that_mlflow_has_not_itself(project: Project) -> None:
    told = (
        "error: the data set is called Default, as MLflow's own experiment is, where `mlflow run` keeps its launches; "
        "give it another name with --set data.name=NAME\n"
    )
    (demo,) = (project.folder / "data").glob("demo-*")
    done = project.run("train", "tiny", "--set", "data.name=Default", code=2)
    assert done.stderr.endswith(told)
    folder = Path(shutil.copytree(demo, project.folder / "own" / "Default"))
    assert project.run("train", "tiny", "--data", str(folder), code=2).stderr.endswith(told)
