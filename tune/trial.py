"""A trial as Ray sees it: an epoch a step. Imports what trains once a worker takes the first step."""

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
    from tune.preparing import Preparing


class CrossValidation(tune.Trainable):
    """Trains the folds of a trial one after another; what Ray asks for as a step is an epoch.

    Its config holds `plan`, and `number` and `values` of a trial. A report holds `lwlrap`, the mean over the folds
    begun so far of the best val_lwlrap, `epochs` of all folds, `planned` (see `tune.stopping`) and `seconds` of their
    training steps; the last one `whole` and `parameters`, or `error` and whether the trial is `broken_off`, by no fault
    of its own.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Take the trial of `config`, to begin or to go on with."""
        guard()
        self._config = config
        self._steps: Generator[Report] | None = None
        self._prepare: Preparing | None = None  # for all trials of this worker
        os.environ["MLFLOW_TRACKING_URI"] = config["plan"].uri

    def step(self) -> Report:
        """Train one epoch; what goes wrong is reported, so that Ray does not try the same again."""
        with importing():
            from tune.preparing import Preparing
            from tune.steps import by_the_machine, trial_steps
        if self._steps is None:
            self._prepare = self._prepare or Preparing()
            plan, number, values = (self._config[name] for name in ("plan", "number", "values"))
            self._steps = trial_steps(plan, number, values, self._prepare)
        try:
            return next(self._steps)
        except Exception as error:
            text = str(error) if isinstance(error, UserError) else showable(f"{type(error).__name__}: {error}")
            return {"error": text, "broken_off": by_the_machine(error), tune.result.DONE: True}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial in the same process."""
        self.cleanup()
        self._config = new_config
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Leave the trial, which Ray asks for before it pauses: its last epoch lies in the work folder."""
        self.cleanup()
        return {"number": self._config["number"]}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Go on from the work folder with the next step."""

    def cleanup(self) -> None:
        """Close the fold that is being trained."""
        if self._steps is not None:
            self._steps.close()
            self._steps = None
