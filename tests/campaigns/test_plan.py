"""Plans: every run is fixed, times come from runs, and what has changed is refused with the difference."""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from algoperf.campaigns.estimate import estimate
from algoperf.campaigns.folder import MANIFEST, Campaign
from algoperf.campaigns.manifest import read_manifest
from algoperf.campaigns.plan import ALL, totals
from algoperf.campaigns.site import read_site
from algoperf.cli import cli
from algoperf.errors import UserError
from algoperf.make_words import CALLED_BY_MAKE, in_words_of_the_caller
from algoperf.system import algoperf_command
from algoperf.trial.request import Request, settle
from algoperf.trial.settings import submission_hash
from campaign_case import Case, plan, scripted
from places import BASELINES, REPOSITORY


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """11 submissions x 9 workloads x 15 runs."""
    folder = tmp_path_factory.mktemp("large")
    submissions = sorted(BASELINES.glob("*_pytorch"))[:11]
    speech = "librispeech_conformer,librispeech_deepspeech"
    workloads = f"criteo1tb,digits,fastmri,imagenet_resnet,imagenet_vit,{speech},mnist,ogbg"
    done = plan(folder, "--ruleset", "external", "--workloads", workloads, submissions=submissions)
    assert done.exit_code == 0, done.output
    return folder, done.output


def test_every_run_of_a_large_campaign_is_fixed(large):
    folder, shown = large
    manifest = read_manifest(folder / MANIFEST)
    assert len(manifest.runs) == 11 * 9 * 15
    assert (folder / MANIFEST).read_text().count("\n    {") == len(manifest.runs), "one line per run"
    run = manifest.by_id["lion_pytorch/study_3/ogbg_pytorch/trial_4"]
    settings = settle(
        Request(
            workload="ogbg", framework="pytorch", submission=BASELINES / "lion_pytorch", ruleset="external",
            data_dir=Path("data"), output_dir=folder / "runs", study=3, trial=4,
        )
    )  # fmt: skip
    assert (run.seed, run.point) == (settings.trial_seed, settings.hyperparameters)
    known = manifest.submissions["lion_pytorch"]
    assert known["hash"] == submission_hash(settings.identity())
    assert list(known["files"]) == ["submission.py"]
    assert {each.study for each in manifest.runs[:99]} == {1}, "a first study of everything comes first"
    assert f"1,485 runs, at most {totals(manifest)[ALL]['at_most']:,.1f} h of a machine" in shown
    assert "imagenet_vit (pytorch): a run takes at most" in shown
    assert "274 published runs of v0.5" in shown
    assert "Times are those of training and evaluation; the start-up of every run comes on top.\n" in shown


def test_a_command_is_what_runs_the_trial(large):
    """The words are those of `algoperf train`, which agrees."""
    manifest = read_manifest(large[0] / MANIFEST)
    run = manifest.runs[-1]
    words = dict(zip(run.command[2::2], run.command[3::2], strict=False))
    assert run.command[:2] == ("algoperf", "train")
    assert (words["--workload"], words["--study"], words["--trial"]) == (run.workload, "3", "5")
    assert not Path(words["--submission"]).is_absolute()
    assert (REPOSITORY / words["--submission"] / "submission.py").is_file()
    assert shlex.split(run.as_dict()["command"]) == list(run.command)


def test_runs_with_the_same_folder_are_named(large):
    manifest = read_manifest(large[0] / MANIFEST)
    run = manifest.runs[0]
    with pytest.raises(UserError, match=f"same folder, {run.id}: give"):
        dataclasses.replace(manifest, runs=[*manifest.runs, run])


@pytest.mark.parametrize("name", ["plain", "two words", "it's", 'a "b"', "back\\slash", "naïve\u2003wide", "#x", "~"])
def test_commands_are_read_as_they_were_written(large, name):
    manifest = read_manifest(large[0] / MANIFEST)
    run = dataclasses.replace(manifest.runs[0], command=("algoperf", "train", name, ""))
    file = large[0] / "other.json"
    dataclasses.replace(manifest, runs=[run]).write(file)
    assert read_manifest(file).runs[0] == run


def test_the_same_plan_may_be_made_again_and_another_one_is_refused(tmp_path, data_root):
    case = scripted(tmp_path, data_root, {}, steps=10)
    arguments = ["--workloads", "digits", "--studies", "1", "--data-dir", str(data_root)]
    assert plan(tmp_path, *arguments).exit_code == 0  # nothing has begun: it replaces the scripted plan
    before = (tmp_path / MANIFEST).read_text()
    assert case.call("stage").returncode == 0
    fixed = json.loads((tmp_path / MANIFEST).read_text())
    assert fixed["workloads"]["digits"]["data_hash"] is not None
    again = plan(tmp_path, *arguments)
    assert again.exit_code == 0
    assert "As planned before" in again.output
    assert json.loads((tmp_path / MANIFEST).read_text()) == fixed
    other = plan(tmp_path, *arguments, "--seed", "7")
    assert isinstance(other.exception, UserError)
    assert "\n  --seed: planned 0, now 7 (1 run)\n" in str(other.exception)
    (tmp_path / MANIFEST).write_text(before.replace('"budget": 90.0', '"budget": 900.0'))
    refused = case.call("run")
    assert refused.returncode == 2
    assert "workload digits: seconds / pytorch / budget: planned 90.0, now 900.0" in refused.stderr
    assert not (tmp_path / "runs").exists()


def test_changed_code_or_data_are_refused_with_the_difference(tmp_path, data_root):
    folder = tmp_path / "mine"
    shutil.copytree(BASELINES / "momentum_pytorch", folder)
    data = tmp_path / "data"
    shutil.copytree(data_root / "digits", data / "digits")
    done = plan(
        tmp_path / "campaign", "--workloads", "digits", "--studies", "1", "--data-dir", str(data), submissions=[folder]
    )
    assert done.exit_code == 0, done.output
    case = Case(tmp_path / "campaign")
    assert case.call("stage").returncode == 0
    with (folder / "submission.py").open("a") as file:
        file.write("# better\n")
    refused = case.call("run")
    assert refused.returncode == 2
    assert "The submission mine is not what was planned:\n  submission.py has changed since\n" in refused.stdout
    shutil.copy(BASELINES / "momentum_pytorch" / "submission.py", folder)
    manifest = data / "digits" / "full" / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "hash": "0" * 64}))
    refused = case.call("run")
    assert refused.returncode == 5
    assert f"The data at {manifest.parent} are not those that the campaign began with" in refused.stderr


def test_a_changed_cube_is_refused_with_the_names_of_its_files(tmp_path, data_root):
    cube = tmp_path / "cubes" / "digits"
    shutil.copytree(REPOSITORY / "cubes" / "digits", cube)
    words = ["--submissions", BASELINES / "momentum_pytorch", "--workloads", cube, "--studies", "1",
             "--data-dir", data_root, "--output", tmp_path / "campaign"]  # fmt: skip
    # In processes of their own: one process has one cube of a name.
    command = algoperf_command("campaign", "plan", *map(str, words))
    assert subprocess.run(command, check=False).returncode == 0
    (cube / "model_torch.py").write_text((cube / "model_torch.py").read_text() + "# wider\n")
    (cube / "helper.py").touch()
    refused = Case(tmp_path / "campaign").call("run")
    assert refused.returncode == 2
    said = refused.stderr
    assert f"The cube of digits, {cube}, is not what was planned:\n  model_torch.py has changed since\n" in said
    assert "\n  helper.py has come since\nRestore it, or plan a new campaign in another folder" in said
    assert subprocess.run(command, check=False).returncode == 0, "nothing has begun"


def test_differences_are_told_in_the_words_of_those_who_planned(tmp_path, data_root, monkeypatch):
    folder = tmp_path / "mine"
    shutil.copytree(BASELINES / "momentum_pytorch", folder)

    def again(submissions, *more):
        return plan(tmp_path / "campaign", "--workloads", "digits", "--studies", "2", "--data-dir", str(data_root),
                    "--max-global-steps", "5", *more, submissions=submissions)  # fmt: skip

    lion = BASELINES / "lion_pytorch"
    assert again([folder, lion]).exit_code == 0
    assert Case(tmp_path / "campaign").call("stage").returncode == 0
    with (folder / "submission.py").open("a") as file:
        file.write("# better\n")
    monkeypatch.setenv(CALLED_BY_MAKE, "campaign")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    refused = again([folder], "--studies", "5", "--max-global-steps", "6", "--retries", "3")
    lines = in_words_of_the_caller(str(refused.exception)).splitlines()
    assert "  rules / retries: planned 2, now 3" in lines
    assert "  threads of every run (OMP_NUM_THREADS): planned 1, now 4" in lines
    assert "  submission lion_pytorch: was planned, is not given now" in lines
    assert sum(line.startswith("  submission mine: ") for line in lines) == 1, "the file, not what follows from it"
    mine, gone = (f"{name}/study_{{}}/digits_pytorch/trial_1" for name in ("mine", "lion_pytorch"))
    added = ", ".join(mine.format(study) for study in (3, 4, 5))
    assert f"  3 runs more than planned: {added}" in lines
    assert f"  2 runs fewer than planned: {gone.format(1)}, {gone.format(2)}" in lines
    assert "  EXTRA=--max-global-steps: planned 5, now 6 (2 runs)" in lines
    assert lines[-1] == "Undo the change, or give the new plan another folder: CAMPAIGN=FOLDER"


def test_submissions_of_one_name_are_refused(tmp_path):
    shutil.copytree(BASELINES / "momentum_pytorch", tmp_path / "momentum_pytorch")
    done = plan(tmp_path / "campaign", "--workloads", "digits",
                submissions=[BASELINES / "momentum_pytorch", tmp_path / "momentum_pytorch"])  # fmt: skip
    assert "Two submissions are called 'momentum_pytorch'" in str(done.exception)


def test_times_come_from_recorded_runs_then_published_ones_then_a_guess(tmp_path):
    for study, total in enumerate((30.0, 50.0), 1):
        trial = tmp_path / "mine" / f"study_{study}" / "ogbg_jax" / "trial_1"
        trial.mkdir(parents=True)
        rows = f"accumulated_submission_time,total_duration\n10,12\n{total / 2},{total}\n"
        (trial / "eval_measurements.csv").write_text(rows)
    recorded = estimate("ogbg", "jax", "self", 100.0, [tmp_path])
    assert (recorded.estimate_sec, recorded.bound_sec, recorded.source) == (40.0, 200.0, "2 recorded runs")
    assert estimate("ogbg", "pytorch", "self", 100.0, [tmp_path]) == recorded, "better than none of the framework"
    published = estimate("wmt", "jax", "external", 1000.0, [tmp_path])
    assert published.bound_sec == pytest.approx(1616)
    assert published.estimate_sec == pytest.approx(1616 * 0.886)
    assert estimate("wmt_glu_tanh", "jax", "external", 1000.0, []) == published
    guess = estimate("digits", "jax", "self", 10.0, [])
    assert (guess.bound_sec, guess.estimate_sec) == (15.0, 15.0)
    assert "no such run is known" in guess.source


def test_a_number_of_threads_that_is_none_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    done = plan(tmp_path / "campaign", "--workloads", "digits")
    assert "OMP_NUM_THREADS is 'many'. Allowed: a whole number" in str(done.exception)
    assert not (tmp_path / "campaign").exists()


def test_prices_are_the_sites(tmp_path):
    site = tmp_path / "site.toml"
    site.write_text('price_per_hour = 10\ncurrency = "EUR"\n')
    done = plan(tmp_path / "campaign", "--workloads", "ogbg", "--studies", "2", "--site", str(site))
    row = totals(read_manifest(tmp_path / "campaign" / MANIFEST))[ALL]
    assert f"{row['probably'] * 10:,.2f} to {row['at_most'] * 10:,.2f} EUR" in done.output


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (None, [], ""),
        (None, ["--engine", "slurm"], " --engine slurm"),
        ('[slurm]\noptions = ["--partition=gpu"]\n', [], " --engine slurm --site {site}"),
        ("[slurm]\nat_once = 2\n[skypilot]\nspot = false\n", [], " --site {site}"),
        ("[slurm]\nat_once = 2\n", ["--engine", "local"], " --engine local --site {site}"),
    ],
)
def test_a_plan_ends_with_the_command_that_carries_it_out(tmp_path, text, options, words):
    site = tmp_path / "site.toml"
    if text is not None:
        site.write_text(text)
        options = [*options, "--site", str(site)]
    done = plan(tmp_path / "campaign", "--workloads", "digits", "--studies", "1", *options)
    assert done.output.endswith(f"Next: algoperf campaign run {tmp_path}/campaign{words.format(site=site)}\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("price_per_hor = 1", "Unknown setting in {file}: 'price_per_hor'. Did you mean 'price_per_hour'?"),
        ("[slurm]\nat_once = -1", "{file}: slurm: at_once must not be below 0"),
        ('[slurm]\nstage = "there"', "Unknown value of {file}: [slurm] stage 'there'."),
        ('[slurm]\ntime_limit = "soon"', "is no time such as 24:00:00"),
        ('[skypilot]\nspot = "yes"', "must be true or false"),
        ("[local]\nat_once = 1.5", "must be a whole number"),
    ],
)
def test_mistakes_in_a_sites_file_are_explained(tmp_path, text, complaint):
    file = tmp_path / "site.toml"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        read_site(file)
    assert complaint.format(file=file) in str(error.value)


def test_settings_come_back_as_they_were_remembered(tmp_path):
    from algoperf.campaigns.site import site_of

    file = tmp_path / "site.toml"
    file.write_text('price_per_hour = 2.5\n[slurm]\noptions = ["--partition=gpu"]\n[skypilot]\nclouds = ["aws"]\n')
    site = read_site(file)
    assert site_of("engine.json", json.loads(json.dumps(site.as_dict()))) == site


def test_folders_without_a_campaign_and_unknown_commands_are_explained(tmp_path):
    done = CliRunner().invoke(cli, ["campaign", "status", str(tmp_path)])
    assert "holds no campaign" in str(done.exception)
    done = CliRunner().invoke(cli, ["campaign", "stats", str(tmp_path)])
    assert "Unknown command 'stats'. Did you mean 'status'?" in str(done.exception)
    (tmp_path / MANIFEST).write_text('{"format_version": 9}')
    with pytest.raises(UserError, match="format version 9"):
        Campaign(tmp_path)
