from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from tagging.tracking.provenance import environment, git_commit, git_diff


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / ".gitignore").write_text("ignored/\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_the_environment_names_machine_and_libraries() -> None:
    found = environment()
    assert found["python"] == platform.python_version()
    assert {"platform", "cpu", "cores", "memory", "torch", "torchaudio", "mlflow", "numpy"} <= set(found)
    assert all(isinstance(value, str) and value for value in found.values())


def test_a_clean_repository_has_a_commit_and_no_diff(repository: Path) -> None:
    assert git_commit(repository) == git(repository, "rev-parse", "HEAD").strip()
    assert git_diff(repository) == ""


def test_the_diff_holds_changed_and_new_sources_and_changes_nothing(repository: Path) -> None:
    (repository / "a.py").write_text("x = 2\n")
    (repository / "experiments").mkdir()
    (repository / "experiments" / "größe neu.yaml").write_text("seed: 5\n")
    (repository / "tagging" / "models").mkdir(parents=True)
    (repository / "tagging" / "models" / "mine.py").write_text("network = 1\n")
    (repository / "sound.wav").write_bytes(b"RIFF")
    (repository / "ignored").mkdir()
    (repository / "ignored" / "b.py").write_text("secret\n")
    before = git(repository, "status", "--porcelain")
    diff = git_diff(repository)
    assert "-x = 1\n+x = 2\n" in diff
    assert "experiments/größe neu.yaml" in diff
    assert "+seed: 5\n" in diff
    assert "+network = 1\n" in diff
    assert "RIFF" not in diff
    assert "secret" not in diff
    assert git(repository, "status", "--porcelain") == before


@pytest.mark.parametrize("written", ["tags.csv", "my_kernel/kernel.py", "mlartifacts/0/model.safetensors", "notes.md"])
def test_what_commands_and_people_put_beside_the_code_is_no_difference(repository: Path, written: str) -> None:
    (repository / written).parent.mkdir(parents=True, exist_ok=True)
    (repository / written).write_text("x\n")
    assert git(repository, "status", "--porcelain")
    assert git_diff(repository) == ""


def test_a_project_within_a_repository_differs_by_its_own_files(repository: Path) -> None:
    (repository / "project").mkdir()
    (repository / "project" / "b.py").write_text("y = 1\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "second")
    (repository / "a.py").write_text("x = 2\n")
    assert git_diff(repository / "project") == ""
    (repository / "project" / "b.py").write_text("y = 2\n")
    (repository / "project" / "c.py").write_text("z = 1\n")
    assert [line for line in git_diff(repository / "project").splitlines() if line.startswith(("+++", "-y", "+y"))] == [
        "+++ b/project/b.py",
        "-y = 1",
        "+y = 2",
        "+++ b/project/c.py",
    ]


def test_without_a_repository_or_a_commit_all_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert (git_commit(tmp_path), git_diff(tmp_path)) == ("", "")
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("x = 1\n")
    assert (git_commit(tmp_path), git_diff(tmp_path)) == ("", "")
    monkeypatch.setenv("PATH", "")
    assert (git_commit(tmp_path), git_diff(tmp_path)) == ("", "")
