"""The clean process: it loads workload and data once, never a submission, and evaluates snapshots of the model.

Its parent orders, one line of JSON each: `open` (`order`: see `Order`), `evaluate` (`path`, `global_step`), `holds`
(`processes`: those that stand still now). It answers `ready`, `metrics`, `failure` or `error`; see `messages`.

When the parent is gone, it ends those processes and itself: nobody else would let them go on.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from algoperf.checkpoint import model_hash
from algoperf.errors import AlgoperfError
from algoperf.system import STOPS, keep_memory_private
from algoperf.trial import messages
from algoperf.trial.apart.standstill import end_processes, processes_of

if TYPE_CHECKING:
    from algoperf.trial.apart.model import CleanModel


@dataclass(frozen=True)
class Order:
    """What to evaluate.

    Attributes:
      workload: its name, or the folder of its cube; `scale` and `version` as in `algoperf train`.
      framework: "jax" or "pytorch".
      trial_seed: the seed of all randomness in the trial.
      data_dir: the workload's preprocessed data.
    """

    workload: str
    scale: str
    version: str
    framework: str
    trial_seed: int
    data_dir: str


def main() -> None:
    """Obey the parent until it is gone."""
    for number in STOPS:  # they are for the trial, whose parent ends this process
        signal.signal(number, signal.SIG_IGN)
    keep_memory_private()
    messages.connect(follows=False)
    orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    with contextlib.suppress(OSError):  # the parent is gone; `_listen` has yet to end what stands still
        _obey(orders)
    threading.Event().wait()  # until the parent, who knows now, or `_listen` ends this process


def _obey(orders: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Evaluate what is ordered, until something is wrong with this process, and say what."""
    first = orders.get()
    try:
        model = _opened(Order(**first["order"]))
        messages.tell("ready")
        while True:
            order = orders.get()
            step = int(order["global_step"])
            begin = time.monotonic()
            try:
                metrics = model.metrics(Path(order["path"]), step)
                taken = {"seconds": time.monotonic() - begin, "sha256": model_hash(Path(order["path"]))}
            except AlgoperfError:
                raise
            except Exception as error:
                messages.tell("failure", failure=f"{type(error).__name__}: {error}")
            else:
                messages.tell("metrics", global_step=step, metrics=metrics, **taken)
    except AlgoperfError as error:
        messages.tell("error", error=str(error), exit_code=error.exit_code)
    except Exception:
        messages.tell("error", error=traceback.format_exc(), exit_code=AlgoperfError.exit_code)


def _opened(order: Order) -> CleanModel:
    from algoperf.trial.apart.model import CleanModel
    from algoperf.workload.registry import find_workload

    definition = find_workload(order.workload).at(order.scale)  # type: ignore[arg-type]
    return CleanModel(definition, order.framework, order.version, order.trial_seed, Path(order.data_dir))


def _listen(orders: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Take in orders, also while the main thread evaluates."""
    held: list[psutil.Process] = []
    while True:
        try:
            answers = messages.answers()
        except (AlgoperfError, OSError):
            end_processes(held)
            os._exit(1)
        for order in answers:
            if order.get("kind") == "holds":
                held = processes_of(order["processes"])
            else:
                orders.put(order)


if __name__ == "__main__":
    main()
