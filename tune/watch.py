"""Sees that Ray itself has died beneath a sweep, which would wait for it."""

from __future__ import annotations

import time
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.experiment import Trial

from tune.session import answers

_EVERY = 2.0  # seconds from one look to the next
_PATIENCE = 6.0  # seconds for which the head may be silent; Ray itself ends this process after 60


class RayDied(BaseException):
    """Ray has died, and how to go on.

    No Exception: after one, Ray would first ask those who died to clean up, for a minute.
    """


class Watch(Callback):
    """Raises RayDied out of a sweep whose own node or whose head is dead, as after a kill of a raylet or of the GCS.

    No trial lives on then: they belong to the driver, whose node Ray takes for gone. Made within a session.
    """

    def __init__(self, sweep_id: str) -> None:
        self._sweep_id = sweep_id
        context = ray.get_runtime_context()
        self._node, self._head = context.get_node_id(), context.gcs_address
        self._next = self._heard = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """Hand Ray's own record of the sweep nothing: it is scratch."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Trial], **_: Any) -> None:
        """Look, between two steps of the sweep."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY
        if not answers(self._head):  # Ray is asked nothing then: it would answer after a minute
            if now - self._heard > _PATIENCE:
                raise self._died(f"Ray's head at {self._head} died")
            return
        self._heard = now
        if not any(node["Alive"] for node in ray.nodes() if node["NodeID"] == self._node):
            raise self._died("Ray's raylet on this machine died")

    def _died(self, what: str) -> RayDied:
        return RayDied(
            f"{what}, and all trials with it (was there memory enough?); "
            f"`python -m tune search --resume {self._sweep_id[:8]}` goes on with the sweep"
        )
