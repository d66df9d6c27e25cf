"""Which metrics baselines log, and how often."""

from __future__ import annotations

from typing import Any

LOG_EVERY_STEPS = 100


def is_logged(workload: Any, global_step: int) -> bool:
    """Whether `log_metrics` will record the metrics of a step."""
    return workload.metrics_logger is not None and global_step % LOG_EVERY_STEPS == 0


def log_metrics(workload: Any, global_step: int, **metrics: Any) -> None:
    """Append metrics to the run's records every 100 steps. Waits for the device, which counts as submission time."""
    if is_logged(workload, global_step):
        workload.metrics_logger.append_scalar_metrics(metrics, global_step)
