from pathlib import Path

import pytest

from tagging.config import lineage, load, told_apart

BASE = "sampling:\n  curated: 0.7\n  noisy: 0.3\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def compared(folder: Path, text: str, *overrides: str) -> dict[str, str]:
    (folder / "x.yaml").write_text(text)
    return lineage("x", load("x", overrides, folder=folder), overrides, folder)


def test_overrides_come_first_and_equal_fields_not_at_all(folder: Path) -> None:
    text = "base: base\nnotes: Why.\nmodel: {base_size: 8}\nearly_stopping: {patience: null}\n"
    assert compared(folder, text, "training.folds=[0]", "optimizer.lr=1e-3", "sampling.noisy=0.3") == {
        "base": "base",
        "differs": "optimizer.lr=0.001 model.base_size=8 early_stopping.patience=null",
    }


def test_a_changed_kind_shows_the_fields_it_brings(folder: Path) -> None:
    text = "base: base\nfolds: {kind: column, column: part}\n"
    assert compared(folder, text)["differs"] == "folds.kind=column folds.column=part"


def test_nothing_differs_but_names_and_places(folder: Path) -> None:
    text = "base: base\nname: other\ndevice: cpu\nthreads: 1\ndata: {kind: demo}\ndemo: {curated: 50}\n"
    assert compared(folder, text) == {"base": "base"}


def test_without_a_base_the_defaults_are_compared(folder: Path) -> None:
    assert compared(folder, "seed: 3\n") == {"differs": "seed=3"}


def test_a_base_that_is_not_valid_by_itself_gives_way_to_the_defaults(folder: Path) -> None:
    (folder / "half.yaml").write_text("sampling: {curated: 0.5}\n")
    assert compared(folder, "base: half\nsampling: {noisy: 0.5}\n") == {
        "differs": "sampling.curated=0.5 sampling.noisy=0.5"
    }


def test_runs_are_told_apart_by_what_not_all_have_in_common() -> None:
    shared = {"model.base_size": "8", "notes": "Why.", "data.folder": "here", "training.epochs": "3"}
    runs = [
        shared | {"seed": "0", "optimizer.lr": "0.001", "notes": "Because.", "demo.clips": "5"},
        shared | {"seed": "0", "optimizer.lr": "0.002"},
        shared | {"seed": "1", "optimizer.lr": "0.003", "loss.new": "yes"},  # a field that is younger than the others
    ]
    assert told_apart(runs) == ["optimizer.lr=0.001 seed=0", "optimizer.lr=0.002 seed=0", "optimizer.lr=0.003 seed=1"]
    assert told_apart(runs[:1]) == [""]
    assert told_apart([]) == []
