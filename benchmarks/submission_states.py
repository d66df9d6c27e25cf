"""States as submissions keep them, for `checkpoint_state.py`.

Each function makes a model, a state, and what one step does; the step returns what it computed.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
import torch
from torch.optim.lr_scheduler import ExponentialLR, LambdaLR, SequentialLR

Made = tuple[Any, Any, Callable[[Any, Any, int], Any]]
VISITS: list[int] = []


def _network(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Linear(3, 2)


def _trained(model: torch.nn.Module, step: int) -> None:
    model.zero_grad()
    model(torch.full((4, 3), float(step + 1))).square().mean().backward()


def _weights(model: torch.nn.Module) -> list[list[float]]:
    return [param.detach().flatten().tolist() for param in model.parameters()]


def many_states_of_torch(seed: int) -> Made:
    """Optimizer, its attributes, schedulers, generators"""
    model = _network(seed)
    optimizer = torch.optim.SGD(model.parameters(), 0.002, momentum=0.9)
    warmup = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 4))
    optimizer.slow = list(model.parameters())
    scheduler = SequentialLR(optimizer, [warmup, ExponentialLR(optimizer, 0.9)], [3])
    state = {"optimizer": optimizer, "scheduler": scheduler, "noise": torch.Generator().manual_seed(seed)}

    def step(model: Any, state: Any, number: int) -> Any:
        _trained(model, number)
        state["optimizer"].step()
        state["scheduler"].step()
        if number == 1:
            state["optimizer"].slow = [param.detach().clone() for param in model.parameters()]
        with torch.no_grad():
            for param, slow in zip(model.parameters(), state["optimizer"].slow, strict=True):
                param.lerp_(slow + torch.randn(1, generator=state["noise"]), 0.1)
        return _weights(model)

    return model, state, step


def low_precision(seed: int) -> Made:
    """Adam with moments in bfloat16"""
    model = _network(seed)

    def step(model: Any, optimizer: Any, number: int) -> Any:
        _trained(model, number)
        optimizer.step()
        for each in optimizer.state.values():
            each["exp_avg_sq"] = each["exp_avg_sq"].bfloat16().float() if number < 2 else each["exp_avg_sq"].bfloat16()
        return _weights(model), [str(each["exp_avg_sq"].dtype) for each in optimizer.state.values()]

    return model, torch.optim.Adam(model.parameters(), 0.1, foreach=False), step


def views(seed: int) -> Made:
    """Views of one tensor, made by init"""
    flat = torch.full((6,), float(seed))
    return _network(seed), [flat, *flat.split(3)], lambda _, state, __: (state[0].add_(1), state[2].tolist())[1]


def late_views(seed: int) -> Made:
    """Views of one tensor, made later"""

    def step(_: Any, state: Any, __: int) -> Any:
        if not state:
            flat = torch.zeros(6)
            state += [flat, *flat.split(3)]
        state[0].add_(1)
        return state[2].tolist()

    return _network(seed), [], step


def closures(seed: int) -> Made:
    """Two closures with one counter"""
    count = 0

    def add() -> None:
        nonlocal count
        count += 1

    def read() -> int:
        return count

    return _network(seed), (add, read), lambda _, state, __: (state[0](), state[1]())[1]


def module_variable(seed: int) -> Made:
    """A closure that uses a variable of its module"""

    def visit() -> int:
        VISITS.append(seed)
        return len(VISITS)

    def step(_: Any, state: Any, number: int) -> Any:
        before = len(VISITS)
        return state[0]() - before, len(VISITS) - before, number

    return _network(seed), [visit], step


def counting_schedule(seed: int) -> Made:
    """A schedule that counts in a closure"""
    model = _network(seed)
    optimizer, calls = torch.optim.SGD(model.parameters(), 0.1), [0]

    def factor(_: int) -> float:
        calls[0] += 1
        return 0.9 ** calls[0]

    def step(_: Any, state: Any, __: int) -> Any:
        state["optimizer"].step()
        state["scheduler"].step()
        return state["scheduler"].get_last_lr()

    return model, {"optimizer": optimizer, "scheduler": LambdaLR(optimizer, factor)}, step


def partial(seed: int) -> Made:
    """A list in functools.partial"""

    def step(_: Any, state: Any, number: int) -> Any:
        state[0](number)
        return list(state[0].__self__ if hasattr(state[0], "__self__") else state[0].args[0])

    return _network(seed), [functools.partial(list.append, [])], step


def hook_that_steps(seed: int) -> Made:
    """The optimizer steps in a hook that init puts on the model"""
    model = _network(seed)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model.weight.register_post_accumulate_grad_hook(lambda _: optimizer.step())

    def step(model: Any, optimizer: Any, number: int) -> Any:
        optimizer.param_groups[0]["lr"] = 0.1 / (number + 1)
        _trained(model, number)
        return _weights(model)

    return model, optimizer, step


class Statistics:
    """What a submission collects."""

    def __init__(self) -> None:
        self.seen = 0


def hook_that_counts(seed: int) -> Made:
    """An object to which a hook on the model writes"""
    model, seen = _network(seed), Statistics()

    def count(*_: Any) -> None:
        seen.seen += 1

    model.register_forward_hook(count)
    return model, seen, lambda model, state, number: (_trained(model, number), state.seen)[1]


def process_group(seed: int) -> Made:
    """A process group, as in Distributed Shampoo"""
    if not torch.distributed.is_initialized():
        store = torch.distributed.HashStore()
        torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    state = {"group": torch.distributed.group.WORLD, "steps": 0}

    def step(_: Any, state: Any, __: int) -> Any:
        state["steps"] += torch.distributed.get_world_size(state["group"])
        return state["steps"]

    return _network(seed), state, step


def lock(seed: int) -> Made:
    """A lock, as in thread pools, queues and writers"""

    def step(_: Any, state: Any, __: int) -> Any:
        with state["lock"]:
            state["steps"] += 1
        return state["steps"]

    return _network(seed), {"lock": threading.Lock(), "steps": 0}, step


def compiled_torch(seed: int) -> Made:
    """A function under torch.compile"""

    def double(tensor: torch.Tensor) -> torch.Tensor:
        return tensor * 2

    state = {"double": torch.compile(double, backend="eager"), "value": torch.ones(1)}

    def step(_: Any, state: Any, __: int) -> Any:
        state["value"] = state["double"](state["value"])
        return state["value"].tolist()

    return _network(seed), state, step


def iterator(seed: int) -> Made:
    """How far an iterator has come"""
    return _network(seed), [iter(range(100))], lambda _, state, __: next(state[0])


def generator(seed: int) -> Made:
    """How far a Python generator has come"""
    return _network(seed), [(number for number in range(100))], lambda _, state, __: next(state[0])


def optax_with_update(seed: int) -> Made:
    """optax with its update function, key, bfloat16"""
    transformation = optax.adamw(optax.linear_schedule(1.0, 0.1, 10), mu_dtype=jnp.bfloat16)
    params = {"w": jnp.full((3,), 1.0 + seed)}
    state = [transformation.init(params), transformation.update, jax.random.key(seed)]

    def step(params: Any, state: Any, number: int) -> Any:
        state[2], key = jax.random.split(state[2])
        grads = jax.tree.map(lambda leaf: leaf * number + jax.random.normal(key, leaf.shape), params)
        updates, state[0] = state[1](grads, state[0], params)
        return updates["w"].tolist()

    return params, state, step


def jitted(seed: int) -> Made:
    """A function under jax.jit"""
    params = {"w": jnp.ones(2)}

    def step(params: Any, state: Any, __: int) -> Any:
        state["value"] = state["twice"](state["value"])
        return state["value"].tolist(), params["w"].tolist()

    return params, {"twice": jax.jit(lambda x: x * 2), "value": jnp.full((2,), 1.0 + seed)}, step


def mesh(seed: int) -> Made:
    """The mesh that the arrays are on"""
    devices = jax.make_mesh((1,), ("batch",))
    spread = jax.sharding.NamedSharding(devices, jax.sharding.PartitionSpec())
    state = {"mesh": devices, "array": jax.device_put(jnp.ones(2), spread), "weak": jnp.asarray(1.0 + seed)}

    def step(_: Any, state: Any, number: int) -> Any:
        state["array"] += number
        is_there = state["array"].sharding.mesh == state["mesh"]
        return state["array"].tolist(), is_there, state["array"].committed, state["weak"].aval.weak_type

    return {"w": jnp.ones(2)}, state, step


STATES = [
    many_states_of_torch, low_precision, views, late_views, closures, module_variable, counting_schedule, partial,
    hook_that_steps, hook_that_counts, process_group, lock, compiled_torch, iterator, generator, optax_with_update,
    jitted, mesh,
]  # fmt: skip
