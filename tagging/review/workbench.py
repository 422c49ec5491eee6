"""The state of a review: the queue, the two label lists with what was decided, and how far it has come."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tagging.data.label_lists import REMOVE, apply_corrections, select_noisy
from tagging.data.labels import encode_labels
from tagging.review.clips import ReviewedClips
from tagging.review.decisions import (
    CONFLICT,
    KEEP,
    RELABEL,
    SKIP,
    TRUST,
    UNDECIDED,
    Decision,
    Decisions,
    now,
    reviewing,
)
from tagging.review.queue import LabelErrors, Reason, Suspect, find_label_errors, labels_of, queue
from tagging.review.suspects import most_similar


@dataclass
class Workbench:
    """Clips under review, and the label lists that the decisions go to: of curated and of noisy clips."""

    clips: ReviewedClips
    corrections: Decisions
    selection: Decisions

    @cached_property
    def errors(self) -> LabelErrors:
        """What confident learning finds in the curated labels."""
        return find_label_errors(self.clips)

    @cached_property
    def suspects(self) -> list[Suspect]:
        """The queue; clips about which two people decided otherwise come first."""
        suspects = queue(self.clips, self.errors)
        disputed = {
            clip: Reason(CONFLICT, 1.0, decision.reason)
            for clip in range(len(self.clips.fnames))
            if (decision := self.decision(clip)) and decision.decision == CONFLICT
        }
        known = {suspect.clip: suspect for suspect in suspects}
        first = [
            Suspect(clip, (reason, *(known[clip].reasons if clip in known else ())))
            for clip, reason in disputed.items()
        ]
        return [*first, *(suspect for suspect in suspects if suspect.clip not in disputed)]

    def list_of(self, clip: int) -> Decisions:
        """Return the list that a clip belongs to."""
        return self.corrections if clip < len(self.clips.curated) else self.selection

    def allowed(self, clip: int) -> tuple[str, ...]:
        """Return what can be decided about a clip; a selection of noisy clips does not relabel."""
        return (KEEP, RELABEL if self.list_of(clip) is self.corrections else TRUST, REMOVE, SKIP)

    def decision(self, clip: int) -> Decision | None:
        """Return the decision in force about a clip."""
        return self.list_of(clip).in_force.get(self.clips.fnames[clip])

    def is_decided(self, clip: int) -> bool:
        """Tell whether somebody decided about a clip, and did not skip it."""
        decision = self.decision(clip)
        return decision is not None and decision.decision not in UNDECIDED

    def decide(self, suspect: Suspect, decision: str, labels: Sequence[str] = ()) -> None:
        """Decide about a clip; `labels` are the new ones of one that is relabelled. Errors as `Decisions.add`."""
        clip, reason = suspect.clip, suspect.reasons[0]
        field = {RELABEL: ",".join(labels), TRUST: labels_of(self.clips, clip)}.get(decision, "")
        into = self.list_of(clip)
        into.add(
            Decision(
                who=into.who,
                when=now(),
                clip=self.clips.fnames[clip],
                decision=decision,
                labels=field,
                reason=f"{reason.kind}: {reason.text}",
                score=round(reason.score, 4),
                run=self.clips.runs[0].id,
            )
        )

    def undo(self) -> int | None:
        """Undo the newest own decision; return its clip, None where there is none or it is not shown."""
        found = [(last.when, one, last) for one in (self.corrections, self.selection) if (last := one.last())]
        if not found:
            return None
        _, one, last = max(found, key=lambda each: each[0])
        one.undo(last)
        curated = len(self.clips.curated)
        part = range(curated) if one is self.corrections else range(curated, len(self.clips.fnames))
        return next((clip for clip in part if self.clips.fnames[clip] == last.clip), None)

    @property
    def done(self) -> int:
        """The number of suspects that are decided."""
        return sum(self.is_decided(suspect.clip) for suspect in self.suspects)

    @property
    def errors_left(self) -> float:
        """The estimated number of curated labels that are wrong or missing, less those that decisions changed.

        A clip that is removed counts with the labels that are likely in place of its own, at least one.
        """
        found, classes = 0, self.clips.dataset.classes
        for clip in range(len(self.clips.curated)):
            decision, given = self.decision(clip), self.clips.given[clip]
            if decision and decision.decision == REMOVE:
                found += max(1, int((given != self.errors.likely[clip]).sum()))
            elif decision and decision.decision == RELABEL:
                found += int((given != (encode_labels([decision.labels], classes)[0][0] > 0)).sum())
        return max(0.0, self.errors.expected - found)

    def likely(self, clip: int) -> list[str]:
        """Return the labels that the runs would give a clip."""
        if clip < len(self.clips.curated):
            return self.clips.names(self.errors.likely[clip])
        present = self.clips.probabilities[clip] >= self.errors.thresholds
        return self.clips.names(present)

    def similar(self, clip: int, number: int = 4) -> list[tuple[int, float]]:
        """Return the curated clips whose probabilities are nearest to a clip's, with the cosine, the nearest first."""
        curated = len(self.clips.curated)
        rows, cosines = most_similar(self.clips.probabilities[clip], self.clips.probabilities[:curated], number + 1)
        found = [(row, cosine) for row, cosine in zip(rows.tolist(), cosines.tolist(), strict=True) if row != clip]
        return found[:number]

    def command(self) -> str:
        """Return the command that trains with the lists; empty as long as they hold nothing."""
        lists = [
            f"labels.{name}={one.path.absolute()}"
            for name, one in (("corrections", self.corrections), ("noisy_selection", self.selection))
            if any(decision.entry is not None for decision in one.in_force.values())
        ]
        if not lists:
            return ""
        experiment = self.clips.experiment
        data = ["--data", str(self.clips.dataset.folder.absolute())] if experiment.data.kind == "folder" else []
        return shlex.join(["python", "-m", "tagging", "train", experiment.name, *data, "--set", *lists])


@contextmanager
def opened(clips: ReviewedClips, corrections: Path, selection: Path, who: str) -> Iterator[Workbench]:
    """Open the label lists of clips for a review; errors as `reviewing`."""
    dataset = clips.dataset

    def of_curated(entries: Mapping[str, str], origin: Path) -> None:
        apply_corrections(dataset.curated, dataset.classes, entries, origin)

    def of_noisy(entries: Mapping[str, str], origin: Path) -> None:
        select_noisy(dataset.noisy, dataset.classes, entries, origin)

    with (
        reviewing(corrections, who, of_curated) as curated,
        reviewing(selection, who, of_noisy, TRUST) as noisy,
    ):
        yield Workbench(clips, curated, noisy)
