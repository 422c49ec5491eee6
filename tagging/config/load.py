"""From an experiment's name to its frozen tree: the chain of bases, overrides, and one validation."""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from tagging import project
from tagging.config.renamed import with_new_names
from tagging.config.schema import WHERE, WHERE_SECTIONS, Experiment, Recipe
from tagging.config.sections.fields import ONE_LINE, Section, is_nothing
from tagging.config.stacker import Stacker
from tagging.config.tree import Origins, Tree, merge, read_overrides, read_yaml, short
from tagging.errors import UserError, nearest

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
        raise UserError(f"{recipe.name} is a stacker, which hears no sound itself; give an experiment, as its members")
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
        raise UserError("--set kind: what a file is stands in the file alone; name another one")
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
    near = nearest(str(kind), ["stacker"])
    hint = f"did you mean {near}? " if near else ""
    raise UserError(f"{origins['kind']}: kind is {kind!r}; {hint}allowed: 'stacker', and none for an experiment")


def flatten(experiment: BaseModel) -> dict[str, Any]:
    """Return every leaf by its dotted path, in the order of the schema; lists as tuples."""
    leaves: dict[str, Any] = {}
    for name in type(experiment).model_fields:
        value = getattr(experiment, name)
        if isinstance(value, BaseModel):
            leaves |= {f"{name}.{below}": leaf for below, leaf in flatten(value).items()}
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
    sections = ((name, getattr(experiment, name)) for name in type(experiment).model_fields)
    off = tuple(f"{name}." for name, section in sections if isinstance(section, Section) and section.off)
    leaves = flatten(experiment)
    return {
        path: value for path, value in leaves.items() if path not in WHERE and not path.startswith(WHERE_SECTIONS + off)
    }


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
    near = nearest(name, names)
    hint = f"did you mean {near}? " if near else ""
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


def problems_of(error: ValidationError, origins: Origins, path: Path, root: type[BaseModel] = Experiment) -> list[str]:
    """Say each problem of a tree whose schema is `root`: where it was written, its full path, what is allowed."""
    problems = []
    for item in error.errors():
        section, kinds, names = _without_tags(item["loc"], root)
        dotted = ".".join(names)
        written = f"{dotted}.kind" if item["type"] == "union_tag_invalid" else dotted
        problems.append(f"{origin_of(written, origins, path)}: {_message(item, names, section, kinds, root)}")
    return problems


def origin_of(dotted: str, origins: Origins, path: Path) -> str:
    """Name the place where a field, or the nearest section around it, was written."""
    while dotted:
        inside = [place for key, place in origins.items() if key.startswith(dotted + ".")]
        overrides = [place for place in inside if place.startswith("--set ")]
        if dotted in origins and not overrides:
            return origins[dotted]
        if inside:
            return (overrides or inside)[-1]
        dotted = dotted.rpartition(".")[0]
    return str(path)


def _message(item: Any, names: Sequence[str], section: type[BaseModel], kinds: list[str], root: type[BaseModel]) -> str:
    given, kind, context = short(repr(item["input"])), item["type"], item.get("ctx", {})
    dotted = short(".".join(names))
    if kind == "extra_forbidden":
        fields = list(section.model_fields)
        hint = _meant(".".join(names), fields, root)
        return f"{dotted} is not a field; {hint}There are: {', '.join(fields)}"
    if kind == "value_error":
        return f"{dotted + ': ' if dotted else ''}{context['error']}"
    if kind == "union_tag_invalid":
        allowed = context["expected_tags"]
        near = nearest(context["tag"], allowed.strip("'").split("', '"))
        hint = f"did you mean {near}? " if near else ""
        return f"{dotted}.kind is {short(repr(context['tag']))}; {hint}allowed: {allowed}"
    if kind == "union_tag_not_found":
        return f"{dotted} has no kind; allowed: {', '.join(map(repr, kinds))}"
    if kind in ("model_type", "model_attributes_type"):
        holds = f"a kind: {', '.join(kinds)}" if kinds else f"the fields {', '.join(section.model_fields)}"
        return f"{dotted} is {given}, but it is a section with {holds}"
    if kind == "missing":
        return f"{dotted} is missing"
    if kind == "dict_type":
        return f"{dotted} is {given}, but it is a mapping, such as {{optimizer.lr: ...}}"
    if kind == "string_pattern_mismatch":
        of_line = context["pattern"] == ONE_LINE
        wanted = "one line without control characters" if of_line else section.model_fields[names[-1]].description
        return f"{dotted} is {given}; it must be {wanted}"
    if kind == "string_too_short":
        return f"{dotted} must not be empty"
    if kind == "too_short":
        return f"{dotted} has {context['actual_length']} entries; it must have {context['min_length']} or more"
    if kind == "tuple_type":
        return f"{dotted} is {given}; it must be a list such as {_example(section, dotted.rpartition('.')[2])}"
    if kind == "int_parsing_size":
        return f"{dotted} is {given}; it must be a number of fewer digits"
    wanted = item["msg"].removeprefix("Input should be ").split(", unable to ")[0]
    return f"{dotted} is {given}; it must be {wanted}"


def _meant(dotted: str, siblings: Sequence[str], root: type[BaseModel]) -> str:
    """Say what a field that there is not may mean: one of this name elsewhere, else one of a like name beside it."""
    below = dotted.rpartition(".")[2]
    there = leaf_paths(root)
    if dotted in there:
        return f"it is one of {there[dotted]}. "
    named = [path for path in there if path.rpartition(".")[2] in (below, f"{below}s")]
    meant = named or [near for near in [nearest(below, siblings)] if near]
    return f"did you mean {' or '.join(meant[:3])}? " if meant else ""


def leaf_paths(section: type[BaseModel], prefix: str = "", kind: str = "") -> dict[str, str]:
    """Return the dotted path of each field below a section, with the kind of section that has it, the last of several.

    As `scheduler.first`: `scheduler.kind cosine`; empty for a field that is always there.
    """
    found: dict[str, str] = {}
    for name, field in section.model_fields.items():
        variants = sections_of(field.annotation)
        if not variants:
            found[prefix + name] = kind
        for other, variant in variants.items():
            found |= leaf_paths(variant, f"{prefix}{name}.", f"{prefix}{name}.kind {other}" if other else kind)
    return found


def experiment_fields() -> list[str]:
    """Return the dotted path of each field that an experiment can have."""
    return list(leaf_paths(Experiment))


def _example(section: type[BaseModel], field: str) -> str:
    """Return a list as a field may hold one: of names, else of numbers."""
    of_names = field in section.model_fields and get_args(section.model_fields[field].annotation)[0] is str
    return "[corr_noisy_007, auxiliary_016]" if of_names else "[0, 2]"


def _without_tags(loc: tuple[int | str, ...], root: type[BaseModel]) -> tuple[type[BaseModel], list[str], list[str]]:
    """Return the innermost section on an error's way, the kinds it ends before, and its path without unions' tags."""
    section: type[BaseModel] | None = root
    inner = root
    held: Any = None  # what the mapping holds on whose key the way comes next
    variants: dict[str, type[BaseModel]] = {}
    names: list[str] = []
    for part in map(str, loc):
        if len(variants) > 1 and part in variants:  # the tag that pydantic puts after a union's field
            section = variants[part]
            variants = {}
        else:
            names.append(part)
            field = section.model_fields.get(part) if section else None
            annotation = field.annotation if field else held
            held = get_args(annotation)[1] if get_origin(annotation) is dict else None
            variants = sections_of(annotation)
            section = next(iter(variants.values())) if len(variants) == 1 else None
        inner = section or inner
    return inner, list(variants) if len(variants) > 1 else [], names


def sections_of(annotation: Any) -> dict[str, type[BaseModel]]:
    """Return the sections a field may hold, by their kind; empty for a leaf."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kind = annotation.model_fields.get("kind")
        return {str(kind.default) if kind else "": annotation}
    if get_origin(annotation) in (Union, types.UnionType):
        return {key: value for part in get_args(annotation) for key, value in sections_of(part).items()}
    return {}
