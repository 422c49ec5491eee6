"""The fields in which an experiment differs from its base, and runs from each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tagging import project
from tagging.config.load import AnyRecipe, base_path, find, flatten, leaf_text, load
from tagging.config.schema import WHERE
from tagging.config.tree import read_overrides
from tagging.errors import UserError


def lineage(
    experiment: str | Path, resolved: AnyRecipe, overrides: Sequence[str] = (), folder: Path | None = None
) -> dict[str, str]:
    """Compare an experiment, resolved with its overrides, with the base that its file names.

    Returns `base`, and as `differs` the fields that differ, written as overrides: `sampling.noisy=0 seed=1`, those
    of `overrides` first; what is empty is left out. Names, notes, devices, and where the data lie do not count. An
    experiment without a base is compared with the schema's defaults.
    """
    folder = folder or project.experiments()
    base = base_path(find(str(experiment), folder), folder)
    below: AnyRecipe = type(resolved)()
    if base is not None:
        try:
            below = load(base, folder=folder)
        except UserError:  # a base may be valid only with what its experiment adds
            base = None
    before = _leaves(below)
    changes = {path: text for path, text in _leaves(resolved).items() if before.get(path) != text}
    given = read_overrides(list(overrides))[1]
    ordered = sorted(changes, key=lambda path: path not in given)
    differs = " ".join(f"{path}={changes[path]}" for path in ordered)
    texts = {"base": base.stem if base else "", "differs": differs}
    return {key: text for key, text in texts.items() if text}


def told_apart(runs: Sequence[Mapping[str, str]]) -> list[str]:
    """Return for each of several runs the settings in which it differs from the others: `optimizer.lr=0.001 seed=1`.

    A run is its params, every setting by its path. Settings of which there are most values come first. One that only
    some of the runs have, since it came later or belongs to another kind, counts where those disagree.
    """
    values: dict[str, set[str]] = {}
    for params in runs:
        for path, text in params.items():
            if _counts(path):
                values.setdefault(path, set()).add(text)
    apart = sorted((path for path, texts in values.items() if len(texts) > 1), key=lambda path: -len(values[path]))
    return [" ".join(f"{path}={params[path]}" for path in apart if path in params) for params in runs]


def _counts(path: str) -> bool:
    return path not in WHERE and not path.startswith("demo.")


def _leaves(experiment: AnyRecipe) -> dict[str, str]:
    leaves = flatten(experiment).items()
    own = {path: value for path, value in leaves if _counts(path)}
    return {path: f"{value:.12g}" if isinstance(value, float) else leaf_text(value) for path, value in own.items()}
