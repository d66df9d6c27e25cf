"""A PyTorch entry of v0.5: the package's older name; the dropout rate is a hyperparameter that it never passes on."""

import torch
from torch.nn.parallel import DistributedDataParallel

from algorithmic_efficiency import spec
from algorithmic_efficiency.pytorch_utils import pytorch_setup

USE_PYTORCH_DDP = pytorch_setup()[0]


def get_batch_size(workload_name):
    return {"digits": 64, "mnist": 64, "cifar": 64, "imagenet_vit": 64}[workload_name]


def init_optimizer_state(
    workload: spec.Workload,
    model_params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    rng: spec.RandomState,
) -> spec.OptimizerState:
    del workload, model_state, rng
    assert isinstance(model_params, DistributedDataParallel) == USE_PYTORCH_DDP
    return {"optimizer": torch.optim.SGD(model_params.parameters(), hyperparameters.learning_rate, momentum=0.9)}


def update_params(
    workload: spec.Workload,
    current_param_container: spec.ParameterContainer,
    current_params_types: spec.ParameterTypeTree,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    batch: dict[str, spec.Tensor],
    loss_type: spec.LossType,
    optimizer_state: spec.OptimizerState,
    eval_results: list[tuple[int, float]],
    global_step: int,
    rng: spec.RandomState,
) -> spec.UpdateReturn:
    del current_params_types, loss_type, eval_results
    optimizer_state["optimizer"].zero_grad()

    def forward():
        return workload.model_fn(
            params=current_param_container,
            augmented_and_preprocessed_input_batch=batch,
            model_state=model_state,
            mode=spec.ForwardPassMode.TRAIN,
            rng=rng,
            update_batch_norm=True,
        )

    logits_batch, new_model_state = forward()
    with torch.no_grad():  # equal, if the rate is the hyperparameter's
        noise = (forward()[0] - logits_batch).abs().max().item()
    loss_dict = workload.loss_fn(
        label_batch=batch["targets"],
        logits_batch=logits_batch,
        mask_batch=batch.get("weights"),
        label_smoothing=hyperparameters.label_smoothing if hasattr(hyperparameters, "label_smoothing") else 0.0,
    )
    loss = loss_dict["summed"] / loss_dict["n_valid_examples"]
    loss.backward()
    optimizer_state["optimizer"].step()
    if workload.metrics_logger is not None:
        workload.metrics_logger.append_scalar_metrics({"loss": loss.item(), "noise": noise}, global_step)
    return (optimizer_state, current_param_container, new_model_state)


def data_selection(
    workload: spec.Workload,
    input_queue,
    optimizer_state: spec.OptimizerState,
    current_param_container: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    global_step: int,
    rng: spec.RandomState,
) -> dict[str, spec.Tensor]:
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)
