"""needs_data: absolute errors of several numbers, and metrics whose names come from a file of the store."""

from algoperf.spec import LossType
from algoperf.workload.definition import WorkloadDefinition
from generated_dataset import EXAMPLES

from .dataset import GroupsDataset
from .group_losses import GROUP_LOSSES

WORKLOAD = WorkloadDefinition(
    name="needs_data",
    dataset=GroupsDataset(),
    loss_type=LossType.MEAN_ABSOLUTE_ERROR,
    evaluation=GROUP_LOSSES,
    examples=EXAMPLES,
    eval_batch_size=60,
    model={"num_hidden": 24},
)
