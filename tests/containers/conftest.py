"""A cube to call, data for it, and finished runs."""

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from cube_caller import ROOT, Caller, Cube, first_step


@pytest.fixture(scope="session")
def note():
    """Adds a line, "name: seconds", to the report that is shown at the end."""

    def write(name: str, seconds: float) -> None:
        if report := os.environ.get("ALGOPERF_E2E_REPORT"):
            with open(report, "a") as file:
                file.write(f"{name}: {seconds:.1f} s\n")

    return write


@pytest.fixture(scope="session")
def cube():
    """The mnist cube; all cubes are copied to where their caller can read them, with a workspace beside them."""
    if "ALGOPERF_MLCUBE" not in os.environ:
        pytest.skip("needs a container engine: run ci/container_e2e.sh")
    folder = Path(tempfile.mkdtemp(prefix="algoperf-e2e-"))
    shutil.copytree(ROOT / "cubes", folder / "cubes")
    shutil.copytree(Path(__file__).parent / "submissions", folder / "submissions")
    caller = Caller.make(folder)
    caller.own()
    yield Cube(caller)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def data(cube, note):
    """Downloads (makes) and preprocesses the miniature data through the cube."""
    for task in ("download", "preprocess"):
        start = time.monotonic()
        done = cube(task, {"scale": "mini"})
        note(task, time.monotonic() - start)
        assert done.returncode == 0, done.stdout
    return cube.folder / "data"


@pytest.fixture(scope="session", params=["pytorch", "jax"])
def trained(request, cube, data, note):
    """A finished run of each framework: its framework and its output folder, relative to the workspace."""
    output = f"output_{request.param}"
    start = time.time()
    done = cube.train(f"sgd_{request.param}", output, framework=request.param)
    assert done.returncode == 0, done.stdout
    note(f"mlcube call to first step, {request.param}", first_step(done) - start)
    return request.param, output
