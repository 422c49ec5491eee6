"""A run as the rest of the project sees it, and the forms in which MLflow takes names and values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tagging.contract import File, Kind, Tag
from tagging.errors import UserError

LONGEST_PARAM = 6000
LONGEST_NAME = 250
LONGEST_NUMBER = 10  # digits of a number that is a tag


@dataclass(frozen=True)
class DataInput:
    """Clips that a run reads, as the UI lists them.

    `use` says what for (contract.DataUse); `digest` identifies the clips with their labels, at most 36 characters;
    `counts` are numbers of clips by their source. `name` is that of the data set, which lies in the folder `source`.
    """

    use: str
    name: str
    digest: str
    source: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Run:
    """One run of the store, as it was when it was read. `dataset` is the MLflow experiment's name."""

    id: str
    name: str
    status: str
    experiment_id: str
    dataset: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]
    start_time: int
    parent_id: str | None

    @property
    def title(self) -> str:
        """What messages call it: its name and the beginning of its id, `tiny (0123abcd)`."""
        return f"{self.name} ({self.id[:8]})"

    @property
    def link(self) -> str:
        """Its page within the UI, for links on other pages."""
        return f"#/experiments/{self.experiment_id}/runs/{self.id}"

    @property
    def report_link(self) -> str:
        """Its report within the UI."""
        return f"{self.link}/artifacts/{File.REPORT}"

    @property
    def kind(self) -> str:
        """What the run is: experiment, fold, sweep, trial, stacker, ensemble or launch; empty if foreign."""
        return self.tags.get(Tag.KIND, "")

    def tag(self, name: str) -> str:
        """Return a tag that the run must have; UserError where it is gone, since people edit tags in the UI."""
        if name not in self.tags:
            raise UserError(f"{self.title}: its tag {name} is gone; set it again in the UI, or train the run again")
        return self.tags[name]

    def number(self, tag: str) -> int:
        """Return a tag that is a whole number of 0 or more; UserError where it is gone or is none."""
        text = self.tag(tag)
        if not (text.isascii() and text.isdigit() and len(text) < LONGEST_NUMBER):
            raise UserError(
                f"{self.title}: its tag {tag} is {text[:40]!r}, not a number as 0 or 1; set it right in the UI"
            )
        return int(text)

    def score(self, metric: str) -> float:
        """Return a metric that the run must have; UserError where it is gone or not finite."""
        value = self.metrics.get(metric, math.nan)
        if not math.isfinite(value):
            anew = f"`python -m tagging predict --run {(self.parent_id or self.id)[:8]}` computes it again"
            raise UserError(f"{self.title}: its metric {metric} is gone, or no number; {anew}")
        return value

    @property
    def predicts_as(self) -> str:
        """The kind of run that predicts in the same way: a trial is an experiment or a stacker."""
        return self.params.get("kind", Kind.EXPERIMENT) if self.kind == Kind.TRIAL else self.kind


def metric_name(text: str) -> str:
    """Return the text as a name that MLflow takes for a metric.

    Characters that it refuses (brackets, ampersands, commas ...) become one underscore; a name that
    it takes comes back unchanged.
    """
    allowed = re.sub(r"_*[^\w\-. :/]+_*", "_", text)
    if allowed != text:
        allowed = allowed.strip("_")
    # read as a path, as MLflow does, the name must be in its shortest form
    parts = [part for part in allowed.split("/") if part.strip(".")]
    return ("/".join(parts) or "_")[:LONGEST_NAME]


def param_value(value: object) -> str:
    """Return a param as text; one that is too long for MLflow is shortened and says so."""
    text = str(value)
    if len(text) <= LONGEST_PARAM:
        return text
    note = f" … (shortened here: {len(text)} characters, in full in config.yaml)"
    return text[: LONGEST_PARAM - len(note)] + note


def check_texts(texts: Mapping[str, object]) -> None:
    """Raise UserError for every text, by its name, that no store can keep, since UTF-8 does not hold it.

    Half of a character, as YAML takes it by "\\ud800", or a byte of the command line that is no UTF-8.
    """
    problems = []
    for name, value in texts.items():
        try:
            str(value).encode()
        except UnicodeEncodeError as error:
            letter = ascii(error.object[error.start])
            problems.append(
                f"{name}: {letter} (character {error.start + 1}) is no text that a store can keep; leave it out"
            )
    if problems:
        raise UserError(*problems)


def clause(field: str, value: str, comparison: str = "=") -> str:
    """Return one comparison in MLflow's filter language; empty for a text that it cannot quote.

    The language knows no escapes, so a text with both kinds of quotes has to be compared afterwards.
    """
    quote = next((mark for mark in "'\"" if mark not in value), None)
    return f"{field} {comparison} {quote}{value}{quote}" if quote else ""
