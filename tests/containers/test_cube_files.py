"""The cubes' files are what the templates say."""

import subprocess
import sys

from places import REPOSITORY

ROOT = REPOSITORY


def test_files_of_all_cubes_are_up_to_date():
    command = [sys.executable, "ci/make_cube.py", "--check"]
    check = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert check.returncode == 0, check.stdout
