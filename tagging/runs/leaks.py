"""Labels of clips that are held out, on their way into a run: by a teacher, then through all that learns from it."""

from __future__ import annotations

from collections.abc import Sequence

from tagging.contract import Tag
from tagging.progress import warn
from tagging.tracking.store import Run


def leaks(sources: Sequence[Run], curated: float = 0) -> list[str]:
    """Return by what ways labels of held-out clips reach a run; empty where there is none.

    `sources`: the runs that it is made from, be it by their weights or by what they say. One that has the tag hands
    it on: its fold K knows labels of fold K. `curated`: a teacher's share in the targets of curated clips.
    """
    by_teacher = (
        f"teacher.curated is {curated:g}, and out-of-fold probabilities come from networks that saw other folds"
    )
    tagged = [f"{run.title} has the tag {Tag.LEAKS}" for run in sources if Tag.LEAKS in run.tags]
    return [*([by_teacher] if curated else []), *dict.fromkeys(tagged)]


def leak_tags(ways: Sequence[str]) -> dict[str, str]:
    """Return the tags of a run with leaks: it stays out of ensembles until a person changes the tag `ensemble`."""
    return {Tag.LEAKS: "yes", Tag.MEMBERSHIP: "exclude"} if ways else {}


def warn_of_leaks(ways: Sequence[str]) -> None:
    """Warn where the CV is too good by such leaks."""
    if ways:
        warn(
            f"{'; '.join(ways)}: the training learns from labels of its held-out clips, so the CV will be "
            "too good (docs/distil.md); the run stays out of ensembles until you set its tag `ensemble` to include"
        )
