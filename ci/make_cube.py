"""Write mlcube.yaml and Dockerfile of every cube from the templates in ci/cube: `python3 ci/make_cube.py`.

A folder in cubes/ is a cube. With --check it writes nothing, and the exit code is 1 if a file differs from the
templates.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ("mlcube.yaml", "Dockerfile")
DEFAULT_LIMITS = {"MEMORY": "8g", "TMP": "2g"}
# workload -> differences from DEFAULT_LIMITS. Workers hold batches of 224x224 images, 0.6 MB each, and evaluations
# up to 2048 of them; an utterance has as many bytes; criteo1tb's parameters and their two moments have 6.5 GB; /tmp is
# also in memory. Processes that drive GPUs, and a checkpoint of 3 GB, need more than the default for finewebedu_lm.
LIMITS: dict[str, dict[str, str]] = {
    "criteo1tb": {"MEMORY": "64g", "TMP": "8g"},
    "fastmri": {"MEMORY": "32g"},
    "finewebedu_lm": {"MEMORY": "64g"},
    "imagenet_resnet": {"MEMORY": "64g", "TMP": "8g"},
    "imagenet_vit": {"MEMORY": "64g", "TMP": "8g"},
    "librispeech_conformer": {"MEMORY": "64g", "TMP": "8g"},
    "librispeech_deepspeech": {"MEMORY": "64g", "TMP": "8g"},
    "wmt": {"MEMORY": "32g"},
}


def render(template: str, workload: str) -> str:
    """The text of a cube's file: the template with its @NAMES@ replaced."""
    text = (ROOT / "ci" / "cube" / template).read_text()
    for name, value in {"WORKLOAD": workload, **DEFAULT_LIMITS, **LIMITS.get(workload, {})}.items():
        text = text.replace(f"@{name}@", value)
    return text


def main() -> int:
    """Write or check the files of all cubes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    check = parser.parse_args().check
    cubes = sorted(folder for folder in (ROOT / "cubes").iterdir() if folder.is_dir() and folder.name[0] not in "._")
    wanted = {cube / template: render(template, cube.name) for cube in cubes for template in TEMPLATES}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is out of date. Run: python3 ci/make_cube.py")
        else:
            path.write_text(wanted[path])
            print(f"wrote {path.relative_to(ROOT)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
