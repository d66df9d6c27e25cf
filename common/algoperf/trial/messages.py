"""What a process of a trial tells its parent: one line of JSON per message, over a socket that it inherits.

| kind         | content                           | when                                                         |
|--------------|-----------------------------------|--------------------------------------------------------------|
| `ready`      |                                   | from now on, signals end the trial as documented             |
| `training`   |                                   | the first step is done: signals are obeyed after the current |
| `clock`      | `global_step`                     | the clock starts, or goes on after an evaluation             |
| `evaluation` | `global_step`                     | request: the clock stops for an evaluation, at what time?    |
| `evaluations` |                                  | request: how are evaluations made, and is all ready for them? |
| `snapshot`   | `global_step`                     | request: evaluate the model that was written                 |
| `evaluated`  | `global_step`, `metrics`, ...  | request: what it found; what times does its row have?        |
| `saving`     | `global_step`                     | a checkpoint is about to be written                          |
| `reserve`    |                                   | request: keep room for the records of the end                |
| `start`      | `preemption_count`, `flags`, ...  | request: write what is known before the clock starts         |
| `resumed`    | `preemption_count`, `evaluations` | request: complete the rows up to the checkpoint; its times?  |
| `record`     | `global_step`, `preemption_count` | request: write the row of the evaluation                     |
| `logged`     | `row`                             | a row of measurements.csv                                    |
| `status`     | `content`                         | request: write status.json                                   |
| `progress`   | `fields`, `share`                 | what to show of the state, see `live_line.State`             |
| `traceback`  | `text`                            | for the log: all frames of an error of the submission        |
| `unshown`    | `text`                            | for the log: the line of an evaluation that is not shown     |
| `closing`    |                                   | the end is recorded; signals are no longer of use            |
| `end`        | `code`                            | the last one: how the trial ended                            |
| `error`      | `code`, `message`, `crashed`      | instead of `end`: what stopped the process                   |

Each also says when it was sent: `at`, in monotonic seconds, which all processes of a machine share. A request has an
`id`; the process waits until the parent answers with a line that has the same one: what was asked for is known, or on
the disk, or `error` and `exit_code` say why not.

A process that ends without `end` or `error` did not end by itself as it should.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from algoperf.errors import AlgoperfError
from algoperf.system import follow

VERSION = 1
_VARIABLE = "ALGOPERF_TRIAL_PARENT"  # "<process>:<descriptor>"
_LONGEST_LINE = 1 << 24  # bytes
_MOST_AT_ONCE = 1 << 6  # pieces of 64 KiB: a process that floods its parent must not keep it from its other work


class _Line:
    """The socket to the parent, None in a process that has none; what it has asked, and the beginning of an answer."""

    socket: socket.socket | None = None
    num_asked = 0
    pending = b""


def environment(theirs: socket.socket) -> dict[str, str]:
    """The variable that tells a process its parent and its end of the socket."""
    return {_VARIABLE: f"{os.getpid()}:{theirs.fileno()}"}


def has_parent() -> bool:
    """Whether this process was started as one of a trial's."""
    return _VARIABLE in os.environ or _Line.socket is not None


def connect(follows: bool = True) -> None:
    """Take over the socket. Processes started from here on know nothing of it.

    A process that `follows` is killed when its parent ends.
    """
    parent, descriptor = map(int, os.environ.pop(_VARIABLE).split(":"))
    if follows:
        follow(parent)
    os.set_inheritable(descriptor, False)
    _Line.socket = socket.socket(fileno=descriptor)


def tell(kind: str, **content: Any) -> None:
    """Send a message to the parent, if there is one."""
    if _Line.socket is not None:
        line = json.dumps({"version": VERSION, "kind": kind, "at": time.monotonic(), **content})
        # The line break in front ends a line that an exception cut off.
        _Line.socket.sendall(f"\n{line}\n".encode())


def ask(kind: str, **content: Any) -> dict[str, Any]:
    """Send a request to the parent, which must be there, and wait for the answer.

    Raises AlgoperfError, with the exit code of the original error, if the parent could not do what was asked for.
    """
    _Line.num_asked += 1
    tell(kind, id=_Line.num_asked, **content)
    while True:
        for answer in answers():
            if answer.get("id") == _Line.num_asked:  # not of an earlier request that an exception cut off
                if "error" not in answer:
                    return answer
                error = AlgoperfError(str(answer["error"]))
                error.exit_code = int(answer["exit_code"])
                raise error


def answers() -> list[dict[str, Any]]:
    """The next whole lines of the parent; waits for them. AlgoperfError when the parent is gone."""
    assert _Line.socket is not None
    received = _Line.socket.recv(1 << 16)
    if not received:
        raise AlgoperfError("The parent of the trial does not answer any more.")
    *lines, _Line.pending = (_Line.pending + received).split(b"\n")
    return [answer for line in lines if (answer := _parsed(line)) is not None]


class Inbox:
    """The parent's end of the socket of one process.

    Attributes:
      has_ended: whether nothing can come any more, because the other end is closed.
    """

    def __init__(self) -> None:
        self.has_ended = False
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self._pending = bytearray()

    def receive(self) -> list[dict[str, Any]]:
        """The messages that have come, whole lines only."""
        for _ in range(_MOST_AT_ONCE):
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
        if b"\n" not in self._pending:
            if len(self._pending) > _LONGEST_LINE:  # it fills our memory
                self._pending.clear()
            return []
        *lines, self._pending = self._pending.split(b"\n")
        return [message for line in lines if (message := _parsed(line)) is not None]

    def answer(self, number: Any, content: Mapping[str, Any]) -> None:
        """Answer the request with this `id`. A process that does not read its answers gets no more of them."""
        line = json.dumps({"version": VERSION, "id": number, **content}) + "\n"
        with contextlib.suppress(OSError):
            self.ours.sendall(line.encode())

    def close(self) -> None:
        """Close both ends."""
        self.ours.close()
        self.theirs.close()


def _parsed(line: bytes | bytearray) -> dict[str, Any] | None:
    """A message; None for what is none, because the submission shares the process that sends."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(message, dict) and message.get("version") == VERSION
    return message if known else None
