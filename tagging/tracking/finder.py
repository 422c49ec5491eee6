"""Looks runs up: by id, by tags, by their parent, by what a user typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from mlflow.entities import Experiment, ViewType
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

from tagging.contract import WITH_PREDICTIONS, Kind, Tag
from tagging.errors import UserError
from tagging.tracking.connection import Connection, StoreError, reason
from tagging.tracking.files import Files
from tagging.tracking.run import Run, clause

LAUNCHES = "Default"  # the MLflow experiment of what `mlflow run` opens
NEWEST_FIRST = "attributes.start_time DESC"
PAGE = 1000
FULL_ID = re.compile(r"[0-9a-f]{32}")
PREFIX = re.compile(r"[0-9a-f]{4,31}")  # four, as in git: a shorter one is unique by chance only
THERE, DELETED = ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY


class Finder(Files):
    """The reading half of the store. Each method raises StoreError where the store fails it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._datasets: dict[str, str] = {}

    def get(self, run_id: str) -> Run:
        """Return one run; StoreError if there is none with this id or it was deleted in the UI."""
        try:
            found = self.connection.call(self._client.get_run, run_id)
        except StoreError as error:
            cause = error.__cause__
            if not isinstance(cause, MlflowException) or cause.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            gone = "one that was deleted is gone for good after `mlflow gc`"
            raise StoreError(f"there is no run {run_id} in {self.uri}: {gone}") from None
        if found.info.lifecycle_stage != "active":
            raise StoreError(restore(run_id))
        return self._run(found)

    def search(
        self, tags: Mapping[str, str], dataset: str | None = None, order: str = NEWEST_FIRST, view: int = THERE
    ) -> list[Run]:
        """Return all runs that have all these tags, of one data set or of all; newest first by default."""
        clauses = [clause(f"tags.`{key}`", value) for key, value in tags.items()]
        return [run for run in self.find(clauses, dataset, order, view) if tags.items() <= run.tags.items()]

    def find(
        self, clauses: Iterable[str], dataset: str | None = None, order: str = NEWEST_FIRST, view: int = THERE
    ) -> list[Run]:
        """Return all runs that meet all these clauses of MLflow's filter language (see `clause`).

        `view`: those that are there, or those that were deleted.
        """
        where = " and ".join(text for text in clauses if text)
        return [self._run(found) for found in self._runs(self.experiments(dataset), where, order, view=view)]

    def matching(self, where: str, clauses: Iterable[str] = (), dataset: str | None = None) -> list[Run]:
        """Return all runs that meet a filter that a user wrote, and these clauses, newest first.

        Raises UserError with MLflow's reason where the filter is wrong.
        """
        try:
            return self.find([where, *clauses], dataset)
        except StoreError as error:
            cause = error.__cause__
            if not isinstance(cause, MlflowException) or cause.error_code != "INVALID_PARAMETER_VALUE":
                raise
            raise UserError(f"the filter {where!r} is refused: {reason(error)}") from error

    def children(self, run_id: str, kind: str = Kind.FOLD, deleted: bool = False) -> list[Run]:
        """Return the runs of one kind right below a run, in the order in which they were started.

        `deleted`: those that were deleted in the UI, in place of those that are there.
        """
        tags = {Tag.PARENT: run_id, Tag.KIND: kind}
        return self.search(tags, order="attributes.start_time ASC", view=DELETED if deleted else THERE)

    def curve(self, run_id: str, metric: str) -> dict[int, float]:
        """Return a metric's values by step, in the order of the steps; empty where the run has none of it."""
        points = self.connection.call(self._client.get_metric_history, run_id, metric)
        return {point.step: point.value for point in sorted(points, key=lambda point: (point.step, point.timestamp))}

    def resolve(self, text: str, kinds: Sequence[str] = WITH_PREDICTIONS, unfinished: bool = False) -> Run:
        """Return the run that a user means by an id, the beginning of one, or a name.

        A name means the newest run of one of the kinds that is finished, or `unfinished` too, and comes before the
        beginning of an id that reads the same; an id may be any run's. Raises UserError if there is no such run, with
        the nearest names, or several, with all of them.
        """
        if FULL_ID.fullmatch(text):
            return self.get(text)
        named = [run for run in self.search({Tag.NAME: text}) if run.kind in kinds]
        if usable := [run for run in named if unfinished or run.status == "FINISHED"]:
            return usable[0]
        begun = self.find([clause("attributes.run_id", f"{text}%", "LIKE")]) if PREFIX.fullmatch(text) else []
        if len(begun) == 1:
            return begun[0]
        if not (begun or named):
            raise self._unknown(text, kinds, unfinished)
        if begun:
            problem = f"{text}: {len(begun)} runs have an id that begins so; give more of it:"
        else:
            problem = f"{text}: no run of this name is finished; to take one as it is, give its id:"
        found = [f"  {run.id}  {run.kind or '-'} {run.name} ({run.dataset}, {run.status})" for run in begun or named]
        raise UserError(problem, *found)

    def _unknown(self, text: str, kinds: Sequence[str], unfinished: bool) -> UserError:
        found = self.find([] if unfinished else ["attributes.status = 'FINISHED'"])
        names = {run.name for run in found if run.kind in kinds}
        wanted = " or ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))
        near = get_close_matches(text, sorted(names), n=3, cutoff=0.6)
        return UserError(
            f"{text}: no such run in {self.uri}; give a run id, four or more of its first "
            f"characters, or the name of a {'' if unfinished else 'finished '}{wanted}",
            *([f"nearest names: {', '.join(near)}"] if near else []),
            "`python -m tagging show runs` lists what there is",
        )

    def newest_experiment(self) -> str | None:
        """Return the id of the MLflow experiment (data set) with the newest run; launches do not count."""
        experiments = [found for found in self.experiments() if found.name != LAUNCHES]
        newest = next(self._runs(experiments, "", NEWEST_FIRST, page=1), None)
        return newest.info.experiment_id if newest else None

    def data_sets(self) -> list[Experiment]:
        """Return the MLflow experiments that hold runs of ours; launches do not count."""
        named = [found for found in self.experiments() if found.name != LAUNCHES]
        return [found for found in named if any(self._runs([found], "tags.kind != ''", NEWEST_FIRST, page=1))]

    def experiments(self, dataset: str | None = None) -> list[Experiment]:
        """Return the MLflow experiment of one data set, or all there are."""
        if dataset is not None:
            named = self.connection.call(self._client.get_experiment_by_name, dataset)
            return [] if named is None else [named]
        return list(self._pages(self._client.search_experiments, max_results=PAGE))

    def _runs(
        self, experiments: list[Experiment], where: str, order: str, page: int = PAGE, view: int = THERE
    ) -> Iterator[MlflowRun]:
        ids = [found.experiment_id for found in experiments]
        search = self._client.search_runs
        return self._pages(search, ids, where, view, max_results=page, order_by=[order]) if ids else iter(())

    def _pages(self, search: Callable[..., PagedList], *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Yield all that a search finds, page by page."""
        token: str | None = None
        while True:
            page = self.connection.call(search, *args, **kwargs, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _run(self, found: MlflowRun) -> Run:
        info, data = found.info, found.data
        if info.experiment_id not in self._datasets:
            experiment = self.connection.call(self._client.get_experiment, info.experiment_id)
            self._datasets[info.experiment_id] = experiment.name
        return Run(
            id=info.run_id,
            name=info.run_name or data.tags.get(Tag.NAME, ""),
            status=info.status,
            experiment_id=info.experiment_id,
            dataset=self._datasets[info.experiment_id],
            tags=dict(data.tags),
            params=dict(data.params),
            metrics=dict(data.metrics),
            start_time=info.start_time or 0,
            parent_id=data.tags.get(Tag.PARENT),
        )


def restore(run_id: str) -> str:
    """Say how to bring a deleted run back."""
    return f"run {run_id} is deleted; bring it back with `mlflow runs restore --run-id {run_id}`"
