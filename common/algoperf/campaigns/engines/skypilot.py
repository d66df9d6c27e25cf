"""Clouds, through SkyPilot's managed jobs: one per run, on spot machines that are replaced when they are taken away.

Every run is a task file that people can read, `sky/<number>.yaml` in the campaign's folder. The campaign lies in a
bucket that all machines mount, so that a replaced machine goes on from the last checkpoint; the data are copied from
the bucket before the run begins. The machine that calls needs SkyPilot's `sky`, and commands that copy the campaign to
the bucket and back (`push` and `pull` in the site's file). Where the machines share a folder, such as the nodes of a
Slurm cluster below SkyPilot, that folder takes the bucket's place: nothing is mounted.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from algoperf.campaigns.engines.base import Engine, EngineAway
from algoperf.campaigns.folder import ROOT_VARIABLE, Campaign
from algoperf.campaigns.manifest import PlannedRun
from algoperf.campaigns.site import Site, SkyPilotSettings
from algoperf.data.files import make_directory, write_file
from algoperf.errors import UserError
from algoperf.versions import load_version

_ENDED = {"SUCCEEDED", "CANCELLED", "FAILED", "FAILED_SETUP", "FAILED_PRECHECKS", "FAILED_NO_RESOURCE",
          "FAILED_CONTROLLER"}  # fmt: skip
_ANSWER_SEC = 600
_MOUNTS = "/algoperf"
_HARDWARE = re.compile(r"(\d+)\s*x\s.*?\b([A-Z]+\d+)\b")


class SkyPilot(Engine):
    """Managed jobs on whatever cloud has the machines."""

    stages_itself = False
    outlives_caller = True

    def __init__(self, campaign: Campaign, site: Site) -> None:
        if shutil.which("sky") is None:
            raise UserError(
                "SkyPilot's `sky` is not here. Install it into an environment of its own: docs/campaigns.md."
            )
        self._campaign, self._settings = campaign, site.skypilot
        self._numbers = {run.id: number for number, run in enumerate(campaign.manifest.runs)}
        self._prefix = f"algoperf-{campaign.manifest.campaign}-"
        self._folder = campaign.path / "sky"
        self._is_pushed = False

    def live(self) -> Mapping[str, str]:
        """Managed jobs that have not ended, after fetching what runs have written."""
        text = self._call(["sky", "jobs", "queue", "--skip-finished", "--all", "--output", "json"])
        if self._folder.is_dir():  # else nothing was ever launched, and the bucket holds nothing
            self._copy(self._settings.pull)
        runs = list(self._numbers)
        found = {}
        for job in _jobs(text):
            number = str(job.get("job_name", "")).removeprefix(self._prefix)
            if number.isdigit() and str(job.get("status")) not in _ENDED:
                found[runs[int(number)]] = str(job["status"]).lower()
        return found

    def room(self, live: Mapping[str, str]) -> int:
        """As many as the site wants at a time."""
        return max(0, self._settings.at_once - len(live))

    def start(self, runs: Sequence[PlannedRun]) -> None:
        """One managed job per run; the campaign is in the bucket before the first one."""
        make_directory(self._folder)
        if not self._is_pushed:
            self._copy(self._settings.push)
            self._is_pushed = True
        for run in runs:
            file = self._folder / f"{self._numbers[run.id]}.yaml"
            write_file(file, task_text(self._campaign, self._settings, run, self._name(run)).encode())
            self._call(["sky", "jobs", "launch", "--yes", "--detach-run", "--name", self._name(run), str(file)])

    def wait(self) -> None:
        """Return after a while."""
        time.sleep(self._settings.poll_sec)

    def stop(self) -> None:
        """Jobs go on without this process."""

    def cancel(self, grace_sec: float) -> None:
        """Cancel all managed jobs, which ends their machines, and wait until none is left."""
        del grace_sec
        while live := self.live():
            for run_id, state in live.items():
                if state != "cancelling":
                    name = self._name(self._campaign.find(run_id))
                    self._call(["sky", "jobs", "cancel", "--yes", "--graceful", "--name", name])
            time.sleep(self._settings.poll_sec)

    def _name(self, run: PlannedRun) -> str:
        return f"{self._prefix}{self._numbers[run.id]}"

    def _copy(self, command: str) -> None:
        """Call the site's command that copies the campaign to the bucket, or back."""
        words = shlex.split(command.format(folder=shlex.quote(str(self._campaign.path)), bucket=self._settings.bucket))
        if words:
            self._call(words)

    def _call(self, command: Sequence[str]) -> str:
        """What a command prints. EngineAway if it fails."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SEC, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineAway(f"{command[0]} does not answer: {error}") from None
        if done.returncode:
            raise EngineAway(f"{shlex.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout


def _jobs(text: str) -> list[dict[str, Any]]:
    """The jobs in what `sky jobs queue --output json` prints, a list or an object with one.

    Notes before it are skipped, such as that its server is started: in colours, whose codes have brackets, too.
    """
    for found in re.finditer(r"[\[{]", text):
        try:
            content = json.loads(text[found.start() :])
        except json.JSONDecodeError:
            continue
        return list(content["jobs"] if isinstance(content, dict) else content)
    raise EngineAway(f"sky jobs queue printed no JSON: {text[:200]!r}")


def task(campaign: Campaign, settings: SkyPilotSettings, run: PlannedRun, name: str) -> dict[str, Any]:
    """The task of one run, as SkyPilot's YAML has it. Raises UserError if the campaign cannot be sent away."""
    manifest = campaign.manifest
    if not settings.bucket:
        raise UserError(
            "Machines of clouds share nothing but a bucket: name one in the site's file, [skypilot] bucket."
        )
    folder, data = (_relative(campaign, path) for path in (campaign.path, Path(manifest.data["data_dir"])))
    _relative(campaign, Path(manifest.submissions[run.submission]["path"]))
    resources: dict[str, Any] = {
        "accelerators": settings.accelerators or accelerators(manifest.version),
        **{name: value for name in ("cpus", "memory") if (value := getattr(settings, name))},
        "use_spot": settings.spot,
        "disk_size": settings.disk_gb,
    }
    if settings.clouds:
        resources["any_of"] = [{"infra": cloud} for cloud in settings.clouds]
    words = ["campaign", "execute", folder, "--run", run.id, "--engine", "skypilot"]
    setup = settings.setup or (f"python3 ci/install.py .venv --accelerator {settings.accelerator}",)
    mounts, places = _mounts(settings.bucket, "{dataset}/{scale}".format_map(manifest.workload_of(run)))
    links = "".join(
        f"mkdir -p {shlex.quote(str(Path(link).parent))}\nln -sfn {shlex.quote(place)} {shlex.quote(link)}\n"
        for link, place in zip((data, folder), places, strict=True)
    )
    return {
        "name": name,
        "resources": resources,
        "workdir": str(campaign.root),
        **({"file_mounts": mounts} if mounts else {}),
        "setup": "\n".join(setup) + "\n",
        "run": (
            f"{links}"
            f"export {ROOT_VARIABLE}=$PWD\n"
            f"exec .venv/bin/algoperf {shlex.join(words)} --job \"$SKYPILOT_TASK_ID\"\n"
        ),
    }  # fmt: skip


def _mounts(bucket: str, dataset: str) -> tuple[dict[str, Any], tuple[str, str]]:
    """What a machine mounts, and where it then has the data and the campaign."""
    if bucket.startswith("/"):
        return {}, (f"{bucket}/data", f"{bucket}/campaign")
    if "/" in bucket.partition("://")[2].rstrip("/"):
        raise UserError(f"[skypilot] bucket {bucket!r} is a folder: SkyPilot mounts whole buckets only.")
    return {
        # Whole buckets are mounted, folders of them only copied.
        f"{_MOUNTS}/bucket": {"source": bucket, "mode": "MOUNT_CACHED"},
        f"{_MOUNTS}/data/{dataset}": {"source": f"{bucket}/data/{dataset}", "mode": "COPY"},
    }, (f"{_MOUNTS}/data", f"{_MOUNTS}/bucket/campaign")


def task_text(campaign: Campaign, settings: SkyPilotSettings, run: PlannedRun, name: str) -> str:
    """The task's file."""
    title = f"# {run.id}: made by `algoperf campaign run`. By hand: sky jobs launch FILE\n"
    return title + yaml.dump(task(campaign, settings, run, name), Dumper=_Dumper, sort_keys=False, width=120)


def accelerators(version: str) -> str:
    """The GPUs of a benchmark version as SkyPilot calls them, such as V100:8."""
    hardware = load_version(version).hardware
    found = _HARDWARE.search(hardware)
    if found is None:
        raise UserError(f"Which GPUs are {hardware!r}? Say it in the site's file, [skypilot] accelerators.")
    return f"{found[2]}:{found[1]}"


def _relative(campaign: Campaign, path: Path) -> str:
    """A path below the folder that is sent to the machines. Raises UserError if it lies elsewhere."""
    whole = campaign.root / path
    if not whole.is_relative_to(campaign.root):
        raise UserError(
            f"{whole} is not below {campaign.root}, which is all that the machines of a cloud get. Plan again."
        )
    return str(whole.relative_to(campaign.root))


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
