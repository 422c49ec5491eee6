"""The options of `select`: which runs may be members, and how the ensemble is chosen among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tagging.ensemble.pool import METHODS, Method
from tagging.ensemble.subsets import Limits

Search = Literal["enumerate", "greedy", "weights"]
By = Literal["cv", "nested"]


@dataclass(frozen=True)
class CandidateFilter:
    """Which runs may be members: of a data set, by an MLflow filter, by name. `must` names runs that are members.

    Fewer than `minimum` candidates are an error. Empty fields limit nothing.
    """

    dataset: str = ""
    where: str = ""
    runs: Sequence[str] = ()
    must: Sequence[str] = ()
    minimum: int = 2


@dataclass(frozen=True)
class SelectionSettings:
    """How an ensemble is chosen: by which means, which search, within which limits, by which score."""

    methods: tuple[Method, ...] = METHODS
    search: Search = "enumerate"
    limits: Limits = field(default_factory=Limits)
    by: By = "cv"
