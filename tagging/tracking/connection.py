"""Opens MLflow's store, waits while it is locked or away, and turns its errors into messages."""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Timer
from typing import ParamSpec, TypeVar

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from tagging.errors import DiskFull, UserError, causes, is_disk_full
from tagging.tracking.place import sqlite_file, sqlite_uri

# The errors that we raise repeat what these two loggers print.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)

# a restart of a tracking server was seen to take 6 to 13 seconds; a backup may lock a SQLite file for longer
PATIENCE_S = 120.0
TELL_S = 5.0  # MLflow itself waits 20 seconds for a SQLite file that another process has locked
WAL_ROOM = 2**20  # bytes; its index alone takes 32 kB
PASSING = {"TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED"}
LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
# two processes that write the same for the first time: the slower one finds it there when it tries again
THERE_NOW = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}

P = ParamSpec("P")
T = TypeVar("T")


class StoreError(UserError):
    """The tracking store cannot be reached, or refuses what it is asked for."""


class AlreadyThere(StoreError):
    """What was to be made exists."""


@dataclass(frozen=True)
class Connection:
    """An open store: its address, MLflow's client, and how many seconds a call outlasts a failure."""

    uri: str
    client: MlflowClient
    patience: float = PATIENCE_S

    def impatient(self) -> Connection:
        """Return the same connection for callers that would rather fail than wait."""
        return replace(self, patience=0.0)

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call one of the client's methods, again and again while the store is locked or away.

        Errors that waiting cannot cure are raised at once: a missing table, a text that cannot be stored. Returns
        what the method returns. Raises StoreError with the store's address and the reason. Does not wait for room on a
        full disk: raises DiskFull for the disk of a SQLite file, OSError for the disk of a run's files.
        """
        deadline, pause = time.monotonic() + self.patience, 0.5
        with _telling(self.uri) if self.patience else nullcontext():
            while True:
                try:
                    return function(*args, **kwargs)
                except (MlflowException, OSError) as error:
                    passing = _passes(error)
                    if isinstance(error, OSError) and is_disk_full(error):
                        raise
                    if full := _full_disk(self.uri, error):
                        raise full from error
                    if not passing or time.monotonic() + pause > deadline:
                        raise self._in_words(error, passing) from error
                time.sleep(pause)
                pause = min(2 * pause, 5.0)

    def _in_words(self, error: Exception, passing: bool) -> StoreError:
        if isinstance(error, MlflowException) and error.error_code == "RESOURCE_ALREADY_EXISTS":
            return AlreadyThere(reason(error))
        what = "the tracking store does not answer" if passing else "the tracking store refuses"
        return StoreError(f"{self.uri}: {what}: {reason(error)}")


def _passes(error: BaseException) -> bool:
    """Tell whether waiting may cure a failure: a lock, a server that is away."""
    if not isinstance(error, MlflowException):
        return False
    chain = list(causes(error))
    for below in chain:
        if isinstance(below, sqlite3.Error):
            # the low byte is the kind, the rest its details; an error of the module itself has none
            code = getattr(below, "sqlite_errorcode", 0)
            return code & 0xFF in LOCKED or code in THERE_NOW
    if error.error_code not in PASSING:
        return False
    return not isinstance(chain[-1], ValueError)  # a text or an address that cannot be sent, a certificate


@contextmanager
def _telling(uri: str) -> Iterator[None]:
    """Print a warning once the block has waited for the store for some seconds."""
    why = "is it locked by another process?" if sqlite_file(uri) else "is it down, or busy?"
    text = f"warning: {uri}: the tracking store has not answered for {TELL_S:.0f} s ({why}); waiting for it"
    timer = Timer(TELL_S, print, [text], {"file": sys.stderr})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def open_connection(uri: str) -> Connection:
    """Open the store at an address; a SQLite file that is not there yet is made.

    Raises StoreError, saying the address and what to do, where that fails; DiskFull where a SQLite file needs room.
    """
    path = sqlite_file(uri)
    if path is None:
        _check_login(uri)
    try:
        client = _open_sqlite(uri, path) if path else _probe(uri)
    except Exception as error:  # MLflow lets errors of SQLAlchemy, of drivers and of the disk through
        if full := _full_disk(uri, error):
            raise full from error
        problem = f"{uri}: cannot be used as tracking store: {reason(error)}"
        raise StoreError(problem, _advice(uri, error)) from error
    return Connection(uri, client)


def _check_login(uri: str) -> None:
    """Refuse an address of which libraries take a part of the password for the host, and show it in their errors."""
    login = uri.partition("://")[2].rpartition("@")[0]
    if "@" in login or (uri.startswith(("http://", "https://")) and set("/?#") & set(login)):
        raise StoreError(
            f"{uri}: cannot be read as an address; write @ / ? # in a user or a password as %40 %2F %3F %23"
        )


def _full_disk(uri: str, error: Exception) -> DiskFull | None:
    """Return what to raise where a SQLite file has no room, None for every other error."""
    path = sqlite_file(uri)
    if path is None:
        return None
    # a file in WAL mode that cannot even be opened for want of room says no more than "disk I/O error"
    unnamed = "disk I/O error" in str(error) and shutil.disk_usage(path.resolve().parent).free < WAL_ROOM
    return DiskFull(path) if unnamed or is_disk_full(error) else None


def reason(error: BaseException) -> str:
    """Return what lies at the bottom of an error, "Connection refused", without its wrappings."""
    *_, bottom = causes(error)
    line = next(iter(str(bottom).splitlines()), "") or type(bottom).__name__
    return re.sub(r"^\[Errno \d+\] ", "", line)


def _open_sqlite(uri: str, path: Path) -> MlflowClient:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Several processes that migrate one fresh file at once break it: MLflow takes no lock here.
    with FileLock(f"{path}.lock"):
        if not path.exists():
            _make_sqlite(path)
        with _telling(uri), closing(sqlite3.connect(path, timeout=PATIENCE_S)) as database:
            database.execute("PRAGMA schema_version")  # waits while another process has locked even reading
        client = _probe(uri)
        # Readers and a writer no longer wait for each other. Not every disk can, and nothing depends on it.
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path, timeout=5)) as database:
            database.execute("PRAGMA journal_mode=WAL")
    return client


def _make_sqlite(path: Path) -> None:
    """Make a store in full or not at all: a kill amid MLflow's migrations leaves a broken one."""
    path = path.resolve()  # a link stays one
    draft = path.with_name(f"{path.name}.draft")
    for left in (draft, draft.with_name(f"{draft.name}-journal")):  # by a killed process
        left.unlink(missing_ok=True)
    SqlAlchemyStore(sqlite_uri(draft), DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH).engine.dispose()
    draft.rename(path)


def _probe(uri: str) -> MlflowClient:
    client = MlflowClient(uri)
    client.search_experiments(max_results=1)
    return client


def _advice(uri: str, error: Exception) -> str:
    if "out-of-date database schema" in str(error):
        upgrade = f"python -m mlflow db upgrade {uri}"
        return f"it was made by an older MLflow: copy it, then bring it up to date with `{upgrade}`"
    if uri.startswith(("http://", "https://")):
        return "start that server, or unset MLFLOW_TRACKING_URI to use the project's own store"
    return (
        "set MLFLOW_TRACKING_URI to sqlite:////absolute/path/mlflow.db or http://host:port, "
        "or unset it to use the project's own store"
    )
