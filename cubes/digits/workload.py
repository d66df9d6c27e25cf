"""digits: a small convolutional network on 8x8 scans of handwritten digits. Real data, seconds of training.

Not scored. It has the components of the large image workloads (convolutions, batch normalisation, dropout), so a
submission that runs here has handled model state, both forward modes and call-time dropout rates.
"""

import numpy as np

from algoperf.data.contracts import Batch
from algoperf.datasets.digits import DIGITS
from algoperf.metrics.means import CLASSIFICATION
from algoperf.spec import LossType
from algoperf.workload.definition import WorkloadDefinition


def _example_batch() -> Batch:
    return {"inputs": np.ones((1, 8, 8, 1), np.float32), "targets": np.zeros((1,), np.int32)}


WORKLOAD = WorkloadDefinition(
    name="digits",
    dataset=DIGITS,
    loss_type=LossType.SOFTMAX_CROSS_ENTROPY,
    evaluation=CLASSIFICATION,
    num_train_examples=1_197,
    num_eval_train_examples=300,
    num_validation_examples=300,
    num_test_examples=300,
    eval_batch_size=300,
    example_batch=_example_batch,
    model={"num_channels": (16, 32), "num_classes": 10},
    output_params={"jax": frozenset({"Dense_0"}), "pytorch": frozenset({"dense.weight", "dense.bias"})},
    dropout=0.1,
    channels_last=True,
)
