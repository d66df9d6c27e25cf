"""What the timed loop needs from a framework. Imports no framework."""

from __future__ import annotations

from typing import Any, Protocol

from algoperf.checkpoint.processes import Processes
from algoperf.data.contracts import Shard
from algoperf.spec import ModelAuxiliaryState, ParameterContainer
from algoperf.versions import Limits
from algoperf.workload.bound import BoundWorkload
from algoperf.workload.definition import WorkloadDefinition


class Backend(Processes, Protocol):
    """One framework in this process: its devices, the other processes of the trial, its state.

    Attributes:
      name: "jax" or "pytorch".
      num_devices: devices of all processes; batch sizes must be divisible by it.

    Process 0 reads the clock and writes the records.
    """

    name: str
    num_devices: int

    @property
    def shard(self) -> Shard:
        """The part of every global batch that this process feeds."""
        ...

    def bind(self, definition: WorkloadDefinition, limits: Limits) -> BoundWorkload:
        """The workload that submissions see."""
        ...

    def compile(self, workload: BoundWorkload, params: ParameterContainer, policy: str) -> ParameterContainer:
        """Apply the workload's compile policy ('auto', 'on', 'off'); `compile_note` then says what was done."""
        ...

    def bare_model(self, params: ParameterContainer) -> ParameterContainer:
        """The model without the wrappers for distribution and compilation."""
        ...

    def outline(self, tree: Any) -> Any:
        """What restoring needs of a newly made tree, without the memory of arrays that it does not fill."""
        ...

    def describe_model(self, params: ParameterContainer, model_state: ModelAuxiliaryState) -> dict[str, str]:
        """Describe the parts of the model, by name: a submission must not change them."""
        ...

    def model_form(self, params: Any, model_state: Any) -> dict[str, str]:
        """Dtype and shape of each tensor, by name, and the type of whatever is no tensor or no model at all."""
        ...

    def checksums(self, params: ParameterContainer) -> dict[str, int]:
        """A number per parameter, by name, that changes when a training step changes its values. Cheap at any size."""
        ...

    @property
    def compile_note(self) -> str:
        """What was compiled, or why not; for the run's metadata."""
        ...

    def compile_seconds(self) -> float:
        """Seconds spent compiling in this process so far."""
        ...

    def wait(self, *trees: Any) -> None:
        """Wait until the devices of all processes have computed everything in `trees`."""
        ...

    def synchronise_model(self, params: ParameterContainer, model_state: ModelAuxiliaryState) -> None:
        """Copy process 0's model to every process where they may differ (batch statistics)."""
        ...

    def release_memory(self) -> None:
        """Free the framework's cached memory on the device."""
        ...

    def peak_device_bytes(self) -> int | None:
        """The most memory of one of this process's devices that was in use so far; None if it is the host's."""
        ...

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether an error means that host or device memory ran out."""
        ...

    def random_state(self) -> Any:
        """The framework's global random state, as arrays; None if it has none."""
        ...

    def set_random_state(self, state: Any) -> None:
        """Restore `random_state()`."""
        ...

    def environment(self) -> dict[str, Any]:
        """Versions and devices: `{"versions": {...}, "devices": [...]}`."""
        ...
