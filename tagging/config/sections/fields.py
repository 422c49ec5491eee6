"""What all sections are made of: the frozen part of a tree, and types of numbers with their ranges."""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator
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
