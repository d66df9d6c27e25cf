"""All four tasks of a cube in real containers, and the walls around them. Run by ci/container_e2e.sh."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from cube_caller import ROOT, Cube, first_step
from places import SUPPORT

pytestmark = pytest.mark.timeout(600)


def trial(output, framework, workload="mnist"):
    return Path(output, f"sgd_{framework}", "study_1", f"{workload}_{framework}", "trial_1")


def test_training_leaves_the_files_of_a_run(cube, trained):
    framework, output = trained
    files = {path.name for path in (cube.folder / trial(output, framework)).iterdir()}
    assert {"eval_measurements.csv", "status.json"} <= files
    assert any(name.startswith("checkpoint_") for name in files)


def numbers(tree, name):
    """All numbers called `name`, or that lie in a mapping called `name`, in nested JSON."""
    if isinstance(tree, list):
        return [number for item in tree for number in numbers(item, name)]
    if not isinstance(tree, dict):
        return []
    found = []
    for key, value in tree.items():
        if key == name:
            found += [value] if isinstance(value, float) else list(value.values())
        else:
            found += numbers(value, name)
    return found


def test_evaluation_gives_the_recorded_metrics(cube, trained, note):
    framework, output = trained
    start = time.monotonic()
    done = cube("evaluate", None, output_in=output, scores_dir=f"scores_{framework}")
    note(f"evaluate, {framework}", time.monotonic() - start)
    assert done.returncode == 0, done.stdout
    with (cube.folder / trial(output, framework) / "eval_measurements.csv").open() as file:
        recorded = list(csv.DictReader(file))[-1]
    evaluation = json.loads((cube.folder / trial(f"scores_{framework}", framework) / "evaluation.json").read_text())
    for metric in ("train/accuracy", "validation/accuracy", "test/accuracy"):
        assert pytest.approx(float(recorded[metric]), abs=1e-6) in numbers(evaluation, metric)


def test_a_submitted_model_is_trained_in_its_cube(cube, data, note):
    """Its inputs, labels and the code of the harness are those of the image; the NAdamW baseline is in there too."""
    del data
    shutil.copytree(SUPPORT / "models" / "two_layers", cube.folder / "submissions" / "two_layers", dirs_exist_ok=True)
    start, settings = time.monotonic(), cube.settings("two_layers", max_global_steps=4)
    settings["model"] = settings.pop("submission")
    paths = {"submission_dir": cube.folder / "submissions", "output_dir": "output_model"}
    done = cube("train", settings, **paths)
    note("train a submitted model", time.monotonic() - start)
    assert done.returncode == 0, done.stdout
    trial_folder = cube.folder / "output_model" / "two_layers" / "study_1" / "mnist_pytorch" / "trial_1"
    status = json.loads((trial_folder / "status.json").read_text())
    assert (status["track"], status["global_step"]) == ("model", 4)
    assert status["model"]["num_parameters"] > 0
    done = cube("train", {**settings, "submission": "sgd_pytorch"}, **paths)
    assert done.returncode == 2
    assert "they are for different tracks" in done.stdout


@pytest.mark.parametrize(
    ("workload", "framework"),
    [
        ("cifar", "jax"),
        ("imagenet_resnet", "pytorch"),
        ("imagenet_vit", "jax"),
        ("ogbg", "pytorch"),
        ("fastmri", "jax"),
        ("librispeech_conformer", "jax"),
        ("librispeech_deepspeech", "pytorch"),
        ("finewebedu_lm", "jax"),
        ("criteo1tb", "jax"),
        ("wmt", "jax"),
    ],
)
def test_every_cube_runs_its_four_tasks(cube, note, workload, framework):
    """Cubes of one dataset work in one data folder: the second finds what the first has made."""
    start, other = time.monotonic(), Cube(cube.caller, workload)
    output = f"output_{workload}"
    for task in ("download", "preprocess"):
        done = other(task, {"scale": "mini"})
        assert done.returncode == 0, done.stdout
    done = other.train(f"sgd_{framework}", output, framework=framework, max_global_steps=2)
    assert done.returncode == 0, done.stdout
    done = other("evaluate", None, output_in=output, scores_dir=f"scores_{workload}")
    assert done.returncode == 0, done.stdout
    assert (cube.folder / trial(f"scores_{workload}", framework, workload) / "evaluation.json").exists()
    note(f"four tasks of {workload}, {framework}", time.monotonic() - start)


def test_an_evaluation_that_differs_exits_with_6(cube, trained):
    framework, output = trained
    tampered = f"tampered_{framework}"
    shutil.copytree(cube.folder / output, cube.folder / tampered)
    file = cube.folder / trial(tampered, framework) / "eval_measurements.csv"
    with file.open() as old:
        rows = list(csv.DictReader(old))
    rows[-1]["validation/accuracy"] = "0.123456"
    with file.open("w") as new:
        writer = csv.DictWriter(new, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    cube.caller.own()
    done = cube("evaluate", None, output_in=tampered, scores_dir=f"scores_{tampered}")
    assert done.returncode == 6, done.stdout


def test_all_files_belong_to_the_caller(cube, trained):
    made = [path for name in ("raw", "data", trained[1]) for path in (cube.folder / name).rglob("*")]
    assert made
    assert {path.stat().st_uid for path in made} == {cube.caller.uid}


def test_a_user_error_exits_with_2(cube, data):
    done = cube.train("sgd_pytorch", "output_error", framework="tensorflow")
    assert done.returncode == 2, done.stdout
    assert "pytorch" in done.stdout


def test_a_killed_trial_says_so(cube, data):
    done = cube.train("dies", "output_dies")
    assert done.returncode == 130, done.stdout
    assert "interrupted: The trial's process was killed (SIGKILL)" in done.stdout


def test_a_submission_cannot_reach_the_network(cube, data):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        (cube.folder / "submissions" / "calls_out" / "port.txt").write_text(str(listener.getsockname()[1]))
        walled = cube.train("calls_out", "output_calls")
        assert walled.returncode == 9, walled.stdout
        assert "It used the network" in walled.stdout, "the guard saw it try"
        assert "reached the network" not in walled.stdout, "the wall held"
        opened = cube.train("calls_out", "output_calls_opened", "--network=host")
        assert "reached the network" in opened.stdout, "the test itself: with a network the call must succeed"


def test_a_submission_cannot_write_outside_its_output(cube, data):
    done = cube.train("writes_outside", "output_writes")
    assert done.returncode == 3, done.stdout
    assert "Read-only file system" in done.stdout
    walls = json.loads(re.search(r"^walls: (.*)$", done.stdout, re.MULTILINE)[1])
    output = walls["written"].pop()
    assert output.startswith("/mlcube_io")
    assert (cube.folder / "output_writes" / "mark").exists()
    assert walls == {
        "uid": cube.caller.uid,
        "capabilities": 0,
        "no_new_privileges": 1,
        "interfaces": ["lo"],
        "written": ["/tmp"],
    }


def documented(word):
    """The first shell example of the container page that has the word in it."""
    text = (ROOT / "docs" / "containers.md").read_text()
    return next(block for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) if word in block)


def test_the_documented_docker_command(cube, data, note):
    folder = cube.folder / "plain"
    (folder / "parameters").mkdir(parents=True)
    (folder / "parameters" / "train.yaml").write_text(yaml.safe_dump(cube.settings("sgd_pytorch")))
    for name, source in {"data": data, "submissions": cube.folder / "submissions"}.items():
        shutil.copytree(source, folder / name)
    cube.caller.own()
    start = time.time()
    done = cube.caller.run(["bash", "-euc", f"cd plain\n{documented('docker run')}"])
    assert done.returncode == 0, done.stdout
    note("docker run to first step, pytorch", first_step(done) - start)
    assert (folder / trial("output", "pytorch") / "status.json").stat().st_uid == cube.caller.uid


def test_the_documented_mlcube_commands(cube, tmp_path):
    own = {"TMPDIR": str(tmp_path), "MLCUBE_SYSTEM_SETTINGS": str(tmp_path / "settings.yaml")}
    script = f"mlcube={os.environ['ALGOPERF_MLCUBE']}\n{documented('--task=evaluate')}"
    subprocess.run(["bash", "-euc", script], check=True, cwd=ROOT, env={**os.environ, **own})
    assert list(tmp_path.glob("*/scores/**/evaluation.json"))
