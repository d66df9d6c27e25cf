"""Settings of a site, in one TOML file: what only the people know who own the machines.

price_per_hour = 24.48          # of one run's machine, in `currency`
currency = "USD"
container_arguments = []        # further arguments of docker, podman or apptainer
scratch = "$TMPDIR"             # a disk of each machine's own, which data are copied to

[local]
at_once = 1                     # runs at the same time, each with its own cores and GPUs

[slurm]
options = ["--partition=gpu", "--account=me", "--gres=gpu:v100:8"]
share_nodes = false             # a run has its node to itself, unless asked otherwise
time_limit = "24:00:00"         # a run that takes longer is interrupted, queued again, and goes on
at_once = 16
signal_sec = 300                # before the time limit: long enough to save a checkpoint
setup = ["module load apptainer"]
stage = "here"                  # or "job": make missing data in a job of its own

[skypilot]
accelerators = "V100:8"
bucket = "s3://my-campaign"
clouds = ["aws", "gcp"]         # any, if there are none
cpus = "64"                     # and memory = "480", in GB; what SkyPilot finds right for the accelerators, if not said
spot = true
at_once = 16
accelerator = "cu126"           # build of the environment; or lines of your own: setup = [...]
push = "aws s3 sync {folder} {bucket}/campaign"
pull = "aws s3 sync {bucket}/campaign {folder} --exclude '*checkpoint*'"
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from algoperf.errors import UserError, unknown
from algoperf.versions import reading

_TIME_LIMIT = re.compile(r"(\d+-)?\d+(:\d\d){0,2}")


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """This machine. `at_once`: runs at the same time; `share`: beside other trials of the machine, marked."""

    at_once: int = 1
    share: bool = False


@dataclass(frozen=True, kw_only=True)
class SlurmSettings:
    """A cluster; see the file's example. `python` is the interpreter on the nodes, by default this one."""

    options: tuple[str, ...] = ()
    time_limit: str = ""
    at_once: int = 0
    share_nodes: bool = False
    signal_sec: int = 300
    setup: tuple[str, ...] = ()
    stage: str = "here"
    poll_sec: float = 10.0
    python: str = ""


@dataclass(frozen=True, kw_only=True)
class SkyPilotSettings:
    """Clouds. An empty `accelerators` means the benchmark version's hardware.

    `bucket` may be a folder, from the root on, if all machines share it, such as the nodes of a Slurm cluster.
    """

    accelerators: str = ""
    cpus: str = ""
    memory: str = ""
    bucket: str = ""
    clouds: tuple[str, ...] = ()
    spot: bool = True
    disk_gb: int = 1024
    at_once: int = 16
    accelerator: str = "cu126"
    setup: tuple[str, ...] = ()
    push: str = ""
    pull: str = ""
    poll_sec: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Site:
    """All settings of a site."""

    price_per_hour: float | None = None
    currency: str = "USD"
    container_arguments: tuple[str, ...] = ()
    scratch: str = ""
    local: LocalSettings = field(default_factory=LocalSettings)
    slurm: SlurmSettings = field(default_factory=SlurmSettings)
    skypilot: SkyPilotSettings = field(default_factory=SkyPilotSettings)

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values."""
        return dataclasses.asdict(self)


def read_site(file: Path | None) -> Site:
    """The settings in a file; those of a site of which nothing is known if there is none. Raises UserError."""
    return Site() if file is None else site_of(str(file), reading.read_toml(file))


def site_of(where: str, content: Mapping[str, Any]) -> Site:
    """Settings from plain values, which are checked. Raises UserError, naming `where` they come from."""
    site = _filled(Site, where, content)
    if site.slurm.stage not in ("here", "job"):
        raise unknown(f"value of {where}: [slurm] stage", site.slurm.stage, ("here", "job"))
    if site.slurm.time_limit and not _TIME_LIMIT.fullmatch(site.slurm.time_limit):
        raise UserError(
            f"{where}: [slurm] time_limit {site.slurm.time_limit!r} is no time such as 24:00:00 or 2-00:00:00."
        )
    return site


def _filled(kind: Any, where: str, content: Mapping[str, Any]) -> Any:
    """A record of settings, with the values that are given."""
    fields = {each.name: each for each in dataclasses.fields(kind)}
    values = {}
    for name, value in content.items():
        if name not in fields:
            raise unknown(f"setting in {where}:", name, fields)
        values[name] = _value(f"{where}: {name}", str(fields[name].type), value)
    return kind(**values)


def _value(where: str, kind: str, value: Any) -> Any:
    if kind.endswith("Settings"):
        table = reading.table(where, value)
        return _filled(
            {"LocalSettings": LocalSettings, "SlurmSettings": SlurmSettings}.get(kind, SkyPilotSettings), where, table
        )
    if kind == "tuple[str, ...]":
        return reading.names(where, list(value) if isinstance(value, tuple) else value)
    if kind == "bool":
        return reading.flag(where, value)
    if kind == "str":
        if not isinstance(value, str):
            raise UserError(f"{where} must be text, not {value!r}.")
        return value
    if value is None and kind.endswith("None"):
        return None
    if reading.number(where, value) < 0:
        raise UserError(f"{where} must not be below 0, not {value!r}.")
    return value if kind != "int" or value == 0 else reading.count(where, value)
