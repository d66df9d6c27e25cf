"""The folder of a trial: one process at a time works on it; earlier trials move aside; a mistake leaves nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from algoperf.data.files import open_locked
from algoperf.errors import UserError
from algoperf.records.layout import EVAL_FILE, LOG_FILE, MEASUREMENTS_FILE
from algoperf.trial.settings import TrialSettings

_LOCK_FILE = ".lock"


def locked(directory: Path) -> BinaryIO:
    """The lock of a trial's folder, to be closed. Raises UserError while another process has it."""
    lock = open_locked(directory / _LOCK_FILE)
    if lock is None:
        raise UserError(f"Another process is working on {directory}. Wait for it, or stop it first.")
    return lock


def set_aside(directories: Iterable[Path]) -> None:
    """Move earlier trials aside, all or none, as `--no-resume` does. Raises UserError if one is being worked on."""
    found = [directory for directory in directories if directory.is_dir()]
    with ExitStack() as locks:
        for directory in found:
            locks.enter_context(locked(directory))
        for directory in found:
            move_aside(directory)


def move_aside(directory: Path) -> None:
    """Move the files of an earlier trial to a hidden folder, which scoring ignores; remove what measured nothing."""
    entries = [entry for entry in directory.iterdir() if entry.name != _LOCK_FILE]
    if not {EVAL_FILE, MEASUREMENTS_FILE} & {entry.name for entry in entries}:
        for entry in entries:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        return
    kept = directory.with_name(f".{directory.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    kept.mkdir()
    for entry in entries:
        entry.rename(kept / entry.name)
    print(f"the earlier trial was moved to {kept}")


@contextmanager
def leaving_no_empty_folder(settings: TrialSettings, is_first: bool) -> Iterator[None]:
    """Remove the trial's folder, and those above it, if nothing was recorded: a mistake leaves nothing behind.

    If the trial `is_first`, the folder of all runs goes too.
    """
    try:
        yield
    finally:
        left = {entry.name for entry in settings.directory.iterdir()}
        if left <= {_LOCK_FILE, LOG_FILE} and not _moved_back(settings.directory):
            for name in left:
                (settings.directory / name).unlink()
            with contextlib.suppress(OSError):  # another trial's folder is there
                for folder in (settings.directory, *settings.directory.parents):
                    if folder == settings.output_dir and not is_first:
                        break
                    folder.rmdir()
                    if folder == settings.output_dir:
                        break


def _moved_back(directory: Path) -> bool:
    """Put back the earlier trial that this process moved aside; whether there is one."""
    aside = sorted(directory.parent.glob(f".{directory.name}.replaced-*-{os.getpid()}"))
    if not aside:
        return False
    for entry in list(aside[-1].iterdir()):
        entry.rename(directory / entry.name)
    aside[-1].rmdir()
    print(f"the earlier trial is back in {directory}")
    return True
