"""Says what it is, and writes wherever it can; the last refusal is not caught."""

import json
import os
from pathlib import Path

from sgd_pytorch.submission import data_selection, get_batch_size, update_params  # noqa: F401


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    inputs = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    places = ["/", "/opt/algoperf", "/opt/venv", "/var/tmp", "/tmp", str(Path(__file__).parent)]
    places += sorted(place for place in inputs if place.startswith("/mlcube_io"))
    refusals = {}
    for place in places:
        try:
            Path(place, "mark").write_text("was here")
        except OSError as error:
            refusals[place] = error
    facts = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    report = {
        "uid": os.getuid(),
        "capabilities": int(facts["CapEff"], 16) | int(facts["CapBnd"], 16),
        "no_new_privileges": int(facts["NoNewPrivs"]),
        "interfaces": sorted(os.listdir("/sys/class/net")),
        "written": [place for place in places if place not in refusals],
    }
    print("walls:", json.dumps(report), flush=True)
    raise refusals[places[1]]
