"""What the benchmarks share: options, tables, data, settings, and timed processes."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CODE = [str(ROOT / "common"), str(ROOT / "scoring")]
# Measure this clone, whichever clone the environment was installed for.
sys.path[:0] = CODE
os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([*CODE, *filter(None, [os.environ.get("PYTHONPATH")])]))

from generated import on_generated_data  # noqa: E402

from algoperf.data.contracts import dataset_dir  # noqa: E402
from algoperf.frameworks.backend import Backend  # noqa: E402
from algoperf.records.status import Status  # noqa: E402
from algoperf.submission.loading import Submission  # noqa: E402
from algoperf.trial.request import Request, settle  # noqa: E402
from algoperf.trial.settings import TrialSettings  # noqa: E402
from algoperf.versions import DEFAULT_VERSION  # noqa: E402
from algoperf.workload.definition import WorkloadDefinition  # noqa: E402

DATA = ROOT / "build" / "benchmarks" / "data"
ALGOPERF = Path(sys.executable).with_name("algoperf")
FRAMEWORKS = ("jax", "pytorch")
SCALES = {"digits": "full", "mnist": "mini"}  # data that needs no network
SPEECH = ("librispeech_conformer", "librispeech_deepspeech")
# Measured at full size, on data of scale mini.
FULL_MODELS = ("cifar", "fastmri", "finewebedu_lm", "imagenet_resnet", "imagenet_vit", "ogbg", *SPEECH, "wmt")
VERSIONS = {"finewebedu_lm": "v1.0"}  # where the default version has no limits at full scale
FIXED_SIZE = {
    "criteo1tb": 4_096,
    "fastmri": 8,
    "finewebedu_lm": 2,
    "wmt": 2,
}  # their miniature is smaller, or has fewer categories: batches of so many are generated in memory instead


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks share."""
    made = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    made.add_argument("--quick", action="store_true", help="few repetitions: does it work at all?")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    return made


def report(title: str, rows: Sequence[dict[str, Any]], file: Path | None) -> None:
    """Print rows as a Markdown table; write them as JSON, with the machine they were measured on."""
    print(f"\n{title}\n\n{markdown(rows)}")
    if file is not None:
        file.write_text(json.dumps({"title": title, "machine": machine(), "rows": list(rows)}, indent=2) + "\n")


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as a Markdown table."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, ["---"] * len(columns), *([_text(row.get(name, "")) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: Any) -> str:
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def machine() -> dict[str, Any]:
    """Number of processors, load, date, and commit."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout if shutil.which("git") else ""
    return {
        "cpus": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit.strip(),
    }


def spread(values: Sequence[float], digits: int = 3) -> str:
    """The interquartile range of the values."""
    if len(values) < 2:
        return ""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{low:.{digits}f} to {high:.{digits}f}"


@dataclass(frozen=True)
class Finished:
    """A finished process: wall time, CPU time of all its processors, and its output."""

    wall: float
    cpu: float
    output: str


def timed(command: Sequence[str | Path], **options: Any) -> Finished:
    """Run a command to its end. SystemExit with its output if it fails."""
    begin, before = time.monotonic(), os.times()
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        **{"cwd": ROOT, **options},
    )  # fmt: skip
    wall, after = time.monotonic() - begin, os.times()
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nfailed with exit code {done.returncode}:\n{done.stdout}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Finished(wall, cpu, done.stdout)


def prepare(workload: str) -> None:
    """Make the workload's data in DATA if it does not exist."""
    options = ["--workload", workload, "--scale", SCALES.get(workload, "mini"), "--raw-dir", DATA / "raw"]
    timed([ALGOPERF, "download", *options])
    timed([ALGOPERF, "preprocess", *options, "--data-dir", DATA])


def baseline(framework: str) -> Path:
    """The submission used for measuring."""
    return ROOT / "submissions" / "baselines" / f"nadamw_{framework}"


def settings(workload: str, framework: str, output_dir: Path, **changes: Any) -> TrialSettings:
    """A trial of the baseline without evaluations, with a budget that it cannot exhaust."""
    settled = endless(workload, framework, SCALES.get(workload, "full"), output_dir)
    if workload in FIXED_SIZE:
        changes = {"definition": on_generated_data(settled.definition, FIXED_SIZE[workload]), **changes}
    elif workload in FULL_MODELS:
        changes = {**_on_miniature(settled.definition), **changes}
    return dataclasses.replace(settled, **{"skip_evals": True, **changes})


def endless(workload: str, framework: str, scale: str, output_dir: Path) -> TrialSettings:
    """A trial of the baseline with a budget that it cannot exhaust."""
    settled = settle(
        Request(
            workload=workload, framework=framework, submission=baseline(framework),  # type: ignore[arg-type]
            ruleset="self", scale=scale, data_dir=DATA, output_dir=output_dir,  # type: ignore[arg-type]
            version_name=VERSIONS.get(workload, DEFAULT_VERSION),
        )
    )  # fmt: skip
    limits = dataclasses.replace(settled.version.limits(workload, scale), max_runtime_sec=1e9)  # type: ignore[arg-type]
    version = dataclasses.replace(settled.version, table={**settled.version.table, workload: {scale: limits}})
    return dataclasses.replace(settled, version=version)


def run_trial(settings: TrialSettings, submission: Submission, backend: Backend) -> Status:
    """Run a trial in this process, of a submission that may be modified. Its progress lines go next to its records."""
    from algoperf.trial.log import TrialLog
    from algoperf.trial.loop import Trial
    from algoperf.trial.progress import PlainDisplay, Progress

    with (settings.output_dir / "progress").open("w") as stream:
        progress = Progress(settings, PlainDisplay(stream))
        return Trial(settings, submission, backend, TrialLog(settings), progress).run()


def _on_miniature(definition: WorkloadDefinition) -> dict[str, Any]:
    """A full-size workload with the example counts of the miniature data."""
    return {
        "definition": definition.with_fields({"examples": definition.at("mini").examples}),
        "data_dir": dataset_dir(DATA, definition.dataset, "mini"),
    }


def probing_submission(folder: Path, framework: str) -> Path:
    """The baseline, modified to print when its first step begins and ends."""
    source = (baseline(framework) / "submission.py").read_text()
    probe = (Path(__file__).parent / "probe.py").read_text()
    (folder / f"probe_{framework}").mkdir(parents=True, exist_ok=True)
    (folder / f"probe_{framework}" / "submission.py").write_text(f"{source}\n\n{probe}")
    return folder / f"probe_{framework}"


def probed(output: str, name: str) -> float:
    """When a probing submission began or ended its first step, in seconds of `time.time()`."""
    return float(output.split(f"first step {name} ")[1].split()[0])
