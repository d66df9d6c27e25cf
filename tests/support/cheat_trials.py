"""Runs command lines of `algoperf`, each in a fork of one process that has imported what all of them need.

Every line that comes in is [arguments, log file] as JSON, and true if the trial has a parent. A line with its exit code
goes out. A parent forks, too, where it would start a Python that imports everything again.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Never

import torch._dynamo  # noqa: F401  (the first optimizer imports it, which takes seconds)

import algoperf.frameworks.torch.backend
import algoperf.reevaluate.checkpoints
import algoperf.trial.apart.model
import algoperf.trial.launch
import algoperf.trial.loop
from algoperf.cli import main
from algoperf.trial import supervisor, verification
from algoperf.trial.apart import evaluations, process

_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGCONT, signal.SIGCHLD)


class Forked:
    """What the parent of a trial needs of `subprocess.Popen`, for commands `python ... -m MODULE ARGUMENTS`."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        process_group: int | None = None,
        pass_fds: Sequence[int] = (),
        preexec_fn: Callable[[], None] | None = None,
    ) -> None:
        module, arguments = command[command.index("-m") + 1], [*command[command.index("-m") + 2 :]]
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            end(lambda: self._begin(module, arguments, env, process_group, pass_fds, preexec_fn))

    @staticmethod
    def _begin(
        module: str,
        arguments: list[str],
        environment: Mapping[str, str] | None,
        process_group: int | None,
        descriptors: Sequence[int],
        prepare: Callable[[], None] | None,
    ) -> None:
        if process_group is not None:
            os.setpgid(0, process_group)
        signal.set_wakeup_fd(-1)
        for number in _HANDLED:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        if environment is not None:
            for name in os.environ.keys() - environment.keys():
                del os.environ[name]
            os.environ.update(environment)
        close_others(descriptors)
        if prepare is not None:
            prepare()
        if module == process.__name__:
            process.main()
        else:
            main(arguments)

    def poll(self) -> int | None:
        if self.returncode is None:
            with contextlib.suppress(ChildProcessError):
                found, status = os.waitpid(self.pid, os.WNOHANG)
                if found:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        del timeout
        if self.poll() is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *error: Any) -> None:
        self.wait()


def close_others(kept: Sequence[int]) -> None:
    """Close all descriptors but the first three and these, as `subprocess` does."""
    before = 3
    for descriptor in sorted(kept):
        if descriptor > before:
            os.closerange(before, descriptor)
        before = descriptor + 1
    os.closerange(before, 1 << 12)


def end(run: Callable[[], Any]) -> Never:
    """Run something and end this process as Python does: threads, exit handlers, exit code."""
    code = 1
    try:
        run()
        code = 0
    except SystemExit as exit_:
        if isinstance(exit_.code, str):
            print(exit_.code, file=sys.stderr)
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code)


def in_child(arguments: list[str], log: str, has_parent: bool) -> Never:
    """Run one command line."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    output = os.open(log, os.O_CREAT | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if has_parent:
        os.setpgid(0, 0)
        for module in (supervisor, evaluations, verification):
            module.subprocess = SimpleNamespace(Popen=Forked)  # type: ignore[assignment]
    else:
        os.environ[algoperf.trial.launch.IN_PROCESS_VARIABLE] = "1"
    end(lambda: main(arguments))


def run(arguments: list[str], log: str, has_parent: bool = False) -> int:
    child = os.fork()
    if child == 0:
        in_child(arguments, log, has_parent)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        print(run(*json.loads(line)), flush=True)
