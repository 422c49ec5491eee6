"""What every test starts from: no variable of the user's shell, one thread per tensor operation."""

from __future__ import annotations

import signal

import pytest
import torch

# the suite's tensors are small: threads would only wait for each other
torch.set_num_threads(1)
# a job in the background of a script ignores Ctrl-C, and hands that down to the commands under test
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
