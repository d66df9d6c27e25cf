"""PyTorch in this process: one device; several processes under torchrun."""

from __future__ import annotations

import atexit
import gc
import platform
import shutil
import sys
from importlib.metadata import version
from typing import Any

import torch
import torch.distributed as dist

from algoperf import spec
from algoperf.checkpoint.tree import LeafCodec, NumpyCodec
from algoperf.data.contracts import Shard
from algoperf.errors import UserError, text_of
from algoperf.frameworks.torch.codec import TorchCodec
from algoperf.frameworks.torch.description import checksums, describe_model, model_form
from algoperf.frameworks.torch.processes import pytorch_setup
from algoperf.frameworks.torch.workload import TorchWorkload, bare_model
from algoperf.system import keep_freed_memory
from algoperf.versions import Limits
from algoperf.workload.bound import BoundWorkload
from algoperf.workload.definition import WorkloadDefinition

COMPILERS = ("g++", "clang++")


def start() -> TorchBackend:
    """Join the other processes, if any, set process-wide settings, and return the backend."""
    use_ddp, rank, device, _ = pytorch_setup()
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True
        # As JAX's default, and as the published runner: TensorFloat-32 where a GPU has it, which V100s have not.
        torch.set_float32_matmul_precision("high")
    else:
        keep_freed_memory()  # tensors are there too
    if use_ddp and not dist.is_initialized():
        # gloo for decisions between hosts, nccl for gradients between devices
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
        atexit.register(_leave)
    return TorchBackend(rank, device)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


class TorchBackend:
    """See `frameworks.backend.Backend`."""

    name = "pytorch"

    def __init__(self, rank: int, device: torch.device) -> None:
        self.rank = rank
        self.num_processes = dist.get_world_size() if dist.is_initialized() else 1
        self.num_devices = self.num_processes
        self.codecs: dict[str, LeafCodec] = {"torch": TorchCodec(device), "numpy": NumpyCodec()}
        self._device = device
        self._compiled: set[str] = set()
        self._peak_bytes = 0
        self._why_not = "eager: the workload's policy"

    @property
    def shard(self) -> Shard:
        """One part of each batch per process."""
        return Shard(self.rank, self.num_processes)

    def bind(self, definition: WorkloadDefinition, limits: Limits) -> BoundWorkload:
        """See Backend."""
        return TorchWorkload(definition, limits)

    def compile(self, workload: BoundWorkload, params: torch.nn.Module, policy: str) -> torch.nn.Module:
        """Apply `torch.compile` to model and loss as the definition says. What fails to compile runs eagerly."""
        assert isinstance(workload, TorchWorkload)
        wanted = workload.compiled_parts
        if not wanted:
            return params
        if policy == "off" or (policy == "auto" and self._device.type != "cuda"):
            self._why_not = "eager: switched off" if policy == "off" else "eager: no CUDA device"
            return params
        if self._device.type == "cpu" and not any(map(shutil.which, COMPILERS)):
            raise UserError(
                f"--torch-compile on needs a C++ compiler on CPU ({' or '.join(COMPILERS)}), and there is none here. "
                "Install one, or leave it at auto."
            )
        if policy == "auto":
            torch._dynamo.config.suppress_errors = True
        self._compiled = set(wanted)
        if "loss" in wanted and isinstance(workload, TorchWorkload):
            workload.compile_loss()
        if "model" not in wanted:
            return params
        compiled: torch.nn.Module = torch.compile(params)  # type: ignore[assignment]
        return compiled

    def checksums(self, params: torch.nn.Module) -> dict[str, int]:
        """See Backend."""
        return checksums(bare_model(params))

    @property
    def compile_note(self) -> str:
        """What was compiled and how many frames of it fell back to eager mode."""
        if not self._compiled:
            return self._why_not
        from torch._dynamo.utils import counters

        frames = counters["frames"]
        fallbacks = frames["total"] - frames["ok"]
        return f"compiled: {', '.join(sorted(self._compiled))}; {fallbacks} of {frames['total']} frames fell back"

    def compile_seconds(self) -> float:
        """Seconds spent in dynamo and its backends so far."""
        dynamo = sys.modules.get("torch._dynamo.utils")  # importing it takes seconds; nothing compiles without it
        return float(dynamo.calculate_time_spent().get("total_wall_time", 0.0)) if dynamo else 0.0

    def wait(self, *trees: Any) -> None:
        """Wait for this process's device, then for the other processes."""
        del trees
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self.agree(True)

    def agree(self, *decisions: bool) -> tuple[bool, ...]:
        """Process 0's decisions, over gloo: waits for other hosts, never for a device."""
        if self.num_processes == 1:
            return decisions
        tensor = torch.tensor(decisions, dtype=torch.uint8)
        dist.broadcast(tensor, src=0)
        return tuple(bool(decision) for decision in tensor)

    def gather(self, value: Any) -> list[Any]:
        """See Backend."""
        if not dist.is_initialized():
            return [value]
        values: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(values, value)
        return values

    def synchronise_model(self, params: spec.ParameterContainer, model_state: spec.ModelAuxiliaryState) -> None:
        """Broadcast process 0's buffers: batch statistics differ between processes."""
        del model_state
        if self.num_processes > 1:
            for buffer in bare_model(params).buffers():
                dist.broadcast(buffer, src=0)

    def bare_model(self, params: torch.nn.Module) -> torch.nn.Module:
        """See Backend."""
        return bare_model(params)

    def outline(self, tree: Any) -> Any:
        """See Backend: tensors stay, because they are filled in place."""
        return tree

    def describe_model(self, params: torch.nn.Module, model_state: spec.ModelAuxiliaryState) -> dict[str, str]:
        """See Backend."""
        del model_state
        return describe_model(bare_model(params))

    def model_form(self, params: Any, model_state: Any) -> dict[str, str]:
        """See Backend."""
        return model_form(bare_model(params) if isinstance(params, torch.nn.Module) else params, model_state)

    def release_memory(self) -> None:
        """Free cached device memory."""
        gc.collect()
        if self._device.type == "cuda":
            torch._C._cuda_clearCublasWorkspaces()
            torch.cuda.empty_cache()
            self._peak_bytes = self.peak_device_bytes() or 0
            torch.cuda.reset_peak_memory_stats()

    def peak_device_bytes(self) -> int | None:
        """As the allocator of tensors says."""
        if self._device.type != "cuda":
            return None
        return max(self._peak_bytes, torch.cuda.max_memory_allocated(self._device))

    def is_out_of_memory(self, error: BaseException) -> bool:
        """CUDA has its own error class; for the CPU allocator, match the message."""
        return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in text_of(error)

    def random_state(self) -> dict[str, torch.Tensor]:
        """Generators of the host and of this process's device."""
        state = {"cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self._device)
        return state

    def set_random_state(self, state: dict[str, torch.Tensor]) -> None:
        """See Backend."""
        torch.set_rng_state(state["cpu"])
        if "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self._device)

    def environment(self) -> dict[str, Any]:
        """Version of torch, and the device of every process."""
        name = torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else platform.machine()
        return {
            "versions": {"torch": version("torch"), "cuda": torch.version.cuda},
            "devices": [f"{self._device.type}:{name}"] * self.num_processes,
        }
