"""The report of a fold: its curves beside those of the other folds, what is odd about it, its worst clips."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from tagging.pages.cards import Scored, Sounds
from tagging.pages.experiment import class_chart, curve_charts, worst_cards
from tagging.pages.odd import Epochs, fold_facts
from tagging.report.html import html_page
from tagging.tracking.store import Run


def fold_page(folds: Mapping[int, Run], fold: int, epochs: Epochs, scored: Scored, sounds: Sounds, clips: int) -> str:
    """Return the report of a finished fold in HTML.

    `folds`: the runs of the finished folds by number. `scored`: the out-of-fold predictions of their clips. `clips`:
    cards of worst predictions.
    """
    facts = {each.number: each for each in fold_facts(folds, epochs, scored)}
    others = [each.lwlrap for number, each in facts.items() if number != fold and each.lwlrap is not None]
    own = scored.of_fold(fold)
    return html_page(
        "fold",
        run=folds[fold],
        fold=facts[fold],
        others_mean=statistics.fmean(others) if others else None,
        count=len(own.fnames),
        curves=curve_charts(epochs, fold),
        by_class=class_chart(own),
        worst=worst_cards(own, sounds, clips),
    )
