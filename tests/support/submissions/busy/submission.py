"""What a run must not take for a cheat: logs, files, and pools, loaders and programs that end within a step."""

import atexit
import concurrent.futures
import gc
import json
import logging
import logging.handlers
import queue
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path

import torch
from torch.utils.data import DataLoader, TensorDataset

from algoperf import spec

logger = logging.getLogger("busy")
folder = Path(tempfile.mkdtemp(prefix="busy"))
logger.addHandler(logging.FileHandler(folder / "log.txt"))
logger.addHandler(logging.handlers.QueueHandler(queue.Queue()))
atexit.register(logging.shutdown)
ACCUMULATED = 2


def get_batch_size(workload_name):
    del workload_name
    return 64


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_state, hyperparameters, rng
    optimizer = torch.optim.SGD(model_params.parameters(), lr=0.05, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, workload.step_hint)
    average = torch.optim.swa_utils.AveragedModel(model_params)
    weakref.finalize(optimizer, logger.info, "the optimizer is gone")
    return {"optimizer": optimizer, "schedule": schedule, "average": average, "since": time.time()}


def data_selection(
    workload, input_queue, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
):
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)


def parts(batch):
    """A batch in parts, by a loader."""
    examples = TensorDataset(batch["inputs"], batch["targets"])
    return DataLoader(examples, batch_size=len(examples) // ACCUMULATED)


def remember(model, global_step):
    """Write a checkpoint of its own, while another thread counts its numbers."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        saved = pool.submit(torch.save, model.state_dict(), folder / "model.pt")
        count = pool.submit(lambda: sum(parameter.numel() for parameter in model.parameters()))
        saved.result()
    with (folder / "events.jsonl").open("a") as file:
        file.write(json.dumps({"step": global_step, "numbers": count.result(), "at": time.time()}) + "\n")


def update_params(
    workload,
    current_param_container,
    current_params_types,
    model_state,
    hyperparameters,
    batch,
    loss_type,
    optimizer_state,
    eval_results,
    global_step,
    rng,
):
    del current_params_types, hyperparameters, loss_type
    optimizer = optimizer_state["optimizer"]
    optimizer.zero_grad()
    for inputs, targets in parts(batch):
        logits, model_state = workload.model_fn(
            current_param_container, {"inputs": inputs}, model_state, spec.ForwardPassMode.TRAIN, rng, True
        )
        loss = workload.loss_fn(targets, logits)
        (loss["summed"] / loss["n_valid_examples"] / ACCUMULATED).backward()
    torch.nn.utils.clip_grad_norm_(current_param_container.parameters(), 5.0)
    optimizer.step()
    optimizer_state["schedule"].step()
    optimizer_state["average"].update_parameters(current_param_container)
    if global_step % 3 == 0:
        logger.info("step %d after %d evaluations", global_step, len(eval_results))
        remember(current_param_container, global_step)
        gc.collect()
    if global_step == 1:
        subprocess.run([sys.executable, "-c", "print('a program that ends')"], check=True, capture_output=True)
    return optimizer_state, current_param_container, model_state
