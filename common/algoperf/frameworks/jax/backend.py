"""JAX in this process: one process drives all devices."""

from __future__ import annotations

import gc
import zlib
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from algoperf import spec
from algoperf.checkpoint.tree import LeafCodec, NumpyCodec
from algoperf.data.contracts import Shard
from algoperf.errors import text_of
from algoperf.frameworks.jax.codec import JaxCodec, outline
from algoperf.frameworks.jax.workload import JaxWorkload
from algoperf.versions import Limits
from algoperf.workload.bound import BoundWorkload
from algoperf.workload.definition import WorkloadDefinition

_SAMPLED = 1 << 12  # numbers of an array that tell whether training changed it


def start() -> JaxBackend:
    """Set the process-wide settings and return the backend."""
    jax.config.update("jax_default_prng_impl", "threefry2x32")
    jax.config.update("jax_threefry_partitionable", True)
    return JaxBackend()


class JaxBackend:
    """See `frameworks.backend.Backend`."""

    name = "jax"
    rank = 0
    num_processes = 1
    compile_note = "jax.jit, as the submission calls it"

    def __init__(self) -> None:
        self.num_devices = jax.device_count()
        self.codecs: dict[str, LeafCodec] = {"jax": JaxCodec(), "numpy": NumpyCodec()}
        self._compile_seconds = 0.0
        self._last = [jax.device_put(np.float32(0), device) for device in jax.local_devices()]
        jax.monitoring.register_event_duration_secs_listener(self._on_duration)

    def _on_duration(self, event: str, duration_secs: float, **_: Any) -> None:
        if event.startswith("/jax/core/compile/"):
            self._compile_seconds += duration_secs

    @property
    def shard(self) -> Shard:
        """The whole batch: placement splits it over the devices."""
        return Shard(devices=self.num_devices)

    def bind(self, definition: WorkloadDefinition, limits: Limits) -> BoundWorkload:
        """See Backend."""
        return JaxWorkload(definition, limits)

    def compile(self, workload: BoundWorkload, params: Any, policy: str) -> Any:
        """Nothing to do: submissions call jit themselves."""
        del workload, policy
        return params

    def bare_model(self, params: Any) -> Any:
        """Parameters have no wrappers."""
        return params

    def outline(self, tree: Any) -> Any:
        """See Backend: shapes and placements in place of arrays."""
        return outline(tree)

    def describe_model(self, params: Any, model_state: Any) -> dict[str, str]:
        """Arrays by path, with dtype and shape."""
        leaves = jax.tree_util.tree_leaves_with_path({"params": params, "model_state": model_state})
        return {jax.tree_util.keystr(path): _description(leaf) for path, leaf in leaves}

    def model_form(self, params: Any, model_state: Any) -> dict[str, str]:
        """See Backend."""
        return self.describe_model(params, model_state)

    def checksums(self, params: Any) -> dict[str, int]:
        """See Backend. A `jax.Array` never changes, so its identity is enough."""
        leaves = jax.tree_util.tree_leaves_with_path(params)
        return {jax.tree_util.keystr(path): _checksum(leaf) for path, leaf in leaves}

    def compile_seconds(self) -> float:
        """Seconds spent tracing, lowering and compiling so far."""
        return self._compile_seconds

    def wait(self, *trees: Any) -> None:
        """Block until every array in `trees`, every other live array, and all that was dispatched before is computed.

        Otherwise devices would keep computing while the clock is stopped. No array waits for a program whose results
        were dropped or donated, but what is dispatched after it does: a device computes in order. (On a CPU, the order
        is one per thread of the host.)
        """
        last = [_next(each) for each in self._last]
        jax.block_until_ready((trees, last, jax.live_arrays()))

    def agree(self, *decisions: bool) -> tuple[bool, ...]:
        """There is only one process."""
        return decisions

    def gather(self, value: Any) -> list[Any]:
        """There is only one process, so a single value."""
        return [value]

    def synchronise_model(self, params: spec.ParameterContainer, model_state: spec.ModelAuxiliaryState) -> None:
        """Batch statistics are global under jit."""

    def release_memory(self) -> None:
        """Free arrays that only garbage refers to."""
        gc.collect()

    def peak_device_bytes(self) -> int | None:
        """As XLA's allocator says."""
        known = [device.memory_stats() or {} for device in jax.local_devices()]
        return max((stats["peak_bytes_in_use"] for stats in known if "peak_bytes_in_use" in stats), default=None)

    def is_out_of_memory(self, error: BaseException) -> bool:
        """XLA says RESOURCE_EXHAUSTED."""
        return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text_of(error)

    def random_state(self) -> None:
        """JAX has no global random state."""

    def set_random_state(self, state: Any) -> None:
        """JAX has no global random state."""

    def environment(self) -> dict[str, Any]:
        """Versions of the JAX stack, and devices by kind."""
        return {
            "versions": {package: version(package) for package in ("jax", "jaxlib", "flax", "optax")},
            "devices": [f"{device.platform}:{device.device_kind}" for device in jax.devices()],
        }


@jax.jit
def _next(value: jax.Array) -> jax.Array:
    return value + 1  # a transfer would not do: it has a queue of its own


def _checksum(leaf: Any) -> int:
    if not isinstance(leaf, np.ndarray):
        return id(leaf)
    return zlib.crc32(np.ascontiguousarray(leaf.ravel()[:: max(1, leaf.size // _SAMPLED)]).data)


def _description(leaf: Any) -> str:
    if isinstance(leaf, (jax.Array, np.ndarray)):
        return f"{leaf.dtype}{list(leaf.shape)}"
    return f"a value of type {type(leaf).__name__}"
