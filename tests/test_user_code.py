"""A class or function of a user's own file: what is wrong with it, in whole messages."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tagging.errors import UserError
from tagging.user_code import UserCode, imported
from tests.stand_in import stand_in


def code_of(path: Path, text: str, name: str = "Net", kind: str = "class", **arguments: object) -> UserCode:
    path.write_text(text)
    return UserCode("model", kind, name, arguments, hashlib.sha256(path.read_bytes()).hexdigest(), path)


def problem(code: UserCode) -> str:
    with pytest.raises(UserError) as error:
        code.call()
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nclass Net:\n    def f(:\n", "model: {path}:3: SyntaxError: invalid syntax"),
        ("import os\nimport nowhere_to_be\n", "model: {path}:2: ModuleNotFoundError: No module named 'nowhere_to_be'"),
        ("\nraise ValueError('a\\nb')\n", "model: {path}:2: ValueError: a"),
        ("Net = 3\n", "model.class: {path} has no class 'Net'; There are none"),
        (
            "class Nets:\n    pass\nclass Other:\n    pass\n",
            "model.class: {path} has no class 'Net'; did you mean Nets? There are: Nets, Other",
        ),
        ("def Net():\n    pass\n", "model.class: {path} has no class 'Net'; There are none"),
        (
            "class Net:\n    def __init__(self):\n        self.size = 1\n        self.part = {}['width']\n",
            "model: {path}:4: KeyError: 'width'",
        ),
        (
            "class Net:\n    def __init__(self, width):\n        pass\n",
            "model: {path}:2: TypeError: Net.__init__() missing 1 required positional argument: 'width'",
        ),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(text: str, message: str, tmp_path: Path) -> None:
    assert problem(code_of(tmp_path / "my.py", text)) == message.format(path=tmp_path / "my.py")


def test_an_error_in_a_library_is_named_by_the_users_line_that_led_there(tmp_path: Path) -> None:
    text = "import json\nclass Net:\n    def __init__(self):\n        json.loads('[')\n"
    assert problem(code_of(tmp_path / "my.py", text)) == (
        f"model: {tmp_path}/my.py:4: JSONDecodeError: Expecting value: line 1 column 2 (char 1)"
    )


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    code = code_of(tmp_path / "my.py", "class Net: pass\n# missing\n")
    code.path.unlink()
    assert problem(code) == (
        f"model.file: {tmp_path}/my.py: there is no such file; its path is relative to the project's root"
    )


def test_a_file_that_has_changed_is_not_run(tmp_path: Path) -> None:
    code = code_of(tmp_path / "my.py", "class Net: pass\n# before\n")
    code.path.write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    now = hashlib.sha256(code.path.read_bytes()).hexdigest()
    assert problem(code) == (
        f"model.file: {tmp_path}/my.py has changed: its sha256 is {now[:12]}…, that of the run's file is "
        f"{code.sha256[:12]}…; bring back the content that the run was trained with"
    )
    assert not (tmp_path / "ran").exists()


def check_not_run(path: Path, tmp_path: Path) -> None:
    """Check that a file that leaves a sign is not run, by its path or by a link to it."""
    code = code_of(path, f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    (tmp_path / "link.py").symlink_to(path)
    for given in (path, tmp_path / "link.py"):
        linked = UserCode("model", "class", "Net", {}, code.sha256, given)
        assert problem(linked) == (
            f"model.file: {given} is in a store of runs, and code from a store is never run; look at it, then copy it "
            "to a folder of your own and name the copy"
        )
    assert not (tmp_path / "ran").exists()


def test_nothing_is_run_from_the_projects_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path / "project", monkeypatch)
    folder = tmp_path / "project" / "mlruns" / "demo"
    folder.mkdir(parents=True)
    check_not_run(folder / "my.py", tmp_path)


@pytest.mark.parametrize("uri", ["sqlite:///{folder}/other.db", "{folder}/files"])
def test_nothing_is_run_from_the_artifact_location_of_another_store(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient(uri.format(folder=tmp_path))
    experiment = client.create_experiment("demo", artifact_location=(tmp_path / "elsewhere").as_uri())
    run = client.create_run(experiment).info
    client.log_text(run.run_id, "class Net: pass\n", "code/my.py")
    path = tmp_path / "elsewhere" / run.run_id / "artifacts" / "code" / "my.py"
    assert path.read_text() == "class Net: pass\n"
    check_not_run(path, tmp_path)


def test_a_file_runs_once_and_its_classes_know_their_module(tmp_path: Path) -> None:
    text = (
        "from dataclasses import dataclass\n"
        f"with open({str(tmp_path / 'runs')!r}, 'a') as file:\n    file.write('once')\n"
        "@dataclass\nclass Net:\n    width: int\n"
    )
    code = code_of(tmp_path / "my.py", text, width=3)
    assert (code.call().width, code.call().width) == (3, 3)
    assert (tmp_path / "runs").read_text() == "once"


def test_the_path_of_a_file_is_no_part_of_its_code(tmp_path: Path) -> None:
    first, second = (code_of(tmp_path / name, "class Net: pass\n") for name in ("a.py", "b.py"))
    assert first == second
    assert str(tmp_path) not in repr(first)


def test_imported_libraries_are_those_that_are_not_pythons_own() -> None:
    text = (
        "import os, numpy as np\nfrom scipy.signal import stft\ndef f():\n    import einops.layers\nfrom . import x\n"
    )
    assert imported(text) == {"numpy", "scipy", "einops"}
