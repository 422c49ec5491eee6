"""New sound, decoded once for all runs that are to tag it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tagging.data.audio import read_sounds
from tagging.errors import UnreadableSound, UserError
from tagging.features.logmel import LogMel, trim_waveform
from tagging.features.settings import LogMelSettings
from tagging.features.table import LogMels
from tagging.progress import Bar, warn
from tagging.report.wording import count


@dataclass(frozen=True)
class NewSound:
    """Clips by name, and their log-mels for each way of making them."""

    fnames: list[str]
    logmels: dict[LogMelSettings, LogMels]


def read_new_sound(
    place: Path, files: Sequence[Path], settings: Collection[LogMelSettings], device: torch.device
) -> NewSound:
    """Read the files of a folder, or the one file that is named: decoded once, each of its log-mels made once.

    Raises UserError if none can be read; unreadable files are named and left out.
    """
    root = place if place.is_dir() else place.parent
    front_ends = {each: LogMel(each, device) for each in settings}
    fnames: list[str] = []
    clips: dict[LogMelSettings, list[Tensor]] = {each: [] for each in settings}
    with Bar("features", "clip", len(files)) as bar:
        for path in files:
            bar.update(1)
            try:
                sounds = read_sounds(path, {each.sample_rate for each in settings})
            except UnreadableSound as error:
                warn(str(error))
                continue
            for each, front_end in front_ends.items():
                clips[each] += front_end([trim_waveform(sounds[each.sample_rate].samples, each)])
            fnames.append(path.relative_to(root).as_posix())
    if not fnames:
        raise UserError(f"{place}: no sound that can be read in {count(len(files), 'file')}")
    return NewSound(fnames, {each: LogMels.from_clips(made) for each, made in clips.items()})
