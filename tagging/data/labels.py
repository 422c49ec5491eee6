"""Label fields ("Bark,Run") to rows of zeros and ones, and what to say where they are wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tagging.data.findings import did_you_mean, limited, quoted
from tagging.data.spelling import doubtful, is_list, joined_labels, list_items, spelled, split_labels, twins


def encode_labels(fields: Sequence[str], classes: Sequence[str]) -> tuple[np.ndarray, list[tuple[int, str]]]:
    """Turn N label fields into targets [N, C] float32 of 0 and 1.

    A label given twice in one field counts once: a field is a set. Returned beside the targets: (row,
    label) of each label that is no class; for a field that is a list as programs write it, the whole field.
    """
    position = {name: index for index, name in enumerate(classes)}
    targets = np.zeros((len(fields), len(classes)), np.float32)
    unknown = []
    for row, field in enumerate(fields):
        for label in [field] if is_list(field) else split_labels(field):
            if label in position:
                targets[row, position[label]] = 1
            else:
                unknown.append((row, label))
    return targets, unknown


def say_unknown(label: str, field: str, classes: Sequence[str], allowed: str) -> str:
    """Word what is wrong with a label of `field` that is no class; `allowed` says where the classes stand."""
    if not field.strip():
        return f"the labels field is empty; give at least one label, or remove the line; {allowed}"
    if not label:
        return f"an empty label in {field!r}; remove the comma too many"
    if is_list(label):
        return f"{label!r} is a list; {_write(list_items(label))}; {allowed}"
    if parts := joined_labels(label, classes):
        return f"{label!r} reads as the labels {quoted(parts)}; {_write(parts)}, or rename it if it is one; {allowed}"
    return f"unknown label {spelled(label, classes)}{did_you_mean(label, classes)}; {allowed}"


def _write(labels: Sequence[str]) -> str:
    return f'write "{",".join(labels)}"' if labels else "give at least one label, or remove the line"


def say_twins(classes: Sequence[str], where: Callable[[str], str]) -> list[str]:
    """Warn of classes that look alike (`spelling.twins`); `where` names the place of a class."""
    groups = twins(classes)

    def say(group: tuple[str, ...]) -> str:
        names = " and ".join(spelled(name, group) for name in group)
        return f"{where(group[-1])}: {names} look alike but are {len(group)} classes; if they are one, spell them alike"

    return limited(groups, say, "classes that look alike")


def say_doubtful(classes: Sequence[str], where: Callable[[str], str]) -> list[str]:
    """Warn of classes that may be several labels in truth (`spelling.doubtful`); `where` as for `say_twins`."""

    def say(name: str) -> str:
        return f"{where(name)}: {name!r} is taken for one class; labels are separated by commas"

    return limited(doubtful(classes), say, "classes that may be several")
