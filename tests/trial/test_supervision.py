"""A trial's parent survives its processes: it says how they died, ends what they leave, and notices when they stop."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from algoperf.trial.devices import Line
from algoperf.trial.machine_watch import LOAD_IS_SAID, MachineWatch, load_warnings
from algoperf.trial.member import Member
from algoperf.trial.messages import Inbox
from places import SUPPORT, TEST_SUBMISSIONS
from supervised import CASES, SEVERAL
from trial_runs import PATIENCE_SEC, Run


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, dict]:
    """What the parents of all cases found."""
    folder = tmp_path_factory.mktemp("supervised")
    names = [*CASES, *SEVERAL]
    command = [sys.executable, str(SUPPORT / "supervised.py"), str(folder), str(folder / "data"), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SEC, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert len(lines) == len(names), done.stdout + done.stderr
    return {name: json.loads(line.partition(" ")[2]) for name, line in zip(names, lines, strict=True)}


@pytest.mark.parametrize(
    ("case", "code", "status", "message"),
    [
        ("leaves before the start", 3, "submission_error", "ended with exit code 0 in the middle"),
        ("leaves", 3, "submission_error", "ended with exit code 0 in the middle"),
        ("leaves with 7", 3, "submission_error", "ended with exit code 7 in the middle"),
        ("leaves a child", 3, "submission_error", "ended with exit code 0"),
        ("says nonsense", 3, "submission_error", "ended with exit code 0"),
        ("crashes", 3, "submission_error", "crashed (SIGSEGV, segmentation fault)"),
        ("is killed", 130, "interrupted", "was killed (SIGKILL); the same command resumes it"),
        ("ends", 0, "max_steps_reached", "done"),
        ("ends, then crashes", 0, "max_steps_reached", "done"),
        ("breaks a rule, then crashes", 9, "rule_breach", "it cheated"),
        ("does not come to an end", 0, "max_steps_reached", "done"),
        ("stands still", 0, "max_steps_reached", "done"),
        ("is pruned", 0, "pruned", "The median is known."),
        ("is pruned before its first record", 0, "pruned", "The median is known."),
        ("is pruned and does not obey", 0, "pruned", "The median is known."),
        ("ends although it is to be pruned", 0, "max_steps_reached", "done"),
        ("crashes although it is to be pruned", 3, "submission_error", "crashed (SIGSEGV"),
    ],
)
def test_every_end_of_a_process_has_a_status_and_an_exit_code(results, case, code, status, message):
    found = results[case]
    assert found["code"] == code
    assert (found["status"]["status"], found["status"]["finished"]) == (status, code == 0)
    assert message in found["status"]["message"]
    assert found["status"]["machine"]["sessions"][0]["load_average"]["end"]


def test_a_mistake_is_raised_and_leaves_no_status(results):
    assert results["finds a mistake"] == {"code": 2, "error": "wrong", "status": None, "warnings": []}


def test_a_process_that_lost_another_one_does_not_hide_why(results):
    """It crashes because its connections are closed; the other one has noted its regular end before."""
    found = results["loses the second"]
    assert (found["code"], found["status"]["status"]) == (3, "submission_error")
    assert found["status"]["message"] == "In process 1: it is wrong"


def test_what_another_process_notes_later_explains_no_crash(results):
    found = results["crashes before the second fails"]
    assert (found["code"], found["error"]) == (1, "a mistake of the harness")


def test_nothing_is_left_of_a_trial(results):
    assert results["leaves a child"]["child lives"] is False


def test_seconds_in_which_nothing_could_run_are_recorded(results):
    found = results["stands still"]
    assert found["status"]["machine"]["stopped_sec"] > 0.5
    assert any("nothing could run" in warning for warning in found["warnings"])
    assert results["ends"]["status"]["machine"]["stopped_sec"] == 0


def test_a_parent_that_stands_still_is_not_the_trial(results):
    found = results["stops its parent"]["status"]["machine"]
    assert found["stopped_sec"] == 0
    assert found["sessions"][0]["parent_stopped_sec"] > 1


def test_more_threads_than_idle_cores_are_said_in_one_line(monkeypatch):
    monkeypatch.setattr("algoperf.trial.machine_watch._FIRST_LOOK_SEC", 0.0)
    said: list[str] = []
    MachineWatch(said.append, threads=10_000).tick(psutil.Process())
    MachineWatch(said.append, threads=None).tick(psutil.Process())
    told = [line for line in said if "PyTorch uses 10000 threads, but only" in line]
    assert len(told) == 1
    assert "OMP_NUM_THREADS=1" in told[0]


def test_what_the_command_has_said_is_only_recorded(monkeypatch):
    monkeypatch.setattr("algoperf.trial.machine_watch._FIRST_LOOK_SEC", 0.0)
    monkeypatch.setenv(LOAD_IS_SAID, "1")
    said: list[str] = []
    watch = MachineWatch(said.append, threads=10_000)
    watch.tick(psutil.Process())
    assert said == []
    assert "PyTorch uses 10000 threads" in load_warnings({"machine": watch.record()})[-1]


def test_sessions_of_earlier_processes_are_kept():
    first = MachineWatch(print, shared=True).record(ended=True)
    both = MachineWatch(print, first).record()
    assert (both["shared"], [each["shared"] for each in both["sessions"]]) == (True, [True, False])


def test_messages_are_passed_on_in_order_whatever_interrupts_that():
    """A signal may come while a message is passed on, and its handler asks for messages as well."""
    heard: list[int] = []

    def hear(message, at) -> dict:
        member.listen()
        heard.append(message["number"])
        return {}

    code = "from algoperf.trial import messages\nmessages.connect()\n[messages.tell('x', number=n) for n in range(9)]"
    member = Member(0, [sys.executable, "-c", code], os.environ, hear)
    assert member.process.wait(timeout=PATIENCE_SEC) == 0
    member.poll()
    member.inbox.close()
    assert heard == list(range(9))


def test_a_process_that_never_reads_gets_no_more_answers():
    """A full pipe must not stop the parent."""
    inbox = Inbox()
    for number in range(10_000):
        inbox.answer(number, {"seconds": {}})
    inbox.close()


# --- the line of those who wait for devices ----------------------------------------------------------------------

SINCE = r"since \d{4}-\d\d-\d\d \d\d:\d\d"
WAITING = """
import sys
from pathlib import Path
from algoperf.trial.devices import Line
from algoperf.trial.screen import Screen
line = Line(["core_0"], "the third", Path(sys.argv[1]))
with Screen(Path(sys.argv[2]), ["x"], line.awaited), line.alone(print):
    pass
"""


def test_trials_wait_for_devices_that_they_have_in_common(tmp_path):
    said: list[str] = []
    first = Line(["core_0", "core_1"], "the first", tmp_path)
    with first.alone(said.append), Line(["core_2"], "elsewhere", tmp_path).alone(said.append):
        assert said == []
        code = (
            "import sys; from pathlib import Path; from algoperf.trial.devices import Line\n"
            "line = Line(['core_1', 'core_2'], 'the second', Path(sys.argv[1]))\n"
            "with line.alone(lambda text: print(text, flush=True)): print('its turn')"
        )
        waiting = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        said_there = waiting.stdout.readline()
        assert re.match(rf"waiting for the devices, held by the first, {SINCE}; --share would train beside", said_there)
        assert waiting.poll() is None
    assert waiting.communicate(timeout=PATIENCE_SEC)[0] == "its turn\n"


@pytest.mark.parametrize("how", ["alone", "beside_others"])
def test_who_waits_says_again_and_again_for_whom_also_if_that_changes(tmp_path, how):
    """Of those who share the devices, the last to begin is known."""
    log = tmp_path / "log.txt"

    def hold(who):
        line = Line(["core_0"], who, tmp_path)
        return line.alone(print) if how == "alone" else line.beside_others()

    def wait_until_it_says(pattern):
        deadline = time.monotonic() + PATIENCE_SEC
        while not (log.exists() and re.search(pattern, log.read_text())):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)

    shared = "" if how == "alone" else "trials that share them, the last to begin: "
    code = WAITING.replace("line = ", "import algoperf.trial.screen as screen\nscreen.SILENCE_SEC = 0.1\nline = ")
    with hold("the first"):
        waiting = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(log)], stdout=subprocess.DEVNULL)
        line = rf"waiting for the devices \| [^|]* so far \| held by {shared}NAME, {SINCE} \| --share would train"
        wait_until_it_says(line.replace("NAME", "the first"))
        if how == "beside_others":
            with hold("the second"):
                wait_until_it_says(line.replace("NAME", "the second"))
        else:  # as the kernel lets the next one in
            (tmp_path / "core_0.alone").write_text("the second, since 2026-01-01 00:00")
            wait_until_it_says(line.replace("NAME", "the second"))
    assert waiting.wait(timeout=PATIENCE_SEC) == 0


def test_those_who_share_wait_for_nobody_and_are_noticed(tmp_path):
    alone = Line(["core_0"], "the first", tmp_path)
    with alone.alone(print):
        assert not alone.is_shared()
        with (
            Line(["core_0"], "beside", tmp_path).beside_others() as waited,
            Line(["core_0"], "", tmp_path).beside_others(),
        ):
            assert waited == 0
            assert alone.is_shared()
        assert not alone.is_shared()


def test_the_kernel_drops_the_locks_of_the_dead(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from algoperf.trial.devices import Line\n"
        "with Line(['core_0'], 'it', Path(sys.argv[1])).alone(print): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -signal.SIGKILL
    said: list[str] = []
    with Line(["core_0"], "the next", tmp_path).alone(said.append) as waited:
        assert (said, waited) == ([], 0)


# --- whole trials ------------------------------------------------------------------------------------------------


@pytest.fixture
def trial(tmp_path, data_root):
    return Run(TEST_SUBMISSIONS / "faulty", "pytorch", data_root, tmp_path / "runs", {"max_global_steps": 100_000})


def test_a_submission_that_leaves_has_not_succeeded(trial, monkeypatch):
    monkeypatch.setenv("FAULT", "update_params 12 leave")
    code, output = trial.finish()
    assert code == 3, output
    assert trial.status["status"] == "submission_error"
    assert "submission_error: The trial's process ended with exit code 0" in output
    assert trial.status["machine"]["shared"] is True, "tests share the machine"
    assert [row["global_step"] for row in trial.rows] == ["10"]
    assert not list(trial.trial.glob(".failure*"))


def test_a_signal_before_the_clock_starts_ends_a_trial_at_once(trial):
    process = trial.start()
    deadline = time.monotonic() + PATIENCE_SEC
    while not psutil.Process(process.pid).children():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE_SEC) == 130
    output = trial.log.read_text()
    assert "interrupted: Stopped by a signal" in output
    assert "most recent call last" not in output
    assert not trial.trial.exists(), "nothing had begun"


def test_a_signal_in_the_first_step_ends_a_trial_at_once(trial, monkeypatch):
    """It may compile for many minutes, and nothing can be lost yet."""
    monkeypatch.setenv("FAULT", "update_params 0 hang")
    process = trial.start()
    deadline = time.monotonic() + PATIENCE_SEC
    while not (trial.trial / "status.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.terminate()
    assert process.wait(timeout=PATIENCE_SEC) == 130
    assert trial.status["status"] == "interrupted"
    assert "Stopped before its first step was done" in trial.status["message"]
    assert "most recent call last" not in trial.log.read_text()


def test_a_signal_while_waiting_for_devices_ends_the_wait(trial, tmp_path, monkeypatch):
    monkeypatch.delenv("ALGOPERF_SHARE")
    monkeypatch.setenv("ALGOPERF_LOCKS", str(tmp_path / "locks"))
    (tmp_path / "locks").mkdir()
    core = min(os.sched_getaffinity(0))
    with (tmp_path / "locks" / f"core_{core:04d}.alone").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = trial.start()
        deadline = time.monotonic() + PATIENCE_SEC
        while "waiting for the devices, held by another trial" not in trial.log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.terminate()
        assert process.wait(timeout=PATIENCE_SEC) == 130
    assert "most recent call last" not in trial.log.read_text()


def test_others_are_told_who_holds_the_devices_and_in_which_folder(trial, tmp_path, monkeypatch):
    """Trials of all clones on a machine wait for each other."""
    monkeypatch.delenv("ALGOPERF_SHARE")
    monkeypatch.setenv("ALGOPERF_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("FAULT", "update_params 0 raise")
    assert trial.finish()[0] == 3
    core = min(os.sched_getaffinity(0))
    told = (tmp_path / "locks" / f"core_{core:04d}.alone").read_text()
    place = re.escape(str(trial.trial))
    assert re.fullmatch(rf"faulty on digits, study 1, trial 1 \(process \d+, in {place}\), {SINCE}", told)
