"""What every test starts from: no variable of the user's shell, one thread per tensor operation."""

from __future__ import annotations

import os
import signal
import time

# threads that have nothing to do sleep: beside other processes they would take from them what they wait for;
# OpenMP reads it as torch is imported
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

import pytest
import torch

pytest_plugins = ["tests.trainings", "tests.browser"]

# the suite's tensors are small: threads would only wait for each other
torch.set_num_threads(1)
# a job in the background of a script ignores Ctrl-C, and hands that down to the commands under test
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close `make test` and `make test-long` with one line: how many tests, and how long with lint and types."""
    begun, reporter = os.environ.get("TEST_BEGUN"), config.pluginmanager.get_plugin("terminalreporter")
    if begun and reporter and not hasattr(config, "workerinput"):
        kinds = ("passed", "failed", "error", "skipped")
        counts = ", ".join(f"{len(reporter.stats.get(kind, []))} {kind}" for kind in kinds)
        minutes, seconds = divmod(round(time.time() - float(begun)), 60)
        print(f"{counts} in {minutes} min {seconds} s, all that was made beside it included")


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    # the first loop that numba runs in parallel gives torch all threads of the machine, in whichever test that is
    torch.set_num_threads(1)
