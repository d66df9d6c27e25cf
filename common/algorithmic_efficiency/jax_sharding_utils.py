"""`algoperf.jax_sharding_utils` under the package name that v0.5 submissions import."""

import sys

import algoperf.jax_sharding_utils

sys.modules[__name__] = algoperf.jax_sharding_utils
