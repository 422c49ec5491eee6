from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from tagging.tracking.environment import environment, git_commit, git_state


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
    state = git_state(repository)
    assert state.commit == git(repository, "rev-parse", "HEAD").strip() == git_commit(repository)
    assert (state.dirty, state.diff) == (False, "")


def test_the_diff_holds_changed_and_new_sources_and_changes_nothing(repository: Path) -> None:
    (repository / "a.py").write_text("x = 2\n")
    (repository / "experiments").mkdir()
    (repository / "experiments" / "größe neu.yaml").write_text("seed: 5\n")
    (repository / "sound.wav").write_bytes(b"RIFF")
    (repository / "ignored").mkdir()
    (repository / "ignored" / "b.py").write_text("secret\n")
    before = git(repository, "status", "--porcelain")
    state = git_state(repository)
    assert state.dirty
    assert "-x = 1\n+x = 2\n" in state.diff
    assert "experiments/größe neu.yaml" in state.diff
    assert "+seed: 5\n" in state.diff
    assert "RIFF" not in state.diff
    assert "secret" not in state.diff
    assert git(repository, "status", "--porcelain") == before


def test_without_a_repository_or_a_commit_all_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path).commit == ""
    git(tmp_path, "init", "-q")
    assert git_state(tmp_path).commit == ""
    monkeypatch.setenv("PATH", "")
    assert git_state(tmp_path).dirty is False
