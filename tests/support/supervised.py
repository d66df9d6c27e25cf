"""Parents of trials whose processes import no framework: they only do what a test names, and mostly die of it.

    supervised.py FOLDER DATA CASE...

For each case, a line of JSON: exit code, what the parent raised, and `status.json`.
"""

import json
import sys
from pathlib import Path

from algoperf.errors import AlgoperfError
from algoperf.records.prune_order import read_order
from algoperf.records.status import read_status
from algoperf.trial import endings
from algoperf.trial.machine_watch import MachineWatch
from algoperf.trial.recorder import Recorder
from algoperf.trial.referee import Referee
from algoperf.trial.request import Request, settle
from algoperf.trial.supervisor import Supervisor

BEGIN = """
import ctypes, os, signal, subprocess, sys, time
from pathlib import Path
from algoperf.trial import messages
messages.connect()
messages.tell("ready")
def status(**content):
    messages.ask("status", content={"process_id": os.getpid(), "global_step": 1, **content})
def trains():
    status(status="running", finished=False, message="")
    messages.tell("training")
def ordered():
    Path(sys.argv[1], "prune.json").write_text('{"rule": "settled", "reason": "The median is known."}')
def end():
    status(status="max_steps_reached", finished=True, message="done")
    messages.tell("end", code=0)
"""
CASES = {
    "leaves before the start": "os._exit(0)",
    "leaves": "trains(); os._exit(0)",
    "leaves with 7": "trains(); os._exit(7)",
    "crashes": "trains(); ctypes.string_at(0)",
    "is killed": "trains(); os.kill(os.getpid(), signal.SIGKILL)",
    "ends": "trains(); end()",
    "ends, then crashes": "trains(); end(); os.kill(os.getpid(), signal.SIGSEGV)",
    "breaks a rule, then crashes": """
trains(); status(status="rule_breach", finished=False, message="it cheated"); messages.tell("closing")
os.kill(os.getpid(), signal.SIGSEGV)""",
    "finds a mistake": """messages.tell("error", code=2, message="wrong", crashed=False)""",
    "says nonsense": """trains(); messages._Line.socket.sendall(b"[]\\nnonsense\\n"); os._exit(0)""",
    "stands still": """
trains()
subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {os.getpid()}"])
os.kill(os.getpid(), signal.SIGSTOP)
end()""",
    "stops its parent": """
trains()
os.kill(os.getppid(), signal.SIGSTOP)
begin = time.monotonic()
while time.monotonic() < begin + 5:
    pass
os.kill(os.getppid(), signal.SIGCONT)
time.sleep(1)
end()""",
    "leaves a child": """
trains()
child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
Path(sys.argv[1], "child").write_text(str(child.pid))
os._exit(0)""",
    "is pruned": """
def stop(number, frame):
    status(status="interrupted", finished=False, message="Stopped by a signal")
    messages.tell("end", code=130)
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
trains()
ordered()
time.sleep(1000)""",
    "is pruned before its first record": """
def stop(number, frame):
    messages.tell("end", code=130)
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
ordered()
time.sleep(1000)""",
    "is pruned and does not obey": """
signal.signal(signal.SIGTERM, lambda number, frame: os.kill(os.getpid(), signal.SIGKILL))
trains()
ordered()
time.sleep(1000)""",
    "ends although it is to be pruned": """
signal.signal(signal.SIGTERM, lambda number, frame: (end(), os._exit(0)))
trains()
ordered()
time.sleep(1000)""",
    "crashes although it is to be pruned": """
signal.signal(signal.SIGTERM, lambda number, frame: ctypes.string_at(0))
trains()
ordered()
time.sleep(1000)""",
    "does not come to an end": "trains(); end(); time.sleep(1000)",
}


SEVERAL = {
    "loses the second": (
        """
while not list(Path(sys.argv[1]).glob(".failure*")):
    time.sleep(0.01)
messages.tell("error", code=1, message="Connection closed by peer", crashed=True)""",
        """
from algoperf.records.status import Status
from algoperf.trial import failures
failures.note(Path(sys.argv[1]), 1, Status.SUBMISSION_ERROR, "it is wrong")
messages.tell("end", code=3)""",
    ),
    "crashes before the second fails": (
        """
messages.tell("error", code=1, message="a mistake of the harness", crashed=True)
Path(sys.argv[1], "crashed").touch()""",
        """
from algoperf.records.status import Status
from algoperf.trial import failures
while not Path(sys.argv[1], "crashed").exists():
    time.sleep(0.01)
failures.note(Path(sys.argv[1]), 1, Status.SUBMISSION_ERROR, "the first is gone")
messages.tell("end", code=3)""",
    ),
}
"""Cases of two processes."""


def program(case: str) -> str:
    """The code that every process of a case runs."""
    if case in CASES:
        return BEGIN + CASES[case]
    first, second = (f"\n{part.strip()}" for part in SEVERAL[case])
    branches = f"""
if os.environ["RANK"] == "0":{first.replace(chr(10), chr(10) + "    ")}
else:{second.replace(chr(10), chr(10) + "    ")}
"""
    return BEGIN + branches


def run(case: str, folder: Path, data: Path) -> dict:
    settings = settle(
        Request(
            workload="digits", framework="pytorch", submission=Path(__file__), ruleset="self", data_dir=data,
            output_dir=folder / case.replace(" ", "_"),
        )
    )  # fmt: skip
    settings.directory.mkdir(parents=True)
    warnings: list[str] = []
    watch = MachineWatch(warnings.append)
    grace_sec = 30.0 if case in SEVERAL else 0.5
    supervisor = Supervisor(grace_sec, is_pruned=lambda: read_order(settings.directory) is not None)
    found: dict = {}
    with supervisor.obeying_signals():
        command = [sys.executable, "-c", program(case), str(settings.directory)]
        recorder = Recorder(settings.directory, Referee(settings.directory), watch.record)
        members = supervisor.run(command, 2 if case in SEVERAL else 1, watch, recorder.hear)
        try:
            order = read_order(settings.directory) if supervisor.was_pruned else None
            found["code"] = endings.conclude(settings, members, supervisor.signals, watch, recorder, order)
        except AlgoperfError as error:
            found |= {"code": error.exit_code, "error": str(error)}
    child = settings.directory / "child"
    if child.exists():
        found["child lives"] = Path("/proc", child.read_text()).exists()
    return {**found, "status": read_status(settings.directory), "warnings": warnings}


if __name__ == "__main__":
    for name in sys.argv[3:]:
        result = run(name, Path(sys.argv[1]), Path(sys.argv[2]))
        print("RESULT", json.dumps(result), flush=True)
