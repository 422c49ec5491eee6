"""Every member on the whole of FSDKaggle2019 by name and label, against what is published of it."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tagging import seeds
from tagging.config import load
from tagging.jobs.experiment import ExperimentJob
from tagging.sources import CURATED, NOISY, TRUSTED
from tagging.training.sampling import SourcePools
from tests.config.test_members import FACTS as CONFIGURED
from tests.members.conftest import Member
from tests.members.facts import FACTS
from tests.members.steps import EPOCH, FOLD, STEPS, two_steps
from tests.shared import needs_shared

pytestmark = needs_shared
CLIPS, NOISY_CLIPS, CLASSES, FOLDS = 4970, 19_815, 80, 5
DRAWS, BATCH, FEW = 32_768, 128, 8


def test_there_are_facts_of_every_member() -> None:
    assert set(FACTS) == set(CONFIGURED)


def test_the_label_lists_change_what_they_should(member: Member) -> None:
    prepared = member.job
    relabelled = (prepared.corrected != prepared.dataset.curated.labels).any(axis=1)
    assert (len(prepared.dataset.curated), len(prepared.dataset.noisy)) == (CLIPS, NOISY_CLIPS)
    assert (int(prepared.removed.sum()), int(relabelled.sum())) == (member.facts.removed, member.facts.relabelled)
    assert (int(prepared.trusted.sum()), int(prepared.dropped.sum())) == (member.facts.trusted, member.facts.dropped)
    # the stand-in has fewer sounds than clips
    assert [warning for warning in prepared.warnings if not warning.startswith("the same sound ")] == []


def test_the_folds_are_those_of_the_winning_solution(member: Member) -> None:
    digits = "".join(map(str, member.job.folds))
    assert hashlib.sha1(digits.encode()).hexdigest() == "d3710d0d91435afdba5022d1956b6ae7650abd4c"


def test_every_fold_trains_and_validates_on_as_many_clips_as_published(member: Member) -> None:
    facts = member.facts
    left = CLIPS - facts.removed
    pools = [member.job.source_rows.pools(k) for k in range(FOLDS)]
    sizes = [{source: len(rows) for source, rows in pool.items()} for pool in pools]
    assert sizes == [
        {CURATED: left - held_out, NOISY: facts.noisy, TRUSTED: facts.trusted} for held_out in facts.validated
    ]
    assert tuple(len(member.job.clips.rows.held_out(k)) for k in range(FOLDS)) == facts.validated


def test_an_epoch_draws_each_source_as_often_as_published(member: Member) -> None:
    prepared = member.job
    assert member.job.training(FOLD).batches.steps == DRAWS // BATCH
    _, sources = draw(prepared, DRAWS // BATCH)
    assert len(sources) == DRAWS
    counts = np.bincount(sources, minlength=3).tolist()
    for count, published in zip(counts, member.facts.draws, strict=True):
        share = published / DRAWS
        assert abs(count - published) <= 3 * math.sqrt(DRAWS * share * (1 - share)), counts


def test_no_clip_is_drawn_that_its_source_must_not_have(member: Member) -> None:
    prepared = member.job
    allowed = fnames_by_source(member)
    # the store holds the curated clips first, then the noisy ones
    fnames = np.array([*prepared.dataset.curated.fnames, *prepared.dataset.noisy.fnames])
    assert {source: set(fnames[rows]) for source, rows in prepared.source_rows.pools(FOLD).items()} == allowed
    rows, sources = draw(prepared, DRAWS // BATCH)
    for source, allowed_fnames in allowed.items():
        assert set(fnames[rows[sources == source]]) <= allowed_fnames


def test_two_steps_of_a_small_network(member: Member) -> None:
    overrides = ["device=cpu", "model.base_size=4", f"sampling.batch_size={FEW}"]
    # which prepare does not read
    prepared = replace(member.job, recipe=load(member.name, overrides, data=member.folder))
    seen = two_steps(prepared)
    assert seen.steps_an_epoch == DRAWS // FEW
    assert seen.inputs == [(FEW, 3, 128, 256)] * STEPS
    assert seen.targets == [(FEW, CLASSES)] * STEPS
    assert seen.outputs == [[(FEW, CLASSES)] * member.facts.heads] * STEPS
    assert np.isfinite(seen.losses).all()
    assert seen.finite_gradients
    _, sources = draw(prepared, STEPS)
    assert np.concatenate(seen.sources).tolist() == sources.tolist()  # so `draw` draws as a training does


def draw(prepared: ExperimentJob, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and sources of the first draws of fold 0, without making the batches."""
    sampling = prepared.recipe.sampling
    pools = SourcePools(
        {source: torch.from_numpy(rows) for source, rows in prepared.source_rows.pools(FOLD).items()},
        {CURATED: sampling.curated, NOISY: sampling.noisy, TRUSTED: sampling.trusted},
    )
    draws = [
        pools.draw(sampling.batch_size, seeds.generator(prepared.recipe.seed, FOLD, EPOCH, step, "batch"))
        for step in range(steps)
    ]
    rows, sources = (torch.cat(part).numpy() for part in zip(*draws, strict=True))
    return rows, sources


def fnames_by_source(member: Member) -> dict[int, set[str]]:
    """Return the clips that fold 0 may draw, read from the label lists themselves."""
    prepared = member.job
    labels, data = prepared.recipe.labels, prepared.dataset
    _, removed = said_of(member.folder / labels.corrections)
    trusted, dropped = said_of(member.folder / labels.noisy_selection) if labels.noisy_selection else (set(), set())
    trained = {fname for fname, fold in zip(data.curated.fnames, prepared.folds, strict=True) if fold != FOLD}
    # trained with the bug of that day, L_soft too sees the trusted clips alone
    noisy = trusted if member.name == "corr_noisy_004_as_committed" else set(data.noisy.fnames) - dropped
    return {CURATED: trained - removed, NOISY: noisy, TRUSTED: trusted}


def said_of(path: Path) -> tuple[set[str], set[str]]:
    """Return the fnames that a label list gives labels, and those that it removes."""
    entries = json.loads(path.read_text())
    removed = {fname for fname, said in entries.items() if said == "remove"}
    return set(entries) - removed, removed
