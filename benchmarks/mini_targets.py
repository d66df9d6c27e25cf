"""Sets targets of scale mini: `algoperf targets` with the settings below, and its result into a version.

Every baseline tries its own point only: a target must be within reach of NAdamW at that point, and the best of many
points is not (docs/targets.md). Interrupted calls go on, as `algoperf targets` does.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import common

import algoperf.versions
from algoperf.data.files import write_file
from algoperf.errors import unknown
from algoperf.targets.result import provenance

VERSIONS = Path(algoperf.versions.__file__).parent
EASE = 0.02
_WIDTH = 118  # of a comment, without its sign


@dataclasses.dataclass(frozen=True)
class Setting:
    """Steps of every run and between evaluations, and repeats of the best point.

    A schedule that ends after so many steps learns about as much as two thirds of these steps in a longer one, such as
    that of a smoke test: so there are about one and a half times as many as NAdamW is to need there.
    """

    steps: int
    every: int
    repeats: int = 3
    framework: str = "pytorch"
    algorithms: str = "nadamw,adamw,nesterov"


SETTINGS = {
    "cifar": Setting(200, 40),
    "criteo1tb": Setting(400, 50),
    "fastmri_layernorm": Setting(60, 10),
    "fastmri_tanh": Setting(60, 10),
    "finewebedu_lm": Setting(300, 30),
    "imagenet_resnet": Setting(120, 20),
    "imagenet_vit": Setting(100, 20),
    "librispeech_conformer": Setting(220, 20),
    "librispeech_deepspeech": Setting(100, 20),
    "mnist": Setting(12_000, 2_000, framework="jax"),
    "ogbg": Setting(200, 40),
    "wmt": Setting(480, 80),
}
"""Digits and fastmri have theirs, other variants those of their base: see docs/targets.md."""


def command(workload: str, setting: Setting, output: Path) -> list[str]:
    """The call of `algoperf targets`."""
    values = {
        "workload": workload, "scale": "mini", "algorithms": setting.algorithms, "framework": setting.framework,
        "trials": 0, "repeats": setting.repeats, "steps": setting.steps, "eval-every-steps": setting.every,
        "ease": EASE, "data-dir": common.DATA, "raw-dir": common.DATA / "raw", "output": output,
    }  # fmt: skip
    options = [word for name, value in values.items() for word in (f"--{name}", str(value))]
    return [str(common.ALGOPERF), "targets", "--own-points", *options]


def install(result: Path, versions: Path = VERSIONS) -> None:
    """Put the content of a targets.json into the version: its file, the workload's targets and their comment."""
    found = json.loads(result.read_text())
    table = versions / "development.toml"
    text = with_targets(table.read_text(), found)
    shutil.copyfile(result, versions / "provenance" / f"{found['workload']}.json")
    write_file(table, text.encode())


def with_targets(text: str, found: Mapping[str, Any]) -> str:
    """The text of a version file with other targets for a workload, and other comments above its table.

    Budget, evaluation period and step hint stay. Raises KeyError if there is no table of the workload at its scale.
    """
    name = f"workloads.{found['workload']}.{found['scale']}"
    place = re.search(rf"((?:^#.*\n)*)^\[{re.escape(name)}\]\n(?:^\w.*\n?)*", text, re.MULTILINE)
    if place is None:
        raise KeyError(name)
    body = place[0].removeprefix(place[1])
    for key, value in found["targets"]["eased"].items():
        if value is not None:
            body = re.sub(rf"^{key} = .*$", f"{key} = {value!r}", body, flags=re.MULTILINE)
    sentences = provenance(found)[:-1]  # the last one is about a table of its own
    lines = [line for each in sentences for line in textwrap.wrap(each, _WIDTH, break_on_hyphens=False)]
    return text[: place.start()] + "".join(f"# {line}\n" for line in lines) + body + text[place.end() :]


def main() -> None:
    """Set the targets of all workloads that are named, one after another."""
    parser = common.parser(__doc__)
    parser.add_argument("--workloads", default=",".join(SETTINGS))
    parser.add_argument("--output", type=Path, default=common.ROOT / "build" / "targets", help="folder for all runs")
    parser.add_argument("--at-once", type=int, default=2, help="runs at the same time")
    parser.add_argument("--install", action="store_true", help="put the results into the version's files")
    options = parser.parse_args()
    for workload in options.workloads.split(","):
        if workload not in SETTINGS:
            raise unknown("workload", workload, SETTINGS)
        setting = SETTINGS[workload]
        subprocess.run(
            [*command(workload, setting, options.output), "--at-once", str(options.at_once)],
            cwd=common.ROOT,
            check=True,
        )
        if options.install:
            install(options.output / workload / "targets.json")


if __name__ == "__main__":
    main()
