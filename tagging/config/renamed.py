"""Fields that had another name once: runs outlive it, their `config.yaml` is read with today's."""

from __future__ import annotations

import copy

from tagging.config.tree import Tree

RENAMED = {
    "loss.curated_weight": "loss.curated.weight",
    "loss.trusted_weight": "loss.trusted.weight",
    "loss.noisy_weight": "loss.noisy.weight",
    "loss.noisy_beta": "loss.noisy.beta",
}


def with_new_names(tree: Tree) -> Tree:
    """Return a tree in which every leaf of a former name has today's."""
    renamed = copy.deepcopy(tree)
    for former, name in RENAMED.items():
        *sections, leaf = former.split(".")
        place = renamed
        for section in sections:
            place = place.get(section, {})
        if leaf in place:
            _put(renamed, name, place.pop(leaf))
    return renamed


def _put(tree: Tree, path: str, value: object) -> None:
    *sections, leaf = path.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[leaf] = value
