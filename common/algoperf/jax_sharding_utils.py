"""Public name for submissions: placement of JAX arrays over all devices."""

from algoperf.frameworks.jax.sharding import (
    display_shard_info,
    get_batch_dim_sharding,
    get_replicate_sharding,
    replicate,
    shard_along_batch_dim,
)

__all__ = [
    "display_shard_info",
    "get_batch_dim_sharding",
    "get_replicate_sharding",
    "replicate",
    "shard_along_batch_dim",
]
