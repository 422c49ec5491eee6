"""Plain trees of text, as YAML files and overrides give them, and where each leaf was written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tagging.errors import UserError

Tree = dict[str, Any]
Origins = dict[str, str]  # dotted path -> "file:line" or the override as given

# an override ends where the next one begins, so that a value may hold spaces; one in quotation marks ends with them
_OVERRIDE = re.compile(r"""\s*([\w.]+=(?:"[^"]*"|'[^']*')|\S.*?)(?=\s+[A-Za-z_][\w.]*=|\s*$)""", re.DOTALL)


def read_yaml(path: Path) -> tuple[Tree, Origins]:
    """Read a YAML mapping with every scalar as text, and the file and line of each of its keys.

    Raises UserError for a file that cannot be read, is no YAML, is no mapping or repeats a key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text: {error}") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: not valid YAML: {error.problem or error.context}") from None
    if node is None:
        return {}, {}
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{path}:1: the file must be a mapping of fields, such as `seed: 1`")
    origins: Origins = {}
    return _mapping(node, path, "", origins), origins


def _mapping(node: yaml.MappingNode, path: Path, prefix: str, origins: Origins) -> Tree:
    tree: Tree = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        where = f"{path}:{key_node.start_mark.line + 1}"
        if key in tree:
            raise UserError(f"{where}: {prefix}{key} is given twice")
        origins[prefix + key] = where
        tree[key] = _value(value_node, path, f"{prefix}{key}.", origins)
    return tree


def _value(node: yaml.Node, path: Path, prefix: str, origins: Origins) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, prefix, origins)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, path, prefix, origins) for item in node.value]
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
        if not equals or not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", path):
            problems.append(f"--set {text}: not of the form PATH=VALUE, such as optimizer.lr=1e-3")
            continue
        if value.startswith(("'", '"')):  # as `mlflow run -P set=...` hands them over
            if len(value) < 2 or value.find(value[0], 1) != len(value) - 1:
                problems.append(f'--set {text}: quotation marks go around the whole value, as name="my set"')
                continue
            value = value[1:-1]
        try:
            parsed = yaml.load(value, Loader=yaml.BaseLoader) if value.startswith(("[", "{")) else value
        except yaml.YAMLError:
            problems.append(f"--set {text}: the value is not a list such as [0, 2]")
            continue
        *sections, leaf = path.split(".")
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                problems.append(f"--set {text}: {section} was given a value before, it cannot hold {leaf}")
                place = {}
        place[leaf] = parsed
        origins[path] = f"--set {path}"
    if problems:
        raise UserError(*problems)
    return tree, origins


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
