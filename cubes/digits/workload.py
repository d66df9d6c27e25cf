"""digits: a small convolutional network on 8x8 scans of handwritten digits. Real data, seconds of training.

Not scored. It has the components of the large image workloads (convolutions, batch normalisation, dropout), so a
submission that runs here has handled model state, both forward modes and call-time dropout rates.
"""

from algoperf.datasets.digits import DIGITS
from algoperf.metrics.means import CLASSIFICATION
from algoperf.spec import LossType
from algoperf.workload.definition import Examples, WorkloadDefinition

WORKLOAD = WorkloadDefinition(
    name="digits",
    dataset=DIGITS,
    loss_type=LossType.SOFTMAX_CROSS_ENTROPY,
    evaluation=CLASSIFICATION,
    examples=Examples(train=1_197, eval_train=300, validation=300, test=300),
    eval_batch_size=300,
    model={"num_channels": (16, 32)},
    dropout=0.1,
)
