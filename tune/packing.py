"""How many trials a GPU holds: what the first one needed, and what follows for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tagging.contract import Kind, Metric
from tagging.tracking.store import Run, Store

if TYPE_CHECKING:
    import torch

_USABLE = 0.95  # of a GPU's memory; allocators waste some of the rest


def memory_share(device: torch.device) -> float:
    """Return the most of a GPU's memory that was taken since `torch.cuda.reset_peak_memory_stats`, 0..1; 0 on a CPU.

    That is this process's largest pool and what lies beside it: its context and its libraries, and whatever else
    runs on the GPU, so that a trial is measured alone.
    """
    if device.type != "cuda":
        return 0.0
    import torch

    free, total = torch.cuda.mem_get_info(device)
    beside = total - free - torch.cuda.memory_reserved(device)
    return (torch.cuda.max_memory_reserved(device) + beside) / total


def gpu_share(memory: float | None) -> float:
    """Return the share of a GPU that a trial is given which takes so much of its memory, both in 0..1; None: not known.

    As many trials share one as fit beside each other; one that takes nearly all, or nobody knows what, has it alone.
    """
    return 1.0 if memory is None else 1 / max(1, int(_USABLE / memory))


def told_share(memory: float | None) -> str:
    """Say what follows for the other trials from what the first one took; None where it came to no end."""
    if memory is None:
        return "the first trial did not finish, so that nothing was measured: each trial has a GPU of its own"
    return (
        f"a trial took {memory:.0%} of the GPU's memory: {round(1 / gpu_share(memory))} at a time on each from here on"
    )


def measured(store: Store, sweep: Run) -> float | None:
    """Return the most of a GPU's memory that a finished trial of a sweep took; None where none was measured."""
    trials = store.children(sweep.id, Kind.TRIAL)
    return max((run.metrics[Metric.MEMORY_SHARE] for run in trials if Metric.MEMORY_SHARE in run.metrics), default=None)
