"""Runs command lines of `algoperf`, each in a fork of one process that has imported what all of them need.

Every line that comes in is [arguments, log file] as JSON. A line with its exit code goes out.
"""

import atexit
import json
import os
import sys
import traceback

import torch._dynamo  # noqa: F401  (the first optimizer imports it, which takes seconds)

import algoperf.frameworks.torch.backend
import algoperf.trial.launch
import algoperf.trial.loop
from algoperf.cli import main


def in_child(arguments: list[str], log: str) -> None:
    """Run one command line; never returns. Calls the exit handlers, as at a real exit."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    output = os.open(log, os.O_CREAT | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 1
    os.environ[algoperf.trial.launch.IN_PROCESS_VARIABLE] = "1"
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
    for line in sys.stdin:
        print(run(*json.loads(line)), flush=True)
