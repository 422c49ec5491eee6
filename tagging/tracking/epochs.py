"""Sends the records of epochs to the store while the training continues."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tagging.errors import UserError
from tagging.tracking.store import Store, StoreError

Record = Mapping[str, Any]


class EpochSender:
    """Logs epochs of one run from a thread of its own, so that no training step waits for the store.

    A record holds `epoch`, `time_ms` and metric values. It must stand in the checkpoint before it is
    handed over: an epoch that is trained again after a kill gets a new time, and would be a second
    point. `work` is the folder of the checkpoint, for messages.

    As a context it lets go of its thread in any case: an interrupt while the thread starts hides it from the
    interpreter, which would wait at its exit for ever.
    """

    def __init__(self, store: Store, run_id: str, work: Path) -> None:
        self._store = store
        self._hasty = store.impatient()
        self._run_id = run_id
        self._work = work
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="epochs")
        self._waiting: list[Record] = []
        self._stored: set[tuple[int, int]] = set()
        self._closing = False
        self._warned = False

    def __enter__(self) -> EpochSender:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def log_epoch(self, record: Record) -> None:
        """Hand a record over, and return at once; what the store refuses is sent again later."""
        self._thread.submit(self._send, dict(record))

    def close(self, history: Sequence[Record]) -> None:
        """Wait until all is sent, then make sure that the store has every record of the history.

        Call it with the whole history, that of earlier starts included; twice does no harm. Raises UserError with the
        store's address if it still does not answer.
        """
        self._closing = True
        self._thread.shutdown(wait=True)
        missing = [record for record in history if _point(record) not in self._stored]
        try:
            self._store.log_epochs(self._run_id, missing)
        except StoreError as error:
            raise UserError(
                *error.problems,
                f"the training is safe in {self._work}; start the same command again when the store is back",
            ) from error
        self._stored.update(map(_point, missing))

    def _send(self, record: Record) -> None:
        self._waiting.append(record)
        if self._closing and len(self._waiting) > 1:
            return  # the store fails; `close` sends all at once, so do not wait for each record
        try:
            self._hasty.log_epochs(self._run_id, self._waiting)
        except UserError as error:
            if not self._warned:
                print(f"warning: {error}", file=sys.stderr)
                print("warning: the training goes on; its curves follow when the store is back", file=sys.stderr)
            self._warned = True
        else:
            self._stored.update(map(_point, self._waiting))
            self._waiting.clear()


def _point(record: Record) -> tuple[int, int]:
    return record["epoch"], record["time_ms"]
