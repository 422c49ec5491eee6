from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tagging.config import load
from tagging.jobs.experiment import ExperimentJob
from tests.members.facts import FACTS, Facts
from tests.members.standin import prepare_standin, write_standin


@dataclass(frozen=True)
class Member:
    """A member on the stand-in, as published, and what is published of it."""

    name: str
    folder: Path
    job: ExperimentJob
    facts: Facts


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make the stand-in for all tests; its 260 MB do not stay."""
    folder = tmp_path_factory.mktemp("standin") / "fsdkaggle2019"
    write_standin(folder)
    yield folder
    shutil.rmtree(folder.parent)


@pytest.fixture(scope="module", params=FACTS)
def member(request: pytest.FixtureRequest, standin: Path) -> Member:
    """Prepare each member in turn."""
    job = prepare_standin(load(request.param, ["device=cpu"], data=standin))
    return Member(request.param, standin, job, FACTS[request.param])
