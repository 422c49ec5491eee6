"""The lab journal: the experiments of a store by date, what each changed, how good it is, and what people noted."""

from __future__ import annotations

import math
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from tagging.contract import DATA_TAGS, TOP, TRAINED, Kind, Metric, Tag
from tagging.masking import showable
from tagging.report import charts
from tagging.report.html import html_page
from tagging.report.pages import page
from tagging.runs.result import seed_spread
from tagging.tracking.place import page as address
from tagging.tracking.store import Run, Store

SEED_BAR = 2.0  # standard deviations over training seeds
# how the paragraphs begin that this project writes into a description; the rest of it is typed by people
OURS = (
    *("## CV lwlrap ", "## Best lwlrap ", "## No finished trial", "**The best other run**", "**On corrected labels**"),
    *("**Differs from**", "**The same settings as**", "**Started from**", "**Learns from**", "**The CV is too good:**"),
    *("**Experiment**", "**Data set**", "**Best classes:**", "**Worst classes:**", "**How to continue**", "```"),
    *("**Gain**", "**Chosen**", "**Geometric mean**", "**Arithmetic mean**", "| member |", "… and ", "**A search**"),
    *("**It leads**", "**Its values**", "**The front**", "|  |", "**Most common error**", "**Not at its end yet.**"),
    *("Each fold is predicted by its best epoch", "**Trial ", "**Report:**"),
)
OURS_BY_NUMBER = re.compile(r"\d[\d,]* warnings? recorded in|\*\*\d[\d,]* trials?\*\*")
# tags of runs that have no name in contract.Tag
OTHER_TAGS = frozenset(
    {"git.commit", "git.dirty", "worst", "warnings", "folds", "parent", "space", "pid", "pid.start", "launch.run"}
    | {"test.truth", "test.clips", "labels.sha256", "weights.sha256", "teacher.sha256", "autocast"}
)
OWN_TAGS = OTHER_TAGS | {name for key, name in vars(Tag).items() if key.isupper()} - {Tag.MEMBERSHIP}


@dataclass(frozen=True)
class Verdict:
    """How a run compares with the best other run on its clips and folds.

    `word`: better, worse or within the noise. `gain` is the mean over folds of its lwlrap minus the rival's; `noise`
    how large the mean must be to count, and `bar` where that comes from.
    """

    word: str
    rival: str
    gain: float
    noise: float
    bar: str


@dataclass(frozen=True)
class Entry:
    """A run in the journal; `typed` are paragraphs and tags that people wrote, `seed_std` is None without other seeds.

    `problem` says why a finished run has no score, or is not compared.
    """

    run: Run
    address: str
    seed_std: float | None = None
    verdict: Verdict | None = None
    problem: str = ""

    @property
    def time(self) -> str:
        """When it was started, by this machine's clock."""
        return time.strftime("%H:%M", time.localtime(self.run.start_time / 1000))

    @property
    def typed(self) -> list[str]:
        """What people wrote into its description, a paragraph each."""
        return typed_paragraphs(self.run)

    @property
    def tags(self) -> dict[str, str]:
        """The tags that people set."""
        return {
            name: value
            for name, value in sorted(self.run.tags.items())
            if name not in OWN_TAGS and not name.startswith("mlflow.")
        }


@dataclass(frozen=True)
class Day:
    """The runs of a day, the newest first."""

    date: str
    trained: Sequence[Entry]
    sweeps: Sequence[Entry]
    ensembles: Sequence[Entry]


def journal_pages(store: Store) -> tuple[str, str]:
    """Return the journal of a store, in Markdown and in HTML; what people typed is shown as it is, and does nothing."""
    days = days_of(store, [run for kind in TOP for run in store.search({Tag.KIND: kind})])
    values = {"days": days, "uri": showable(store.uri), "foreign": store.find([f"tags.{Tag.KIND} IS NULL"])}
    rows = [
        {
            "started": entry.run.start_time,
            "CV lwlrap": entry.run.metrics[Metric.CV_LWLRAP],
            "run": entry.run.name,
            "data set": entry.run.dataset,
        }
        for day in days
        for entry in day.trained
        if Metric.CV_LWLRAP in entry.run.metrics
    ]
    return page("journal", **values, plain=plain), html_page("journal", **values, scores=scores_chart(rows))


def days_of(store: Store, runs: Sequence[Run]) -> list[Day]:
    """Return experiments, stackers, sweeps and ensembles by the day of their start, the newest day first."""
    verdicts = _verdicts(store, [run for run in runs if run.kind in TRAINED])
    spread = {run_id: std for group in _by_data(runs).values() for run_id, std in seed_spread(group).items()}

    def entry(run: Run) -> Entry:
        verdict, problem = verdicts.get(run.id, (None, ""))
        link = address(store.uri, run.experiment_id, run.id)
        return Entry(run, link, spread.get(run.id), verdict, problem)

    newest = sorted(runs, key=lambda run: -run.start_time)
    days = []
    for date, group in groupby(newest, lambda run: time.strftime("%Y-%m-%d", time.localtime(run.start_time / 1000))):
        entries = [entry(run) for run in group]
        of = {kind: [one for one in entries if one.run.kind == kind] for kind in (Kind.SWEEP, Kind.ENSEMBLE)}
        trained = [one for one in entries if one.run.kind in TRAINED]
        days.append(Day(date, trained, of[Kind.SWEEP], of[Kind.ENSEMBLE]))
    return days


def _by_data(runs: Iterable[Run]) -> dict[tuple[str, ...], list[Run]]:
    """Group the runs that have all data tags by data set, classes, clips and folds."""
    groups: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in runs:
        if all(tag in run.tags for tag in DATA_TAGS):
            groups[run.dataset, *(run.tags[tag] for tag in DATA_TAGS)].append(run)
    return groups


def _verdicts(store: Store, runs: Sequence[Run]) -> dict[str, tuple[Verdict | None, str]]:
    """Return for each finished run its verdict, or None and what stands in the way, by the run's id."""
    found: dict[str, tuple[Verdict | None, str]] = {}
    finished = [run for run in runs if run.status == "FINISHED"]
    for run in finished:
        lost = [tag for tag in DATA_TAGS if tag not in run.tags]
        if lost:
            found[run.id] = None, f"not compared: its tag {lost[0]} is gone; set it again in the UI"
        elif not math.isfinite(run.metrics.get(Metric.CV_LWLRAP, math.nan)):
            found[run.id] = None, "no CV lwlrap: some of its folds are not trained yet, or its metric is gone"
    folds = _fold_scores(store)
    for group in _by_data(run for run in finished if run.id not in found).values():
        spread = seed_spread(group)
        fair = [one for one in group if Tag.LEAKS not in one.tags and one.tags.get(Tag.MEMBERSHIP) != "exclude"]
        fair.sort(key=lambda one: -one.metrics[Metric.CV_LWLRAP])
        for run in group:
            # what learns from others is no rival of an experiment
            rival = next((one for one in fair if one.id != run.id and one.kind in (Kind.EXPERIMENT, run.kind)), None)
            if rival is None:
                found[run.id] = None, "the only run on these clips and folds"
            elif folds[run.id].keys() != folds[rival.id].keys() or len(folds[run.id]) < 2:
                found[run.id] = None, f"not compared: it and {rival.name} do not have the same two folds or more"
            else:
                stds = [std for std in (spread.get(run.id), spread.get(rival.id)) if std is not None]
                found[run.id] = verdict(folds[run.id], folds[rival.id], rival.name, max(stds, default=None)), ""
    return found


def _fold_scores(store: Store) -> dict[str, dict[str, float]]:
    """Return the lwlrap of the finished folds by their number, by the id of their parent."""
    scores: dict[str, dict[str, float]] = defaultdict(dict)
    for run in store.search({Tag.KIND: Kind.FOLD}, order="attributes.start_time ASC"):
        score = run.metrics.get(Metric.FOLD_LWLRAP, math.nan)
        if run.parent_id and run.status == "FINISHED" and Tag.FOLD in run.tags and math.isfinite(score):
            scores[run.parent_id][run.tags[Tag.FOLD]] = score
    return scores


def verdict(ours: Mapping[str, float], theirs: Mapping[str, float], rival: str, seed_std: float | None) -> Verdict:
    """Compare a run with a rival by their lwlrap on the same K >= 2 folds.

    The mean of the K differences counts where it is beyond the 95 % interval of Student's t for paired differences,
    and, where one of the two runs has a standard deviation over training seeds, beyond twice the larger one.
    """
    from scipy.special import stdtrit  # only a journal with runs to compare needs it

    gains = [ours[fold] - theirs[fold] for fold in sorted(ours)]
    number = len(gains)
    gain = statistics.fmean(gains)
    by_folds = float(stdtrit(number - 1, 0.975)) * statistics.stdev(gains) / math.sqrt(number)
    by_seeds = SEED_BAR * (seed_std or 0.0)
    noise = max(by_folds, by_seeds)
    bar = f"twice the spread over seeds, {seed_std:.4f}" if by_seeds > by_folds else f"differences on {number} folds"
    word = "better" if gain > noise else "worse" if gain < -noise else "within the noise"
    return Verdict(word, rival, gain, noise, bar)


def typed_paragraphs(run: Run) -> list[str]:
    """Return the paragraphs of a run's description that neither this project nor the notes of its settings hold."""
    known = {" ".join(part.split()) for part in re.split(r"\n\s*\n", run.params.get("notes", ""))}
    note, fenced, found = run.tags.get(Tag.NOTE, ""), False, []
    for part in re.split(r"\n\s*\n", note):
        text = part.strip()
        ours = fenced or text.startswith(OURS) or OURS_BY_NUMBER.match(text)
        fenced ^= text.count("```") % 2 == 1
        # text typed right behind our last line of commands belongs to no paragraph of its own
        if text.startswith("```") and not text.endswith("```"):
            ours, text = False, text.rpartition("```")[2].strip()
        if text and not ours and " ".join(text.split()) not in known:
            found.append(text)
    return found


def plain(text: str) -> str:
    """Return a text, in one line, so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&-])", r"\\\1", " ".join(text.split()))


def scores_chart(rows: Sequence[Mapping[str, object]]) -> charts.Chart | None:
    """Return the CV lwlrap of each run over the time of its start, coloured by data set; None without two runs."""
    if len(rows) < 2:
        return None
    chart = charts.scatter(rows, "started", "CV lwlrap", ("started", "CV lwlrap"), ["run", "data set", "CV lwlrap"])
    encoding = chart["encoding"]
    encoding["x"] = {"field": "started", "type": "temporal", "title": "started"}
    return {**chart, "encoding": {**encoding, "color": {"field": "data set", "type": "nominal"}}}
