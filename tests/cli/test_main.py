"""The command line itself: help, speed, and the exit status of a user's error."""

from __future__ import annotations

import errno
import gc
import subprocess
import sys
from pathlib import Path

import pytest

from tagging.cli import main, parser
from tagging.commandline import importing
from tagging.commands import show
from tagging.config import Experiment, flatten, load
from tagging.config.tree import read_yaml

COMMANDS = next(action.choices for action in parser()._actions if action.dest == "command")


def test_help_answers_at_once_without_torch() -> None:
    code = (
        "import sys, time; from tagging.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'mlflow', 'pandas', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "print(time.process_time(), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # 0.03 s of a processor are seen; each of these libraries takes longer than all that
    assert float(done.stderr) < 0.5
    for command in COMMANDS:
        assert f"\n    {command} " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_fits_a_terminal(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m tagging {command}")


def test_a_users_error_goes_to_stderr_and_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "smoke", "--set", "seed=-1 mixr.prob=1"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        "error: --set seed: seed is '-1'; it must be greater than or equal to 0\n"
        "error: --set mixr.prob: mixr is not a field; did you mean mixer? There are: "
        + ", ".join(Experiment.model_fields)
        + "\n"
    )


def test_a_port_that_there_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["ui", "--port", "65536"])
    assert stop.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "python -m tagging ui: error: argument --port: '65536' is not a whole number of 1 to 65535"


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(show, "show_schema", refuse)
        assert main(["show", "schema"]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}: Permission denied\n"


def test_empty_arguments_mean_not_given(capsys: pytest.CaptureFixture[str]) -> None:
    # as `mlflow run` hands over parameters that nobody gave
    assert main(["show", "experiment", "smoke", "--data", "", "--set", ""]) == 0
    with_empty = capsys.readouterr().out
    assert main(["show", "experiment", "smoke"]) == 0
    assert capsys.readouterr().out == with_empty


def test_show_experiment_prints_yaml_that_loads(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "experiment", "smoke", "--set", "seed=7"]) == 0
    (tmp_path / "smoke.yaml").write_text(capsys.readouterr().out)
    assert load(tmp_path / "smoke.yaml") == load("smoke", ["seed=7"])
    assert set(read_yaml(tmp_path / "smoke.yaml")[1]) >= set(flatten(load("smoke")))


def test_show_schema_lists_every_field_and_variant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "schema"]) == 0
    text = capsys.readouterr().out
    for path in flatten(Experiment()):
        assert f"  {path} = " in text or path.endswith(".kind"), path
    for kind in ("random", "stratified", "column", "plateau", "constant", "folder", "demo", "aux_skip_attention"):
        assert f".kind = {kind}: " in text
    assert "  optimizer.lr = 0.0009  (float, > 0)\n      learning rate\n" in text
    assert max(map(len, text.splitlines())) <= 80
    for line in (
        "  early_stopping.patience = 18  (int, >= 1, <= 1000000, or null)",
        "  training.folds = []  (list of int, >= 0, <= 1000000)",
        "  sampling.noisy_pool = all  (all or trusted)",
        "scheduler.kind = plateau: The learning rate is cut when val_lwlrap no longer\n    rises. The default.",
    ):
        assert f"\n{line}\n" in text
    # own fields first, variants once
    assert text.index("\n  loss.aux1_weight = ") < text.index("\nloss.curated.kind = ")
    assert "loss.noisy.kind = lq" not in text
    assert (
        "\nloss.noisy: as loss.curated. The default is loss.noisy.kind = soft_bce:\n"
        "  loss.noisy.weight = 0.5\n  loss.noisy.keep_below = 1.0\n  loss.noisy.beta = 0.7\n\n"
    ) in text


def test_libraries_are_imported_without_the_garbage_collector_which_comes_back() -> None:
    collecting = [gc.isenabled()]

    def fail() -> None:
        with importing():
            collecting.append(gc.isenabled())
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert [*collecting, gc.isenabled()] == [True, False, True]
