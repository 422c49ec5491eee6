"""Write a page that shows a data set: random clips of each class, and what is odd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tagging import seeds
from tagging.augment.views import apply_views, draw_views
from tagging.config import Experiment
from tagging.data.audio import SoundFile
from tagging.errors import UnreadableSound, room_in
from tagging.features.table import cut_windows
from tagging.jobs.build import mix_settings, view_settings
from tagging.jobs.experiment import ExperimentJob
from tagging.jobs.inputs import Labelled
from tagging.jobs.prepare import prepare
from tagging.jobs.user_files import settled
from tagging.pages.cards import Sounds
from tagging.pages.look import Look, flat_samples, look_page, window_pictures
from tagging.progress import Bar, say
from tagging.report.wording import count

PAGE_CLIPS = 40  # on a page, where nobody says how many a class
MOST_A_CLASS = 3


def look(experiment: Experiment, labelled: Labelled, out: Path, seed: int = 0, clips: int | None = None) -> None:
    """Write the page of a data set to `out`; the log-mels and the augmentation are those of an experiment.

    `clips`: a class, None for a page of about forty. `seed` decides which clips and windows are shown. Raises UserError
    for bad input, as a training does.
    """
    if not len(labelled.dataset.noisy):
        experiment = experiment.changed("sampling.curated", 1.0).changed("sampling.noisy", 0.0)
    job = prepare(settled(experiment), labelled=labelled)
    splits = (job.dataset.curated, job.dataset.noisy)
    names, sources = ("curated", "noisy"), np.repeat(("curated", "noisy"), [len(some) for some in splits])
    fnames = [fname for some in splits for fname in some.fnames]
    labels = np.concatenate([some.labels for some in splits])
    classes = job.dataset.classes
    a_class = clips or max(1, min(MOST_A_CLASS, PAGE_CLIPS // len(classes)))
    chosen = chosen_clips(labels, a_class, seed)
    shown = [clip for some in chosen for clip in some]
    windows = _windows(job, np.concatenate([job.rows[name] for name in names])[shown], seed)
    sounds = Sounds(dict(zip(fnames, [path for some in splits for path in some.paths], strict=True)))
    looks = {
        clip: Look(
            fname=fnames[clip],
            source=str(sources[clip]),
            labels=[classes[index] for index in np.flatnonzero(labels[clip])],
            excerpt=sounds.of(fnames[clip]),
            before=before,
            after=after,
        )
        for clip, (before, after) in zip(shown, windows, strict=True)
    }
    seconds, clipped = _scanned(job)
    page = look_page(
        data_set=job.dataset.name,
        experiment=experiment.name,
        mixed=mix_settings(experiment).prob,
        looks={name: [looks[clip] for clip in some] for name, some in zip(classes, chosen, strict=True)},
        labels={name: some.labels for name, some in zip(names, splits, strict=True)},
        seconds=seconds,
        findings=[*job.warnings, *clipped],
    )
    with room_in(out):
        out.write_text(page, encoding="utf-8")
    say(f"wrote {out}: {count(len(shown), 'clip')} of {count(len(classes), 'class')}")


def chosen_clips(labels: np.ndarray, a_class: int, seed: int) -> list[list[int]]:
    """Return for each class up to `a_class` random clips that carry it and stand at no earlier class.

    labels [N, C] of 0 and 1.
    """
    generator, taken = np.random.default_rng(seed), set[int]()
    chosen = []
    for carried in labels.T > 0:
        order = generator.permutation(np.flatnonzero(carried)).tolist()
        chosen.append([clip for clip in order if clip not in taken][:a_class])
        taken.update(chosen[-1])
    return chosen


def _windows(job: ExperimentJob, rows: np.ndarray, seed: int) -> list[tuple[bytes, bytes]]:
    """Return pictures of a window of each row of the log-mels, before and after augmentation."""
    logmels, settings, features = job.features.logmels, view_settings(job.recipe), job.recipe.features
    clips = torch.from_numpy(rows)
    draws = draw_views(logmels.lengths[clips], settings, logmels.n_mels, seeds.generator(seed, "look"))
    before = cut_windows(logmels, clips, draws.crops.starts, settings.frames, draws.crops.wrap)
    after = apply_views(logmels, clips, draws, settings)
    seconds = settings.frames * features.hop / features.sample_rate
    return [window_pictures(*pair, seconds) for pair in zip(before.numpy(), after.numpy(), strict=True)]


def _scanned(job: ExperimentJob) -> tuple[np.ndarray, list[str]]:
    """Return the seconds of all clips, and a sentence on the clipped ones where there are any."""
    data = job.dataset
    files = [
        pair for some in (data.curated, data.noisy, data.test) for pair in zip(some.fnames, some.paths, strict=True)
    ]
    seconds, clipped = [], []
    with Bar("listening for clipped sound", "clip", len(files)) as bar:
        for fname, path in files:
            try:
                file = SoundFile(path)
                length, flat = flat_samples(file.mono())
            except UnreadableSound:  # it was changed since its log-mels were made
                continue
            seconds.append(length / file.rate)
            if flat:
                clipped.append(f"{fname} ({count(flat, 'sample')})")
            bar.update(1)
    return np.array(seconds), [f"clipped, with equal samples in a row at full scale: {', '.join(clipped)}"] * bool(
        clipped
    )
