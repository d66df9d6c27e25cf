"""Trials one after another: one that fails does not keep others from running, a signal ends all, a summary says so."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from algoperf import sequence
from algoperf.cli import cli
from algoperf.commands import baselines
from algoperf.commands.train_all import edits
from algoperf.errors import UserError
from algoperf.make_words import CALLED_BY_MAKE, as_callable, in_words_of_the_caller, program
from algoperf.sequence import DataPlace, PlannedTrial
from algoperf.trial.request import Request, settle
from places import BASELINES

STOPS_ITS_PARENT = "import os, signal, time; os.kill(os.getppid(), signal.{}); time.sleep(60)"


@pytest.fixture
def place(data_root, tmp_path):
    return DataPlace("full", tmp_path / "raw", data_root)


def planned(place, title, code, workload="digits"):
    settings = settle(
        Request(
            workload=workload, framework="pytorch", submission=BASELINES / "nadamw_pytorch", ruleset="self",
            data_dir=place.data_dir, output_dir=place.raw_dir,
        )
    )  # fmt: skip
    return PlannedTrial(title, settings, [sys.executable, "-c", code])


def test_a_failure_does_not_keep_others_from_running(place, capfd):
    codes = {"a": "sys.exit(3)", "b": "print('ran')", "c": "import os; os.kill(os.getpid(), 9)", "d": "sys.exit(4)"}
    outcome = sequence.run([planned(place, title, f"import sys; {code}") for title, code in codes.items()], place)
    assert capfd.readouterr().out == "ran\n"
    assert outcome.codes == {"a": 3, "b": 0, "c": 137, "d": 4}
    assert outcome.exit_code == 1
    assert outcome.summary().split("\n") == [
        "1 of 4 trials ended by the rules.",
        "  a: exit code 3, submission_error",
        "  c: exit code 137, killed by signal 9",
        "  d: exit code 4, out_of_memory",
    ]


def test_failures_of_one_kind_have_its_exit_code(place):
    outcome = sequence.run(
        [planned(place, title, f"import sys; sys.exit({title})") for title in ("0", "7", "+7")], place
    )
    assert outcome.exit_code == 7


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_reaches_the_trial_and_ends_the_sequence(place, name):
    before = signal.getsignal(getattr(signal, name))
    trials = [planned(place, "a", STOPS_ITS_PARENT.format(name)), planned(place, "b", "")]
    outcome = sequence.run(trials, place)
    assert outcome.codes.keys() == {"a"}
    assert outcome.codes["a"] != 0
    assert outcome.not_begun == {"b": "because of the interruption"}
    assert "b: not begun" in outcome.summary()
    assert signal.getsignal(getattr(signal, name)) == before


def test_a_busy_machine_is_said_once_per_command(place, capfd):
    """The second trial is told that the first one's warning was shown."""
    tells = "import os; print('told' if 'ALGOPERF_LOAD_IS_SAID' in os.environ else 'not told')"
    busy = {"machine": {"sessions": [{"warnings": ["Others keep 1.5 of 2 cores busy, so times are longer."]}]}}
    file = planned(place, "a", "").settings.directory / "status.json"
    file.parent.mkdir(parents=True)
    warns = f"{tells}; open({str(file)!r}, 'w').write({json.dumps(busy)!r})"
    sequence.run([planned(place, title, code) for title, code in (("a", tells), ("b", warns), ("c", tells))], place)
    assert capfd.readouterr().out.splitlines() == ["not told", "not told", "told"]


def test_data_that_cannot_be_made_is_said_once_and_others_run(place, capfd, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    place = DataPlace("full", place.raw_dir, place.raw_dir / "stores")
    trials = [planned(place, title, "print('ran')", "imagenet_resnet") for title in "ab"]
    outcome = sequence.run([*trials, planned(place, "c", "print('ran')")], place)
    assert outcome.codes == {"a": 5, "b": 5, "c": 0}
    text = capfd.readouterr()
    assert text.out == "ran\n"
    assert text.err.count("error: ") == 1


def test_compare_trains_in_turn_and_the_one_that_begins_alternates(place, monkeypatch):
    plans = []

    def run(trials, place, edits):
        del edits
        plans.append([f"{trial.settings.submission}, {trial.title.partition(', ')[2]}" for trial in trials])
        return sequence.Outcome(dict.fromkeys(plans[-1], 0))

    monkeypatch.setattr(sequence, "run", run)
    arguments = ["compare", "--submission", str(BASELINES / "momentum_pytorch"), "--workloads", "digits"]
    done = CliRunner().invoke(cli, [*arguments, "--ruleset", "self", "--output-dir", str(place.raw_dir)])
    assert done.exit_code == 0, done.output
    assert plans == [
        ["momentum_pytorch, study 1", "nadamw_pytorch, study 1", "nadamw_pytorch, study 2", "momentum_pytorch, study 2",
         "momentum_pytorch, study 3", "nadamw_pytorch, study 3"]
    ]  # fmt: skip
    assert "study 1: unfinished and unfinished" in done.output
    external = ["--ruleset", "external", "--studies", "1", "--trials", "2", "--with", "lamb_pytorch"]
    done = CliRunner().invoke(cli, [*arguments, *external, "--output-dir", str(place.raw_dir)])
    assert [title.partition(",")[0] for title in plans[1]] == ["momentum_pytorch"] * 2 + ["lamb_pytorch"] * 2
    bare = ["--ruleset", "self", "--studies", "1", "--with", "lamb"]
    CliRunner().invoke(cli, [*arguments, *bare, "--output-dir", str(place.raw_dir)])
    assert plans[2] == ["momentum_pytorch, study 1", "lamb_pytorch, study 1"]
    same = CliRunner().invoke(cli, [*arguments, "--ruleset", "self", "--with", "momentum_pytorch"])
    assert "Both submissions are called 'momentum_pytorch'" in str(same.exception)


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
def test_a_baseline_is_found_by_its_bare_name_in_a_framework(framework):
    for name in ("nadamw", f"nadamw_{framework}", "nadamw_jax"):
        whole = name if "_" in name else f"{name}_{framework}"
        assert baselines.find(name, framework) == BASELINES / whole
    assert baselines.find("some/nadamw", framework) == Path("some/nadamw")
    with pytest.raises(UserError, match=f"Unknown baseline in {framework} 'nadmw'. Did you mean 'nadamw'?") as error:
        baselines.find("nadmw", framework)
    assert "Allowed: adafactor, adamw," in str(error.value)


@pytest.mark.parametrize(
    ("message", "by_make"),
    [
        ("another --output-dir, or else --no-resume.", "another RUNS, or else EXTRA=--no-resume."),
        ("another RUNS, or else EXTRA=--no-resume.", "another RUNS, or else EXTRA=--no-resume."),
        ('For more: EXTRA="--num-studies 9".', 'For more: EXTRA="--num-studies 9".'),
        ("Say --framework jax or --framework pytorch.", "Say FRAMEWORK=jax or FRAMEWORK=pytorch."),
        ("For more: --num-studies 9.", 'For more: EXTRA="--num-studies 9".'),
        ("--search-space goes with --ruleset external", "EXTRA=--search-space goes with RULESET=external"),
        ("given instead: --workload path/to/cube", "given instead: WORKLOADS=path/to/cube"),
        ("Make it with:\n  algoperf download --workload x", "Make it with:\n  PROGRAM download --workload x"),
        ("Run `algoperf evaluate`.", "Run `PROGRAM evaluate`."),
        ("Runs of algoperf are here.", "Runs of algoperf are here."),
        ("a word--data-dir and --unknown", "a word--data-dir and --unknown"),
    ],
)  # fmt: skip
def test_messages_name_variables_to_those_who_use_make(monkeypatch, message, by_make):
    monkeypatch.delenv(CALLED_BY_MAKE, raising=False)
    assert in_words_of_the_caller(message) == message
    monkeypatch.setenv(CALLED_BY_MAKE, "1")
    assert in_words_of_the_caller(message) == by_make.replace("PROGRAM", str(program()))


def test_the_program_is_named_as_it_is_seen_from_here(monkeypatch, tmp_path):
    place = Path(sys.executable).parent
    monkeypatch.setenv(CALLED_BY_MAKE, "score")
    for here, shown in ((place.parents[1], f"{place.parent.name}/bin/algoperf"), (tmp_path, f"{place}/algoperf")):
        monkeypatch.chdir(here)
        assert as_callable("`algoperf score --strict`") == f"`{shown} score --strict`"
    assert Path(shown).is_file()


def test_commands_that_train_are_given_as_calls_of_make_where_it_has_their_options(monkeypatch):
    told = "Make one: algoperf train --model published --workload digits --output-dir 'my runs'"
    monkeypatch.delenv(CALLED_BY_MAKE, raising=False)
    assert as_callable(told) == told
    monkeypatch.setenv(CALLED_BY_MAKE, "leaderboard")
    assert as_callable(told) == "Make one: make train MODEL=published WORKLOADS=digits RUNS='my runs'"
    assert as_callable("`algoperf train --study 2`") == f"`{program()} train --study 2`"


def test_messages_name_the_folder_that_a_target_of_make_writes_to(monkeypatch):
    for target, variable in (("train", "RUNS"), ("compare", "COMPARISON")):
        monkeypatch.setenv(CALLED_BY_MAKE, target)
        assert in_words_of_the_caller("Choose another --output-dir.") == f"Choose another {variable}."


@pytest.fixture
def edited(repository, data_root, tmp_path):
    """A trained submission that was edited then, and the command that compares it."""
    folder, root = tmp_path / "mine", tmp_path / "runs"
    shutil.copytree(BASELINES / "momentum_pytorch", folder)
    options = [
        "--submission", folder, "--ruleset", "self", "--workloads", "digits", "--studies", "1", "--data-dir", data_root,
        "--output-dir", root, "--share", "--max-global-steps", "2", "--no-verify",
    ]  # fmt: skip

    def call(command, *more):
        return subprocess.run(
            [sys.executable, "-m", "algoperf", command, *options, *more], capture_output=True, text=True, check=False,
            cwd=repository, env={**os.environ, CALLED_BY_MAKE: "compare"},
        )  # fmt: skip

    trained = call("train-all")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    with (folder / "submission.py").open("a") as file:
        file.write("# edited\n")
    return SimpleNamespace(
        call=call, options=list(map(str, options)), submission=folder / "submission.py", root=root,
        trial=root / "mine" / "study_1" / "digits_pytorch" / "trial_1",
    )  # fmt: skip


@pytest.mark.parametrize("command", ["compare", "train-all"])
def test_runs_of_other_code_are_refused_before_anything_is_trained(edited, command):
    before = {path: path.read_bytes() for path in edited.root.rglob("*") if path.is_file()}
    refused = edited.call(command, "--studies", "2")
    assert refused.returncode == 2
    assert refused.stdout == ""
    what = "holds a finished trial of other code or settings:\n  submission.py has changed since"
    assert f"{edited.trial} {what}" in refused.stderr
    assert refused.stderr.endswith("Choose another COMPARISON, or start over with EXTRA=--no-resume.\n")
    assert {path: path.read_bytes() for path in edited.root.rglob("*") if path.is_file()} == before


EDITS_ITSELF = """

_init = init_optimizer_state


def init_optimizer_state(*given):
    with open(__file__, "a") as own:
        own.write("# edited")
    return _init(*given)
"""


@pytest.mark.parametrize("command", ["train-all", "compare"])
def test_no_other_trial_begins_once_the_submission_is_edited(repository, data_root, tmp_path, command):
    folder, root = tmp_path / "mine", tmp_path / "runs"
    shutil.copytree(BASELINES / "momentum_pytorch", folder)
    file = folder / "submission.py"
    source = file.read_text()
    file.write_text(source + EDITS_ITSELF)
    before = file.read_bytes()
    words = [
        sys.executable, "-m", "algoperf", command, "--submission", folder, "--ruleset", "self", "--workloads",
        "digits", "--studies", "3", "--data-dir", data_root, "--output-dir", root, "--share", "--max-global-steps", "2",
        "--no-verify",
    ]  # fmt: skip

    def call():
        environment = {**os.environ, CALLED_BY_MAKE: "compare" if command == "compare" else "train"}
        return subprocess.run(words, capture_output=True, text=True, check=False, cwd=repository, env=environment)

    done = call()
    assert done.returncode == 2, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert [path.name for path in sorted(root.glob("mine/*"))] == ["study_1"]
    assert "  mine on digits, study 2: not begun, because of the edit\n" in said
    assert "  mine on digits, study 3: not begun, because of the edit\n" in said
    assert "error: The code of mine was edited while its trials went on, so no other was begun:\n" in done.stderr
    assert "\n  submission.py has changed since\n" in done.stderr
    place = "COMPARISON" if command == "compare" else "RUNS"
    assert f"choose another {place}, or start over with EXTRA=--no-resume.\n" in done.stderr
    assert "ratio" not in said
    file.write_bytes(before)
    again = call()
    assert "already finished" in again.stdout, "with the code restored, the same command goes on"
    assert sorted(path.name for path in root.glob("mine/*")) == ["study_1", "study_2"]


def test_a_comparison_says_how_many_times_were_disturbed(place, monkeypatch):
    def run(trials, place, edits):
        del place, edits
        for number, trial in enumerate(trials):
            folder = trial.settings.directory
            folder.mkdir(parents=True)
            session = {"shared": number < 2, "thermal_throttles": int(number == 1)}
            told = {
                "finished": True,
                "status": "target_reached",
                "machine": {"sessions": [session]},
                "identity": trial.settings.identity(),
            }
            (folder / "status.json").write_text(json.dumps(told))
        return sequence.Outcome({trial.title: 0 for trial in trials})

    monkeypatch.setattr(sequence, "run", run)
    monkeypatch.setenv(CALLED_BY_MAKE, "compare")
    done = CliRunner().invoke(
        cli, ["compare", "--submission", str(BASELINES / "momentum_pytorch"), "--workloads", "digits,mnist",
              "--studies", "1", "--ruleset", "self", "--output-dir", str(place.raw_dir)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    [line] = [line for line in done.output.splitlines() if "disturbed" in line]
    assert line == (
        "Times of 2 of 4 runs were disturbed, and may be too long: 2 shared devices with other trials (EXTRA=--share), "
        "1 had cores slowed down for heat. Seconds that decide come from an idle machine: start over there with "
        "EXTRA=--no-resume."
    )


def test_what_was_edited_while_data_were_made_is_noticed_too(place):
    edits = ([], ["  submission.py has changed since"], [])
    outcome = sequence.run([planned(place, title, "") for title in "abc"], place, edits.__getitem__)
    assert outcome.codes == {"a": 0}
    assert outcome.not_begun == {"b": "because of the edit", "c": "because of the edit"}
    assert outcome.edits == ["  submission.py has changed since"]


def test_a_submission_that_cannot_be_read_any_more_was_edited():
    def gone():
        raise UserError("It is not there.")

    assert edits({}, gone) == ["  it cannot be read: It is not there."]


@pytest.mark.full
def test_compare_starts_over_and_keeps_earlier_runs_aside(edited, monkeypatch):
    status = (edited.trial / "status.json").read_bytes()
    again = edited.call("compare", "--no-resume")
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("the earlier trial was moved to") == 1
    assert "2 of 2 trials ended by the rules." in again.stdout
    assert "study 1: not reached and not reached" in again.stdout
    (kept,) = edited.trial.parent.glob(".trial_1.replaced-*")
    assert (kept / "status.json").read_bytes() == status
    assert edited.call("compare").stdout.count("already finished") == 2

    def run(*arguments, run=sequence.run):
        edited.submission.write_text(edited.submission.read_text() + "# edited while the comparison ran\n")
        return run(*arguments)

    monkeypatch.setattr(sequence, "run", run)
    done = CliRunner().invoke(cli, ["compare", *edited.options, "--no-resume"])
    assert isinstance(done.exception, UserError)
    assert "The code of mine was edited while its trials went on, so no other was begun:" in str(done.exception)
    assert "study 1: not begun, because of the edit" in done.output
    assert "study 1: not reached" not in done.output


@pytest.mark.full
def test_compare_trains_both_and_goes_on(data_root, tmp_path):
    command = [
        sys.executable, "-m", "algoperf", "compare", "--submission", BASELINES / "momentum_pytorch",
        "--ruleset", "self", "--workloads", "digits", "--data-dir", data_root, "--output-dir", tmp_path / "runs",
        "--share", "--max-global-steps", "2",
    ]  # fmt: skip
    for studies, again in (("1", 0), ("2", 2)):
        done = subprocess.run([*command, "--studies", studies], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("already finished") == again
        assert f"{2 * int(studies)} of {2 * int(studies)} trials ended by the rules." in done.stdout
    titles = [line.partition(", trial")[0] for line in done.stdout.splitlines() if ", trial 1: validation" in line]
    assert titles == [f"{name}_pytorch on digits (pytorch), study 2" for name in ("nadamw", "momentum")]
    assert "  study 2: not reached and not reached\n" in done.stdout
    assert "momentum_pytorch did not reach the target in 2 of 2 studies." in done.stdout
