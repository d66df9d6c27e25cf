"""What a campaign adds to its runs: many runs of digits, wall time over the sum of their own times; call to first step.

`--engine slurm` needs a Slurm, such as that of ci/slurm.sh. `--launcher docker` measures the first step in containers,
and needs a running engine and a newly built image of digits (`ci/images.sh digits`). Runs do not wait for trials
outside of the benchmark: say what else the machine does.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import common
import container_start

from algoperf.campaigns.containers import Box
from algoperf.campaigns.folder import Campaign
from algoperf.campaigns.manifest import PlannedRun
from algoperf.system import algoperf_command

CALL = [*algoperf_command("campaign")]


def planned(folder: Path, submission: Path, runs: int, *options: str) -> Campaign:
    """A campaign of one submission on digits, a study per run."""
    words = ["plan", "--submissions", submission, "--workloads", "digits", "--studies", str(runs), "--output", folder]
    common.timed([*CALL, *words, "--raw-dir", common.DATA / "raw", "--data-dir", common.DATA, *options])
    return Campaign(folder)


def many(folder: Path, engine: str, runs: int, at_once: int) -> list[dict[str, Any]]:
    """Short runs, as many at a time as asked for: the campaign's time beside that of their `algoperf train`."""
    steps = ["--max-global-steps", "20"]
    campaign = planned(folder, common.baseline("pytorch"), runs, *steps)
    site = folder / "site.toml"
    site.write_text('[slurm]\nshare_nodes = true\noptions = ["--cpus-per-task=1", "--mem=1G"]\npoll_sec = 1\n')
    done = common.timed([*CALL, "run", folder, "--engine", engine, "--at-once", str(at_once), "--site", site])
    own = [_seconds(campaign.attempts(run)[-1]) for run in campaign.manifest.runs]
    row = {"engine": engine, "runs": runs, "at once": at_once, "campaign, s": done.wall, "sum of runs, s": sum(own)}
    return [{**row, "campaign x at once / sum": done.wall * at_once / sum(own), "its CPU s": done.cpu}]


def _seconds(attempt: dict[str, Any]) -> float:
    """How long an attempt worked on its run."""
    began, ended = (datetime.fromisoformat(attempt[name]) for name in ("began", "ended"))
    return (ended - began).total_seconds()


def first_steps(folder: Path, launcher: str, repetitions: int) -> list[dict[str, Any]]:
    """From the call to the first step, by `campaign execute` and by what it calls, in turn."""
    submission = common.probing_submission(folder, "pytorch")
    limits = ["--max-global-steps", "2", "--launcher", launcher]
    campaign = planned(folder / "campaign", submission, 2 * (repetitions + 1), *limits)
    common.timed([*CALL, "stage", campaign.path])
    campaign = Campaign(campaign.path)
    runs = list(campaign.manifest.runs)
    inside, bare = [], []
    for one, other in zip(runs[::2], runs[1::2], strict=True):
        called = time.time()
        common.timed([*CALL, "execute", campaign.path, "--run", one.id])
        inside.append(common.probed((campaign.job(one) / "log.txt").read_text(), "begins") - called)
        command, called = bare_command(campaign, other, submission), time.time()
        bare.append(common.probed(common.timed(command).output, "begins") - called)
    return [
        {"call to first step": what, "median s": statistics.median(values[1:]), "quartiles": common.spread(values[1:])}
        for what, values in ((f"campaign, {launcher}", inside), (f"the same command, {launcher}", bare))
    ]


def bare_command(campaign: Campaign, run: PlannedRun, submission: Path) -> list[str]:
    """The command of a run without the campaign."""
    manifest = campaign.manifest
    if manifest.launcher == "process":
        return algoperf_command(*run.command[1:])
    records = campaign.records(run).parent
    records.mkdir(parents=True)
    box = Box(
        engine=manifest.launcher, name=f"bare-{run.study}", image=manifest.workload_of(run)["image_digest"],
        data_dir=common.DATA, submission=submission, records=records, runs_dir=campaign.runs_dir(run),
    )  # fmt: skip
    return box.command(run.command)


def main() -> None:
    """Measure what is asked for."""
    parser = common.parser(__doc__)
    parser.add_argument("--engine", choices=["local", "slurm"], default="local", help="of the many runs  [local]")
    parser.add_argument("--runs", type=int, default=200, help="how many; 0 for none  [200]")
    parser.add_argument("--at-once", type=int, default=1, help="of them  [1]")
    parser.add_argument(
        "--launcher", choices=["process", "docker", "none"], default="process", help="of first steps  [process]"
    )
    options = parser.parse_args()
    common.prepare("digits")
    locks = tempfile.TemporaryDirectory()
    os.environ["ALGOPERF_LOCKS"] = locks.name
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=common.ROOT / "build") as name:
        missing = container_start.find_engine("algoperf-digits:cpu") if options.launcher == "docker" else None
        if missing:
            print(f"skipped: {missing}")
        elif options.launcher != "none":
            rows += first_steps(Path(name), options.launcher, 2 if options.quick else 7)
        if options.runs:
            rows += many(Path(name) / "many", options.engine, options.runs, options.at_once)
    common.report("Campaigns", rows, options.json)


if __name__ == "__main__":
    main()
