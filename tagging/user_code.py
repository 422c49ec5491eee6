"""A network, a loss or an augmentation in a Python file of the user's own; docs/extend.md says what it must be.

A file is known by the sha256 of its content, runs once in a process, and only from the path that the user gave. A
kernel holds it as a module under its name in `sys.modules`, and reads no file.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tagging import project
from tagging.errors import UserError, nearest

# where MLflow keeps the files of a run, whatever its store and the store's artifact location
_OF_A_RUN = re.compile("/[0-9a-f]{32}/artifacts/")


@dataclass(frozen=True)
class UserCode:
    """A class or function in a user's file, with the keyword arguments that it is called with.

    `section` is its place in the config, as `loss.noisy`; `kind` is class or function; `sha256` is that of the file.
    """

    section: str
    kind: str
    name: str
    arguments: dict[str, Any]
    sha256: str
    path: Path = field(default=Path("kernel.py"), repr=False, compare=False)  # in a kernel: no file of its own

    @property
    def module(self) -> str:
        """The name of the file as a module."""
        return f"user_code_{self.sha256}"

    def source(self) -> str:
        """Return the text of the file; UserError where it is missing, is in a store, or has another content."""
        content = read(self.path, self.section)
        if (digest := hashlib.sha256(content).hexdigest()) != self.sha256:
            raise UserError(
                f"{self.section}.file: {self.path} has changed: its sha256 is {digest[:12]}…, that of the run's "
                f"file is {self.sha256[:12]}…; bring back the content that the run was trained with"
            )
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise UserError(f"{self.section}.file: {self.path} is no text in UTF-8") from None

    def load(self) -> Callable[..., Any]:
        """Return the class or function; UserError with file and line where the file cannot be run or has none such."""
        module = sys.modules.get(self.module) or self._run()
        found = vars(module).get(self.name)
        if inspect.isclass(found) if self.kind == "class" else callable(found):
            loaded: Callable[..., Any] = vars(module)[self.name]
            return loaded
        own = [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == self.module and inspect.isclass(value) == (self.kind == "class")
        ]
        near = nearest(self.name, own)
        hint = f"did you mean {near}? " if near else ""
        there = f"There are: {', '.join(own)}" if own else "There are none"
        raise UserError(f"{self.section}.{self.kind}: {self.path} has no {self.kind} {self.name!r}; {hint}{there}")

    def call(self, *positional: Any) -> Any:
        """Call the class or function with its arguments behind some others; errors as `errors`."""
        target = self.load()
        with self.errors(target):
            return target(*positional, **self.arguments)

    def fail(self, what: str) -> UserError:
        """Return the error of a class or function that does not do what it must, with its file and line."""
        return UserError(f"{self.section}: {self.path}:{_line_of(self.load())}: {self.name} {what}")

    @contextmanager
    def errors(self, target: Callable[..., Any] | None = None) -> Iterator[None]:
        """Turn an error of the user's code into a UserError with the last line of the file that was being run."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:  # whatever it raises
            # the path under which the content was run first
            file = getattr(sys.modules.get(self.module), "__file__", "")
            lines = [one.lineno for one in traceback.extract_tb(error.__traceback__) if one.filename == file]
            line = lines[-1] if lines else _line_of(target or self.load())
            if isinstance(error, SyntaxError) and error.filename == file:
                line = error.lineno
            said = str(error.msg if isinstance(error, SyntaxError) else error).strip().split("\n")[0]
            raise UserError(f"{self.section}: {self.path}:{line}: {type(error).__name__}: {said}") from None

    def _run(self) -> types.ModuleType:
        source = self.source()
        module = sys.modules[self.module] = types.ModuleType(self.module)
        module.__file__ = str(self.path)
        try:
            with self.errors(lambda: None):
                exec(compile(source, str(self.path), "exec"), module.__dict__)
        except BaseException:
            del sys.modules[self.module]
            raise
        return module


def _line_of(target: Callable[..., Any]) -> int:
    """Return the line where a class or function, in the end its __init__, begins; 1 where that is not known."""
    code = getattr(target, "__code__", None) or getattr(getattr(target, "__init__", None), "__code__", None)
    return code.co_firstlineno if code else 1


def read(path: Path, section: str) -> bytes:
    """Return the content of a user's file; UserError where there is none, or where it is among the files of runs."""
    if _in_store(path.resolve()):
        raise UserError(
            f"{section}.file: {path} is in a store of runs, and code from a store is never run; look at it, then copy "
            "it to a folder of your own and name the copy"
        )
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"{section}.file: {path}: there is no such file; its path is relative to the project's root"
        ) from None
    except OSError as error:
        raise UserError(f"{section}.file: {path} cannot be read: {error.strerror}") from None


def _in_store(path: Path) -> bool:
    """Whether an absolute path is in the project's `mlruns`, or among the files of a run of any store."""
    return path.is_relative_to((project.root() / "mlruns").resolve()) or bool(_OF_A_RUN.search(path.as_posix()))


def imported(source: str) -> set[str]:
    """Return the top names of the libraries that a Python text imports, Python's own left out."""
    nodes = list(ast.walk(ast.parse(source)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names
