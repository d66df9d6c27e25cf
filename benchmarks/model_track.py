"""Time to target of the example models beside the published ones: `python benchmarks/model_track.py [--seeds 0,1]`.

Every run is a process of its own, as `algoperf train` starts it; the two models of a data set take turns. A row has the
steps to both targets, the seconds on the clock, and the processor's seconds of the whole process, start and evaluations
included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
from pathlib import Path

from algoperf.data.prepare import prepare
from algoperf.system import algoperf_command
from algoperf.workload.registry import find_workload

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = {"fastmri": ("folded_unet", "pytorch", 10), "cifar": ("patch_mixer", "jax", 10)}
"""Data set -> example model, its framework, and steps between evaluations."""


def children_sec() -> float:
    """Processor seconds of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(workload: str, model: str, framework: str, every: int, seed: int, place: Path) -> str:
    """Train once; the row of the table."""
    output = place / f"{model.rpartition('/')[2]}_{seed}"
    options = {"workload": workload, "scale": "mini", "framework": framework, "model": model, "seed": seed}
    options |= {"eval-every-steps": every, "data-dir": place / "data", "output-dir": output, "checkpoints": "none"}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    before = children_sec()
    done = subprocess.run(algoperf_command("train", *words, "--share"), capture_output=True, text=True, check=False)
    spent = children_sec() - before
    status = json.loads(next(output.rglob("status.json")).read_text()) if done.returncode == 0 else {}
    clock = status.get("seconds", {}).get("submission", float("nan"))
    steps, how = status.get("global_step", 0), status.get("status", done.stderr[-200:])
    parameters = status.get("model", {}).get("num_parameters", 0)
    return f"{workload} | {framework} | {output.name} | {parameters:,} | {steps} | {clock:.1f} | {spent:.1f} | {how}"


def main() -> None:
    """Print a row per run as it ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--workloads", default=",".join(EXAMPLES))
    asked = parser.parse_args()
    print("data set | framework | model and seed | parameters | steps | clock, s | CPU, s | end", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for workload in asked.workloads.split(","):
            name, framework, every = EXAMPLES[workload]
            prepare(find_workload(workload).at("mini").dataset, "mini", place / "raw", place / "data")
            for seed in map(int, asked.seeds.split(",")):
                for model in ("published", str(ROOT / "submissions" / "models" / name)):
                    print(run(workload, model, framework, every, seed, place), flush=True)


if __name__ == "__main__":
    main()
