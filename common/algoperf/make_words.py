"""Says messages in the words of `make` to those who called it: SUBMISSION=... instead of --submission ..."""

from __future__ import annotations

import os
import re

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
_OF_TARGETS = {"compare": {"--output-dir": "COMPARISON"}}
_EXTRA = {
    *("--checkpoints", "--eval-every-steps", "--max-global-steps", "--no-resume", "--num-processes", "--num-studies"),
    *("--num-trials", "--search-space", "--share", "--skip-evals", "--torch-compile", "--no-verify", "--evaluation"),
}
OPTION = re.compile(
    r"(?<![\w-])(?<!EXTRA=)(?<!EXTRA=\")"  # what was said already, by a process that this one started
    r"(--[a-z][a-z-]+)"
    r"(?:[ =](\d+|(?:jax|pytorch|external|self|full|mini|algorithm|model|[A-Z]+)\b|\S*/\S+))?"
)
"""An option in a message, and its value if it looks like one."""


def in_words_of_the_caller(message: str) -> str:
    """A message, with the options outside of command lines (`algoperf ...`) as variables if `make` was called."""
    if not os.environ.get(CALLED_BY_MAKE):
        return message
    return "\n".join(line if "algoperf " in line else OPTION.sub(_as_variable, line) for line in message.split("\n"))


def _as_variable(found: re.Match[str]) -> str:
    option, value = found[1], found[2]
    variables = {**VARIABLES, **_OF_TARGETS.get(os.environ[CALLED_BY_MAKE], {})}
    if option in variables:
        return f"{variables[option]}={value}" if value else variables[option]
    if option not in _EXTRA:
        return found[0]
    return f'EXTRA="{option} {value}"' if value else f"EXTRA={option}"
