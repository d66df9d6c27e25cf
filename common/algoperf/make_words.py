"""Says messages in the words of `make` to those who called it: SUBMISSION=... instead of --submission ..."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

CALLED_BY_MAKE = "ALGOPERF_CALLED_BY_MAKE"
"""Environment variable with which the Makefile calls `algoperf`: the target."""
VARIABLES = {
    "--against": "AGAINST",
    "--data-dir": "DATA",
    "--framework": "FRAMEWORK",
    "--model": "MODEL",
    "--output-dir": "RUNS",
    "--ruleset": "RULESET",
    "--scale": "SCALE",
    "--seed": "SEED",
    "--studies": "STUDIES",
    "--engine": "ENGINE",
    "--launcher": "LAUNCHER",
    "--site": "SITE",
    "--submission": "SUBMISSION",
    "--track": "TRACK",
    "--trials": "TRIALS",
    "--version": "VERSION",
    "--with": "WITH",
    "--workload": "WORKLOADS",
    "--workloads": "WORKLOADS",
}
_OF_TARGETS = {
    "compare": {"--output-dir": "COMPARISON"},
    "campaign": {"--output": "CAMPAIGN", "--submissions": "SUBMISSIONS"},
}
_EXTRA = {
    *("--checkpoints", "--eval-every-steps", "--max-global-steps", "--no-resume", "--num-processes", "--num-studies"),
    *("--num-trials", "--search-space", "--share", "--skip-evals", "--torch-compile", "--no-verify", "--evaluation"),
    *("--ladder", "--qualification", "--retries", "--logs", "--strict"),
}
OPTION = re.compile(
    r"(?<![\w-])(?<!EXTRA=)(?<!EXTRA=\")"  # what was said already, by a process that this one started
    r"(--[a-z][a-z-]+)"
    r"(?:[ =](\d+|(?:jax|pytorch|external|self|full|mini|algorithm|model|[A-Z]+)\b|\S*/\S*[^\s.,:;)]))?"
)
"""An option in a message, and its value if it looks like one."""

_TRAINING = re.compile(r"algoperf train((?: --[a-z-]+ (?:'[^']*'|[^\s'`]+))+)")
_COMMAND = re.compile(r"(`|^ +|: )algoperf (?=[a-z])", re.MULTILINE)


def in_words_of_the_caller(message: str) -> str:
    """A message, with the options outside of command lines (`algoperf ...`) as variables if `make` was called.

    Command lines begin with the program's path then, unless it is on PATH.
    """
    if not os.environ.get(CALLED_BY_MAKE):
        return message
    lines = (line if "algoperf " in line else OPTION.sub(_as_variable, line) for line in message.split("\n"))
    return as_callable("\n".join(lines))


def as_callable(text: str) -> str:
    """A text whose command lines, `algoperf ...`, name the program's file if `make` was called: PATH may lack it.

    Those that train become calls of make itself, if it has a variable for each of their options.
    """
    if not os.environ.get(CALLED_BY_MAKE):
        return text
    return _COMMAND.sub(lambda found: f"{found[1]}{program()} ", _TRAINING.sub(_as_target, text))


def program() -> Path:
    """This program, seen from where it was called."""
    file, here = Path(sys.executable).with_name("algoperf"), Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file


def _as_target(found: re.Match[str]) -> str:
    words = re.findall(r"(--[a-z-]+) ('[^']*'|[^\s'`]+)", found[1])
    if not all(option in VARIABLES for option, _ in words):
        return found[0]
    return " ".join(["make train", *(f"{VARIABLES[option]}={value}" for option, value in words)])


def _as_variable(found: re.Match[str]) -> str:
    option, value = found[1], found[2]
    variables = {**VARIABLES, **_OF_TARGETS.get(os.environ[CALLED_BY_MAKE], {})}
    if option in variables:
        return f"{variables[option]}={value}" if value else variables[option]
    if option not in _EXTRA:
        return found[0]
    return f'EXTRA="{option} {value}"' if value else f"EXTRA={option}"
