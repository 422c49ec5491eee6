"""What a command imports, and when: its first line and what is wrong with its input come before what takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.project import Project
from tests.trainings import Trained

HEAVY = ("matplotlib", "mlflow", "numba", "pandas", "ray", "scipy.stats", "sklearn", "torch")
# notes the first line on the screen, and each heavy library as its import begins; torch looks for some without that
SCRIPT = f"""\
import sys
order, heavy = [], {HEAVY!r}

class Noting:
    def find_spec(self, name, path=None, target=None):
        if name in heavy and name not in order:
            order.append(name)

class Screen:
    def __init__(self, stream):
        self.stream = stream
    def write(self, text):
        if "line" not in order:
            order.append("line")
        return self.stream.write(text)
    def __getattr__(self, name):
        return getattr(self.stream, name)

sys.meta_path.insert(0, Noting())
sys.stdout, sys.stderr = Screen(sys.stdout), Screen(sys.stderr)
from importlib import import_module
status = import_module(sys.argv[1]).main(sys.argv[2:])
import json
print("\\n" + json.dumps([status, [name for name in order if name == "line" or name in sys.modules]]))
"""


def start(project: Project, *arguments: str, module: str = "tagging") -> tuple[int, list[str]]:
    """Run a command in a process of its own; return its exit status, and what came one after another."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, f"{module}.cli", *arguments],
        cwd=project.folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    status, order = json.loads(done.stdout.splitlines()[-1])
    return status, order


@pytest.mark.parametrize(
    ("arguments", "module"),
    [
        (("train", "tiny", "--data", "nowhere"), "tagging"),
        (("features", "tiny", "--data", "nowhere"), "tagging"),
        (("predict", "--run", "tiny", "nowhere"), "tagging"),
        (("kernel", "--run", "tiny", "--out", "experiments"), "tagging"),
        (("evaluate", "--truth", "nowhere.csv", "--run", "tiny"), "tagging"),
        (("search", "lr_mixup", "--data", "nowhere"), "tune"),
        (("search", "lr_mixup", "--cpu", "9999"), "tune"),
    ],
    ids=" ".join,
)
def test_a_wrong_folder_or_number_is_said_before_anything_heavy_is_imported(
    arguments: Sequence[str], module: str, trained: Trained
) -> None:
    assert start(trained.project, *arguments, module=module) == (2, ["line"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "tiny", "--set", "init.run=nobody"),
        ("predict", "--run", "nobody", "experiments"),
        ("predict", "--run", "nobody"),
        ("submit", "--run", "nobody"),
        ("kernel", "--run", "nobody"),
        ("live", "--run", "nobody"),
        ("select", "--runs", "nobody"),
    ],
    ids=" ".join,
)
def test_a_run_that_is_not_there_is_said_before_torch_is_imported(arguments: Sequence[str], trained: Trained) -> None:
    status, order = start(trained.project, *arguments)
    assert status == 2
    assert order[0] == "line"
    assert set(order) <= {"line", "mlflow", "pandas"}


@pytest.mark.parametrize(
    "arguments", [("show", "runs"), ("train", "tiny"), ("submit", "--out", "again.csv")], ids=" ".join
)
def test_what_is_stored_is_shown_without_torch(arguments: Sequence[str], trained: Trained) -> None:
    status, order = start(trained.project, *arguments)
    assert (status, order[0]) == (0, "line")
    assert set(order) <= {"line", "mlflow", "pandas"}


def test_a_network_is_trained_without_scikit_learn_and_scipys_statistics(project: Project) -> None:
    status, order = start(project, "train", "tiny", "--set", "training.folds=[0]", "training.epochs=1")
    assert (status, order[0]) == (0, "line")
    assert order.index("mlflow") < order.index("torch")
    assert not {"sklearn", "scipy.stats", "numba", "ray"} & set(order)
