"""What a trial's files say about how it was run: track, scale, ruleset, benchmark version."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algoperf.readers.json_text import read_json
from algoperf.readers.text_file import UnreadableFile
from algoperf.records.allowance import charges
from algoperf.records.json_file import read_object
from algoperf.records.layout import HPARAMS_FILE, REFEREE_FILE, STATUS_FILE
from algoperf.records.status import Status
from algoperf.records.verification import REFUTED, Verification, verification
from algoperf.submission.identity import combined_hash
from algoperf.submission.track import TRACKS
from algoperf.tuning.ruleset import RULESETS
from algoperf.versions import SCALES, version_names
from algoperf_scoring.disturbance import Kind, disturbances
from algoperf_scoring.referee import contradicts

META_DATA_FILE = "meta_data_0.json"
_LARGEST_COUNT = 2**60
_LONGEST_SEC = 1e9
"""Thirty years: a larger number of seconds is invalid."""

_FILE, _SEARCH_SPACE = "submission file ", "search space"
_BESIDE_CODE = re.compile(r"LICENSE|test_\w*\.py|\w*_test\.py|.*\.(?:md|rst|txt|yml|yaml)", re.IGNORECASE)
"""Files of a submission that no training depends on."""

_FINISHED = tuple(status.label for status in Status if status.finished)
RESULTS = tuple(status.label for status in (Status.SUBMISSION_ERROR, Status.OUT_OF_MEMORY, Status.RULE_BREACH))
"""Ends against the rules that are a result nevertheless: the submission has failed."""

EVALUATED_AGAIN = {
    "algorithm": "evaluated again without the submission's code",
    "model": "evaluated again, with a submitted model in a process that has no labels",
}
"""How `algoperf evaluate` verifies a time to target, by track. Models are the submissions' code themselves."""

_ERRORS = (Status.SUBMISSION_ERROR.label, Status.OUT_OF_MEMORY.label)


@dataclass(frozen=True)
class Facts:
    """What is known about how a trial was run.

    Attributes:
      track: "algorithm" unless status.json says otherwise: once there was no other.
      scale: "full" unless status.json says otherwise; published logs have no such file.
      ruleset: as status.json says, None if it does not.
      version: name of the benchmark version as status.json says, None if it does not.
      has_hparams: whether hyperparameters are recorded; in published logs, only external tuning has them.
      status: state of the run, or how it ended, as status.json says.
      finished: whether it ended according to the rules, as status.json says.
      training_sec, evaluation_sec: seconds on the clock at the end, as status.json says.
      budget_sec: seconds allowed on the clock, as status.json says.
      code: hash of the submission's code, as status.json says; "" if it does not.
      hardware: devices and processor in words, as status.json says; "" if it does not.
      contradicted: whether the parent of the trial measured other times, was told other results or wrote other files;
        see `referee`.
      had_referee: whether all times are those of its parent, as its records say; None if they do not.
      charged_sec: seconds of evaluations that were longer than allowed, charged to the submission.
      verification: what evaluation.json says about the checkpoint that reached the target, see `Verification`; None if
        status.json does not say that the target was reached.
      prune_rule, prune_reason: why it was pruned, as status.json says; "" if it was not, or nobody said.
      disturbed: what made its times longer than they should be, as status.json says.
      num_parameters: numbers in the model's parameters, as status.json says; None if it does not.
      host_peak_bytes, device_peak_bytes: the largest memory of the process and of a device, as status.json says.
    """

    track: str = "algorithm"
    scale: str = "full"
    ruleset: str | None = None
    version: str | None = None
    has_hparams: bool = False
    status: str | None = None
    finished: bool | None = None
    training_sec: float | None = None
    evaluation_sec: float | None = None
    budget_sec: float | None = None
    code: str = ""
    hardware: str = ""
    verification: Verification | None = None
    contradicted: bool = False
    had_referee: bool | None = None
    charged_sec: float = 0.0
    prune_rule: str = ""
    prune_reason: str = ""
    disturbed: tuple[Kind, ...] = ()
    num_parameters: int | None = None
    host_peak_bytes: int | None = None
    device_peak_bytes: int | None = None

    @property
    def is_pruned(self) -> bool:
        """Whether the trial was stopped, or not begun, because somebody thought that it was not needed."""
        return self.status == Status.PRUNED.label

    @property
    def is_error(self) -> bool:
        """Whether the submission's code ended it by an error, or by taking too much memory."""
        return self.status in _ERRORS

    @property
    def why_void(self) -> str:
        """Why its evaluations do not count; "" if they do."""
        if self.status == Status.RULE_BREACH.label:
            return "the submission broke the rules"
        if self.verification in REFUTED:
            return f"{EVALUATED_AGAIN[self.track]}, it {REFUTED[self.verification]}"
        return ""

    @property
    def is_unfinished(self) -> bool:
        """Whether the trial has not ended yet: it runs, was interrupted, or its machine was lost.

        Published logs do not say how a run ended: theirs count as finished.
        """
        if self.status in RESULTS:
            return False
        if self.finished is not None:
            return not self.finished
        return self.status is not None and self.status not in _FINISHED


def read_facts(folder: Path) -> Facts:
    """The facts of the trial in `folder`. Raises ValueError with the reason if status.json is damaged, or was removed.

    A damaged status.json must not default to scale "full", because a run at scale "mini" has another target. Published
    logs have none; but without that of a trial of this harness, breaches and charged seconds would be gone, too.
    """
    has_hparams = (folder / HPARAMS_FILE).is_file()
    status = _read_status(folder / STATUS_FILE)
    if status is None:
        if "submission_hash" in (read_object(folder / META_DATA_FILE) or {}):
            raise ValueError(f"it has no {STATUS_FILE}, but {META_DATA_FILE} says that it had one: restore it")
        return Facts(has_hparams=has_hparams)
    account = read_object(folder / REFEREE_FILE) or {}
    return Facts(
        track=_one_of(status, "track", TRACKS) or "algorithm",
        scale=_one_of(status, "scale", SCALES) or "full",
        ruleset=_one_of(status, "ruleset", RULESETS),
        version=status["version"] if status.get("version") in version_names() else None,
        has_hparams=has_hparams,
        status=_text(status.get("status")),
        finished=status["finished"] if isinstance(status.get("finished"), bool) else None,
        training_sec=_seconds(status.get("seconds"), "submission"),
        evaluation_sec=_seconds(status.get("seconds"), "evaluation"),
        budget_sec=_seconds(status, "budget_sec"),
        code=_code(status),
        hardware=_hardware(status.get("hardware")),
        verification=verification(folder, status.get("target_reached_at")),
        contradicted=contradicts(account, status, folder),
        had_referee=_had_referee(account, status),
        charged_sec=max(charges(folder).values(), default=0.0),
        **_pruned(status.get("pruned")),
        disturbed=tuple(disturbances(status)),
        num_parameters=_count(status.get("model"), "num_parameters"),
        host_peak_bytes=_count(status.get("memory"), "host_peak_bytes"),
        device_peak_bytes=_count(status.get("memory"), "device_peak_bytes"),
    )


def _had_referee(account: Mapping[str, Any], status: Mapping[str, Any]) -> bool | None:
    found = status.get("referee")
    return found and not account.get("known_from") if isinstance(found, bool) else None


def _pruned(found: Any) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    return {f"prune_{name}": _text(found.get(name)) or "" for name in ("rule", "reason")}


def _hardware(found: Any) -> str:
    """Such as "8x Tesla V100-SXM2-16GB", or, without an accelerator, "2 cores of Intel(R) Xeon(R) Processor"."""
    if not isinstance(found, dict):
        return ""
    listed = found.get("devices")
    devices = Counter(map(str, listed)) if isinstance(listed, list) else {}
    accelerators = [f"{n}x {name.partition(':')[2]}" for name, n in devices.items() if not name.startswith("cpu")]
    if accelerators:
        return ", ".join(accelerators)
    cores, model = found.get("cpus_usable"), found.get("cpu_model_name")
    return f"{cores} cores of {model}" if isinstance(cores, int) and isinstance(model, str) else ""


def _code(status: Mapping[str, Any]) -> str:
    """One hash of the submission's code and search space, without its documents and tests; "" if not recorded.

    `submission_hash` is that, but once it covered all files. Then the identity lists them, and no search space.
    """
    identity = status.get("identity")
    listed = identity if isinstance(identity, dict) and _SEARCH_SPACE not in identity else {}
    files = sorted((key.removeprefix(_FILE), str(value)) for key, value in listed.items() if key.startswith(_FILE))
    parts = [part for part in files if not _BESIDE_CODE.fullmatch(part[0].rpartition("/")[2])]
    if parts:
        return combined_hash(dict(parts))
    return _text(status.get("submission_hash")) or ""


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _count(content: Any, name: str) -> int | None:
    value = content.get(name) if isinstance(content, dict) else None
    return int(value) if isinstance(value, (int, float)) and 0 <= value < _LARGEST_COUNT else None


def _seconds(content: Any, name: str) -> float | None:
    value = content.get(name) if isinstance(content, dict) else None
    if isinstance(value, (int, float)) and 0 <= value <= _LONGEST_SEC:
        return float(value)
    return None


def _read_status(file: Path) -> Mapping[str, Any] | None:
    if not file.exists():
        return None
    try:
        status = read_json(file)
    except UnreadableFile as error:
        raise ValueError(f"{STATUS_FILE} cannot be read: {error.what}") from error
    if not isinstance(status, dict):
        raise ValueError(f"{STATUS_FILE} is not a JSON object")
    return status


def _one_of(status: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> str | None:
    value = status.get(key)
    if value is not None and value not in allowed:
        raise ValueError(f"{STATUS_FILE} has {key} {value!r}, which is none of {', '.join(allowed)}")
    return value
