"""Mean losses, over all examples and by group. The groups' names come from the dataset, and become names of metrics."""

from __future__ import annotations

import numpy as np

from algoperf.metrics.base import Evaluation


class GroupLosses:
    """Adds losses and counts by group."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.loss, self.sums, self.counts = 0.0, np.zeros(len(names)), np.zeros(len(names))

    def add(self, outputs, batch) -> None:
        self.loss += float(outputs["loss"])
        groups = batch["groups"][batch["real"]]
        self.sums += np.bincount(groups, outputs["errors"][batch["real"]], len(self.names))
        self.counts += np.bincount(groups, minlength=len(self.names))

    def merge(self, other: GroupLosses) -> None:
        self.loss += other.loss
        self.sums += other.sums
        self.counts += other.counts

    def result(self, num_examples: int) -> dict[str, float]:
        means = (self.sums / self.counts).tolist()
        by_group = {f"{name}_loss": mean for name, mean in zip(self.names, means, strict=True)}
        return {"loss": self.loss / num_examples, **by_group, "worst_loss": max(means)}


GROUP_LOSSES = Evaluation(step="mean_loss", accumulator=lambda dataset: GroupLosses(dataset.groups))
