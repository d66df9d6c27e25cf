"""Hardware and software of a run, for its meta data. Nothing here may fail a run."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import resource
import subprocess
from pathlib import Path
from typing import Any

import psutil

from algoperf import spec
from algoperf._version import __version__
from algoperf.submission.identity import combined_hash
from algoperf.system import usable_cores

_PACKAGE = Path(__file__).resolve().parents[1]
_KIB = 1024  # getrusage counts in them
PRIMITIVES = (bool, int, float, str)


def python_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of all Python and version files below a folder, by their paths within."""
    files = sorted(path for pattern in ("*.py", "*.toml") for path in folder.rglob(pattern))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def python_hash(folder: Path) -> str:
    """One SHA-256 over all Python and version files below a folder."""
    return combined_hash(python_hashes(folder))


@functools.cache
def harness_hash() -> str:
    """One SHA-256 over the harness's own code."""
    return python_hash(_PACKAGE)


def versions(packages: tuple[str, ...] = ("numpy", "safetensors")) -> dict[str, str | None]:
    """Versions of Python, the harness and installed packages."""
    from importlib.metadata import PackageNotFoundError, version  # not for the parents of trials: it takes a while

    found: dict[str, str | None] = {"python": platform.python_version(), "algoperf": __version__}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def hardware() -> dict[str, Any]:
    """Processor, memory and operating system of the host."""
    return {
        "cpu_model_name": _cpu_model_name(),
        "cpu_count": os.cpu_count(),
        "cpus_usable": usable_cores(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "memory_bytes": psutil.virtual_memory().total,
        "os_platform": platform.platform(),
    }


def _cpu_model_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def peak_host_bytes() -> int:
    """The most host memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB


def git_state() -> dict[str, str | None]:
    """Branch and commit of the repository that the harness runs from, if it is one."""
    return {
        "git_branch": _git("rev-parse", "--abbrev-ref", "HEAD"),
        "git_commit_hash": _git("rev-parse", "HEAD"),
    }


def _git(*command: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(_PACKAGE), *command], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def utilisation() -> dict[str, Any]:
    """A snapshot of how busy the host is, under the published names."""
    memory, network = psutil.virtual_memory(), psutil.net_io_counters()
    frequency = psutil.cpu_freq()  # None in many containers
    snapshot = {
        "cpu.util.avg_percent_since_last": psutil.cpu_percent(interval=None),
        "cpu.freq.current": frequency.current if frequency else None,
        "mem.total": memory.total,
        "mem.available": memory.available,
        "mem.used": memory.used,
        "mem.percent_used": memory.percent,
    }
    if network:
        snapshot["net.bytes_sent_since_boot"] = network.bytes_sent
        snapshot["net.bytes_recv_since_boot"] = network.bytes_recv
    return snapshot


def workload_properties(workload: spec.Workload) -> dict[str, Any]:
    """`workload.<property>` for every public property with a primitive value; those that raise are left out."""
    properties = {}
    for name in sorted(dir(workload)):
        if name.startswith("_"):
            continue
        try:
            value = getattr(workload, name)
        except (AttributeError, ValueError, NotImplementedError):
            continue
        if isinstance(value, PRIMITIVES):
            properties[f"workload.{name}"] = value
    return properties
