"""Sweeps in this process: all of them is real except Ray's processes.

Ray's own controller calls searcher, schedulers and callbacks; its actor manager, which starts actors in other
processes and waits for them, is replaced. Starting Ray takes 17 seconds of a processor; this takes none.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import chdir, closing, contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray import cloudpickle
from ray.air.execution._internal.tracked_actor import TrackedActor
from ray.exceptions import RayActorError
from ray.train._internal.session import _FutureTrainingResult

from tagging.tracking.store import Store
from tests.project import Project
from tests.trainings import copied
from tune import callbacks, session

CONTROLLER = "ray.tune.execution.tune_controller"
Step = Callable[[int], None]


class InProcess:
    """Settings of a sweep in this process: `before_step` is called with a trial's number before each of its steps.

    `before_start` is called before a trial starts in a new worker. Their errors are raised in the driver, except for
    `WorkerDied`, which kills the trial's worker. `raylet` and `head` tell whether these processes of Ray are alive.
    """

    def __init__(self) -> None:
        self.before_start: Step = lambda number: None
        self.before_step: Step = lambda number: None
        self.raylet = self.head = True
        self.room: dict[str, float] = {}
        self.folder = Path()
        self.most_at_once = 0
        self.managers: list[_Actors] = []  # of this session


class WorkerDied(RayActorError):
    """Raised before a start or a step, the death of the worker that was to take it."""


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """Have Ray's controller work with actors of this process while the test runs."""
    how = InProcess()

    def end(processes: object) -> None:
        for actors in how.managers:
            actors.cleanup()
        how.managers.clear()

    def start(cpus: int, gpus: float, folder: Path) -> None:
        how.room, how.folder = {"CPU": cpus, "GPU": gpus}, folder

    for name in (*session._SETTINGS, "TUNE_ORIG_WORKING_DIR", "MLFLOW_TRACKING_URI"):  # which a session and workers set
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(session, "_start", start)
    monkeypatch.setattr(session, "_end", end)
    monkeypatch.setattr("ray.tune.tune._ray_auto_init", lambda entrypoint: None)
    monkeypatch.setattr("ray.train._internal.storage._get_ray_train_session_dir", lambda: str(how.folder))
    monkeypatch.setattr(ray, "cluster_resources", lambda: how.room)
    monkeypatch.setattr(f"{CONTROLLER}.RayActorManager", lambda resource_manager: _Actors(how))
    monkeypatch.setattr(f"{CONTROLLER}._ActorClassCache", lambda: SimpleNamespace(get=lambda trainable: trainable))
    monkeypatch.setattr(_FutureTrainingResult, "resolve", lambda self, block=True: self.future.result())
    monkeypatch.setattr(callbacks, "_EVERY", 0.0)
    monkeypatch.setattr(callbacks, "_PATIENCE", 0.0)
    monkeypatch.setattr(callbacks, "answers", lambda head: how.head)
    context = SimpleNamespace(get_node_id=lambda: "here", gcs_address="127.0.0.1:6379")
    nodes = SimpleNamespace(
        get_runtime_context=lambda: context, nodes=lambda: [{"NodeID": "here", "Alive": how.raylet}]
    )
    monkeypatch.setattr(callbacks, "ray", nodes)
    return how


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no figure drawn, which takes longer than a trial."""
    monkeypatch.setattr(Store, "log_figure", lambda *arguments: None)


class _Task:
    """A method of an actor, called once."""

    def __init__(self, actor: TrackedActor, call: Callable[[], Any], on_result: Any, on_error: Any) -> None:
        self.actor, self.on_result, self.on_error = actor, on_result, on_error
        self._call, self._results = call, []

    def result(self) -> Any:
        if not self._results:
            self._results.append(_sent(self._call()))
        return self._results[0]


class _Actors:
    """What Ray's controller asks of its actor manager; the actors that run take steps in turn."""

    def __init__(self, how: InProcess) -> None:
        self._how = how
        how.managers.append(self)
        self._waiting: dict[TrackedActor, tuple[Callable[..., Any], dict[str, Any], Any]] = {}
        # under Ray's name, since the controller looks into it for an actor's handle
        self._live_actors_to_ray_actors_resources: dict[TrackedActor, tuple[Any, Any]] = {}
        self._actors: dict[TrackedActor, Any] = {}
        self._started: set[TrackedActor] = set()
        self._places: dict[TrackedActor, Path] = {}
        self._events: deque[_Task | Callable[[], None]] = deque()

    def add_actor(
        self, cls: Callable[..., Any], kwargs: dict[str, Any], resource_request: Any, **called: Any
    ) -> TrackedActor:
        actor = TrackedActor(object(), **called)
        self._waiting[actor] = cls, kwargs, resource_request
        return actor

    def next(self, timeout: float | None = None) -> bool:
        """Start what there is room for, then let one thing happen; False where nothing is to happen."""
        for actor in [actor for actor in self._waiting if self._fits(self._waiting[actor][2])][:1]:
            cls, kwargs, request = self._waiting.pop(actor)
            with self._as_worker(actor):
                self._actors[actor] = one = cls(**_sent(kwargs))
            handle = SimpleNamespace(get_auto_filled_metrics=SimpleNamespace(remote=one.get_auto_filled_metrics))
            self._live_actors_to_ray_actors_resources[actor] = handle, request
            self._how.most_at_once = max(self._how.most_at_once, len(self._actors))
            self._events.append(partial(self._start, actor))
        if not self._events:
            return False
        event = self._events.popleft()
        if not isinstance(event, _Task):
            event()
            return True
        try:
            result = event.result()
        except WorkerDied as died:
            self._actors[event.actor].cleanup()
            self._gone(event.actor)
            event.actor._on_error(event.actor, died)
            event.on_error(event.actor, died)
        else:
            event.on_result(event.actor, result)
        return True

    def schedule_actor_task(
        self,
        tracked_actor: TrackedActor,
        method_name: str,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        on_result: Any = None,
        on_error: Any = None,
        _return_future: bool = False,
    ) -> _Task | None:
        actor = self._actors.get(tracked_actor)
        if actor is None or method_name == "stop":  # which `remove_actor` does
            return None

        def call() -> Any:
            if method_name == "train":
                self._how.before_step(actor._config["number"])
            with self._as_worker(tracked_actor):
                return getattr(actor, method_name)(*_sent(args), **_sent(kwargs or {}))

        task = _Task(tracked_actor, call, on_result, on_error)
        self._events.append(task)
        return task

    def remove_actor(self, tracked_actor: TrackedActor, kill: bool = False, stop_future: Any = None) -> bool:
        self._waiting.pop(tracked_actor, None)
        if tracked_actor not in self._actors:
            return False
        if tracked_actor not in self._started:  # nobody is to hear of it any more
            tracked_actor._on_start = tracked_actor._on_stop = tracked_actor._on_error = None

        def stop() -> None:
            with self._as_worker(tracked_actor):
                self._actors[tracked_actor].stop()
            self._gone(tracked_actor)
            if tracked_actor._on_stop:
                tracked_actor._on_stop(tracked_actor)

        self._events.append(stop)
        return True

    def clear_actor_task_futures(self, tracked_actor: TrackedActor) -> None:
        kept = [event for event in self._events if not (isinstance(event, _Task) and event.actor == tracked_actor)]
        self._events = deque(kept)

    def is_actor_started(self, tracked_actor: TrackedActor) -> bool:
        return tracked_actor in self._actors

    def is_actor_failed(self, tracked_actor: TrackedActor) -> bool:
        return tracked_actor not in self._actors and tracked_actor not in self._waiting

    def get_live_actors_resources(self) -> dict[str, float]:
        taken: Counter[str] = Counter()
        for _, request in self._live_actors_to_ray_actors_resources.values():
            taken.update(request.required_resources)
        return dict(taken)

    def cleanup(self) -> None:
        for actor in list(self._actors):
            self._actors[actor].stop()
            self._gone(actor)

    @property
    def num_live_actors(self) -> int:
        return len(self._actors)

    @property
    def num_pending_actors(self) -> int:
        return len(self._waiting)

    @property
    def num_total_actors(self) -> int:
        return len(self._actors) + len(self._waiting)

    @property
    def num_actor_tasks(self) -> int:
        return sum(isinstance(event, _Task) for event in self._events)

    def _fits(self, request: Any) -> bool:
        taken = self.get_live_actors_resources()
        wanted = request.required_resources
        return all(taken.get(name, 0) + amount <= self._how.room[name] + 1e-9 for name, amount in wanted.items())

    def _start(self, actor: TrackedActor) -> None:
        try:
            self._how.before_start(self._actors[actor]._config["number"])
        except WorkerDied as died:
            self._gone(actor)
            actor._on_error(actor, died)
            return
        self._started.add(actor)
        if actor._on_start:
            actor._on_start(actor)

    @contextmanager
    def _as_worker(self, actor: TrackedActor) -> Iterator[None]:
        """Give an actor what a process of its own would have: a working folder; what it says is not shown."""
        with chdir(self._places.get(actor, Path())), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
            self._places[actor] = Path.cwd()  # Ray goes to a folder of the trial's

    def _gone(self, actor: TrackedActor) -> None:
        self.clear_actor_task_futures(actor)
        del self._actors[actor], self._live_actors_to_ray_actors_resources[actor]


def _sent(what: Any) -> Any:
    """Return what comes out at the other end where Ray sends something to a process, or back."""
    return cloudpickle.loads(cloudpickle.dumps(what))


def killed_at(how: InProcess, project: Project, folder: Path, *moments: Callable[[], bool]) -> list[Project]:
    """Return a list to which a sweep of `project` adds what it would leave if it were killed at each of some moments.

    That is before the first step at which the next of them has come; the sweep itself goes on.
    """
    left: list[Project] = []
    to_come = list(moments)

    def look(number: int) -> None:
        if to_come and to_come[0]():
            del to_come[0]
            left.append(left_by_a_kill(project, folder / f"killed-{len(left)}"))

    how.before_step = look
    return left


def left_by_a_kill(project: Project, folder: Path) -> Project:
    """Copy what lies on the disk of a project while its sweep runs: all that SIGKILL leaves.

    Runs stay RUNNING, checkpoints lie in the work folder, and nobody holds a lock of the copy.
    """
    left = copied(project, folder)
    shutil.copytree(project.folder / "tune" / "spaces", folder / "tune" / "spaces", dirs_exist_ok=True)
    places = (str(project.folder), str(folder))
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.execute("UPDATE tags SET value = replace(value, ?, ?) WHERE key = 'owner'", places)
    for kept in folder.glob("mlruns/**/space.json"):
        kept.write_text(kept.read_text().replace(*places))
    return left
