"""The files of a run: put in, looked up, read back."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pandas as pd
from mlflow.entities import RunInfo
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from tagging.errors import UserError, room_in
from tagging.tracking.connection import Connection, StoreError, reason
from tagging.tracking.place import work_folder

_STAGED = ".staged-"  # after the run's id in the work folder


class Figure(Protocol):
    """A picture that can save itself, as Matplotlib's figures can."""

    def savefig(self, fname: Path, /) -> Any:
        """Write the picture to a file; its suffix names the format."""


REPLACE = "bring it back from a copy, or train the run again"


class UnusableFile(StoreError):
    """A file of a run that is not there or is damaged; `problem` is the message without the run."""

    def __init__(self, run: str, problem: str) -> None:
        super().__init__(f"{run}: {problem}")
        self.problem = problem


class Files:
    """What can be done with the files of any run, on a local disk or behind a server.

    A `path` is relative to the run, with slashes: `predictions/oof.parquet`. Every method raises
    StoreError where the store cannot be reached or has no such run or file, and one that writes DiskFull where
    a local disk has no room.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._client = connection.client
        self._infos: dict[str, RunInfo] = {}  # the address of a run's files never changes; over a server a call each

    @property
    def uri(self) -> str:
        """The address of the store."""
        return self.connection.uri

    def log_file(self, run_id: str, local: Path, folder: str = "") -> None:
        """Copy one local file into a folder of the run (empty: its top)."""
        root = self._local_root(run_id)
        with room_in(root, local.stat().st_size) if root else nullcontext():
            self.connection.call(self._client.log_artifact, run_id, str(local), folder or None)

    def log_folder(self, run_id: str, local: Path, folder: str = "") -> None:
        """Copy all that a local folder holds into a folder of the run (empty: its top), each file whole or not."""
        for path in sorted(local.rglob("*")):
            if path.is_file():
                self.log_file(run_id, path, _folder(str(PurePosixPath(folder) / path.relative_to(local).as_posix())))

    def log_text(self, run_id: str, text: str, path: str) -> None:
        """Write a text file into the run."""
        with self._new_file(run_id, path) as local:
            local.write_text(text, encoding="utf-8")

    def log_json(self, run_id: str, value: Any, path: str) -> None:
        """Write a JSON file into the run; `value` must be made of what JSON knows."""
        self.log_text(run_id, json.dumps(value, indent=2, ensure_ascii=False) + "\n", path)

    def log_table(self, run_id: str, table: pd.DataFrame, path: str) -> None:
        """Write a table into the run as Parquet, without its index."""
        with self._new_file(run_id, path) as local:
            table.to_parquet(local, index=False)

    def log_shown_table(self, run_id: str, table: pd.DataFrame, path: str) -> None:
        """Write a table that people look at: as Parquet, and as CSV beside it, since the UI shows no Parquet."""
        self.log_table(run_id, table, path)
        text = table.to_csv(index=False, float_format="%.6g")
        self.log_text(run_id, text, str(PurePosixPath(path).with_suffix(".csv")))

    def log_figure(self, run_id: str, figure: Figure, path: str) -> None:
        """Write a picture into the run; the suffix of `path` names the format."""
        with self._new_file(run_id, path) as local:
            figure.savefig(local)

    def list_files(self, run_id: str, folder: str = "") -> list[str]:
        """Return the paths of all files below a folder of the run (empty: its top), sorted."""
        paths: list[str] = []
        for entry in self.connection.call(self._client.list_artifacts, run_id, folder or None):
            paths += self.list_files(run_id, entry.path) if entry.is_dir else [entry.path]
        return sorted(paths)

    def has_file(self, run_id: str, path: str) -> bool:
        """Say whether the run holds this file or folder."""
        entries = self.connection.call(self._client.list_artifacts, run_id, _folder(path) or None)
        return any(entry.path == path for entry in entries)

    @contextmanager
    def reading(self, run_id: str, path: str, advice: str = REPLACE) -> Iterator[Path]:
        """Give a file of the run, as `fetch` does, to a block that reads it; all files of runs are read so.

        Raises UnusableFile, with run, file, reason and advice, where it is not there, or where an error ends the block:
        each format has its own for a damaged file, and what its reader finds wrong is a ValueError.
        """
        local = self.fetch(run_id, path, advice)
        try:
            yield local
        except UserError:
            raise
        except Exception as error:
            raise UnusableFile(self._title(run_id), f"{path} cannot be used: {reason(error)}; {advice}") from error

    def fetch(self, run_id: str, path: str, advice: str = REPLACE) -> Path:
        """Return a local path of a file or folder of the run, to be read only; `advice` is given where it is not there.

        That is the artifact itself where it lies on this machine's disk, else a download that is
        made anew at each call (so it is never stale) and removed when the process ends.
        """
        root = self._local_root(run_id)
        if root is None:
            target = tempfile.mkdtemp(dir=_downloads().name)
            return Path(self.connection.call(self._client.download_artifacts, run_id, path, target))
        if not (root / path).exists():
            raise UnusableFile(self._title(run_id), f"{path} is not there; {advice}")
        return root / path

    def read_table(self, run_id: str, path: str) -> pd.DataFrame:
        """Return a Parquet file of the run as a table."""
        with self.reading(run_id, path) as local:
            return pd.read_parquet(local)

    def read_text(self, run_id: str, path: str) -> str:
        """Return a text file of the run."""
        with self.reading(run_id, path) as local:
            return local.read_text(encoding="utf-8")

    def drop_folder(self, run_id: str, folder: str) -> None:
        """Remove a folder of the run with all it holds; one that is not there is no error."""
        if self.has_file(run_id, folder):
            self.connection.call(
                get_artifact_repository(self._info(run_id).artifact_uri or "").delete_artifacts, folder
            )

    def drop_drafts(self, run_id: str) -> None:
        """Remove the half-written files that a killed process left of a run; nobody may write to it meanwhile."""
        for folder in work_folder().glob(f"{run_id}{_STAGED}*"):
            shutil.rmtree(folder, ignore_errors=True)
        if root := self._local_root(run_id):
            for path in root.rglob(".artifact.uploading.*"):  # MLflow's, which renames each when it is whole
                path.unlink(missing_ok=True)

    @contextmanager
    def _new_file(self, run_id: str, path: str) -> Iterator[Path]:
        """Give a file to write outside the run, and log it once it is whole: MLflow takes finished files only."""
        work = work_folder()
        with room_in(work):
            work.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f"{run_id}{_STAGED}", dir=work) as folder:
                local = Path(folder) / PurePosixPath(path).name
                yield local
                self.log_file(run_id, local, _folder(path))

    def _local_root(self, run_id: str) -> Path | None:
        uri = urlsplit(self._info(run_id).artifact_uri or "")
        return Path(url2pathname(uri.path)) if uri.scheme in ("", "file") else None

    def _title(self, run_id: str) -> str:
        return f"{self._info(run_id).run_name or ''} ({run_id[:8]})"

    def _info(self, run_id: str) -> RunInfo:
        if run_id not in self._infos:
            self._infos[run_id] = self.connection.call(self._client.get_run, run_id).info
        return self._infos[run_id]


def _folder(path: str) -> str:
    parent = str(PurePosixPath(path).parent)
    return "" if parent == "." else parent


@cache
def _downloads() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tagging-downloads-")
