"""Data on a machine's own disk: copied once, checked, and what the run then reads."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from algoperf.campaigns import scratch
from algoperf.data.store.manifest import read_manifest
from algoperf.errors import DataError, UserError
from campaign_case import Case, plan


@pytest.fixture
def store(data_root, tmp_path):
    """A store of its own, which tests may damage."""
    return shutil.copytree(data_root / "digits" / "full", tmp_path / "data" / "digits" / "full")


def copied(place, store, stopped=lambda: False):
    said = []
    return scratch.on_scratch(str(place), store, stopped, said.append), said


def test_data_are_copied_once(store, tmp_path):
    folder, said = copied(tmp_path / "disk", store)
    copy = folder / "digits" / "full"
    assert folder.parent == tmp_path / "disk" / f"algoperf-{os.getuid()}"
    names = {path.relative_to(store) for path in store.rglob("*")}
    assert names == {path.relative_to(copy) for path in copy.rglob("*")}
    assert all((copy / name).read_bytes() == (store / name).read_bytes() for name in names if (store / name).is_file())
    assert [line.split()[0] for line in said] == ["copying", "copied"]
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    assert copied(tmp_path / "disk", store) == (folder, [])
    assert before == {path: path.stat().st_mtime_ns for path in copy.rglob("*")}


def test_a_copy_that_is_not_whole_is_none(store, tmp_path):
    with pytest.raises(scratch.Stopped, match="while its data were copied"):
        copied(tmp_path / "disk", store, stopped=lambda: True)
    name = next(iter(read_manifest(store)["files"]))
    content = (store / name).read_bytes()
    (store / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match=f"{name} has SHA-256"):
        copied(tmp_path / "disk", store)
    (store / name).unlink()
    with pytest.raises(DataError, match="is not there"):
        copied(tmp_path / "disk", store)
    assert not [path for path in (tmp_path / "disk").rglob("*") if path.is_file() and path.name != ".lock"]
    (store / name).write_bytes(content)
    assert copied(tmp_path / "disk", store)[1] != []


def test_variables_are_those_of_the_machine(store, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_DISK", str(tmp_path / "disk"))
    assert copied("$MY_DISK/mine", store)[0].is_relative_to(tmp_path / "disk" / "mine")
    monkeypatch.delenv("MY_DISK")
    with pytest.raises(UserError, match="no folder from the root on"):
        copied("$MY_DISK/mine", store)


def test_a_run_reads_the_copy_and_writes_to_the_campaign(store, tmp_path):
    data = store.parents[1]
    done = plan(tmp_path / "campaign", "--workloads", "digits", "--studies", "1", "--data-dir", str(data),
                "--max-global-steps", "5")  # fmt: skip
    assert done.exit_code == 0, done.output
    site = tmp_path / "site.toml"
    site.write_text(f'scratch = "{tmp_path}/disk"\n')
    case, run = Case(tmp_path / "campaign"), "momentum_pytorch/study_1/digits_pytorch/trial_1"
    done = case.call("run", "--site", str(site))
    assert done.returncode == 0, done.stdout + done.stderr
    flags = json.loads((tmp_path / "campaign" / "runs" / run / "flags_0.json").read_text())
    assert str(tmp_path / "disk") in json.dumps(flags)
    assert "copied in" in (tmp_path / "campaign" / "jobs" / run / "log.txt").read_text()
