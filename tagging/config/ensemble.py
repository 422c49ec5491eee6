"""The recipe of an ensemble: which experiments are its members, and how they are blended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from pydantic import Field, ValidationError

from tagging import project
from tagging.config.lineage import lineage
from tagging.config.load import AnyRecipe, as_experiment, find, load
from tagging.config.problems import problems_of
from tagging.config.schema import Experiment, Stacker
from tagging.config.sections.fields import Count, Section, is_nothing
from tagging.config.tree import Origins, Tree, read_yaml
from tagging.errors import UserError


class EnsembleRecipe(Section):
    """One file of experiments/ensembles/."""

    name: str = Field("", description="name of the run; empty: the file's name")
    notes: str = Field("", description="why this ensemble; shown on the run's page")
    method: Literal["geometric", "arithmetic"] = Field("geometric", description="mean that joins the members")
    members: tuple[str, ...] = Field(min_length=1, description="experiments by name, in the order of stackers' inputs")
    stackers: tuple[str, ...] = Field((), description="stackers by name; they learn from all of the members")
    weights: tuple[Count, ...] = Field((), description="how often each counts, the members first; []: all the same")


@dataclass(frozen=True)
class ResolvedEnsemble:
    """A recipe with the experiments of its members.

    `lineages` hold, by name, how a member differs from its base. `stacker` resolves a stacker once the runs that it
    learns from are known.
    """

    recipe: EnsembleRecipe
    members: dict[str, Experiment]
    lineages: dict[str, dict[str, str]]
    set_stackers: Sequence[str]
    data: Path | None

    def stacker(self, name: str, members: Sequence[str]) -> Stacker:
        """Return a stacker on these runs, by id."""
        overrides = [*self.set_stackers, f"members=[{', '.join(members)}]"]
        return cast(Stacker, _resolved(name, overrides, self.data, stacker=True))


def recipes() -> Path:
    """Return the folder of the recipes' files."""
    return project.experiments() / "ensembles"


def load_ensemble(
    name: str,
    overrides: Sequence[str] = (),
    set_stackers: Sequence[str] = (),
    data: Path | None = None,
    folder: Path | None = None,
) -> ResolvedEnsemble:
    """Load a recipe by name or by path, with its members.

    `overrides` go to all members that are no stackers, `set_stackers` to all that are. Raises UserError, all problems
    of all files at once, each with its place.
    """
    path = find(name, folder or recipes(), "ensemble recipe")
    tree, origins = read_yaml(path)
    given = tree.get("name")
    recipe, problems = _recipe({**tree, "name": path.stem if is_nothing(given) else given}, origins, path)
    members: dict[str, Experiment] = {}
    lineages: dict[str, dict[str, str]] = {}
    resolved = ResolvedEnsemble(recipe, members, lineages, set_stackers, data)
    for member in recipe.members:
        try:
            members[member] = as_experiment(_resolved(member, overrides, data, stacker=False))
            lineages[member] = lineage(member, members[member], overrides)
        except UserError as error:
            problems += _placed(error, "members", origins)
    for stacker in recipe.stackers:
        try:
            resolved.stacker(stacker, recipe.members)
        except UserError as error:
            problems += _placed(error, "stackers", origins)
    if problems:
        raise UserError(*dict.fromkeys(problems))
    return resolved


def _recipe(tree: Tree, origins: Origins, path: Path) -> tuple[EnsembleRecipe, list[str]]:
    """Return the recipe with all problems of its file; fields with a problem have their defaults."""
    try:
        recipe = EnsembleRecipe.model_validate(tree)
    except ValidationError as error:
        wrong = {str(item["loc"][0]) for item in error.errors()}
        sound = {field: value for field, value in tree.items() if field not in wrong}
        if "members" not in sound or "stackers" in wrong:
            sound.pop("weights", None)  # nobody knows whether there is one for each
        partial = EnsembleRecipe.model_construct(**{"members": (), **sound})
        return partial, [*problems_of(error, origins, path, EnsembleRecipe), *_misfits(partial, origins)]
    return recipe, _misfits(recipe, origins)


def _misfits(recipe: EnsembleRecipe, origins: Origins) -> list[str]:
    """Return where names come twice, or weights are not as many as names."""
    fields = [*(("members", name) for name in recipe.members), *(("stackers", name) for name in recipe.stackers)]
    names = [name for _, name in fields]
    problems = [
        f"{origins[field]}: {field}: {name} is named twice; give it more weight instead"
        for place, (field, name) in enumerate(fields)
        if name in names[:place]
    ]
    if recipe.weights and len(recipe.weights) != len(names):
        given = f"weights has {len(recipe.weights)} numbers for {len(names)} members and stackers"
        problems.append(f"{origins['weights']}: {given}; give one each, or leave weights out")
    return problems


def _resolved(name: str, overrides: Sequence[str], data: Path | None, stacker: bool) -> AnyRecipe:
    """Return a member or a stacker; UserError where it is the other of the two, or asks for some folds alone."""
    if isinstance(load(name), Stacker) != stacker:  # before the overrides, which are meant for the other
        raise UserError(
            f"{name} is no stacker; name it under members"
            if stacker
            else f"{name} is a stacker; name it under stackers"
        )
    recipe = load(name, overrides, data)
    if recipe.training.folds:
        raise UserError(f"{name}: training.folds is {list(recipe.training.folds)}; an ensemble needs all folds")
    return recipe


def _placed(error: UserError, field: str, origins: Origins) -> list[str]:
    """Return an error's problems; those without a place of their own get that of the field."""
    placed = ("--set", str(project.experiments()))
    return [text if text.startswith(placed) else f"{origins[field]}: {field}: {text}" for text in error.problems]
