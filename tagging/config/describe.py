"""The schema in words: every field with its type, default and meaning."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Container, Iterable, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from tagging.config import Experiment, Stacker, flatten
from tagging.config.load import leaf_text
from tagging.config.problems import leaf_paths, sections_of
from tagging.errors import UserError, nearest


def schema_text(field: str = "") -> str:
    """Return every field with its type, default and meaning, and every variant of a kind, in lines of 80 columns.

    With `field`, of that field or section alone; UserError with the nearest where there is none.
    """
    shared = [
        name
        for name, field in Stacker.model_fields.items()
        if (other := Experiment.model_fields.get(name))
        and (field.annotation, field.default) == (other.annotation, other.default)
    ]
    head = f"kind = stacker, at the top of a file: {_sentence(Stacker)} As of an experiment are {', '.join(shared)}."
    experiment, stacker = _lines(Experiment, ""), _lines(Stacker, "", leaving_out=shared)
    if field:
        experiment, stacker = _of_field(experiment, field), _of_field(stacker, field)
        head = "kind = stacker:"
    if not experiment + stacker:
        raise UserError(f"show schema: there is no field {field!r}{_meant(field)}")
    return "\n".join([*experiment, *(["", *_wrapped(head, 4), *stacker] if stacker else [])])


def _of_field(lines: Sequence[str], field: str) -> list[str]:
    """Return those of the schema's lines, each with what is wrapped below it, that are of a field or section."""
    of_path = re.compile(rf"  {re.escape(field)}[. ]|{re.escape(field)}(\.\S+)?[: ]")
    found: list[str] = []
    taking = False
    for line in lines:
        if not line.startswith("    "):
            taking = bool(of_path.match(line))
        if taking:
            found.append(line)
    return found


def _meant(field: str) -> str:
    fields = {**leaf_paths(Stacker), **leaf_paths(Experiment)}
    sections = {path.rpartition(".")[0] for path in fields} - {""}
    same = [path for path in fields if path.rpartition(".")[2] == field]
    near = " or ".join(same[:3]) or nearest(field, [*fields, *sections])
    return f"; did you mean {near}?" if near else ""


def _lines(section: type[BaseModel], prefix: str, leaving_out: Container[str] = ()) -> list[str]:
    """Return two lines a field of a section, wrapped to 80 columns, then the sections below it with their variants.

    Variants that an earlier field of the section has too are not repeated; fields in `leaving_out` are not shown.
    """
    lines, below = [], []
    shown: dict[tuple[type[BaseModel], ...], str] = {}
    for name, field in section.model_fields.items():
        if name in leaving_out:
            continue
        path = f"{prefix}{name}"
        variants = sections_of(field.annotation)
        if not variants and name != "kind":
            allowed = ", ".join([_type(field.annotation), *_bounds(field.metadata)])
            default = "(must be given)" if field.is_required() else _text(field.default)
            lines += _wrapped(f"  {path} = {default}  ({allowed})", 6)
            lines += _wrapped(f"      {field.description}", 6)
        elif len(variants) == 1:
            (variant,) = variants.values()
            below += ["", *_wrapped(f"{path}: {_sentence(variant)}", 4)]
            below += _lines(variant, f"{path}.")
        elif (key := tuple(variants.values())) in shown:
            leaves = flatten(field.default)
            head = f"{path}: as {shown[key]}. The default is {path}.kind = {leaves.pop('kind')}:"
            below += ["", *_wrapped(head, 4), *(f"  {path}.{leaf} = {_text(value)}" for leaf, value in leaves.items())]
        elif variants:
            shown[key] = path
            for kind, variant in variants.items():
                default = " The default." if isinstance(field.default, variant) else ""
                below += ["", *_wrapped(f"{path}.kind = {kind}: {_sentence(variant)}{default}", 4)]
                below += _lines(variant, f"{path}.")
    return lines + below


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(text, 80, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def _sentence(section: type[BaseModel]) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def _text(value: Any) -> str:
    """Return a default as a user would write it."""
    return '""' if value == "" else leaf_text(value)


def _type(annotation: Any) -> str:
    """Return a type in words: `int`, `a or b`, `list of int, >= 0`, `int, >= 1, or null`."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        *others, last = map(str, arguments)
        return f"{', '.join(others)} or {last}"
    if get_origin(annotation) is Annotated:
        return ", ".join([_type(arguments[0]), *_bounds(part for item in arguments[1:] for part in item.metadata)])
    if get_origin(annotation) is tuple:
        return f"list of {_type(arguments[0])}"
    if get_origin(annotation) is dict:
        return "mapping"
    if arguments:
        return f"{_type(arguments[0])}, or null"
    return str(annotation.__name__)


def _bounds(items: Iterable[Any]) -> list[str]:
    return [
        f"{sign} {bound:g}" if isinstance(bound, float) or bound > 10**9 else f"{sign} {bound}"
        for item in items
        for name, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))
        if (bound := getattr(item, name, None)) is not None
    ]
