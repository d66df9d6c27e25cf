"""Placement of arrays over all devices: a one-dimensional mesh with the axis `batch`."""

from __future__ import annotations

import functools
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec


@functools.cache
def _mesh() -> Mesh:
    return jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))


def get_replicate_sharding() -> NamedSharding:
    """Sharding with the whole array on every device."""
    return NamedSharding(_mesh(), PartitionSpec())


def get_batch_dim_sharding() -> NamedSharding:
    """Sharding with the leading axis split over the devices."""
    return NamedSharding(_mesh(), PartitionSpec("batch"))


def shard_along_batch_dim(tree: Any) -> Any:
    """Put every leaf on the devices, with its leading axis split over them."""
    return jax.device_put(tree, get_batch_dim_sharding())


def replicate(tree: Any) -> Any:
    """Put a copy of every leaf on each device."""
    return jax.device_put(tree, get_replicate_sharding())


def display_shard_info(array: jax.Array) -> None:
    """Print where the shards of an array are."""
    for shard in array.addressable_shards:
        print(f"device {shard.device}, index {shard.index}, replica {shard.replica_id}")
