"""How an ensemble is to be chosen, as the command line says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tagging.ensemble.pool import METHODS, Method
from tagging.ensemble.subsets import Limits

Search = Literal["enumerate", "greedy", "weights"]
By = Literal["cv", "nested"]


@dataclass(frozen=True)
class Wish:
    """How an ensemble is to be chosen: by which means, which search, within which limits, by which number."""

    methods: tuple[Method, ...] = METHODS
    search: Search = "enumerate"
    limits: Limits = field(default_factory=Limits)
    by: By = "cv"
