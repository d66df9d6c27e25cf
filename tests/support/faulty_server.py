"""A local HTTP server with the faults of real ones."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_SEND_BYTES = 1 << 14


@dataclass
class Request:
    """A client's request."""

    range: str | None
    if_range: str | None


@dataclass
class Behaviour:
    """The faults. Those with a count occur that many times."""

    content: bytes = b""
    etag: str | None = '"v1"'
    status: int | None = None  # answer this instead of content ...
    status_count: int = 1_000_000  # ... this often
    break_after: int | None = None  # bytes of body, then the connection is cut ...
    break_count: int = 1_000_000  # ... this often
    content_length: int | None = None  # sent instead of the true one
    without_length: bool = False
    ignore_range: bool = False
    corrupt_count: int = 0
    bytes_per_sec: float | None = None
    before_body: Callable[[], None] = lambda: None


@dataclass
class FaultyServer:
    """Serves one file at any path; `requests` is its log."""

    behaviour: Behaviour = field(default_factory=Behaviour)
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> FaultyServer:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/{name}"


def _handler(server: FaultyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            behaviour = server.behaviour
            server.requests.append(Request(self.headers["Range"], self.headers["If-Range"]))
            if behaviour.status is not None and behaviour.status_count > 0:
                behaviour.status_count -= 1
                self.send_response(behaviour.status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = self._start(behaviour)
            if start >= len(behaviour.content) > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(behaviour.content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._send_headers(behaviour, start)
            behaviour.before_body()
            self._send_body(behaviour, start)

        def _start(self, behaviour: Behaviour) -> int:
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
            if_range = self.headers["If-Range"]
            if asked is None or behaviour.ignore_range or if_range not in (None, behaviour.etag):
                return 0
            return int(asked[1])

        def _send_headers(self, behaviour: Behaviour, start: int) -> None:
            total = len(behaviour.content)
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            if not behaviour.without_length:
                self.send_header("Content-Length", str(behaviour.content_length or total - start))
            if behaviour.etag:
                self.send_header("ETag", behaviour.etag)
            self.send_header("Connection", "close")
            self.end_headers()

        def _send_body(self, behaviour: Behaviour, start: int) -> None:
            body = behaviour.content[start:]
            if behaviour.corrupt_count > 0:
                behaviour.corrupt_count -= 1
                body = bytes([body[0] ^ 1]) + body[1:]
            if behaviour.break_after is not None and behaviour.break_count > 0:
                behaviour.break_count -= 1
                body = body[: behaviour.break_after]
            for offset in range(0, len(body), _SEND_BYTES):
                chunk = body[offset : offset + _SEND_BYTES]
                try:
                    self.wfile.write(chunk)
                except OSError:
                    return  # the client closed the connection
                if behaviour.bytes_per_sec:
                    time.sleep(len(chunk) / behaviour.bytes_per_sec)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
