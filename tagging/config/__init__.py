"""The schema of an experiment, and how its YAML file and overrides become one checked, frozen tree."""

from tagging.config.lineage import lineage, told_apart
from tagging.config.load import AnyRecipe, experiment_names, flatten, load
from tagging.config.schema import Experiment, Recipe, Stacker

__all__ = [
    "AnyRecipe",
    "Experiment",
    "Recipe",
    "Stacker",
    "experiment_names",
    "flatten",
    "lineage",
    "load",
    "told_apart",
]
