"""Label fields ("Bark,Run") to rows of zeros and ones, and what to say where they are wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tagging.data.findings import did_you_mean


def split_labels(field: str) -> list[str]:
    """Split a label field at its commas; an empty label comes back as ''."""
    return [label.strip() for label in field.split(",")]


def encode_labels(fields: Sequence[str], classes: Sequence[str]) -> tuple[np.ndarray, list[tuple[int, str]]]:
    """Turn N label fields into targets [N, C] float32 of 0 and 1.

    A label given twice in one field counts once: a field is a set. Returned beside the targets: (row,
    label) of each label that is no class.
    """
    position = {name: index for index, name in enumerate(classes)}
    targets = np.zeros((len(fields), len(classes)), np.float32)
    unknown = []
    for row, field in enumerate(fields):
        for label in split_labels(field):
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
    return f"unknown label {label!r}{did_you_mean(label, classes)}; {allowed}"
