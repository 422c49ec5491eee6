"""A run packed into one file, and what that file does where nothing else of the project is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from tagging.tracking.store import Store
from tests.commands.test_predict import demo_folder
from tests.kernel.alone import run_alone
from tests.project import Project, read_csv
from tests.trainings import Trained, the_run

Connect = Callable[[Project], Store]


@pytest.fixture(scope="module")
def packed(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pack the run of `tiny` once, and move the kernel away from where it was packed."""
    place = tmp_path_factory.mktemp("packed") / "kernel"
    done = trained.project.run("kernel", "--run", "tiny", "--out", str(place))
    assert re.fullmatch(
        r"\d+\.\d\d s a clip on this machine \(\w+, \d+ threads?\), measured on 16 synthetic clips of \d\.\d s on "
        r"average: 8 such clips take \d+ s\n"
        rf"wrote {place}/kernel.py and 3 files of weights \(\d\.\d MB\): 3 networks\n"
        rf"copy the folder {place} to the machine; there: python kernel.py --sound FOLDER --sample "
        r"sample_submission.csv\n",
        done.stdout,
    )
    return Path(shutil.move(place, place.with_name("moved")))


def test_alone_it_writes_what_submit_writes(packed: Path, trained: Trained, store_of: Connect, tmp_path: Path) -> None:
    trained.project.run("submit", "--run", "tiny", "--out", str(tmp_path / "submitted.csv"))
    demo = demo_folder(trained.project)
    sample = ("--sample", demo / "sample_submission.csv")
    done = run_alone(packed / "kernel.py", tmp_path, "--sound", demo / "test", *sample)
    assert (tmp_path / "submission.csv").read_text() == (tmp_path / "submitted.csv").read_text()
    run = the_run(store_of(trained.project))
    name = re.escape(f"tiny ({run.id[:8]})")
    assert re.fullmatch(
        r"sound: 8 of 8 clips in \d+ s\n"
        r"3 networks; \d+ s where this was packed\n"
        rf"{name}, fold 0: \d+ s; about \d+ s to go\n"
        rf"{name}, fold 1: \d+ s; about \d+ s to go\n"
        rf"{name}, fold 2: \d+ s\n"
        r"wrote submission.csv: 8 clips by 3 networks in \d+ s\n",
        done.stdout,
    )


def test_the_run_keeps_the_file(packed: Path, trained: Trained, store_of: Connect) -> None:
    store = store_of(trained.project)
    assert store.read_text(the_run(store).id, "kernel/kernel.py") == (packed / "kernel.py").read_text()


def test_a_time_limit_leaves_the_last_folds_out(
    packed: Path, trained: Trained, store_of: Connect, tmp_path: Path
) -> None:
    demo = demo_folder(trained.project)
    arguments = ("--sound", demo / "test", "--sample", demo / "sample_submission.csv", "--time-limit", "0.0001")
    done = run_alone(packed / "kernel.py", tmp_path, *arguments)
    store = store_of(trained.project)
    run = the_run(store)
    written = read_csv(tmp_path / "submission.csv")
    first = store.read_table(run.id, "predictions/test/fold_0.parquet").drop(columns="fold")
    assert list(written["fname"]) == list(first["fname"])
    # the mean over one fold is that fold, to the rounding of its logarithm
    assert np.allclose(written.iloc[:, 1:], first.iloc[:, 1:], rtol=1e-6)
    name = f"tiny ({run.id[:8]})"
    assert f"warning: left out for the time limit: {name}, fold 1; {name}, fold 2\n" in done.stdout
    assert "warning: the time limit of 0 s is passed: " in done.stdout
    assert "wrote submission.csv: 8 clips by 1 network in " in done.stdout


@pytest.mark.long
def test_a_network_of_timm_says_that_the_machine_needs_timm(
    project: Project, store_of: Connect, tmp_path: Path
) -> None:
    project.run("train", "tiny", "--set", "model.kind=timm model.name=test_resnet training.folds=[1] training.epochs=1")
    done = project.run("kernel", "--run", "tiny")
    run = the_run(store_of(project))
    assert done.stderr == (
        "packing run tiny into kernel\n"
        f"warning: tiny ({run.id[:8]}) has 1 of its 3 folds (1): its predictions are of these alone\n"
        f"warning: networks of tiny ({run.id[:8]}) need timm: the machine must have it "
        f"(here: timm {version('timm')})\n"
    )
    demo = demo_folder(project)
    sample = demo / "sample_submission.csv"
    run_alone(project.folder / "kernel" / "kernel.py", tmp_path, "--sound", demo / "test", "--sample", sample)
    project.run("submit", "--run", "tiny")
    assert (tmp_path / "submission.csv").read_text() == (project.folder / "submission.csv").read_text()
