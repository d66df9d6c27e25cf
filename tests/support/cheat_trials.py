"""Runs command lines of `algoperf`, each in a fork of one process that has imported what all of them need.

python cheat_trials.py FILE    a JSON list of [arguments, log file]; prints the exit codes as JSON
"""

import atexit
import json
import os
import sys
import traceback
from pathlib import Path

import torch._dynamo  # noqa: F401  (the first optimizer imports it, which takes seconds)

import algoperf.frameworks.torch.backend
import algoperf.trial.launch
import algoperf.trial.loop  # noqa: F401
from algoperf.cli import main


def in_child(arguments: list[str], log: str) -> None:
    """Run one command line; never returns. Calls the exit handlers, as at a real exit."""
    output = os.open(log, os.O_CREAT | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 1
    try:
        main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code)


def run(arguments: list[str], log: str) -> int:
    child = os.fork()
    if child == 0:
        in_child(arguments, log)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    print(json.dumps([run(*command) for command in json.loads(Path(sys.argv[1]).read_text())]))
