"""A refused `--resume` leaves the sweep as it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tagging.errors import UserError
from tagging.tracking.store import Run, Store
from tune.space import load_space
from tune.sweep import experiment_digest, resume

Write = Callable[[str], Path]
SPACE = """\
experiment: EXPERIMENT
space:
  optimizer.lr: {kind: loguniform, low: 1e-3, high: 1e-2}
seed: 3
"""
CORES = len(psutil.Process().cpu_affinity())
TOO_MANY = f"a trial is to have {CORES + 1} CPU cores; this machine has {CORES}. Give --cpu {CORES} or less"


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text("base: base\n")
    return path


@pytest.fixture
def file(write: Write) -> Path:
    """Return a space without a number of trials, of an experiment that is not there: the command line says both."""
    return write(SPACE)


@pytest.fixture
def finished(store: Store, file: Path, experiment: Path) -> Run:
    """Return a finished sweep; it has no trials."""
    given = {"trials": 4, "experiment": str(experiment), "set": {"mixer.prob": "0.7"}}
    space = load_space(file, given)
    run = store.start("demo", "sweep", "lr", {"experiment.digest": experiment_digest(space)}, {})
    kept = {"file": str(file), "given": given, "data": "", "space": space.model_dump(mode="json")}
    store.log_json(run.id, kept, "space.json")
    store.finish(run.id, "FINISHED")
    return run


def refused(sweep: Run, **resources: object) -> tuple[str, ...]:
    with pytest.raises(UserError) as error:
        resume(sweep.id, {"resources": resources}, "")
    return error.value.problems


@pytest.mark.parametrize(
    ("resources", "address", "said"),
    [
        ({"cpu": CORES + 1}, "", TOO_MANY),
        (
            {"gpu": "auto"},
            "auto",
            "--gpu auto measures on this machine; give the trials of a cluster a share, such as --gpu 0.25",
        ),
        (
            {},
            "127.0.0.2:1",
            "--address 127.0.0.2:1: no Ray cluster answers at 127.0.0.2:1; "
            "start one with `ray start --head`, and join it on this machine too (docs/cluster.md)",
        ),
    ],
    ids=["cores", "auto", "address"],
)
def test_what_no_trial_could_have_leaves_a_finished_sweep_finished(
    resources: dict[str, Any], address: str, said: str, finished: Run, store: Store
) -> None:
    before = store.read_text(finished.id, "space.json")
    with pytest.raises(UserError) as error:
        resume(finished.id, {"trials": 9, "resources": resources}, address)
    assert str(error.value) == said
    assert store.get(finished.id).status == "FINISHED"
    assert store.read_text(finished.id, "space.json") == before
    assert json.loads(before)["space"]["trials"] == 4


def test_a_change_is_named_with_the_command_of_a_new_sweep(finished: Run, file: Path, experiment: Path) -> None:
    since = "was changed since the sweep lr"
    begin = f"({finished.id[:8]}) began; take the change back, or begin a new sweep with it: python -m tune search"
    said = [
        f"the space {file} {since} {begin} {file} --name NAME",
        f"the experiment {experiment} {since} {begin} {file} --experiment {experiment} --name NAME",
    ]
    experiment.write_text("base: base\nmixer: {prob: 0.5}\n")
    assert refused(finished) == (said[1],)
    file.write_text(SPACE.replace("1e-2", "2e-2"))
    assert refused(finished) == tuple(said)
    experiment.write_text("base: base\n")
    assert refused(finished) == (said[0],)


def test_a_change_in_the_users_own_code_is_named_with_its_file(
    file: Path, experiment: Path, store: Store, tmp_path: Path
) -> None:
    code = tmp_path / "own.py"
    code.write_text("def own(logits, targets):\n    return (logits - targets).square().mean(1)\n")
    experiment.write_text(f"base: base\nloss: {{noisy: {{kind: python, file: {code}, function: own}}}}\n")
    given = {"trials": 4, "experiment": str(experiment)}
    space = load_space(file, given)
    run = store.start("demo", "sweep", "lr", {"experiment.digest": experiment_digest(space)}, {})
    kept = {"file": str(file), "given": given, "data": "", "space": space.model_dump(mode="json")}
    store.log_json(run.id, kept, "space.json")
    assert refused(run, cpu=CORES + 1) == (TOO_MANY,)
    text = code.read_text()
    code.write_text(text.replace("square", "abs"))
    assert refused(run) == (
        f"the experiment {experiment} or its own code in {code} was changed since the sweep lr ({run.id[:8]}) began; "
        f"take the change back, or begin a new sweep with it: python -m tune search {file} --experiment {experiment} "
        "--name NAME",
    )
    code.write_text(text)
    assert refused(run, cpu=CORES + 1) == (TOO_MANY,)


@pytest.mark.parametrize(
    "same",
    [
        SPACE.replace("EXPERIMENT", "base"),  # the command line named another one
        SPACE + "set: {mixer.prob: 0.1}\ntrials: 40\n",
        SPACE + "name: other\nnotes: x\nkeep: 9\n",
    ],
)
def test_fields_of_the_command_line_are_no_change(same: str, finished: Run, file: Path, experiment: Path) -> None:
    file.write_text(same)
    assert refused(finished, cpu=CORES + 1) == (TOO_MANY,)


def test_a_relative_path_of_the_experiment_is_no_change_elsewhere(
    finished: Run, file: Path, experiment: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = json.loads(store.read_text(finished.id, "space.json"))
    kept["given"]["experiment"] = experiment.name
    store.log_json(finished.id, kept, "space.json")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert refused(finished, cpu=CORES + 1) == (TOO_MANY,)


def test_a_space_that_is_gone_or_was_not_noted_is_taken_from_the_run(
    finished: Run, file: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    file.unlink()
    assert refused(finished, cpu=CORES + 1) == (TOO_MANY,)
    kept = json.loads(store.read_text(finished.id, "space.json"))
    store.log_json(finished.id, {"space": kept["space"], "data": ""}, "space.json")
    assert refused(finished, cpu=CORES + 1) == (TOO_MANY,)
    assert capsys.readouterr().out.splitlines() == [
        f"{file} is missing; the sweep continues with the space in its run",
        "lr does not name the file of its space; the sweep continues with the space in its run",
    ]
