"""How the cheats here get at the socket between a trial and its parent."""

import json
import os
import stat
import sys
import time


def descriptors():
    """The sockets that this process has open."""
    for descriptor in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                yield descriptor
        except OSError:
            continue


def tell(kind, **content):
    """Send a message to the parent, as the harness would."""
    message = {"version": 1, "kind": kind, "at": time.monotonic(), **content}
    for descriptor in descriptors():
        os.write(descriptor, b"\n" + json.dumps(message).encode() + b"\n")


class Tapped:
    """Stands in for the harness's socket: `passes` says of each message whether it goes on now."""

    def __init__(self, passes):
        self._line = sys.modules["algoperf.trial.messages"]._Line
        self._passes, self.real, self._line.socket = passes, self._line.socket, self

    def sendall(self, data):
        for line in data.splitlines():
            if line and self._passes(json.loads(line)):
                self.real.sendall(b"\n" + line + b"\n")

    def recv(self, size):
        return self.real.recv(size)
