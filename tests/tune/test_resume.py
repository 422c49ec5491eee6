"""What is refused before a sweep goes on leaves it as it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tagging.errors import UserError
from tagging.tracking.store import Run, Store
from tune.space import digest, load_space
from tune.sweep import resume

Write = Callable[[str], Path]
SPACE = """\
experiment: base
space:
  optimizer.lr: {kind: loguniform, low: 1e-3, high: 1e-2}
trials: 4
"""
CORES = len(psutil.Process().cpu_affinity())
TOO_MANY = f"a trial is to have {CORES + 1} CPU cores; this machine has {CORES}. Give --cpu {CORES} or less"


@pytest.fixture
def finished(store: Store, write: Write) -> Run:
    """Return a finished sweep over SPACE; it has no trials."""
    file = write(SPACE)
    space = load_space(file)
    tags = {"space.digest": digest(space), "space.file": digest(space)}
    run = store.start("demo", "sweep", "lr", tags, {})
    store.log_json(run.id, {"space": space.model_dump(mode="json"), "data": "", "file": str(file)}, "space.json")
    store.finish(run.id, "FINISHED")
    return run


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
