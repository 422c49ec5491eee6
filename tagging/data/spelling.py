"""Labels that are not what they look like: several written as one, and two that look the same."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

# in hardly any name of a class, and what other programs write between labels
_BETWEEN_LABELS = re.compile(r"\s*[;|；｜，、،؛]\s*")
# in names and between labels alike
_IN_NAMES_TOO = re.compile(r"\s*[/&+]\s*")
_QUOTES = "'\"`´‘’‚‛“”„‟‹›«»′″"
_BRACKETS = ("[]", "()", "{}")


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


def doubtful(classes: Sequence[str]) -> list[str]:
    """Return the classes that may be several labels and may be one: words that are classes too, and signs of a list."""
    known = set(classes)
    return [
        name
        for name in classes
        if _BETWEEN_LABELS.search(name) or (len(name.split()) > 1 and known.issuperset(name.split()))
    ]


def twins(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the names that look alike, two or more each time.

    They differ in case, in Unicode form, in quotation marks, in signs that are not seen, or in blanks, `_` and `-`.
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_look(name), []).append(name)
    return [tuple(group) for group in alike.values() if len(group) > 1]


def spelled(name: str, others: Iterable[str]) -> str:
    """Quote a name; where it reads as one of the others to the eye, with its letters as Unicode numbers."""
    form = unicodedata.normalize("NFC", name)
    same = any(other != name and unicodedata.normalize("NFC", other) == form for other in others)
    return ascii(name) if same else repr(name)


def _parts(separator: re.Pattern[str], label: str) -> list[str]:
    return [part for part in separator.split(label.strip()) if part]


def _look(name: str) -> str:
    seen = "".join(
        sign
        for sign in unicodedata.normalize("NFKC", name).casefold()
        if unicodedata.category(sign) != "Cf" and sign not in _QUOTES
    )
    return " ".join(re.sub(r"[\s_-]+", " ", seen).split())
