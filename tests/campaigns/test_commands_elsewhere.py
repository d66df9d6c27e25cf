"""What is handed to container engines and to SkyPilot, as far as it can be judged without them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from algoperf.campaigns import mlcube
from algoperf.campaigns.containers import Box
from algoperf.campaigns.engines import skypilot
from algoperf.campaigns.engines.base import EngineAway
from algoperf.campaigns.folder import MANIFEST, Campaign
from algoperf.campaigns.manifest import read_manifest
from algoperf.campaigns.site import SkyPilotSettings
from algoperf.errors import UserError
from algoperf.workload.registry import find_workload
from campaign_case import plan
from places import BASELINES, REPOSITORY

TRAIN = ("algoperf", "train", "--workload", "digits", "--submission", "submissions/baselines/lion_jax", "--data-dir",
         "data", "--output-dir", "campaign/runs", "--study", "1")  # fmt: skip
BOX = dict(
    name="algoperf-x-0", image="sha256:0", data_dir=Path("/h/data"), submission=BASELINES / "lion_jax",
    records=Path("/h/campaign/runs/lion_jax/study_1/digits_jax"), runs_dir=Path("/h/campaign/runs"),
)  # fmt: skip
INSIDE = ["-m", "algoperf", "train", "--workload", "digits", "--submission", "/submissions/lion_jax", "--data-dir",
          "/data", "--output-dir", "/output", "--study", "1"]  # fmt: skip


@pytest.mark.parametrize("engine", ["docker", "podman", "apptainer"])
@pytest.mark.parametrize(("threads", "said"), [(3, ["3"]), (0, []), (None, ["7"])])
def test_a_container_has_the_threads_of_the_plan(engine, threads, said, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    words = Box(engine=engine, threads=threads, **BOX).command(TRAIN)
    assert [word.rpartition("=")[2] for word in words if word.startswith("--env=OMP_NUM_THREADS=")] == said
    assert words.index("sha256:0") > max([words.index(w) for w in words if w.startswith("--env")], default=0)


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_a_container_has_the_walls_of_the_cubes(engine, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    words = Box(engine=engine, cores=[2, 3], **BOX).command(TRAIN)
    cube = yaml.safe_load((REPOSITORY / "cubes" / "digits" / "mlcube.yaml").read_text())
    walls = cube["walls"].replace("$(id -u):$(id -g)", f"{os.getuid()}:{os.getgid()}").split()
    settings = [f"{name}={cube['docker'][name]}" for name in ("--network", "--memory", "--security-opt")]
    assert not {*walls, *settings, "--shm-size=1g"} - set(words)
    assert "--cpuset-cpus=2,3" in words
    assert [word for word in words if word.startswith("--volume")] == [
        "--volume=/h/data:/data:ro",
        "--volume=/h/campaign/runs/lion_jax/study_1/digits_jax:/output/lion_jax/study_1/digits_jax:rw",
        f"--volume={BASELINES}/lion_jax:/submissions/lion_jax:ro",
    ]
    assert words[-len(INSIDE) - 2 :] == ["--entrypoint=python", "sha256:0", *INSIDE]
    assert ("--read-only-tmpfs=false" in words) == (engine == "podman")
    with pytest.raises(UserError, match="cannot be mounted"):
        Box(engine=engine, **{**BOX, "data_dir": Path("/h/a:b")}).command(TRAIN)


def test_gpus_are_named_to_each_engine_in_its_words():
    docker, podman, apptainer = (
        Box(engine=engine, gpus=["0", "1"], **BOX).command(TRAIN) for engine in ("docker", "podman", "apptainer")
    )
    assert '--gpus="device=0,1"' in docker
    assert {"--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=1"} <= set(podman)
    assert "--nv" in apptainer
    assert apptainer[:2] == ["apptainer", "exec"]
    assert apptainer[-len(INSIDE) - 2 :] == ["sha256:0", "python", *INSIDE]


# What `apptainer exec --help` of version 1.4.5 lists, of what a run may need.
OF_APPTAINER = {"--bind", "--containall", "--cpus", "--cpuset-cpus", "--env", "--memory", "--net", "--network",
                "--no-home", "--no-privs", "--nv", "--pids-limit", "--writable-tmpfs"}  # fmt: skip


def test_apptainer_knows_the_options():
    words = Box(engine="apptainer", gpus=["0"], cores=[1], **BOX).command(TRAIN)
    options = [word.partition("=")[0] for word in words[2 : words.index("sha256:0")]]
    assert set(options) <= OF_APPTAINER
    assert {"--containall", "--no-home", "--no-privs", "--network"} <= set(options)


def test_a_run_through_mlcube_has_a_submission_of_its_own_and_its_settings_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("ALGOPERF_MLCUBE", sys.executable)  # any program: it is not called
    box = Box(engine="docker", cores=[0], gpus=["2", "3"], **{**BOX, "image": "algoperf-digits:cu126"})
    words = mlcube.command(box, Path("/h/cubes/digits"), [*TRAIN, "--no-verify", "--share"], tmp_path / "job")
    folder = tmp_path / "job"
    assert {f"submission_dir={folder}/submissions", "data_in=/h/data", f"output_dir={folder}/output"} <= set(words)
    assert {"ALGOPERF_GPUS=2", "ALGOPERF_ACCELERATOR=cu126", f"MLCUBE_SYSTEM_SETTINGS={folder}/settings.yaml"} <= {
        *words
    }
    (engine_args,) = (word for word in words if word.startswith("ALGOPERF_ENGINE_ARGS="))
    records = "lion_jax/study_1/digits_jax"
    assert f"--volume=/h/campaign/runs/{records}:/mlcube_io3/{records}:rw" in engine_args
    assert "--env=CUDA_VISIBLE_DEVICES=2,3" in engine_args
    assert yaml.safe_load((folder / "parameters" / "train.yaml").read_text()) == {
        "submission": "lion_jax", "study": "1", "verify": False, "share": True,
    }  # fmt: skip
    assert (folder / "submissions" / "lion_jax" / "submission.py").is_file()
    odd = Box(engine="docker", **{**BOX, "data_dir": Path("/h/$(reboot)")})
    with pytest.raises(UserError, match="hands paths to a shell: its name has '\\$', '\\(', '\\)'"):
        mlcube.command(odd, Path("/h/cubes/digits"), TRAIN, folder)
    monkeypatch.setenv("ALGOPERF_MLCUBE", str(tmp_path / "none"))
    with pytest.raises(UserError, match="prints its path"):
        mlcube.command(box, Path("/h/cubes/digits"), TRAIN, folder)


@pytest.fixture
def campaign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(BASELINES / "lion_jax", tmp_path / "submissions" / "lion_jax")
    done = plan(Path("campaign"), "--workloads", "ogbg", "--version", "v1.0", "--data-dir", "data",
                submissions=[Path("submissions/lion_jax")])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert read_manifest(Path("campaign") / MANIFEST).root == str(tmp_path)
    return Campaign(Path("campaign"))


def test_a_task_for_skypilot_can_be_read_by_people_and_programs(campaign):
    settings = SkyPilotSettings(bucket="s3://mine", clouds=("aws", "gcp"))
    run = campaign.manifest.runs[0]
    text = skypilot.task_text(campaign, settings, run, "algoperf-x-0")
    task = yaml.safe_load(text)
    assert text.startswith(f"# {run.id}")
    assert "run: |\n  mkdir -p .\n  ln -sfn /algoperf/data data\n" in text
    assert task["resources"] == {
        "accelerators": "A100:4", "use_spot": True, "disk_size": 1024, "any_of": [{"infra": "aws"}, {"infra": "gcp"}],
    }  # fmt: skip
    assert task["file_mounts"]["/algoperf/bucket"] == {"source": "s3://mine", "mode": "MOUNT_CACHED"}
    data = f"data/{find_workload('ogbg').dataset.name}/full"
    assert task["file_mounts"][f"/algoperf/{data}"] == {"source": f"s3://mine/{data}", "mode": "COPY"}
    assert task["run"].splitlines()[-1].startswith(f"exec .venv/bin/algoperf campaign execute campaign --run {run.id} ")
    assert {name: skypilot.accelerators(name) for name in ("v0.5", "v0.6", "v1.0")} == {
        "v0.5": "V100:8", "v0.6": "V100:8", "v1.0": "A100:4",
    }  # fmt: skip


def test_a_folder_that_all_machines_share_takes_the_place_of_the_bucket(campaign):
    settings = SkyPilotSettings(bucket="/shared", clouds=("slurm",), spot=False, cpus="4", memory="16")
    task = skypilot.task(campaign, settings, campaign.manifest.runs[0], "algoperf-x-0")
    assert "file_mounts" not in task
    assert {name: task["resources"][name] for name in ("cpus", "memory")} == {"cpus": "4", "memory": "16"}
    lines = task["run"].splitlines()
    assert {"ln -sfn /shared/data data", "ln -sfn /shared/campaign campaign"} <= set(lines)


@pytest.mark.parametrize(
    "note", ["", "\x1b[2mFailed to connect. Starting a local server.\x1b[0m\n\x1b[32mstarted\x1b[0m\n"]
)
@pytest.mark.parametrize("text", ['[{"job_name": "a"}]', '{"jobs": [{"job_name": "a"}]}'])
def test_jobs_are_found_behind_what_else_skypilot_says(note, text):
    assert skypilot._jobs(note + text) == [{"job_name": "a"}]
    with pytest.raises(EngineAway, match="printed no JSON"):
        skypilot._jobs(note)


def test_what_cannot_be_sent_to_a_cloud_is_refused(campaign, tmp_path):
    run = campaign.manifest.runs[0]
    with pytest.raises(UserError, match="name one in the site's file"):
        skypilot.task(campaign, SkyPilotSettings(), run, "x")
    with pytest.raises(UserError, match="mounts whole buckets only"):
        skypilot.task(campaign, SkyPilotSettings(bucket="s3://mine/below"), run, "x")
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    assert plan(elsewhere, "--workloads", "ogbg").exit_code == 0
    with pytest.raises(UserError, match="is not below"):
        skypilot.task(Campaign(elsewhere), SkyPilotSettings(bucket="s3://mine"), run, "x")
