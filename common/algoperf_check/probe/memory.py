"""Estimates whether a submission's state fits into the devices, scaled up from the tiny workloads.

It counts parameters, gradients and optimizer state, in float32 on every device. It ignores activations, copies of the
state during an update, and states that grow faster than the parameters.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from algoperf.versions import Version
from algoperf_check.findings import Finding
from algoperf_check.rules import RULES

PARAMETER_COUNTS: dict[str, int] = json.loads((Path(__file__).parent / "parameter_counts.json").read_text())
_BYTES = 4
_LITTLE_ROOM = 0.85  # AdamW with two more copies of the parameters has room


def device_bytes(version: Version) -> float:
    """Memory of one device of the version's hardware, in bytes."""
    return float(re.findall(r"(\d+) GB", version.hardware)[-1]) * 1e9


def num_devices(version: Version) -> int:
    """Number of devices of the version's hardware."""
    return int(version.hardware.split("x")[0])


Description = dict[str, Any]


def described(model: Mapping[str, np.ndarray], state: Mapping[str, np.ndarray]) -> Description:
    """What `split` needs to know of one tiny workload, as JSON: its parameters and the arrays of the state.

    Args:
      model: arrays of the model by path; parameters are below "params".
      state: arrays of the optimizer state by path.
    """
    params = [array for path, array in model.items() if path.startswith("params")]
    shapes = {str(array.shape) for array in params}
    arrays = [array for array in state.values() if array.size > 1]
    return {
        "num_parameters": sum(array.size for array in params),
        "bytes": sum(array.nbytes for array in arrays),
        # What may be of one size everywhere: not shaped like a parameter, of which there are some alike.
        "others": [
            [str(array.dtype), str(array.shape), array.nbytes] for array in arrays if str(array.shape) not in shapes
        ],
    }


def split(descriptions: Sequence[Description]) -> tuple[float, float]:
    """Bytes of state per parameter, and bytes of state that do not depend on the model.

    The latter are arrays that the states on all tiny workloads have alike; with one workload none can be told.
    """
    counted = [Counter(map(tuple, description["others"])) for description in descriptions]
    common = counted[0]
    for counter in counted[1:]:
        common = common & counter
    constant = sum(number * array[-1] for array, number in common.items()) if len(counted) > 1 else 0
    return max((each["bytes"] - constant) / each["num_parameters"] for each in descriptions), float(constant)


def estimate(num_parameters: int, state_bytes_per_parameter: float, constant_bytes: float = 0.0) -> float:
    """Bytes of parameters, gradients and optimizer state."""
    return num_parameters * (2 * _BYTES + state_bytes_per_parameter) + constant_bytes


def findings(version: Version, state_bytes_per_parameter: float, constant_bytes: float = 0.0) -> Iterator[Finding]:
    """Findings for each scored workload where the state does not fit, or barely fits."""
    available = device_bytes(version)
    for workload in version.scored:
        needed = estimate(PARAMETER_COUNTS[workload], state_bytes_per_parameter, constant_bytes)
        if needed > _LITTLE_ROOM * available:
            what = (
                f"{workload}: about {needed / 1e9:.1f} GB of {available / 1e9:.0f} GB per device for parameters, "
                f"gradients and {state_bytes_per_parameter:.0f} bytes of state per parameter, without activations."
            )
            yield Finding(RULES["16.1" if needed > available else "16.2"], what)
