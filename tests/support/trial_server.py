"""Runs trials, one after another, in forks of a process that has already imported the framework.

    trial_server.py jax|pytorch

Every input line is a trial as JSON: `arguments` of the command line, `log` for its output, changes of the
`environment`, and `stop_at`: the step at which it gets SIGTERM, or null. Its exit code is written as a line.
"""

import gc
import importlib
import json
import os
import signal
import sys
import traceback

from algoperf.cli import main
from algoperf.trial.launch import IN_PROCESS_VARIABLE
from algoperf.trial.loop import Trial
from algoperf.trial.settings import TrialSettings

# Modules that take long to import, and start no devices or threads.
IMPORTS = {
    "jax": ["algoperf.frameworks.jax.backend", "optax", "optax.contrib"],
    "pytorch": ["algoperf.frameworks.torch.backend", "torch.distributed.nn", "torch._dynamo"],
}
step = Trial._step


def stopping(step_number: int):
    """A step that a signal interrupts: the step is completed, and then the trial stops."""

    def perhaps(self: Trial) -> None:
        if self.state.global_step == step_number - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        step(self)

    return perhaps


def run(job: dict) -> None:
    output = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(job["environment"], **{IN_PROCESS_VARIABLE: "1"})
    if job["stop_at"] is not None:
        Trial._step = stopping(job["stop_at"])  # type: ignore[method-assign]
    TrialSettings.budget_sec = float("inf")  # type: ignore[assignment, method-assign]  # independent of the machine's load
    main(job["arguments"])


def forked(job: dict) -> int:
    """Run a trial in a separate process; returns its exit code."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            run(job)
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for module in IMPORTS[sys.argv[1]]:
        importlib.import_module(module)
    gc.freeze()  # keeps the trials' garbage collections from scanning all imported modules
    for line in sys.stdin:
        print(forked(json.loads(line)), flush=True)
