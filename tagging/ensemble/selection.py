"""What a way of choosing came to: its blend, and the honest estimate of what choosing that way is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from tagging.ensemble.blend import Blend

Key = TypeVar("Key")


@dataclass(frozen=True)
class Selection:
    """The blend that a way of choosing picks, with its score and the nested estimate.

    blend: chosen on all clips. score: its CV lwlrap in 0..1, pooled over all labels; optimistic, since the
    choice was made on the same clips. nested: the same way of choosing on all folds but one, scored on the
    labels of that one, pooled over the folds, in 0..1. fold_blends [K]: what was chosen without fold k.
    fold_scores [K]: lwlrap of `fold_blends[k]` on fold k.
    """

    blend: Blend
    score: float
    nested: float
    fold_blends: tuple[Blend, ...]
    fold_scores: tuple[float, ...]


def best_by_score(selections: Mapping[Key, Selection]) -> Key:
    """Return the key of the highest CV score; of equal ones the first."""
    return max(selections, key=lambda key: selections[key].score)


def best_by_nested(selections: Mapping[Key, Selection]) -> Key:
    """Return the key of the highest nested estimate; of equal ones the first.

    The estimate of the winner is itself the highest of several, so slightly optimistic.
    """
    return max(selections, key=lambda key: selections[key].nested)
