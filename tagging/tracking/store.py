"""The store of runs: start, find, log, end. With its neighbours in this folder the only door to MLflow."""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal

from mlflow.entities import Dataset, DatasetInput, Experiment, InputTag, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from tagging import project
from tagging.contract import Tag
from tagging.masking import showable
from tagging.tracking.connection import AlreadyThere, Connection, StoreError, open_connection
from tagging.tracking.finder import LAUNCHES, Finder
from tagging.tracking.place import artifact_folder, is_server, owner_tag, page, sqlite_file, tracking_uri
from tagging.tracking.provenance import git_commit
from tagging.tracking.run import DataInput, Run, check_texts, metric_name, param_value
from tagging.tracking.views import missing_views

__all__ = ["DataInput", "Ending", "Run", "Store", "StoreError", "metric_name", "tracking_uri"]

Ending = Literal["FINISHED", "FAILED", "KILLED"]


class Store(Finder):
    """An open tracking store. Each method raises StoreError (a UserError) where the store fails it."""

    @classmethod
    def connect(cls) -> Store:
        """Open the store at `tracking_uri()`; the project's own is made when it is not there yet.

        Any number of processes may do so at once. Raises StoreError, with the address and what to do.
        """
        return cls(open_connection(tracking_uri()))

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._experiments: dict[str, Experiment] = {}  # those that runs were started in
        self.launch: str | None = None  # the id of the run that `mlflow run` opened for this process

    def impatient(self) -> Store:
        """Return the same store for callers that would rather fail at once than wait for it."""
        return Store(self.connection.impatient())

    def start(
        self,
        dataset: str,
        kind: str,
        name: str,
        tags: Mapping[str, object],
        params: Mapping[str, object],
        parent: Run | str | None = None,
        description: str = "",
    ) -> Run:
        """Start a run in the MLflow experiment of a data set (made if new, with its views) and return it.

        `tags`, without passwords, join the store's own: kind, owner, parent, description, source, git commit and user.
        Raises UserError where a text is none that a store can keep.
        """
        own = {Tag.KIND: kind, Tag.OWNER: owner_tag(), "mlflow.user": _user(), **_source()}
        if parent is not None:
            own[Tag.PARENT] = parent.id if isinstance(parent, Run) else parent
        check_texts({"data.name": dataset, "name": name, "notes": description, **tags, **own})
        if description:
            tags = {**tags, Tag.NOTE: description}
        all_tags = {key: showable(str(value)) for key, value in tags.items()} | own
        experiment = self._experiment(dataset)
        call, client = self.connection.call, self._client
        try:
            started = call(client.create_run, experiment.experiment_id, tags=all_tags, run_name=name)
        except StoreError:
            del self._experiments[dataset]
            self._experiment(dataset)  # which names one that was deleted meanwhile
            raise
        if not params:
            return self._run(started)
        self.log_params(started.info.run_id, params)
        return self.get(started.info.run_id)

    def where_to_look(self, run: Run) -> str:
        """Say where a run is seen; a local store is shown by no server until somebody starts one."""
        link = page(self.uri, run.experiment_id, run.id)
        return f"look at it: {link}" if is_server(self.uri) else f"look at it with `make ui`: {link}"

    def tag_experiment(self, experiment: Experiment, tags: Mapping[str, str]) -> None:
        """Set tags of an MLflow experiment; one that is there is overwritten."""
        for key, value in tags.items():
            self.connection.call(self._client.set_experiment_tag, experiment.experiment_id, key, value)

    def finish(self, run_id: str, status: Ending) -> None:
        """End a run as FINISHED, FAILED or KILLED, now."""
        self.connection.call(self._client.set_terminated, run_id, status)

    def reopen(self, run_id: str) -> None:
        """Set an interrupted run to RUNNING again, and remove the tags of its end and half-written files.

        MLflow keeps the old end time until the run ends again.
        """
        self.connection.call(self._client.update_run, run_id, status="RUNNING")
        for tag in {Tag.STATE, Tag.ERROR, Tag.CANDIDATE} & self.get(run_id).tags.keys():
            self.connection.call(self._client.delete_tag, run_id, tag)
        self.drop_drafts(run_id)

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name."""
        self.connection.call(self._client.update_run, run_id, name=name)

    def set_tags(self, run_id: str, tags: Mapping[str, object]) -> None:
        """Set tags of a run, without passwords; one that is there is overwritten."""
        self._log(run_id, "tags", [RunTag(key, showable(str(value))) for key, value in tags.items()], 100)

    def log_params(self, run_id: str, params: Mapping[str, object]) -> None:
        """Log params, without passwords; a value that is too long for MLflow is shortened and says so.

        Raises UserError where a value is none that a store can keep.
        """
        check_texts(params)
        entries = [Param(key, param_value(showable(str(value)))) for key, value in params.items()]
        self._log(run_id, "params", entries, 100)

    def log_data(self, run_id: str, inputs: Sequence[DataInput]) -> None:
        """Log clips that a run reads as its data sets; those that are in the store already are not logged twice."""
        found = []
        for one in inputs:
            source = json.dumps({"uri": showable(one.source)})
            profile = json.dumps({"num_rows": sum(one.counts.values()), **one.counts})
            dataset = Dataset(showable(one.name), one.digest, "local", source, profile=profile)
            found.append(DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, one.use)]))
        self.connection.call(self._client.log_inputs, run_id, found)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Log metrics that have one value a run; names go through `metric_name`.

        A value that is in the store already, logged before a kill, is not stored again.
        """
        points = _points(metrics, time_ms=time.time_ns() // 1_000_000, epoch=0)
        stored = self.get(run_id).metrics
        self._log(run_id, "metrics", [point for point in points if stored.get(point.key) != point.value], 1000)

    def log_epochs(self, run_id: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Log records of epochs: `epoch` (the step), `time_ms` (the time stamp), and metric values.

        A record that is in the store already is not stored again.
        """
        points: list[Metric] = []
        for record in records:
            values = {name: value for name, value in record.items() if name not in ("epoch", "time_ms")}
            points += _points(values, int(record["time_ms"]), int(record["epoch"]))
        self._log(run_id, "metrics", points, 1000)

    def _log(self, run_id: str, what: str, entries: Sequence[Any], most: int) -> None:
        """Send entries to a run, so many at once as MLflow takes."""
        for first in range(0, len(entries), most):
            some: dict[str, Any] = {what: list(entries[first : first + most])}
            self.connection.call(self._client.log_batch, run_id, **some)

    def _experiment(self, dataset: str) -> Experiment:
        if dataset not in self._experiments:
            found = self._found_or_made(dataset)
            if dataset != LAUNCHES:
                self.tag_experiment(found, missing_views(found.tags))
            self._experiments[dataset] = found
        return self._experiments[dataset]

    def _found_or_made(self, dataset: str) -> Experiment:
        call, client = self.connection.call, self._client
        found = call(client.get_experiment_by_name, dataset)
        if found is None:
            place = artifact_folder(dataset).as_uri() if sqlite_file(self.uri) else None
            with suppress(AlreadyThere):  # another process may have been faster
                call(client.create_experiment, dataset, artifact_location=place)
            found = call(client.get_experiment_by_name, dataset)
            assert found is not None  # it was made just now
        if found.lifecycle_stage != "active":
            restore = f"mlflow experiments restore --experiment-id {found.experiment_id}"
            raise StoreError(f"the MLflow experiment {dataset!r} is deleted; bring it back with `{restore}`")
        return found


def _points(values: Mapping[str, float], time_ms: int, epoch: int) -> list[Metric]:
    return [Metric(metric_name(name), float(value), time_ms, epoch) for name, value in values.items()]


@cache
def _source() -> dict[str, str]:
    program = Path(sys.argv[0])
    command = f"python -m {program.parent.name} " + " ".join(sys.argv[1:2])
    tags = {
        "mlflow.source.name": command.strip() if program.name == "__main__.py" else program.name,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": git_commit(project.root()),
    }
    return {key: value for key, value in tags.items() if value}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return "unknown"
