"""What every test starts from: no variable of the user's shell, one thread per tensor operation."""

from __future__ import annotations

import pytest
import torch

# the suite's tensors are small: threads would only wait for each other
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
