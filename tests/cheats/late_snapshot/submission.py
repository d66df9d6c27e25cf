"""Makes its evaluation slow: it works when the clock has stopped, before it says that the snapshot is complete."""

import time

import honest
from honest import data_selection, get_batch_size, init_optimizer_state
from wire import Tapped

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

WORK_SEC = 14
work = [WORK_SEC]


def passes(message):
    if message["kind"] == "snapshot" and work:
        time.sleep(work.pop())  # as if this were work
    return True


def update_params(workload, global_step, **arguments):
    if global_step == 0:
        Tapped(passes)
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
