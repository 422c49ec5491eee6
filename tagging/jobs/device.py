"""What this machine trains on, and whether it can do what a config asks for.

Imports torch only where that can matter.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import TYPE_CHECKING

from tagging.config import AnyRecipe, Experiment, Recipe
from tagging.errors import UserError
from tagging.jobs.user_files import user_codes

if TYPE_CHECKING:
    import torch


def check_machine(recipe: AnyRecipe) -> None:
    """Raise UserError where the machine or a library cannot do what is asked for."""
    anywhere = recipe.device in ("auto", "cpu")
    checked = isinstance(recipe, Experiment) and (
        recipe.training.compile or recipe.model.kind == "timm" or bool(user_codes(recipe))
    )
    if anywhere and not checked:
        return
    from tagging.jobs.build import check_model
    from tagging.jobs.tryout import check_user_files

    device = device_of(recipe)
    if isinstance(recipe, Experiment):
        precision = recipe.training.precision
        # compiled gradients are known to be wrong on CPUs below float32 (torch 2.11 to 2.15: NaN)
        if recipe.training.compile and device.type == "cpu" and precision != "float32":
            raise UserError(
                f"training.compile is true with training.precision {precision} on a CPU, where compiled gradients come "
                "out as NaN; give --set training.compile=false, or training.precision=float32"
            )
        check_model(recipe)
        check_user_files(recipe)


def device_of(recipe: Recipe) -> torch.device:
    """Return the device to train on, and set the number of CPU threads."""
    import torch

    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    name = recipe.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        _keep_freed_memory()
    if name.startswith("cuda"):
        if not torch.cuda.is_available():
            raise UserError(f"device is {name}, but torch sees no GPU here; allowed: auto, cpu")
        index = int(name.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            raise UserError(f"device is {name}, but there are {torch.cuda.device_count()} GPUs, numbered from 0")
        # the same draws give the same numbers only with the same algorithms
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
    return torch.device(name)


def _keep_freed_memory() -> None:
    """Make glibc keep large freed blocks instead of handing them back to the kernel.

    A training step frees and takes the same hundreds of megabytes again, and each page handed back costs
    a fault: steps of the small network ran 1.3 times as fast without that. Other C libraries are left be.
    """
    m_trim_threshold, m_mmap_max = -1, -4  # from glibc's malloc.h
    with suppress(AttributeError, OSError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)
