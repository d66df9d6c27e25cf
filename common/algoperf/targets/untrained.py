"""What a model has before its first step: where the way to a target begins."""

from __future__ import annotations

import math

from algoperf.data.contracts import dataset_dir
from algoperf.errors import AlgoperfError
from algoperf.targets.plan import Setting
from algoperf.targets.protocol import Untrained


def untrained(setting: Setting) -> Untrained:
    """Evaluate a model that was initialised with the setting's seed. AlgoperfError if it has no finite value."""
    from algoperf import seeds
    from algoperf.frameworks import load_backend
    from algoperf.trial.data import TrialData
    from algoperf.trial.evaluation import Evaluator
    from algoperf.workload.registry import find_workload

    definition, limits = find_workload(setting.workload).at(setting.scale), setting.limits
    backend = load_backend(setting.framework)
    workload = backend.bind(definition, limits)
    folder = dataset_dir(setting.data_dir, definition.dataset, setting.scale)
    data = TrialData.open(definition, folder, backend.shard, setting.seed)
    keys = seeds.TrialKeys(setting.seed)
    params, model_state = workload.init_model_fn(keys.model_init)
    *_, key = keys.of_step(0)
    metrics = Evaluator(workload, data, backend).metrics(params, model_state, key, 0)
    test = None if limits.test_target is None else metrics[f"test/{limits.metric}"]
    found = Untrained(setting.seed, metrics[f"validation/{limits.metric}"], test)
    if not all(math.isfinite(value) for value in (found.validation, found.test or 0.0)):
        raise AlgoperfError(
            f"An untrained model has no finite {limits.metric}, so that there is no way from it to a target. Leave "
            "--ease out."
        )
    return found
