"""Wall time of `make demo` in a fresh clone, after installation; with --install, also of the installation.

The clone holds the last commit and any uncommitted changes of this tree. Without --install, the clone borrows this
one's environment: make is told that it is ready, and the clone's code comes first on the path.
Goal: two minutes on two cores.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import common


def fresh_clone(place: Path) -> Path:
    """A clone with the uncommitted changes of this tree, but without ignored files."""
    clone = place / "clone"
    common.timed(["git", "clone", "--quiet", common.ROOT, clone])
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, check=True, cwd=common.ROOT, stdout=subprocess.PIPE, text=True).stdout
    for name in filter(None, files.split("\0")):
        target = clone / name
        if (common.ROOT / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(common.ROOT / name, target)
        else:
            target.unlink(missing_ok=True)
    return clone


def borrow(clone: Path) -> dict[str, str]:
    """Let the clone use this clone's environment, and keep make from installing the clone into it."""
    venv = Path(sys.executable).parents[1]
    for name in ("pyproject.toml", "constraints.txt", "ci/install.py"):
        os.utime(clone / name, (0, 0))  # make them older than the environment's stamp, `ready`
    plan = common.timed(["make", "--dry-run", "setup", f"VENV={venv}"], cwd=clone)
    if "install.py" in plan.output:
        sys.exit(f"{venv} has no stamp `ready`: run `make setup` first.")
    code = os.pathsep.join(str(clone / folder) for folder in ("common", "scoring"))
    return {"VENV": str(venv), "PYTHONPATH": code}


def main() -> None:
    """Clone, optionally install, and run the demo."""
    parser = common.parser(__doc__)
    parser.add_argument("--install", action="store_true", help="make the clone an environment of its own")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        clone = fresh_clone(Path(name))
        if options.install:
            environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            environment["UV_CACHE_DIR"] = str(Path(name) / "cache")  # an empty cache, as on a new machine
            installation = common.timed(["make", "setup"], cwd=clone, env=environment)
            rows.append({"what": "`make setup`", "wall s": installation.wall, "CPU s": installation.cpu})
        else:
            environment = {**os.environ, **borrow(clone)}
        demo = common.timed(["make", "demo"], cwd=clone, env=environment)
        rows.append({"what": "`make demo`", "wall s": demo.wall, "CPU s": demo.cpu})
        print(*demo.output.splitlines()[-12:], sep="\n")
    common.report("A fresh clone", rows, options.json)


if __name__ == "__main__":
    main()
