"""Says errors in the words of Python: `output_dir=...` instead of --output-dir ..."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Collection
from typing import ParamSpec, TypeVar

from algoperf.errors import AlgoperfError, did_you_mean, text_of
from algoperf.make_words import OPTION

_P = ParamSpec("_P")
_R = TypeVar("_R")
_RENAMED = {"torch_compile": "compile_policy", "with": "baseline", "workload": "workloads", "workloads": "workload"}
_COMMAND_LINE = re.compile(r"(`[^`\n]*algoperf [^`\n]*`|^\s*algoperf .*$)", re.MULTILINE)


def errors_in_python_words(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, whose errors name its arguments where those of the command line name options.

    An argument that it does not have is a TypeError as ever, which names the nearest one.
    """
    arguments = inspect.signature(function).parameters

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        for given in kwargs:
            if given not in arguments:
                raise _no_argument(function.__name__, given, arguments)
        try:
            return function(*args, **kwargs)
        except AlgoperfError as error:
            error.args = (in_python_words(text_of(error), arguments), *error.args[1:])
            raise

    return call


def _no_argument(function: str, given: str, arguments: Collection[str]) -> TypeError:
    hint = did_you_mean(given, arguments) or f" Allowed: {', '.join(arguments)}."
    return TypeError(f"{function}() has no argument {given!r}.{hint} help(algoperf.{function}) lists all.")


def in_python_words(message: str, arguments: Collection[str]) -> str:
    """A message with options as these arguments. Other options, and whole command lines, stay as they are."""
    parts = _COMMAND_LINE.split(message)
    said = [
        part if number % 2 else OPTION.sub(lambda found: _as_argument(found, arguments), part)
        for number, part in enumerate(parts)
    ]
    return "".join(said).replace("The same command", "The same call").replace("the same command", "the same call")


def _as_argument(found: re.Match[str], arguments: Collection[str]) -> str:
    name, value = found[1].removeprefix("--").replace("-", "_"), found[2]
    if name.startswith("no_") and name[3:] in arguments:
        return f"{name[3:]}=False"
    name = name if name in arguments else _RENAMED.get(name, name)
    if name not in arguments:
        return found[0]
    if value is None:
        return name
    return f"{name}={value}" if value.isdigit() or value.isupper() else f'{name}="{value}"'
