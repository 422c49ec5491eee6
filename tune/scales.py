"""The axis of a searched field in a picture: the place of a trial on it, and its ticks."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from matplotlib.colors import LogNorm, Normalize

from tagging.config.load import leaf_text
from tagging.report.canvas import fitted
from tune.records import TrialRecord, is_number, words

FEW = 5  # so many different numbers get a tick each
CHOICE = 1.3  # inches for a line of the text of a choice
APART = 0.02  # shift of trials of equal choices, so that they do not cover each other


@dataclass(frozen=True)
class Scale:
    """The axis of a field: `norm` maps its values to 0..1; `choices` are texts in their order, none for numbers."""

    field: str
    norm: Normalize
    numbers: tuple[float, ...]
    choices: tuple[str, ...]

    @property
    def log(self) -> bool:
        """Whether the axis is logarithmic."""
        return isinstance(self.norm, LogNorm)

    @property
    def name(self) -> str:
        """The field's path, with a note on a logarithmic axis."""
        return f"{self.field} (logarithmic)" if self.log else self.field

    def place(self, trial: TrialRecord) -> float:
        """Return the trial's value, or the index of its choice with a small shift; NaN without a value."""
        if self.field not in trial.values:
            return math.nan
        value = trial.values[self.field]
        if not self.choices:
            return float(value)
        return self.choices.index(leaf_text(value)) + APART * (trial.number % 7 - 3)

    def height(self, trial: TrialRecord) -> float:
        """Return the trial's place on the axis in 0..1; NaN without a value."""
        place = self.place(trial)
        return place if math.isnan(place) else float(self.norm(place))

    def ticks(self) -> list[tuple[float, str]]:
        """Return places and their texts: every choice, every one of a few numbers, else both ends and two between."""
        if self.choices:
            return [(index, _in_lines(words(choice))) for index, choice in enumerate(self.choices)]
        return number_ticks(self.norm, self.numbers)


def scales(trials: Sequence[TrialRecord], log_scaled: Collection[str]) -> list[Scale]:
    """Return the axes of all searched fields, in the order in which they appear."""
    fields = dict.fromkeys(field for trial in trials for field in trial.values)
    return [_scale(field, trials, field in log_scaled) for field in fields]


def number_ticks(norm: Normalize, numbers: Sequence[float]) -> list[tuple[float, str]]:
    """Return places and their texts: every one of a few numbers, else both ends and two between."""
    few = sorted(set(numbers))
    if len(few) > FEW or len({f"{number:.3g}" for number in few}) < len(few):
        few = [float(norm.inverse(share)) for share in (0, 1 / 3, 2 / 3, 1)]
    return [(number, f"{number:.3g}") for number in few]


def norm_of(numbers: Sequence[float], log: bool = False) -> Normalize:
    """Return a map of the numbers to 0..1, of a single one to the middle."""
    low, high = min(numbers), max(numbers)
    if log and low > 0:
        return LogNorm(low, high) if low < high else LogNorm(low / 2, high * 2)
    return Normalize(low, high) if low < high else Normalize(low - 0.5, high + 0.5)


def _in_lines(choice: str) -> str:
    return ",\n".join(fitted(part, CHOICE, 8) for part in choice.split(", "))


def _scale(field: str, trials: Sequence[TrialRecord], log: bool) -> Scale:
    values = [trial.values[field] for trial in trials if field in trial.values]
    if all(map(is_number, values)):
        return Scale(field, norm_of(values, log), tuple(values), ())
    ordered = sorted(values, key=lambda value: (0, value, "") if is_number(value) else (1, 0, leaf_text(value)))
    choices = tuple(dict.fromkeys(map(leaf_text, ordered)))
    # a margin for shifted trials
    return Scale(field, Normalize(-0.15, len(choices) - 0.85), (), choices)
