"""Git in folders of tests, whatever the user's own settings are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def git(folder: Path, *command: str) -> None:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ["-c", "user.name=me", "-c", "user.email=me@example.com"]
    subprocess.run(["git", "-C", str(folder), *who, *command], check=True, capture_output=True, env=environment)


def commit_all(folder: Path) -> None:
    """Make a folder a repository with all that it holds as its first commit."""
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
