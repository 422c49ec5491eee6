"""The command line of the search: help, speed, what is refused, and how `mlflow run` calls it."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
import yaml

from tune.cli import main, parser
from tune.space import space_names

COMMANDS = next(action.choices for action in parser()._actions if action.dest == "command")
ROOT = Path(__file__).parents[2]
CORES = len(psutil.Process().cpu_affinity())
needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="says what a machine without a GPU says")


def test_help_answers_at_once_without_ray() -> None:
    code = (
        "import sys, time; from tune.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'ray', 'optuna', 'torch', 'mlflow', 'pydantic', 'rich'} & set(sys.modules)\n"
        "print(time.process_time(), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stderr) < 0.5  # seconds of a processor; each of these libraries takes longer
    for command in COMMANDS:
        assert f"\n    {command} " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err


def test_a_space_or_a_sweep_and_not_both(capsys: pytest.CaptureFixture[str]) -> None:
    expected = (
        "error: give a space, or --resume SWEEP to continue a sweep, and not both; "
        "`python -m tune spaces` lists spaces\n"
    )
    assert refused(capsys, "search") == expected
    assert refused(capsys, "search", "lr_mixup", "--resume", "lr_mixup") == expected


def test_what_makes_another_sweep_is_refused_with_resume(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "search", "--resume", "x", "--seed", "0", "--set", "seed=1", "--trials", "9") == (
        "error: --resume continues a sweep as it was begun; leave out --set, --seed\n"
    )


def test_an_unknown_space_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "search", "lr_mixp") == (
        "error: no space is called 'lr_mixp'; did you mean lr_mixup? There are: " + ", ".join(space_names()) + "\n"
    )


@pytest.mark.parametrize("folds", ["0,7", "0 7", "0, 7"])
def test_folds_are_separated_by_commas_or_spaces(capsys: pytest.CaptureFixture[str], folds: str) -> None:
    assert refused(capsys, "search", "lr_mixup", "--folds", folds) == (
        "error: --folds: folds is [0, 7]; base has folds 0 to 4\n"
    )


@needs_no_gpu
def test_a_gpu_where_there_is_none_is_refused_within_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    started = time.process_time()
    assert refused(capsys, "search", "lr_mixup", "--gpu", "0.25") == (
        "sweep lr_mixup: 40 trials of base\n"
        "error: a trial is to have 0.25 GPU; this machine has none that torch sees. Give --gpu 0\n"
    )
    assert time.process_time() - started < 10  # Ray would wait for one for ever


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["--address", "127.0.0.2:1"],
            "--address 127.0.0.2:1: no Ray cluster answers at 127.0.0.2:1; "
            "start one with `ray start --head`, and join it on this machine too (docs/cluster.md)",
        ),
        (
            ["--address", "auto", "--gpu", "auto"],
            "--gpu auto measures on this machine; give the trials of a cluster a share, such as --gpu 0.25",
        ),
        (
            ["--cpu", "9999"],
            f"a trial is to have 9999 CPU cores; this machine has {CORES}. Give --cpu {CORES} or less",
        ),
    ],
    ids=["address", "auto", "cores"],
)
def test_what_no_trial_could_have_is_refused_before_there_is_a_sweep(
    arguments: list[str],
    problem: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    assert refused(capsys, "search", "lr_mixup", *arguments) == f"sweep lr_mixup: 40 trials of base\nerror: {problem}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_folder_too_deep_for_ray_is_refused_before_there_is_a_sweep(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 60)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    first, second = refused(capsys, "search", "lr_mixup").splitlines()
    assert first == "sweep lr_mixup: 40 trials of base"
    assert second.startswith(f"error: {deep}/ray-")
    assert second.endswith(": too long a path for Ray's sockets, at most 43 bytes; set TMPDIR to a shorter one")
    assert list(tmp_path.iterdir()) == [deep]


NO_SHARE = "is not a share of a GPU, such as 0.25, a whole number of them, or auto"
NO_ADDRESS = "is neither auto nor HOST:PORT, such as head:6379"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--gpu", "1.5"], f"argument --gpu: '1.5' {NO_SHARE}"),
        (["--gpu", "nan"], f"argument --gpu: 'nan' {NO_SHARE}"),
        (["--address", "1.2.3.4:x"], f"argument --address: '1.2.3.4:x' {NO_ADDRESS}"),
        (["--address", "head"], f"argument --address: 'head' {NO_ADDRESS}"),
        (["--address", "head:65536"], f"argument --address: 'head:65536' {NO_ADDRESS}"),
        (["--trials", "0"], "argument --trials: '0' is not a whole number of 1 or more"),
    ],
)
def test_numbers_that_cannot_be(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["search", "lr_mixup", *arguments])
    assert stop.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"python -m tune search: error: {problem}"


@pytest.mark.parametrize(
    ("interrupt", "said"),
    [
        (KeyboardInterrupt(), "stopped; start the same command again"),
        (
            KeyboardInterrupt("`search --resume 1234` continues it"),
            "stopped; `search --resume 1234` continues it",
        ),
    ],
    ids=["before there is a sweep", "amid a sweep"],
)
def test_ctrl_c_names_the_command_that_continues(
    interrupt: KeyboardInterrupt, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: object) -> None:
        raise interrupt

    monkeypatch.setattr("tune.cli._spaces", stop)
    assert main(["spaces"]) == 130
    assert capsys.readouterr().err == f"\n{said}\n"


def test_an_unknown_sweep(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    said = refused(capsys, "promote", "nothing")
    assert said.startswith(f"looking for the sweep nothing\nerror: nothing: no such run in {uri}; give a run id, ")


def test_the_spaces_fit_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["spaces"]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "space     experiment  what is searched                                    trials"
    first = [line.split()[0] for line in lines[1:] if not line.startswith(" ")]
    assert first == space_names()
    assert "lr_mixup  base        optimizer.lr, mixer.prob, mixer.sigmoid_share,      40" in lines


def test_mlflow_runs_it_with_nothing_given(capsys: pytest.CaptureFixture[str]) -> None:
    entry = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]["tune"]
    empty = {name: shlex.quote(parameter["default"]) for name, parameter in entry["parameters"].items()}
    command = shlex.split(entry["command"].format(**empty))
    assert command[:3] == ["python", "-m", "tune"]
    assert refused(capsys, *command[3:]).startswith("error: give a space, or --resume SWEEP")
    # what is empty is not given: a sweep is looked for, and nothing is said of what may not come with --resume
    given = shlex.split(entry["command"].format(**{**empty, "space": "lr_mixp"}))
    assert refused(capsys, *given[3:]).startswith("error: no space is called 'lr_mixp'")
