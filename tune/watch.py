"""Sees that Ray itself has died beneath a sweep, which would wait for it for ever."""

from __future__ import annotations

import time
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.experiment import Trial

from tagging.errors import UserError

_EVERY = 2.0  # seconds from one look to the next


class Watch(Callback):
    """Raises UserError out of a sweep whose own node is dead, as that of a killed raylet is.

    No trial lives on then: they belong to the driver, whose node Ray takes for gone. Made within a session.
    """

    def __init__(self, sweep_id: str) -> None:
        self._sweep_id = sweep_id
        self._node = ray.get_runtime_context().get_node_id()
        self._next = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """Hand Ray's own record of the sweep nothing: it is scratch."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Trial], **_: Any) -> None:
        """Look, between two steps of the sweep."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY
        if not any(node["Alive"] for node in ray.nodes() if node["NodeID"] == self._node):
            raise UserError(
                "Ray's raylet on this machine died, and all trials with it (was there memory enough?); "
                f"`python -m tune search --resume {self._sweep_id[:8]}` goes on with the sweep"
            )
