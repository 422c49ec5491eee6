"""What is refused before anything is packed: the whole text, and what lies in the folder stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagging.commands import kernel
from tagging.config.load import to_yaml
from tagging.errors import UserError
from tagging.kernel.plan import Weights
from tagging.kernel.source import one_file
from tagging.packing.folder import in_place
from tests.blends import rotated, stacker
from tests.trainings import Inside, the_run


def refusal(run: str, out: Path, train: bool = False) -> str:
    """Return what is said when a run is not packed."""
    with pytest.raises(UserError) as caught:
        kernel.pack(run, out, train=train)
    return str(caught.value)


def older_kernel(folder: Path) -> Path:
    """Write a kernel of an earlier time and return its file."""
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "a.npz").write_text("older")
    (folder / "kernel.py").write_text(one_file("Older.", "kernel.plan", Weights("a.npz", "")))
    return folder / "kernel.py"


def test_an_unknown_run_brings_the_nearest_names(inside: Inside, tmp_path: Path) -> None:
    assert refusal("tini", tmp_path / "kernel") == (
        f"tini: no such run in {inside.store.uri}; give a run id, four or more of its first characters, or the name of "
        "a finished experiment, trial, ensemble or stacker\n"
        "nearest names: tiny\n"
        "`python -m tagging show runs` lists what there is"
    )
    assert not (tmp_path / "kernel").exists()


def test_a_fold_is_no_run_to_pack(inside: Inside, tmp_path: Path) -> None:
    fold = inside.store.children(the_run(inside.store).id)[0]
    assert refusal(fold.id, tmp_path / "kernel") == (
        f"{fold.name} ({fold.id[:8]}) is of kind fold; a kernel is packed of an experiment, a trial, a stacker or an "
        "ensemble"
    )


def test_a_folder_of_something_else_is_left_alone(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert refusal("tiny", tmp_path / "mine") == (
        f"{tmp_path}/mine: holds something other than a kernel; name another folder with --out"
    )
    notes = tmp_path / "mine" / "notes.txt"
    for out in (notes, notes / "kernel"):
        assert refusal("tiny", out) == f"{notes}: is a file; name a folder with --out"
    assert notes.read_text() == "mine"
    (tmp_path / "mine" / "kernel.py").write_text("print('mine')\n")
    assert refusal("tiny", tmp_path / "mine") == (
        f"{tmp_path}/mine: holds something other than a kernel; name another folder with --out"
    )


@pytest.mark.parametrize("train", [False, True])
def test_what_lies_beside_an_older_kernel_is_not_deleted_with_it(inside: Inside, tmp_path: Path, train: bool) -> None:
    older = older_kernel(tmp_path / "kernel").parent
    (older / "submission.csv").write_text("fname\n")
    (older / "features").mkdir()
    assert refusal("tiny", older, train) == (
        f"{older}: beside a kernel it holds 'features', 'submission.csv', which would be deleted; move that away, or "
        "name another folder with --out"
    )
    assert sorted(path.name for path in older.iterdir()) == ["features", "kernel.py", "submission.csv", "weights"]


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(("stand", "out"), [("kernel", "."), ("kernel/weights", ".."), ("empty", "../empty")])
def test_the_folder_one_stands_in_is_not_replaced(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand: str, out: str, train: bool
) -> None:
    text = older_kernel(tmp_path / "kernel").read_text()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / stand)
    assert refusal("tiny", Path(out), train) == (
        f"{out}: this is the current folder, and packing replaces it as a whole; change to another folder, or name "
        "one with --out"
    )
    assert (tmp_path / "kernel" / "kernel.py").read_text() == text
    assert (tmp_path / "kernel" / "weights" / "a.npz").read_text() == "older"
    assert list((tmp_path / "empty").iterdir()) == []


def test_an_older_kernel_goes_only_once_the_new_one_stands(tmp_path: Path) -> None:
    older = older_kernel(tmp_path / "kernel")
    text = older.read_text()
    with pytest.raises(UserError) as caught, in_place(older.parent) as draft:
        draft.rmdir()  # so that it cannot take the other's place
    assert str(caught.value) == f"{older.parent}: cannot be written: No such file or directory"
    assert older.read_text() == text
    with in_place(older.parent) as draft:
        (draft / "kernel.py").write_text("newer")
    assert older.read_text() == "newer"
    assert [path.name for path in tmp_path.rglob("*")] == ["kernel", "kernel.py"]


def test_a_kernel_is_written_to_where_a_link_leads(inside: Inside, tmp_path: Path) -> None:
    older = older_kernel(tmp_path / "elsewhere")
    (tmp_path / "kernel").symlink_to("elsewhere")
    kernel.pack("tiny", tmp_path / "kernel", train=True)
    assert (tmp_path / "kernel").is_symlink()
    assert "Trains networks" in older.read_text()
    assert sorted(path.name for path in tmp_path.iterdir() if "kernel" in path.name) == ["kernel"]


def test_a_folder_that_cannot_be_written_is_named(inside: Inside) -> None:
    assert refusal("tiny", Path("/proc/no/kernel")) == "/proc/no/kernel: cannot be written: No such file or directory"


def test_without_its_checkpoints_a_run_is_not_packed_and_an_older_kernel_stays(inside: Inside, tmp_path: Path) -> None:
    store, run = inside.store, the_run(inside.store)
    for fold in store.children(run.id)[:2]:
        store.drop_folder(fold.id, "checkpoints")
    older = tmp_path / "kernel" / "kernel.py"
    older.parent.mkdir()
    text = one_file("Older.", "kernel.plan", Weights("a.npz", ""))
    older.write_text(text)
    assert refusal("tiny", tmp_path / "kernel") == (
        f"tiny ({run.id[:8]}) lacks the weights of fold 0, 1: there is no checkpoints/best/model.safetensors any more; "
        "bring it back from a copy, or train the run again"
    )
    assert older.read_text() == text
    assert [path.name for path in tmp_path.glob("*kernel*")] == ["kernel"]


def test_a_stacker_is_not_trained_in_a_kernel(inside: Inside, tmp_path: Path) -> None:
    run = stacker(inside.store, "fcnet", [the_run(inside.store)], tmp_path, 10)
    assert refusal(run.id, tmp_path / "kernel", train=True) == (
        f"stacked fcnet ({run.id[:8]}) is a stacker; a kernel cannot train that: pack its weights, without --train"
    )


def test_a_run_that_starts_from_other_weights_is_not_trained_in_a_kernel(inside: Inside, tmp_path: Path) -> None:
    store, tiny = inside.store, the_run(inside.store)
    other = rotated(store, tiny)
    ends = "a kernel cannot train that: pack its weights, without --train"
    store.log_text(other.id, to_yaml(inside.tiny(f"init.run={tiny.id}")), "config.yaml")
    assert refusal(other.id, tmp_path / "kernel", train=True) == (
        f"rotated ({other.id[:8]}) starts from the weights of another run (init.run); {ends}"
    )
    store.log_text(other.id, to_yaml(inside.tiny("model.kind=timm", "model.weights=a.pth")), "config.yaml")
    assert refusal(other.id, tmp_path / "kernel", train=True) == (
        f"rotated ({other.id[:8]}) starts from weights that are no part of it (model.weights); {ends}"
    )
    store.log_params(other.id, {"teacher.run": tiny.id})
    assert refusal(other.id, tmp_path / "kernel", train=True) == (
        f"rotated ({other.id[:8]}) learns from another run (teacher.run); {ends}"
    )


def test_a_kernel_that_trains_takes_no_limit(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        kernel.pack("tiny", tmp_path / "kernel", time_limit=5.0, train=True)
    assert str(caught.value) == ("a kernel that trains keeps to no time limit; leave out --time-limit, or --train")
