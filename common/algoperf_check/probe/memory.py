"""Estimates whether a submission's state fits into the devices, scaled up from the tiny workloads.

It counts parameters, gradients and optimizer state, in float32 on every device. It ignores activations, copies of the
state during an update, and states that grow faster than the parameters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from algoperf.versions import Version
from algoperf_check.findings import Finding
from algoperf_check.rules import RULES

PARAMETER_COUNTS: dict[str, int] = json.loads((Path(__file__).parent / "parameter_counts.json").read_text())
_BYTES = 4
_LITTLE_ROOM = 0.8


def device_bytes(version: Version) -> float:
    """Memory of one device of the version's hardware, in bytes."""
    return float(re.findall(r"(\d+) GB", version.hardware)[-1]) * 1e9


def num_devices(version: Version) -> int:
    """Number of devices of the version's hardware."""
    return int(version.hardware.split("x")[0])


def estimate(num_parameters: int, state_bytes_per_parameter: float) -> float:
    """Bytes of parameters, gradients and optimizer state."""
    return num_parameters * (2 * _BYTES + state_bytes_per_parameter)


def findings(version: Version, state_bytes_per_parameter: float) -> Iterator[Finding]:
    """Findings for each scored workload where the state does not fit, or barely fits."""
    available = device_bytes(version)
    for workload in version.scored:
        needed = estimate(PARAMETER_COUNTS[workload], state_bytes_per_parameter)
        if needed > _LITTLE_ROOM * available:
            what = (
                f"{workload}: about {needed / 1e9:.1f} GB of {available / 1e9:.0f} GB per device for parameters, "
                f"gradients and {state_bytes_per_parameter:.0f} bytes of state per parameter, without activations."
            )
            yield Finding(RULES["16.1" if needed > available else "16.2"], what)
