"""A trial as Ray sees it: an epoch a step. What trains is imported with a worker's first step."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from ray import tune

from tagging.commandline import importing
from tagging.errors import UserError
from tagging.masking import showable
from tagging.output import guard
from tune.schema import Report

if TYPE_CHECKING:
    from tune.steps import Preparing


class CrossValidation(tune.Trainable):
    """Trains the folds of a trial one after another; a step of Ray is an epoch.

    Its config holds `plan` (a SweepPlan), `number` and `values` of a trial. A report holds `lwlrap`, the mean over the
    folds begun so far of the best val_lwlrap; `epochs` of all folds; `planned`, the planned epoch (`tune.stopping`);
    `seconds` of training steps. The last report holds `whole` and `parameters`, or `error` and `interrupted`: whether
    the machine, not the trial, is at fault.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Take the trial of `config`."""
        guard()
        self._config = config
        self._steps: Generator[Report] | None = None
        self._prepare: Preparing | None = None  # for all trials of this worker
        os.environ["MLFLOW_TRACKING_URI"] = config["plan"].uri

    def step(self) -> Report:
        """Train one epoch; an error is reported, not raised, so that Ray does not restart the trial."""
        with importing():
            from tune.steps import Preparing, by_the_machine, trial_steps
        if self._steps is None:
            self._prepare = self._prepare or Preparing()
            plan, number, values = (self._config[name] for name in ("plan", "number", "values"))
            self._steps = trial_steps(plan, number, values, self._prepare)
        try:
            return next(self._steps)
        except Exception as error:
            text = str(error) if isinstance(error, UserError) else showable(f"{type(error).__name__}: {error}")
            return {"error": text, "interrupted": by_the_machine(error), tune.result.DONE: True}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial in the same process."""
        self.cleanup()
        self._config = new_config
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Leave the trial, as Ray asks before it pauses it: the checkpoint is in the work folder."""
        self.cleanup()
        return {"number": self._config["number"]}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Load nothing: the next step continues from the work folder."""

    def cleanup(self) -> None:
        """Close the fold that is being trained."""
        if self._steps is not None:
            self._steps.close()
            self._steps = None
