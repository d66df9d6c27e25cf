"""The part of `algoperf check` that runs a submission: on tiny workloads, in separate processes, one per core.

The processes have a time limit and, if the system allows it, no network. They write findings to a file at once, so a
submission that crashes, hangs or exits is a finding like any other.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from algoperf.system import clean_python, usable_cores, without_network
from algoperf.waiting import Say, waiting
from algoperf_check.findings import Finding
from algoperf_check.probe import memory
from algoperf_check.probe.tiny import TINIES
from algoperf_check.request import CheckRequest
from algoperf_check.rules import RULES

LIMIT_SEC = 300.0  # for one stage; a trial of six steps takes seconds
_POLL_SEC = 0.05
_SHOWN_LINES = 5


def run(request: CheckRequest, tasks: Sequence[str] | None = None, limit_sec: float = LIMIT_SEC) -> list[Finding]:
    """Run a submission on tiny workloads, and return its breaches of rules 13 to 16.

    Args:
      request: what to check.
      tasks: names of the tiny workloads to run; None for all.
      limit_sec: time limit of one stage, such as a trial on one tiny workload.
    """
    wanted = [tiny.task for tiny in TINIES if tasks is None or tiny.task in tasks]
    num_processes = min(len(wanted), usable_cores())
    with (
        tempfile.TemporaryDirectory(prefix="algoperf_check_") as root,
        waiting("starting to run the submission on small workloads") as say,
        ThreadPoolExecutor(num_processes) as threads,
    ):
        claims = Path(root, "claims")
        claims.mkdir()
        folders = [Path(root, str(number)) for number in range(num_processes)]
        told = list(threads.map(lambda folder: _in_process(request, wanted, folder, claims, limit_sec, say), folders))
    found = list(dict.fromkeys(finding for _, findings in told for finding in findings))
    if state := [description for descriptions, _ in told for description in descriptions]:
        found += memory.findings(request.version, *memory.split(state))
    if request.smoke:
        from algoperf_check.probe.smoke import findings

        found += findings(request)
    return found


def _in_process(
    request: CheckRequest, tasks: Sequence[str], folder: Path, claims: Path, limit_sec: float, say: Say
) -> tuple[list[memory.Description], list[Finding]]:
    """Run one process; returns descriptions of the state on its tasks, and its findings."""
    folder.mkdir()
    asked, told, output = folder / "request.json", folder / "events.jsonl", folder / "output.txt"
    content = {
        "submission": str(request.submission.resolve()),
        "framework": request.framework,
        "ruleset": request.ruleset,
        "search_space": str(request.search_space.resolve()),
        "version": request.version.name,
        "tasks": tasks,
        "claims": str(claims),
        "parent": os.getpid(),
    }
    asked.write_text(json.dumps(content), encoding="utf-8")
    told.touch()
    command = [*without_network(), *clean_python("algoperf_check.probe.session", str(asked), str(told))]
    with output.open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=_environment(folder),
            start_new_session=True,
        )  # fmt: skip
        in_time = _wait(process, told, limit_sec, say)
    events = _events(told)
    found = [Finding(RULES[event[1]], event[2], on=tuple(event[3:])) for event in events if event[0] == "finding"]
    found += _unexpected_end(events, process.returncode, in_time, limit_sec, output)
    return [event[1] for event in events if event[0] == "state"], found


def _environment(folder: Path) -> dict[str, str]:
    """CPU only, one thread. JAX optimises little, as code runs six times, and caches it for the next trial."""
    return {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def _events(told: Path) -> list[list[Any]]:
    """What a session has told so far, whole lines only."""
    text = told.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def _doing(events: list[list[Any]]) -> str:
    return next((event[1] for event in reversed(events) if event[0] == "doing"), "starting")


def _wait(process: subprocess.Popen[bytes], told: Path, limit_sec: float, say: Say) -> bool:
    """Wait for the session to end, and return True. If a stage takes too long, end the session and return False."""
    size, begun = 0, time.monotonic()
    try:
        while process.poll() is None:
            time.sleep(_POLL_SEC)
            if told.stat().st_size != size:
                size, begun = told.stat().st_size, time.monotonic()
                say(_doing(_events(told)))
            if time.monotonic() - begun > limit_sec:
                return False
        return True
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill all processes of the session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _unexpected_end(
    events: list[list[Any]], code: int, in_time: bool, limit_sec: float, output: Path
) -> Iterator[Finding]:
    if events and events[-1] == ["done"] and in_time:
        return
    doing = _doing(events)
    if not in_time:
        how = f"It was still busy after {limit_sec:g} s"
    elif code < 0:
        how = f"Signal {-code} ended the process"
    else:
        how = f"The process ended with exit code {code}"
    lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_SHOWN_LINES:]
    shown = f" Its last lines: {' / '.join(line.strip() for line in lines)}" if lines else ""
    yield Finding(RULES["13.6"], f"{how} while {doing}.{shown}")
