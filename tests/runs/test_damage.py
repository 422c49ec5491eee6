"""Every command with every file of a run that it reads, damaged in every way: told with run and file, in one line."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable, Iterator

import pandas as pd
import pytest

from tagging.commands.submit import submit
from tagging.contract import File, split_path
from tagging.tracking.store import Run
from tests.commands.test_evaluate import write_truth
from tests.project import Project
from tests.selection.test_ensemble_run import write
from tests.trainings import Inside, copied, working_in

BEST, LAST = "checkpoints/best/model.safetensors", "checkpoints/last/state.json"
TEST, NOISY = split_path("test", 1), split_path("noisy", 1)
TEACHER = "name=student teacher.run=tiny teacher.noisy=0.5 teacher.curated=0.5"
# by command, the files that it reads: of a run, or of its fold 1
READS: dict[tuple[str, ...], list[str]] = {
    ("submit", "--run", "tiny"): [f"tiny {File.FOLDS}", f"tiny {TEST}"],
    ("evaluate", "--truth", "{truth}", "--run", "tiny"): [f"tiny {File.FOLDS}", f"tiny {TEST}"],
    ("predict", "--run", "tiny"): ["tiny config.yaml", f"tiny {File.FOLDS}", f"tiny/1 {BEST}", f"tiny/1 {LAST}"],
    ("predict", "{clip}", "--run", "tiny"): [
        "tiny config.yaml",
        f"tiny {File.FOLDS}",
        f"tiny {File.OOF}",
        f"tiny/1 {BEST}",
    ],
    ("predict", "{clip}", "--run", "stacked"): ["stacked config.yaml", "stacked stacker.json", f"stacked/1 {BEST}"],
    ("predict", "{clip}", "--run", "blend"): ["blend ensemble.json", f"blend {File.FOLDS}", f"tiny/1 {BEST}"],
    ("predict", "--run", "stacked"): ["stacked config.yaml", f"stacked/1 {BEST}", f"tiny {File.OOF_TILES}"],
    ("predict", "--run", "blend"): ["blend ensemble.json", f"tiny {File.OOF}", f"tiny {File.PER_CLIP}"],
    ("kernel", "--run", "blend"): ["blend ensemble.json", f"blend {File.OOF}", "tiny config.yaml", f"tiny/1 {BEST}"],
    ("kernel", "--run", "tiny", "--train"): ["tiny config.yaml", f"tiny {File.FOLDS}", f"tiny {File.OOF}"],
    ("select", "--runs", "tiny,other"): [f"tiny {File.OOF}", f"tiny {File.PER_CLIP}", f"tiny {File.FOLDS}"],
    ("train", "tiny", "--set", "name=heir init.run=tiny"): [f"tiny {File.FOLDS}", f"tiny/1 {BEST}"],
    ("train", "tiny", "--set", TEACHER): [f"tiny {File.FOLDS}", f"tiny {File.OOF}", f"tiny {NOISY}"],
    ("train", "stacked", "--set", "seed=7"): [f"tiny {File.FOLDS}", f"tiny {File.OOF_TILES}", f"tiny {TEST}"],
}
CASES = [(command, file) for command, files in READS.items() for file in files]


def other_content(whole: bytes, name: str) -> bytes:
    """Return a file of the same format that says something else."""
    if name.endswith(".parquet"):
        table = pd.read_parquet(io.BytesIO(whole))
        target = io.BytesIO()
        table.assign(fname=1).to_parquet(target)
        return target.getvalue()
    if name.endswith(".json"):
        return json.dumps({"members": 5, "history": [{}]}).encode()
    return b"- a\n" if name.endswith(".yaml") else b"\x08\0\0\0\0\0\0\0{}      "


DAMAGES: dict[str, Callable[[bytes, str], bytes]] = {
    "empty": lambda whole, name: b"",
    "half": lambda whole, name: whole[: len(whole) // 2],
    "noise": lambda whole, name: bytes(byte ^ 0xA5 for byte in whole),
    "other": other_content,
}
LONG = [name for name in DAMAGES if name != "half"]


@pytest.fixture(scope="module")
def at_hand(stacked_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Inside]]:
    """Work with two experiments, their stacker and an ensemble of all three."""
    project = copied(stacked_project, tmp_path_factory.mktemp("damaged") / "project")
    shutil.copy(stacked_project.folder / "experiments" / "stacked.yaml", project.folder / "experiments")
    with working_in(project) as store:
        inside = Inside(project.folder, store)
        write(inside, ["tiny", "other", "stacked"], [1, 1, 1])
        write_truth(project.folder / "truth.csv", submit("tiny", project.folder / "submission.csv"))
        yield project, inside


def run_of(inside: Inside, name: str) -> Run:
    """Return a run by its name, or a fold of it by `NAME/FOLD`."""
    name, _, fold = name.partition("/")
    run = inside.store.resolve(name)
    return next(child for child in inside.store.children(run.id) if child.tags["fold"] == fold) if fold else run


@pytest.mark.parametrize("damage", ["half", *(pytest.param(name, marks=pytest.mark.long) for name in LONG)])
@pytest.mark.parametrize(("command", "file"), CASES, ids=[f"{' '.join(command)}: {file}" for command, file in CASES])
def test_a_damaged_file_is_told_with_its_run(
    at_hand: tuple[Project, Inside], command: tuple[str, ...], file: str, damage: str
) -> None:
    project, inside = at_hand
    name, path = file.split(" ")
    run = run_of(inside, name)
    (demo,) = (project.folder / "data").glob("demo-*")
    places = {"clip": next((demo / "test").iterdir()), "truth": project.folder / "truth.csv"}
    local = inside.store.fetch(run.id, path)
    whole = local.read_bytes()
    told = re.escape(f"{run.title}: {path} cannot be used: ")
    if path == BEST:
        told = re.escape(f"{local}: the weights are ") + "|tiny .* its fields are the same, its weights are not"
    try:
        local.write_bytes(DAMAGES[damage](whole, path))
        done = project.run(*(part.format(**places) for part in command), code=2)
        before = "(init.run: |teacher.run: |members: |not a candidate: )?(tiny .*, fold 1: )?"
        assert re.search(f"^error: {before}({told}).+$", done.stderr, re.MULTILINE), done.stderr
    finally:
        local.write_bytes(whole)


def test_a_damaged_list_of_warnings_is_told_and_stops_nothing(at_hand: tuple[Project, Inside]) -> None:
    project, inside = at_hand
    run = run_of(inside, "tiny")
    inside.store.log_text(run.id, "text", File.WARNINGS)
    inside.store.fetch(run.id, File.WARNINGS).write_bytes(b"\xff\xfe\xff")
    done = project.run("submit", "--run", "tiny")
    inside.store.fetch(run.id, File.WARNINGS).unlink()
    assert done.stderr == (
        f"submission of run tiny\nwarning: clips that were left out are not named: {run.title}: "
        f"{File.WARNINGS} cannot be used: 'utf-8' codec can't decode byte 0xff in position 0: "
        "invalid start byte; bring it back from a copy, or "
        "train the run again\n"
    )
