"""From an experiment's name to its frozen tree: the chain of bases, overrides, and one validation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from tagging import project
from tagging.config.problems import did_you_mean, problems_of
from tagging.config.schema import WHERE, WHERE_SECTIONS, Experiment, Recipe, Stacker
from tagging.config.sections.augment import Augment
from tagging.config.sections.fields import Section, is_nothing
from tagging.config.tree import Origins, Tree, merge, read_overrides, read_yaml, short, with_new_names
from tagging.errors import UserError

AnyRecipe = Experiment | Stacker
R = TypeVar("R", bound=AnyRecipe)


def experiment_names(folder: Path | None = None) -> list[str]:
    """List the experiments of a folder, by default the project's, by name, sorted."""
    return sorted(path.stem for path in (folder or project.experiments()).glob("*.yaml"))


def load(
    experiment: str | Path,
    overrides: Sequence[str] = (),
    data: Path | None = None,
    folder: Path | None = None,
) -> AnyRecipe:
    """Load an experiment, or a stacker (`kind: stacker`), by name or by the path of its YAML file.

    `data` replaces the data section by a folder; `overrides` ("optimizer.lr=1e-3") come last.
    Raises UserError with all problems at once: unknown experiment, field or value, each with the
    place where it was written, its full path, and the nearest valid name.
    """
    folder = folder or project.experiments()
    path = find(str(experiment), folder)
    tree, origins = _chain(path, folder, ())
    return _validated(tree, origins, overrides, data, path)


def load_stored(path: Path, overrides: Sequence[str] = (), data: Path | None = None) -> AnyRecipe:
    """Load the `config.yaml` of a run, be it of an experiment or a stacker; arguments and errors as `load`.

    It may have been written before some fields were renamed.
    """
    tree, origins = read_yaml(path)
    return _validated(with_new_names(tree), origins, overrides, data, path)


def as_experiment(recipe: AnyRecipe) -> Experiment:
    """Return what must be an experiment; UserError for a stacker."""
    if isinstance(recipe, Stacker):
        raise UserError(f"{recipe.name} is a stacker, which does not predict from sound itself; give an experiment")
    return recipe


def override(experiment: R, overrides: Sequence[str]) -> R:
    """Lay overrides over a loaded experiment or stacker and check it again; errors as `load`."""
    checked = _validated(experiment.model_dump(mode="json"), {}, overrides, None, Path(experiment.name))
    assert isinstance(checked, type(experiment))  # overrides change no kind
    return checked


def _validated(tree: Tree, origins: Origins, overrides: Sequence[str], data: Path | None, path: Path) -> AnyRecipe:
    schema = _schema_of(tree, origins)
    if data is not None:
        kept = {key: value for key, value in tree.get("data", {}).items() if key == "skip_unreadable"}
        tree["data"] = {"kind": "folder", "folder": str(data), **kept}
    changes, change_origins = read_overrides(list(overrides))
    if "kind" in changes:
        raise UserError("--set kind: only the file itself gives its kind; name another file")
    # laid over the defaults, so that a section whose kind is not given has one
    tree = merge(merge(schema().model_dump(mode="json"), tree), changes)
    tree["name"] = path.stem if is_nothing(tree["name"]) else tree["name"]
    try:
        return schema.model_validate(tree)
    except ValidationError as error:
        raise UserError(*problems_of(error, origins | change_origins, path, schema)) from None


def _schema_of(tree: Tree, origins: Origins) -> type[Experiment] | type[Stacker]:
    kind = tree.get("kind")
    if kind is None:
        return Experiment
    if kind == "stacker":
        return Stacker
    hint = did_you_mean(str(kind), ["stacker"])
    raise UserError(f"{origins['kind']}: kind is {kind!r}; {hint}allowed: 'stacker', and none for an experiment")


def flatten(experiment: BaseModel) -> dict[str, Any]:
    """Return every leaf by its dotted path, in the order of the schema; lists as tuples."""
    leaves: dict[str, Any] = {}
    for name in type(experiment).model_fields:
        value = getattr(experiment, name)
        if isinstance(value, BaseModel):
            leaves |= {f"{name}.{below}": leaf for below, leaf in flatten(value).items()}
        elif isinstance(value, tuple):
            leaves[name] = tuple(one.model_dump() if isinstance(one, BaseModel) else one for one in value)
        else:
            leaves[name] = value
    return leaves


def leaf_text(value: Any) -> str:
    """Return a leaf as text; null, numbers and lists as YAML has them."""
    return value if isinstance(value, str) else json.dumps(value)


def to_yaml(experiment: Recipe) -> str:
    """Return the whole experiment as YAML that `load` reads back to an equal tree."""
    return yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)


def deciding(experiment: Recipe) -> dict[str, Any]:
    """Return the leaves that decide numbers: all but names, paths, devices, which folds to run, and what is off.

    So a section that is off leaves the fingerprints as they were before there was such a section.
    """
    off = tuple(switched_off(experiment))
    return {
        path: tuple(without_place(one) for one in value) if path == "augment.python" else value
        for path, value in flatten(experiment).items()
        if path not in WHERE and not path.startswith(WHERE_SECTIONS + off)
    }


def without_place(code: dict[str, Any]) -> dict[str, Any]:
    """Return what decides numbers of a user's class: all but the path of its file, whose content counts."""
    return {name: value for name, value in code.items() if name != "file"}


def switched_off(section: BaseModel, prefix: str = "") -> Iterator[str]:
    """Yield the paths of what changes no number below a section: sections that are off, and lists of code if empty."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section) and value.off:
            yield f"{prefix}{name}."
        elif isinstance(value, BaseModel):
            yield from switched_off(value, f"{prefix}{name}.")
    if isinstance(section, Augment) and not section.python:
        yield f"{prefix}python"


def numbers_digest(experiment: Recipe) -> str:
    """Return the sha256 of the leaves that decide numbers."""
    return hashlib.sha256(json.dumps(deciding(experiment), sort_keys=True).encode()).hexdigest()


def find(name: str, folder: Path, what: str = "experiment") -> Path:
    """Return the YAML file of something given by name or by path; UserError with the nearest name if there is none."""
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise UserError(f"{path}: no such {what} file")
        return path
    path = folder / f"{name}.yaml"
    if path.is_file():
        return path
    names = experiment_names(folder)
    hint = did_you_mean(name, names)
    raise UserError(f"no {what} is called {short(repr(name))}; {hint}There are: {', '.join(names)}")


def base_path(path: Path, folder: Path) -> Path | None:
    """Return the file that an experiment's file names as its base: beside it, else in `folder`; None without a base.

    Raises UserError with the line where there is no such file.
    """
    tree, origins = read_yaml(path)
    base = tree.get("base")
    if is_nothing(base):
        return None
    found = next((place for place in (path.parent, folder) if (place / f"{base}.yaml").is_file()), None)
    if found is None:
        raise UserError(f"{origins['base']}: base: {base!r} is no experiment beside it or in {folder.name}/")
    return found / f"{base}.yaml"


def _chain(path: Path, folder: Path, above: tuple[Path, ...]) -> tuple[Tree, Origins]:
    if path in above:
        raise UserError(f"{above[-1]}: its chain of bases comes back to {path.name}")
    tree, origins = read_yaml(path)
    base = base_path(path, folder)
    tree.pop("base", None)
    if base is None:
        return tree, origins
    below, below_origins = _chain(base, folder, (*above, path))
    if tree.get("kind", below.get("kind")) != below.get("kind"):
        raise UserError(f"{origins['base']}: base: {base.stem!r} is no {tree['kind']}, as this file is")
    # a name and notes describe one file, they are not handed down
    below = {key: value for key, value in below.items() if key not in ("name", "notes")}
    return merge(below, tree), below_origins | origins
