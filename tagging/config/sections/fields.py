"""What all sections are made of: the frozen part of a tree, and types of numbers with their ranges."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_validator
from pydantic.fields import FieldInfo


def is_nothing(value: Any) -> bool:
    """Whether a value of a file or an override stands for nothing: null, ~, none, or no text at all."""
    return value is None or (isinstance(value, str) and value.strip().lower() in ("", "null", "~", "none"))


class Section(BaseModel):
    """A frozen part of the tree that knows its fields and refuses any other.

    Nothing (`is_nothing`) is the empty text in a field of text, no entries in a list, and None where that is allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @property
    def off(self) -> bool:
        """Whether nothing in it changes a number, so that no fingerprint knows of it."""
        return False

    def changed(self, path: str, value: Any) -> Self:
        """Return a copy with a value, which is not checked, at a dotted path, as loss.noisy.weight or python.0.file."""
        name, _, below = path.partition(".")
        inner = getattr(self, name)
        if below and isinstance(inner, tuple):
            place, _, below = below.partition(".")
            value = tuple(one.changed(below, value) if str(i) == place else one for i, one in enumerate(inner))
        elif below:
            value = inner.changed(below, value)
        return self.model_copy(update={name: value})

    @model_validator(mode="before")
    @classmethod
    def _nothing(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        fields = cls.model_fields
        return {
            name: _empty(fields[name], value) if name in fields and is_nothing(value) else value
            for name, value in values.items()
        }


def _empty(field: FieldInfo, value: Any) -> Any:
    """Return what nothing is in a field; the value as it was where the field has nothing that stands for it."""
    if field.annotation is str:
        return ""
    if get_origin(field.annotation) is tuple:
        return ()
    return None if type(None) in get_args(field.annotation) else value


Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
CountOrZero = Annotated[int, Field(ge=0, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
OptionalCount = Count | None
Name = Annotated[str, Field(min_length=1)]
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
Line = Annotated[str, Field(pattern=ONE_LINE)]  # is printed; a terminal obeys control characters


class UserFile(Section):
    """A class or function in a Python file of the user's own, in docs/extend.md."""

    file: Name = Field(description="Python file, relative to the project's root; its content counts, not its name")
    arguments: dict[str, Any] = Field({}, description="keyword arguments")
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = Field(
        "", description="64 hex digits, of the file's content; empty: as it is, which the run then holds"
    )

    @field_validator("arguments")
    @classmethod
    def _typed(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        return {name: typed(value) for name, value in arguments.items()}


if TYPE_CHECKING:

    class ClassOfFile(UserFile):
        """What a class of a user's file has, its name in the field `class`."""
else:  # Python's syntax has no field of this name
    ClassOfFile = create_model("ClassOfFile", __base__=UserFile, **{"class": (Name, Field(description="its name"))})


def typed(value: Any) -> Any:
    """Return a text of YAML as the number, truth or null that it spells, in lists and mappings too; else as it is."""
    if isinstance(value, dict):
        return {key: typed(below) for key, below in value.items()}
    if isinstance(value, list):
        return [typed(below) for below in value]
    if value in ("true", "false", "null"):
        return json.loads(value)
    for number in (int, float):
        with suppress(ValueError, TypeError):
            if isinstance(value, str) and math.isfinite(number(value)):
                return number(value)
    return value
