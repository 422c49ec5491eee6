"""What a run was made with: machine, library versions, state of the source code. Imports no MLflow."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tagging import project
from tagging.contract import File

if TYPE_CHECKING:
    from tagging.tracking.files import Files

LIBRARIES = ("torch", "torchaudio", "mlflow", "numpy")
# new files that decide what a command does; as git reads these, a * reaches into folders, but not after (glob)
SOURCES = ("tagging/*.py", "tune/*.py", "tune/*.yaml", "experiments/*.yaml", ":(glob)*.py")


def environment() -> dict[str, str]:
    """Return Python, system, processor, memory, GPUs and libraries of this machine.

    A library that is not installed, and a GPU that is not there, is left out.
    """
    found = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "gpu": ", ".join(_gpus()),
        **{name: _version(name) for name in LIBRARIES},
    }
    return {key: value for key, value in found.items() if value}


def git_commit(project: Path) -> str:
    """Return the hash of the commit that is checked out; empty without git, repository or commit."""
    return _git(project, "rev-parse", "--verify", "HEAD").strip()


def git_diff(project: Path) -> str:
    """Return how the files of a project differ from the commit that is checked out; empty where they do not.

    Of files that git does not know, code and settings count (SOURCES), but not what commands write: tables, sound,
    packed kernels. Nothing in the repository is changed. Without git, repository or commit it is empty.
    """
    if not git_commit(project):
        return ""
    index = project / _git(project, "rev-parse", "--git-path", "index").strip()
    with tempfile.TemporaryDirectory(prefix="tagging-") as folder:
        # New files show in a diff once the index knows of them: a copy of the index will do.
        copy = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        if index.exists():
            shutil.copyfile(index, copy["GIT_INDEX_FILE"])
        new = _git(project, "ls-files", "-z", "--others", "--exclude-standard", "--", *SOURCES)
        if new:
            paths = ("--pathspec-from-file=-", "--pathspec-file-nul")
            _git(project, "add", "--intent-to-add", *paths, env=copy, text=new)
        return _git(project, "diff", "--no-color", "--no-ext-diff", "HEAD", "--", ".", env=copy)


def _git(project: Path, *arguments: str, env: dict[str, str] | None = None, text: str = "") -> str:
    command = ["git", "-C", str(project), "-c", "core.quotepath=off", *arguments]
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, env=os.environ | (env or {}))
    except OSError:  # git is not installed
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _gpus() -> list[str]:
    import pynvml  # here, since most commands never ask for it

    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        names = [pynvml.nvmlDeviceGetName(handle) for handle in handles]
    except pynvml.NVMLError:  # no driver, no GPU
        return []
    return [name.decode() if isinstance(name, bytes) else name for name in names]


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def code_tags() -> dict[str, str]:
    """Return the tags that say which commit is checked out, and whether the code differs from it."""
    return {"git.commit": git_commit(project.root()), "git.dirty": "yes" if git_diff(project.root()) else "no"}


def log_provenance(store: Files, run_id: str) -> None:
    """Log the machine and the libraries, and what the code differs by where it does."""
    store.log_json(run_id, environment(), File.ENVIRONMENT)
    if diff := git_diff(project.root()):
        store.log_text(run_id, diff, File.DIFF)
