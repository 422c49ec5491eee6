"""Plain trees of text, as YAML files and overrides give them, and where each leaf was written."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.reader import ReaderError

from tagging.errors import UserError

Tree = dict[str, Any]
Origins = dict[str, str]  # dotted path -> "file:line" or the override as given

# an override ends where the next one begins, so that a value may hold spaces; one in quotation marks ends with them
_OVERRIDE = re.compile(r"""\s*([\w.]+=(?:"[^"]*"|'[^']*')|\S.*?)(?=\s+[A-Za-z_][\w.]*=|\s*$)""", re.DOTALL)
_PATH = re.compile(r"[A-Za-z_]\w{,99}(\.\w{1,99}){,9}")
# fields that had another name once: runs outlive it, their `config.yaml` is read with today's
RENAMED = {  # in the section loss
    "curated_weight": ("curated", "weight"),
    "trusted_weight": ("trusted", "weight"),
    "noisy_weight": ("noisy", "weight"),
    "noisy_beta": ("noisy", "beta"),
}
_LEVELS = 20  # of a file; the schema has five
_VALUES = 10_000  # in a file, its aliases written out; the longest of the project has three hundred


class _Loader(yaml.SafeLoader):
    """Composes a tree of nodes that is no deeper and no larger than a file of fields can be, aliases written out."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._level = 0
        self._values = 0
        self._sizes: dict[yaml.Node, int] = {}  # of what is composed to its end

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose the next node; raises ComposerError, which knows the line, where it is too much or holds itself."""
        event = self.peek_event()
        mark: Any = event.start_mark  # typed as one of libyaml's too, which this loader does not use
        if self._level > _LEVELS:
            raise ComposerError(None, None, f"nested more than {_LEVELS} deep", mark)
        if isinstance(event, yaml.ScalarEvent) and any("\ud800" <= sign <= "\udfff" for sign in event.value):
            raise ComposerError(None, None, "an escape that is half of a character", mark)  # no store keeps it
        before = self._values
        self._values += 1
        self._level += 1
        node = super().compose_node(parent, index)
        self._level -= 1
        if isinstance(event, yaml.AliasEvent):
            if node not in self._sizes:
                raise ComposerError(None, None, f"*{event.anchor} stands inside what it names", mark)
            self._values = before + self._sizes[node]
        elif node is not None:
            self._sizes[node] = self._values - before
        if self._values > _VALUES:
            raise ComposerError(None, None, f"more than {_VALUES:,} values", mark)
        return node


def _compose(text: str) -> yaml.Node | None:
    """Return the tree of nodes of a YAML text; raises YAMLError."""
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    except (OverflowError, ValueError):  # of "\U00110000"
        raise ComposerError(None, None, "an escape that is no character", loader.get_mark()) from None


def read_yaml(path: Path) -> tuple[Tree, Origins]:
    """Read a YAML mapping with every scalar as text, and the file and line of each of its keys.

    Raises UserError for a file that cannot be read, is no YAML, is no mapping or repeats a key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text: {error}") from None
    try:
        node = _compose(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: not valid YAML: {error.problem or error.context}") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UserError(
            f"{path}:{line}: not valid YAML: the character {chr(error.character)!r} is none of a text"
        ) from None
    if node is None:
        return {}, {}
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{path}:1: the file must be a mapping of fields, such as `seed: 1`")
    origins: Origins = {}
    return _mapping(node, path, "", origins), origins


def _mapping(node: yaml.MappingNode, place: Path | str, prefix: str, origins: Origins) -> Tree:
    tree: Tree = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        where = f"{place}:{key_node.start_mark.line + 1}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise UserError(f"{where}: a key must be the name of a field")
        if key in tree:
            raise UserError(f"{where}: {prefix}{key} is given twice")
        origins[prefix + key] = where
        tree[key] = _value(value_node, place, f"{prefix}{key}.", origins)
    return tree


def _value(node: yaml.Node, place: Path | str, prefix: str, origins: Origins) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, place, prefix, origins)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, place, prefix, origins) for item in node.value]
    return str(node.value)


def read_overrides(texts: list[str] | tuple[str, ...]) -> tuple[Tree, Origins]:
    """Turn `a.b=1 c=2`, in one text or in several, into a tree.

    Raises UserError, all problems at once, for what is not of the form PATH=VALUE.
    """
    tree: Tree = {}
    origins: Origins = {}
    problems = []
    for text in (part for given in texts for part in _OVERRIDE.findall(given)):
        path, equals, value = text.partition("=")
        shown = f"--set {short(text)}"
        if not equals or not _PATH.fullmatch(path):
            problems.append(f"{shown}: not of the form PATH=VALUE, such as optimizer.lr=1e-3")
            continue
        if value.startswith(("'", '"')):  # as `mlflow run -P set=...` hands them over
            if len(value) < 2 or value.find(value[0], 1) != len(value) - 1:
                problems.append(f'{shown}: quotation marks go around the whole value, as name="my set"')
                continue
            value = value[1:-1]
        try:
            node = _compose(value) if value.startswith(("[", "{")) else None
            parsed = _value(node, f"--set {path}", "", {}) if node else value
        except yaml.YAMLError:
            problems.append(f"{shown}: the value is not a list such as [0, 2]")
            continue
        *sections, leaf = path.split(".")
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                problems.append(f"{shown}: {section} was given a value before, it cannot hold {leaf}")
                place = {}
        place[leaf] = parsed
        origins[path] = f"--set {path}"
    if problems:
        raise UserError(*problems)
    return tree, origins


def short(text: str) -> str:
    """Return a text for a message, cut where it is long."""
    return text if len(text) <= 100 else f"{text[:60]}... ({len(text):,} characters)"


def merge(below: Tree, above: Tree) -> Tree:
    """Lay one tree over another; a section whose `kind` changes is replaced, any other is merged."""
    if "kind" in above and above["kind"] != below.get("kind"):
        return dict(above)
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(value, dict) and isinstance(under, dict):
            value = merge(under, value)
        merged[key] = value
    return merged


def with_new_names(tree: Tree) -> Tree:
    """Return a tree in which fields have today's names, not former ones."""
    renamed = copy.deepcopy(tree)
    loss = renamed.get("loss", {})
    for former, (source, name) in RENAMED.items():
        if former in loss:
            loss.setdefault(source, {})[name] = loss.pop(former)
    return renamed
