"""A preconditioned optimizer that shares its work among processes, and has no state_dict."""

import torch
import torch.distributed as dist
from optimizers.distributed_shampoo.utils.preconditioner import GraftingConfig, KroneckerFactors

GRAFT, FACTORS, MOMENTUM = "graft", "factors", "momentum"


class DistributedShampoo(torch.optim.Optimizer):
    def __init__(self, params, lr, beta1, weight_decay, start_preconditioning_step, grafting_config=None):
        super().__init__(params, dict(lr=lr, beta1=beta1, weight_decay=weight_decay, step=0))
        self._start = start_preconditioning_step
        self._grafting_config = grafting_config or GraftingConfig()
        self._is_distributed = dist.is_initialized()
        self._world_size = dist.get_world_size() if self._is_distributed else 1
        self._rank = dist.get_rank() if self._is_distributed else 0
        self._dist_group = dist.new_group(list(range(self._world_size))) if self._is_distributed else None
        self._instantiate_state()

    def _instantiate_state(self):
        """Flat buffers of what each process computes; every parameter's update is a view into one of them."""
        params = self.param_groups[0]["params"]
        owners = [index % self._world_size for index in range(len(params))]
        counts = [
            sum(p.numel() for p, o in zip(params, owners, strict=True) if o == r) for r in range(self._world_size)
        ]
        self._buffers = [torch.zeros(max(counts)) for _ in counts]
        self._views = []
        filled = [0] * self._world_size
        for param, owner in zip(params, owners, strict=True):
            begin = filled[owner]
            filled[owner] += param.numel()
            self._views.append(self._buffers[owner][begin : begin + param.numel()].view(param.shape))
            if owner == self._rank:
                state = self.state[param]
                state[GRAFT], state[MOMENTUM] = torch.zeros_like(param), torch.zeros_like(param)
                state[FACTORS] = KroneckerFactors(param) if param.dim() >= 2 else None

    @torch.no_grad()
    def step(self, closure=None):
        loss = closure() if closure is not None else None
        group = self.param_groups[0]
        group["step"] += 1
        for param, view in zip(group["params"], self._views, strict=True):
            if param in self.state:
                view.copy_(self._direction(param, group))
        if self._is_distributed:
            dist.all_gather(list(self._buffers), self._buffers[self._rank].clone(), group=self._dist_group)
        for param, view in zip(group["params"], self._views, strict=True):
            param.mul_(1 - group["lr"] * group["weight_decay"]).add_(view, alpha=-group["lr"])
        return loss

    def _direction(self, param, group):
        state, grad, step = self.state[param], param.grad, group["step"]
        graft = state[GRAFT]
        graft.lerp_(grad * grad, 1 - self._grafting_config.beta2)
        direction = grad / (graft.sqrt() + self._grafting_config.epsilon)
        if state[FACTORS] is not None and self._start != float("inf"):
            state[FACTORS].update(grad, 1e-6, due=step >= self._start and step % 2 == 0)
            shaped = state[FACTORS].precondition(grad)
            direction = shaped * (direction.norm() / (shaped.norm() + 1e-12))
        return state[MOMENTUM].lerp_(direction, 1 - group["beta1"]).clone()

    def state_dict(self):
        raise NotImplementedError("Use distributed_state_dict.")

    def load_state_dict(self, state_dict):
        raise NotImplementedError("Use load_distributed_state_dict.")
