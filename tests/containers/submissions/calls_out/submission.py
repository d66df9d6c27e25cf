"""Opens a connection to a port of the host, and says so; the refusal is not caught."""

import socket
from pathlib import Path

from sgd_pytorch.submission import data_selection, get_batch_size, update_params  # noqa: F401


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    port = int(Path(__file__).with_name("port.txt").read_text())
    socket.create_connection(("127.0.0.1", port), timeout=10).close()
    print("reached the network", flush=True)
    raise RuntimeError("Enough is known.")
