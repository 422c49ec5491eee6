"""What is wrong with a tree of fields: each problem with the place where it was written, and what is allowed."""

from __future__ import annotations

import types
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from tagging.config.sections.fields import ONE_LINE
from tagging.config.tree import Origins, short
from tagging.errors import nearest


def problems_of(error: ValidationError, origins: Origins, path: Path, root: type[BaseModel]) -> list[str]:
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
        hint = did_you_mean(context["tag"], allowed.strip("'").split("', '"))
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
        field = section.model_fields.get(names[-1])
        held = get_args(field.annotation)[0] if field is not None else int
        example = "[corr_noisy_007, auxiliary_016]" if held is str else "[0, 2]"
        example = "[{file: my.py, class: MyClass}]" if sections_of(held) else example
        return f"{dotted} is {given}; it must be a list such as {example}"
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


def _without_tags(loc: tuple[int | str, ...], root: type[BaseModel]) -> tuple[type[BaseModel], list[str], list[str]]:
    """Return the innermost section on an error's way, the kinds it ends before, and its path without unions' tags."""
    section: type[BaseModel] | None = root
    inner = root
    held: Any = None  # what a mapping or list holds whose key or place comes next
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
            origin, parts = get_origin(annotation), get_args(annotation)
            held = parts[1] if origin is dict else parts[0] if origin is tuple else None
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


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Return "did you mean X? " with the nearest allowed name, or nothing where none is near."""
    near = nearest(name, allowed)
    return f"did you mean {near}? " if near else ""
