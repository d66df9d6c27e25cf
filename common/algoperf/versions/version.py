"""A version of the benchmark, and where the known versions are found."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from algoperf.errors import UserError, unknown
from algoperf.versions import reading
from algoperf.versions.limits import SCALES, Limits

LIMITS_FILE = "limits.toml"  # of a cube outside the repository
DEFAULT_VERSION = "v0.6"
_FOLDER = Path(__file__).parent
_DEVELOPMENT = _FOLDER / "development.toml"

_HEADER = {"hardware", "num_studies", "num_trials", "self_tuning_budget_factor", "scored", "workloads"}


@dataclass(frozen=True)
class Version:
    """The numbers and names of one version.

    Attributes:
      name: such as "v0.6".
      hardware: of official runs, as text.
      num_studies: independent repetitions of every workload.
      num_trials: trials per study under external tuning; self-tuning has one.
      self_tuning_budget_factor: multiplies the budget under self-tuning.
      point_sets_dropout: whether the runner applied the `dropout_rate` of a trial's point.
      scored: the workloads in the score; their number is its denominator.
      qualification: the scored workloads that a submission qualifies on before all are run.
      held_out: by scored workload, the variant on which a submission must also succeed (v0.5 only).
      development: workloads that no version scores, for experiments or from outside the repository.
      table: limits by workload and scale; use `limits`, whose error explains what is missing.
    """

    name: str
    hardware: str
    num_studies: int
    num_trials: int
    self_tuning_budget_factor: float
    point_sets_dropout: bool
    scored: tuple[str, ...]
    qualification: tuple[str, ...]
    held_out: Mapping[str, str] = dataclasses.field(hash=False)
    development: tuple[str, ...]
    table: reading.LimitsTable = dataclasses.field(repr=False, hash=False)

    @property
    def workloads(self) -> tuple[str, ...]:
        """All workloads and variants that have limits, sorted."""
        return tuple(sorted(self.table))

    def limits(self, workload: str, scale: str = "full") -> Limits:
        """Target and budget of a workload or variant. Raises UserError if this version has none."""
        if scale not in SCALES:
            raise unknown("scale", scale, SCALES)
        if workload not in self.table:
            remedy = _elsewhere(workload, self)
            raise unknown(f"workload in version {self.name}:", workload, self.table, remedy)
        if scale not in self.table[workload]:
            there = ", ".join(self.table[workload])
            raise UserError(
                f"Version {self.name} has no limits for {workload} at scale {scale!r}, only at: {there}. "
                f"Choose one of these, or add [workloads.{workload}.{scale}] to the cube's limits.toml. "
                f"{_elsewhere(workload, self, scale)}".rstrip()
            )
        return self.table[workload][scale]

    def max_runtime_sec(self, workload: str, ruleset: str, scale: str = "full") -> float:
        """The budget of a run in seconds of submission time, under ruleset "external" or "self"."""
        factor = self.self_tuning_budget_factor if ruleset == "self" else 1.0
        return factor * self.limits(workload, scale).max_runtime_sec

    def with_extra(self, file: Path) -> Version:
        """This version plus the `[workloads.<name>.<scale>]` tables of another TOML file.

        For cubes outside the repository. New names are added to `development`, so they are only scored on request.
        Existing limits may be repeated but not changed.
        """
        content = reading.read_toml(file)
        reading.check_keys(str(file), content, {"workloads"})
        tables = reading.table(f"{file}: [workloads]", content["workloads"])
        added = [name for name in tables if name not in self.table]
        return dataclasses.replace(
            self,
            table=_frozen(reading.read_limits(file, tables, self.table)),
            development=(*self.development, *added),
        )


def version_names() -> tuple[str, ...]:
    """The names of all versions, oldest first."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("v*.toml")))


def load_version(name: str = DEFAULT_VERSION) -> Version:
    """A version of the benchmark by name. Raises UserError for an unknown name."""
    if name not in version_names():
        raise unknown("benchmark version", name, version_names())
    return _load(name)


@functools.cache
def _load(name: str) -> Version:
    return read_version(_FOLDER / f"{name}.toml").with_extra(_DEVELOPMENT)


def read_version(file: Path) -> Version:
    """The version in a TOML file, named after the file, without the development workloads."""
    content = reading.read_toml(file)
    reading.check_keys(str(file), content, _HEADER, frozenset({"held_out", "point_sets_dropout", "qualification"}))
    tables = reading.table(f"{file}: [workloads]", content["workloads"])
    limits = reading.read_limits(file, tables, {})
    scored = reading.names(f"{file}: scored", content["scored"])
    held_out = reading.table(f"{file}: [held_out]", content.get("held_out", {}))
    _check_known(f"{file}: scored", scored, limits)
    qualification = reading.names(f"{file}: qualification", content.get("qualification", []))
    _check_known(f"{file}: qualification", qualification, scored)
    _check_known(f"{file}: [held_out]", held_out, scored)
    _check_known(f"{file}: [held_out]", held_out.values(), limits)
    return Version(
        name=file.stem,
        hardware=reading.text(f"{file}: hardware", content["hardware"]),
        num_studies=reading.count(f"{file}: num_studies", content["num_studies"]),
        num_trials=reading.count(f"{file}: num_trials", content["num_trials"]),
        self_tuning_budget_factor=reading.positive(
            f"{file}: self_tuning_budget_factor", content["self_tuning_budget_factor"]
        ),
        point_sets_dropout=reading.flag(f"{file}: point_sets_dropout", content.get("point_sets_dropout", False)),
        scored=scored,
        qualification=qualification,
        held_out=MappingProxyType(dict(held_out)),
        development=(),
        table=_frozen(limits),
    )


def _check_known(where: str, given: Iterable[Any], known: Iterable[str]) -> None:
    allowed = set(known)
    for name in given:
        if name not in allowed:
            raise unknown(f"workload in {where}:", str(name), allowed)


def _frozen(limits: Mapping[str, Mapping[str, Limits]]) -> reading.LimitsTable:
    return MappingProxyType({name: MappingProxyType(dict(scales)) for name, scales in limits.items()})


def _elsewhere(workload: str, asked: Version, scale: str = "full") -> str:
    """A remedy that names the versions that have the workload at a scale."""
    others = [name for name in version_names() if name != asked.name]
    having = [name for name in others if scale in load_version(name).table.get(workload, {})]
    return f"Version {' and '.join(having)} has it: --version {having[-1]}." if having else ""


def with_cube_limits(version: Version, cube: Path) -> Version:
    """The version, plus the limits in the cube's `limits.toml`, if it exists."""
    file = cube / LIMITS_FILE
    return version.with_extra(file) if file.is_file() else version
