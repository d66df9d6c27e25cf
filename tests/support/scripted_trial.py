"""Stands for a trial where training would only cost time: steps, evaluations, checkpoints, signals, and exit codes.

    scripted_trial.py FOLDER STEPS BEHAVIOUR...

It evaluates after every tenth step, writes a checkpoint and then a row, and goes on from there in the next process. It
imports nothing of the project, so that it starts at once. Behaviours are done in the attempt of the same number, the
last one in all further attempts:

    go            train to the end
    exit=N        end with this exit code after half of the steps
    idle=N        end with this exit code at once, without a step
    miss          the same, without having reached the target
    die           be killed in the middle of a step
    wait          train to the half, then wait for a signal
    deaf          the same, and do not listen to it
"""

import json
import os
import signal
import sys
import time

STEP_SEC = 0.002


def replace(path, text):
    with open(f"{path}.part", "w") as file:
        file.write(text)
    os.replace(f"{path}.part", path)


def rows_of(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [line for line in file.read().splitlines()[1:] if line.endswith(",end")]


def main():
    folder, num_steps, behaviours = sys.argv[1], int(sys.argv[2]), [word for word in sys.argv[3:] if word != "--share"]
    os.makedirs(folder, exist_ok=True)
    file, checkpoint, attempts = (os.path.join(folder, name) for name in ("eval_measurements.csv", "step", "attempts"))
    with open(attempts, "a") as log:
        log.write(f"{sorted(os.sched_getaffinity(0))}\n")
    with open(attempts) as log:
        number = len(log.readlines())
    behaviour = behaviours[min(number, len(behaviours)) - 1]
    stopped = []
    signal.signal(signal.SIGTERM, lambda number, frame: None if behaviour == "deaf" else stopped.append(number))
    step = 0
    if os.path.exists(checkpoint):
        with open(checkpoint) as saved:
            step = int(saved.read())
    rows = rows_of(file)[: step // 10]
    rows += [row(each) for each in range(10 * len(rows) + 10, step + 1, 10)]

    def end(label, code):
        status(folder, label, step)
        sys.exit(code)

    if behaviour.startswith("idle="):
        end("interrupted" if behaviour == "idle=130" else "submission_error", int(behaviour[5:]))
    while step < num_steps:
        if stopped:
            replace(checkpoint, str(step))
            end("interrupted", 130)
        if step == num_steps // 2 and behaviour not in ("go", "miss"):
            if behaviour == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            elif behaviour.startswith("exit="):
                end("out_of_memory" if behaviour == "exit=4" else "submission_error", int(behaviour[5:]))
            while not stopped:
                time.sleep(0.01)
            continue
        time.sleep(STEP_SEC)
        step += 1
        if step % 10 == 0:
            replace(checkpoint, str(step))
            rows.append(row(step))
            replace(file, "\n".join(["global_step,accumulated_submission_time,total_duration,end", *rows]) + "\n")
            status(folder, "running", step)
    end("budget_spent" if behaviour == "miss" else "target_reached", 0)


def row(step):
    return f"{step},{step * 0.5},{step * 0.6},end"


def status(folder, label, step):
    content = {
        "status": label,
        "finished": label in ("target_reached", "budget_spent"),
        "message": f"{label} at step {step}",
        "global_step": step,
        "budget_sec": 90.0,
        "hardware": {"omp_num_threads": os.environ.get("OMP_NUM_THREADS")},
    }
    replace(os.path.join(folder, "status.json"), json.dumps(content))


main()
