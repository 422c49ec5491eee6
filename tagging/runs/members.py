"""The members of an ensemble with their weights, written to the run's file and read from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tagging import RECIPE_VERSION
from tagging.contract import File
from tagging.ensemble.blend import weighted_mean
from tagging.ensemble.pool import METHODS, Method
from tagging.errors import UserError
from tagging.runs.stored import read_members
from tagging.tracking.store import Run, Store


@dataclass(frozen=True)
class Member:
    """A run in an ensemble; the weights of all its members sum to 1."""

    run: Run
    weight: float


@dataclass(frozen=True)
class Ensemble:
    """The members of an ensemble and how they are blended: `method` is `geometric` or `arithmetic`."""

    method: Method
    members: tuple[Member, ...]

    @property
    def runs(self) -> list[Run]:
        """The members' runs."""
        return [member.run for member in self.members]

    @property
    def shares(self) -> str:
        """The members' names, with their weights where these are not all the same."""
        return ", ".join(weighted_names([run.name for run in self.runs], [member.weight for member in self.members]))

    def blend(self, probabilities: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Return the weighted mean [n, C] of the members' probabilities, one [n, C] each, in their order."""
        return weighted_mean(probabilities, [member.weight for member in self.members], self.method)

    def fingerprint(self) -> str:
        """Return the sha256 of all that decides its numbers: members, weights, method; not the members' order."""
        parts = sorted(f"{member.run.id} {member.weight:.12g}" for member in self.members)
        return hashlib.sha256("\n".join(["ensemble", str(RECIPE_VERSION), self.method, *parts]).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Return what the run's file holds."""
        members = [
            {"run": member.run.id, "name": member.run.name, "kind": member.run.kind, "weight": member.weight}
            for member in self.members
        ]
        return {"method": self.method, "members": members}


def distinct_names(runs: Sequence[Run]) -> list[str]:
    """Return the runs' names, with the beginning of the id where several share one."""
    names = [run.name for run in runs]
    return [run.name if names.count(run.name) == 1 else f"{run.name} {run.id[:8]}" for run in runs]


def weighted_names(names: Sequence[str], weights: Sequence[float]) -> list[str]:
    """Return names with their weights, without them where all are the same."""
    equal = len({round(weight, 9) for weight in weights}) == 1
    return [name if equal else f"{name} {weight:.3f}" for name, weight in zip(names, weights, strict=True)]


def ensemble_of(method: Method, runs: Sequence[Run], weights: Sequence[float]) -> Ensemble:
    """Return an ensemble of the runs with a weight above 0; the weights sum to 1, the heaviest member is first."""
    total = float(sum(weights))
    members = [Member(run, weight / total) for run, weight in zip(runs, weights, strict=True) if weight > 0]
    return Ensemble(method, tuple(sorted(members, key=lambda member: -member.weight)))


def read_ensemble(store: Store, run: Run) -> Ensemble:
    """Return the members of a run of kind ensemble.

    Raises UserError where the file is damaged, and one that names every member that was deleted meanwhile.
    """
    stored = read_members(store, run, File.ENSEMBLE, ("weight",))
    if stored.get("method") not in METHODS:
        raise UserError(
            f"{run.title}: {File.ENSEMBLE} has the method {stored.get('method')!r}; allowed: {', '.join(METHODS)}"
        )
    entries = stored["members"]
    runs = member_runs(store, run, entries, "an ensemble predicts nothing new; `select` makes another one")
    members = [Member(one, entry["weight"]) for one, entry in zip(runs, entries, strict=True)]
    return Ensemble(stored["method"], tuple(members))


def member_runs(store: Store, run: Run, entries: Sequence[Mapping[str, Any]], without: str) -> list[Run]:
    """Return the runs of the members in a run's file; UserError with a line for each deleted one, and what follows."""
    problems, runs = [], []
    for entry in entries:
        try:
            runs.append(store.get(entry["run"]))
        except UserError as error:
            problems += [f"{run.title} needs its member {entry['name']}: {problem}" for problem in error.problems]
    if problems:
        raise UserError(*problems, f"without its members {without}")
    return runs
