"""What all sections are made of: the frozen part of a tree, and types of numbers with their ranges."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A frozen part of the tree that knows its fields and refuses any other."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @property
    def off(self) -> bool:
        """Whether nothing in it changes a number, so that no fingerprint knows of it."""
        return False


def _no_nulls(value: object) -> object:
    return None if value in ("null", "none", "~", "") else value


Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
OptionalCount = Annotated[Count | None, BeforeValidator(_no_nulls)]
