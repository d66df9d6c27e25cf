"""The source of functions and classes, with all that they use of the notebook or module that they are from."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import linecache
import sys
import textwrap
from types import FunctionType, ModuleType
from typing import Any

from algoperf.errors import UserError


class Source:
    """Collects source.

    Attributes:
      constants: text of values by name, written before the definitions.
    """

    def __init__(self) -> None:
        self.constants: dict[str, str] = {}
        self._imports: set[str] = set()
        self._definitions: dict[str, str] = {}
        self._begun: set[str] = set()

    def add(self, value: Any) -> None:
        """Add a function or class, and before it what it uses."""
        value = inspect.unwrap(value)
        name = value.__name__
        if name in self._begun:
            return
        self._begun.add(name)
        text = _text(value)
        for used in sorted(_names(text) - {name}):
            scope = _scope(value)
            if used in scope:
                self._need(used, scope[used], value)
        self._definitions[name] = text

    def _need(self, name: str, value: Any, user: Any) -> None:
        if isinstance(value, ModuleType):
            plain = value.__name__ == name
            self._imports.add(f"import {name}" if plain else f"import {value.__name__} as {name}")
        elif _is_local(value, user):
            self.add(value)
        elif (place := _importable(name, value)) is not None:
            self._imports.add(f"from {place[0]} import {place[1]}" + ("" if place[1] == name else f" as {name}"))
        elif _is_plain(value):
            self.constants[name] = repr(value)
        else:
            raise UserError(
                f"{user.__name__} uses {name}, a {type(value).__name__}, which cannot be written into a file. "
                "Make it inside the function."
            )

    def text(self, more_imports: list[str]) -> str:
        """Imports, constants and definitions; ends with a newline."""
        imports = sorted({*self._imports, *more_imports}, key=lambda line: (line.startswith("from algoperf"), line))
        constants = [f"{name} = {value}" for name, value in self.constants.items()]
        parts = ["\n".join(imports)] if imports else []
        parts += ["\n".join(constants)] if constants else []
        head = "\n\n".join(parts)
        return "\n\n\n".join([*([head] if head else []), *self._definitions.values()]) + "\n"


def _is_local(value: Any, user: Any) -> bool:
    """Whether a value was defined where its user was, rather than imported there."""
    value = inspect.unwrap(value) if callable(value) else value
    return isinstance(value, FunctionType | type) and value.__module__ == user.__module__


def _scope(value: Any) -> dict[str, Any]:
    """The global names where a function or class was defined."""
    if isinstance(value, FunctionType):
        closure = inspect.getclosurevars(value).nonlocals
        return {**value.__globals__, **closure}
    return vars(sys.modules[value.__module__])


def _text(value: Any) -> str:
    """The source of a function or class, without indentation."""
    try:
        text = _class_text(value) if isinstance(value, type) else inspect.getsource(value)
    except (OSError, TypeError, SyntaxError) as error:
        raise UserError(
            f"The source of {value.__name__} is not known ({error}). Define it in a cell or a file."
        ) from None
    text = textwrap.dedent(text).rstrip()
    if not text.startswith(("def ", "class ", "@")):
        raise UserError(
            f"{value.__name__} is not defined by a statement of its own. Write `def {value.__name__}(...)`."
        )
    return text


def _class_text(value: type) -> str:
    """`inspect` does not find classes of notebooks; their methods know where they are from."""
    methods = [inspect.unwrap(item) for item in vars(value).values() if callable(item)]
    file = next((item.__code__.co_filename for item in methods if isinstance(item, FunctionType)), None)
    lines = linecache.getlines(file) if file else []
    if not lines:
        return inspect.getsource(value)
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.ClassDef) and node.name == value.__name__:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return "".join(lines[first - 1 : node.end_lineno])
    raise OSError("its cell was changed")


def _names(text: str) -> set[str]:
    """The names that code reads and that are not Python's own."""
    read = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    return {name for name in read if not hasattr(builtins, name)}


def _importable(name: str, value: Any) -> tuple[str, str] | None:
    """Module and name from which a value can be imported; None if it cannot."""
    module = getattr(value, "__module__", None)
    if not isinstance(module, str) or module == "__main__":
        return None
    for candidate in (getattr(value, "__name__", None), name):
        try:
            if candidate and getattr(importlib.import_module(module), candidate, None) is value:
                return module, candidate
        except ImportError:
            return None
    return None


def _is_plain(value: Any) -> bool:
    """Whether Python can write the value down and read it again."""
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError, MemoryError):
        return False
