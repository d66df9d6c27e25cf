"""What a process of a trial tells its parent: one line of JSON per message, over a socket that it inherits.

| kind       | content                            | when                                                          |
|------------|------------------------------------|---------------------------------------------------------------|
| `ready`    |                                    | from now on, signals end the trial as documented              |
| `training` |                                    | the first step is done: signals are obeyed after the current  |
| `clock`    | `global_step`                      | the clock starts, or goes on after an evaluation              |
| `evaluation` | `global_step`                    | the clock stops for an evaluation                             |
| `evaluated`  | `global_step`, `metrics`         | what the evaluation found                                     |
| `saving`   | `global_step`                      | a checkpoint is about to be written                           |
| `closing`  |                                    | the end is recorded; signals are no longer of use             |
| `end`      | `code`                             | the last one: how the trial ended                             |
| `error`    | `code`, `message`, `crashed`       | instead of `end`: what stopped the process                    |

Each also says when it was sent: `at`, in monotonic seconds, which all processes of a machine share.
A process that ends without `end` or `error` did not end by itself as it should.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from algoperf.system import follow

VERSION = 1
_VARIABLE = "ALGOPERF_TRIAL_PARENT"  # "<process>:<descriptor>"
_KNOWN = "ALGOPERF_TRIAL_KNOWN"  # JSON


class _Line:
    """The socket to the parent, None in a process that has none; and what the parent knew at the start."""

    socket: socket.socket | None = None
    known: Mapping[str, Any] = {}


def environment(theirs: socket.socket) -> dict[str, str]:
    """The variable that tells a process its parent and its end of the socket."""
    return {_VARIABLE: f"{os.getpid()}:{theirs.fileno()}"}


def knowledge(known: Mapping[str, Any]) -> dict[str, str]:
    """The variable that tells a process what its parent knows."""
    return {_KNOWN: json.dumps(known)}


def known(name: str) -> Any:
    """What the parent knew at the start; None if it did not, or there is none."""
    return _Line.known.get(name)


def has_parent() -> bool:
    """Whether this process was started as one of a trial's."""
    return _VARIABLE in os.environ or _Line.socket is not None


def connect() -> None:
    """Take over the socket, and die when the parent does. Processes started from here on know nothing of it."""
    parent, descriptor = map(int, os.environ.pop(_VARIABLE).split(":"))
    follow(parent)
    os.set_inheritable(descriptor, False)
    _Line.known = json.loads(os.environ.pop(_KNOWN, "{}"))
    _Line.socket = socket.socket(fileno=descriptor)


def tell(kind: str, **content: Any) -> None:
    """Send a message to the parent, if there is one."""
    if _Line.socket is not None:
        line = json.dumps({"version": VERSION, "kind": kind, "at": time.monotonic(), **content}) + "\n"
        _Line.socket.sendall(line.encode())


class Inbox:
    """The parent's end of the socket of one process.

    Attributes:
      has_ended: whether nothing can come any more, because the other end is closed.
    """

    def __init__(self) -> None:
        self.has_ended = False
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self._pending = b""

    def receive(self) -> list[dict[str, Any]]:
        """The messages that have come, whole lines only."""
        while True:
            try:
                received = self.ours.recv(1 << 16)
            except BlockingIOError:
                break
            except ConnectionResetError:
                received = b""
            if not received:
                self.has_ended = True
                break
            self._pending += received
        *lines, self._pending = self._pending.split(b"\n")
        return [message for line in lines if (message := _parsed(line)) is not None]

    def close(self) -> None:
        """Close both ends."""
        self.ours.close()
        self.theirs.close()


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A message; None for what is none, because the submission shares the process that sends."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    known = isinstance(message, dict) and message.get("version") == VERSION
    return message if known else None
