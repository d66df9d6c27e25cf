"""Does every workload work on a GPU, in both frameworks, and how fast? Full-size models, the NAdamW baseline.

Each row is a short trial under the harness, in a process of its own: training steps at an eighth of the published batch
size, as one of 8 GPUs has; evaluations, with an eighth of their batch size; a checkpoint; and a resumption from it. The
data is generated in memory, so input pipelines are not measured. Nothing is fetched or installed: it runs from the
tree, and says which package is missing. The exit code is 1 if a row failed, or none was measured.

    PYTHONPATH=common:scoring python benchmarks/gpu.py --json gpu.json
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGES = {"jax": ("jax", "jaxlib", "flax", "optax"), "pytorch": ("torch",)}
CORE = ("numpy", "psutil", "safetensors")  # without these, there is no row at all
COLUMNS = (
    "workload", "framework", "result", "batch", "steps/s", "first step s", "compile s", "memory GiB", "eval batch",
    "eval ms", "eval memory GiB", "checkpoint bytes", "save ms", "restore ms", "resumed", "guard", "compiled",
)  # fmt: skip
GREED = 2.5  # a row may take so many times its share of the remaining time: rows differ
LEAST_SEC = 15.0  # with less than this, no row is begun
MEASURED = "measured"
LEFT_OUT = "left out"
CELL = 160  # characters
ROW_SCRIPT = Path(__file__).with_name("gpu_row.py")


@dataclass
class Row:
    """One workload in one framework: the cells of the table, and what else is written to the file."""

    workload: str
    framework: str
    cells: dict[str, Any] = field(default_factory=dict)
    result: str = ""

    def as_dict(self) -> dict[str, Any]:
        """All that is known."""
        return {"workload": self.workload, "framework": self.framework, "result": self.result, **self.cells}

    def shown(self) -> dict[str, Any]:
        """The cells of the table."""
        known = {name: "" if value is None else value for name, value in self.as_dict().items()}
        cells = {name: known.get(name, "") for name in COLUMNS}
        return {name: cell(value) if isinstance(value, str) else value for name, value in cells.items()}


def cell(text: str) -> str:
    """A text that fits into a table."""
    flat = " ".join(text.replace("|", "/").split())
    return flat if len(flat) <= CELL else f"{flat[:CELL]} ..."


def is_installed(package: str) -> bool:
    """Whether a package can be imported."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workloads", default="", metavar="NAMES", help="these only, separated by commas")
    parser.add_argument("--frameworks", default=",".join(PACKAGES), metavar="NAMES", help="these only")
    parser.add_argument("--scale", choices=("full", "mini"), default="full", help="mini: small models, for processors")
    parser.add_argument("--seconds", type=float, default=480.0, help="for all rows together (default: 480)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too, after every row")
    options = parser.parse_args(arguments)
    options.frameworks = [name for name in options.frameworks.split(",") if name]
    unknown = [name for name in options.frameworks if name not in PACKAGES]
    if unknown:
        parser.error(f"unknown framework {unknown[0]!r}; there are {', '.join(PACKAGES)}")
    return options


def rows_of(options: argparse.Namespace) -> list[Row]:
    """All rows asked for. Those that lack a package are left out already, and a sentence says so."""
    from algoperf.workload.registry import cube_folders

    names = [name for name in options.workloads.split(",") if name] or list(cube_folders())
    rows = [Row(name, framework) for name in names for framework in options.frameworks]
    for framework in options.frameworks:
        leave_out(PACKAGES[framework], [row for row in rows if row.framework == framework])
    for name in names:
        missing = missing_for(name)
        if missing:
            leave_out([missing], [row for row in rows if row.workload == name])
    return rows


def leave_out(packages: Sequence[str], rows: Sequence[Row]) -> None:
    """Leave out rows that need packages, if one is missing."""
    affected = [row for row in rows if not row.result]
    missing = [package for package in packages if affected and not is_installed(package)]
    names = ", ".join(f"{row.workload} ({row.framework})" for row in affected)
    for package in missing:
        print(f"The package {package} is missing, which leaves out {names}.", flush=True)
    for row in affected if missing else []:
        row.result = f"{LEFT_OUT}: without {' and '.join(missing)}"


def missing_for(workload: str) -> str | None:
    """The package that the definition of a workload lacks. SystemExit if there is no such workload."""
    from gpu_row import stand_in_for_readers

    from algoperf.errors import UserError
    from algoperf.workload.registry import find_workload

    stand_in_for_readers()
    try:
        find_workload(workload)
    except ModuleNotFoundError as error:
        return error.name if error.name and not is_installed(error.name) else None
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception:
        return None  # the row will say what is wrong
    return None


def timeouts(num_rows: int, seconds: float) -> Iterator[float]:
    """How long each row may take: more than its share of what is left, because most take less. 0 if too little is."""
    deadline = time.monotonic() + seconds
    for after in reversed(range(num_rows)):
        left = deadline - time.monotonic()
        yield 0.0 if left < LEAST_SEC else min(left, GREED * left / (after + 1))


def run_row(row: Row, scale: str, folder: Path, timeout: float) -> None:
    """Measure a row in a process of its own, and fill it."""
    begin = time.monotonic()
    command = [sys.executable, str(ROW_SCRIPT), row.workload, row.framework, scale, str(folder)]
    with (folder / "output").open("w+") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment_of(folder), start_new_session=True
        )
        try:
            code: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end_session(process)
        output.seek(0)
        log = output.read()
    row.cells = read_cells(folder / "row.json")
    row.cells["seconds"] = time.monotonic() - begin
    row.result = result_of(row.cells, code, timeout)
    if row.result != MEASURED:
        row.cells["log"] = log[-4000:]


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of a row: one GPU, no memory taken in advance, and nothing compiled for an earlier row."""
    return {
        "OMP_NUM_THREADS": "1",  # on processors, threads of one row would wait for each other
        **os.environ,
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0],
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "jax"),  # the resumed trial need not compile again
        "TRITON_CACHE_DIR": str(folder / "triton"),
    }


def end_session(process: subprocess.Popen[Any]) -> None:
    """End a process and those that it started, such as compilers."""
    with contextlib.suppress(ProcessLookupError):  # all have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def read_cells(file: Path) -> dict[str, Any]:
    """What the process of a row has noted."""
    return json.loads(file.read_text()) if file.exists() else {}


def result_of(cells: dict[str, Any], code: int | None, timeout: float) -> str:
    """The cell that says how a row ended."""
    stage = cells.pop("stage", "starting")
    if "missing" in cells:
        return f"{LEFT_OUT}: without {cells['missing']}"
    if code is None:
        return f"failed: {stage} was not done after {timeout:.0f} s"
    if "failed" in cells:
        return f"failed: {stage}: {cells.pop('failed')}"
    if code != 0 or stage != "done":
        return f"failed: {stage}: the process ended with exit code {code}"
    return MEASURED


def measure(rows: Sequence[Row], options: argparse.Namespace) -> None:
    """Measure the rows that are not left out yet."""
    waiting = [row for row in rows if not row.result]
    for row, timeout in zip(waiting, timeouts(len(waiting), options.seconds), strict=True):
        if timeout == 0.0:
            row.result = f"{LEFT_OUT}: no time was left of {options.seconds:.0f} s"
        else:
            with tempfile.TemporaryDirectory(prefix="algoperf_gpu_") as folder:
                run_row(row, options.scale, Path(folder), timeout)
        taken = f" in {row.cells['seconds']:.0f} s" if "seconds" in row.cells else ""
        print(f"{row.workload} ({row.framework}): {cell(row.result)}{taken}", flush=True)
        write(rows, options)


def write(rows: Sequence[Row], options: argparse.Namespace) -> None:
    """Write all rows to the file that was asked for."""
    import common

    if options.json is not None:
        content = {"title": title(options), "machine": common.machine(), "rows": [row.as_dict() for row in rows]}
        options.json.write_text(json.dumps(content, indent=2) + "\n")


def title(options: argparse.Namespace) -> str:
    """The heading of the table."""
    return f"One device, scale {options.scale}, an eighth of the published batch sizes"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; returns the exit code."""
    options = options_of(arguments)
    missing = [package for package in CORE if not is_installed(package)]
    for package in missing:
        print(f"The package {package} is missing, which leaves out all rows.")
    if missing:
        return 1
    import common

    rows = rows_of(options)
    measure(rows, options)
    write(rows, options)
    devices = sorted({row.cells["device"] for row in rows if "device" in row.cells})
    table = common.markdown([row.shown() for row in rows])
    print(f"\n{title(options)} ({', '.join(devices) or 'no device'})\n\n{table}")
    results = [row.result for row in rows]
    return int(any(result.startswith("failed") for result in results) or MEASURED not in results)


if __name__ == "__main__":
    sys.exit(main())
