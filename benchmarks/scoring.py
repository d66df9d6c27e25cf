"""CPU time and memory of scoring the v0.5 competition, compared with a plain reader of the same files.

Goal: `algoperf score` on the 3,700 files of the external ruleset in at most 1.5 CPU seconds and 100 MB, start-up
included. LOGS is the archive v05_external.tar.xz, or the folder unpacked from it.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import common


@contextlib.contextmanager
def unpacked(logs: Path) -> Iterator[Path]:
    """The folder with one folder per submission."""
    if logs.is_dir():
        yield logs
        return
    with tempfile.TemporaryDirectory() as name:
        with tarfile.open(logs) as archive:
            archive.extractall(name, filter="data")
        yield Path(name)


def measured(command: list[str | Path]) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of one process."""
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed with exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def main() -> None:
    """Measure all commands, alternating."""
    parser = common.parser(__doc__)
    parser.add_argument("logs", type=Path, help="v05_external.tar.xz or the folder unpacked from it")
    options = parser.parse_args()
    with unpacked(options.logs) as folder, tempfile.TemporaryDirectory() as output:
        version = ["--version", "v0.5"]
        commands: dict[str, list[str | Path]] = {
            "plain reader": [sys.executable, Path(__file__).with_name("plain_reader.py"), folder],
            "`algoperf score`": [common.ALGOPERF, "score", folder, *version],
            "`algoperf score --json --output`": [
                common.ALGOPERF, "score", folder, *version, "--json", Path(output) / "a.json", "--output", output,
            ],
            "`algoperf check-runs`": [common.ALGOPERF, "check-runs", folder, *version],
            "`algoperf report`": [
                common.ALGOPERF, "report", folder, *version, "--output", Path(output) / "report.html",
            ],
        }  # fmt: skip
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for repetition in range(2 if options.quick else 6):
            for name, command in commands.items():
                result = measured(command)
                if repetition:  # the first round warms the page cache
                    taken[name].append(result)
        common.report("Scoring v0.5 external (median)", [row(name, taken) for name in commands], options.json)


def row(name: str, taken: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    """Medians of one command, and its CPU time over that of the plain reader in the same round."""
    seconds, memory = zip(*taken[name], strict=True)
    plain = [cpu for cpu, _ in taken["plain reader"]]
    return {
        "what": name,
        "CPU s": statistics.median(seconds),
        "over plain": statistics.median(cpu / base for cpu, base in zip(seconds, plain, strict=True)),
        "peak MB": statistics.median(memory),
    }


if __name__ == "__main__":
    main()
