"""Label fields ("Bark,Run"): their targets, their classes, and what is wrong or doubtful about them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np

from tagging.data.findings import did_you_mean, limited, quoted, spelled

# in hardly any name of a class, and what other programs write between labels
_BETWEEN_LABELS = re.compile(r"\s*[;|；｜，、،؛]\s*")
# in names and between labels alike
_IN_NAMES_TOO = re.compile(r"\s*[/&+]\s*")
_QUOTES = "'\"`´‘’‚‛“”„‟‹›«»′″"
_BRACKETS = ("[]", "()", "{}")


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


def warn_of_alike(classes: Sequence[str], where: Callable[[str], str]) -> list[str]:
    """Warn of classes that look alike; `where` names the place of a class.

    They differ in case, in Unicode form, in quotation marks, in signs that are not seen, or in blanks, `_` and `-`.
    """
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(_look(name), []).append(name)

    def warning(group: Sequence[str]) -> str:
        names = " and ".join(spelled(name, group) for name in group)
        return f"{where(group[-1])}: {names} look alike but are {len(group)} classes; if they are one, spell them alike"

    return limited([group for group in alike.values() if len(group) > 1], warning, "classes that look alike")


def warn_of_joined(classes: Sequence[str], where: Callable[[str], str]) -> list[str]:
    """Warn of classes that may be several labels: of words that are classes too, or with signs of a list."""
    known = set(classes)
    doubtful = [
        name
        for name in classes
        if _BETWEEN_LABELS.search(name) or (len(name.split()) > 1 and known.issuperset(name.split()))
    ]

    def warning(name: str) -> str:
        return f"{where(name)}: {name!r} is taken for one class; labels are separated by commas"

    return limited(doubtful, warning, "classes that may be several")


def split_labels(field: str) -> list[str]:
    """Split a label field at its commas; an empty label comes back as ''."""
    return [label.strip() for label in field.split(",")]


def is_list(field: str) -> bool:
    """Whether a label field is a list as Python, JSON or NumPy write it; a name in brackets, as [noise], is none."""
    field = field.strip()
    if field[:1] + field[-1:] not in _BRACKETS:
        return False
    inner = field[1:-1].strip()
    return not inner or inner[0] + inner[-1] in ("''", '""') or field[-1] not in split_labels(field)[0]


def list_items(field: str) -> list[str]:
    """Return the labels in a field that is a list."""
    return [label.strip(f" {_QUOTES}") for label in re.split(r",|(?<=['\"])\s+(?=['\"])", field.strip()[1:-1]) if label]


def joined_labels(label: str, known: Collection[str]) -> list[str]:
    """Return the labels that a label of another table or list reads as, where it is several, else none.

    Several are what `;`, `|` or a comma of another script parts, whatever the parts are; what `/`, `&` or `+` parts,
    since names hold these too, and what stands in brackets, where all of it is among the `known` labels.
    """
    parts = _parts(_BETWEEN_LABELS, label)
    if parts != [label]:
        return parts
    parts = _parts(_IN_NAMES_TOO, label.strip("[](){}"))
    return parts if parts != [label] and set(known).issuperset(parts) else []


def class_names(fields: Iterable[str]) -> list[str]:
    """Return the classes that label fields name, sorted; no class is what is empty, a list, or several joined.

    `;` and the like join labels where one of the parts is a label, or a part of another label, too.
    """
    labels = {label for field in fields if not is_list(field) for label in split_labels(field)} - {""}
    count = Counter(part for label in labels for part in {*_parts(_BETWEEN_LABELS, label)})

    def is_one(label: str) -> bool:
        if _BETWEEN_LABELS.search(label):
            return all(count[part] == 1 for part in _parts(_BETWEEN_LABELS, label))
        return not joined_labels(label, labels)

    return sorted(filter(is_one, labels))


def _parts(separator: re.Pattern[str], label: str) -> list[str]:
    return [part for part in separator.split(label.strip()) if part]


def _look(name: str) -> str:
    seen = "".join(
        sign
        for sign in unicodedata.normalize("NFKC", name).casefold()
        if unicodedata.category(sign) != "Cf" and sign not in _QUOTES
    )
    return " ".join(re.sub(r"[\s_-]+", " ", seen).split())
