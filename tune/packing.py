"""How many trials share a GPU: the memory of the first one is measured, and as many run as fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tagging.contract import Kind, Metric
from tagging.tracking.store import Run, Store

if TYPE_CHECKING:
    import torch

_USABLE = 0.95  # of a GPU's memory; allocators waste some of the rest


def memory_share(device: torch.device) -> float:
    """Return the peak share of a GPU's memory since `torch.cuda.reset_peak_memory_stats`, 0..1; 0 on a CPU.

    It counts this process's pool, its context and libraries, and whatever else runs on the GPU: the trial that is
    measured must have the GPU alone.
    """
    if device.type != "cuda":
        return 0.0
    import torch

    free, total = torch.cuda.mem_get_info(device)
    beside = total - free - torch.cuda.memory_reserved(device)
    return (torch.cuda.max_memory_reserved(device) + beside) / total


def gpu_share(memory: float | None) -> float:
    """Return a trial's share of a GPU (1/2: two trials share one), from its share of the memory; both in 0..1.

    As many trials share a GPU as fit into its memory; one of unknown memory (None) has a GPU alone.
    """
    return 1.0 if memory is None else 1 / max(1, int(_USABLE / memory))


def share_text(memory: float | None) -> str:
    """Return the message on the share of a GPU; `memory` as for `gpu_share`."""
    if memory is None:
        return "the first trial did not finish, so nothing was measured: each trial has a GPU of its own"
    at_once = round(1 / gpu_share(memory))
    return f"a trial took {memory:.0%} of the GPU's memory: {at_once} at a time on each GPU from now on"


def measured(store: Store, sweep: Run) -> float | None:
    """Return the largest measured share of a GPU's memory of the sweep's trials; None without one."""
    trials = store.children(sweep.id, Kind.TRIAL)
    return max((run.metrics[Metric.MEMORY_SHARE] for run in trials if Metric.MEMORY_SHARE in run.metrics), default=None)
