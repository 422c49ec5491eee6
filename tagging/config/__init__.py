"""The schema of an experiment, and how its YAML file and overrides become one checked, frozen tree."""

from tagging.config.lineage import lineage
from tagging.config.load import experiment_names, flatten, load
from tagging.config.schema import Experiment

__all__ = ["Experiment", "experiment_names", "flatten", "lineage", "load"]
