"""Modules of the project as one Python file: each stands in it as text, in the order of their imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from pprint import pformat
from typing import Any

from tagging.user_code import UserCode

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "tagging"
PACKED = "packed"  # the package's name in the one file, so that an installed one is not taken for it
_IMPORT = re.compile(rf"^(\s*(?:from|import) ){PACKAGE}\b", re.MULTILINE)
_WIDTH = 110

_HEAD = '''\
"""{title}"""

import linecache
import sys
import time
import types
from pathlib import Path

STARTED = time.monotonic()


def _module(name: str, source: str) -> None:
    """Run one of the modules below and put it where `import` looks first."""
    place = f"{{__file__}}: {{name}}"
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)  # for tracebacks
    module = sys.modules[name] = types.ModuleType(name)
    module.__dict__.update(__file__=place, __path__=[])
    exec(compile(source, place, "exec"), module.__dict__)
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)

'''
_TAIL = """
{imports}
from {packed}.{main} import main

PLAN = {plan}

if __name__ == "__main__":
    sys.exit(main(PLAN, Path(__file__).resolve().parent, STARTED))
"""


def one_file(title: str, main: str, plan: Any) -> str:
    """Return the text of a file that runs `main(plan, folder of the file, start)` of a module of the project.

    The file holds that module and all of the project that it imports, to the letter but for the package's name, the
    user's own files that the plan needs, and `plan`, a tree of dataclasses, as code that builds it again.
    """
    codes = user_codes(plan)
    quotable = title.replace("\\", "\\\\").replace('"', '\\"')
    parts = [_HEAD.format(title=quotable)]
    needed = [name for code in codes for name in sorted(_imports_of(code.source()))]
    parts += [_as_text(name) for name in in_order(f"{PACKAGE}.{main}", *needed)]
    parts += [_module_text(code.module, code.source(), code.path.name) for code in codes]
    imports = sorted(f"from {_renamed(kind.__module__)} import {kind.__name__}" for kind in _kinds(plan))
    plan_text = pformat(plan, width=_WIDTH, sort_dicts=False, compact=True)
    parts.append(_TAIL.format(imports="\n".join(imports), packed=PACKED, main=main, plan=plan_text))
    return "\n".join(parts)


def is_one_file(path: Path) -> bool:
    """Tell whether `one_file` has written a file; False where there is none."""
    return path.is_file() and f"\nfrom {PACKED}." in path.read_text(encoding="utf-8", errors="replace")


def user_codes(plan: Any) -> list[UserCode]:
    """Return the user's own files that a plan needs, each once."""
    codes = {value.sha256: value for value in dataclasses_in(plan) if isinstance(value, UserCode)}
    return list(codes.values())


def in_order(*names: str) -> list[str]:
    """Return modules and all of the project that they import, each after those that it needs."""
    found: list[str] = []
    begun: set[str] = set()
    for name in names:
        _visit(name, found, begun)
    return found


def _visit(name: str, found: list[str], begun: set[str]) -> None:
    if name in begun:
        return
    begun.add(name)
    package = name.rpartition(".")[0]
    for needed in [package] * bool(package) + sorted(own_imports(name)):
        _visit(needed, found, begun)
    found.append(name)


def own_imports(name: str) -> set[str]:
    """Return the project's modules that one of its modules imports, those for type checkers alone left out."""
    return _imports_of(_path(name).read_text(encoding="utf-8"))


def _imports_of(source: str) -> set[str]:
    found = set()
    for node in _executed(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if _is_own(alias.name)}
        elif isinstance(node, ast.ImportFrom) and _is_own(node.module or ""):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            # what is imported from a package is a module of it, or one of its names
            found |= {inner if _exists(inner) else str(node.module) for inner in names}
    return found


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _executed(node)


def _is_own(name: str) -> bool:
    return name.split(".")[0] == PACKAGE


def _exists(name: str) -> bool:
    return _path(name).is_file()


def _path(name: str) -> Path:
    place = ROOT.joinpath(*name.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def _as_text(name: str) -> str:
    source = _path(name).read_text(encoding="utf-8")
    if not _fits_raw(source):
        raise ValueError(f"{name} holds three single quotes or ends in a backslash, which a raw text cannot hold")
    return _module_text(_renamed(name), source, _path(name).relative_to(ROOT).as_posix())


def _module_text(name: str, source: str, place: str) -> str:
    source = _IMPORT.sub(rf"\g<1>{PACKED}", source)
    # the text begins on the same line, so that the lines of tracebacks are those of the file itself
    text = f"r'''{source}'''" if _fits_raw(source) else repr(source)
    return f'# {place}\n_module("{name}", {text})\n'


def _fits_raw(source: str) -> bool:
    return "'''" not in source and not source.rstrip("\n").endswith("\\")


def _renamed(name: str) -> str:
    return PACKED + name.removeprefix(PACKAGE)


def _kinds(value: Any) -> set[type]:
    """Return the classes of all dataclasses in a tree of them."""
    return {type(one) for one in dataclasses_in(value)}


def dataclasses_in(value: Any) -> Iterator[Any]:
    """Yield all dataclasses in a tree of them."""
    inner: Iterable[Any] = ()
    if is_dataclass(value):
        yield value
        inner = (getattr(value, field.name) for field in fields(value))
    elif isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, (tuple, list)):
        inner = value
    for one in inner:
        yield from dataclasses_in(one)
