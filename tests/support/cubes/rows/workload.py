"""rows: one logit per row with masks (B, 1), and a store that is read in blocks."""

from algoperf.metrics.average_precision import MULTI_LABEL
from algoperf.spec import LossType
from algoperf.workload.definition import WorkloadDefinition
from generated_dataset import EXAMPLES

from .dataset import RowsDataset

WORKLOAD = WorkloadDefinition(
    name="rows",
    dataset=RowsDataset(),
    loss_type=LossType.SIGMOID_CROSS_ENTROPY,
    evaluation=MULTI_LABEL,
    examples=EXAMPLES,
    eval_batch_size=60,
    model={"num_hidden": 16},
)
